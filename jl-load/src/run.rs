//! `jl-load run`: the environment under which the preloaded shim chooses for every image of a process.

use crate::matrix::{Emulator, Program};
use image_format::cpu::Arch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// File name of the preloaded shim.
pub const PRELOAD: &str = "libjl_load_preload.so";

/// What the user asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub cpu: Option<String>,
    pub target: Option<usize>,
    /// A path, or `stderr`.
    pub log: Option<OsString>,
}

/// Why a process cannot be run under the shim.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(
        "{PRELOAD} was not found: looked for {}; install it beside jl-load or in ../lib",
        tried.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and ")
    )]
    NoPreload { tried: Vec<PathBuf> },
    #[error(
        "{path} is for {}, and this host is {}: run it on such a machine, or under an emulator, for which \
         `jl-load matrix --model NAME -- {path} ...` finds the libraries and says what was chosen",
        arch.name(), Arch::HOST.name()
    )]
    OtherArchitecture { path: PathBuf, arch: Arch },
    #[error("{path}: LD_PRELOAD cannot name a path with a space or a colon: install jl-load elsewhere")]
    UnusablePath { path: PathBuf },
}

/// The architecture of the program that `command` starts; this host's where that is not an ELF file that we
/// know.
///
/// # Errors
/// This host does not run it: it is for another architecture, and no emulator is registered for that. (Asked
/// before the program is started: the C library would hand what the kernel does not take to a shell.)
pub fn architecture(command: &[OsString]) -> Result<Arch, RunError> {
    let Ok(program) = Program::find(command) else { return Ok(Arch::HOST) };
    let Some(arch) = Arch::from_elf_machine(program.machine) else { return Ok(Arch::HOST) };
    if arch == Arch::HOST || is_registered(program.machine) {
        return Ok(arch);
    }
    Err(RunError::OtherArchitecture { path: program.file, arch })
}

/// Whether the kernel was told (binfmt_misc) to run programs of this machine with the emulator.
fn is_registered(machine: u32) -> bool {
    let Some(emulator) = Emulator::of(machine) else { return false };
    let Ok(entries) = std::fs::read_dir("/proc/sys/fs/binfmt_misc") else { return false };
    let texts = entries.flatten().filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    texts.into_iter().any(|text| text.starts_with("enabled") && text.contains(emulator.program))
}

/// The shim beside the program at `executable`, or in `../lib` of it.
pub fn find_preload(executable: &Path) -> Result<PathBuf, RunError> {
    let folder = executable.parent().unwrap_or(Path::new("."));
    let tried = vec![folder.join(PRELOAD), folder.join("../lib").join(PRELOAD)];
    let Some(found) = tried.iter().find(|path| path.is_file()) else {
        return Err(RunError::NoPreload { tried });
    };
    let path = found.clone();
    if path.to_string_lossy().contains([' ', ':']) { Err(RunError::UnusablePath { path }) } else { Ok(path) }
}

/// The variables to set, `None` for those to remove: what the caller's own environment asks for must not
/// mix with what the command line says. `preload` is the shim, if it is to be preloaded; `preloaded` is
/// LD_PRELOAD as it was.
pub fn variables(
    request: &Request,
    preload: Option<&Path>,
    preloaded: Option<OsString>,
) -> Vec<(&'static str, Option<OsString>)> {
    let mut variables = Vec::new();
    if let Some(preload) = preload {
        let mut list = preload.as_os_str().to_owned();
        if let Some(more) = preloaded.filter(|more| !more.is_empty()) {
            list.push(":");
            list.push(more);
        }
        variables.push(("LD_PRELOAD", Some(list)));
    }
    if request.cpu.is_some() || request.target.is_some() {
        variables.push(("JL_LOAD_CPU", request.cpu.clone().map(OsString::from)));
        variables.push(("JL_LOAD_TARGET", request.target.map(|target| target.to_string().into())));
    }
    if let Some(log) = &request.log {
        variables.push(("JL_LOAD_LOG", Some(log.clone())));
    }
    variables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_wins_and_other_preloads_stay() {
        let request = Request { cpu: Some("haswell".into()), ..Request::default() };
        let found = variables(&request, Some(Path::new("/opt/shim.so")), Some("/x.so".into()));
        assert_eq!(
            found,
            [
                ("LD_PRELOAD", Some("/opt/shim.so:/x.so".into())),
                ("JL_LOAD_CPU", Some("haswell".into())),
                ("JL_LOAD_TARGET", None)
            ]
        );
    }
}
