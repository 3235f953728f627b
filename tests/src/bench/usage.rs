//! What a command and all that it starts take: time by the clock, CPU time, memory.

use crate::command::{run_within, shell_text};
use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// No single build takes this long, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(1800);

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Seconds by the clock.
    pub wall: f64,
    /// Seconds of user and system time of the command and of all its children that were waited for.
    pub cpu: f64,
    /// The resident set of the largest of these processes at its peak, in KiB.
    pub peak: i64,
}

/// Runs a command that must succeed. A process of its own waits for it ([`wait_for`]), because the kernel counts
/// what children took per process that waited.
pub fn measured(command: &mut Command) -> Result<Usage> {
    let file = tempfile::NamedTempFile::new()?;
    let mut waiter = Command::new(std::env::current_exe()?.with_file_name("jl-bench"));
    waiter.arg("usage").arg(file.path()).arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => waiter.env(name, value),
            None => waiter.env_remove(name),
        };
    }
    run_within(&mut waiter, LIMIT)?.success()?;
    let text = std::fs::read(file.path())?;
    serde_json::from_slice(&text).with_context(|| format!("no usage of {}", shell_text(command)))
}

/// Runs a command to its end and writes its [`Usage`] to `file`; the job of `jl-bench usage`.
pub fn wait_for(file: &Path, command: &[OsString]) -> Result<()> {
    let [program, arguments @ ..] = command else { bail!("expected a command after --") };
    let begin = Instant::now();
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(|| format!("cannot run {}", program.display()))?;
    let wall = begin.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    std::fs::write(file, serde_json::to_vec(&Usage { wall, cpu, peak: usage.max_rss() })?)?;
    if !status.success() {
        bail!("{} ended with {status}", program.display());
    }
    Ok(())
}
