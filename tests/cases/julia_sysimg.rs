//! System images of Julia before 1.9: tables of 32-bit distances survive being taken apart into shards, and a loader that
//! reads them as Julia's does finds each target's bodies.

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use tests::command::{run, run_ok};
use tests::tools::{CLANG, OPT, Tools, in_tests};

const TARGETS: &str = "x86-64;x86-64-v2;x86-64-v3";
/// What `level` in `tests/julia/sysimg.ll` adds at each target.
const LEVELS: [i64; 3] = [0, 1, 3];

struct Work {
    folder: TempDir,
    tools: Tools,
}

impl Work {
    fn new() -> Result<Work> {
        Ok(Work { folder: tempfile::Builder::new().prefix("jl-test-").tempdir()?, tools: Tools::find()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The image, as a shared library made by the tools that users have.
    fn image(&self, targets: &str, options: &str) -> Result<PathBuf> {
        let (archive, image) = (self.path("text.a"), self.path("image.so"));
        let mut opt = Command::new(OPT);
        opt.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        opt.arg(format!("-passes=jl-emit<O2;simplified;{options}out={}>", archive.display()));
        opt.arg(in_tests("julia/sysimg.ll")).arg("-disable-output");
        run_ok(opt.env("JL_CACHE", "0").env("JULIA_CPU_TARGET", targets))?;
        let mut link = Command::new(self.tools.jl_link());
        link.args(["-shared", "--whole-archive"]).arg(&archive).arg("-o").arg(&image);
        run_ok(&mut link)?;
        Ok(image)
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
fn a_system_image_that_cannot_run_ends_the_process_with_the_reason() -> Result<()> {
    let work = Work::new()?;
    let image = work.image("x86-64-v3;x86-64-v4", "")?;
    let ran = run(Command::new(work.reader()?).arg(&image).env("JL_LOAD_CPU", "x86-64-v2"))?;
    ensure!(ran.status.code() == Some(127) && ran.stdout.is_empty(), "{}", ran.describe());
    ensure!(ran.stderr.contains("x86-64-v3") && ran.stderr.contains("avx2"), "{}", ran.describe());
    Ok(())
}
