//! One run: the program on one CPU, and what came of it.

use super::place::{Offer, Place};
use super::{MatrixError, Plan};
use crate::matrix::emulator::not_emulated;
use crate::run::{Request, variables};
use image_format::cpu::Arch;
use image_format::log::{self, PREFIX};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Exit(i32),
    /// Killed by this signal.
    Signal(i32),
    /// It was still running after this many seconds.
    TimedOut(u64),
    /// An image said that it cannot run there.
    Refused,
}

impl Outcome {
    /// An instruction that the CPU does not have: what an image must never end in.
    pub fn is_illegal_instruction(self) -> bool {
        self == Outcome::Signal(nix::libc::SIGILL)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Outcome::Exit(code) => write!(f, "exit {code}"),
            Outcome::Refused => write!(f, "refused"),
            Outcome::TimedOut(seconds) => write!(f, "not done in {seconds} s"),
            _ if self.is_illegal_instruction() => write!(f, "ILLEGAL INSTRUCTION"),
            Outcome::Signal(signal) => match nix::sys::signal::Signal::try_from(signal) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {signal}"),
            },
        }
    }
}

/// What an image chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ImageChoice {
    pub path: String,
    pub target: usize,
    pub name: String,
}

/// Standard output, in comparison with the first run that was not refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    Reference,
    Same,
    /// The first line that differs, counted from 1.
    Differs {
        line: usize,
    },
    /// A refused program is not expected to print anything.
    NotCompared,
}

/// One line of the matrix.
#[derive(Debug, Serialize)]
pub struct Row {
    pub cpu: String,
    /// None for this host itself.
    pub emulator: Option<&'static str>,
    pub offers: String,
    pub vector_bits: Option<u32>,
    /// LLVM's names; none where nobody could ask.
    pub features: Option<Vec<&'static str>>,
    /// What the model has and the emulator does not give, by the emulator's names.
    pub not_emulated: Vec<String>,
    /// Models that offer the same and were not run.
    pub alike: Vec<String>,
    /// What images chose, in the order of loading.
    pub images: Vec<ImageChoice>,
    pub outcome: Outcome,
    /// Whether it ended as the reference did.
    pub same_outcome: bool,
    pub output: Output,
    /// xxh64 of standard output, in hexadecimal.
    pub output_hash: String,
    pub output_bytes: u64,
    /// The end of standard error where something is wrong, and every refusal.
    pub messages: Vec<String>,
}

impl Row {
    /// Whether it did what the reference did, or refused to run.
    pub fn is_right(&self) -> bool {
        let ended = !self.outcome.is_illegal_instruction() && !matches!(self.outcome, Outcome::TimedOut(_));
        ended
            && (self.outcome == Outcome::Refused
                || self.same_outcome && !matches!(self.output, Output::Differs { .. }))
    }
}

/// What the other rows are compared with.
pub struct Reference {
    outcome: Outcome,
    files: Files,
}

impl Reference {
    pub fn new(row: &Row, files: Files) -> Reference {
        Reference { outcome: row.outcome, files }
    }
}

/// Where a run wrote to.
pub struct Files {
    stdout: PathBuf,
    stderr: PathBuf,
    log: PathBuf,
}

/// A program that is killed, or the emulator for it, would leave a core file in the user's folder.
pub fn forbid_core_files() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
        // Without it there are core files at worst.
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
    }
}

/// Runs the program of `plan` at `place`; files of the run get names that begin with `stem`.
pub fn run(
    plan: &Plan,
    place: &Place,
    offer: &Offer,
    stem: &Path,
    reference: Option<&Reference>,
) -> Result<(Row, Files), MatrixError> {
    let files = Files {
        stdout: stem.with_extension("out"),
        stderr: stem.with_extension("err"),
        log: stem.with_extension("log"),
    };
    let system = |what: &Path| {
        let what = what.display().to_string();
        move |cause| MatrixError::System { what, cause }
    };
    let mut command = command(plan, place, &files.log);
    command.stdin(Stdio::null());
    command.stdout(File::create(&files.stdout).map_err(system(&files.stdout))?);
    command.stderr(File::create(&files.stderr).map_err(system(&files.stderr))?);
    let ended = wait(&mut command, plan.timeout).map_err(system(&plan.program.file))?;
    let stdout = std::fs::read(&files.stdout).map_err(system(&files.stdout))?;
    let stderr = lossy_lines(&files.stderr).map_err(system(&files.stderr))?;
    let outcome = outcome(ended, plan.timeout, &stderr);
    let output = match reference {
        _ if outcome == Outcome::Refused => Output::NotCompared,
        None => Output::Reference,
        Some(reference) => {
            let expected = std::fs::read(&reference.files.stdout).map_err(system(&reference.files.stdout))?;
            first_difference(&expected, &stdout).map_or(Output::Same, |line| Output::Differs { line })
        }
    };
    let arch = Arch::from_elf_machine(plan.emulator.machine);
    let mut row = Row {
        cpu: place.to_string(),
        emulator: matches!(place, Place::Model(_)).then_some(plan.emulator.program),
        offers: offer.summary.clone(),
        vector_bits: arch.zip(offer.features).map(|(arch, features)| arch.vector_bits(features)),
        features: arch
            .zip(offer.features)
            .map(|(arch, features)| features.iter().filter_map(|id| arch.feature_name(id)).collect()),
        not_emulated: offer.not_emulated.clone(),
        alike: offer.alike.clone(),
        images: choices(&files.log),
        outcome,
        same_outcome: reference.is_none_or(|reference| reference.outcome == outcome),
        output,
        output_hash: format!("{:016x}", xxhash_rust::xxh64::xxh64(&stdout, 0)),
        output_bytes: stdout.len() as u64,
        messages: Vec::new(),
    };
    row.messages = messages(&stderr, row.is_right());
    Ok((row, files))
}

