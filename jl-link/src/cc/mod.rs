//! `jl-cc`, `jl-c++` and `jl-flang`: clang and flang with the pass plugin and jl-link, and nothing else changed.

pub mod flags;
pub mod language;
pub mod shard;
pub mod targets;

use crate::llvm::{Llvm, beside_self};
use crate::options::OwnOptions;
use crate::response;
use anyhow::{Context, bail};
use flags::Flags;
use image_format::cpu::Arch;
use language::Language;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

const HELP: &str = "\
jl-cc (C), jl-c++ (C++) and jl-flang (Fortran) are clang and flang with one addition: what they compile
holds code for several CPUs, and what they link chooses among it at start. All of their options work; these
are added:
  --jl-targets=LIST  the CPUs, separated by ';', baseline first, in Julia's grammar
                     (default: JULIA_CPU_TARGET, or else 'x86-64;x86-64-v3')
  --jl-fp=fast       let each target contract floating point as it can: results may differ in the last bits
  --jl-fp=same       the same bits at every target (default)
  --jl-tunable       leave calls between clones on their slots, so that each can be changed at run time
  --jl-llvm=16|19|22 the LLVM whose clang, ld.lld and plugin are used (default: JL_LLVM, or else 22);
                     scripts/build-plugin makes the plugins for 16 and 19
  --jl-package       let other images use functions of what is compiled (also: environment JL_PACKAGE=1)
  --jl-dep=FILE      call this image's functions where it has the same as the source, instead of compiling them; FILE
                     is a package that jl-cc has linked. May be given more than once; the first that has a function
                     counts (when compiling also: environment JL_DEPS=FILE:FILE). Not for objects that are optimised
                     at link time (-flto)
  --jl-keep-fallback with --jl-dep: compile all the same, and call this image's functions only if it is loaded and the same
                     as now
  --jl-report=FILE   when linking: a report as JSON (this and jl-link's other options go to jl-link)
  --jl-trace-json=FILE  for units that are compiled in pieces: write the pieces' times for chrome://tracing and
                     Perfetto (%p in FILE is the compiler's process number; also: environment JL_TRACE_JSON)
  --jl-shard         compile one shard of jl-emit, as a job: see jl-cc --jl-shard --help
  --jl-help          print this text
ENVIRONMENT: JL_LLVM, JL_CLANG, JL_FLANG (paths of the compilers), JL_PLUGIN (path of the pass plugin),
             JULIA_CPU_TARGET, JL_PACKAGE, JL_DEPS
EXAMPLES:
  jl-cc -O2 -shared -fPIC a.c -o liba.so
  jl-cc -O2 '--jl-targets=x86-64;x86-64-v3;x86-64-v4' -c a.c
  ./configure CC=jl-cc CXX=jl-c++ FC=jl-flang
  cmake -DCMAKE_C_COMPILER=jl-cc -DCMAKE_CXX_COMPILER=jl-c++ ..
";

/// Options of ours that are nothing without a value.
const WITH_VALUE: [&str; 4] = ["--jl-targets", "--jl-fp", "--jl-trace-json", "--jl-dep"];

/// Becomes clang. `args` include the program's name.
///
/// # Errors
/// A wrong option of ours, a target list that cannot be, or a tool that is missing.
pub fn run(args: Vec<OsString>) -> anyhow::Result<std::convert::Infallible> {
    let mut args = args.into_iter();
    let program = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let language = Language::of_program(&program);
    if shard::is_wanted(&args) {
        return shard::run(args);
    }
    if args.first().is_some_and(|a| language.is_front_end(a)) {
        return Err(become_program(&language.compiler(Llvm::choose(None)?)?, &args, &[]));
    }
    let request = Request::parse(args)?;
    if request.own.help {
        print!("{HELP}");
        std::process::exit(0);
    }
    if request.clang_help {
        println!("{HELP}");
    }
    if let Some(option) = request.without_effect() {
        eprintln!(
            "jl-cc: warning: {option} has no effect on code that -flto optimises at link time: nothing is offered or taken; \
             compile with -fno-lto"
        );
    }
    let environment = request.environment()?;
    let llvm = Llvm::choose(request.own.llvm)?;
    let command = command(&request, llvm, language)?;
    Err(become_program(&language.compiler(llvm)?, &command, &environment))
}

fn become_program(program: &Path, args: &[OsString], environment: &[(&str, OsString)]) -> anyhow::Error {
    let environment = environment.iter().map(|(name, value)| (name, value));
    let error = Command::new(program).envs(environment).args(args).exec();
    anyhow::Error::new(error).context(format!("cannot run {}", program.display()))
}

/// A command line, split into what is ours and what is clang's.
#[derive(Debug, Default)]
struct Request {
    own: OwnOptions,
    /// Options for jl-link as they were written.
    for_linker: Vec<OsString>,
    targets: Option<String>,
    /// Where the plugin writes the times of what it compiles in pieces.
    trace: Option<String>,
    fp_fast: bool,
    package: bool,
    /// Images whose functions may be used.
    dependencies: Vec<OsString>,
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
        } else if let Some(file) = text.strip_prefix("--jl-trace-json=").filter(|file| !file.is_empty()) {
            self.trace = Some(file.into());
        } else if text == "--jl-package" {
            self.package = true;
        } else if let Some(file) = arg.as_bytes().strip_prefix(b"--jl-dep=").filter(|file| !file.is_empty()) {
            self.dependencies.push(OsStr::from_bytes(file).into());
            // As it was written: jl-link has an option of this name.
            self.for_linker.push(arg.into());
        } else if WITH_VALUE.contains(&text.trim_end_matches('=')) {
            let option = text.trim_end_matches('=');
            bail!("{option} needs a value: {option}=...");
        } else if text.starts_with("--jl-") && self.own.take(arg)? {
            self.for_linker.push(arg.into());
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The target list that was chosen, by option or environment, without blanks and empty pieces.
    fn checked_targets(&self) -> anyhow::Result<Option<String>> {
        let from_environment = || std::env::var("JULIA_CPU_TARGET").ok();
        let Some(list) = self.targets.clone().or_else(from_environment) else { return Ok(None) };
        let checked = targets::check(&list, self.flags.arch(Arch::HOST));
        checked.map(Some).with_context(|| format!("target list \"{list}\""))
    }

    /// What reaches the plugin by the environment: the times' file, packages, and the targets for what knows no
    /// settings of ours, bitcode of other compilers, which the linker hands to the plugin.
    fn environment(&self) -> anyhow::Result<Vec<(&'static str, OsString)>> {
        let targets = self.checked_targets()?.map(|targets| ("JULIA_CPU_TARGET", targets.into()));
        let trace = self.trace.as_ref().map(|file| ("JL_TRACE_JSON", file.into()));
        let package = (self.package || self.own.keep_fallback).then(|| ("JL_PACKAGE", "1".into()));
        let dependencies = self.dependency_list(std::env::var_os("JL_DEPS"))?.map(|list| ("JL_DEPS", list));
        Ok(targets.into_iter().chain(trace).chain(package).chain(dependencies).collect())
    }

    /// An option for packages that -flto makes idle.
    fn without_effect(&self) -> Option<&'static str> {
        let is_idle = self.flags.lto && self.flags.compiles;
        let option = if self.package { "--jl-package" } else { "--jl-dep" };
        (is_idle && (self.package || !self.dependencies.is_empty())).then_some(option)
    }

    /// The images that were named, before those of the environment; `None` where the command line names none.
    fn dependency_list(&self, environment: Option<OsString>) -> anyhow::Result<Option<OsString>> {
        // Copies are to stay: what they have in common with the image is the linker's to find.
        if self.dependencies.is_empty() || self.own.keep_fallback {
            return Ok(None);
        }
        let environment = environment.iter().flat_map(std::env::split_paths).map(OsString::from);
        let all = self.dependencies.iter().cloned().chain(environment.filter(|file| !file.is_empty()));
        let list = std::env::join_paths(all);
        list.map(Some)
            .context("--jl-dep: a file whose name has ':' cannot stand in the list JL_DEPS; rename it")
    }

    /// The options that make jl-link the linker; none where the user chose another.
    fn linker(&self, language: Language) -> anyhow::Result<Vec<OsString>> {
        if !self.flags.uses_our_linker {
            return Ok(Vec::new());
        }
        let linker = beside_self("jl-link").context("cannot tell where jl-cc is")?;
        let mut args = language.linker(linker.as_os_str());
        args.extend(self.for_linker.iter().map(|option| joined("-Wl,", option)));
        Ok(args)
    }

    /// What the plugin is told. clang puts the string into the module's metadata `llvm.commandline`, so
    /// that it stays with the object through LTO; the plugin sees by it that jl-cc ran.
    fn settings(&self) -> anyhow::Result<String> {
        let mut settings = Vec::new();
        if let Some(list) = self.checked_targets()? {
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

/// The compiler's complete arguments.
fn command(request: &Request, llvm: Llvm, language: Language) -> anyhow::Result<Vec<OsString>> {
    let mut args: Vec<OsString> = Vec::new();
    // Each of these is unused in some call (compile only, link only, assemble), which is no news.
    let (quiet, loud): (&str, &[&str]) = match language {
        Language::C | Language::Cxx => ("--start-no-unused-arguments", &["--end-no-unused-arguments"]),
        // flang cannot say where it ends.
        Language::Fortran => ("-Qunused-arguments", &[]),
    };
    if language == Language::Cxx {
        args.push("--driver-mode=g++".into());
    }
    args.push(quiet.into());
    if request.flags.compiles {
        let plugin = llvm.plugin()?;
        args.push(joined("-fpass-plugin=", plugin.as_os_str()));
    }
    for word in ["-record-command-line", &request.settings()?] {
        args.extend([language.to_front_end().into(), word.into()]);
    }
    let linker = request.linker(language)?;
    // clang takes its --ld-path in any place; of flang's -fuse-ld the last counts.
    let (first, last) = if language == Language::Fortran { (vec![], linker) } else { (linker, vec![]) };
    args.extend(first);
    args.extend(loud.iter().map(OsString::from));
    let (before, after) = split_at_dashes(&request.rest);
    args.extend_from_slice(before);
    args.extend(last);
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
    fn packages_reach_the_plugin_and_dependencies_the_linker_too() {
        let parse = |args: &[&str]| Request::parse(args.iter().map(OsString::from).collect()).unwrap();
        assert_eq!(parse(&["a.c", "--jl-package", "-flto=thin"]).without_effect(), Some("--jl-package"));
        assert_eq!(parse(&["a.c", "--jl-dep=a.so", "-flto"]).without_effect(), Some("--jl-dep"));
        assert_eq!(parse(&["a.c", "--jl-package"]).without_effect(), None);
        assert_eq!(parse(&["a.c", "-flto"]).without_effect(), None);
        let request = parse(&["-c", "a.c", "--jl-package", "--jl-dep=b.so", "--jl-dep=a.so"]);
        assert!(request.environment().unwrap().contains(&("JL_PACKAGE", "1".into())));
        assert_eq!(request.for_linker, ["--jl-dep=b.so", "--jl-dep=a.so"]);
        assert_eq!(request.rest, ["-c", "a.c"]);
        let list = |environment: &str| request.dependency_list(Some(environment.into())).unwrap();
        assert_eq!(list("c.so:d.so"), Some("b.so:a.so:c.so:d.so".into()));
        assert_eq!(list(""), Some("b.so:a.so".into()));
        assert_eq!(parse(&["-c"]).dependency_list(Some("c.so".into())).unwrap(), None);
        let keeps = parse(&["-c", "a.c", "--jl-dep=b.so", "--jl-keep-fallback"]);
        assert_eq!(keeps.environment().unwrap(), [("JL_PACKAGE", "1".into())]);
        assert_eq!(keeps.for_linker, ["--jl-dep=b.so", "--jl-keep-fallback"]);
        let colon = parse(&["--jl-dep=a:b.so"]).dependency_list(None).unwrap_err();
        assert!(format!("{colon:#}").contains("rename it"), "{colon:#}");
    }

    #[test]
    fn wrong_lists_are_refused() {
        assert!(settings(&["--jl-targets=x86-64;x86-64-v33"]).contains("did you mean x86-64-v3"));
        assert!(settings(&["--jl-targets=x86-64,+avx22"]).contains("avx2"));
        assert!(settings(&["--jl-targets=x86-64;,fma"]).contains("Invalid target option: empty CPU name"));
        for wrong in ["--jl-target=x", "--jl-targets", "--jl-fp=", "--jl-trace-json=", "--jl-dep="] {
            let error = Request::parse(vec![wrong.into()]).unwrap_err();
            assert!(format!("{error:#}").contains(wrong.trim_end_matches('=')), "{error:#}");
        }
    }
}
