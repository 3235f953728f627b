//! `cargo jl`: cargo for several CPUs. rustc emits bitcode for the linker, jl-cc links it, and the plugin clones
//! in lld's link-time optimisation; nothing of the user's flags and configuration is lost.

pub mod request;

use crate::cc::targets;
use crate::lld::tool_identity;
use crate::llvm::beside_self;
use anyhow::{Context, bail, ensure};
use cargo_config2::{Config, Flags};
use image_format::cpu::Arch;
use request::Request;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use xxhash_rust::xxh64::Xxh64;

const HELP: &str = "\
cargo jl is cargo with one addition: programs, libraries and tests that it links hold code for several CPUs,
and choose among it at start. All of cargo's subcommands and options work; these are added:
  --jl-targets=LIST  the CPUs, separated by ';', baseline first, in Julia's grammar
                     (default: JULIA_CPU_TARGET, or else 'x86-64;x86-64-v3')
  --jl-package       let libraries use functions of dylib crates in place of their own: these export what they have, and
                     what is linked with them takes it. The standard library is linked dynamically, so that there
                     is one for all; a crate is compiled in one piece
  --jl-summary       print what each link made of it (this and jl-link's other options go to jl-link)
  --jl-help          print this text
Files are in target/TRIPLE/, as with cargo's --target: so build scripts and procedural macros stay as they are.
C and C++ that build scripts compile by the crate cc goes through jl-cc too, unless CC says otherwise. Link-time
optimisation that a profile asks for is left to the linker, which does it anyway.
NEEDS: rustc with LLVM 22 (see rustc -vV), clang-22, lld-22, and jl-cc beside cargo-jl.
ENVIRONMENT: JULIA_CPU_TARGET; RUSTFLAGS, CARGO_ENCODED_RUSTFLAGS and cargo's configuration are kept
EXAMPLES:
  cargo jl build --release
  cargo jl test --release '--jl-targets=x86-64;x86-64-v3;x86-64-v4'
  JL_LOAD_TARGET=0 cargo jl test --release          # the same tests at the baseline
  jl-load explain target/x86_64-unknown-linux-gnu/release/PROGRAM
";

/// The LLVM that reads rustc's bitcode: jl-link's lld and the plugin.
const LLVM_MAJOR: u32 = 22;

/// Becomes cargo. `args` include the program's name.
///
/// # Errors
/// A wrong option, a rustc of another LLVM, a platform without images, or a tool that is missing.
pub fn run(args: Vec<OsString>) -> anyhow::Result<std::convert::Infallible> {
    let mut args: Vec<OsString> = args.into_iter().skip(1).collect();
    // `cargo jl` runs `cargo-jl jl`.
    if args.first().is_some_and(|a| a == "jl") {
        args.remove(0);
    }
    let request = Request::parse(args)?;
    if request.help {
        print!("{HELP}");
        std::process::exit(0);
    }
    let config = Config::load().context("cargo's configuration")?;
    let triple = triple(&config, &request)?;
    let arch = Arch::from_triple(&triple).filter(|_| triple.contains("linux"));
    let arch = arch.with_context(|| format!("no code images for {triple}: expected Linux on x86-64"))?;
    check_llvm(&config)?;
    if request.is_unoptimized() {
        eprintln!(
            "cargo-jl: note: functions are cloned where code is optimised: add --release, or set opt-level"
        );
    }
    let list = targets(&request, arch)?;
    let mut command = Command::new(config.cargo());
    command.args(&request.rest);
    set_flags(&mut command, &config, &triple, list.as_deref(), &request)?;
    set_c_compilers(&mut command, &triple, list.as_deref())?;
    let error = command.exec();
    Err(anyhow::Error::new(error).context(format!("cannot run {}", config.cargo().display())))
}

/// The platform to build for: by option, by configuration, or this one.
fn triple(config: &Config, request: &Request) -> anyhow::Result<String> {
    let triples = config.build_target_for_config(request.triples.iter().map(String::as_str))?;
    match &triples[..] {
        [one] => Ok(one.triple().to_string()),
        _ => bail!("{} platforms at once; build for one after the other: --target TRIPLE", triples.len()),
    }
}

fn check_llvm(config: &Config) -> anyhow::Result<()> {
    let rustc = config.rustc();
    let output = Command::new(&rustc.path).args(&rustc.args).arg("-vV").output();
    let output = output.with_context(|| format!("cannot run {}", rustc.path.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = llvm_version(&text).with_context(|| format!("{} -vV names no LLVM", rustc.path.display()))?;
    ensure!(
        found.split('.').next() == Some(&LLVM_MAJOR.to_string()),
        "rustc has LLVM {found}, but the linker and the plugin have LLVM {LLVM_MAJOR} and cannot be relied on to \
         read its bitcode; use a Rust with LLVM {LLVM_MAJOR} (rustc -vV says which; 1.95 has it), for example \
         cargo +1.95 jl ..."
    );
    Ok(())
}

/// `rustc -vV` has a line `LLVM version: 22.1.2`.
fn llvm_version(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("LLVM version: ")).map(str::trim)
}

fn targets(request: &Request, arch: Arch) -> anyhow::Result<Option<String>> {
    let from_environment = || std::env::var("JULIA_CPU_TARGET").ok();
    let Some(list) = request.targets.clone().or_else(from_environment) else { return Ok(None) };
    let checked = targets::check(&list, Some(arch));
    checked.map(Some).with_context(|| format!("target list \"{list}\""))
}

/// cargo takes rustc's flags from one place only; so what it would have taken is read first, and ours follow.
fn set_flags(
    command: &mut Command,
    config: &Config,
    triple: &str,
    targets: Option<&str>,
    request: &Request,
) -> anyhow::Result<()> {
    let ours = our_flags(&beside("jl-cc")?, &tools()?, targets, request)?;
    let all = |users: Option<Flags>| -> anyhow::Result<String> {
        let mut flags = users.unwrap_or_default();
        if let Some(flag) = unheeded(&flags.flags).filter(|_| request.packages) {
            bail!(
                "{flag} would have no effect: rustc leaves all of the optimisation to jl-link with --jl-package; \
                 leave one of them out"
            );
        }
        ours.iter().for_each(|flag| flags.push(flag));
        Ok(flags.encode()?)
    };
    command.env("CARGO_ENCODED_RUSTFLAGS", all(config.rustflags(triple)?)?);
    // Documentation tests are linked by rustdoc.
    command.env("CARGO_ENCODED_RUSTDOCFLAGS", all(config.rustdocflags(triple)?)?);
    // With a platform named, and be it this one, cargo keeps build scripts and procedural macros apart.
    command.env("CARGO_BUILD_TARGET", triple);
    Ok(())
}

/// What jl-link and jl-cc read besides options.
const VARIABLES: [&str; 3] = ["JL_PACKAGE", "JL_DEPS", "JL_LLVM"];

/// A hash of what the tools are that make something of rustc's bitcode, and of what else they go by.
fn tools() -> anyhow::Result<String> {
    let mut hash = Xxh64::new(0);
    for variable in VARIABLES {
        if let Some(value) = std::env::var_os(variable) {
            hash.update(format!("{variable}={}\0", value.display()).as_bytes());
        }
    }
    for file in ["jl-cc", "jl-link", "libjl_pass_plugin.so"] {
        hash.update(&tool_identity(&beside(file)?));
    }
    Ok(format!("{:016x}", hash.digest()))
}

/// Flags of rustc. The linker stands here and not in cargo's configuration, where it would hold for build
/// scripts too. A link gets the target list as an option, so that cargo sees another list as another build, and so with other tools or variables, by
/// a cfg that nobody asks for.
///
/// What profiles say is overruled here, as nothing that cargo reads holds for every profile and package. rustc's own link-time optimisation
/// would vectorise before anything is cloned, and be done twice. In packages a crate is one module: between several, instances of
/// generic code are no longer local, and nothing is inlined.
fn our_flags(
    linker: &Path,
    tools: &str,
    targets: Option<&str>,
    request: &Request,
) -> anyhow::Result<Vec<String>> {
    let linker = linker.to_str().with_context(|| format!("{} is not UTF-8", linker.display()))?;
    let mut flags = vec!["-Clinker-plugin-lto".to_string(), "-Clto=off".into(), format!("-Clinker={linker}")];
    flags.push(format!("--cfg=julienne=\"{tools}\""));
    // After what the user may have chosen: only lld takes the plugin.
    flags.push("-Clink-arg=-fuse-ld=lld".into());
    if request.packages {
        // What the front end wrote is what identities are of.
        let packages = [
            "-Cno-prepopulate-passes",
            "-Ccodegen-units=1",
            "-Cprefer-dynamic",
            "-Clink-arg=--jl-separately",
        ];
        flags.extend(packages.map(String::from));
    }
    flags.extend(targets.map(|list| format!("-Clink-arg=--jl-targets={list}")));
    flags.extend(request.for_linker.iter().map(|option| format!("-Clink-arg={}", option.to_string_lossy())));
    Ok(flags)
}

/// The first of the user's flags that only rustc's own optimisation heeds: packages do without that.
fn unheeded(flags: &[String]) -> Option<&str> {
    let words = |flag: &&String| {
        let word = flag.strip_prefix("-C").unwrap_or(flag).trim_start();
        ["profile-generate", "profile-use"].contains(&word.split('=').next().unwrap_or(word))
    };
    flags.iter().find(words).map(String::as_str)
}

/// The crate `cc` asks for these variables, from the most special to the most general.
fn set_c_compilers(command: &mut Command, triple: &str, targets: Option<&str>) -> anyhow::Result<()> {
    let under = triple.replace('-', "_");
    for (variable, compiler) in [("CC", "jl-cc"), ("CXX", "jl-c++")] {
        let names =
            [format!("{variable}_{triple}"), format!("{variable}_{under}"), format!("TARGET_{variable}")];
        let chosen =
            names.iter().any(|n| std::env::var_os(n).is_some()) || std::env::var_os(variable).is_some();
        let path = beside(compiler)?;
        if !chosen && path.is_file() {
            command.env(&names[1], path);
        }
    }
    if let Some(list) = targets {
        command.env("JULIA_CPU_TARGET", list);
    }
    Ok(())
}

fn beside(file: &str) -> anyhow::Result<PathBuf> {
    beside_self(file).with_context(|| "cannot tell where cargo-jl is")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_name_the_linker_and_the_targets() {
        let request =
            |packages| Request { packages, for_linker: vec!["--jl-summary".into()], ..Request::default() };
        let flags = |packages| {
            our_flags(Path::new("/opt/jl-cc"), "0123", Some("x86-64;haswell"), &request(packages)).unwrap()
        };
        assert_eq!(
            flags(false),
            [
                "-Clinker-plugin-lto",
                "-Clto=off",
                "-Clinker=/opt/jl-cc",
                "--cfg=julienne=\"0123\"",
                "-Clink-arg=-fuse-ld=lld",
                "-Clink-arg=--jl-targets=x86-64;haswell",
                "-Clink-arg=--jl-summary",
            ]
        );
        let of_packages = flags(true);
        for flag in
            ["-Cno-prepopulate-passes", "-Ccodegen-units=1", "-Cprefer-dynamic", "-Clink-arg=--jl-separately"]
        {
            assert!(of_packages.iter().any(|found| found == flag), "{flag}: {of_packages:?}");
        }
    }

    #[test]
    fn flags_that_would_be_lost_are_known() {
        let found = |flags: &[&str]| {
            let flags: Vec<String> = flags.iter().map(ToString::to_string).collect();
            unheeded(&flags).map(String::from)
        };
        for flag in
            ["-Cprofile-generate", "-Cprofile-use=a.profdata", "-C profile-generate=folder", "profile-use=a"]
        {
            assert_eq!(found(&["-C", "debuginfo=1", "-C", flag]).as_deref(), Some(flag));
        }
        assert_eq!(found(&["-Cinstrument-coverage", "-Copt-level=2", "--cfg=profile"]), None);
    }

    #[test]
    fn rustc_names_its_llvm() {
        assert_eq!(llvm_version("rustc 1.95.0\nhost: x\nLLVM version: 22.1.2\n"), Some("22.1.2"));
        assert_eq!(llvm_version("rustc 1.95.0\n"), None);
    }
}
