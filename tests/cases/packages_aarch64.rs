//! Package images of another machine: cross-compiled, linked in every way there is, and run under QEMU.
//!
//! No library of C++ for that machine is asked for, so that none need be there.

mod work;

use anyhow::{Result, ensure};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use tests::command::{run, run_ok};
use tests::machine::AARCH64;
use tests::tools::{CLANG, in_tests};
use work::Work;

impl Work {
    fn jl_cxx(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cxx());
        command.args(AARCH64.flags).args(["-O2", "-fPIC", "-nostdlib++"]);
        command.arg(format!("--jl-targets={}", AARCH64.targets)).env("JL_CACHE", "0");
        command.current_dir(self.folder.path());
        command
    }

    /// `NAME.o`, which others may use functions of.
    fn compile(&self, name: &str, value: &str, options: &[&str]) -> Result<()> {
        let mut command = self.jl_cxx();
        command.args(["--jl-package", "-c"]).arg(in_tests("packages/bare.cpp")).args(options);
        command.arg(format!("-DFUNCTION={name}")).arg(format!("-DVALUE={value}"));
        run_ok(command.args(["-o", &format!("{name}.o")]))?;
        Ok(())
    }

    /// `libNAME.so` of `NAME.o`.
    fn link(&self, name: &str, options: &[&str]) -> Result<()> {
        let library = format!("lib{name}.so");
        let mut command = self.jl_cxx();
        command.args(["-shared", &format!("{name}.o"), "-Wl,-rpath,$ORIGIN"]).args(options);
        run_ok(command.args(["-o", &library, &format!("-Wl,-soname,{library}")]))?;
        run_ok(Command::new(self.tools.jl_load()).arg("check").arg(self.path(&library)))?;
        Ok(())
    }

    /// `libbase.so` of its object.
    fn base(&self, options: &[&str]) -> Result<()> {
        self.compile("base", "1", options)?;
        self.link("base", &[])
    }

    fn explained(&self, library: &str) -> Result<String> {
        let mut command = Command::new(self.tools.jl_load());
        Ok(run_ok(command.args(["explain", "--deps", "--json"]).arg(self.path(library)))?.stdout)
    }

    fn program(&self) -> Result<()> {
        let mut link = self.jl_cxx();
        link.args(["-xc"]).arg(in_tests("packages/bare_main.c")).args(["-xnone", "-L.", "-lone", "-lbase"]);
        run_ok(link.args(["-Wl,-rpath,$ORIGIN", "-o", "program"]))?;
        Ok(())
    }

    /// The program, on an emulated CPU with everything.
    fn command(&self) -> Command {
        let words = AARCH64.prefix(&AARCH64.best());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(self.path("program"));
        command
    }

    fn at_every_target(&self) -> Result<()> {
        for target in 0..3 {
            let ran = run_ok(self.command().env("JL_LOAD_TARGET", target.to_string()))?;
            // Three times the sums of 1 to 10, and of 2 to 21.
            ensure!(ran.stdout == "165 690\n", "at target {target}: {}", ran.describe());
        }
        Ok(())
    }
}

#[test]
fn functions_are_left_out_when_it_is_compiled() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.compile("one", "2", &["--jl-dep=libbase.so"])?;
    work.link("one", &["--jl-dep=libbase.so"])?;
    ensure!(work.explained("libone.so")?.contains("libbase.so"), "nothing was taken");
    work.program()?;
    work.at_every_target()
}

#[test]
fn copies_are_kept_for_when_the_dependency_is_rebuilt() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.compile("one", "2", &[])?;
    work.link("one", &["--jl-dep=libbase.so", "-Wl,--jl-keep-fallback"])?;
    ensure!(work.explained("libone.so")?.contains("\"fallback\": true"), "no copies are kept");
    work.program()?;
    work.at_every_target()?;
    work.base(&["-O1"])?;
    work.at_every_target()
}

#[test]
fn what_libraries_share_moves_into_one_of_its_own() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.compile("one", "2", &[])?;
    work.link("one", &[])?;
    let mut share = work.jl_cxx();
    share.args(["-shared", "--jl-shared-image=libcommon.so", "--jl-dedup-set"]);
    run_ok(share.args(["libbase.so", "libone.so", "base.o", "one.o"]))?;
    for name in ["base", "one"] {
        work.link(name, &["--jl-dep=libcommon.so"])?;
        ensure!(work.explained(&format!("lib{name}.so"))?.contains("libcommon.so"), "{name} took nothing");
    }
    work.program()?;
    work.at_every_target()
}

#[test]
fn an_image_above_another_runs_its_constructor() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.compile("one", "2", &["--jl-dep=libbase.so"])?;
    work.link("one", &["--jl-dep=libbase.so"])?;
    let mut link = Command::new(CLANG);
    link.args(AARCH64.flags).arg("-fuse-ld=lld").arg(in_tests("packages/bare_main.c"));
    link.current_dir(work.folder.path()).args(["-L.", "-lone", "-lbase", "-Wl,-rpath,$ORIGIN"]);
    run_ok(link.args(["-o", "program"]))?;
    work.at_every_target()?;

    let mut bytes = fs::read(work.path("libbase.so"))?;
    let entry = work.lent_constructor("libbase.so")?;
    bytes[entry..entry + BREAKPOINT.len()].copy_from_slice(&BREAKPOINT);
    fs::write(work.path("libbase.so"), &bytes)?;
    let ran = run(&mut work.command())?;
    ensure!(ran.status.signal() == Some(SIGTRAP), "that of the base did not run: {}", ran.describe());
    Ok(())
}

/// `brk #0`, and the signal that it ends in.
const BREAKPOINT: [u8; 4] = 0xd420_0000_u32.to_le_bytes();
const SIGTRAP: i32 = 5;

/// Pages of aarch64 may be large: a file whose segments began with such would be mostly holes.
#[test]
fn segments_follow_each_other_in_the_file() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    let size = fs::metadata(work.path("libbase.so"))?.len();
    ensure!(size < 0x2_0000, "{size} bytes");
    Ok(())
}
