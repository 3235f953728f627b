//! Engines that compile shards elsewhere: the same bytes as on threads, whatever becomes of the jobs.

use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tests::command::{Ran, run, run_ok};
use tests::tools::{LLVM_AR, OPT, Tools, in_tests};

/// C++ with templates, exceptions and static data: a dozen shards and more.
const PROGRAM: &str = "virtual.cpp";

/// The option for many small shards.
const SMALL: &str = ";shard-weight=40";

struct Work {
    folder: TempDir,
    tools: Tools,
    input: PathBuf,
}

impl Work {
    /// A test program as a front end leaves it, for three targets.
    fn new() -> Result<Work> {
        Work::on(&in_tests("programs").join(PROGRAM))
    }

    fn on(source: &Path) -> Result<Work> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        let (tools, input) = (Tools::find()?, folder.path().join("input.bc"));
        let is_c = source.extension().is_some_and(|e| e == "c");
        let mut command = Command::new(if is_c { tools.jl_cc() } else { tools.jl_cxx() });
        command.args(["--jl-targets=x86-64;x86-64-v3;x86-64-v4", "-O2", "-fPIC", "-c", "-emit-llvm"]);
        command.args(["-Xclang", "-disable-llvm-passes"]).arg(source).arg("-o").arg(&input);
        run_ok(&mut command)?;
        Ok(Work { folder, tools, input })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `jl-emit` on many small shards, without cache.
    fn emit(&self, output: &Path, options: &str) -> Command {
        self.emit_in(SMALL, output, options)
    }

    fn emit_in(&self, weight: &str, output: &Path, options: &str) -> Command {
        let mut command = Command::new(OPT);
        command.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        let passes = format!("jl-emit<O2{weight};out={}{options}>", output.display());
        command.arg(format!("-passes={passes}")).arg("-disable-output").arg(&self.input);
        for variable in ["JL_IMAGE_ENGINE", "JL_IMAGE_DISTRIBUTOR", "DISTCC_HOSTS", "JL_KEEP"] {
            command.env_remove(variable);
        }
        command.env("JL_CACHE", "0");
        command
    }

    /// What one thread makes of it.
    fn expected(&self) -> Result<Vec<u8>> {
        let output = self.path("expected.a");
        run_ok(self.emit(&output, "").env("JULIA_IMAGE_THREADS", "1"))?;
        Ok(fs::read(&output)?)
    }

    fn distributed(&self, output: &Path, options: &str) -> Command {
        let mut command = self.emit(output, "");
        distribute(&mut command, options);
        command
    }

    /// Folders of jobs that are left.
    fn left(&self) -> Result<Vec<PathBuf>> {
        let mut left = Vec::new();
        for entry in fs::read_dir(self.folder.path())? {
            let path = entry?.path();
            if path.file_name().is_some_and(|n| n.as_encoded_bytes().starts_with(b".jl-")) {
                left.push(path);
            }
        }
        Ok(left)
    }
}

fn distribute<'a>(command: &'a mut Command, options: &str) -> &'a mut Command {
    let script = in_tests("distributor.py");
    command.env("JL_IMAGE_DISTRIBUTOR", format!("python3 '{}' {options}", script.display()))
}

fn shards(archive: &Path) -> Result<usize> {
    let members = run_ok(Command::new(LLVM_AR).arg("t").arg(archive))?.stdout;
    Ok(members.lines().filter(|m| m.starts_with("shard_")).count())
}

/// The bytes of all shards' objects, one after the other.
fn objects(archive: &Path) -> Result<Vec<u8>> {
    let names = (0..shards(archive)?).map(|shard| format!("shard_{shard}.o"));
    Ok(Command::new(LLVM_AR).arg("p").arg(archive).args(names).output()?.stdout)
}

/// The output is whole, and nothing was compiled here that the engine should have made.
fn ensure_made(ran: &Ran, output: &Path, expected: &[u8], engine: &str) -> Result<()> {
    ensure!(!ran.stderr.contains("did not come back"), "{engine}: {}", ran.describe());
    ensure!(fs::read(output)? == expected, "{engine}: other bytes than on one thread");
    Ok(())
}

