//! Files found on this machine, as one file of a fixed size.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

pub const SIZE: usize = 64 << 20;
/// Of one file no more than this is taken, so that no single file dominates.
const PER_FILE: u64 = 1 << 20;
/// Where to look, and how much of it to take: headers, documents and data, machine code.
const PLACES: [(&str, usize); 3] =
    [("/usr/include", SIZE / 4), ("/usr/share", SIZE / 4), ("/usr/lib", SIZE / 2)];

/// Writes the corpus into `folder`, once; the same files in the same order on every run.
pub fn collect(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("corpus");
    if fs::metadata(&path).is_ok_and(|m| m.len() == SIZE as u64) {
        return Ok(path);
    }
    let mut bytes = Vec::with_capacity(SIZE);
    for (place, quota) in PLACES {
        let end = bytes.len() + quota;
        take(Path::new(place), end, &mut bytes);
        bytes.truncate(end);
    }
    if bytes.len() < SIZE / 16 {
        bail!("found only {} bytes under /usr/include, /usr/share and /usr/lib", bytes.len());
    }
    // A small system: begin again until the size is reached.
    let found = bytes.len();
    while bytes.len() < SIZE {
        let more = found.min(SIZE - bytes.len());
        bytes.extend_from_within(..more);
    }
    let unfinished = folder.join("corpus.tmp");
    fs::write(&unfinished, &bytes).with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// Appends regular files below `folder` in order of their names until `bytes` is `end` long. What cannot
/// be read is left out.
fn take(folder: &Path, end: usize, bytes: &mut Vec<u8>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if bytes.len() >= end {
            return;
        }
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => take(&entry.path(), end, bytes),
            Ok(kind) if kind.is_file() => {
                if let Ok(file) = fs::File::open(entry.path()) {
                    // What was read before an error is still good.
                    let _ = file.take(PER_FILE).read_to_end(bytes);
                }
            }
            _ => {}
        }
    }
}
