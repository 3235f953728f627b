//! Rust's memory allocator, of which a process has one: where the standard library is linked dynamically, that is the library's, and code
//! with another (`#[global_allocator]`) would free what that allocated. rustc links it all the same.

use super::units::Unit;
use crate::error::{Error, Result};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Sym};
use std::path::Path;

/// Ends the name of the function that memory comes from, before which stands a hash of the compiler.
const ALLOCATES: &[u8] = b"_7___rustc12___rust_alloc";

/// Whether a file has an allocator: for others if it is a shared library, for itself if it is an object.
pub fn is_in(bytes: &[u8]) -> bool {
    has_allocator(bytes).unwrap_or(false)
}

fn has_allocator(bytes: &[u8]) -> object::read::Result<bool> {
    let header = FileHeader64::<LE>::parse(bytes)?;
    let is_library = header.e_type.get(LE) == elf::ET_DYN;
    let kind = if is_library { elf::SHT_DYNSYM } else { elf::SHT_SYMTAB };
    let symbols = header.sections(LE, bytes)?.symbols(LE, bytes, kind)?;
    let is_it = |symbol: &elf::Sym64<LE>| {
        let name = symbols.symbol_name(LE, symbol);
        !symbol.is_undefined(LE) && name.is_ok_and(|name| name.ends_with(ALLOCATES))
    };
    Ok(symbols.iter().any(is_it))
}

/// `library`: one among the inputs that has an allocator.
///
/// # Errors
/// So has one of `units`, or it cannot be read.
pub fn check(units: &[Unit], library: &Path) -> Result<()> {
    for unit in units {
        let object = std::fs::read(&unit.object);
        let object = object.map_err(|cause| Error::Read { path: unit.object.clone(), cause })?;
        if is_in(&object) {
            return Err(Error::Input {
                file: unit.name.clone(),
                problem: "has an allocator of its own (#[global_allocator])".into(),
                found: format!("{} has another, whose memory it would free", library.display()),
                advice: "link the standard library statically (without --jl-package), or use its allocator",
            });
        }
    }
    Ok(())
}
