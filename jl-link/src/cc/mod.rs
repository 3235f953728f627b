//! `jl-cc` and `jl-c++`: clang of LLVM 22 with the pass plugin and jl-link, and nothing else changed.

pub mod flags;
pub mod targets;

use crate::lld::{beside_self, find_in_path, plugin};
use crate::options::OwnOptions;
use crate::response;
use anyhow::{Context, bail};
use flags::Flags;
use image_format::cpu::Arch;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const HELP: &str = "\
jl-cc (C) and jl-c++ (C++) are clang 22 with one addition: what they compile holds code for several CPUs,
and what they link chooses among it at start. All of clang's options work; these are added:
  --jl-targets=LIST  the CPUs, separated by ';', baseline first, in Julia's grammar
                     (default: JULIA_CPU_TARGET, or else 'x86-64;x86-64-v3')
  --jl-fp=fast       let each target contract floating point as it can: results may differ in the last bits
  --jl-fp=same       the same bits at every target (default)
  --jl-tunable       leave calls between clones on their slots, so that each can be changed at run time
  --jl-report=FILE   when linking: a report as JSON (this and jl-link's other options go to jl-link)
  --jl-help          print this text
ENVIRONMENT: JL_CLANG (path of clang), JL_PLUGIN (path of libjl_pass_plugin.so), JULIA_CPU_TARGET
EXAMPLES:
  jl-cc -O2 -shared -fPIC a.c -o liba.so
  jl-cc -O2 '--jl-targets=x86-64;x86-64-v3;x86-64-v4' -c a.c
  ./configure CC=jl-cc CXX=jl-c++
  cmake -DCMAKE_C_COMPILER=jl-cc -DCMAKE_CXX_COMPILER=jl-c++ ..
";

/// Becomes clang. `args` include the program's name.
///
/// # Errors
/// A wrong option of ours, a target list that cannot be, or a tool that is missing.
pub fn run(args: Vec<OsString>) -> anyhow::Result<std::convert::Infallible> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let clang = find_clang()?;
    // clang runs itself so; such a command line is complete.
    if args.first().is_some_and(|a| a == "-cc1" || a == "-cc1as") {
        return Err(become_program(&clang, &args));
    }
    let request = Request::parse(args)?;
    if request.own.help {
        print!("{HELP}");
        std::process::exit(0);
    }
    if request.clang_help {
        println!("{HELP}");
    }
    let command = command(&request, is_cplusplus(&program))?;
    Err(become_program(&clang, &command))
}

fn become_program(program: &Path, args: &[OsString]) -> anyhow::Error {
    let error = Command::new(program).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot run {}", program.display()))
}

fn find_clang() -> anyhow::Result<PathBuf> {
    if let Some(clang) = std::env::var_os("JL_CLANG") {
        return Ok(clang.into());
    }
    let fixed = PathBuf::from("/usr/lib/llvm-22/bin/clang");
    find_in_path("clang-22").or_else(|| fixed.is_file().then_some(fixed)).context(
        "found no clang of LLVM 22 (tried JL_CLANG, clang-22 in PATH, /usr/lib/llvm-22/bin/clang); \
         install clang-22 or set JL_CLANG to its path",
    )
}

fn is_cplusplus(program: &OsStr) -> bool {
    program.as_bytes().ends_with(b"++")
}

/// A command line, split into what is ours and what is clang's.
#[derive(Debug, Default)]
struct Request {
    own: OwnOptions,
    /// Options for jl-link as they were written.
    for_linker: Vec<OsString>,
    targets: Option<String>,
    fp_fast: bool,
    flags: Flags,
    clang_help: bool,
    /// clang's arguments.
    rest: Vec<OsString>,
}

impl Request {
    fn parse(args: Vec<OsString>) -> anyhow::Result<Request> {
        let mut request = Request::default();
        let expanded = response::expand(args.iter().cloned())?;
        let mut rest = Vec::new();
        for arg in &expanded {
            if !request.take(arg)? {
                request.flags.note(&arg.to_string_lossy());
                request.clang_help |= arg == "--help" || arg == "-help";
                rest.push(arg.clone());
            }
        }
        // A response file stays one, unless it held something that clang must not see.
        request.rest = if rest.len() == expanded.len() { args } else { rest };
        Ok(request)
    }

