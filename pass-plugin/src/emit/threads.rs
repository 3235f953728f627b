//! On how many threads a module is emitted. Threads change when something is done, never what comes out.

use std::ffi::OsStr;
use std::thread::available_parallelism;

/// Overrides every default.
pub const VARIABLE: &str = "JULIA_IMAGE_THREADS";
/// What an emission thread's stack holds: recursion of LLVM's passes over deeply nested code. Reserved, not
/// used: only pages that are touched become memory.
pub const STACK_BYTES: usize = 64 << 20;
/// Below this weight a module is emitted by one thread: starting more costs as much as they save (Julia's
/// number).
pub const SMALL_WEIGHT: u64 = 1000;

/// Whose default holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defaults {
    /// Under Julia's protocol: half of the cores, and a thread for each 100 globals. Every thread there
    /// holds a shard as large as the module's share of it, and memory has no other bound.
    Julia,
    /// All cores that this process may use: shards are many and small, what is in flight is bounded by
    /// [`memory`](crate::emit::memory), and the number of shards does not depend on that of the threads.
    AllCores,
}

/// What the default depends on.
#[derive(Clone, Copy, Debug)]
pub struct Module {
    pub weight: u64,
    /// Functions and data that it defines.
    pub globals: usize,
}

/// Cores that this process may use: by its affinity mask and the CPU quotas of its control groups.
pub fn cores() -> usize {
    // The standard library asks sched_getaffinity and cgroups v1 and v2.
    available_parallelism().map_or(1, |n| n.get())
}

/// The number of threads, and a warning where [`VARIABLE`] holds no number; at least 1.
pub fn choose(
    module: Module,
    defaults: Defaults,
    cores: usize,
    variable: Option<&OsStr>,
) -> (usize, Option<String>) {
    if module.weight < SMALL_WEIGHT {
        return (1, None);
    }
    let default = match defaults {
        Defaults::Julia => (cores / 2).max(1).min(module.globals / 100),
        Defaults::AllCores => cores,
    };
    match variable.map(|v| (requested(v), v)) {
        None => (default.max(1), None),
        Some((Some(threads), _)) => (threads, None),
        Some((None, value)) => {
            // Julia's words, without a newline.
            let warning = format!("WARNING: invalid value '{}' for {VARIABLE}", value.display());
            (default.max(1), Some(warning))
        }
    }
}

/// A positive decimal number as C's `strtoul` reads it: blanks before it and a plus are allowed.
fn requested(value: &OsStr) -> Option<usize> {
    let threads = value.to_str()?.trim_start().parse().ok()?;
    (threads > 0).then_some(threads)
}