/// Daemons of distcc on this machine, ended with the test.
struct Daemons {
    daemons: Vec<(u16, Child)>,
    folder: TempDir,
}

impl Daemons {
    fn start(tools: &Tools, count: usize) -> Result<Daemons> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        // As root a daemon becomes another user, who must be able to run the compiler.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        for tool in [tools.jl_cc(), tools.plugin()] {
            fs::copy(&tool, folder.path().join(tool.file_name().context("no name")?))?;
        }
        let mut daemons = Daemons { daemons: Vec::new(), folder };
        for _ in 0..count {
            daemons.add()?;
        }
        Ok(daemons)
    }

    fn add(&mut self) -> Result<()> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(self.log(port))?;
        let mut command = Command::new("distccd");
        command.args(["--daemon", "--no-detach", "--log-stderr", "--log-level=info", "--jobs=2"]);
        command.args(["--listen=127.0.0.1", "--allow=127.0.0.1", "--enable-tcp-insecure"]);
        // A group of its own, with the compilers that it runs.
        command
            .process_group(0)
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let child = command.spawn().context("cannot run distccd")?;
        self.daemons.push((port, child));
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(begin.elapsed() < Duration::from_secs(60), "distccd does not listen: {}", self.logs()?);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self, port: u16) -> PathBuf {
        self.folder.path().join(format!("{port}.log"))
    }

    fn logs(&self) -> Result<String> {
        let logs: Vec<String> = self
            .daemons
            .iter()
            .map(|(port, _)| fs::read_to_string(self.log(*port)))
            .collect::<Result<_, _>>()?;
        Ok(logs.concat())
    }

    fn hosts(&self) -> String {
        let hosts: Vec<String> = self.daemons.iter().map(|(port, _)| format!("127.0.0.1:{port}/2")).collect();
        hosts.join(" ")
    }

    /// Makes the engine of `command` distcc on these daemons and `more` hosts.
    fn serve(&self, command: &mut Command, more: &str) {
        command.env("JL_IMAGE_ENGINE", "distcc").env("JL_IMAGE_REMOTE_CC", self.folder.path().join("jl-cc"));
        command.env("DISTCC_HOSTS", format!("{more} {}", self.hosts())).env("DISTCC_DIR", self.folder.path());
    }

    /// Ends a daemon and what it runs, as a machine that is switched off.
    fn switch_off(&mut self, index: usize) -> Result<()> {
        let (_, child) = &mut self.daemons[index];
        let _ = run(Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]))?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for index in 0..self.daemons.len() {
            let _ = self.switch_off(index);
        }
    }
}

/// Threads, a distributor, Ninja and distcc; `weight` is the option for the size of shards. Gives the number of shards.
fn same_from_every_engine(work: &Work, weight: &str) -> Result<usize> {
    let emit = |output: &Path| work.emit_in(weight, output, "");
    let (first, output) = (work.path("expected.a"), work.path("out.a"));
    run_ok(emit(&first).env("JULIA_IMAGE_THREADS", "1"))?;
    let (expected, count) = (fs::read(&first)?, shards(&first)?);
    ensure!(count > 5, "only {count} shards");
    run_ok(emit(&output).env("JULIA_IMAGE_THREADS", "2"))?;
    ensure!(fs::read(&output)? == expected, "two threads make other bytes");

    let ran = run_ok(distribute(&mut emit(&output), ""))?;
    ensure!(ran.stderr.contains("killed 0 workers"), "the distributor did not run: {}", ran.describe());
    ensure_made(&ran, &output, &expected, "distributor")?;
    let ran = run_ok(emit(&output).env("JL_IMAGE_ENGINE", "ninja"))?;
    ensure_made(&ran, &output, &expected, "ninja")?;
    let daemons = Daemons::start(&work.tools, 2)?;
    let mut command = emit(&output);
    daemons.serve(&mut command, "");
    let ran = run_ok(&mut command)?;
    ensure_made(&ran, &output, &expected, "distcc")?;
    let done = daemons.logs()?.matches("COMPILE_OK").count();
    ensure!(done == count, "the daemons compiled {done} of {count} shards: {}", daemons.logs()?);
    ensure!(work.left()?.is_empty(), "left: {:?}", work.left()?);
    Ok(count)
}

