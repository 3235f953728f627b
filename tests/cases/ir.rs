//! Each file of IR in `tests/ir`: what a pass makes of it, by the `RUN` and `CHECK` lines in its comments.

use anyhow::{Context, Result};
use libtest_mimic::{Arguments, Trial};
use std::fs;
use std::path::{Path, PathBuf};
use tests::filecheck::{RunLine, make_dependencies};
use tests::tools::{ALL_LLVMS, Llvm, Tools, in_tests};

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let trials = match files(&in_tests("ir")) {
        Ok(files) => files.iter().flat_map(|file| ALL_LLVMS.map(|llvm| trial(file.clone(), llvm))).collect(),
        Err(error) => vec![Trial::test("ir", move || Err(format!("{error:#}").into()))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The files of IR in a folder and its folders, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|e| e == "ll") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn trial(file: PathBuf, llvm: Llvm) -> Trial {
    let root = in_tests("ir");
    let name = file.strip_prefix(&root).unwrap_or(&file).with_extension("");
    let name = name.to_string_lossy().replace('/', "::");
    Trial::test(format!("{name}::llvm{}", llvm.0), move || {
        check(&file, llvm).map_err(|error| format!("{error:#}").into())
    })
}

fn check(file: &Path, llvm: Llvm) -> Result<()> {
    let tools = Tools::find_for(llvm)?;
    let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
    let text = fs::read_to_string(file)?;
    let dependencies = make_dependencies(&text, &tools, file, folder.path())?;
    for line in RunLine::parse_all(&text)? {
        line.execute(&tools, file, folder.path(), &dependencies)?;
    }
    Ok(())
}
