//! Languages beside C and C++: a program of each, built as its users do, against the plain compiler's build.

mod work;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::host;
use tests::tools::{FLANG, in_tests};
use work::Work;

const LEVELS: &str = "x86-64,clone_all;x86-64-v3,clone_all;x86-64-v4,clone_all";

impl Work {
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_remove("JULIA_CPU_TARGET");
        command
    }
}

/// That a program says at every target what the plain one says.
fn same_everywhere(plain: &Path, image: &Path) -> Result<()> {
    let expected = run_ok(&mut Command::new(plain))?;
    ensure!(!expected.stdout.is_empty(), "nothing to compare: {}", expected.describe());
    for (target, name) in LEVELS.split(';').enumerate() {
        if host::can_run(name) {
            let found = run(Command::new(image).env("JL_LOAD_TARGET", target.to_string()))?;
            same(&expected, &found)?;
        }
    }
    Ok(())
}

fn same(expected: &Ran, found: &Ran) -> Result<()> {
    ensure!(
        (&found.stdout, found.status) == (&expected.stdout, expected.status),
        "expected:\n{}found: {}",
        expected.stdout,
        found.describe()
    );
    Ok(())
}

/// That a file has a body for each target of a function whose symbol contains `part`.
fn has_clones(file: &Path, part: &str) -> Result<()> {
    let symbols = Elf::read(file)?.symbols()?;
    for target in 0..LEVELS.split(';').count() {
        let ending = format!(".{target}");
        let found = symbols.iter().any(|s| s.name.contains(part) && s.name.ends_with(&ending));
        ensure!(found, "{} has no {part}...{ending}", file.display());
    }
    Ok(())
}

#[test]
fn fortran() -> Result<()> {
    let work = Work::new()?;
    let source = in_tests("languages/heat.f90");
    run_ok(work.command(FLANG).args(["-O2", "-o", "plain"]).arg(&source))?;
    for (flags, function) in [(&["-O2"][..], "_QMplatePstep"), (&["-O2", "-flto"], "main")] {
        let mut command = work.command(work.tools.jl_flang());
        command.args(flags).arg(format!("--jl-targets={LEVELS}")).arg(&source);
        let ran = run_ok(command.args(["-o", "image"]))?;
        ensure!(ran.stderr.is_empty(), "warns of what the user did not do: {}", ran.describe());
        has_clones(&work.path("image"), function)?;
        same_everywhere(&work.path("plain"), &work.path("image"))?;
    }
    // Only compiled, only linked: as make does it.
    let mut compile = work.command(work.tools.jl_flang());
    compile.args(["-O2", "-c", "-o", "heat.o"]).arg(format!("--jl-targets={LEVELS}")).arg(&source);
    let compiled = run_ok(&mut compile)?;
    let linked = run_ok(work.command(work.tools.jl_flang()).args(["heat.o", "-o", "linked"]))?;
    ensure!(compiled.stderr.is_empty() && linked.stderr.is_empty(), "{}{}", compiled.stderr, linked.stderr);
    same_everywhere(&work.path("plain"), &work.path("linked"))
}

/// The project in a folder of the test's own.
fn cargo_project(work: &Work) -> Result<PathBuf> {
    let copy = work.path("project");
    run_ok(Command::new("cp").arg("-R").arg(in_tests("languages/cargo")).arg(&copy))?;
    Ok(copy)
}

/// cargo as a user would call it who has the tools on the path.
fn cargo(work: &Work, project: &Path, arguments: &[&str]) -> Result<Command> {
    let mut folders = vec![work.tools.jl_cc().parent().context("no folder of the tools")?.to_path_buf()];
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = work.command("cargo");
    command.env("PATH", std::env::join_paths(folders)?).current_dir(project).args(arguments);
    // What the cargo that runs this test has put there.
    for variable in
        ["CARGO", "CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET"]
    {
        command.env_remove(variable);
    }
    Ok(command)
}

fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

#[test]
fn rust_by_one_command() -> Result<()> {
    let work = Work::new()?;
    let project = cargo_project(&work)?;
    let targets = format!("--jl-targets={LEVELS}");
    let plain = ["build", "--release", "--offline", "--target-dir", "plain", "--target", &triple()];
    run_ok(&mut cargo(&work, &project, &plain)?)?;
    run_ok(&mut cargo(&work, &project, &["jl", "build", "--release", "--offline", &targets])?)?;
    let [plain, built] = ["plain", "target"].map(|t| project.join(t).join(triple()).join("release"));
    has_clones(&built.join("pipeline"), "amplify")?;
    has_clones(&built.join("libpipeline.so"), "pipeline_energy")?;
    same_everywhere(&plain.join("pipeline"), &built.join("pipeline"))?;
    // What runs on this machine while the project is built is as ever.
    for file in
        find(&project.join("target/release"), |name| name.ends_with(".so") || name == "build-script-build")?
    {
        let slots = Elf::read(&file)?.symbols()?.into_iter().any(|s| s.name.ends_with(".reloc_slot"));
        ensure!(!slots, "{} was made an image", file.display());
    }
    let ran = run_ok(&mut cargo(&work, &project, &["jl", "test", "--release", "--offline", &targets])?)?;
    let passed = ran.stdout.lines().filter(|l| l.starts_with("test result: ok.")).count();
    ensure!(passed == 3 && ran.stdout.contains("test src/lib.rs - amplify"), "{}", ran.describe());
    Ok(())
}

/// The files below a folder whose names pass.
fn find(folder: &Path, passes: fn(&str) -> bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(find(&entry.path(), passes)?);
        } else if passes(&entry.file_name().to_string_lossy()) && entry.path().starts_with(folder) {
            let text = fs::read(entry.path())?;
            // Fingerprints have the same names.
            if text.starts_with(b"\x7fELF") {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

#[test]
fn a_rustc_of_another_llvm_is_refused() -> Result<()> {
    let work = Work::new()?;
    let project = cargo_project(&work)?;
    let rustc = work.path("rustc");
    let script = "#!/bin/sh\nrustc \"$@\" | sed 's/^LLVM version: .*/LLVM version: 23.0.1/'\n";
    fs::write(&rustc, script)?;
    run_ok(Command::new("chmod").arg("+x").arg(&rustc))?;
    let ran = run(cargo(&work, &project, &["jl", "build", "--release"])?.env("RUSTC", &rustc))?;
    ensure!(!ran.status.success(), "{}", ran.describe());
    ensure!(ran.stderr.contains("23.0.1") && ran.stderr.contains("LLVM 22"), "{}", ran.describe());
    Ok(())
}
