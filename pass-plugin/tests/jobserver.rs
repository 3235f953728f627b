//! Make's jobserver and the terminal, each in a process of its own: this test program, started again.

mod support;

use jl_pass_plugin::emit::jobserver::Jobserver;
use jl_pass_plugin::emit::progress::Progress;
use jl_pass_plugin::emit::queue::{Resources, Task, run};
use jl_pass_plugin::emit::timings::Recorder;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::time::Duration;
use support::{Gauge, Meeting, jobs};

/// Which of the bodies below the process is to run.
const BODY: &str = "JL_TEST_BODY";

/// What the process started by a test does: see [`BODY`].
#[test]
fn body() {
    match std::env::var(BODY).as_deref() {
        Err(_) => {}
        Ok("meet-3") => meet(3),
        Ok("meet-1") => meet(1),
        Ok("later") => a_token_comes_later(),
        Ok("fail") => all_fail(),
        Ok("break") => the_jobserver_breaks(),
        Ok("slow") => slow(),
        Ok(other) => panic!("there is no body {other}"),
    }
}

fn resources() -> Resources {
    Resources { threads: 8, memory: u64::MAX, jobserver: Jobserver::from_environment() }
}

/// Runs and prints each warning as a line of stderr, and how many jobs ran at the same time.
fn counted(work: impl Fn(usize, &Task) -> Result<usize, String> + Sync) {
    counted_and_warned(&|text| eprintln!("warning: {text}"), work);
}

fn counted_and_warned(warn: &dyn Fn(&str), work: impl Fn(usize, &Task) -> Result<usize, String> + Sync) {
    let running = Gauge::default();
    let work = |job, task: &Task| running.within(1, || work(job, task));
    let before = caught_signals();
    match run(&jobs(&[(1, 1); 30]), resources(), &Recorder::new(), &mut Progress::none(), warn, work) {
        Ok(results) => assert_eq!(results, (0..30).collect::<Vec<_>>()),
        Err(failure) => eprintln!("failed: {failure}"),
    }
    assert_eq!(caught_signals(), before, "signal handlers are the host's");
    eprintln!("at most: {}", running.most());
}

fn caught_signals() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|l| l.starts_with("SigCgt")).unwrap().to_string()
}

/// The jobs end only after the warning.
fn the_jobserver_breaks() {
    let warned = Meeting::default();
    let warn = |text: &str| {
        eprintln!("warning: {text}");
        warned.come();
    };
    counted_and_warned(&warn, |job, _| {
        warned.wait(1);
        Ok(job)
    });
}

/// Long enough for a progress bar.
fn slow() {
    let work = |_, _: &Task| {
        std::thread::sleep(Duration::from_millis(1300));
        Ok::<(), String>(())
    };
    let warn = |text: &str| panic!("no warning expected, found: {text}");
    let mut progress = Progress::on_terminal(false);
    run(&jobs(&[(1, 1)]), resources(), &Recorder::new(), &mut progress, &warn, work).unwrap();
}

/// All jobs wait until `number` of them run.
fn meet(number: usize) {
    let meeting = Meeting::default();
    counted(|job, _| {
        meeting.come();
        meeting.wait(number);
        Ok(job)
    });
}

/// The only token is somebody else's until the first job runs.
fn a_token_comes_later() {
    let Jobserver::Tokens(others) = Jobserver::from_environment() else { panic!("no jobserver") };
    let lent = Mutex::new(others.try_take().unwrap());
    assert!(lent.lock().unwrap().is_some());
    let meeting = Meeting::default();
    counted(|job, _| {
        lent.lock().unwrap().take();
        meeting.come();
        meeting.wait(2);
        Ok(job)
    });
}

fn all_fail() {
    let meeting = Meeting::default();
    counted(|job, _| {
        meeting.come();
        meeting.wait(3);
        if job % 2 == 0 {
            panic!("on purpose");
        }
        Err("no".to_string())
    });
}

fn this_test(body: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "body", "--nocapture"]).env(BODY, body).env("RUST_BACKTRACE", "0");
    command.env_remove("CARGO_MAKEFLAGS").env_remove("MAKEFLAGS").env_remove("MFLAGS");
    command
}

fn stderr(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}{text}", String::from_utf8_lossy(&output.stdout));
    text
}

/// A jobserver as newer makes have it: a named pipe.
struct Fifo {
    _folder: tempfile::TempDir,
    path: PathBuf,
    /// Keeps what is in the pipe.
    end: File,
}