/// The command line of a run. Settings for the images of the program go into its environment, and what the
/// caller's own environment asks for must not mix with them.
fn command(plan: &Plan, place: &Place, log: &Path) -> Command {
    let request = match place {
        Place::Native { cap, target } => Request { cpu: cap.clone(), target: *target, log: None },
        Place::Model(_) => Request::default(),
    };
    let mut command = match place {
        Place::Native { .. } => Command::new(&plan.program.file),
        Place::Model(model) => {
            let mut command = Command::new(plan.emulator.program);
            command.args(["-cpu", model]);
            if let Some(folder) = &plan.sysroot {
                command.arg("-L").arg(folder);
            }
            command
        }
    };
    command.env_remove("JL_LOAD_CPU").env_remove("JL_LOAD_TARGET").env("JL_LOAD_LOG", log);
    for (name, value) in variables(&request, plan.preload.as_deref(), std::env::var_os("LD_PRELOAD")) {
        let Some(value) = value else { continue };
        if name == "LD_PRELOAD" && matches!(place, Place::Model(_)) {
            // For the program, not for the emulator.
            let mut setting = std::ffi::OsString::from("LD_PRELOAD=");
            setting.push(value);
            command.arg("-E").arg(setting);
        } else {
            command.env(name, value);
        }
    }
    if let Place::Model(_) = place {
        command.arg(&plan.program.file);
    }
    command.args(&plan.program.arguments);
    command
}

/// `None`: it was killed because it took too long.
fn wait(command: &mut Command, limit: Duration) -> std::io::Result<Option<ExitStatus>> {
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

fn outcome(ended: Option<ExitStatus>, limit: Duration, stderr: &[String]) -> Outcome {
    /// What a refused image ends its program with.
    const REFUSED: i32 = 127;
    let Some(status) = ended else { return Outcome::TimedOut(limit.as_secs()) };
    match (status.code(), status.signal()) {
        (Some(REFUSED), _) if stderr.iter().any(|line| line.starts_with(PREFIX)) => Outcome::Refused,
        (Some(code), _) => Outcome::Exit(code),
        (None, signal) => Outcome::Signal(signal.unwrap_or(0)),
    }
}

fn lossy_lines(path: &Path) -> std::io::Result<Vec<String>> {
    let bytes = std::fs::read(path)?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

/// What the images of the process logged, each choice once: a process may be several.
fn choices(log: &Path) -> Vec<ImageChoice> {
    let mut found: Vec<ImageChoice> = Vec::new();
    // No image, no log.
    let Ok(file) = File::open(log) else { return found };
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        let Some(choice) = log::choice(&line) else { continue };
        let choice =
            ImageChoice { path: choice.path.into(), target: choice.target, name: choice.name.into() };
        if !found.contains(&choice) {
            found.push(choice);
        }
    }
    found
}

/// The number of the first line that differs, from 1.
fn first_difference(expected: &[u8], found: &[u8]) -> Option<usize> {
    if expected == found {
        return None;
    }
    let (mut a, mut b) = (expected.split(|c| *c == b'\n'), found.split(|c| *c == b'\n'));
    Some((1..).find(|_| a.next() != b.next()).unwrap_or(1))
}

/// What our shims said, and, where something is wrong, the last that anybody said.
fn messages(stderr: &[String], right: bool) -> Vec<String> {
    const LAST: usize = 4;
    let lines: Vec<&String> = stderr.iter().filter(|line| not_emulated(line).is_none()).collect();
    let skipped = if right { usize::MAX } else { lines.len().saturating_sub(LAST) };
    let kept = lines.iter().enumerate().filter(|(i, line)| *i >= skipped || line.starts_with(PREFIX));
    kept.map(|(_, line)| (*line).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes() {
        let ended = |raw| outcome(Some(ExitStatus::from_raw(raw)), Duration::from_secs(5), &[]).to_string();
        assert_eq!(ended(0), "exit 0");
        assert_eq!(ended(3 << 8), "exit 3");
        assert_eq!(ended(127 << 8), "exit 127", "nobody refused anything");
        assert_eq!(ended(4), "ILLEGAL INSTRUCTION");
        assert_eq!(ended(11), "killed by SIGSEGV");
        assert_eq!(ended(64), "killed by signal 64");
        let refused = [String::from("julienne: /x.so: cannot run here: ...")];
        let status = Some(ExitStatus::from_raw(127 << 8));
        assert_eq!(outcome(status, Duration::ZERO, &refused), Outcome::Refused);
        assert_eq!(outcome(None, Duration::from_secs(5), &[]).to_string(), "not done in 5 s");
    }

    #[test]
    fn differences_are_found_by_line() {
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(first_difference(b"a\nb\n", b"a\nc\n"), Some(2));
        assert_eq!(first_difference(b"a\n", b""), Some(1));
        assert_eq!(first_difference(b"a\n", b"a\nb"), Some(2));
    }

    #[test]
    fn messages_are_what_matters() {
        let warning = "qemu: warning: TCG doesn't support requested feature: CPUID.07H:EBX.rtm [bit 11]";
        let lines = ["julienne: /x.so: lost", warning, "1", "2", "3", "4", "5"].map(String::from);
        assert_eq!(messages(&lines, true), ["julienne: /x.so: lost"]);
        assert_eq!(messages(&lines, false), ["julienne: /x.so: lost", "2", "3", "4", "5"]);
    }
}
