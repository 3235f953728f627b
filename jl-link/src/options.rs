//! jl-link's own options, `--jl-...`; everything else is lld's.

use crate::cache::CacheCommand;
use crate::error::{Error, Result};
use crate::llvm::Llvm;
use crate::packages::dedup_set::Form;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What the user asked of jl-link itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnOptions {
    pub help: bool,
    /// Nothing is linked: the cache is looked at or emptied.
    pub cache: Option<CacheCommand>,
    pub report: Option<PathBuf>,
    /// A header in C of what the output exports for C.
    pub header: Option<PathBuf>,
    /// Images that functions and data are taken from.
    pub dependencies: Vec<PathBuf>,
    /// Nothing is linked: this image is made to fit `dependencies`.
    pub relink: Option<PathBuf>,
    /// Nothing is linked: the images on the command line are compared.
    pub dedup_set: Option<Form>,
    /// An image is made of what those have in common.
    pub shared_image: Option<PathBuf>,
    /// Copies of what dependencies have stay, for when these cannot be used.
    pub keep_fallback: bool,
    /// The output takes nothing from other images.
    pub base: bool,
    /// Bitcode is compiled file by file before the link.
    pub separately: bool,
    pub summary: bool,
    pub verbose: bool,
    pub keep_temps: bool,
    pub tunable: bool,
    pub bind_local: bool,
    pub no_relr: bool,
    /// Whose ld.lld and plugin.
    pub llvm: Option<Llvm>,
    /// Another shim object than the embedded one (development and tests).
    pub shim: Option<PathBuf>,
}

pub const HELP: &str = "\
jl-link links with ld.lld and makes one code image of objects that jl-cc or the pass plugin
compiled for several CPUs. Objects without function records are linked as lld would.

USAGE: clang-22 --ld-path=/path/to/jl-link ... (or jl-cc, which does that), with ld's options and:
  --jl-report=FILE   write a report as JSON: functions, clones, calls, bytes, and what was not cloned and why
  --jl-header=FILE   write a header in C of the functions that a front end exported for C
  --jl-dep=FILE      an image that the objects take functions from (may be given several times); what objects of
                     jl-cc --jl-package have in common with it leaves them, and pointers to data of its section
                     jl_linkage are filled without a look-up by name
  --jl-keep-fallback what objects of jl-cc --jl-package have in common with a dependency stays, and runs where the
                     dependency is missing or another one; the image does not ask for it to be loaded
  --jl-base          make a base image: it takes nothing from other images, and its load verifies its header alone
  --jl-separately    compile each file of bitcode among the inputs for itself, where lld would optimise all of them together:
                     so packages work with it. Package images among the inputs are dependencies, and an output with Rust's
                     metadata, which crates are compiled against, is a package itself (cargo jl --jl-package asks for this)
  --jl-summary       print a short summary on stderr (also: environment JL_LINK_SUMMARY=1)
  --jl-verbose       print the lld command line on stderr
  --jl-tunable       leave all calls between clones on their slots, so that each can be changed at run time
  --jl-bind-local    bind calls to exported functions of this image, which other libraries could replace
  --jl-no-relr       do not pack relative relocations: the image then loads with glibc before 2.36
  --jl-llvm=16|19|22 which LLVM's ld.lld and plugin (default: environment JL_LLVM, or else 22)
  --jl-keep-temps    keep the temporary directory beside the output and say where it is
  --jl-shim=FILE     embed this shim object instead of the built-in one
  --jl-help          print this text
and without a link:
  --jl-relink=OLD --jl-dep=FILE -o NEW
                     make an image fit a dependency that was rebuilt and still has what the image takes from it
  --jl-dedup-set A.so B.so ...
                     which functions several images hold, and how many bytes of code that is (=json: as JSON)
  --jl-shared-image=FILE --jl-dedup-set A.so B.so ... OBJECTS
                     link what the images share, of the objects that they were linked from, into an image to give to
                     --jl-dep when they are linked again
  --jl-cache-stats   what is in the cache of compiled pieces and what it was good for (=json: as JSON)
  --jl-cache-clear   remove everything from that cache
ENVIRONMENT: JL_LLVM, JL_LLD (path of ld.lld), JL_PLUGIN (path of the pass plugin, for bitcode inputs);
  JL_CACHE_DIR (default: $XDG_CACHE_HOME/julienne or ~/.cache/julienne), JL_CACHE_SIZE (default: 5G),
  JL_CACHE=0 (no cache)
EXAMPLES: clang-22 -shared -fPIC --ld-path=/opt/julienne/bin/jl-link a.o b.o -o lib.so -Wl,--jl-report=r.json
  jl-cc -shared a.o b.o --jl-dep=libbase.so -lbase -o lib.so
  jl-cc -shared a.o b.o --jl-dep=libbase.so -Wl,--jl-keep-fallback -o plugin.so
  jl-link --jl-dedup-set=json lib*.so
  jl-c++ -shared --jl-shared-image=libcommon.so --jl-dedup-set libone.so libtwo.so one.o two.o
  JL_CACHE_DIR=/var/cache/ci jl-link --jl-cache-stats
