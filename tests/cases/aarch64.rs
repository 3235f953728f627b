//! What is aarch64's own in what jl-link makes: range-extension thunks, branch protection, its linker emulations.
//! Programs for aarch64 are in `programs.rs`.

mod work;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::machine::AARCH64;
use tests::program::disassemble;
use tests::tools::LLVM_READELF;
use work::Work;

impl Work {
    /// jl-cc for aarch64 in the folder; every function is cloned.
    fn cc(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cc());
        command.args(AARCH64.flags).arg("-O2").arg(format!("--jl-targets={}", AARCH64.targets));
        command.current_dir(self.folder.path()).env_remove("JULIA_CPU_TARGET");
        command
    }

    fn compile(&self, name: &str, text: &str, flags: &[&str]) -> Result<()> {
        fs::write(self.path(&format!("{name}.c")), text)?;
        run_ok(self.cc().args(flags).args(["-c", &format!("{name}.c")]))?;
        Ok(())
    }

    /// Runs a program at one target.
    fn at_target(&self, program: &str, target: usize) -> Result<Ran> {
        let words = AARCH64.prefix(&AARCH64.best());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(self.path(program)).env("JL_LOAD_TARGET", target.to_string());
        run_ok(&mut command)
    }
}

const NEAR: &str = "#include <stdio.h>\nint far_away(int);\n\
    int near_by(int x) { return far_away(x) * 3 + 1; }\n\
    int main(void) { printf(\"%d\\n\", near_by(4)); return 0; }\n";
const FAR: &str = "int near_by(int);\nstatic int count;\n\
    __attribute__((noinline)) int far_helper(int x) { return x + ++count; }\n\
    int far_away(int x) { return x > 10 ? near_by(x - 20) : far_helper(x) * 2; }\n";

#[test]
fn what_a_branch_cannot_reach_stays_on_the_trampoline() -> Result<()> {
    let work = Work::new()?;
    work.compile("near", NEAR, &["-fPIE"])?;
    work.compile("far", FAR, &["-fPIE"])?;
    // 256 MiB apart, twice as far as a branch reaches: lld leads it over thunks.
    let script = "SECTIONS { .far 0x10000000 : { *far.o(.text .text.*) } } INSERT AFTER .text;\n";
    fs::write(work.path("far.ld"), script)?;
    let mut link = work.cc();
    link.args(["-pie", "near.o", "far.o", "-Wl,-T,far.ld", "-o", "program", "--jl-report=report.json"]);
    run_ok(&mut link)?;
    for target in 0..3 {
        let ran = work.at_target("program", target)?;
        ensure!(ran.stdout == "31\n", "{}", ran.describe());
    }
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(work.path("report.json"))?)?;
    let calls = &report["calls"];
    ensure!(calls["on_slot"]["out-of-reach"].as_u64().is_some_and(|n| n > 0), "{calls}");
    ensure!(calls["direct"].as_u64().is_some_and(|n| n > 0), "{calls}");
    let code = disassemble(&work.path("program"), "far_away.1")?;
    ensure!(code.contains("<far_helper."), "a call within reach is direct:\n{code}");
    Ok(())
}

#[test]
fn branch_protection_is_kept() -> Result<()> {
    let work = Work::new()?;
    let flags = ["-fPIC", "-mbranch-protection=standard"];
    work.compile("sum", "int sum(int a, int b) { return a + b; }\n", &flags)?;
    // Without the C library's start files, which Debian compiles without protection.
    run_ok(work.cc().args(["-shared", "-nostdlib", "sum.o", "-o", "libsum.so"]))?;
    let notes = run_ok(Command::new(LLVM_READELF).arg("--notes").arg(work.path("libsum.so")))?.stdout;
    let line = notes.lines().find(|l| l.contains("aarch64 feature:")).context(notes.clone())?;
    ensure!(["BTI", "PAC", "GCS"].iter().all(|p| line.contains(p)), "{line}");
    let code = disassemble(&work.path("libsum.so"), "sum")?;
    ensure!(code.trim_start().starts_with("bti\tc"), "the trampoline has no landing pad:\n{code}");
    Ok(())
}

#[test]
fn a_cpu_without_one_of_its_features() -> Result<()> {
    let work = Work::new()?;
    // Later features and LLVM's tuning of single CPUs imply it.
    let list = "--jl-targets=generic;neoverse-v2,-dit,-lse2,clone_all";
    work.compile("far", FAR, &["-fPIE", list])?;
    fs::write(work.path("near.c"), NEAR)?;
    run_ok(work.cc().args([list, "-pie", "near.c", "far.o", "-o", "program"]))?;
    let ran = work.at_target("program", 1)?;
    ensure!(ran.stdout == "31\n", "{}", ran.describe());
    Ok(())
}

#[test]
fn the_machine_that_compiles_is_another() -> Result<()> {
    let work = Work::new()?;
    fs::write(work.path("empty.c"), "")?;
    let mut command = work.cc();
    let ran = run(command.args(["--jl-targets=generic;native", "-c", "empty.c"]))?;
    ensure!(
        !ran.status.success() && ran.stderr.contains("but this is code for aarch64: name a CPU"),
        "{}",
        ran.describe()
    );
    Ok(())
}