#[test]
#[ignore = "minutes: SQLite five times, whose source cargo fetches"]
fn sqlite_is_the_same_from_every_engine() -> Result<()> {
    let sources = tests::bench::sources::fetch()?;
    let (_, folder) = sources.package("libsqlite3-sys")?;
    let work = Work::on(&folder.join("sqlite3/sqlite3.c"))?;
    let count = same_from_every_engine(&work, "")?;
    println!("{count} shards");
    Ok(())
}

#[test]
fn every_engine_makes_the_same_archive() -> Result<()> {
    let work = Work::new()?;
    same_from_every_engine(&work, SMALL)?;

    // A folder that is to be kept stays, also after another build.
    let output = work.path("out.a");
    run_ok(work.emit(&output, "").env("JL_IMAGE_ENGINE", "ninja").env("JL_KEEP", "1"))?;
    run_ok(work.emit(&output, "").env("JL_IMAGE_ENGINE", "ninja"))?;
    let kept = work.left()?;
    ensure!(kept.len() == 1 && kept[0].join("build.ninja").exists(), "kept: {kept:?}");
    Ok(())
}

#[test]
fn what_a_distributor_spoils_is_compiled_here() -> Result<()> {
    let work = Work::new()?;
    let expected = work.expected()?;
    let count = shards(&work.path("expected.a"))?;
    let every = |n: usize| count.div_ceil(n);
    // What is wrong, how many shards it concerns, and the words for it.
    for (options, lost, words) in [
        ("--drop=2", every(2), "no output"),
        ("--truncate=3", every(3), "its end is missing"),
        ("--damage=3", every(3), "it is damaged"),
        ("--swap", 2, "it was made of another shard"),
        ("--stop=3", count - 3, "signal: 9"),
        ("--hang=4", count - 4, "without a result"),
    ] {
        let output = work.path("out.a");
        fs::write(&output, "before")?;
        let mut command = work.distributed(&output, options);
        let ran = run_ok(command.env("JL_IMAGE_JOB_TIMEOUT", "5"))?;
        let counted = format!("{lost} of {count} shards did not come back whole and were compiled here");
        ensure!(ran.stderr.contains(&counted) && ran.stderr.contains(words), "{options}: {}", ran.describe());
        ensure!(fs::read(&output)? == expected, "{options}: other bytes");
        ensure!(work.left()?.is_empty(), "{options} left {:?}", work.left()?);
    }
    Ok(())
}

#[test]
fn killed_workers_change_nothing() -> Result<()> {
    let work = Work::new()?;
    let expected = work.expected()?;
    let mut killed = 0;
    for seed in 0..60 {
        let output = work.path("out.a");
        let ran = run_ok(&mut work.distributed(&output, &format!("--kill={seed}")))?;
        ensure!(fs::read(&output)? == expected, "seed {seed}: other bytes: {}", ran.describe());
        let line = ran.stderr.lines().find_map(|l| l.strip_prefix("killed ")).context("no count")?;
        killed += line.split(' ').next().context("no number")?.parse::<u32>()?;
        if killed >= 50 {
            return Ok(());
        }
    }
    anyhow::bail!("only {killed} workers were killed, expected 50: the delays are too long")
}

#[test]
fn killed_builds_leave_what_was_there_or_the_whole() -> Result<()> {
    let work = Work::new()?;
    let expected = work.expected()?;
    let output = work.path("out.a");
    for round in 0..12u64 {
        fs::write(&output, "before")?;
        let mut command = work.distributed(&output, "");
        if round % 2 == 0 {
            command.env_remove("JL_IMAGE_DISTRIBUTOR").env("JL_IMAGE_ENGINE", "ninja");
        }
        let mut child = command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        // Spread over the run by a sequence without a pattern.
        std::thread::sleep(Duration::from_millis((round * 7919) % 97 * 12));
        // The host alone, or with all that it has started.
        let who = format!("{}{}", if round % 3 == 0 { "" } else { "-" }, child.id());
        run(Command::new("kill").args(["-KILL", "--", &who]))?;
        child.wait()?;
        let found = fs::read(&output)?;
        ensure!(found == b"before" || found == expected, "round {round}: {} bytes", found.len());
    }
    run_ok(&mut work.distributed(&output, ""))?;
    ensure!(fs::read(&output)? == expected, "other bytes after killed builds");
    let left = work.left()?;
    ensure!(!left.iter().any(|p| p.to_string_lossy().contains("jobs")), "killed builds left {left:?}");
    Ok(())
}

