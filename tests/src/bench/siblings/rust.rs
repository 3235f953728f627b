//! Crates of others, with a front end in `scripts/demo-packages.d/rust`; compiled and linked from the bitcode that rustc hands to
//! the linker.

use super::inputs::Input;
use super::sizes::Duplicates;
use super::{BUILDS, Build, Family, Library, TARGETS, shuffled};
use crate::bench::build::our_source;
use crate::command::{run_ok, run_within};
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const COMMON: &str = "json";
const LIBRARIES: [Library; 3] = [
    Library { name: "patch", input: Input::Metadata, times: 10 },
    Library { name: "path", input: Input::Metadata, times: 30 },
    Library { name: "groups", input: Input::Metadata, times: 16 },
];
/// The crates that the libraries are about, in this order.
const CRATES: [&str; 5] = ["serde_json", "json-patch", "serde_json_path", "indexmap", "serde"];
/// Downloads and builds all crates.
const LIMIT: Duration = Duration::from_secs(1200);

/// rustc, for crates of the workspace.
const WRAPPER: &str = r#"#!/bin/sh
for word; do
    [ "$before" = --crate-name ] && name=$word
    before=$word
done
case $name in
    '' | ___) exec "$@" ;;
esac
exec "$@" --print "link-args=$JL_LINK_ARGS/$name.link"
"#;

/// serde_json's generic code, and three libraries above it.
pub struct Rust<'a> {
    tools: &'a Tools,
    folder: PathBuf,
    /// What rustc tells the linker, by crate.
    links: HashMap<&'static str, Vec<String>>,
    standard_library: String,
}

impl<'a> Rust<'a> {
    /// Has cargo build everything, and links the common image once for each build.
    ///
    /// # Errors
    /// A tool fails, or a crate cannot be had.
    pub fn new(tools: &'a Tools, folder: &Path) -> Result<Rust<'a>> {
        let folder = folder.join("rust");
        // What is up to date is not linked again, and rustc says nothing then of how it was.
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        for word in ["without", "with", "offered"] {
            fs::create_dir_all(folder.join(word))?;
        }
        let printed = run_ok(Command::new("rustc").args(["--print", "target-libdir"]))?.stdout;
        let standard_library = printed.trim().to_string();
        let mut family = Rust { tools, folder, links: HashMap::new(), standard_library };
        family.build()?;
        for name in LIBRARIES.iter().map(|library| library.name).chain([COMMON]) {
            family.links.insert(name, family.linker_words(name)?);
        }
        for build in BUILDS {
            run_ok(&mut family.common_link(build, &family.common_file(build))?)?;
        }
        Ok(family)
    }

    /// Builds all crates. The objects are kept, and what rustc tells the linker.
    fn build(&self) -> Result<()> {
        let wrapper = self.folder.join("rustc");
        fs::write(&wrapper, WRAPPER)?;
        fs::set_permissions(&wrapper, Permissions::from_mode(0o755))?;
        let mut command = Command::new(self.tools.jl_cc().with_file_name("cargo-jl"));
        command.args(["jl", "build", "--release", "--locked", "--jl-package", "--manifest-path"]);
        command.arg(our_source("demo-packages.d").join("rust/Cargo.toml"));
        command.arg(format!("--jl-targets={}", TARGETS.join(";")));
        command.arg("--target-dir").arg(self.folder.join("target"));
        for variable in ["CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "JL_PACKAGE"] {
            command.env_remove(variable);
        }
        command.env("RUSTC_WORKSPACE_WRAPPER", &wrapper).env("JL_LINK_ARGS", &self.folder);
        command.env("RUSTFLAGS", "-Csave-temps").env("JL_CACHE", "0");
        run_within(&mut command, LIMIT)?.success()?;
        Ok(())
    }

    fn linker_words(&self, name: &str) -> Result<Vec<String>> {
        let file = self.folder.join(format!("{name}.link"));
        let line = fs::read_to_string(&file).with_context(|| format!("rustc shows no link of {name}"))?;
        // The shell takes apart what rustc wrote for it: the environment, the linker, and its arguments.
        let words = run_ok(Command::new("sh").arg("-c").arg(format!("printf '%s\\n' {line}")))?.stdout;
        let words = words.lines().skip_while(|word| !word.ends_with("/jl-cc")).skip(1);
        Ok(words.map(str::to_string).collect())
    }

    /// The link of a crate with another output, above the common image of a build.
    fn link_again(&self, name: &str, output: &Path, build: Build) -> Result<Command> {
        let words = self.links.get(name).with_context(|| format!("{name} was not built"))?;
        let mut command = Command::new(self.tools.jl_cc());
        let common = format!("/lib{COMMON}.so");
        let mut is_output = false;
        for word in words {
            let next: OsString = match (is_output, word.ends_with(&common) && word.starts_with('/')) {
                (true, _) => output.into(),
                (false, true) => self.common_file(build).into(),
                (false, false) => word.into(),
            };
            is_output = word == "-o";
            command.arg(next);
        }
        for folder in ["$ORIGIN", &self.standard_library] {
            command.arg(format!("-Wl,-rpath,{folder}"));
        }
        command.env_remove("JL_PACKAGE").env("JL_CACHE", "0");
        Ok(command)
    }

    fn common_file(&self, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("lib{COMMON}.so"))
    }

