//! Bitcode becomes objects by jl-cc, as many at a time as there are cores. What was compiled before comes out of the cache, as
//! crates that several libraries hold do.

use super::units::Unit;
use crate::arch;
use crate::args::Invocation;
use crate::error::{Error, Result};
use crate::lld::tool_identity;
use crate::llvm::{Llvm, beside_self};
use image_format::cache::{Cache, Key, KeyBuilder, Kind};
use image_format::dependency::DependencyImage;
use image_format::pod::bytes_of;
use std::ffi::OsString;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// How everything in one link is compiled.
pub struct Compiler {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, Option<OsString>)>,
    verbose: bool,
    cache: Option<Cache>,
    /// All that an object depends on besides its bitcode.
    key: Vec<Vec<u8>>,
}

impl Compiler {
    /// # Errors
    /// jl-cc is not beside this program, or a dependency's name cannot stand in a list.
    pub fn new(invocation: &Invocation, dependencies: &[PathBuf], is_package: bool) -> Result<Compiler> {
        let program = beside_self("jl-cc").unwrap_or_else(|| "jl-cc".into());
        let list = std::env::join_paths(dependencies).map_err(|_| Error::Option {
            option: "--jl-dep".into(),
            problem: "names a file with ':' in its name, which separates files in the list JL_DEPS; rename it",
        })?;
        // Copies are to stay: what they have in common with an image is the linker's to find.
        let list = (!dependencies.is_empty() && !invocation.own.keep_fallback).then_some(list);
        // Who says that it is none, or is one, has the last word.
        let asked = is_package && std::env::var_os("JL_PACKAGE").is_none();
        let mut environment = vec![("JL_DEPS", list)];
        if asked {
            environment.push(("JL_PACKAGE", Some("1".into())));
        }
        let arguments = arguments(invocation);
        let warn = Box::new(|text: &str| eprintln!("jl-link: warning: {text}"));
        let mut compiler = Compiler {
            program,
            arguments,
            environment,
            verbose: invocation.own.verbose,
            cache: Cache::from_environment(warn),
            key: Vec::new(),
        };
        compiler.key = compiler.key(invocation, dependencies)?;
        Ok(compiler)
    }

    fn key(&self, invocation: &Invocation, dependencies: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
        let llvm = Llvm::choose(invocation.own.llvm)?;
        let mut key = vec![
            tool_identity(&self.program),
            tool_identity(&llvm.plugin()?),
            tool_identity(&llvm.tool("JL_CLANG", "clang", "clang")?),
        ];
        let value = |name: &str| match self.environment.iter().find(|(variable, _)| *variable == name) {
            Some((_, value)) => value.clone(),
            None => std::env::var_os(name),
        };
        for variable in ["JULIA_CPU_TARGET", "JL_PACKAGE"] {
            key.push(value(variable).unwrap_or_default().into_encoded_bytes());
        }
        for dependency in dependencies {
            let image = DependencyImage::open(dependency).map_err(|cause| Error::Dependency { cause })?;
            key.push(bytes_of(&image.record(0)).to_vec());
        }
        key.extend(self.arguments.iter().map(|word| word.as_encoded_bytes().to_vec()));
        Ok(key)
    }