#[test]
fn distcc_goes_on_without_dead_and_hanging_machines() -> Result<()> {
    let work = Work::new()?;
    let expected = work.expected()?;
    let mut daemons = Daemons::start(&work.tools, 2)?;
    // One machine accepts and never answers, one refuses, one is switched off in the middle.
    let hanging = TcpListener::bind("127.0.0.1:0")?;
    let more = format!("{}/2 127.0.0.1:9/2", hanging.local_addr()?);
    let output = work.path("out.a");
    let mut command = work.emit(&output, "");
    daemons.serve(&mut command, &more);
    command.env("JL_IMAGE_JOB_TIMEOUT", "10").stderr(Stdio::null());
    let mut child = command.spawn()?;
    std::thread::sleep(Duration::from_millis(1500));
    daemons.switch_off(0)?;
    ensure!(child.wait()?.success(), "the build failed: {}", daemons.logs()?);
    ensure!(fs::read(&output)? == expected, "other bytes");
    Ok(())
}

#[test]
fn without_machines_or_programs_the_build_is_local_and_says_so() -> Result<()> {
    let work = Work::new()?;
    let expected = work.expected()?;
    let output = work.path("out.a");
    // A path with the host alone.
    let bare = work.path("bin");
    fs::create_dir(&bare)?;
    let host = run_ok(Command::new("sh").args(["-c", &format!("command -v {OPT}")]))?.stdout;
    std::os::unix::fs::symlink(host.trim(), bare.join(OPT))?;
    let bare = bare.to_str().context("path")?;
    let dead =
        [("DISTCC_HOSTS", "127.0.0.1:9"), ("DISTCC_DIR", work.folder.path().to_str().context("path")?)];
    for (engine, name, value, words) in [
        ("distcc", "PATH", bare, "install distcc"),
        ("ninja", "PATH", bare, "ninja: cannot be started"),
        ("distributor", "JL_IMAGE_DISTRIBUTOR", "/no/such/program", "cannot be started"),
        ("distributor", "JL_IMAGE_DISTRIBUTOR", "false", "exit status: 1"),
        ("distcc", "JL_IMAGE_JOB_TIMEOUT", "20", "distcc: exit status"),
    ] {
        let mut command = work.emit(&output, "");
        let ran = run_ok(command.env("JL_IMAGE_ENGINE", engine).envs(dead).env(name, value))?;
        ensure!(ran.stderr.contains("did not come back whole"), "{engine}: {}", ran.describe());
        ensure!(ran.stderr.contains(words), "{engine} does not say {words:?}: {}", ran.describe());
        ensure!(fs::read(&output)? == expected, "{engine}: other bytes");
    }
    Ok(())
}

