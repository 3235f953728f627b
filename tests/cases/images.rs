//! What linked images look like, on disk and in a process.

mod work;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::program::disassemble;
use tests::tools::{CLANG, LLVM_AR, LLVM_READELF, OPT, in_tests};
use tests::{golden, host};
use work::Work;

const LEVELS: &str = "x86-64;x86-64-v3;x86-64-v4";

/// A working folder, the tools, and what tests do with them.
impl Work {
    /// Writes a source of the test's own.
    fn source(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// jl-cc for a target list.
    fn cc(&self, targets: &str) -> Command {
        let mut command = Command::new(self.tools.jl_cc());
        command.arg("-O2").arg(format!("--jl-targets={targets}")).current_dir(self.folder.path());
        command
    }

    /// jl-cc for the levels, with flags, to one output.
    fn build(&self, flags: &[&str], sources: &[PathBuf], output: &str) -> Result<PathBuf> {
        let output = self.path(output);
        run_ok(self.cc(LEVELS).args(flags).args(sources).arg("-o").arg(&output))?;
        Ok(output)
    }

    /// Plain clang, the linker that it takes by itself.
    fn plain(&self, flags: &[&str], inputs: &[PathBuf], output: &str) -> Result<PathBuf> {
        let output = self.path(output);
        run_ok(Command::new(CLANG).arg("-O1").args(flags).args(inputs).arg("-o").arg(&output))?;
        Ok(output)
    }

    fn explain(&self, file: &Path, arguments: &[&str]) -> Result<serde_json::Value> {
        let mut command = Command::new(self.tools.jl_load());
        let ran = run_ok(command.arg("explain").arg(file).arg("--json").args(arguments))?;
        serde_json::from_str(&ran.stdout).with_context(|| ran.describe())
    }
}

fn which_source() -> PathBuf {
    in_tests("images/which.c")
}

/// The targets of [`LEVELS`] that this machine can run.
fn runnable() -> Vec<usize> {
    LEVELS.split(';').enumerate().filter(|(_, t)| host::can_run(t)).map(|(i, _)| i).collect()
}

/// The names of the body that runs for a function, by what `which.c` printed.
fn bodies_of(file: &Path, ran: &Ran, function: &str) -> Result<Vec<String>> {
    let line = ran.stdout.lines().find(|l| l.starts_with(&format!("{function} ")));
    let distance = line.and_then(|l| l.split(' ').nth(1)).and_then(|d| d.parse::<i64>().ok());
    let distance = distance.with_context(|| format!("no slot of {function} in {}", ran.describe()))?;
    let symbols = Elf::read(file)?.symbols()?;
    let trampoline = symbols.iter().find(|s| s.name == function).context("no symbol of the trampoline")?;
    let body = trampoline.address.wrapping_add_signed(distance);
    Ok(symbols.into_iter().filter(|s| s.address == body).map(|s| s.name).collect())
}

/// That a clone is what runs for its function.
fn runs(file: &Path, ran: &Ran, clone: &str) -> Result<()> {
    let function = clone.rsplit_once('.').map_or(clone, |(function, _)| function);
    let bodies = bodies_of(file, ran, function)?;
    ensure!(
        bodies.iter().any(|b| b == clone),
        "expected {clone} to run, found {bodies:?}: {}",
        ran.describe()
    );
    Ok(())
}

fn sealed(ran: &Ran) -> Result<()> {
    for function in ["alpha", "beta"] {
        let line = ran.stdout.lines().find(|l| l.starts_with(&format!("{function} ")));
        let permissions = line.and_then(|l| l.split(' ').nth(2));
        ensure!(permissions == Some("r--p"), "the slot of {function} is {permissions:?}: {}", ran.describe());
    }
    Ok(())
}

#[test]
fn no_slot_page_is_writable_after_start() -> Result<()> {
    let work = Work::new()?;
    for (name, flags) in [
        ("exe", &["-no-pie", "-fno-pie"][..]),
        ("pie", &["-pie", "-fPIE"]),
        ("static", &["-static"]),
        ("static-pie", &["-static-pie", "-fPIE"]),
        ("lazy", &["-pie", "-fPIE", "-Wl,-z,lazy"]),
    ] {
        let program = work.build(flags, &[which_source()], name)?;
        sealed(&run_ok(&mut Command::new(&program))?).with_context(|| format!("as {name}"))?;
    }
    let library = work.build(&["-shared", "-fPIC"], &[which_source()], "libwhich.so")?;
    let launcher = work.plain(&[], &[in_tests("launcher.c")], "launcher")?;
    sealed(&run_ok(Command::new(&launcher).arg(&library))?).context("as a library, opened later")
}

#[test]
fn no_slot_page_is_writable_after_the_preloaded_shim() -> Result<()> {
    let work = Work::new()?;
    for linker in ["lld", "bfd", "mold"] {
        let object = work.build(&["-c", "-fPIC"], &[which_source()], "which.o")?;
        let linker_flag = format!("-fuse-ld={linker}");
        let program = work.plain(&["-pie", &linker_flag], &[object], linker)?;
        let mut command = Command::new(work.tools.jl_load());
        let ran = run_ok(command.args(["run", "--target", "1", "--"]).arg(&program))?;
        sealed(&ran).with_context(|| format!("linked by {linker}"))?;
        runs(&program, &ran, "alpha.1").with_context(|| format!("linked by {linker}"))?;
        // Without the shim it runs the baseline.
        runs(&program, &run_ok(&mut Command::new(&program))?, "alpha.0")?;
    }
    Ok(())
}

#[test]
fn explain_names_the_code_that_ran() -> Result<()> {
    let work = Work::new()?;
    let program = work.build(&["-pie", "-fPIE"], &[which_source()], "which")?;
    for target in runnable() {
        let number = target.to_string();
        let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", &number))?;
        for function in ["alpha", "beta"] {
            let told = work.explain(&program, &["--target", &number, "--function", function])?;
            let told = &told["functions"][0];
            let runs = told["runs"].as_u64().context("explain does not say what runs")?;
            let told = told["bodies"][runs as usize]["symbol"].as_str().context("no symbol")?.to_string();
            let bodies = bodies_of(&program, &ran, function)?;
            // Folded clones are one body under several names.
            for name in [told, format!("{function}.{target}")] {
                ensure!(bodies.contains(&name), "expected {name} among {bodies:?}: {}", ran.describe());
            }
        }
    }
    Ok(())
}

#[test]
fn older_cpus_get_the_right_target() -> Result<()> {
    let work = Work::new()?;
    for (flags, name) in [(&["-pie", "-fPIE"][..], "pie"), (&["-static"], "static")] {
        let program = work.build(flags, &[which_source()], name)?;
        for (cpu, model, expected) in [("Nehalem", "nehalem", 0), ("Haswell", "haswell", 1)] {
            let ran = run_ok(Command::new("qemu-x86_64").args(["-cpu", cpu]).arg(&program))?;
            runs(&program, &ran, &format!("alpha.{expected}")).with_context(|| format!("on {cpu}"))?;
            let mut command = Command::new(work.tools.jl_load());
            command.args(["matrix", "--json", "--model", cpu, "--"]).arg(&program);
            // The program prints where its bodies are: that differs from CPU to CPU, and so the status is 1.
            let ran = run(&mut command)?;
            let matrix: serde_json::Value = serde_json::from_str(&ran.stdout).context(ran.describe())?;
            let row = &matrix["rows"][1];
            ensure!(row["cpu"] == cpu && row["outcome"]["exit"] == 0, "{}", ran.describe());
            ensure!(row["images"][0]["target"] == expected, "{}", ran.describe());
            let told = work.explain(&program, &["--cpu", model])?;
            ensure!(told["lists"][0]["chosen"] == expected, "explain --cpu {model}: {told}");
        }
    }
    Ok(())
}

#[test]
fn explain_is_readable() -> Result<()> {
    let work = Work::new()?;
    work.build(&["-pie", "-fPIE"], &[which_source()], "which")?;
    let mut text = String::new();
    for cpu in ["core2", "haswell", "skylake-avx512"] {
        let mut command = Command::new(work.tools.jl_load());
        command.args(["explain", "which", "--cpu", cpu, "--function", "alpha"]);
        let ran = run_ok(command.current_dir(work.folder.path()))?;
        text += &format!("$ jl-load explain which --cpu {cpu} --function alpha\n{}\n", ran.stdout);
    }
    // Addresses and the build id change with the compiler's version.
    golden::check("explain.txt", &neutral(&text))
}

#[test]
fn the_readme_shows_todays_output() -> Result<()> {
    let readme = fs::read_to_string(tests::tools::workspace().join("README.md"))?;
    let work = Work::new()?;
    let block_after = |mark: &str| -> Result<String> {
        let (_, rest) = readme.split_once(mark).with_context(|| format!("README.md has no {mark:?}"))?;
        Ok(rest.split("```").next().unwrap_or_default().to_string())
    };
    let source = work.source("dot.c", &block_after("```c\n")?)?;
    work.build(&["-shared", "-fPIC"], &[source], "libdot.so")?;
    let mark = "$ jl-load explain libdot.so --cpu haswell --function dot\n";
    let mut command = Command::new(work.tools.jl_load());
    command.args(["explain", "libdot.so", "--cpu", "haswell", "--function", "dot"]);
    let found = run_ok(command.current_dir(work.folder.path()))?.stdout;
    let (shown, found) = (neutral(&block_after(mark)?), neutral(&found));
    ensure!(shown == found, "README.md shows another output: {}", golden::difference(&shown, &found));
    Ok(())
}

/// Without addresses and build ids.
fn neutral(text: &str) -> String {
    let is_id = |word: &str| word.len() == 40 && word.chars().all(|c| c.is_ascii_hexdigit());
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').map(|w| if is_id(w) { "BUILD-ID" } else { w }).collect();
        words.join(" ")
    };
    without_addresses(&text.lines().map(|l| line(l) + "\n").collect::<String>())
}

