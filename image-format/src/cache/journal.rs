//! The journal: what happened in the cache, as lines of text that add up.
//!
//! ```text
//! put part 1 5321          events: count and bytes
//! hit shard 12 0
//! size - 840 73400320      how many entries and bytes there are; later puts come on top
//! ```
//! Each process appends; a line that is incomplete or that nobody understands counts for nothing. When the
//! file grows it is replaced by its sums. Appending takes a shared lock on the file and replacing it an
//! exclusive one, so that no line is written to a file that has just been summed up. Nobody waits long for it:
//! a count may be lost.

use super::Kind;
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// From this many bytes on the file is replaced by its sums.
const COMPACT_BYTES: u64 = 32 << 10;
/// How often a lock is tried, and how long between.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    Hit,
    Miss,
    Put,
    Corrupt,
    Evict,
}

impl Event {
    pub const ALL: [Event; 5] = [Event::Hit, Event::Miss, Event::Put, Event::Corrupt, Event::Evict];

    fn word(self) -> &'static str {
        match self {
            Event::Hit => "hit",
            Event::Miss => "miss",
            Event::Put => "put",
            Event::Corrupt => "corrupt",
            Event::Evict => "evict",
        }
    }
}

/// A count, and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    pub count: u64,
    pub bytes: u64,
}

impl Amount {
    pub fn add(&mut self, count: u64, bytes: u64) {
        self.count = self.count.saturating_add(count);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn sub(&mut self, count: u64, bytes: u64) {
        self.count = self.count.saturating_sub(count);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

/// What the lines add up to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    events: BTreeMap<(Event, Kind), Amount>,
    /// What the entries take; more where a process was killed while it put one.
    pub size: Amount,
}

impl Sums {
    pub fn of(&self, event: Event, kind: Kind) -> Amount {
        self.events.get(&(event, kind)).copied().unwrap_or_default()
    }

    pub fn add(&mut self, event: Event, kind: Kind, amount: Amount) {
        if amount != Amount::default() {
            self.events.entry((event, kind)).or_default().add(amount.count, amount.bytes);
        }
    }

    /// All counts are zero again; the size stays what it is.
    pub fn forget_events(&mut self) {
        self.events.clear();
    }

    pub(super) fn parse(text: &[u8]) -> Sums {
        let mut sums = Sums::default();
        // The last piece has no end of line: nothing, or a line that was cut off.
        let mut lines: Vec<&[u8]> = text.split(|b| *b == b'\n').collect();
        lines.pop();
        for line in lines {
            let _ = std::str::from_utf8(line).ok().and_then(|line| sums.take(line));
        }
        sums
    }

    /// `None` for what is no line of ours.
    fn take(&mut self, line: &str) -> Option<()> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [event, kind, count, bytes] = fields[..] else { return None };
        let (count, bytes) = (count.parse().ok()?, bytes.parse().ok()?);
        if (event, kind) == ("size", "-") {
            self.size = Amount { count, bytes };
            return Some(());
        }
        let (event, kind) = (Event::ALL.into_iter().find(|e| e.word() == event)?, Kind::from_word(kind)?);
        self.events.entry((event, kind)).or_default().add(count, bytes);
        match event {
            Event::Put => self.size.add(count, bytes),
            Event::Corrupt => self.size.sub(count, bytes),
            // After an eviction the size is set.
            Event::Hit | Event::Miss | Event::Evict => {}
        }
        Some(())
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for ((event, kind), Amount { count, bytes }) in &self.events {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{} {} {count} {bytes}", event.word(), kind.word());
        }
        let _ = writeln!(text, "size - {} {}", self.size.count, self.size.bytes);
        text
    }
}

pub struct Journal {
    path: PathBuf,
}

impl Journal {
    pub fn new(root: &Path) -> Journal {
        Journal { path: root.join("journal") }
    }

