//! `jl-cc --jl-shard`: one shard of `jl-emit` becomes an object. What engines on other machines run.

use crate::llvm::Llvm;
use anyhow::{Context, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The option; `--jl-shard=stamped` adds a stamp to the object.
const OPTION: &str = "--jl-shard";

/// Tells the plugin that the module must be a shard.
const SHARD: &str = "JL_SHARD";
/// Names the shard's file to the plugin, which then stamps the object.
const STAMP: &str = "JL_SHARD_STAMP";

pub const HELP: &str = "\
jl-cc --jl-shard -c SHARD -o OBJECT compiles one shard that jl-emit has written (form=unopt-bc or jobs=DIR),
whatever the file is called, on one thread. The shard says itself for which CPUs and how. The object is, byte for
byte, what jl-emit makes of the shard in its own process. Needs LLVM 22's clang, and the pass plugin beside jl-cc.
  --jl-shard=stamped  end the object with a line that tells the shard, the object and who compiled it by hashes:
                     the engines of jl-emit check it and take it off again
ENVIRONMENT: JL_CLANG (path of clang), JL_PLUGIN (path of the pass plugin)
EXAMPLES:
  jl-cc --jl-shard -c unopt_3.bc -o shard_3.o
  distcc jl-cc --jl-shard -c shard_3.i -o shard_3.o
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    input: PathBuf,
    output: PathBuf,
    stamped: bool,
}

/// Whether this is a command line for one shard.
pub fn is_wanted(args: &[OsString]) -> bool {
    args.iter().any(|arg| arg.to_str().is_some_and(|a| a == OPTION || a.starts_with("--jl-shard=")))
}

/// Becomes clang.
///
/// # Errors
/// A command line of another form, a file that is no bitcode, an LLVM whose clang cannot do it.
pub fn run(args: Vec<OsString>) -> anyhow::Result<std::convert::Infallible> {
    if args.iter().any(|a| a == "--help" || a == "--jl-help") {
        print!("{HELP}");
        std::process::exit(0);
    }
    let request = Request::parse(args)?;
    let llvm = Llvm::choose(None)?;
    ensure!(
        llvm == Llvm::V22,
        "{OPTION} needs LLVM 22, but LLVM {llvm} is chosen: clang asks plugins for code from 22 on; unset JL_LLVM"
    );
    check_bitcode(&request.input)?;
    let clang = llvm.tool("JL_CLANG", "clang", "clang")?;
    let mut command = Command::new(&clang);
    command.args(["-c", "-x", "ir", "-Xclang", "-disable-llvm-passes"]);
    command.arg(super::joined("-fpass-plugin=", llvm.plugin()?.as_os_str()));
    command.arg(&request.input).arg("-o").arg(&request.output);
    command.env(SHARD, "1").env_remove(STAMP);
    if request.stamped {
        command.env(STAMP, &request.input);
    }
    // Whoever runs jobs counts on one thread for each, and reports of one job would overwrite another's.
    command.env("JULIA_IMAGE_THREADS", "1").env_remove("JL_TRACE_JSON");
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(anyhow::Error::new(error).context(format!("cannot run {}", clang.display())))
}

impl Request {
    fn parse(args: Vec<OsString>) -> anyhow::Result<Request> {
        let (mut compiles, mut stamped, mut input, mut output) = (false, false, None, None);
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("-c") => compiles = true,
                Some(OPTION) => {}
                Some("--jl-shard=stamped") => stamped = true,
                Some("-o") => output = Some(args.next().context("-o needs a file")?),
                Some(option) if option.starts_with('-') => bail!(
                    "{option}: {OPTION} takes no other options, because a shard says itself how it is compiled; {}",
                    expected()
                ),
                _ if input.is_some() => bail!("{}: a second shard; {}", arg.display(), expected()),
                _ => input = Some(arg),
            }
        }
        let input = input.with_context(|| format!("no shard was named; {}", expected()))?;
        let output = output.with_context(|| format!("no output was named; {}", expected()))?;
        ensure!(compiles, "shards are only compiled, not linked; {}", expected());
        Ok(Request { input: input.into(), output: output.into(), stamped })
    }
}

fn expected() -> String {
    format!("expected: jl-cc {OPTION} -c SHARD -o OBJECT")
}

/// clang would take other files for LLVM's assembly language and complain of its syntax.
fn check_bitcode(path: &Path) -> anyhow::Result<()> {
    let mut start = [0; 4];
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    match { file }.read_exact(&mut start) {
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => {
            Err(error).with_context(|| format!("cannot read {}", path.display()))
        }
        Ok(()) if &start == b"BC\xc0\xde" => Ok(()),
        _ => bail!(
            "{} is no shard: found no bitcode, expected what jl-emit writes with form=unopt-bc or jobs=DIR",
            OsStr::new(path).display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Request, String> {
        let args: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        assert!(is_wanted(&args), "{text}");
        Request::parse(args).map_err(|e| e.to_string())
    }

    #[test]
    fn command_lines() {
        let request = Request { input: "a.i".into(), output: "a.o".into(), stamped: false };
        assert_eq!(parse("--jl-shard -c a.i -o a.o"), Ok(request));
        let stamped = Request { input: "a.bc".into(), output: "b".into(), stamped: true };
        assert_eq!(parse("-o b a.bc -c --jl-shard=stamped"), Ok(stamped));
        for (text, words) in [
            ("--jl-shard -c a.i", "no output"),
            ("--jl-shard -c -o a.o", "no shard"),
            ("--jl-shard -c a.i -o", "-o needs a file"),
            ("--jl-shard a.i -o a.o", "only compiled"),
            ("--jl-shard -c a.i b.i -o a.o", "b.i: a second shard"),
            ("--jl-shard -O2 -c a.i -o a.o", "-O2: --jl-shard takes no other options"),
            ("--jl-shard=other -c a.i -o a.o", "--jl-shard=other"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(!is_wanted(&["-c".into(), "--jl-shards".into()]));
    }
}
