//! Projects that know nothing of us build unchanged with CC=jl-cc CXX=jl-c++, and their programs print what
//! plain clang's builds print.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::run_ok;
use tests::elf::Elf;
use tests::host;
use tests::tools::{CLANG, CLANGXX, Tools, in_tests};

/// A compiler for C and one for C++.
type Compilers = (PathBuf, PathBuf);

fn plain() -> Compilers {
    (CLANG.into(), CLANGXX.into())
}

fn ours() -> Result<Compilers> {
    let tools = Tools::find()?;
    Ok((tools.jl_cc(), tools.jl_cxx()))
}

fn with(command: &mut Command, (cc, cxx): &Compilers) -> Result<()> {
    run_ok(command.env("CC", cc).env("CXX", cxx).env_remove("CFLAGS").env_remove("CXXFLAGS")).map(drop)
}

/// Runs a program at every target of the default list, and compares with what is expected.
fn same_at_every_target(program: &Path, arguments: &[&str], expected: &str) -> Result<()> {
    let targets = image_format::grammar::DEFAULT_TARGETS_X86_64.split(';');
    for (target, _) in targets.enumerate().filter(|(_, name)| host::can_run(name)) {
        let ran = run_ok(Command::new(program).args(arguments).env("JL_LOAD_TARGET", target.to_string()))?;
        ensure!(ran.stdout == expected, "expected\n{expected}\nfound at target {target}\n{}", ran.stdout);
    }
    Ok(())
}

/// That the file is an image with code of its own for this function: nothing would be tested otherwise.
fn has_clone(file: &Path, function: &str) -> Result<()> {
    let clone = format!("{function}.1");
    ensure!(Elf::read(file)?.has_symbol(&clone)?, "{} has no {clone}", file.display());
    Elf::read(file)?.check_output()?;
    run_ok(Command::new(Tools::find()?.jl_load()).arg("check").arg(file)).map(drop)
}

fn cmake(generator: &str, folder: &Path, compilers: &Compilers) -> Result<String> {
    let source = in_tests("projects/cmake");
    let build = folder.join("build");
    with(Command::new("cmake").args(["-G", generator, "-S"]).arg(source).arg("-B").arg(&build), compilers)?;
    with(Command::new("cmake").arg("--build").arg(&build), compilers)?;
    with(Command::new("ctest").arg("--test-dir").arg(&build), compilers)?;
    let install = folder.join("installed");
    with(Command::new("cmake").arg("--install").arg(&build).arg("--prefix").arg(&install), compilers)?;
    Ok(run_ok(Command::new(build.join("draw")).arg("50"))?.stdout)
}

fn cmake_project(generator: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (reference, images) = (folder.path().join("plain"), folder.path().join("images"));
    let expected = cmake(generator, &reference, &plain())?;
    let found = cmake(generator, &images, &ours()?)?;
    ensure!(expected == found, "expected\n{expected}\nfound\n{found}");
    has_clone(&images.join("build/libpicture.so.1.2.0"), "blur")?;
    same_at_every_target(&images.join("build/draw"), &["50"], &expected)
}

#[test]
fn a_cmake_project_with_ninja() -> Result<()> {
    cmake_project("Ninja")
}

#[test]
fn a_cmake_project_with_make() -> Result<()> {
    cmake_project("Unix Makefiles")
}

fn configure_and_make(folder: &Path, compilers: &Compilers) -> Result<String> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let configure = in_tests("projects/autoconf-style/configure");
    let prefix = format!("--prefix={}", folder.join("installed").display());
    with(Command::new(configure).arg(prefix).current_dir(folder), compilers)?;
    for goal in ["all", "check", "install"] {
        with(Command::new("make").args(["-j2", goal]).current_dir(folder), compilers)?;
    }
    Ok(run_ok(Command::new(folder.join("signal")).arg("4"))?.stdout)
}

#[test]
fn an_autoconf_style_project() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (reference, images) = (folder.path().join("plain"), folder.path().join("images"));
    let expected = configure_and_make(&reference, &plain())?;
    let found = configure_and_make(&images, &ours()?)?;
    ensure!(expected == found, "expected\n{expected}\nfound\n{found}");
    has_clone(&images.join("libsignal.so.3"), "filter")?;
    same_at_every_target(&images.join("signal"), &["4"], &expected)
}