#[test]
fn wrong_wishes_and_wrong_files_are_refused() -> Result<()> {
    let work = Work::new()?;
    let output = work.path("out.a");
    fs::write(&output, "before")?;
    let refused = |command: &mut Command, words: &[&str]| -> Result<()> {
        let ran = run(command)?;
        ensure!(!ran.status.success(), "was not refused: {}", ran.describe());
        ensure!(words.iter().all(|w| ran.stderr.contains(w)), "does not say {words:?}: {}", ran.describe());
        Ok(())
    };
    refused(
        work.emit(&output, "").env("JL_IMAGE_ENGINE", "cloud"),
        &["JL_IMAGE_ENGINE=cloud", "distcc, ninja"],
    )?;
    refused(work.distributed(&output, "").env("JL_IMAGE_ENGINE", "ninja"), &["both set"])?;
    refused(work.emit(&output, "").env("JL_IMAGE_DISTRIBUTOR", "'a b"), &["a quote is open"])?;
    refused(
        work.distributed(&output, "").env("JL_IMAGE_JOB_TIMEOUT", "soon"),
        &["JL_IMAGE_JOB_TIMEOUT=soon", "expected seconds"],
    )?;
    ensure!(fs::read(&output)? == b"before", "an error changed the output");

    let shard = |input: &Path| {
        let mut command = Command::new(work.tools.jl_cc());
        command.args(["--jl-shard", "-c"]).arg(input).arg("-o").arg(work.path("no.o"));
        command
    };
    refused(&mut shard(&work.path("missing.bc")), &["cannot read", "missing.bc"])?;
    refused(
        &mut shard(&in_tests("programs").join(PROGRAM)),
        &["virtual.cpp is no shard", "found no bitcode"],
    )?;
    refused(&mut shard(&work.input), &["this bitcode is no shard"])?;
    refused(shard(&work.input).env("JL_LLVM", "19"), &["needs LLVM 22"])?;
    ensure!(!work.path("no.o").exists(), "a refused file became an object");
    Ok(())
}

#[test]
fn a_folder_of_jobs_builds_the_archive_and_only_what_changed() -> Result<()> {
    let work = Work::new()?;
    work.expected()?;
    let expected = objects(&work.path("expected.a"))?;
    let (folder, output) = (work.path("jobs"), work.path("out.a"));
    let options = format!(";jobs={}", folder.display());
    run_ok(&mut work.emit(&output, &options))?;
    ensure!(!output.exists(), "the archive was written without its members");
    let ninja = || run_ok(Command::new("ninja").arg("-C").arg(&folder));
    let first = ninja()?;
    ensure!(objects(&output)? == expected, "ninja makes another archive");
    ensure!(!first.stdout.contains("no work to do"), "{}", first.describe());
    run_ok(&mut work.emit(&output, &options))?;
    let second = ninja()?;
    ensure!(
        second.stdout.contains("no work to do"),
        "the same shards are compiled again: {}",
        second.describe()
    );

    let count = shards(&output)?;
    for number in 0..count {
        fs::remove_file(folder.join(format!("shard_{number}.o")))?;
    }
    run_ok(Command::new("python3").arg(in_tests("distributor.py")).arg(folder.join("jobs.json")))?;
    let remade = ninja()?;
    ensure!(objects(&output)? == expected, "a distributor makes other objects: {}", remade.describe());
    Ok(())
}

/// C code for many shards of ordinary size: functions that call each other, static data, loops.
fn larger_unit() -> String {
    let mut text = String::from("#include <stdio.h>\nstatic int table[64];\n");
    for i in 0..300 {
        let callee = i / 2;
        let call = if i > 0 { format!("f{callee}(a, n / 2)") } else { "1".into() };
        let _ = writeln!(
            text,
            "__attribute__((noinline)) int f{i}(const int *a, int n) {{\n  int s = {i};\n\
             \x20 for (int j = 0; j < n; j++) s += a[j] * (j ^ {i});\n\
             \x20 table[s & 63] += s;\n  if (n > 3) s += {call};\n  return s ^ table[{}];\n}}",
            i % 64
        );
    }
    text
}

#[test]
fn a_larger_unit_is_the_same_from_distcc_and_from_threads() -> Result<()> {
    let source = tempfile::Builder::new().prefix("jl-test-").suffix(".cpp").tempfile()?;
    fs::write(source.path(), larger_unit())?;
    let work = Work::on(source.path())?;
    // The module decides how large its shards are.
    let emit = |output: &Path| work.emit_in("", output, "");
    let (here, there) = (work.path("here.a"), work.path("there.a"));
    run_ok(&mut emit(&here))?;
    ensure!(shards(&here)? > 1, "one shard: nothing is distributed");
    let daemons = Daemons::start(&work.tools, 2)?;
    let mut command = emit(&there);
    daemons.serve(&mut command, "");
    let ran = run_ok(&mut command)?;
    ensure_made(&ran, &there, &fs::read(&here)?, "distcc")
}
