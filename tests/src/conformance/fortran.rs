//! Fortran: gfortran's torture tests, which check themselves, and a program of ours, by jl-flang.

use super::case::Case;
use super::cases::{Listing, judge_all};
use super::findings::Findings;
use super::level::Level;
use super::platform::{Language, Platform};
use super::{Context, Suite, sources};
use crate::tools::in_tests;
use anyhow::{Context as _, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// The program of ours.
const PROGRAM: &str = "heat.f90";

pub struct Fortran;

impl Suite for Fortran {
    fn name(&self) -> &'static str {
        "fortran"
    }

    fn about(&self) -> &'static str {
        "gcc 12's gfortran.fortran-torture/execute, and a program of ours, by jl-flang"
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        // Debian has flang's run-time library for the host only.
        if context.platform != Platform::X86_64 {
            return Ok(Findings::default());
        }
        let mut cases = cases(context)?;
        cases.retain(|case| context.wants(&case.name));
        if context.options.short {
            cases = cases.into_iter().step_by(24).collect();
        }
        let levels = context.levels(&[Level::O2, Level::O3, Level::Lto]);
        let mut work: Vec<_> =
            levels.iter().flat_map(|level| cases.iter().map(move |c| (c, *level))).collect();
        // One level will do for what is small and many.
        work.retain(|(case, level)| *level == Level::O2 || case.name == PROGRAM);
        judge_all(context, self.name(), &work, Listing::Unlisted)
    }
}

fn cases(context: &Context) -> Result<Vec<Case>> {
    let folder = sources::gfortran_torture(&context.folder)?;
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot read {}", folder.display()))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|e| e == "f90" || e == "f"));
    files.sort();
    ensure!(files.len() > 80, "{} holds only {} tests", folder.display(), files.len());
    files.push(in_tests("languages").join(PROGRAM));
    files.iter().map(|file| case(context, file)).collect()
}

fn case(context: &Context, file: &Path) -> Result<Case> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // Compiled modules are files beside the object: each test has a place of its own for them.
    let modules = context.folder.join("fortran-modules").join(&name);
    fs::create_dir_all(&modules)?;
    let mut case = Case::of_source(&name, file.to_path_buf());
    case.language = Language::Fortran;
    case.flags = vec!["-w".into(), format!("-J{}", modules.display())];
    Ok(case)
}