/// Numbers in hexadecimal become `ADDRESS`.
fn without_addresses(text: &str) -> String {
    let mut pieces = text.split("0x");
    let mut result = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        result += "ADDRESS";
        result += piece.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    }
    result
}

#[test]
fn a_cap_holds_for_every_image() -> Result<()> {
    let work = Work::new()?;
    let library = work.build(&["-shared", "-fPIC"], &[in_tests("images/library.c")], "liblibrary.so")?;
    let program = work.build(&["-pie", "-fPIE"], &[in_tests("images/opener.c")], "opener")?;
    for (cap, expected) in [("x86-64", 0), ("x86-64-v3", 1)].into_iter().take(runnable().len()) {
        let mut command = Command::new(work.tools.jl_load());
        command.args(["run", "--cpu", cap, "--log", "stderr", "--"]).arg(&program).arg(&library);
        let ran = run_ok(&mut command)?;
        let chosen = ran.stderr.lines().filter(|l| l.contains("liblibrary.so"));
        let chosen: Vec<&str> = chosen.collect();
        ensure!(
            chosen.len() == 1 && chosen[0].contains(&format!("target {expected} ")),
            "expected one line with target {expected}: {}",
            ran.describe()
        );
    }
    Ok(())
}

/// A library that only newer CPUs than Nehalem can run.
fn demanding_library(work: &Work) -> Result<PathBuf> {
    let output = work.path("libdemanding.so");
    let mut command = work.cc("x86-64-v3;x86-64-v4");
    command.args(["-shared", "-fPIC"]).arg(in_tests("images/library.c")).arg("-o").arg(&output);
    run_ok(&mut command)?;
    Ok(output)
}

