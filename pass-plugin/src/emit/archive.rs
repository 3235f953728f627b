//! The archive that emission writes.

use ar_archive_writer::{ArchiveKind, DEFAULT_OBJECT_READER, NewArchiveMember, write_archive_to_stream};
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A member of the archive.
pub struct Member {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The archive's bytes. Members have neither time nor owner.
///
/// # Errors
/// A sentence with the file's name.
pub fn pack(path: &Path, members: &[Member]) -> Result<Vec<u8>, String> {
    let list: Vec<NewArchiveMember> = members
        .iter()
        .map(|m| NewArchiveMember::new(m.bytes.as_slice(), &DEFAULT_OBJECT_READER, m.name.clone()))
        .collect();
    let mut bytes = Cursor::new(Vec::new());
    write_archive_to_stream(&mut bytes, &list, ArchiveKind::Gnu, false, Some(false))
        .map_err(|error| failure(path, &error))?;
    Ok(bytes.into_inner())
}

/// Writes a file to the side and renames it, so that an interrupted build leaves what was there.
///
/// # Errors
/// A sentence with the file's name.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // As any compiler's output: the umask decides who may read it.
    let everyone = fs::Permissions::from_mode(0o666);
    let side = tempfile::Builder::new().prefix(".jl-emit-").permissions(everyone).tempfile_in(folder);
    let side = side.map_err(|error| failure(path, &error))?;
    fs::write(side.path(), bytes).map_err(|error| failure(path, &error))?;
    side.persist(path).map_err(|error| failure(path, &error.error))?;
    Ok(())
}

fn failure(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("cannot write {}: {error}", path.display())
}
