//! How each engine is started on a batch of jobs.

use super::formats::{self, Files, STAMPED_OPTION};
use super::request::{Kind, Request};
use super::runner::{self, Ended, Work};
use std::env::var_os;
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A job that fails is tried so often by distcc, each time on another machine as far as there are others.
const ATTEMPTS: u32 = 3;
/// distcc's own limit ends a job first, for distcc then avoids the machine.
const GRACE: Duration = Duration::from_secs(2);

/// A job's files, and how long it may take.
pub struct JobFile {
    pub files: Files,
    pub limit: Duration,
}

/// Jobs for one engine.
pub struct Batch<'a> {
    pub folder: &'a Path,
    pub jobs: &'a [JobFile],
    pub request: &'a Request,
    pub compiler: &'a Path,
    /// What is made of the objects.
    pub output: &'a Path,
    /// How many jobs this machine runs at once.
    pub threads: usize,
}

impl Batch<'_> {
    /// Runs the engine to its end. For each job what is known of why it may have failed.
    ///
    /// # Errors
    /// A sentence, when the engine's input cannot be written.
    pub fn run(&self) -> Result<Vec<Option<String>>, String> {
        match self.request.kind {
            Kind::Threads => Ok(self.jobs.iter().map(|_| None).collect()),
            Kind::Distcc => Ok(self.distcc()),
            Kind::Ninja => self.ninja(),
            Kind::Distributor => self.distributor(),
        }
    }

    fn files(&self) -> Vec<Files> {
        self.jobs.iter().map(|job| job.files.clone()).collect()
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, String> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        Ok(path)
    }

    fn distributor(&self) -> Result<Vec<Option<String>>, String> {
        let text = formats::json(self.output, self.compiler, STAMPED_OPTION, &self.files())?;
        let path = self.write("jobs.json", &text)?;
        let [program, arguments @ ..] = self.request.distributor.as_slice() else {
            return Err(format!("{} names no program", super::request::DISTRIBUTOR));
        };
        let command = || {
            let mut command = Command::new(program);
            // The host's output may be a file that it writes.
            let error = std::io::stderr().as_fd().try_clone_to_owned();
            command.args(arguments).arg(&path).stdin(Stdio::null());
            command.stdout(error.map_or(Stdio::null(), Stdio::from));
            command
        };
        Ok(self.whole(program, &command))
    }

    fn ninja(&self) -> Result<Vec<Option<String>>, String> {
        // By their names in the folder: Ninja makes folders that are missing, and would make this one again if it
        // outlived the build.
        let name =
            |path: &str| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let names = |job: &JobFile| Files { input: name(&job.files.input), output: name(&job.files.output) };
        let names: Vec<Files> = self.jobs.iter().map(names).collect();
        let text = formats::ninja(self.compiler, STAMPED_OPTION, &names, None)?;
        let file = self.write("build.ninja", &text)?;
        let log = self.folder.join("ninja.log");
        let threads = self.threads.to_string();
        let command = || {
            let mut command = Command::new("ninja");
            command.args(["-k", "0", "-j", &threads, "-f"]).arg(&file).current_dir(self.folder);
            log_to(&mut command, &log);
            command
        };
        Ok(self.whole("ninja", &command))
    }

    /// One process that runs all jobs.
    fn whole(&self, name: &str, command: &dyn Fn() -> Command) -> Vec<Option<String>> {
        let mut work = Whole { batch: self, command, end: None };
        runner::run(1, 1, &mut work);
        let reason = work.end.map(|end| format!("{name}: {end}"));
        self.jobs.iter().map(|_| reason.clone()).collect()
    }

    fn distcc(&self) -> Vec<Option<String>> {
        let at_once = match concurrency() {
            Ok(number) => number,
            Err(reason) => return self.jobs.iter().map(|_| Some(reason.clone())).collect(),
        };
        let failures = self.jobs.iter().map(|_| Vec::new()).collect();
        let mut work = Distcc { batch: self, failures };
        runner::run(self.jobs.len(), at_once, &mut work);
        work.failures.into_iter().map(|tried: Vec<String>| tried.last().cloned()).collect()
    }
}

