//! gcc's test suite, unpacked from Debian's package of gcc's sources.

use crate::command::run_ok;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the package `gcc-12-source` puts its files.
const PACKAGE: &str = "/usr/src/gcc-12";
const FORTRAN: &str = "gcc/testsuite/gfortran.fortran-torture/execute";
const LIBRARY: &str = "libstdc++-v3/testsuite";
/// What is unpacked of it, below the archive's own top folder: at once, as each time takes a pass over all of it.
const PARTS: [&str; 4] = ["gcc/testsuite/gcc.c-torture", "gcc/testsuite/g++.dg", FORTRAN, LIBRARY];

const UNPACKED: &str = "gcc-sources";

/// The folder `gcc/testsuite` of gcc's sources; unpacked into `folder` when it is not there yet.
pub fn gcc_testsuite(folder: &Path) -> Result<PathBuf> {
    Ok(unpack(folder)?.join("gcc/testsuite"))
}

/// gfortran's torture tests that are run.
pub fn gfortran_torture(folder: &Path) -> Result<PathBuf> {
    Ok(unpack(folder)?.join(FORTRAN))
}

/// libstdc++'s tests.
pub fn libstdcxx_testsuite(folder: &Path) -> Result<PathBuf> {
    Ok(unpack(folder)?.join(LIBRARY))
}

/// Unpacks [`PARTS`] to a folder in `folder`, if they are not there yet. Gives back what stands for the archive's top folder.
fn unpack(folder: &Path) -> Result<PathBuf> {
    let archive = archive()?;
    let file = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // gcc-12.2.0-dfsg.tar.xz holds the folder gcc-12.2.0.
    let top = file.trim_end_matches(".tar.xz").trim_end_matches("-dfsg").to_string();
    let unpacked = folder.join(UNPACKED).join(&top);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    // To the side and renamed: an interrupted run leaves nothing that looks complete.
    let aside = tempfile::Builder::new().prefix("unpack-").tempdir_in(folder)?;
    let mut command = Command::new("tar");
    command.arg("-xJf").arg(&archive).arg("-C").arg(aside.path());
    run_ok(command.args(PARTS.iter().map(|part| format!("{top}/{part}"))))?;
    fs::create_dir_all(folder.join(UNPACKED))?;
    match fs::rename(aside.path().join(&top), &unpacked) {
        // Another process was quicker, with the same files.
        Err(_) if unpacked.is_dir() => Ok(unpacked),
        result => {
            result.with_context(|| format!("cannot make {}", unpacked.display()))?;
            Ok(unpacked)
        }
    }
}

fn archive() -> Result<PathBuf> {
    let missing =
        || format!("{PACKAGE} holds no gcc sources: scripts/setup installs the package gcc-12-source");
    for entry in fs::read_dir(PACKAGE).with_context(missing)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("gcc-12") && name.ends_with(".tar.xz") {
            return Ok(path);
        }
    }
    bail!(missing())
}
