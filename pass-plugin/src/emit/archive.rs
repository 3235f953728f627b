//! The archive that emission writes.

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// A member of the archive.
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Writes the archive to the side and renames it, so that an interrupted build leaves what was there. Members have
/// neither time nor owner.
///
/// # Errors
/// A sentence with the file's name.
pub fn write(path: &Path, members: &[Member]) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| format!("cannot write {}: {error}", path.display());
    let list: Vec<NewArchiveMember> = members
        .iter()
        .map(|m| NewArchiveMember::new(m.bytes.as_slice(), &DEFAULT_OBJECT_READER, m.name.clone()))
        .collect();
    let mut bytes = Cursor::new(Vec::new());
    write_archive_to_stream(&mut bytes, &list, ArchiveKind::Gnu, false, Some(false)).map_err(|e| fail(&e))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let side = tempfile::Builder::new().prefix(".jl-emit-").tempfile_in(folder).map_err(|e| fail(&e))?;
    fs::write(side.path(), bytes.get_ref()).map_err(|e| fail(&e))?;
    side.persist(path).map_err(|e| fail(&e.error))?;
    Ok(())
}