    /// Takes an option that is ours.
    fn take(&mut self, arg: &OsStr) -> anyhow::Result<bool> {
        let text = arg.to_string_lossy();
        if let Some(list) = text.strip_prefix("--jl-targets=") {
            self.targets = Some(list.into());
        } else if let Some(mode) = text.strip_prefix("--jl-fp=") {
            self.fp_fast = match mode {
                "fast" => true,
                "same" => false,
                _ => bail!("--jl-fp={mode}: expected fast or same"),
            };
        } else if text == "--jl-targets" || text == "--jl-fp" {
            bail!("{text} needs a value: {text}=...");
        } else if text.starts_with("--jl-") && self.own.take(arg)? {
            self.for_linker.push(arg.into());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// What the plugin is told. clang puts the string into the module's metadata `llvm.commandline`, so
    /// that it stays with the object through LTO; the plugin sees by it that jl-cc ran.
    fn settings(&self) -> anyhow::Result<String> {
        let from_environment = || std::env::var("JULIA_CPU_TARGET").ok();
        let mut settings = Vec::new();
        if let Some(list) = self.targets.clone().or_else(from_environment) {
            let checked = targets::check(&list, self.flags.arch(Arch::HOST));
            let list = checked.with_context(|| format!("target list \"{list}\""))?;
            settings.push(format!("targets={list}"));
        }
        if self.flags.chooses_cpu {
            settings.push("march=1".into());
        }
        if self.fp_fast {
            settings.push("fp=fast".into());
        }
        if self.own.tunable {
            settings.push("tunable=1".into());
        }
        Ok(format!("jl:{}", settings.join("|")))
    }
}

/// clang's complete arguments.
fn command(request: &Request, cplusplus: bool) -> anyhow::Result<Vec<OsString>> {
    let mut args: Vec<OsString> = Vec::new();
    if cplusplus {
        args.push("--driver-mode=g++".into());
    }
    // Each of these is unused in some call (compile only, link only, assemble), which is no news.
    args.push("--start-no-unused-arguments".into());
    if request.flags.compiles {
        let plugin = plugin().with_context(
            || "found no libjl_pass_plugin.so beside jl-cc; install it there or set JL_PLUGIN to its path",
        )?;
        args.push(joined("-fpass-plugin=", plugin.as_os_str()));
    }
    for word in ["-record-command-line", &request.settings()?] {
        args.extend(["-Xclang".into(), word.into()]);
    }
    if request.flags.uses_our_linker {
        let linker = beside_self("jl-link").context("cannot tell where jl-cc is")?;
        args.push(joined("--ld-path=", linker.as_os_str()));
        // Only so does clang give lld's LTO options to the linker (LLVM 22).
        args.push("-fuse-ld=lld".into());
        args.extend(request.for_linker.iter().map(|option| joined("-Wl,", option)));
    }
    args.push("--end-no-unused-arguments".into());
    let (before, after) = split_at_dashes(&request.rest);
    args.extend_from_slice(before);
    if request.flags.records_command_line {
        // clang records one string only, and its own (with all arguments) wins over ours.
        args.push("-fno-record-command-line".into());
    }
    args.extend_from_slice(after);
    Ok(args)
}

/// What follows `--` are files only.
fn split_at_dashes(args: &[OsString]) -> (&[OsString], &[OsString]) {
    args.split_at(args.iter().position(|a| a == "--").unwrap_or(args.len()))
}

fn joined(option: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(option);
    word.push(value);
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> String {
        let request = Request::parse(args.iter().map(OsString::from).collect()).unwrap();
        request.settings().map_err(|e| format!("{e:#}")).unwrap_or_else(|e| e)
    }

    #[test]
    fn what_the_plugin_is_told() {
        assert_eq!(settings(&["-c", "a.c", "--jl-targets=x86-64;haswell"]), "jl:targets=x86-64;haswell");
        assert_eq!(
            settings(&["--jl-targets= x86-64 ; x86-64-v3 ,clone_all", "-march=haswell", "--jl-fp=fast"]),
            "jl:targets=x86-64;x86-64-v3,clone_all|march=1|fp=fast"
        );
    }

    #[test]
    fn wrong_lists_are_refused() {
        assert!(settings(&["--jl-targets=x86-64;x86-64-v33"]).contains("did you mean x86-64-v3"));
        assert!(settings(&["--jl-targets=x86-64,+avx22"]).contains("avx2"));
        assert!(settings(&["--jl-targets=x86-64;,fma"]).contains("Invalid target option: empty CPU name"));
        let wrong = Request::parse(vec!["--jl-target=x".into()]);
        assert!(format!("{:#}", wrong.unwrap_err()).contains("--jl-target=x"));
    }
}
