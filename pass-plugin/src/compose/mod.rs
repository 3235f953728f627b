//! One relocatable object out of several: what `ld -r` does, for objects of LLVM's code generator.
//!
//! The parts of a shard are compiled one by one; linkers, archives and build systems want one object. Linking
//! it means the same as linking the inputs, in their order, but for the names of the symbols that become local.
//!
//! * A section of an input is a section of the output, with its bytes. Of `.eh_frame`, the debug sections and
//!   what else readers expect once in an object there is one, which the inputs' follow each other in
//!   ([`layout`]).
//! * Symbols are resolved as a linker resolves them: definitions over weak ones, the first of weak ones, the
//!   strictest visibility of all mentions ([`symbols`]).
//! * Groups of one signature become one group. Where an input's group only repeats what an earlier one defines,
//!   it is left out, as a linker leaves out a repeated COMDAT ([`groups`]).
//! * What is not understood is an error.
//!
//! Everything is linear in the size of the inputs; bytes of sections are copied once.

mod error;
mod groups;
mod input;
mod kinds;

mod layout;
mod relocations;
mod significance;
mod symbols;
mod write;

pub use error::ComposeError;

/// What becomes of a hidden symbol that is not local.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    /// It becomes a local symbol of default visibility; one of the inputs must define it.
    pub local: bool,
}

/// One relocatable object out of `inputs`, ELF64 objects for x86-64 or aarch64. The same inputs in the same
/// order give the same bytes.
///
/// `name` is asked once about each hidden symbol that is not local, defined or not, and returns the name
/// unchanged, and `local: false`, for those that it leaves alone; `section` returns the name of each section. (A name
/// that is not UTF-8 is left alone unasked.)
pub fn compose(
    inputs: &[&[u8]],
    name: &dyn Fn(&str) -> Symbol,
    section: &dyn Fn(&str) -> String,
) -> Result<Vec<u8>, ComposeError> {
    let inputs = input::parse(inputs)?;
    let groups = groups::join(&inputs)?;
    let layout = layout::lay_out(&inputs, &groups)?;
    let renamed = symbols::resolve(&inputs, &groups, &layout)?.rename(name)?;
    let layout = layout.rename(section);
    let symbols = symbols::number(&inputs, &groups, &layout, &renamed)?;
    write::write(&inputs, &groups, &layout, &symbols)
}