    /// Appends a line; gives the size of all entries together, where it can be told.
    pub fn append(&self, event: Event, kind: Kind, count: u64, bytes: u64) -> Option<u64> {
        let line = format!("{} {} {count} {bytes}\n", event.word(), kind.word());
        let mut file = self.lock(FlockArg::LockSharedNonblock)?;
        file.write_all(line.as_bytes()).ok()?;
        let length = file.metadata().ok()?.len();
        // Others may write now, and it may be replaced.
        drop(file);
        let sums = if length < COMPACT_BYTES { self.sums() } else { self.update(|_| {}) };
        Some(sums?.size.bytes)
    }

    /// What it says now.
    pub fn sums(&self) -> Option<Sums> {
        Some(Sums::parse(&fs::read(&self.path).ok()?))
    }

    /// Replaces the lines by their sums, after `change`.
    pub fn update(&self, change: impl FnOnce(&mut Sums)) -> Option<Sums> {
        let mut file = self.lock(FlockArg::LockExclusiveNonblock)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        let mut sums = Sums::parse(&text);
        change(&mut sums);
        let staged = self.path.with_extension("new");
        // Only the holder of the lock writes it.
        let mut new =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged).ok()?;
        new.write_all(sums.text().as_bytes()).ok()?;
        fs::rename(&staged, &self.path).ok()?;
        Some(sums)
    }

    /// The file under its lock; `None` when somebody else keeps it.
    fn lock(&self, how: FlockArg) -> Option<Flock<File>> {
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            let file = options.read(true).append(true).create(true).mode(0o600).open(&self.path).ok()?;
            if let Ok(file) = Flock::lock(file, how) {
                // It may have been replaced between opening and locking.
                let there = fs::metadata(&self.path).map(|m| m.ino()).ok();
                if file.metadata().ok().map(|m| m.ino()) == there {
                    return Some(file);
                }
            } else {
                sleep(PAUSE);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines() -> impl Strategy<Value = Vec<String>> {
        let event = prop::sample::select(vec!["hit", "miss", "put", "corrupt", "evict", "size"]);
        let line = (event, 0usize..3, 0u64..100, 0u64..10_000).prop_map(|(event, kind, count, bytes)| {
            let kind = if event == "size" { "-" } else { Kind::ALL[kind].word() };
            format!("{event} {kind} {count} {bytes}\n")
        });
        prop::collection::vec(line, 0..30)
    }

    proptest! {
        #[test]
        fn sums_stand_for_their_lines(before in lines(), after in lines()) {
            let whole = Sums::parse([before.concat(), after.concat()].concat().as_bytes());
            let sums = Sums::parse(before.concat().as_bytes());
            prop_assert_eq!(Sums::parse(sums.text().as_bytes()), sums.clone());
            prop_assert_eq!(Sums::parse([sums.text(), after.concat()].concat().as_bytes()), whole);
        }

        #[test]
        fn what_is_cut_off_or_foreign_counts_for_nothing(lines in lines(), cut in 0usize..2000, noise: Vec<u8>) {
            let text = lines.concat();
            let cut = cut.min(text.len());
            let whole = text[..cut].rfind('\n').map_or(0, |at| at + 1);
            prop_assert_eq!(Sums::parse(&text.as_bytes()[..cut]), Sums::parse(&text.as_bytes()[..whole]));
            Sums::parse(&noise);
        }
    }

    #[test]
    fn lines_add_up() {
        let text = "put part 1 100\nput part 2 50\nhit part 7 0\nsize - 9 1000\nput shard 1 5\ncorrupt part 1 100\n\
                    put part 1 7put part 1 9\nput part 1\nput loaf 1 1\nsize part 1 1\nput part -1 1\nput part 1 999";
        let sums = Sums::parse(text.as_bytes());
        assert_eq!(sums.of(Event::Put, Kind::Part), Amount { count: 3, bytes: 150 });
        assert_eq!(sums.of(Event::Hit, Kind::Part), Amount { count: 7, bytes: 0 });
        assert_eq!(sums.size, Amount { count: 9, bytes: 905 });
    }
}