fn on_nehalem(program: &Path) -> Command {
    let mut command = Command::new("qemu-x86_64");
    command.args(["-cpu", "Nehalem"]).arg(program);
    command
}

#[test]
fn a_program_that_cannot_run_says_why_and_exits_with_127() -> Result<()> {
    let work = Work::new()?;
    let program = work.path("demanding");
    let mut command = work.cc("x86-64-v3;x86-64-v4");
    run_ok(command.args(["-pie", "-fPIE"]).arg(which_source()).arg("-o").arg(&program))?;
    let ran = run(&mut on_nehalem(&program))?;
    ensure!(ran.status.code() == Some(127), "{}", ran.describe());
    ensure!(ran.stdout.is_empty() && ran.stderr.contains("avx2"), "{}", ran.describe());
    Ok(())
}

#[test]
fn a_library_of_the_start_that_cannot_run_says_why_and_exits_with_127() -> Result<()> {
    let work = Work::new()?;
    let library = demanding_library(&work)?;
    let source =
        work.source("main.c", "int library_at_start(void); int main(void) { return library_at_start(); }")?;
    let program = work.plain(&["-Wl,-rpath,$ORIGIN"], &[source, library], "program")?;
    let ran = run(&mut on_nehalem(&program))?;
    ensure!(ran.status.code() == Some(127), "{}", ran.describe());
    ensure!(ran.stderr.contains("libdemanding.so") && ran.stderr.contains("avx2"), "{}", ran.describe());
    Ok(())
}

