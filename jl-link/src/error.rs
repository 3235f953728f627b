//! What can go wrong in a link, each with file, place, found, expected and what to do.
//!
//! A cause stands in the middle of its message and is therefore not also given as `source`: whoever prints
//! the chain of causes would print it twice.

use crate::llvm::Llvm;
use image_format::cache::CacheError;
use image_format::dependency::DependencyError;
use image_format::julia::TableError;
use image_format::record::RecordError;
use image_format::specs::SpecsError;
use std::io;
use std::path::PathBuf;

pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("unknown option {option}; jl-link's own options are listed by --jl-help")]
    UnknownOption { option: String },
    #[error("option {option} {problem}")]
    Option { option: String, problem: &'static str },
    #[error("cannot read response file {}: {cause}", path.display())]
    ResponseFile { path: PathBuf, cause: io::Error },
    #[error("{source_name}: found '{value}', but there are plugins for LLVM 16, 19 and 22")]
    UnknownLlvm { source_name: &'static str, value: String },
    #[error(
        "found no {tool} of LLVM {llvm} (tried {tried}); install {package} or set {variable} to its path"
    )]
    NoTool { tool: String, llvm: Llvm, tried: String, package: String, variable: &'static str },
    #[error(
        "found no {file}, the plugin for LLVM {llvm}, beside this program; build it \
             (scripts/build-plugin {llvm}), install it there, or set JL_PLUGIN to its path"
    )]
    NoPlugin { file: String, llvm: Llvm },
    #[error(
        "this jl-link was built without the object that goes into every {arch} image; add Rust's core library \
             for it (rustup target add {arch}-unknown-none) and build again, or give an object by --jl-shim=FILE"
    )]
    NoShim { arch: &'static str },
    #[error("there is no cache: JL_CACHE=0 turns it off, or nothing says where it is; set JL_CACHE_DIR")]
    NoCache,
    #[error("{cause}")]
    Cache { cause: CacheError },
    #[error("the cache {} is being emptied or made smaller by another process; try again", dir.display())]
    CacheBusy { dir: PathBuf },
    #[error("cannot run {}: {cause}", program.display())]
    Spawn { program: PathBuf, cause: io::Error },
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {cause}; free some space or choose another output with -o", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot create a temporary directory beside the output {}: {cause}; \
             make its directory writable or choose another output with -o", output.display())]
    Stage { output: PathBuf, cause: io::Error },
    /// The text names the file.
    #[error("{cause}")]
    Dependency { cause: DependencyError },
    #[error("{file}: {problem}: {found}; {advice}")]
    Input { file: String, problem: String, found: String, advice: &'static str },
    #[error(
        "{file}: section {section} holds function records that cannot be used: {cause}; \
             compile it again with this release's jl-cc or pass plugin"
    )]
    Records { file: String, section: &'static str, cause: RecordError },
    #[error(
        "{file}: section {section} holds a target list that cannot be used: {cause}; \
             compile it again with this release's jl-cc or pass plugin"
    )]
    Specs { file: String, section: &'static str, cause: SpecsError },
    #[error(
        "objects were compiled for different target lists, and one image has one list:\n  \
             {first}: {first_list}\n  {second}: {second_list}\n\
             compile both with the same --jl-targets (or JULIA_CPU_TARGET), -march and --jl-fp"
    )]
    TargetLists { first: String, first_list: String, second: String, second_list: String },
    #[error(
        "{file}: {cause}; the tables of Julia's shards do not fit together: compile all of them again together"
    )]
    Julia { file: String, cause: TableError },
    #[error("{}: {what}: found {found}, expected {expected}; {advice}", file.display())]
    Image { file: PathBuf, what: String, found: String, expected: String, advice: &'static str },
}

/// What to do when a finished link turns out wrong for a reason that no input is to blame for.
pub const REPORT_IT: &str = "please report this with the command line (--jl-keep-temps keeps the files)";
