//! What is done while the dynamic linker relocates an image: RELRO is open then, and need not be opened again.

mod work;

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use tests::command::{Ran, run_ok};
use tests::tools::{CLANG, LLVM_READELF, in_tests};
use work::Work;

const TARGETS: &str = "--jl-targets=x86-64;x86-64-v2,clone_all";
/// What `result` returns.
const RESULT: &str = "328350\n";

impl Work {
    fn library(&self, name: &str, source: &str, options: &[&str]) -> Result<()> {
        let mut command = Command::new(self.tools.jl_cxx());
        command.args([TARGETS, "-O2", "-fPIC", "-shared"]);
        command
            .arg(format!("-Wl,-soname,lib{name}.so"))
            .arg("-Wl,-rpath,$ORIGIN")
            .current_dir(self.folder.path());
        command.arg(in_tests(&format!("relocation/{source}.cpp"))).args(options);
        run_ok(command.args(["-o", &format!("lib{name}.so")]))?;
        Ok(())
    }

    /// `libbase.so` and `libuser.so` above it.
    fn package(&self, base: &[&str], user: &[&str]) -> Result<()> {
        self.library("base", "base", &[&["--jl-package"], base].concat())?;
        self.library("user", "user", &[&["--jl-dep=libbase.so"], user].concat())
    }

    fn launcher(&self) -> Result<PathBuf> {
        let path = self.path("launcher");
        run_ok(
            Command::new(CLANG)
                .args(["-O1", "-rdynamic"])
                .arg(in_tests("relocation/launcher.c"))
                .arg("-o")
                .arg(&path),
        )?;
        Ok(path)
    }

    /// Opens the libraries of these names; with `locked` where nothing can be made writable.
    fn open(&self, names: &[&str], locked: bool) -> Result<Ran> {
        let mut command = Command::new(self.launcher()?);
        command.args(names.iter().map(|name| self.path(&format!("lib{name}.so"))));
        command.args(locked.then_some("locked")).env("JL_LOAD_LOG", "stderr").env("JL_LOAD_TARGET", "1");
        run_ok(&mut command)
    }
}

#[test]
fn images_are_filled_where_nothing_can_be_made_writable() -> Result<()> {
    let work = Work::new()?;
    work.library("alone", "user", &[])?;
    work.package(&[], &[])?;
    let ran = work.open(&["alone", "user"], true)?;
    ensure!(ran.stdout == RESULT.repeat(2), "{}", ran.describe());
    for name in ["alone", "base"] {
        ensure!(ran.stderr.contains(&format!("lib{name}.so: target 1")), "{name}: {}", ran.describe());
    }
    ensure!(!ran.stderr.contains("mprotect"), "{}", ran.describe());
    // What is not linked with glibc waits for its constructor: another dynamic linker may load it.
    work.library("bare", "user", &["-nostdlib"])?;
    let ran = work.open(&["bare"], true)?;
    ensure!(ran.stderr.contains("libbare.so: mprotect of its slots failed"), "{}", ran.describe());
    let ran = work.open(&["bare"], false)?;
    ensure!(ran.stdout == RESULT && ran.stderr.contains("libbare.so: target 1"), "{}", ran.describe());
    Ok(())
}

#[test]
fn what_could_not_be_relocated_leaves_nothing_behind() -> Result<()> {
    let work = Work::new()?;
    work.package(&[], &["-DMISSING"])?;
    work.library("alone", "user", &[])?;
    work.library("good", "user", &["--jl-dep=libbase.so"])?;
    // The base is filled when the relocation of what is above it fails: both are gone then.
    let ran = work.open(&["user", "base", "alone", "user", "good"], false)?;
    let refused = ran.stdout.matches("undefined symbol: nobody_has_this").count();
    ensure!(refused == 2 && ran.stdout.matches(RESULT).count() == 2, "{}", ran.describe());
    ensure!(ran.stderr.matches("libbase.so: target 1").count() == 2, "{}", ran.describe());
    Ok(())
}

/// The program lends its constructor, and is relocated last: a library that depends on nothing runs its own while it is relocated,
/// one above another waits.
#[test]
fn libraries_at_the_start_of_a_program_that_is_an_image() -> Result<()> {
    let work = Work::new()?;
    work.package(&[], &[])?;
    work.library("alone", "user", &["-Dresult=alone"])?;
    for (name, options, libraries) in [
        ("program", &["-luser", "-lalone"][..], &["libbase.so", "libalone.so"][..]),
        ("locked", &["-DLOCKED", "-lalone"], &["libalone.so"]),
    ] {
        let mut command = Command::new(work.tools.jl_cc());
        command.args([TARGETS, "-O2"]).current_dir(work.folder.path());
        command.arg(in_tests("relocation/program.c")).args(["-L.", "-Wl,-rpath,$ORIGIN"]).args(options);
        run_ok(command.args(["-o", name]))?;
        let mut command = Command::new(work.path(name));
        let ran = run_ok(command.env("JL_LOAD_LOG", "stderr").env("JL_LOAD_TARGET", "1"))?;
        ensure!(ran.stdout == RESULT.repeat(3), "{}", ran.describe());
        for file in libraries.iter().chain([&name]) {
            let line = format!("/{file}: target 1");
            ensure!(ran.stderr.matches(&line).count() == 1, "{file}: {}", ran.describe());
        }
        ensure!(!ran.stderr.contains("mprotect"), "{}", ran.describe());
    }
    Ok(())
}

/// Where the file does not say that it needs a recent glibc, another dynamic linker may load it.
#[test]
fn only_what_needs_a_recent_glibc_has_an_ifunc() -> Result<()> {
    let work = Work::new()?;
    for (name, options, expected) in [
        ("packed", &[][..], true),
        ("unpacked", &["--jl-no-relr"], false),
        ("kept", &["-Wl,-z,nopack-relative-relocs"], false),
        ("bare", &["-nostdlib"], false),
        ("unused", &["-nostartfiles", "-Wl,--as-needed"], false),
        // A version of libm's is needed and none of libc's: glibc would refuse packed relocations.
        ("libm", &["-nostartfiles", "-DSINE", "-lm"], false),
    ] {
        work.library(name, "user", options)?;
        let relocations =
            run_ok(Command::new(LLVM_READELF).arg("-r").arg(work.path(&format!("lib{name}.so"))))?;
        ensure!(
            relocations.stdout.contains("R_X86_64_IRELATIVE") == expected,
            "{name}: {}",
            relocations.stdout
        );
        let ran = work.open(&[name], false)?;
        ensure!(ran.stdout == RESULT && ran.stderr.contains("target 1"), "{name}: {}", ran.describe());
    }
    Ok(())
}

/// What jl-link hides from the dynamic linker is its own.
#[test]
fn a_library_of_a_package_may_use_what_the_shim_uses() -> Result<()> {
    let work = Work::new()?;
    work.package(&[], &["-DSTACK_END"])?;
    let ran = work.open(&["user"], true)?;
    ensure!(ran.stdout == RESULT, "{}", ran.describe());
    Ok(())
}

#[test]
fn code_that_reads_pointers_is_not_lent() -> Result<()> {
    let work = Work::new()?;
    work.package(&["-Wl,--no-relax"], &["-Wl,--no-relax"])?;
    ensure!(work.lent_constructor("libbase.so").is_err(), "it lends its constructor");
    let ran = work.open(&["user"], false)?;
    ensure!(ran.stdout == RESULT, "{}", ran.describe());
    work.package(&[], &[])?;
    work.lent_constructor("libbase.so")?;
    Ok(())
}
