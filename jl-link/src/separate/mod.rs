//! `--jl-separately`: each file of bitcode becomes an object of its own before the link, as a source does in clang, where lld
//! would optimise all of them together. So packages work with languages whose compilers leave code to the linker (Rust).
//!
//! [`units`] (which files are bitcode, and what stands in their place) -> [`compile`] (jl-cc, on threads) -> the same command
//! line with objects in it, and with the package images among the inputs as dependencies.

mod allocator;
mod compile;
mod units;

use crate::args::Invocation;
use crate::error::Result;
use crate::lld::Stage;
use compile::Compiler;
use std::ffi::OsString;
use std::path::PathBuf;
use units::Units;

/// A link without bitcode, for as long as the objects' files are there.
pub struct Separate {
    pub invocation: Invocation,
    /// Removed when it is dropped.
    stage: Stage,
}

impl Separate {
    /// Compiles what `invocation` names.
    ///
    /// # Errors
    /// A file that cannot be read or compiled, or code that cannot be linked with a library among the inputs.
    pub fn new(invocation: &Invocation) -> Result<Separate> {
        let stage = Stage::beside(&invocation.output())?;
        let units = Units::find(invocation, &stage)?;
        // Other dependencies are asked when the image is linked, where it is seen what the image keeps to itself; what is linked with
        // the compiler has made fit.
        Compiler::new(invocation, &units.packages, units.is_package)?.compile(&units.bitcode)?;
        if let Some(library) = &units.allocator {
            allocator::check(&units.bitcode, library)?;
        }
        let mut own = invocation.own.clone();
        for package in &units.packages {
            if !own.dependencies.contains(package) {
                own.dependencies.push(package.clone());
            }
        }
        // What the user asked of us does not stand in the words.
        let objects = Invocation::parse(in_place(&invocation.plain, &units))?;
        Ok(Separate { invocation: Invocation { own, ..objects }, stage })
    }

    /// Leaves the objects where they are.
    pub fn keep(self) -> PathBuf {
        self.stage.keep()
    }
}

/// The command line with objects in the place of bitcode.
fn in_place(args: &[OsString], units: &Units) -> Vec<OsString> {
    let replaced = |arg: &OsString| units.in_place_of(arg).unwrap_or_else(|| vec![arg.clone()]);
    args.iter().flat_map(replaced).collect()
}
