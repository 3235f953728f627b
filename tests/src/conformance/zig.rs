//! Zig: a program of ours. Zig makes bitcode for link-time optimisation, and jl-cc links it; compared with Zig's own
//! build of the whole.

use super::case::clones_of_program;
use super::findings::{Failure, Findings, Outcome, Tally};
use super::platform::Platform;
use super::{Context, Suite};
use crate::command::{run, run_ok, run_within, shell_text};
use crate::tools::in_tests;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The release whose LLVM is ours, 22 (0.16 has 21); from the Python package index.
const PACKAGE: &str = "ziglang==0.17.0";
const LEVELS: [&str; 2] = ["ReleaseFast", "ReleaseSafe"];
/// Code for the baseline: the clones add what newer CPUs have. Checks of the stack call Zig's own run-time library,
/// which is no part of an object.
const TARGET: [&str; 5] = ["-target", "x86_64-linux-gnu", "-mcpu=x86_64", "-lc", "-fno-stack-check"];
/// What the program may take, in seconds of CPU.
const CPU_SECONDS: u32 = 60;

pub struct Zig;

impl Suite for Zig {
    fn name(&self) -> &'static str {
        "zig"
    }

    fn about(&self) -> &'static str {
        "a program in Zig 0.17, whose bitcode jl-cc links"
    }

    /// Zig is fetched, and builds for half a minute.
    fn has_selection(&self) -> bool {
        false
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        if context.platform != Platform::X86_64 || !context.wants("words.zig") {
            return Ok(Findings::default());
        }
        let python = install(&context.folder)?;
        let mut tally = Tally::new(self.name());
        let mut findings = Findings::default();
        let progress = context.progress(LEVELS.len());
        for level in LEVELS {
            progress.step(&format!("{} {level} words.zig", self.name()));
            let folder = context.work_folder()?;
            let plain = build_plain(&python, level, folder.path())?;
            let expected = run_ok(&mut context.platform.run_plain(&plain, CPU_SECONDS))?;
            // It prints by std.debug.print.
            ensure!(!expected.stderr.is_empty(), "nothing to compare: {}", expected.describe());
            let image = build_ours(context, &python, level, folder.path())?;
            let clones = clones_of_program(context, &image)?;
            for place in &context.places {
                let mut command = place.run(&image, CPU_SECONDS);
                let found = run(&mut command)?;
                let passed = found.status == expected.status && found.all_output() == expected.all_output();
                let with_clones = place.target > 0 && clones.get(place.target).is_some_and(|n| *n > 0);
                let outcome = if passed { Outcome::Passed } else { Outcome::Failed };
                tally.add(level, &place.name, outcome, with_clones);
                if !passed {
                    findings.failures.push(Failure {
                        suite: self.name().into(),
                        test: "words.zig".into(),
                        level: level.into(),
                        target: place.name.clone(),
                        what: format!("{}\n{}", found.describe(), shell_text(&command)),
                    });
                }
            }
        }
        findings.rows = tally.rows();
        findings.complaints = tally.without_clones();
        Ok(findings)
    }
}

/// A Python of our own with Zig in it; installed when it is not there yet.
fn install(folder: &Path) -> Result<PathBuf> {
    let home = folder.join("zig-0.17.0");
    let python = home.join("bin/python3");
    let ready = home.join("installed");
    if !ready.exists() {
        let advice = || {
            format!("cannot install {PACKAGE}: this suite needs python3-venv and the Python package index")
        };
        run_ok(Command::new("python3").args(["-m", "venv"]).arg(&home)).with_context(advice)?;
        let mut pip = Command::new(&python);
        build(pip.args(["-m", "pip", "install", "--quiet", PACKAGE])).with_context(advice)?;
        fs::write(&ready, PACKAGE)?;
    }
    let version = run_ok(Command::new(&python).args(["-m", "ziglang", "cc", "--version"]))?.stdout;
    ensure!(version.contains("version 22."), "{PACKAGE} has another LLVM than ours: {version}");
    Ok(python)
}

/// Zig's standard library comes along as source and is cloned too: a busy machine needs minutes for that.
fn build(command: &mut Command) -> Result<()> {
    run_within(command, Duration::from_secs(3600))?.success().map(drop)
}

fn zig(python: &Path, command: &str, level: &str) -> Command {
    let mut zig = Command::new(python);
    zig.args(["-m", "ziglang", command, &format!("-O{level}")]).args(TARGET);
    zig.arg(in_tests("languages/words.zig"));
    zig
}

fn build_plain(python: &Path, level: &str, folder: &Path) -> Result<PathBuf> {
    let program = folder.join("plain");
    build(zig(python, "build-exe", level).arg(format!("-femit-bin={}", program.display())))?;
    Ok(program)
}

fn build_ours(context: &Context, python: &Path, level: &str, folder: &Path) -> Result<PathBuf> {
    let (bitcode, program) = (folder.join("words.o"), folder.join("image"));
    let mut object = zig(python, "build-obj", level);
    build(object.args(["-flto=thin", "-fPIE"]).arg(format!("-femit-bin={}", bitcode.display())))?;
    let mut link = Command::new(context.tools.jl_cc());
    link.arg("-O2")
        .arg(format!("--jl-targets={}", context.platform.targets()))
        .env_remove("JULIA_CPU_TARGET");
    build(link.arg(&bitcode).arg("-o").arg(&program))?;
    Ok(program)
}
