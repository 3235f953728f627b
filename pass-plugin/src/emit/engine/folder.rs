//! The folder with the files of the jobs, beside the output, so that it is on the same file system and seen by the
//! same machines.

use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";

/// Goes away with its files, unless it is to be kept.
pub struct Folder {
    path: PathBuf,
    keep: bool,
    /// Says that we live: what a killed build left is known by a lock that nobody holds.
    _lock: Flock<File>,
}

impl Folder {
    /// A new one beside `output`. Removes what killed builds of this output have left.
    ///
    /// # Errors
    /// A sentence with the output's name.
    pub fn beside(output: &Path, keep: bool) -> Result<Folder, String> {
        Folder::make(output, keep)
            .map_err(|e| format!("cannot make a folder for jobs beside {}: {e}", output.display()))
    }

    fn make(output: &Path, keep: bool) -> io::Result<Folder> {
        let output = std::path::absolute(output)?;
        let parent = output.parent().unwrap_or(Path::new("/"));
        let mut prefix = OsStr::new(".jl-jobs-").to_os_string();
        prefix.push(output.file_name().unwrap_or_default());
        prefix.push("-");
        remove_left(parent, &prefix);
        // Under another name until it is locked: nobody may take it for one that was left.
        let new = tempfile::Builder::new().prefix(".jl-new-").tempdir_in(parent)?;
        let lock = Flock::lock(File::create(new.path().join(LOCK))?, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, error)| io::Error::from(error))?;
        let mut name = prefix;
        name.push(
            new.path().file_name().and_then(OsStr::to_str).unwrap_or_default().trim_start_matches(".jl-new-"),
        );
        let path = parent.join(name);
        fs::rename(new.path(), &path)?;
        // Its old name is gone, and with it what would be removed.
        let _ = new.keep();
        Ok(Folder { path, keep, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("note: julienne: jobs and results are kept in {}", self.path.display());
            return;
        }
        // A job that outlives its engine may still write; the next build removes the rest.
        let _ = fs::remove_dir_all(&self.path);
    }
}

fn remove_left(parent: &Path, prefix: &OsStr) {
    let prefix = prefix.as_encoded_bytes();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK)).ok();
        if lock.is_some_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
