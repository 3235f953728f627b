//! Making room: the entries that were not used for longest go first.

use super::Kind;
use super::journal::{Amount, Event, Journal, Sums};
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, DirEntry, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Beginning of the name of a file that is being written.
pub const STAGED: &str = "tmp-";
/// Of the limit: what is left after an eviction, so that not every put needs one.
const KEEP_PERCENT: u64 = 90;
/// How often an eviction looks whether others have filled the room again meanwhile.
const ROUNDS: u32 = 4;

/// An entry as the directory shows it.
#[derive(Debug)]
pub struct Entry {
    pub kind: Kind,
    pub bytes: u64,
    used: SystemTime,
    path: PathBuf,
}

/// Everything in a cache.
#[derive(Debug, Default)]
pub struct Contents {
    pub entries: Vec<Entry>,
    /// Of files that are being written by processes that live.
    pub staged_bytes: u64,
}

impl Contents {
    /// Reads the directory, and removes what dead processes left half written. Entries may come and go
    /// meanwhile. What is not ours by its name is left alone.
    pub fn scan(root: &Path) -> Contents {
        let mut contents = Contents::default();
        let folders = fs::read_dir(root).into_iter().flatten().flatten();
        for folder in folders.filter(|f| is_hex(f.file_name().as_encoded_bytes(), 2)) {
            for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                contents.take(&file);
            }
        }
        contents
    }

    fn take(&mut self, file: &DirEntry) {
        let name = file.file_name();
        let Some(name) = name.to_str() else { return };
        // Not following links: those are never ours.
        let Ok(metadata) = file.metadata() else { return };
        if !metadata.is_file() {
            return;
        }
        let (path, bytes) = (file.path(), metadata.len());
        if name.starts_with(STAGED) {
            if is_abandoned(&path) {
                let _ = fs::remove_file(&path);
            } else {
                self.staged_bytes += bytes;
            }
            return;
        }
        let Some((hash, kind)) = name.split_once('.') else { return };
        if let (true, Some(kind)) = (is_hex(hash.as_bytes(), 64), Kind::from_word(kind)) {
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            self.entries.push(Entry { kind, bytes, used, path });
        }
    }
}

fn is_hex(name: &[u8], length: usize) -> bool {
    name.len() == length && name.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whoever writes a file holds a lock on it, which ends with the process however that ends.
fn is_abandoned(path: &Path) -> bool {
    let file = OpenOptions::new().read(true).open(path);
    file.is_ok_and(|file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok())
}

/// How much is to go.
#[derive(Clone, Copy, Debug)]
pub enum Shrink {
    /// What is above this many bytes, and somewhat more.
    To(u64),
    All,
}

/// Removes entries, the longest unused first, and settles the journal. Where another process does so
/// already there is nothing to do: it looks again when it is done. `None` then.
pub fn shrink(root: &Path, journal: &Journal, how: Shrink) -> Option<Amount> {
    let mut removed = Amount::default();
    for round in 0..ROUNDS {
        let Some(lock) = lock(root) else { return (round > 0).then_some(removed) };
        let before = journal.sums().unwrap_or_default();
        match how {
            Shrink::To(limit) if before.size.bytes <= limit => break,
            Shrink::All if round > 0 => break,
            _ => {}
        }
        let Contents { mut entries, staged_bytes } = Contents::scan(root);
        entries.sort_by(|a, b| (a.used, &a.path).cmp(&(b.used, &b.path)));
        let target = match how {
            Shrink::To(limit) => limit / 100 * KEEP_PERCENT,
            Shrink::All => 0,
        };
        let mut left = Amount { count: entries.len() as u64, bytes: entries.iter().map(|e| e.bytes).sum() };
        let mut evicted = [Amount::default(); Kind::ALL.len()];
        for entry in entries {
            if left.bytes + staged_bytes <= target && !matches!(how, Shrink::All) {
                break;
            }
            match fs::remove_file(&entry.path) {
                Ok(()) => {
                    evicted[entry.kind as usize].add(1, entry.bytes);
                    removed.add(1, entry.bytes);
                }
                // Another removed it: it was damaged.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(_) => continue,
            }
            left = Amount { count: left.count - 1, bytes: left.bytes - entry.bytes };
        }
        left.bytes += staged_bytes;
        journal.update(|sums| settle(sums, &before, left, evicted));
        // Whoever found the lock taken until now has put already, and the next round sees it.
        drop(lock);
    }
    Some(removed)
}

/// The size is what was found, and what was put since `before` was read: some of that was found too, so that
/// the sum is rather too large.
fn settle(sums: &mut Sums, before: &Sums, left: Amount, evicted: [Amount; Kind::ALL.len()]) {
    let since = Amount {
        count: sums.size.count.saturating_sub(before.size.count),
        bytes: sums.size.bytes.saturating_sub(before.size.bytes),
    };
    sums.size = left;
    sums.size.add(since.count, since.bytes);
    for (kind, amount) in Kind::ALL.into_iter().zip(evicted) {
        sums.add(Event::Evict, kind, amount);
    }
}

fn lock(root: &Path) -> Option<Flock<File>> {
    let mut options = OpenOptions::new();
    let file =
        options.write(true).create(true).truncate(false).mode(0o600).open(root.join("evict.lock")).ok()?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).ok()
}