    fn cached(&self, unit: &Unit) -> Result<Option<(&Cache, Key)>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let bitcode = std::fs::read(&unit.bitcode);
        let bitcode = bitcode.map_err(|cause| Error::Read { path: unit.bitcode.clone(), cause })?;
        let mut key = KeyBuilder::new(Kind::Image);
        key.bytes("separately", bitcode).list("compiled by", &self.key);
        Ok(Some((cache, key.finish())))
    }

    /// # Errors
    /// One of the list cannot be compiled; clang has said why.
    pub fn compile(&self, units: &[Unit]) -> Result<()> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let workers = cores.min(units.len());
        // A single large unit is taken apart by the plugin instead.
        let threads = (cores / workers.max(1)).max(1);
        let next = AtomicUsize::new(0);
        let work = || -> Result<()> {
            while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
                // After an error nothing more is begun.
                self.one(unit, threads).inspect_err(|_| next.store(units.len(), Ordering::Relaxed))?;
            }
            Ok(())
        };
        thread::scope(|scope| {
            let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let results =
                workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
            results.collect()
        })
    }

    fn one(&self, unit: &Unit, threads: usize) -> Result<()> {
        let cached = self.cached(unit)?;
        if let Some(object) = cached.as_ref().and_then(|(cache, key)| cache.get(key)) {
            let written = std::fs::write(&unit.object, object);
            return written.map_err(|cause| Error::Write { path: unit.object.clone(), cause });
        }
        self.run(unit, threads)?;
        if let Some((cache, key)) = cached {
            let object = std::fs::read(&unit.object);
            cache.put(&key, &object.map_err(|cause| Error::Read { path: unit.object.clone(), cause })?);
        }
        Ok(())
    }

    fn run(&self, unit: &Unit, threads: usize) -> Result<()> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).arg(&unit.bitcode).arg("-o").arg(&unit.object);
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        if std::env::var_os("JULIA_IMAGE_THREADS").is_none() {
            command.env("JULIA_IMAGE_THREADS", threads.to_string());
        }
        if self.verbose {
            eprintln!("jl-link: {}: {command:?}", unit.name);
        }
        let status = command.status();
        let status = status.map_err(|cause| Error::Spawn { program: self.program.clone(), cause })?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Input {
            file: unit.name.clone(),
            problem: "the bitcode could not be compiled".into(),
            found: status.to_string(),
            advice: "clang says above what is wrong with it",
        })
    }
}

/// What the linker was told for its own code generation, in jl-cc's words.
fn arguments(invocation: &Invocation) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = ["-c", "-x", "ir"].map(OsString::from).into();
    arguments.extend(invocation.own.llvm.map(|llvm| format!("--jl-llvm={llvm}").into()));
    arguments.extend(invocation.own.tunable.then(|| "--jl-tunable".into()));
    arguments.push(format!("-O{}", level(invocation)).into());
    // A module says itself whether it is for one; sections are what rustc and others ask for as a rule.
    arguments.extend(["-fPIC", "-ffunction-sections", "-fdata-sections"].map(OsString::from));
    if let Some(arch) = invocation.emulation.as_deref().and_then(arch::of_emulation) {
        arguments.push(format!("--target={}-unknown-linux-gnu", arch.name()).into());
    }
    // Vendor and C library of a triple mean nothing for code.
    arguments.push("-Wno-override-module".into());
    arguments
}

/// The last of lld's options for the level of its optimisation; lld's own default is 2.
fn level(invocation: &Invocation) -> String {
    let mut words = invocation.plain.iter().rev().map(|word| word.to_string_lossy());
    let level = words.find_map(|word| {
        let word = word.trim_start_matches('-');
        let level = word.strip_prefix("plugin-opt=O").or_else(|| word.strip_prefix("lto-O"))?;
        level.chars().all(|c| c.is_ascii_digit()).then(|| level.to_string())
    });
    level.unwrap_or_else(|| "2".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_linker_s_words_are_clang_s() {
        let words = |args: &[&str]| {
            let invocation = Invocation::parse(args.iter().map(OsString::from).collect()).unwrap();
            arguments(&invocation).iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let rustc = words(&["-m", "elf_x86_64", "a.o", "-plugin-opt=O3", "-plugin-opt=mcpu=x86-64", "-O1"]);
        for word in ["-O3", "-fPIC", "-ffunction-sections", "--target=x86_64-unknown-linux-gnu"] {
            assert!(rustc.iter().any(|found| found == word), "{word}: {rustc:?}");
        }
        assert!(words(&["--lto-O1", "a.o"]).contains(&"-O1".into()));
        assert!(words(&["a.o"]).contains(&"-O2".into()));
        let own = words(&["a.o", "--jl-llvm=19", "--jl-tunable"]);
        assert!(["--jl-llvm=19", "--jl-tunable"].iter().all(|word| own.iter().any(|found| found == word)));
        assert!(!words(&["a.o"]).iter().any(|word| word.starts_with("--jl-")));
    }
}
