//! `jl-load run`: the environment under which the preloaded shim chooses for every image of a process.

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
    #[error("{path}: LD_PRELOAD cannot name a path with a space or a colon: install jl-load elsewhere")]
    UnusablePath { path: PathBuf },
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
