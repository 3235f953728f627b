//! Processes of an engine: so many at once, each with a time limit, what fails tried again.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long the end of a process may go unnoticed.
const INTERVAL: Duration = Duration::from_millis(10);

/// How a process ended.
#[derive(Debug)]
pub enum Ended {
    Exit(ExitStatus),
    /// It gave no sign of life for as long as it may, and was killed with all that it had started.
    TooLong(Duration),
    NotStarted(io::Error),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::Exit(status) => write!(f, "{status}"),
            Ended::TooLong(limit) => write!(f, "killed after {} s without a result", limit.as_secs_f32()),
            Ended::NotStarted(error) => write!(f, "cannot be started: {error}"),
        }
    }
}

/// What is to run.
pub trait Work {
    /// The command of a job, each time it is tried.
    fn command(&self, job: usize) -> Command;
    fn limit(&self, job: usize) -> Duration;
    /// A number that changes with each sign of life.
    fn sign(&self, job: usize) -> u64;
    /// Takes notice of an end; true if the job is to be tried again, after those that wait.
    fn ended(&mut self, job: usize, end: Ended) -> bool;
}

struct Running {
    job: usize,
    child: Child,
    /// Of the last sign of life.
    since: Instant,
    sign: u64,
}

/// Runs the jobs `0..count` to their ends, `at_once` at a time.
pub fn run(count: usize, at_once: usize, work: &mut dyn Work) {
    let mut waiting: VecDeque<usize> = (0..count).collect();
    let mut running: Vec<Running> = Vec::new();
    loop {
        while running.len() < at_once.max(1)
            && let Some(job) = waiting.pop_front()
        {
            match work.command(job).spawn() {
                Ok(child) => {
                    running.push(Running { job, child, since: Instant::now(), sign: work.sign(job) });
                }
                Err(error) => {
                    if work.ended(job, Ended::NotStarted(error)) {
                        waiting.push_back(job);
                    }
                }
            }
        }
        if running.is_empty() {
            return;
        }
        running.retain_mut(|process| match process.look(work) {
            None => true,
            Some(end) => {
                if work.ended(process.job, end) {
                    waiting.push_back(process.job);
                }
                false
            }
        });
        sleep(INTERVAL);
    }
}

impl Running {
    /// How it ended, if it has; ends it where its time is over.
    fn look(&mut self, work: &dyn Work) -> Option<Ended> {
        match self.child.try_wait() {
            Ok(Some(status)) => return Some(Ended::Exit(status)),
            Ok(None) => {}
            Err(error) => return Some(Ended::NotStarted(error)),
        }
        let (limit, sign) = (work.limit(self.job), work.sign(self.job));
        if sign != self.sign {
            (self.sign, self.since) = (sign, Instant::now());
        }
        if self.since.elapsed() < limit {
            return None;
        }
        kill_tree(self.child.id());
        // Killed, so that it ends at once.
        let _ = self.child.wait();
        Some(Ended::TooLong(limit))
    }
}

/// Kills a process that has not been waited for, and all that descend from it. They share our process group, so that
/// an interrupt from the terminal reaches all; a group of their own is therefore not what tells them.
fn kill_tree(root: u32) {
    let mut tree = vec![root];
    let mut stopped = 0;
    // What is stopped starts nothing more, so that this ends with the whole tree.
    while stopped < tree.len() {
        for pid in &tree[stopped..] {
            signal(*pid, Signal::SIGSTOP);
        }
        stopped = tree.len();
        for (pid, parent) in processes() {
            if tree.contains(&parent) && !tree.contains(&pid) {
                tree.push(pid);
            }
        }
    }
    for pid in tree {
        signal(pid, Signal::SIGKILL);
    }
}

fn signal(pid: u32, signal: Signal) {
    // It may have ended by itself meanwhile.
    let _ = i32::try_from(pid).map(|pid| kill(Pid::from_raw(pid), signal));
}

/// All processes and their parents.
fn processes() -> Vec<(u32, u32)> {
    let parent = |pid: u32| {
        // `PID (NAME) STATE PARENT ...`, where the name may hold anything.
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let after = stat.iter().rposition(|b| *b == b')')?;
        let rest = std::str::from_utf8(&stat[after + 1..]).ok()?;
        Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| parent(entry.file_name().to_str()?.parse().ok()?)).collect()
}
