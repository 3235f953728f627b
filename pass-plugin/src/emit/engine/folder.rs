//! The folder with the files of the jobs, beside the output, so that it is on the same file system and seen by the
//! same machines.

use nix::fcntl::{Flock, FlockArg};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = "lock";
/// How often a folder is removed into which somebody writes; without inputs jobs end soon.
const ATTEMPTS: u32 = 100;

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
            // Without it no build takes the folder for one that was left.
            let _ = fs::remove_file(self.path.join(LOCK));
            eprintln!("note: julienne: jobs and results are kept in {}", self.path.display());
            return;
        }
        remove(&self.path);
    }
}

fn remove_left(parent: &Path, prefix: &OsStr) {
    let prefix = prefix.as_encoded_bytes();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().as_encoded_bytes().starts_with(prefix) {
            continue;
        }
        let lock = File::open(entry.path().join(LOCK)).ok();
        let lock = lock.and_then(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).ok());
        if lock.is_some() {
            remove(&entry.path());
        }
    }
}

/// Removes a folder, whose lock the caller holds. Jobs that outlive their build know it by its name, so that gets
/// another one first: they would fill it again. The lock goes last: whoever is killed here leaves a folder
/// that can be told.
fn remove(folder: &Path) {
    let mut gone = folder.as_os_str().to_os_string();
    gone.push(".gone");
    // What cannot be removed harms nobody, and the next build tries again.
    let folder = if fs::rename(folder, &gone).is_ok() { Path::new(&gone) } else { folder };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() != LOCK {
            let _ = fs::remove_file(entry.path());
        }
    }
    for _ in 0..ATTEMPTS {
        match fs::remove_dir_all(folder) {
            // A job that runs in the folder has made another file.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            _ => return,
        }
    }
}
