//! An entry's bytes, and who may have written them. The format stands in [`super`].

use super::directory::only_ours;
use super::{CHECKSUM_CONTEXT, HEAD_BYTES, Key, MAGIC, VERSION};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where the checksum begins, which covers what is before it.
const CHECKSUM: usize = 56;

/// What stands before `payload`.
pub fn head(key: &Key, payload: &[u8]) -> [u8; HEAD_BYTES] {
    let mut head = [0; HEAD_BYTES];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..16].copy_from_slice(&(key.kind() as u32).to_le_bytes());
    head[16..24].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    head[24..CHECKSUM].copy_from_slice(key.hash());
    let mut hasher = blake3::Hasher::new_derive_key(CHECKSUM_CONTEXT);
    hasher.update(&head[..CHECKSUM]).update(payload);
    head[CHECKSUM..].copy_from_slice(hasher.finalize().as_bytes());
    head
}

/// What is under an entry's name.
pub enum Found {
    /// The payload, and the open file.
    Payload(File, Vec<u8>),
    /// Not an entry of this key: damaged, cut off, of another version or another key.
    Damaged { bytes: u64 },
    /// Others could have written it, or it is no regular file.
    Foreign,
}

/// # Errors
/// There is no such file, or it cannot be read.
pub fn read(path: &Path, key: &Key) -> io::Result<Found> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        // What O_NOFOLLOW says of a symbolic link.
        Err(cause) if cause.raw_os_error() == Some(nix::libc::ELOOP) => return Ok(Found::Foreign),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() || only_ours(&metadata).is_err() {
        return Ok(Found::Foreign);
    }
    let bytes = metadata.len();
    let damaged = Ok(Found::Damaged { bytes });
    // The length is the file's, not the head's: a damaged one must not ask for all memory.
    let Some(length) = bytes.checked_sub(HEAD_BYTES as u64) else { return damaged };
    let mut found = [0; HEAD_BYTES];
    let mut payload = Vec::new();
    payload.try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))?;
    file.read_exact(&mut found)?;
    file.by_ref().take(length).read_to_end(&mut payload)?;
    // The head that the payload would have under this key: equal in every byte, or no entry of it.
    if payload.len() as u64 != length || head(key, &payload) != found {
        return damaged;
    }
    Ok(Found::Payload(file, payload))
}
