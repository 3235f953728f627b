//! The cache of compiled pieces: what the plugin puts and gets, and what `jl-link --jl-cache-stats` tells of.
//!
//! # On disk
//! ```text
//! DIR/                       the user's alone: mode 0700 when we make it
//!   CACHEDIR.TAG             tells backup programs to leave it out
//!   v1/                      VERSION: another format is another directory
//!     ab/ab12...ef.part      an entry: 64 hex digits of its key's hash, and its kind
//!     ab/tmp-PID-N           an entry being written, under a lock that ends with its writer
//!     journal                counts, a line each (see `journal`)
//!     evict.lock             held by the process that makes room
//! ```
//! An entry is a head of [`HEAD_BYTES`] and the payload; all numbers are little endian:
//! ```text
//!  0  MAGIC
//!  8  u32 VERSION
//! 12  u32 kind (0 image, 1 shard, 2 part, 3 unit)
//! 16  u64 length of the payload
//! 24  32 bytes: the key's hash
//! 56  32 bytes: BLAKE3 of bytes 0 to 56 and of the payload, derived for CHECKSUM_CONTEXT
//! 88  payload
//! ```
//!
//! # What may be relied on
//! * [`Cache::get`] gives what [`Cache::put`] was given under the same key, or nothing: the checksum covers
//!   every byte, and the key stands in the entry, so damage, half of a file and an entry under another's
//!   name are misses. Therefore nothing needs to be synced to disk.
//! * Any number of processes may use a directory at the same time, and be killed at any moment. An
//!   entry is written to the side and renamed. Nobody waits for a lock; what an eviction takes away while
//!   another reads it stays readable for that one.
//! * The entries' bytes stay below the limit but for what is just being written.
//! * What another user could have written is not believed: see [`directory`].
//!
//! A cache only ever makes a build faster. When its directory cannot be used or the disk is full, that is one
//! warning, and the build goes on without.

pub mod directory;
mod entry;
mod evict;
mod journal;
pub mod key;
pub mod settings;
pub mod stats;

pub use directory::CacheError;
pub use journal::Amount;
pub use key::{Key, KeyBuilder, Kind};
pub use settings::Settings;

use entry::Found;
use evict::Shrink;
use journal::{Event, Journal};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

/// Of everything above. Part of the path, of each entry and of each key.
pub const VERSION: u32 = 1;
pub const MAGIC: &[u8; 8] = b"JLCACHE\n";
pub const HEAD_BYTES: usize = 88;
pub const CHECKSUM_CONTEXT: &str = "Julienne 2026 cache, format 1, checksum of an entry";

/// Takes a warning, without a newline.
pub type Warn = Box<dyn Fn(&str) + Send + Sync>;

/// An open cache. Any number of threads may use it.
pub struct Cache {
    /// The directory of this version.
    root: PathBuf,
    max_bytes: u64,
    journal: Journal,
    counters: [Counters; Kind::ALL.len()],
    warn: Warn,
    warned: AtomicBool,
    /// Something could not be written: nothing is put any more.
    full: AtomicBool,
}

/// Goes to the journal at the end: a process that is killed loses its counts, and nothing else.
#[derive(Default)]
struct Counters {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Cache {
    /// Opens the cache in `dir` and makes the directory if there is none. `max_bytes` bounds all entries together.
    ///
    /// # Errors
    /// The directory cannot be made or used, or others could write to it.
    pub fn open(dir: &Path, max_bytes: u64, warn: Warn) -> Result<Cache, CacheError> {
        Ok(Cache::at(directory::open(dir)?, max_bytes, warn))
    }

    fn at(root: PathBuf, max_bytes: u64, warn: Warn) -> Cache {
        Cache {
            journal: Journal::new(&root),
            root,
            max_bytes,
            counters: Default::default(),
            warn,
            warned: AtomicBool::new(false),
            full: AtomicBool::new(false),
        }
    }

    /// The cache that the environment asks for; `None` where there is none, and then a warning where there should
    /// be one.
    pub fn from_environment(warn: Warn) -> Option<Cache> {
        let (settings, warning) = Settings::from_environment();
        if let Some(warning) = warning {
            warn(&warning);
        }
        let Settings { dir, max_bytes } = settings?;
        match directory::open(&dir) {
            Ok(root) => Some(Cache::at(root, max_bytes, warn)),
            Err(problem) => {
                warn(&problem.to_string());
                None
            }
        }
    }

