//! System images of Julia before 1.9: tables of 32-bit distances survive being taken apart into shards, and a loader that
//! reads them as Julia's does finds each target's bodies.

mod work;

use anyhow::{Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{run, run_ok};
use tests::tools::{CLANG, OPT, in_tests};
use work::Work;

const TARGETS: &str = "x86-64;x86-64-v2;x86-64-v3";
/// What `level` in `tests/julia/sysimg.ll` adds at each target.
const LEVELS: [i64; 3] = [0, 1, 3];

impl Work {
    /// The image, as a shared library made by the tools that users have.
    fn image(&self, targets: &str, options: &str) -> Result<PathBuf> {
        let image = self.path("image.so");
        run_ok(self.link(&self.archive(targets, options)?).arg("-o").arg(&image))?;
        Ok(image)
    }

    /// The code, in shards.
    fn archive(&self, targets: &str, options: &str) -> Result<PathBuf> {
        let archive = self.path("text.a");
        let mut opt = Command::new(OPT);
        opt.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        opt.arg(format!("-passes=jl-emit<O2;simplified;{options}out={}>", archive.display()));
        opt.arg(in_tests("julia/sysimg.ll")).arg("-disable-output");
        run_ok(opt.env("JL_CACHE", "0").env("JULIA_CPU_TARGET", targets))?;
        Ok(archive)
    }

    fn link(&self, archive: &Path) -> Command {
        let mut link = Command::new(self.tools.jl_link());
        link.args(["-shared", "--whole-archive"]).arg(archive);
        link
    }

    /// An object with a state of so many variables and functions.
    fn state(&self, variables: u32, functions: u32) -> Result<PathBuf> {
        let (source, object) = (self.path("state.s"), self.path("state.o"));
        let sections = format!(
            ".long 8\n.quad 1\n.long 3\n.p2align 4\n.byte 1, 2, 3\n.long 1\n.byte 1\n.long 1\n.byte 1\n\
             .long {}\n.zero {0}\n.long {}\n.zero {1}\n",
            4 * variables,
            8 * functions
        );
        fs::write(
            &source,
            format!(
                ".data\n.p2align 6\n.globl jl_system_image_data\n.type jl_system_image_data, @object\n\
                 jl_system_image_data:\n{sections}.long 0\n.size jl_system_image_data, . - jl_system_image_data\n\
                 .section .note.GNU-stack, \"\", @progbits\n"
            ),
        )?;
        run_ok(Command::new(CLANG).arg("-c").arg(&source).arg("-o").arg(&object))?;
        Ok(object)
    }

    fn reader(&self) -> Result<PathBuf> {
        let program = self.path("reader");
        let mut clang = Command::new(CLANG);
        clang.args(["-O1", "-Wall", "-Werror"]).arg(in_tests("julia/sysimg.c")).arg("-o").arg(&program);
        run_ok(&mut clang)?;
        Ok(program)
    }
}

/// A function's second entry in the table stays on the trampoline.
fn expected(level: i64) -> String {
    let level = level + 4;
    format!("0: {level}\n1: {}\n2: 25\n3: 2020\n4: {level} through a trampoline\n", 100 * level)
}

#[test]
fn tables_of_distances_lead_to_each_targets_bodies() -> Result<()> {
    let work = Work::new()?;
    let reader = work.reader()?;
    for options in ["shard-weight=3;", ""] {
        let image = work.image(TARGETS, options)?;
        run_ok(Command::new(work.tools.jl_load()).arg("check").arg(&image))?;
        for (target, level) in LEVELS.iter().enumerate() {
            let mut command = Command::new(&reader);
            command.arg(&image).env("JL_LOAD_TARGET", target.to_string());
            let ran = run_ok(&mut command)?;
            let found = &ran.stdout;
            let expected = expected(*level);
            ensure!(
                *found == expected,
                "target {target}, '{options}': expected\n{expected}{}",
                ran.describe()
            );
        }
    }
    Ok(())
}

#[test]
fn the_state_of_another_run_is_refused() -> Result<()> {
    let work = Work::new()?;
    let archive = work.archive(TARGETS, "")?;
    let image = work.path("image.so");
    let link = |state: &Path| run(work.link(&archive).arg(state).arg("-o").arg(&image));
    // As many as `tests/julia/sysimg.ll` has.
    let right = link(&work.state(3, 5)?)?;
    ensure!(right.status.success(), "{}", right.describe());
    fs::remove_file(&image)?;
    for (variables, functions) in [(4, 5), (3, 4), (0, 0)] {
        let ran = link(&work.state(variables, functions)?)?;
        ensure!(!ran.status.success() && !image.exists(), "was not refused: {}", ran.describe());
        for words in [
            "which has 3 variables and 5 functions",
            &format!("found {variables} variables and {functions} functions in the state"),
            "--output-bc CODE --output-ji STATE",
        ] {
            ensure!(ran.stderr.contains(words), "does not say '{words}': {}", ran.describe());
        }
    }
    Ok(())
}

#[test]
fn a_system_image_that_cannot_run_ends_the_process_with_the_reason() -> Result<()> {
    let work = Work::new()?;
    let image = work.image("x86-64-v3;x86-64-v4", "")?;
    let ran = run(Command::new(work.reader()?).arg(&image).env("JL_LOAD_CPU", "x86-64-v2"))?;
    ensure!(ran.status.code() == Some(127) && ran.stdout.is_empty(), "{}", ran.describe());
    ensure!(ran.stderr.contains("x86-64-v3") && ran.stderr.contains("avx2"), "{}", ran.describe());
    Ok(())
}
