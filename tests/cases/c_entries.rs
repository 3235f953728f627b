//! Functions that a front end exports for C: a C program uses them by the header alone, and does not know of images.

mod work;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{run, run_ok};
use tests::tools::{CLANG, OPT, in_tests};
use work::Work;

const TARGETS: &str = "x86-64;x86-64-v3";

impl Work {
    /// An object of a module by opt's own pipeline, in which the entries are made first.
    fn object(&self, source: &Path, name: &str) -> Result<PathBuf> {
        let (bitcode, object) = (self.path(&format!("{name}.bc")), self.path(&format!("{name}.o")));
        let mut opt = Command::new(OPT);
        opt.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        opt.arg("-passes=jl-c-entries,default<O2>").arg(source).arg("-o").arg(&bitcode);
        run_ok(opt.env("JULIA_CPU_TARGET", TARGETS))?;
        let mut clang = Command::new(CLANG);
        clang.args(["-c", "-fPIC", "-Xclang", "-disable-llvm-passes"]);
        run_ok(clang.arg(&bitcode).arg("-o").arg(&object))?;
        Ok(object)
    }

    fn archive(&self, source: &Path) -> Result<PathBuf> {
        let archive = self.path("methods.a");
        let mut opt = Command::new(OPT);
        opt.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        opt.arg(format!("-passes=jl-emit<O2;shard-weight=3;out={}>", archive.display()));
        opt.arg(source).arg("-disable-output").env("JL_CACHE", "0");
        run_ok(opt.env("JULIA_CPU_TARGET", TARGETS))?;
        Ok(archive)
    }

    fn link(&self, input: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(self.tools.jl_link());
        command.args(["-shared", "--whole-archive"]).arg(input).args(options);
        command.arg(format!("--jl-header={}", self.path("methods.h").display()));
        command.arg("-o").arg(self.path("libmethods.so"));
        command
    }

    /// What the program prints that includes the header and calls the entries.
    fn ran(&self, target: &str) -> Result<String> {
        let program = self.path("program");
        let mut clang = Command::new(CLANG);
        clang.args(["-O1", "-Wall", "-Wextra", "-Werror", "-I"]).arg(self.folder.path());
        clang.arg(in_tests("c_entries/main.c")).arg("-L").arg(self.folder.path()).arg("-lmethods");
        run_ok(clang.arg(format!("-Wl,-rpath,{}", self.folder.path().display())).arg("-o").arg(&program))?;
        Ok(run_ok(Command::new(&program).env("JL_LOAD_TARGET", target))?.stdout)
    }
}

#[test]
fn a_c_program_calls_methods_by_the_header() -> Result<()> {
    let work = Work::new()?;
    let source = in_tests("c_entries/front_end.ll");
    for input in [work.object(&source, "methods")?, work.archive(&source)?] {
        run_ok(&mut work.link(&input, &[]))?;
        let header = fs::read_to_string(work.path("methods.h"))?;
        let struct_line = "struct range { double low, high; } minmax(double a, double b);";
        for line in ["int64_t dot(void *, void *, int64_t);", "bool is_small(int32_t);", struct_line] {
            ensure!(header.lines().any(|l| l == line), "no line '{line}' in\n{header}");
        }
        for target in ["0", "1"] {
            let found = work.ran(target)?;
            ensure!(found == "328350 1 0\n", "target {target} of {}: {found}", input.display());
        }
        let sections = run_ok(Command::new("readelf").arg("-SW").arg(work.path("libmethods.so")))?.stdout;
        ensure!(!sections.contains(image_format::c_entries::SECTION), "the lines are left in the image");
        let explain =
            Command::new(work.tools.jl_load()).arg("explain").arg(work.path("libmethods.so")).output()?;
        let explained = String::from_utf8(explain.stdout)?;
        ensure!(explained.contains("for 2 targets"), "nothing was cloned: {explained}");
    }
    Ok(())
}

#[test]
fn what_c_could_not_call_is_an_error_and_leaves_no_header() -> Result<()> {
    let work = Work::new()?;
    let source = in_tests("c_entries/front_end.ll");
    let object = work.object(&source, "methods")?;
    let script = work.path("hidden.map");
    fs::write(&script, "{ global: is_small; local: *; };")?;
    let ran = run(&mut work.link(&object, &["--version-script", &script.display().to_string()]))?;
    let words = "the entry point dot is in the header, but not exported";
    ensure!(!ran.status.success() && ran.stderr.contains(words), "{}", ran.describe());

    let text = fs::read_to_string(&source)?;
    let other = work.path("other.ll");
    let (first, second) =
        ("define zeroext i1 @is_small(i32 signext %x)", "define weak zeroext i1 @is_small(i32 zeroext %x)");
    let start = text.find(first).context("the function is gone")?;
    fs::write(
        &other,
        format!("target triple = \"x86_64-unknown-linux-gnu\"\n{}", text[start..].replace(first, second)),
    )?;
    let other = work.object(&other, "other")?;
    let mut link = work.link(&object, &["-z", "muldefs"]);
    let ran = run(link.arg(&other))?;
    let words = "two objects declare the entry point is_small differently";
    ensure!(!ran.status.success() && ran.stderr.contains(words), "{}", ran.describe());
    ensure!(!work.path("methods.h").exists() && !work.path("libmethods.so").exists(), "there is an output");
    Ok(())
}