    /// What was put under `key`. Every failure is a miss; a damaged entry is removed.
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        let counters = &self.counters[key.kind() as usize];
        let path = self.path(key);
        match entry::read(&path, key) {
            Ok(Found::Payload(file, payload)) => {
                // Eviction takes what was not used for longest. That it is not noted does no harm.
                let _ = file.set_modified(SystemTime::now());
                counters.hits.fetch_add(1, Relaxed);
                return Some(payload);
            }
            Ok(Found::Damaged { bytes }) => {
                // At worst this takes a good entry that came in between: a miss, later.
                if fs::remove_file(&path).is_ok() {
                    self.journal.append(Event::Corrupt, key.kind(), 1, bytes);
                }
            }
            Ok(Found::Foreign) => self.warn_once(&format!(
                "the cache entry {} is not a file that only this user can write: not used; remove it",
                path.display()
            )),
            Err(_) => {}
        }
        counters.misses.fetch_add(1, Relaxed);
        None
    }

    /// Keeps `payload` under `key`. What is larger than the whole cache may be is not kept. The first
    /// failure is a warning, and then nothing is kept any more.
    pub fn put(&self, key: &Key, payload: &[u8]) {
        let bytes = (HEAD_BYTES + payload.len()) as u64;
        if bytes > self.max_bytes || self.full.load(Relaxed) {
            return;
        }
        if let Err(cause) = self.write(key, payload, bytes) {
            self.full.store(true, Relaxed);
            self.warn_once(&format!(
                "cannot write to the cache {}: {cause}; goes on without. Free some space, choose another \
                 directory with JL_CACHE_DIR, or turn the cache off with JL_CACHE=0",
                self.root.display()
            ));
        }
    }

    fn write(&self, key: &Key, payload: &[u8], bytes: u64) -> io::Result<()> {
        let path = self.path(key);
        let parent = path.parent().unwrap_or(&self.root);
        match fs::DirBuilder::new().mode(0o700).create(parent) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => return Err(cause),
            _ => {}
        }
        let (staged, mut file) = stage(parent)?;
        let written = file.write_all(&entry::head(key, payload)).and_then(|()| file.write_all(payload));
        let renamed = written.and_then(|()| {
            // First counted, then there: who is killed in between leaves a sum that is too large, and the
            // next eviction sets it right.
            self.note(Event::Put, key.kind(), 1, bytes);
            fs::rename(&staged, &path)
        });
        match renamed {
            // An eviction met our file before its lock, and took it for a dead process's.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(cause) => {
                let _ = fs::remove_file(&staged);
                Err(cause)
            }
            Ok(()) => Ok(()),
        }
    }

    /// Writes an event down, and makes room where there is too little.
    fn note(&self, event: Event, kind: Kind, count: u64, bytes: u64) {
        let size = self.journal.append(event, kind, count, bytes);
        if size.is_some_and(|size| size > self.max_bytes) {
            evict::shrink(&self.root, &self.journal, Shrink::To(self.max_bytes));
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = key.file_name();
        self.root.join(&name[..2]).join(name)
    }

    fn warn_once(&self, text: &str) {
        if !self.warned.swap(true, Relaxed) {
            (self.warn)(text);
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (kind, counters) in Kind::ALL.into_iter().zip(&self.counters) {
            for (event, count) in [(Event::Hit, &counters.hits), (Event::Miss, &counters.misses)] {
                let count = count.load(Relaxed);
                if count > 0 {
                    // Who finds all and puts nothing makes room, too: others may have been killed before they did.
                    self.note(event, kind, count, 0);
                }
            }
        }
    }
}

/// A new file beside the entries, locked for as long as it is open.
fn stage(parent: &Path) -> io::Result<(PathBuf, Flock<fs::File>)> {
    // A number of this process's; others, and processes of that number in another container, make other files.
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = NUMBER.fetch_add(1, Relaxed);
        let path = parent.join(format!("{}{}-{number}", evict::STAGED, std::process::id()));
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) => return Ok((path, file)),
                // An eviction looks at it at this very moment, and will remove it.
                Err(_) => continue,
            },
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(cause) => return Err(cause),
        }
    }
}
