//! The C sources that ship in crates, fetched by cargo at locked versions.

use crate::command::run_ok;
use crate::tools::workspace;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

/// Folder and version of each package that `scripts/demo.d/Cargo.lock` names.
pub struct Sources {
    packages: Vec<(String, String, PathBuf)>,
}

/// Fetches what cargo does not have yet; nothing is copied.
pub fn fetch() -> Result<Sources> {
    let manifest = workspace().join("scripts/demo.d/Cargo.toml");
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(arguments).arg("--locked").arg("--manifest-path").arg(&manifest);
        run_ok(&mut command)
    };
    cargo(&["fetch", "--quiet"]).context("cannot fetch the libraries' sources")?;
    let metadata = cargo(&["metadata", "--offline", "--format-version", "1"])?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let package = |p: &serde_json::Value| {
        let folder = PathBuf::from(p["manifest_path"].as_str()?).parent()?.to_path_buf();
        Some((p["name"].as_str()?.to_string(), p["version"].as_str()?.to_string(), folder))
    };
    Ok(Sources { packages: packages.iter().filter_map(package).collect() })
}

impl Sources {
    /// Version and folder of a package.
    pub fn package(&self, name: &str) -> Result<(&str, &PathBuf)> {
        let found = self.packages.iter().find(|p| p.0 == name);
        let (_, version, folder) =
            found.with_context(|| format!("scripts/demo.d/Cargo.lock has no package {name}"))?;
        Ok((version, folder))
    }
}
