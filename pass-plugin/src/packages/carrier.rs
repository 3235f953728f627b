//! How a function carries its identity from the beginning of the pipeline to where it counts: as an attribute, which no
//! pass of LLVM's looks at and inlining does not hand on.
//!
//! Passes that make new functions of old ones (outlining, specialisation, coroutines, our own clones) copy attributes. So
//! the attribute says whose it is, by a hash of the function's name, and on any other function it means nothing.

use crate::llvm::{Function, Module};
use image_format::identity::Identity;
use image_format::sharing::Sharing;
use xxhash_rust::xxh64::xxh64;

pub const ATTRIBUTE: &str = "jl.identity";

/// What is known of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    Identity(Identity),
    Unshareable(Sharing),
}

pub fn write(module: Module, function: Function, known: Known) {
    function.set_string_attribute(module, ATTRIBUTE, &text(known, function.name()));
}

/// What a function carries of its own.
pub fn read(function: Function) -> Option<Known> {
    if function.is_local() {
        return None;
    }
    parse(&function.string_attribute(ATTRIBUTE)?, function.name())
}

/// `IDENTITY OWNER` or `VERDICT OWNER`.
pub fn text(known: Known, name: &str) -> String {
    let owner = owner(name);
    match known {
        Known::Identity(identity) => format!("{identity} {owner}"),
        Known::Unshareable(sharing) => format!("{} {owner}", sharing.word()),
    }
}

/// The inverse of [`text`]; `None` for what another function left.
pub fn parse(text: &str, name: &str) -> Option<Known> {
    let word = text.strip_suffix(&owner(name))?.strip_suffix(' ')?;
    if let Some(sharing) = Sharing::ALL.into_iter().find(|s| s.word() == word) {
        return (sharing != Sharing::Shareable).then_some(Known::Unshareable(sharing));
    }
    let digits = (word.len() == 32 && word.is_ascii()).then_some(word)?;
    u128::from_str_radix(digits, 16).ok().map(|bits| Known::Identity(Identity(bits.to_be_bytes())))
}

fn owner(name: &str) -> String {
    format!("{:016x}", xxh64(name.as_bytes(), 0))
}
