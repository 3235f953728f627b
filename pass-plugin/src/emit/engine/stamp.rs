//! The last line of an object that a job elsewhere has made: of which shard, who compiled it, and a hash of all
//! that stands before it. Whoever asked for the job checks it and takes it off, so that a file which is half
//! written, damaged, left over or from another compiler is never taken for the object.
//!
//! `jl-stamp 1 shard=H object=H warned=B by=WORDS\n`, where B is 1 if the compiler warned and H is xxh64 as 16 hexadecimal
//! digits, of the shard with seed 0 and of the object with seed B. It guards against accidents; whoever runs jobs is
//! trusted.

use std::fmt::{self, Display};
use xxhash_rust::xxh64::xxh64;

const START: &[u8] = b"jl-stamp 1 ";
/// Longer lines are none of ours.
const MOST_BYTES: usize = 512;

/// Why an output is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// Not the whole file, or not from `jl-cc --jl-shard=stamped`.
    NoStamp,
    /// Other bytes than were stamped.
    Damaged,
    OtherShard,
    /// Who compiled it, and who should have.
    OtherCompiler {
        found: String,
        expected: String,
    },
}

impl Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::NoStamp => write!(f, "its end is missing"),
            Broken::Damaged => write!(f, "it is damaged"),
            Broken::OtherShard => write!(f, "it was made of another shard"),
            Broken::OtherCompiler { found, expected } => {
                write!(
                    f,
                    "it was compiled by {found}, expected {expected}: install one release on all machines"
                )
            }
        }
    }
}

fn line(object: &[u8], shard: &[u8], warned: bool, compiler: &str) -> String {
    let warned = u64::from(warned);
    let (object, shard) = (xxh64(object, warned), xxh64(shard, 0));
    format!("jl-stamp 1 shard={shard:016x} object={object:016x} warned={warned} by={compiler}\n")
}

/// Adds the line. `shard` is the job's input, `compiler` has no line breaks.
pub fn stamp(object: &mut Vec<u8>, shard: &[u8], warned: bool, compiler: &str) {
    let line = line(object, shard, warned, compiler);
    object.extend_from_slice(line.as_bytes());
}

/// The object without its line, and whether the compiler warned.
///
/// # Errors
/// What is wrong with it.
pub fn open<'a>(stamped: &'a [u8], shard: &[u8], compiler: &str) -> Result<(&'a [u8], bool), Broken> {
    let from = stamped.len().saturating_sub(MOST_BYTES);
    let tail = &stamped[from..];
    let start = tail.windows(START.len()).rposition(|w| w == START).ok_or(Broken::NoStamp)?;
    let (object, found) = stamped.split_at(from + start);
    for warned in [false, true] {
        if found == line(object, shard, warned, compiler).as_bytes() {
            return Ok((object, warned));
        }
    }
    let found = std::str::from_utf8(found).ok().and_then(|l| l.strip_suffix('\n')).ok_or(Broken::NoStamp)?;
    let field = |name: &str| found.split(' ').find_map(|word| word.strip_prefix(name));
    let warned = u64::from(field("warned=") == Some("1"));
    if field("object=") != Some(&format!("{:016x}", xxh64(object, warned))) {
        return Err(Broken::Damaged);
    }
    match found.split_once(" by=") {
        Some((_, by)) if by != compiler => {
            Err(Broken::OtherCompiler { found: by.into(), expected: compiler.into() })
        }
        _ => Err(Broken::OtherShard),
    }
}