impl Fifo {
    fn with_tokens(tokens: usize) -> Fifo {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let mut end =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        end.write_all(&vec![b'+'; tokens]).unwrap();
        Fifo { _folder: folder, path, end }
    }

    /// Runs a body below this jobserver; what it wrote to stderr and how many tokens there are afterwards.
    fn run(mut self, body: &str) -> (String, usize) {
        let flags = format!(" -j --jobserver-auth=fifo:{}", self.path.display());
        let output = this_test(body).env("MAKEFLAGS", flags).output().unwrap();
        let mut tokens = Vec::new();
        // Ends with an error when nothing is left: nobody closes the pipe.
        let _ = self.end.read_to_end(&mut tokens);
        (stderr(&output), tokens.len())
    }
}

#[test]
fn without_a_token_one_thread_works() {
    assert_eq!(Fifo::with_tokens(0).run("meet-1"), ("at most: 1\n".into(), 0));
}

#[test]
fn tokens_bound_the_threads_and_all_are_used() {
    assert_eq!(Fifo::with_tokens(2).run("meet-3"), ("at most: 3\n".into(), 2));
}

#[test]
fn a_token_that_comes_later_is_used() {
    assert_eq!(Fifo::with_tokens(1).run("later"), ("at most: 2\n".into(), 1));
}

#[test]
fn tokens_come_back_from_failures_and_panics() {
    let (text, tokens) = Fifo::with_tokens(2).run("fail");
    assert_eq!(tokens, 2, "{text}");
    assert!(text.contains("\nfailed: shard 0, part x86-64: panicked: on purpose"), "{text}");
}

/// Runs a makefile with one recipe, which starts `body`.
fn make(recipe_mark: &str, body: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let recipe = format!("all:\n\t{recipe_mark}@{} --exact body --nocapture\n", exe.display());
    let makefile: &Path = &folder.path().join("Makefile");
    fs::write(makefile, recipe).unwrap();
    let mut command = Command::new("make");
    command.args(["-j3", "-f"]).arg(makefile).env(BODY, body);
    command.env_remove("CARGO_MAKEFLAGS").env_remove("MAKEFLAGS").env_remove("MFLAGS");
    stderr(&command.output().unwrap())
}

#[test]
fn below_make_the_threads_are_makes() {
    assert_eq!(make("+", "meet-3"), "at most: 3\n");
}

#[test]
fn a_jobserver_that_cannot_be_used_is_one_warning_and_one_thread() {
    // The file descriptors are closed.
    let flags = "-j --jobserver-auth=97,98";
    let text = stderr(&this_test("meet-1").env("MAKEFLAGS", flags).output().unwrap());
    let (warning, rest) = text.split_once('\n').unwrap();
    assert!(warning.starts_with("warning: make's jobserver cannot be used, so one thread emits: "), "{text}");
    assert_eq!(rest, "at most: 1\n");
    // Make says that this is not for us.
    let flags = "-j --jobserver-auth=-2,-2";
    assert_eq!(stderr(&this_test("meet-1").env("MAKEFLAGS", flags).output().unwrap()), "at most: 1\n");
    // `make -j` without a number, and no make at all.
    for flags in [" -j", ""] {
        let output = this_test("meet-3").env("MAKEFLAGS", flags).output().unwrap();
        assert_eq!(stderr(&output).lines().count(), 1);
    }
}

#[test]
fn a_jobserver_that_breaks_is_one_warning() {
    // An empty regular file: it opens, and a read is at its end.
    let file = tempfile::NamedTempFile::new().unwrap();
    let flags = format!("-j --jobserver-auth=fifo:{}", file.path().display());
    let text = stderr(&this_test("break").env("MAKEFLAGS", flags).output().unwrap());
    let (warning, rest) = text.split_once('\n').unwrap();
    assert!(
        warning.starts_with("warning: make's jobserver broke, so one thread emits what is left: "),
        "{text}"
    );
    assert_eq!(rest, "at most: 1\n");
}

#[test]
fn a_terminal_has_a_progress_bar_and_a_pipe_has_nothing() {
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut command = this_test("slow");
    let mut child =
        command.env("TERM", "xterm").stdout(Stdio::null()).stderr(terminal.slave).spawn().unwrap();
    // The command holds the last end of the terminal but for the child's.
    drop(command);
    let mut shown = Vec::new();
    // Ends with an error when the child has closed its end.
    let _ = File::from(terminal.master).read_to_end(&mut shown);
    assert!(child.wait().unwrap().success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("emitting") && shown.contains("1 jobs left"), "{shown:?}");
    assert_eq!(stderr(&this_test("slow").output().unwrap()), "");
}
