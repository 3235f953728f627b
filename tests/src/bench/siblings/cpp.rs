//! Sources of others in headers, with a front end in `scripts/demo-packages.d`; compiled from what clang's front end makes of them.

use super::inputs::Input;
use super::sizes::{Duplicates, Shared};
use super::{BUILDS, Build, Family, Library, TARGETS, shuffled};
use crate::bench::build::our_source;
use crate::command::run_ok;
use crate::elf::Elf;
use crate::tools::{CLANG, Tools};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const COMMON: &str = "json";
/// The Debian packages with the headers.
const PACKAGES: [&str; 5] =
    ["nlohmann-json3-dev", "libvalijson-dev", "libcpp-jwt-dev", "libxtensor-dev", "libtinygltf-dev"];
const LIBRARIES: [Library; 4] = [
    Library { name: "valijson", input: Input::Metadata, times: 4 },
    Library { name: "jwt", input: Input::Metadata, times: 8 },
    Library { name: "xtensor", input: Input::Matrix, times: 8 },
    Library { name: "gltf", input: Input::Model, times: 8 },
];

/// nlohmann-json's templates, and four libraries above them.
pub struct Cpp<'a> {
    tools: &'a Tools,
    folder: PathBuf,
}

impl<'a> Cpp<'a> {
    /// Builds the common image, and what the libraries are compiled from.
    ///
    /// # Errors
    /// A tool fails, or a header is missing.
    pub fn new(tools: &'a Tools, folder: &Path) -> Result<Cpp<'a>> {
        let folder = folder.join(COMMON);
        for build in BUILDS {
            fs::create_dir_all(folder.join(build.word()))?;
        }
        let family = Cpp { tools, folder };
        family.bitcode(COMMON)?;
        for library in &LIBRARIES {
            family.bitcode(library.name)?;
        }
        let mut compile = family.jl_cxx();
        compile.arg("--jl-package").arg("-c").arg(family.path(COMMON, "bc"));
        run_ok(compile.arg("-o").arg(family.path(COMMON, "o")))?;
        family.link_common(&[])?;
        Ok(family)
    }

    fn jl_cxx(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cxx());
        command.arg(format!("--jl-targets={}", TARGETS.join(";"))).args(["-O2", "-fPIC"]);
        // The cache would answer the second round.
        command.env("JL_CACHE", "0").current_dir(&self.folder);
        command
    }

    fn path(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ending}"))
    }

    /// What clang's front end makes of a source: the same for all builds.
    fn bitcode(&self, name: &str) -> Result<()> {
        let source = our_source("demo-packages.d").join(format!("{name}.cpp"));
        let mut command = Command::new(CLANG);
        command.args(["--driver-mode=g++", "-O2", "-fPIC", "-std=c++17", "-w", "-emit-llvm"]);
        command.args(["-Xclang", "-disable-llvm-passes", "-c"]).arg(source);
        run_ok(command.arg("-o").arg(self.path(name, "bc")))?;
        Ok(())
    }

    fn common_link(&self, output: &Path) -> Command {
        let mut link = self.jl_cxx();
        link.arg("-shared").arg(format!("-Wl,-soname,lib{COMMON}.so")).arg(self.path(COMMON, "o"));
        link.arg("-o").arg(output);
        link
    }

    fn object(&self, library: &Library, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("{}.o", library.name))
    }
}

impl Family for Cpp<'_> {
    fn sources(&self) -> Result<String> {
        let mut query = Command::new("dpkg-query");
        let ran = run_ok(query.args(["-W", "-f", "${Package} ${Version}, "]).args(PACKAGES));
        let ran = ran.context("the libraries' headers are missing: scripts/setup installs them")?;
        Ok(format!("Headers: {}.", ran.stdout.trim().trim_end_matches(',')))
    }

    fn libraries(&self) -> &[Library] {
        &LIBRARIES
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn common(&self) -> PathBuf {
        self.folder.join(format!("lib{COMMON}.so"))
    }

    fn common_of(&self, build: Build) -> Option<PathBuf> {
        (build == Build::With).then(|| self.common())
    }

    fn shuffle_common(&self, _: Build, order: u32, output: &Path) -> Result<()> {
        run_ok(self.common_link(output).arg(shuffled(order)))?;
        Ok(())
    }

    fn library(&self, library: &Library, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("lib{}.so", library.name))
    }

    fn compile(&self, library: &Library, build: Build) -> Result<Command> {
        let mut command = self.jl_cxx();
        if build == Build::With {
            command.arg(format!("--jl-dep={}", self.common().display()));
        }
        command.arg("-c").arg(self.path(library.name, "bc")).arg("-o").arg(self.object(library, build));
        Ok(command)
    }

    fn link(&self, library: &Library, build: Build, order: Option<u32>) -> Result<()> {
        let mut command = self.jl_cxx();
        command.arg("-shared").arg(self.object(library, build)).args(order.map(shuffled));
        if library.name == "jwt" {
            command.arg("-lcrypto");
        }
        if build == Build::With {
            command.args(["-L.", &format!("-l{COMMON}"), "-Wl,-rpath,$ORIGIN/.."]);
        }
        run_ok(command.arg("-o").arg(self.library(library, build)))?;
        Ok(())
    }

    fn duplicates(&self) -> Result<Vec<Duplicates>> {
        let read = |build: Build| -> Result<Vec<Elf>> {
            LIBRARIES.iter().map(|library| Elf::read(&self.library(library, build))).collect()
        };
        let (without, with) = (read(Build::Without)?, read(Build::With)?);
        let shared = Shared::of(&Elf::read(&self.common())?, &without)?;
        without.iter().zip(&with).map(|(without, with)| shared.duplicates(without, with)).collect()
    }

    fn link_common(&self, more: &[&Path]) -> Result<()> {
        run_ok(self.common_link(&self.common()).args(more))?;
        Ok(())
    }
}