#[test]
fn an_opened_library_that_cannot_run_aborts_on_the_first_call() -> Result<()> {
    let work = Work::new()?;
    // Its own constructor calls nothing, so that the load comes to its end.
    let source = work.source("calm.c", "int library_sum(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i] * 3; return s; } int library_at_start(void) { return 0; }")?;
    let library = work.path("libcalm.so");
    run_ok(work.cc("x86-64-v3;x86-64-v4").args(["-shared", "-fPIC"]).arg(source).arg("-o").arg(&library))?;
    let opener = work.plain(&[], &[in_tests("images/opener.c")], "opener")?;
    let ran = run(on_nehalem(&opener).arg(&library))?;
    ensure!(!ran.status.success() && ran.stdout == "opened\n", "{}", ran.describe());
    ensure!(ran.stderr.contains("libcalm.so") && ran.stderr.contains("avx2"), "{}", ran.describe());
    // It aborts; it does not trap on an instruction.
    ensure!(!ran.stderr.contains("Illegal instruction"), "{}", ran.describe());
    Ok(())
}

#[test]
fn with_the_shim_dlopen_refuses_and_the_process_goes_on() -> Result<()> {
    let work = Work::new()?;
    let demanding = demanding_library(&work)?;
    let good = work.build(&["-shared", "-fPIC"], &[in_tests("images/library.c")], "libgood.so")?;
    let opener = work.plain(&[], &[in_tests("images/opener.c")], "opener")?;
    let mut command = Command::new("qemu-x86_64");
    command.args(["-cpu", "Nehalem", "-E"]).arg(format!("LD_PRELOAD={}", work.tools.preload().display()));
    let ran = run_ok(command.arg(&opener).args([&demanding, &good, &demanding]))?;
    let lines: Vec<&str> = ran.stdout.lines().collect();
    ensure!(lines.len() == 4, "{}", ran.describe());
    for refused in [lines[0], lines[3]] {
        ensure!(refused.starts_with("refused: ") && refused.contains("avx2"), "{}", ran.describe());
    }
    ensure!(lines[2] == "sum 165, at start 108", "{}", ran.describe());
    Ok(())
}

#[test]
fn with_the_shim_the_callers_runpath_still_counts() -> Result<()> {
    let work = Work::new()?;
    fs::create_dir(work.path("lib"))?;
    work.build(&["-shared", "-fPIC", "-fuse-ld=lld"], &[in_tests("images/library.c")], "lib/libnear.so")?;
    let opener = work.plain(&["-Wl,-rpath,$ORIGIN/lib"], &[in_tests("images/opener.c")], "opener")?;
    let mut command = Command::new(work.tools.jl_load());
    let ran = run_ok(command.args(["run", "--"]).arg(&opener).arg("libnear.so"))?;
    ensure!(ran.stdout == "opened\nsum 165, at start 108\n", "{}", ran.describe());
    Ok(())
}

#[test]
fn a_breakpoint_stops_in_every_clone() -> Result<()> {
    let work = Work::new()?;
    // Not position-independent: addresses in gdb are then those in the file.
    let program = work.build(&["-g", "-no-pie", "-fno-pie"], &[which_source()], "which")?;
    let symbols = Elf::read(&program)?.symbols()?;
    for target in runnable() {
        let name = format!("alpha.{target}");
        let clone = symbols.iter().find(|s| s.name == name).with_context(|| format!("no {name}"))?;
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch", "-iex", "set debuginfod enabled off"]);
        gdb.args(["-ex", &format!("set environment JL_LOAD_TARGET={target}")]);
        gdb.args(["-ex", "break alpha", "-ex", "run"]);
        // First in the trampoline, if the call goes through it, then in the clone.
        for _ in 0..2 {
            gdb.args([
                "-ex",
                "printf \"stopped at %lx\\n\", (long)$pc",
                "-ex",
                "backtrace",
                "-ex",
                "continue",
            ]);
        }
        let ran = run_ok(gdb.arg(&program))?;
        let stops = ran.stdout.lines().filter_map(|l| l.strip_prefix("stopped at "));
        let mut stops = stops.filter_map(|l| u64::from_str_radix(l, 16).ok());
        let inside = stops.any(|stop| stop >= clone.address && stop < clone.address + clone.size);
        ensure!(inside, "no stop in {name} at {:#x}: {}", clone.address, ran.describe());
        // The backtrace names the function and its source.
        ensure!(ran.stdout.contains("#0  alpha (data="), "{}", ran.describe());
    }
    Ok(())
}

