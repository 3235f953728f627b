//! Rules about the source tree that no compiler checks.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::run_ok;
use tests::tools::workspace;

/// Who may depend on whom: the tools meet in files, not in code.
const DEPENDENCIES: [(&str, &[&str]); 7] = [
    ("image-format", &[]),
    ("pass-plugin", &["image-format"]),
    ("jl-link", &["image-format"]),
    ("jl-load", &["image-format"]),
    // The preload shim is the embedded one for the whole process; its tests use jl-load.
    ("jl-load-preload", &["image-format", "runtime-shim", "jl-load"]),
    ("runtime-shim", &["image-format"]),
    ("tests", &["image-format"]),
];

#[test]
fn dependencies_run_one_way() -> Result<()> {
    let mut command = Command::new("cargo");
    command.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]);
    let metadata: serde_json::Value =
        serde_json::from_str(&run_ok(command.current_dir(workspace()))?.stdout)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    let names: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for package in packages {
        let name = package["name"].as_str().context("a package without a name")?;
        let allowed = DEPENDENCIES.iter().find(|d| d.0 == name);
        let (_, allowed) = allowed.with_context(|| format!("{name} is not in the list of packages"))?;
        for dependency in package["dependencies"].as_array().context("no dependencies")? {
            let on = dependency["name"].as_str().unwrap_or_default();
            ensure!(
                !names.contains(&on) || allowed.contains(&on),
                "{name} depends on {on}, but may only on {allowed:?}"
            );
        }
    }
    Ok(())
}

/// Files of the workspace's packages with this ending.
fn sources(ending: &str) -> Result<Vec<PathBuf>> {
    let mut command = Command::new("git");
    command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace());
    let listed = run_ok(&mut command)?.stdout;
    let files = listed.split('\0').filter(|f| f.ends_with(ending)).map(|f| workspace().join(f));
    Ok(files.filter(|f| f.exists()).collect())
}

#[test]
fn files_stay_readable_in_one_go() -> Result<()> {
    const LINES: usize = 900;
    for path in sources(".rs")? {
        let lines = fs::read_to_string(&path)?.lines().count();
        let generated = path.ends_with("x86_64_models.rs") || path.ends_with("aarch64_models.rs");
        ensure!(
            generated || lines <= LINES,
            "{} has {lines} lines, expected at most {LINES}",
            path.display()
        );
    }
    Ok(())
}

#[test]
fn no_mutable_statics() -> Result<()> {
    for path in sources(".rs")? {
        let this = path.ends_with(Path::new("cases/tidy.rs"));
        let text = fs::read_to_string(&path)?;
        let found = text.lines().find(|l| l.trim_start().starts_with("static mut "));
        ensure!(this || found.is_none(), "{}: {}", path.display(), found.unwrap_or_default());
    }
    Ok(())
}

#[test]
fn scripts_say_what_they_do() -> Result<()> {
    let scripts = [
        "setup",
        "build",
        "build-plugin",
        "test",
        "demo",
        "bench",
        "conformance",
        "fuzz",
        "demo-julia",
        "demo-julia-package",
    ];
    for script in scripts {
        let ran = run_ok(Command::new(workspace().join("scripts").join(script)).arg("--help"))?;
        ensure!(ran.stdout.starts_with(&format!("Usage: scripts/{script}")), "{}", ran.describe());
    }
    Ok(())
}

#[test]
fn every_environment_variable_is_documented() -> Result<()> {
    let readme = fs::read_to_string(workspace().join("README.md"))?;
    let variables = [
        "JL_LOAD_CPU",
        "JL_LOAD_TARGET",
        "JL_LOAD_LOG",
        "JULIA_CPU_TARGET",
        "JL_LLVM",
        "JL_JULIA_DIALECT",
        "JL_JULIA_AUTOINIT",
        "JULIA_IMAGE_THREADS",
        "JULIA_IMAGE_TIMINGS",
        "JL_IMAGE_MEMORY",
        "JL_TRACE_JSON",
        "JL_IMAGE_ENGINE",
        "JL_IMAGE_DISTRIBUTOR",
        "JL_IMAGE_REMOTE_CC",
        "JL_IMAGE_JOB_TIMEOUT",
        "JL_CACHE",
        "JL_CACHE_DIR",
        "JL_CACHE_SIZE",
        "JL_PACKAGE",
        "JL_DEPS",
    ];
    for variable in variables {
        ensure!(readme.contains(variable), "README.md does not mention {variable}");
    }
    Ok(())
}
