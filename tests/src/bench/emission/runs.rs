//! The commands that are measured.

use super::inputs::Input;
use crate::bench::usage::{Usage, measured};
use crate::tools::{CLANG, OPT, Tools};
use anyhow::{Context, Result};
use object::read::archive::ArchiveFile;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The four levels as one list of targets.
pub const TARGETS: &str = "x86-64;x86-64-v2;x86-64-v3;x86-64-v4";

/// What `jl-emit` is asked for.
#[derive(Clone, Debug)]
pub struct Emission {
    pub targets: String,
    pub threads: usize,
    /// More of the pass's parameters, each behind a semicolon.
    pub options: String,
    /// None: the cache is off.
    pub cache: Option<PathBuf>,
    pub trace: Option<PathBuf>,
}

impl Default for Emission {
    fn default() -> Emission {
        Emission { targets: TARGETS.into(), threads: 1, options: String::new(), cache: None, trace: None }
    }
}

/// Who compiles, and where to.
pub struct Builder<'a> {
    pub tools: &'a Tools,
    pub folder: &'a Path,
}

impl Builder<'_> {
    /// A full build for one target, as plain clang makes it of bitcode: one process, no file between.
    pub fn single(&self, bitcode: &Path) -> Result<Usage> {
        let mut command = Command::new(CLANG);
        command.args(["-O3", "-fPIC", "-w", "-c"]).arg(bitcode).arg("-o").arg(self.folder.join("single.o"));
        measured(&mut command)
    }

    /// The part of an emission that knows of no target, by itself.
    pub fn simplify(&self, bitcode: &Path, output: &Path) -> Result<Usage> {
        measured(self.opt("jl-simplify<O3>").arg(bitcode).arg("-o").arg(output))
    }

    fn opt(&self, passes: &str) -> Command {
        let mut command = Command::new(OPT);
        command.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        command.arg(format!("-passes={passes}"));
        command
    }

    pub fn archive(&self) -> PathBuf {
        self.folder.join("shards.a")
    }

    pub fn emit(&self, bitcode: &Path, emission: &Emission) -> Result<Usage> {
        let mut command =
            self.opt(&format!("jl-emit<O3;out={}{}>", self.archive().display(), emission.options));
        command.arg("-disable-output").arg(bitcode);
        for variable in
            ["JL_CACHE", "JL_CACHE_DIR", "JL_IMAGE_MEMORY", "JL_TRACE_JSON", "MAKEFLAGS", "CARGO_MAKEFLAGS"]
        {
            command.env_remove(variable);
        }
        command.env("JULIA_CPU_TARGET", &emission.targets);
        command.env("JULIA_IMAGE_THREADS", emission.threads.to_string());
        match &emission.cache {
            Some(folder) => command.env("JL_CACHE_DIR", folder),
            None => command.env("JL_CACHE", "0"),
        };
        if let Some(file) = &emission.trace {
            command.env("JL_TRACE_JSON", file);
        }
        measured(&mut command)
    }

    /// Bytes of each member of the archive, in its order: that of the shards.
    pub fn member_sizes(&self) -> Result<Vec<u64>> {
        let path = self.archive();
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let archive = ArchiveFile::parse(bytes.as_slice())?;
        let mut sizes = Vec::new();
        for member in archive.members() {
            let member = member?;
            if member.name().starts_with(b"shard_") || member.name().starts_with(b"unopt_") {
                sizes.push(member.size());
            }
        }
        Ok(sizes)
    }
}

/// A cache that holds the unchanged input, and copies of it to build with.
pub struct Warm {
    folder: PathBuf,
    copy: PathBuf,
}

impl Warm {
    pub fn new(builder: &Builder, input: &Input) -> Result<Warm> {
        let warm = Warm { folder: builder.folder.join("cache"), copy: builder.folder.join("cache-copy") };
        clear(&warm.folder)?;
        let cold = Emission { threads: 2, cache: Some(warm.folder.clone()), ..Emission::default() };
        builder.emit(input.baseline(), &cold)?;
        Ok(warm)
    }

    /// As the last build left it, whatever was built with an earlier copy.
    pub fn copy(&self) -> Result<PathBuf> {
        clear(&self.copy)?;
        let mut command = Command::new("cp");
        crate::command::run_ok(command.arg("-a").arg(&self.folder).arg(&self.copy))?;
        Ok(self.copy.clone())
    }
}

fn clear(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}
