//! Running tools with a time limit, and errors that show what was run.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Nothing that a test runs takes this long unless it hangs.
const LIMIT: Duration = Duration::from_secs(300);

/// What came out of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    command: String,
}

impl Ran {
    /// Everything about the run, for an error message.
    pub fn describe(&self) -> String {
        format!(
            "{}\n  {}\n--- standard output\n{}--- standard error\n{}",
            self.command, self.status, self.stdout, self.stderr
        )
    }

    pub fn success(self) -> Result<Ran> {
        if self.status.success() { Ok(self) } else { bail!("failed: {}", self.describe()) }
    }

    /// Standard output with standard error behind it.
    pub fn all_output(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Runs a command to its end, whatever its status.
pub fn run(command: &mut Command) -> Result<Ran> {
    run_within(command, LIMIT)
}

/// Runs a command that may take longer, or must not take as long, as others.
pub fn run_within(command: &mut Command, limit: Duration) -> Result<Ran> {
    let text = shell_text(command);
    // Files, not pipes: a child that fills one pipe while we read the other would never end.
    let mut stdout = tempfile::tempfile()?;
    let mut stderr = tempfile::tempfile()?;
    let begin = Instant::now();
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    let mut child = loop {
        match command.spawn() {
            // Another test forked while this one wrote the program, and its child still holds that file
            // open: until the child's exec closes it.
            Err(e) if e.kind() == ErrorKind::ExecutableFileBusy && begin.elapsed() < limit => {
                std::thread::sleep(Duration::from_millis(1));
            }
            child => break child.with_context(|| format!("cannot run {text}"))?,
        }
    };
    let mut pause = Duration::from_micros(500);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("not finished after {} s: {text}", limit.as_secs());
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    };
    let read = |file: &mut std::fs::File| -> Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Ran { status, stdout: read(&mut stdout)?, stderr: read(&mut stderr)?, command: text })
}

/// Runs a command that must succeed.
pub fn run_ok(command: &mut Command) -> Result<Ran> {
    run(command)?.success()
}

/// The command as one would type it, with the environment that it adds.
pub fn shell_text(command: &Command) -> String {
    let mut words = Vec::new();
    if let Some(folder) = command.get_current_dir() {
        words.push(format!("cd {} &&", quote(&folder.to_string_lossy())));
    }
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={}", name.to_string_lossy(), quote(&value.to_string_lossy())));
        }
    }
    words.push(quote(&command.get_program().to_string_lossy()));
    words.extend(command.get_args().map(|a| quote(&a.to_string_lossy())));
    words.join(" ")
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,+:@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_come_back() {
        let ran = run(Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"])).unwrap();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(ran.status.code(), Some(3));
        let error = ran.success().unwrap_err().to_string();
        assert!(error.contains("sh -c 'echo out; echo err >&2; exit 3'"), "{error}");
    }
}
