//! Identities: which functions of different modules are the same one, and which of them another image may use.
//!
//! [`read`] (symbols as canonical bytes and facts) -> [`graph`] (pure: hashes along references, circles included) and
//! [`sharing`] (pure: who may use it, and why not). `jl-identity<print>` shows the result.
//!
//! # What an identity covers
//! A function's own definition: name (if it is not local), types by structure, instructions with flags, constants,
//! attributes, metadata without debug information, linkage. The environment: triple (without the vendor under Linux), data layout, module flags (the
//! target list of `jl-annotate` is one), assembly at file scope, who produced the IR, LLVM's and our own version. And
//! what the function refers to, as far as its code may depend on it:
//!
//! * What is defined in the module and cannot be replaced counts with its content, a local one without its name. So a
//!   callee whose body may be inlined is never another one, even if it has the same name.
//! * What Rust lets other crates see counts by name, which has a hash of the crate and the types in it: whoever knows the
//!   definition, and whoever knows only the declaration, call the same function.
//! * What is only declared, may be replaced, or is data that somebody writes to counts by name and declaration.
//! * Local variables that somebody writes to count with their initial value; who uses them is not shareable.

pub mod graph;
mod linker;
mod read;
pub mod sharing;

use crate::entry::LLVM_VERSION;
use crate::llvm::{Function, Module};
use graph::Components;
use image_format::identity::{Hash, Identity, VERSION, hash_bytes};
use image_format::sharing::Sharing;

/// What is known of a function that is defined in the module.
pub struct Identified {
    pub function: Function,
    pub identity: Identity,
    /// Whether another image may use it, if it has a name by which others know it.
    pub content: Sharing,
}

impl Identified {
    /// Whether another image may use it.
    pub fn sharing(&self) -> Sharing {
        if self.function.is_local() { Sharing::Local } else { self.content }
    }
}

/// The identities of all functions that are defined in the module, in its order. `compiled` is what else their code
/// depends on, as text: targets, settings, level.
pub fn identify(module: Module, compiled: &str) -> Vec<Identified> {
    let read = read::read(module);
    let components = Components::of(&read.nodes);
    let hashes = components.hashes(&read.nodes);
    let verdicts = sharing::decide(&read.nodes, &read.facts, &components);
    let environment = environment(&read.module, compiled);
    let functions = read.functions.iter().map(|(function, symbol)| Identified {
        function: *function,
        identity: Identity::of(&hashes[*symbol], &environment),
        content: verdicts[*symbol],
    });
    functions.collect()
}

/// The hash of what all code of a module depends on.
fn environment(module: &[u8], compiled: &str) -> Hash {
    let version = format!("{} {VERSION} {LLVM_VERSION}", env!("CARGO_PKG_VERSION"));
    hash_bytes(&[version.as_bytes(), compiled.as_bytes(), module])
}
