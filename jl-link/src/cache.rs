//! `--jl-cache-stats` and `--jl-cache-clear`: the plugin's cache, for people and for programs.

use crate::error::{Error, Result};
use image_format::cache::stats::{KindStats, Stats, clear};
use image_format::cache::{Kind, Settings};
use image_format::size::show;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheCommand {
    Stats,
    StatsAsJson,
    Clear,
}

/// What goes to stdout.
///
/// # Errors
/// There is no cache, it cannot be used, or another process is changing it.
pub fn run(command: CacheCommand) -> Result<String> {
    let (settings, warning) = Settings::from_environment();
    if let Some(warning) = warning {
        eprintln!("jl-link: warning: {warning}");
    }
    let settings = settings.ok_or(Error::NoCache)?;
    let stats = || Stats::read(&settings).map_err(|cause| Error::Cache { cause });
    match command {
        CacheCommand::Stats => Ok(table(&stats()?)),
        CacheCommand::StatsAsJson => Ok(json(&stats()?)),
        CacheCommand::Clear => {
            let removed = clear(&settings).map_err(|cause| Error::Cache { cause })?;
            let removed = removed.ok_or_else(|| Error::CacheBusy { dir: settings.dir.clone() })?;
            let dir = settings.dir.display();
            Ok(format!("removed {} entries, {}, from {dir}\n", removed.count, show(removed.bytes)))
        }
    }
}

fn table(stats: &Stats) -> String {
    let total = stats.total();
    let share = 100.0 * total.bytes as f64 / stats.limit.max(1) as f64;
    let mut text = format!(
        "directory  {}\nentries    {}\nbytes      {}, {share:.1} % of the limit\nlimit      {}\n\n",
        stats.directory.display(),
        total.entries,
        show(total.bytes),
        show(stats.limit)
    );
    let mut line = |cells: [&str; 8]| {
        let [kind, entries, bytes, hits, misses, rate, corrupt, evicted] = cells;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{kind:<5}  {entries:>8}  {bytes:>9}  {hits:>9}  {misses:>9}  {rate:>8}  {corrupt:>7}  {evicted:>8}"
        );
    };
    line(["kind", "entries", "bytes", "hits", "misses", "hit rate", "corrupt", "evicted"]);
    let rows = Kind::ALL.map(Kind::word).into_iter().zip(stats.kinds).chain([("all", total)]);
    for (word, KindStats { entries, bytes, hits, misses, corrupt, evicted }) in rows {
        let asked = hits + misses;
        let rate =
            if asked == 0 { "-".into() } else { format!("{:.1} %", 100.0 * hits as f64 / asked as f64) };
        let [entries, hits, misses, corrupt, evicted] =
            [entries, hits, misses, corrupt, evicted].map(|n| n.to_string());
        line([word, &entries, &show(bytes), &hits, &misses, &rate, &corrupt, &evicted]);
    }
    text
}

#[derive(Serialize)]
struct Row {
    entries: u64,
    bytes: u64,
    hits: u64,
    misses: u64,
    corrupt: u64,
    evicted: u64,
}

impl From<KindStats> for Row {
    fn from(stats: KindStats) -> Row {
        let KindStats { entries, bytes, hits, misses, corrupt, evicted } = stats;
        Row { entries, bytes, hits, misses, corrupt, evicted }
    }
}

#[derive(Serialize)]
struct Document {
    directory: String,
    limit: u64,
    #[serde(flatten)]
    total: Row,
    kinds: BTreeMap<&'static str, Row>,
}

fn json(stats: &Stats) -> String {
    let kinds = Kind::ALL.map(Kind::word).into_iter().zip(stats.kinds.map(Row::from)).collect();
    let directory = stats.directory.display().to_string();
    let document = Document { directory, limit: stats.limit, total: stats.total().into(), kinds };
    // Numbers and text under fixed names always serialise.
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}
