//! What each stage of each part took. Goes to stderr and into traces, never into a result.

use crate::emit::place::{Place, Stage};
use nix::time::{ClockId, clock_gettime};
use std::any::Any;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Asks for the table.
pub const VARIABLE: &str = "JULIA_IMAGE_TIMINGS";

/// Whether the table is wanted, and a warning where the variable says neither yes nor no.
pub fn wanted(variable: Option<&OsStr>) -> (bool, Option<String>) {
    let Some(value) = variable else { return (false, None) };
    match value.to_ascii_lowercase().to_str() {
        Some("1" | "true") => (true, None),
        Some("" | "0" | "false") => (false, None),
        _ => (false, Some(format!("WARNING: invalid value '{}' for {VARIABLE}", value.display()))),
    }
}

/// One stage at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub place: Place,
    pub stage: Stage,
    /// 0 is the thread that the host called us on; the workers follow.
    pub thread: usize,
    /// Since the recorder was made.
    pub start: Duration,
    pub wall: Duration,
    /// Of this thread alone.
    pub cpu: Duration,
}

/// Is told of a stage that begins; what it gives is dropped where the stage ends.
pub type Watch = fn(&Place, Stage) -> Box<dyn Any>;

/// Collects [`Span`]s from all threads.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    watch: Watch,
    spans: Mutex<Vec<Span>>,
}

impl Default for Recorder {
    fn default() -> Recorder {
        Recorder::watched(|_, _| Box::new(()))
    }
}

impl Recorder {
    pub fn new() -> Recorder {
        Recorder::default()
    }

    pub fn watched(watch: Watch) -> Recorder {
        Recorder { origin: Instant::now(), watch, spans: Mutex::default() }
    }

    /// Does `work` and notes what it took; not where it panics.
    pub fn time<R>(&self, place: &Place, stage: Stage, thread: usize, work: impl FnOnce() -> R) -> R {
        let _watched = (self.watch)(place, stage);
        let (start, cpu) = (self.origin.elapsed(), thread_cpu());
        let result = work();
        let wall = self.origin.elapsed().saturating_sub(start);
        let cpu = thread_cpu().saturating_sub(cpu);
        let span = Span { place: place.clone(), stage, thread, start, wall, cpu };
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        result
    }

    /// What was noted so far, in the order of its beginnings.
    pub fn spans(&self) -> Vec<Span> {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_by(|a, b| (a.start, &a.place, a.stage).cmp(&(b.start, &b.place, b.stage)));
        spans
    }
}

/// Nothing where the kernel does not tell.
fn thread_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The table that [`VARIABLE`] asks for: a line per place with its weight, the seconds that each stage took
/// by the clock, and CPU seconds; the sums last. Stages that nothing went through have no column.
///
/// `weights` names what has a weight; places that only spans name have none.
pub fn table(spans: &[Span], weights: &[(Place, u64)]) -> String {
    let columns: Vec<Stage> =
        Stage::ALL.into_iter().filter(|stage| spans.iter().any(|s| s.stage == *stage)).collect();
    let mut rows: BTreeMap<&Place, Row> = BTreeMap::new();
    for (place, weight) in weights {
        *rows.entry(place).or_default().weight.get_or_insert(0) += weight;
    }
    let mut sum =
        Row { weight: (!weights.is_empty()).then(|| weights.iter().map(|w| w.1).sum()), ..Row::default() };
    for span in spans {
        rows.entry(&span.place).or_default().add(span);
        sum.add(span);
    }
    let mut cells = vec![["shard", "part", "weight"].map(str::to_string).to_vec()];
    cells[0].extend(columns.iter().map(|s| s.word().to_string()));
    cells[0].push("cpu".into());
    for (place, row) in &rows {
        let shard = place.shard.map_or("-".into(), |s| s.0.to_string());
        cells.push(row.cells(shard, place.part.clone().unwrap_or("-".into()), &columns));
    }
    cells.push(sum.cells("all".into(), "-".into(), &columns));
    aligned(&cells)
}

#[derive(Default)]
struct Row {
    weight: Option<u64>,
    stages: BTreeMap<Stage, Duration>,
    cpu: Duration,
}

impl Row {
    fn add(&mut self, span: &Span) {
        *self.stages.entry(span.stage).or_default() += span.wall;
        self.cpu += span.cpu;
    }

    fn cells(&self, shard: String, part: String, columns: &[Stage]) -> Vec<String> {
        let seconds = |d: &Duration| format!("{:.3}", d.as_secs_f64());
        let mut cells = vec![shard, part, self.weight.map_or("-".into(), |w| w.to_string())];
        cells.extend(columns.iter().map(|s| self.stages.get(s).map_or("-".into(), seconds)));
        cells.push(seconds(&self.cpu));
        cells
    }
}

/// Columns as wide as their widest cell; the names of parts to the left, all else to the right.
fn aligned(cells: &[Vec<String>]) -> String {
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in cells {
        let mut line = String::new();
        for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
            let gap = if at == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _ = if at == 1 {
                write!(line, "{gap}{cell:<width$}")
            } else {
                write!(line, "{gap}{cell:>width$}")
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