#[test]
fn control_flow_notes_are_kept() -> Result<()> {
    let work = Work::new()?;
    let source = work.source(
        "f.c",
        "int f(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }",
    )?;
    // Without the system's start files, which may have no such notes themselves.
    let flags = ["-shared", "-fPIC", "-fcf-protection=full", "-nostdlib"];
    let library = work.build(&flags, &[source], "libf.so")?;
    let notes = run_ok(Command::new(LLVM_READELF).arg("--notes").arg(&library))?.stdout;
    let features = notes.lines().find(|l| l.contains("x86 feature:"));
    ensure!(features.is_some_and(|f| f.contains("IBT") && f.contains("SHSTK")), "{notes}");
    for function in ["f", "f.1"] {
        let code = disassemble(&library, function)?;
        ensure!(code.lines().nth(1).is_some_and(|l| l.contains("endbr64")), "{function}:{code}");
    }
    Ok(())
}

#[test]
fn dead_functions_take_their_clones_along() -> Result<()> {
    let work = Work::new()?;
    let source = work.source(
        "f.c",
        "int main(int n, char **a) { int s = 0; for (int i = 0; i < n; i++) s += a[i][0]; return s == 0; }\n\
         int dead(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }\n",
    )?;
    let kept = work.build(&["-ffunction-sections"], std::slice::from_ref(&source), "kept")?;
    let collected = work.build(&["-ffunction-sections", "-Wl,--gc-sections"], &[source], "collected")?;
    for name in ["dead", "dead.1", "dead.reloc_slot"] {
        ensure!(Elf::read(&kept)?.has_symbol(name)?, "the program without --gc-sections has no {name}");
        ensure!(!Elf::read(&collected)?.has_symbol(name)?, "the program with --gc-sections has {name}");
    }
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(&collected)).map(drop)
}

#[test]
fn archive_members_that_nobody_needs_stay_out() -> Result<()> {
    let work = Work::new()?;
    let body = "{ int s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }";
    let main = work.source(
        "main.c",
        "int used(const int *, int); int main(int c, char **v) { (void)v; return used(&c, 1) != c; }",
    )?;
    let mut objects = Vec::new();
    for name in ["used", "unused"] {
        let source = work.source(&format!("{name}.c"), &format!("int {name}(const int *d, int n) {body}"))?;
        objects.push(work.build(&["-c"], &[source], &format!("{name}.o"))?);
    }
    let archive = work.path("libboth.a");
    run_ok(Command::new(LLVM_AR).arg("rcs").arg(&archive).args(&objects))?;
    let program = work.build(&[], &[main.clone(), archive.clone()], "program")?;
    ensure!(Elf::read(&program)?.has_symbol("used.1")?, "no clone of used");
    ensure!(!Elf::read(&program)?.has_symbol("unused.1")?, "unused was pulled in");
    run_ok(&mut Command::new(&program))?;
    let flags = ["-Wl,--whole-archive", "libboth.a", "-Wl,--no-whole-archive"];
    let program = work.build(&flags, &[main], "whole")?;
    ensure!(Elf::read(&program)?.has_symbol("unused.1")?, "--whole-archive leaves unused out");
    run_ok(&mut Command::new(&program)).map(drop)
}

