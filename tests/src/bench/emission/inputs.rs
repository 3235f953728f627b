//! What is compiled: bitcode as front ends leave it, before any pass of LLVM.

use super::edit::{self, Edit};
use crate::bench::libraries::Plan;
use crate::bench::sources::Sources;
use crate::command::{run_ok, run_within};
use crate::tools::{CLANG, workspace};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const LEVELS: [&str; 4] = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];
/// A Rust crate with more than 2 MB of bitcode of its own.
const CRATE: &str = "regex-automata";
/// Changes in one function.
const EDITS: usize = 5;
/// cargo builds what the crate depends on.
const LIMIT: Duration = Duration::from_secs(1200);

/// A translation unit.
pub struct Input {
    pub name: String,
    /// In the order of [`LEVELS`].
    pub levels: Vec<PathBuf>,
    /// For the first level, with one function changed.
    pub edited: Vec<(Edit, PathBuf)>,
}

impl Input {
    pub fn baseline(&self) -> &Path {
        &self.levels[0]
    }

    fn new(name: String, folder: &Path, levels: Vec<PathBuf>) -> Result<Input> {
        let text = folder.join("original.ll");
        run_ok(Command::new("llvm-dis-22").arg(&levels[0]).arg("-o").arg(&text))?;
        let original = fs::read_to_string(&text)?;
        let mut edited = Vec::new();
        for (number, edit) in edit::choose(&original, EDITS).into_iter().enumerate() {
            let path = folder.join(format!("edited-{number}.bc"));
            fs::write(&text, edit.apply(&original))?;
            run_ok(Command::new("llvm-as-22").arg(&text).arg("-o").arg(&path))?;
            edited.push((edit, path));
        }
        fs::remove_file(&text)?;
        ensure!(edited.len() == EDITS, "{name} has {} functions to change, expected {EDITS}", edited.len());
        // What was not changed goes the same way, so that nothing but the change tells the files apart.
        let as_text = folder.join("baseline.bc");
        fs::write(&text, &original)?;
        run_ok(Command::new("llvm-as-22").arg(&text).arg("-o").arg(&as_text))?;
        let mut levels = levels;
        levels[0] = as_text;
        Ok(Input { name, levels, edited })
    }
}

/// SQLite as the demo builds it.
pub fn sqlite(plan: &Plan, folder: &Path) -> Result<Input> {
    let folder = folder.join("sqlite");
    fs::create_dir_all(&folder)?;
    let unit = &plan.builds[0];
    let mut levels = Vec::new();
    for level in LEVELS {
        let path = folder.join(format!("{level}.bc"));
        let mut clang = Command::new(CLANG);
        clang.args(&unit.compile_flags).arg(format!("-march={level}"));
        clang.args(["-c", "-emit-llvm", "-Xclang", "-disable-llvm-passes"]);
        run_ok(clang.arg(&unit.sources[0]).arg("-o").arg(&path))?;
        levels.push(path);
    }
    Input::new("SQLite".into(), &folder, levels)
}

/// The crate as cargo builds it for a release, in one code generation unit.
pub fn rust(sources: &Sources, folder: &Path) -> Result<Input> {
    let (version, _) = sources.package(CRATE)?;
    let rustc = run_ok(Command::new("rustc").arg("--version"))?.stdout;
    let release = rustc.split(' ').nth(1).context("rustc --version names no version")?;
    let folder = folder.join(format!("{CRATE}-{version}-rustc-{release}"));
    fs::create_dir_all(&folder)?;
    let mut levels = Vec::new();
    for level in LEVELS {
        let path = folder.join(format!("{level}.bc"));
        if !path.exists() {
            let unfinished = folder.join("unfinished.bc");
            let mut cargo = Command::new("cargo");
            cargo.args(["rustc", "--quiet", "--locked", "--release", "--package", CRATE, "--manifest-path"]);
            cargo.arg(workspace().join("scripts/demo.d/Cargo.toml"));
            cargo.arg("--target-dir").arg(folder.join("target"));
            cargo.args(["--", "-Ccodegen-units=1", "-Cno-prepopulate-passes"]);
            cargo
                .arg(format!("-Ctarget-cpu={level}"))
                .arg(format!("--emit=llvm-bc={}", unfinished.display()));
            run_within(&mut cargo, LIMIT)?.success()?;
            fs::rename(&unfinished, &path).with_context(|| format!("rustc made no bitcode of {CRATE}"))?;
        }
        levels.push(path);
    }
    Input::new(format!("{CRATE} {version}"), &folder, levels)
}