";

impl OwnOptions {
    /// Takes `arg` if it is one of ours. Both `--jl-x` and `-jl-x` are read, as lld reads its own.
    pub fn take(&mut self, arg: &OsStr) -> Result<bool> {
        let bytes = arg.as_bytes();
        let Some(name) = bytes.strip_prefix(b"--jl-").or_else(|| bytes.strip_prefix(b"-jl-")) else {
            return Ok(false);
        };
        let option = arg.to_string_lossy().into_owned();
        let (name, value) = match name.iter().position(|b| *b == b'=') {
            Some(at) => (&name[..at], Some(PathBuf::from(OsStr::from_bytes(&name[at + 1..])))),
            None => (name, None),
        };
        let flag = match name {
            b"report" | b"shim" | b"header" | b"dep" | b"relink" | b"shared-image" => {
                let value = value.filter(|v| !v.as_os_str().is_empty());
                let value = value.ok_or(Error::Option { option, problem: "needs a file: --jl-...=FILE" })?;
                if name == b"dep" {
                    self.dependencies.push(value);
                    return Ok(true);
                }
                let file = match name {
                    b"report" => &mut self.report,
                    b"header" => &mut self.header,
                    b"relink" => &mut self.relink,
                    b"shared-image" => &mut self.shared_image,
                    _ => &mut self.shim,
                };
                *file = Some(value);
                return Ok(true);
            }
            b"llvm" => {
                let value = value.unwrap_or_default();
                self.llvm = Some(Llvm::from_option(&value.to_string_lossy())?);
                return Ok(true);
            }
            b"cache-stats" => {
                self.cache = Some(match value.as_deref().map(|v| v.as_os_str().as_bytes()) {
                    None | Some(b"text") => CacheCommand::Stats,
                    Some(b"json") => CacheCommand::StatsAsJson,
                    Some(_) => {
                        let problem = "has an unknown form; known are --jl-cache-stats=json and =text";
                        return Err(Error::Option { option, problem });
                    }
                });
                return Ok(true);
            }
            b"dedup-set" => {
                self.dedup_set = Some(match value.as_deref().map(|v| v.as_os_str().as_bytes()) {
                    None | Some(b"text") => Form::Text,
                    Some(b"json") => Form::Json,
                    Some(_) => {
                        let problem = "has an unknown form; known are --jl-dedup-set=json and =text, with files behind it";
                        return Err(Error::Option { option, problem });
                    }
                });
                return Ok(true);
            }
            b"cache-clear" if value.is_none() => {
                self.cache = Some(CacheCommand::Clear);
                return Ok(true);
            }
            b"cache-clear" => return Err(Error::Option { option, problem: "takes no value" }),
            b"help" => &mut self.help,
            b"separately" => &mut self.separately,
            b"summary" => &mut self.summary,
            b"verbose" => &mut self.verbose,
            b"keep-temps" => &mut self.keep_temps,
            b"tunable" => &mut self.tunable,
            b"bind-local" => &mut self.bind_local,
            b"keep-fallback" => &mut self.keep_fallback,
            b"base" => &mut self.base,
            b"no-relr" => &mut self.no_relr,
            _ => return Err(Error::UnknownOption { option }),
        };
        if value.is_some() {
            return Err(Error::Option { option, problem: "takes no value" });
        }
        *flag = true;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_options() {
        let mut own = OwnOptions::default();
        assert!(own.take(OsStr::new("--jl-report=a b")).unwrap());
        assert!(own.take(OsStr::new("-jl-tunable")).unwrap());
        assert!(!own.take(OsStr::new("--gc-sections")).unwrap());
        assert!(own.take(OsStr::new("--jl-llvm=19")).unwrap());
        assert!(own.take(OsStr::new("--jl-cache-stats=json")).unwrap());
        assert_eq!((own.report, own.tunable, own.llvm), (Some("a b".into()), true, Some(Llvm::V19)));
        assert_eq!(own.cache, Some(CacheCommand::StatsAsJson));
        for bad in [
            "--jl-reports",
            "--jl-report",
            "--jl-report=",
            "--jl-tunable=1",
            "--jl-llvm",
            "--jl-llvm=18",
            "--jl-cache-stats=yaml",
            "--jl-cache-clear=1",
            "--jl-dedup-set=a.so",
            "--jl-keep-fallback=1",
            "--jl-base=1",
        ] {
            assert!(OwnOptions::default().take(OsStr::new(bad)).is_err(), "{bad}");
        }
    }
}