#[test]
fn stripping_is_carried_out() -> Result<()> {
    let work = Work::new()?;
    for (flag, symbols, locals, debug) in [
        ("-Wl,-s", false, false, false),
        ("-Wl,-S", true, true, false),
        ("-Wl,-x", true, false, true),
        ("-Wl,--build-id=sha1", true, true, true),
    ] {
        let program = work.build(&["-g", "-pie", "-fPIE", flag], &[which_source()], "which")?;
        let elf = Elf::read(&program)?;
        elf.check_output().with_context(|| format!("with {flag}"))?;
        let names: Vec<String> = elf.sections()?.into_iter().map(|s| s.0).collect();
        let has = |name: &str| names.iter().any(|n| n == name);
        ensure!(has(".symtab") == symbols, "{flag}: {names:?}");
        ensure!(has(".debug_info") == debug, "{flag}: {names:?}");
        if symbols {
            ensure!(elf.has_symbol("permissions_of.found")? == locals, "{flag}: local symbols");
            ensure!(elf.has_symbol("main")?, "{flag}: main is gone");
        }
        for target in runnable() {
            sealed(&run_ok(Command::new(&program).env("JL_LOAD_TARGET", target.to_string()))?)?;
        }
        run_ok(Command::new(work.tools.jl_load()).arg("check").arg(&program))?;
    }
    Ok(())
}

#[test]
fn only_the_functions_themselves_are_exported() -> Result<()> {
    let work = Work::new()?;
    let script = work.source(
        "versions",
        "PART_1 { global: alpha; local: *; };\nPART_2 { global: beta; gamma64; } PART_1;\n",
    )?;
    let script = format!("-Wl,--version-script={}", script.display());
    for flags in [&["-shared", "-fPIC"][..], &["-shared", "-fPIC", &script]] {
        let library = work.build(flags, &[which_source()], "libwhich.so")?;
        let mut exported: Vec<String> = Elf::read(&library)?
            .dynamic_symbols()?
            .into_iter()
            .filter(|s| s.defined)
            .map(|s| s.name)
            .collect();
        // The shims of one process find each other by the last ones.
        const OURS: [&str; 5] = ["main", "PART_1", "PART_2", "__jl_process_v1", "__jl_construct_v1"];
        exported.retain(|name| !OURS.contains(&name.as_str()));
        exported.sort();
        ensure!(exported == ["alpha", "beta", "gamma64"], "exported: {exported:?}");
    }
    Ok(())
}

#[test]
fn the_report_says_what_was_cloned_and_why_not() -> Result<()> {
    let work = Work::new()?;
    let source = work.source(
        "f.c",
        "__attribute__((noinline)) static int leaf(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }\n\
         int f(const int *d, int n) { int s = leaf(d, n); for (int i = 0; i < n; i++) s ^= d[i]; return s; }\n\
         __attribute__((naked)) int bare(void) { __asm__(\"ret\"); }\n",
    )?;
    let library = work.build(&["-shared", "-fPIC", "--jl-report=r.json"], &[source], "libf.so")?;
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(work.path("r.json"))?)?;
    let targets = report["targets"].as_array().context("no targets")?;
    let names: Vec<&str> = targets.iter().filter_map(|t| t["name"].as_str()).collect();
    ensure!(names == LEVELS.split(';').collect::<Vec<_>>(), "targets: {names:?}");
    ensure!(report["cloned"]["f"]["reason"] == "pays", "f: {report:#}");
    ensure!(report["calls"]["direct"].as_u64().is_some(), "calls: {report:#}");
    let naked = report["not_cloned"]["naked"]["functions"].as_array().context("nothing is naked")?;
    ensure!(naked.iter().any(|f| f == "bare"), "not cloned: {report:#}");
    let size = fs::metadata(&library)?.len();
    ensure!(report["file_size"] == size, "{} for a file of {size}", report["file_size"]);
    Ok(())
}

#[test]
fn the_same_inputs_give_the_same_file() -> Result<()> {
    let work = Work::new()?;
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let library = work.build(&["-shared", "-fPIC", "-g"], &[which_source()], "libwhich.so")?;
        outputs.push(fs::read(&library)?);
        fs::remove_file(library)?;
    }
    ensure!(outputs[0] == outputs[1], "two builds differ");
    Ok(())
}

