//! What is in a cache, and what it was good for.

use super::evict::{self, Contents, Shrink};
use super::journal::{Amount, Event, Journal};
use super::{CacheError, Kind, Settings, directory};
use std::path::PathBuf;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stats {
    pub directory: PathBuf,
    pub limit: u64,
    /// Of each kind, as [`Kind::ALL`] has them.
    pub kinds: [KindStats; Kind::ALL.len()],
}

/// Counts since the cache was made or cleared. A process that was killed did not tell its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KindStats {
    pub entries: u64,
    pub bytes: u64,
    pub hits: u64,
    pub misses: u64,
    /// Entries that were damaged, and removed; each was a miss as well.
    pub corrupt: u64,
    pub evicted: u64,
}

impl Stats {
    /// # Errors
    /// As [`directory::open`]. Where there is no cache yet there is one afterwards.
    pub fn read(settings: &Settings) -> Result<Stats, CacheError> {
        let root = directory::open(&settings.dir)?;
        let contents = Contents::scan(&root);
        let sums = Journal::new(&root).sums().unwrap_or_default();
        let kind = |kind| {
            let entries = contents.entries.iter().filter(|e| e.kind == kind);
            let count = |event| sums.of(event, kind).count;
            KindStats {
                entries: entries.clone().count() as u64,
                bytes: entries.map(|e| e.bytes).sum(),
                hits: count(Event::Hit),
                misses: count(Event::Miss),
                corrupt: count(Event::Corrupt),
                evicted: count(Event::Evict),
            }
        };
        Ok(Stats { directory: settings.dir.clone(), limit: settings.max_bytes, kinds: Kind::ALL.map(kind) })
    }

    /// All kinds together.
    pub fn total(&self) -> KindStats {
        self.kinds.iter().fold(KindStats::default(), |a, b| KindStats {
            entries: a.entries + b.entries,
            bytes: a.bytes + b.bytes,
            hits: a.hits + b.hits,
            misses: a.misses + b.misses,
            corrupt: a.corrupt + b.corrupt,
            evicted: a.evicted + b.evicted,
        })
    }
}

/// Removes all entries and counts. Builds that use the cache at that moment go on, with misses. `None` when
/// another process is making room at this moment.
///
/// # Errors
/// As [`directory::open`].
pub fn clear(settings: &Settings) -> Result<Option<Amount>, CacheError> {
    let root = directory::open(&settings.dir)?;
    let journal = Journal::new(&root);
    let removed = evict::shrink(&root, &journal, Shrink::All);
    if removed.is_some() {
        journal.update(|sums| sums.forget_events());
    }
    Ok(removed)
}
