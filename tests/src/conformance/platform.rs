//! What is compiled for, and on what it runs.

use crate::host;
use crate::tools::{CLANG, CLANGXX, FLANG, Tools};
use std::path::Path;
use std::process::Command;

/// An architecture that tests can be built for and run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Platform {
    #[value(name = "x86-64")]
    X86_64,
    /// Cross-compiled, run with qemu-aarch64.
    #[value(name = "aarch64")]
    Aarch64,
}

/// One way to run a program: natively or emulated, at one target.
#[derive(Clone, Debug)]
pub struct Place {
    /// The target's CPU.
    pub name: String,
    /// Its index in the target list.
    pub target: usize,
    platform: Platform,
}

/// The languages that clang and flang compile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    C,
    Cxx,
    Fortran,
}

impl Platform {
    /// Everything is cloned for all targets, so that as much as can be goes through slots and clones.
    pub fn targets(self) -> &'static str {
        match self {
            Platform::X86_64 => "generic;x86-64-v2,clone_all;x86-64-v3,clone_all;x86-64-v4,clone_all",
            Platform::Aarch64 => "generic;neoverse-n1,clone_all;a64fx,clone_all",
        }
    }

    /// The triple that directives of the gcc test suite are matched with.
    pub fn gnu_triple(self) -> &'static str {
        match self {
            Platform::X86_64 => "x86_64-pc-linux-gnu",
            Platform::Aarch64 => "aarch64-unknown-linux-gnu",
        }
    }

    /// One place for each target that can run here.
    pub fn places(self) -> Vec<Place> {
        let runs = |target: &&str| match self {
            Platform::X86_64 => host::can_run(target),
            // QEMU's CPU "max" has what these need; the loader refuses what it has not, and that is a failure.
            Platform::Aarch64 => true,
        };
        let place = |(target, text): (usize, &str)| Place {
            name: text.split(',').next().unwrap_or(text).into(),
            target,
            platform: self,
        };
        self.targets().split(';').enumerate().filter(|(_, t)| runs(t)).map(place).collect()
    }

    /// For the compiler under test and the plain one.
    fn flags(self) -> &'static [&'static str] {
        match self {
            Platform::X86_64 => &[],
            Platform::Aarch64 => &["--target=aarch64-linux-gnu"],
        }
    }

    /// The compiler under test, with the target list.
    pub fn compiler(self, tools: &Tools, language: Language) -> Command {
        let mut command = Command::new(match language {
            Language::C => tools.jl_cc(),
            Language::Cxx => tools.jl_cxx(),
            Language::Fortran => tools.jl_flang(),
        });
        command.args(self.flags()).arg(format!("--jl-targets={}", self.targets()));
        command.env_remove("JULIA_CPU_TARGET");
        command
    }

    /// Plain clang with the same linker.
    pub fn plain_compiler(self, language: Language) -> Command {
        let mut command = Command::new(match language {
            Language::C => CLANG,
            Language::Cxx => CLANGXX,
            Language::Fortran => FLANG,
        });
        command.args(self.flags()).arg("-fuse-ld=lld");
        command
    }

    /// Runs a program that plain clang built, for at most this many seconds of CPU time. Not of wall time: a busy
    /// machine must not make tests fail.
    pub fn run_plain(self, program: &Path, cpu_seconds: u32) -> Command {
        // Core files of programs that crash on purpose help nobody.
        let mut command = Command::new("prlimit");
        let (emulator, slower): (&[&str], u32) = match self {
            Platform::X86_64 => (&[], 1),
            Platform::Aarch64 => (&["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", "-cpu", "max"], 20),
        };
        command.arg(format!("--cpu={}", cpu_seconds * slower)).arg("--core=0").args(emulator).arg(program);
        for variable in ["JL_LOAD_CPU", "JL_LOAD_TARGET", "JL_LOAD_LOG", "LD_PRELOAD"] {
            command.env_remove(variable);
        }
        command
    }
}

impl Place {
    /// Runs one of our programs at this place's target.
    pub fn run(&self, program: &Path, cpu_seconds: u32) -> Command {
        let mut command = self.platform.run_plain(program, cpu_seconds);
        command.env("JL_LOAD_TARGET", self.target.to_string());
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_a_target_of_the_list() {
        let places = Platform::X86_64.places();
        assert_eq!(places[0].name, "generic");
        let targets: Vec<&str> = Platform::X86_64.targets().split(';').collect();
        assert!(places.iter().all(|p| targets[p.target].starts_with(&p.name)), "{places:?}");
    }
}
