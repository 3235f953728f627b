//! How much memory the jobs that run at the same time may take, and how much one is expected to.
//!
//! What a job really took is not fed back: all threads share one allocator, so neither its counters nor the
//! process's resident set tell one job's memory from another's.

use image_format::size;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Bytes (`3000000000`, `3G`) or a share of what is free (`75%`).
pub const VARIABLE: &str = "JL_IMAGE_MEMORY";
/// Of what is free, when nobody says otherwise: the build runs other programs too.
const DEFAULT_PERCENT: u64 = 50;
/// What is taken for free where the system does not tell.
const UNKNOWN_FREE: u64 = 1 << 30;

/// What a job holds whatever its size: a context, a target machine, its part of the allocator's arenas.
const JOB_BYTES: u64 = 8 << 20;
/// Bytes per byte of bitcode at the peak of parsing, optimising and emitting it. Measured with clang 22 at -O3:
/// SQLite whole and in 2, 8 and 32 pieces took 38 to 52 (with -g, where much of the bitcode is not code, 36 to
/// 41); the rest is room for what code looks like elsewhere.
const BYTES_PER_BYTE: u64 = 56;

/// Bytes that a job is expected to need for this many bytes of bitcode.
pub fn estimate(bitcode: u64) -> u64 {
    bitcode.saturating_mul(BYTES_PER_BYTE).saturating_add(JOB_BYTES)
}

/// The budget in bytes, and a warning where the variable's value is none. `free` is in bytes.
pub fn budget(variable: Option<&OsStr>, free: Option<u64>) -> (u64, Option<String>) {
    let free = free.unwrap_or(UNKNOWN_FREE);
    let share = |percent: u64| (u128::from(free) * u128::from(percent) / 100) as u64;
    let Some(value) = variable else { return (share(DEFAULT_PERCENT), None) };
    let text = value.to_string_lossy();
    let asked = match text.trim().strip_suffix('%') {
        Some(percent) => percent.trim_end().parse().ok().filter(|p| *p <= 100).map(share),
        None => size::parse(&text),
    };
    match asked {
        Some(bytes) => (bytes, None),
        None => {
            let warning = format!(
                "WARNING: invalid value '{text}' for {VARIABLE}: expected bytes (with K, M or G) or a share of \
                 free memory (50%)"
            );
            (share(DEFAULT_PERCENT), Some(warning))
        }
    }
}

/// Bytes that can be used without swapping: the least of what the machine has and what each control group
/// around this process is yet allowed. `root` is `/` but in tests.
pub fn free(root: &Path) -> Option<u64> {
    let machine = fs::read_to_string(root.join("proc/meminfo")).ok().and_then(|text| {
        let line = text.lines().find_map(|l| l.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    });
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let groups = groups.lines().filter_map(|line| group_free(root, line));
    machine.into_iter().chain(groups).min()
}

/// The names of one version's files in a control group's directory.
struct Files {
    limits: &'static [&'static str],
    usage: &'static str,
    /// In `memory.stat`: pages of files that nobody has used lately, which go first.
    reclaimable: &'static str,
}

const V1: Files = Files {
    limits: &["memory.limit_in_bytes"],
    usage: "memory.usage_in_bytes",
    reclaimable: "total_inactive_file",
};
/// Above `memory.high` a group is slowed down until nothing moves.
const V2: Files =
    Files { limits: &["memory.max", "memory.high"], usage: "memory.current", reclaimable: "inactive_file" };

/// `line` of `/proc/self/cgroup` is `ID:CONTROLLERS:PATH`, without controllers for version 2.
fn group_free(root: &Path, line: &str) -> Option<u64> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(':')?;
    let (mount, files) = match controllers {
        "" => (root.join("sys/fs/cgroup"), V2),
        _ if controllers.split(',').any(|c| c == "memory") => (root.join("sys/fs/cgroup/memory"), V1),
        _ => return None,
    };
    // In a container the path may be the host's, or begin outside of what is mounted (`/..`): then the mount
    // itself is what is known of our group. A limit of any group around ours counts.
    let inside: PathBuf = Path::new(path).components().filter(|c| *c != Component::RootDir).collect();
    let known = inside.components().all(|c| matches!(c, Component::Normal(_)));
    let group = if known { mount.join(inside) } else { mount.clone() };
    let levels = group.ancestors().take_while(|dir| dir.starts_with(&mount));
    levels.filter_map(|dir| level_free(dir, &files)).min()
}

fn level_free(dir: &Path, files: &Files) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(dir.join(file)).ok()?.trim().parse::<u64>().ok();
    // No limit is the word `max` in version 2, and a number beyond all memory in version 1.
    let limit = files.limits.iter().filter_map(|file| number(file)).min()?;
    let stat = fs::read_to_string(dir.join("memory.stat")).unwrap_or_default();
    let reclaimable = stat.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == files.reclaimable).then(|| value.trim().parse::<u64>().ok())?
    });
    let used = number(files.usage)?.saturating_sub(reclaimable.unwrap_or(0));
    Some(limit.saturating_sub(used))
}