#[test]
fn clang_takes_plugin_and_linker_without_the_wrapper() -> Result<()> {
    let work = Work::new()?;
    let program = work.path("program");
    let mut command = Command::new(CLANG);
    command.args(["-O2", "-pie", "-fPIE"]);
    command.arg(format!("-fpass-plugin={}", work.tools.plugin().display()));
    command.arg(format!("--ld-path={}", work.tools.jl_link().display()));
    run_ok(command.arg(which_source()).arg("-o").arg(&program).env("JULIA_CPU_TARGET", LEVELS))?;
    for target in runnable() {
        let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", target.to_string()))?;
        runs(&program, &ran, &format!("alpha.{target}"))?;
    }
    Ok(())
}

#[test]
fn opt_runs_the_passes_by_name() -> Result<()> {
    let work = Work::new()?;
    let ir = work.path("which.ll");
    let mut command = Command::new(CLANG);
    command.args(["-O1", "-Xclang", "-disable-llvm-passes", "-S", "-emit-llvm"]);
    run_ok(command.arg(which_source()).arg("-o").arg(&ir))?;
    let plugin = format!("-load-pass-plugin={}", work.tools.plugin().display());
    // The filter for what never pays wants simplified code.
    let all = "x86-64,clone_all;x86-64-v3,clone_all;x86-64-v4,clone_all";
    let passes = |list: &str| {
        let mut command = Command::new(OPT);
        command.args([&plugin, &format!("-passes={list}"), "-S"]).arg(&ir).env("JULIA_CPU_TARGET", all);
        run_ok(&mut command).map(|ran| ran.stdout)
    };
    let annotated = passes("jl-annotate")?;
    ensure!(annotated.contains("julia.mv.clones"), "no annotation in\n{annotated}");
    ensure!(!annotated.contains("alpha.reloc_slot"), "jl-annotate alone makes slots");
    let cloned = passes("jl-annotate,jl-multiversion,verify")?;
    for name in ["@alpha.reloc_slot", "@alpha.0", "@alpha.1", "@alpha.2"] {
        ensure!(cloned.contains(name), "no {name} in\n{cloned}");
    }
    Ok(())
}

#[test]
fn static_programs_work_with_musl() -> Result<()> {
    let work = Work::new()?;
    let musl = PathBuf::from("/usr/lib/x86_64-linux-musl");
    let program = work.path("which");
    let mut command = work.cc(LEVELS);
    command.args(["--target=x86_64-linux-musl", "-static", "-nostdlib", "-nostdinc"]);
    command.args(["-isystem", "/usr/include/x86_64-linux-musl"]);
    let resources = run_ok(Command::new(CLANG).arg("-print-resource-dir"))?.stdout;
    command.arg("-isystem").arg(Path::new(resources.trim()).join("include"));
    command.arg(musl.join("crt1.o")).arg(musl.join("crti.o")).arg(which_source());
    command.arg("-L").arg(&musl).arg("-lc").arg(musl.join("crtn.o")).arg("-o").arg(&program);
    run_ok(&mut command)?;
    for target in runnable() {
        let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", target.to_string()))?;
        sealed(&ran)?;
        runs(&program, &ran, &format!("alpha.{target}"))?;
    }
    Ok(())
}

#[test]
fn shared_objects_work_with_musl() -> Result<()> {
    let work = Work::new()?;
    let library = work.path("liblibrary.so");
    let source = in_tests("images/library.c");
    // Nothing of any C library goes in, so one file serves all.
    run_ok(work.cc(LEVELS).args(["-shared", "-fPIC", "-nostdlib"]).arg(source).arg("-o").arg(&library))?;
    let opener = work.path("opener");
    run_ok(Command::new("musl-gcc").arg(in_tests("images/opener.c")).arg("-o").arg(&opener))?;
    for target in runnable() {
        let ran = run_ok(Command::new(&opener).arg(&library).env("JL_LOAD_TARGET", target.to_string()))?;
        ensure!(ran.stdout == "opened\nsum 165, at start 108\n", "{}", ran.describe());
    }
    Ok(())
}

#[test]
fn a_successful_build_says_nothing() -> Result<()> {
    let work = Work::new()?;
    let object = work.path("which.o");
    let compiled = run_ok(work.cc(LEVELS).arg("-c").arg(which_source()).arg("-o").arg(&object))?;
    let linked = run_ok(work.cc(LEVELS).arg(&object).arg("-o").arg(work.path("which")))?;
    ensure!(compiled.all_output().is_empty(), "{}", compiled.describe());
    ensure!(linked.all_output().is_empty(), "{}", linked.describe());
    Ok(())
}
