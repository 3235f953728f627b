//! Bytes of code, by the symbols of files.

use crate::elf::{Elf, Symbol};
use anyhow::Result;
use object::elf::{STB_WEAK, STT_FUNC};
use std::collections::{HashMap, HashSet};

/// Bytes of code by a function's name, those of its bodies for other targets included: their names go on after a dot.
fn functions(file: &Elf) -> Result<HashMap<String, u64>> {
    let mut sizes = HashMap::new();
    let mut seen = HashSet::new();
    for symbol in file.symbols()?.into_iter().filter(|s| s.defined && s.kind == STT_FUNC) {
        // Of what has several names, the bytes count once.
        if seen.insert((symbol.address, symbol.size)) {
            let name = symbol.name.split('.').next().unwrap_or_default().to_string();
            *sizes.entry(name).or_insert(0) += symbol.size;
        }
    }
    Ok(sizes)
}

/// All code with symbols.
pub fn code(file: &Elf) -> Result<u64> {
    Ok(functions(file)?.values().sum())
}

/// Bytes of functions that another image has as well: the common one, or one of the libraries without dedup.
pub struct Duplicates {
    pub before: u64,
    pub after: u64,
}

impl Duplicates {
    pub fn share_removed(&self) -> f64 {
        1.0 - self.after as f64 / self.before.max(1) as f64
    }
}

/// Functions that several images have, by name: what the language takes to be the same.
pub struct Shared {
    names: HashSet<String>,
}

impl Shared {
    /// Of the common image and of the libraries without dedup.
    pub fn of(common: &Elf, libraries: &[Elf]) -> Result<Shared> {
        let mut names = weak(common)?;
        let mut seen = HashSet::new();
        for library in libraries {
            for name in weak(library)? {
                if !seen.insert(name.clone()) {
                    names.insert(name);
                }
            }
        }
        Ok(Shared { names })
    }

    /// In a library's build without dedup and in that with it.
    pub fn duplicates(&self, without: &Elf, with: &Elf) -> Result<Duplicates> {
        let bytes = |file: &Elf| -> Result<u64> {
            let sizes = functions(file)?;
            Ok(sizes.iter().filter(|(name, _)| self.names.contains(*name)).map(|(_, size)| size).sum())
        };
        Ok(Duplicates { before: bytes(without)?, after: bytes(with)? })
    }
}

/// Local symbols are each file's own, and so are those of the start files.
fn weak(file: &Elf) -> Result<HashSet<String>> {
    let is_weak = |s: &Symbol| s.defined && s.kind == STT_FUNC && s.binding == STB_WEAK;
    let symbols = file.symbols()?.into_iter().filter(is_weak);
    Ok(symbols.map(|s| s.name.split('.').next().unwrap_or_default().to_string()).collect())
}