    /// The link of the common image, which offers its functions or is like any other.
    fn common_link(&self, build: Build, output: &Path) -> Result<Command> {
        let mut link = self.link_again(COMMON, output, build)?;
        if build == Build::Without {
            link.env("JL_PACKAGE", "0");
        }
        Ok(link)
    }

    /// Takes objects from the cache that the orders have in common.
    fn with_objects<'c>(&self, link: &'c mut Command) -> &'c mut Command {
        link.env_remove("JL_CACHE").env("JL_CACHE_DIR", self.folder.join("cache"))
    }

    /// Bytes of functions in each library that the common image or another library has as well, by identity. The libraries have to
    /// offer their own for that.
    fn shared(&self, build: Build) -> Result<Vec<u64>> {
        let mut compare = Command::new(self.tools.jl_link());
        compare.arg("--jl-dedup-set=json");
        for library in &LIBRARIES {
            let offered = self.folder.join("offered").join(format!("lib{}.so", library.name));
            run_ok(self.link_again(library.name, &offered, build)?.arg("--jl-package"))?;
            compare.arg(offered);
        }
        let set: serde_json::Value = serde_json::from_str(&run_ok(compare.arg(self.common()))?.stdout)?;
        let bytes = |index: usize| set["images"][index]["shared_bytes"].as_u64();
        let all: Option<Vec<u64>> = (0..LIBRARIES.len()).map(bytes).collect();
        all.context("--jl-dedup-set tells no bytes")
    }
}

impl Family for Rust<'_> {
    fn sources(&self) -> Result<String> {
        let lock = fs::read_to_string(our_source("demo-packages.d").join("rust/Cargo.lock"))?;
        let version = |name: &&str| {
            let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
            Some(format!("{name} {}", rest.split_once('"')?.0))
        };
        let versions: Option<Vec<String>> = CRATES.iter().map(version).collect();
        let versions = versions.context("Cargo.lock lacks a crate")?;
        let rustc = run_ok(Command::new("rustc").arg("--version"))?.stdout;
        Ok(format!("Crates: {}; {}.", versions.join(", "), rustc.trim()))
    }

    fn libraries(&self) -> &[Library] {
        &LIBRARIES
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn common(&self) -> PathBuf {
        self.common_file(Build::With)
    }

    fn common_of(&self, build: Build) -> Option<PathBuf> {
        Some(self.common_file(build))
    }

    fn shuffle_common(&self, build: Build, order: u32, output: &Path) -> Result<()> {
        let mut link = self.common_link(build, output)?;
        run_ok(self.with_objects(&mut link).arg(shuffled(order)))?;
        Ok(())
    }

    fn library(&self, library: &Library, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("lib{}.so", library.name))
    }

    fn compile(&self, library: &Library, build: Build) -> Result<Command> {
        self.link_again(library.name, &self.library(library, build), build)
    }

    /// rustc hands all of a library to the linker, and so it is linked when it is compiled.
    fn link(&self, library: &Library, build: Build, order: Option<u32>) -> Result<()> {
        // Compiling links as well.
        let Some(order) = order else { return Ok(()) };
        let mut link = self.compile(library, build)?;
        run_ok(self.with_objects(&mut link).arg(shuffled(order)))?;
        Ok(())
    }

    fn duplicates(&self) -> Result<Vec<Duplicates>> {
        let (without, with) = (self.shared(Build::Without)?, self.shared(Build::With)?);
        Ok(without.into_iter().zip(with).map(|(before, after)| Duplicates { before, after }).collect())
    }

    fn link_common(&self, more: &[&Path]) -> Result<()> {
        run_ok(self.common_link(Build::With, &self.common())?.args(more))?;
        Ok(())
    }
}
