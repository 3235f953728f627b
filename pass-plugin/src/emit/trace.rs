//! The timings as Chrome's trace events, for chrome://tracing and Perfetto.
//!
//! The format is the "Trace Event Format" document's JSON object: complete events (`ph` X) with microseconds,
//! and a metadata event (`ph` M) that names each thread.

use crate::emit::timings::Span;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::Permissions;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names the file; `%p` in it becomes the number of this process, as builds run many.
pub const VARIABLE: &str = "JL_TRACE_JSON";

/// The file that `variable` names for the process `pid`; none where it is empty or not set.
pub fn file(variable: Option<&OsStr>, pid: u32) -> Option<PathBuf> {
    let name = variable.filter(|v| !v.is_empty())?.as_bytes();
    let mut path = Vec::new();
    let mut rest = name;
    while let Some(at) = rest.windows(2).position(|w| w == b"%p") {
        path.extend_from_slice(&rest[..at]);
        path.extend_from_slice(pid.to_string().as_bytes());
        rest = &rest[at + 2..];
    }
    path.extend_from_slice(rest);
    Some(OsString::from_vec(path).into())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    display_time_unit: &'static str,
    trace_events: Vec<Event<'a>>,
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    ph: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    pid: u32,
    tid: usize,
    args: Arguments<'a>,
}

#[derive(Serialize, Default)]
struct Arguments<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_us: Option<f64>,
}

/// The trace of one process.
pub fn json(spans: &[Span], pid: u32) -> String {
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    let threads: BTreeSet<usize> = spans.iter().map(|s| s.thread).collect();
    let named = threads.into_iter().map(|tid| {
        let name = if tid == 0 { "host".to_string() } else { format!("jl-emit {tid}") };
        let args = Arguments { name: Some(name), ..Arguments::default() };
        Event { name: "thread_name", cat: None, ph: "M", ts: None, dur: None, pid, tid, args }
    });
    let worked = spans.iter().map(|span| {
        let args = Arguments {
            name: None,
            shard: span.place.shard.map(|s| s.0),
            part: span.place.part.as_deref(),
            cpu_us: Some(micros(span.cpu)),
        };
        let (ts, dur) = (Some(micros(span.start)), Some(micros(span.wall)));
        let (name, tid) = (span.stage.word(), span.thread);
        Event { name, cat: Some("emission"), ph: "X", ts, dur, pid, tid, args }
    });
    let trace = Trace { display_time_unit: "ms", trace_events: named.chain(worked).collect() };
    // Numbers and text under fixed names always serialise.
    serde_json::to_string(&trace).unwrap_or_default()
}

/// Writes the trace beside `path` and renames it.
///
/// # Errors
/// A sentence that names the file.
pub fn write(path: &Path, spans: &[Span]) -> Result<(), String> {
    let attempt = || -> std::io::Result<()> {
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mode = Permissions::from_mode(0o666); // less what the umask takes away
        let mut staged =
            tempfile::Builder::new().prefix(".jl-trace-").permissions(mode).tempfile_in(parent)?;
        staged.write_all(json(spans, std::process::id()).as_bytes())?;
        staged.persist(path)?;
        Ok(())
    };
    let problem = |cause| {
        format!("cannot write the trace {}: {cause}; choose another file with {VARIABLE}", path.display())
    };
    attempt().map_err(problem)
}
