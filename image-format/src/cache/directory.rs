//! The cache's directory, and that nobody else can have written there.
//!
//! What comes out of the cache goes into programs unread. So the directory, and each entry, must belong to the
//! user that this process runs as, and nobody else may be allowed to write to it.

use super::VERSION;
use nix::unistd::geteuid;
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// As <https://bford.info/cachedir/> has it.
const TAG: &str = "CACHEDIR.TAG";
const TAG_TEXT: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55
# Compiled pieces of programs, made by Julienne. Can be removed at any time.
";

#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    #[error(
        "cannot use the cache {}: {cause}; make it writable, choose another directory with JL_CACHE_DIR, or turn \
         the cache off with JL_CACHE=0", path.display()
    )]
    Unusable { path: PathBuf, cause: io::Error },
    #[error(
        "the cache {} is not used: {cause}; make it yours alone (chmod go-w), choose another directory with \
         JL_CACHE_DIR, or turn the cache off with JL_CACHE=0", path.display()
    )]
    Foreign { path: PathBuf, cause: Foreign },
}

/// Why others may have written something.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    #[error("it belongs to user {owner}, expected user {user}")]
    Owner { owner: u32, user: u32 },
    #[error("others may write to it (mode {mode:o}), expected this user alone")]
    Writable { mode: u32 },
}

/// Whether only this process's user can have written there.
pub fn only_ours(metadata: &Metadata) -> Result<(), Foreign> {
    let (owner, user, mode) = (metadata.uid(), geteuid().as_raw(), metadata.mode() & 0o7777);
    if owner != user {
        Err(Foreign::Owner { owner, user })
    } else if mode & 0o022 != 0 {
        Err(Foreign::Writable { mode })
    } else {
        Ok(())
    }
}

/// The directory of this version's entries.
pub fn version(dir: &Path) -> PathBuf {
    dir.join(format!("v{VERSION}"))
}

/// Makes what is missing, and gives [`version`].
///
/// # Errors
/// It cannot be made, is no directory, or others may write to it.
pub fn open(dir: &Path) -> Result<PathBuf, CacheError> {
    let unusable = |cause| CacheError::Unusable { path: dir.into(), cause };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(unusable)?;
    check(dir, &fs::metadata(dir).map_err(unusable)?)?;
    let root = version(dir);
    match DirBuilder::new().mode(0o700).create(&root) {
        Ok(()) => tag(dir),
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(unusable(cause)),
    }
    check(&root, &fs::symlink_metadata(&root).map_err(unusable)?)?;
    Ok(root)
}

fn check(path: &Path, metadata: &Metadata) -> Result<(), CacheError> {
    if !metadata.is_dir() {
        let cause = ErrorKind::NotADirectory.into();
        return Err(CacheError::Unusable { path: path.into(), cause });
    }
    only_ours(metadata).map_err(|cause| CacheError::Foreign { path: path.into(), cause })
}

/// Without it, backups are larger; nothing else.
fn tag(dir: &Path) {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(TAG));
    let _ = file.and_then(|mut file| file.write_all(TAG_TEXT));
}