/// How many jobs distcc's machines take at once.
fn concurrency() -> Result<usize, String> {
    let output = Command::new("distcc").arg("-j").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("distcc cannot be started: {error}; install distcc"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().ok().filter(|n| *n > 0).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("distcc -j: {}; set DISTCC_HOSTS", said.lines().next().unwrap_or("no number"))
    })
}

fn log_to(command: &mut Command, path: &Path) {
    command.stdin(Stdio::null());
    // Without a log the engine still works.
    let log = || File::create(path).map_or(Stdio::null(), Stdio::from);
    command.stdout(log());
    command.stderr(File::options().append(true).open(path).map_or(Stdio::null(), Stdio::from));
}

/// A line of distcc's without the number of its process, so that what is alike reads alike.
fn without_process(line: &str) -> &str {
    let rest = line.strip_prefix("distcc[").and_then(|rest| rest.split_once("] "));
    rest.map_or(line, |(_, rest)| rest)
}

/// A single process for all jobs; what it writes are its signs of life.
struct Whole<'a> {
    batch: &'a Batch<'a>,
    command: &'a dyn Fn() -> Command,
    end: Option<Ended>,
}

impl Work for Whole<'_> {
    fn command(&self, _: usize) -> Command {
        (self.command)()
    }

    fn limit(&self, _: usize) -> Duration {
        self.batch.jobs.iter().map(|job| job.limit).max().unwrap_or_default()
    }

    fn sign(&self, _: usize) -> u64 {
        let bytes = |job: &JobFile| fs::metadata(&job.files.output).map_or(0, |file| file.len() + 1);
        self.batch.jobs.iter().map(bytes).sum()
    }

    fn ended(&mut self, _: usize, end: Ended) -> bool {
        self.end = Some(end);
        false
    }
}

/// A process of distcc for each job.
struct Distcc<'a> {
    batch: &'a Batch<'a>,
    /// Why each job failed, each time.
    failures: Vec<Vec<String>>,
}

impl Distcc<'_> {
    fn log(&self, job: usize) -> PathBuf {
        Path::new(&self.batch.jobs[job].files.output).with_extension("log")
    }
}

impl Work for Distcc<'_> {
    fn command(&self, job: usize) -> Command {
        let JobFile { files, limit } = &self.batch.jobs[job];
        let mut command = Command::new("distcc");
        command.arg(self.batch.compiler).args([STAMPED_OPTION, "-c", &files.input, "-o", &files.output]);
        // What fails is tried on another machine, and then compiled within the budgets of this process.
        if var_os("DISTCC_FALLBACK").is_none() {
            command.env("DISTCC_FALLBACK", "0");
        }
        if var_os("DISTCC_IO_TIMEOUT").is_none() {
            command.env("DISTCC_IO_TIMEOUT", limit.as_secs().max(1).to_string());
        }
        log_to(&mut command, &self.log(job));
        command
    }

    fn limit(&self, job: usize) -> Duration {
        self.batch.jobs[job].limit + GRACE
    }

    fn sign(&self, _: usize) -> u64 {
        0
    }

    fn ended(&mut self, job: usize, end: Ended) -> bool {
        let said = fs::read_to_string(self.log(job)).unwrap_or_default();
        if matches!(&end, Ended::Exit(status) if status.success()) {
            // Warnings of the compiler.
            eprint!("{said}");
            self.failures[job].clear();
            return false;
        }
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).map(without_process);
        self.failures[job].push(format!("distcc: {end}{}", last.map_or(String::new(), |l| format!(": {l}"))));
        (self.failures[job].len() as u32) < ATTEMPTS
    }
}
