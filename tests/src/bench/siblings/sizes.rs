//! Bytes of code, by the symbols of files.

use crate::elf::Elf;
use anyhow::Result;
use object::elf::STT_FUNC;
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

/// Bytes of functions that the common image has as well.
pub struct Duplicates {
    pub before: u64,
    pub after: u64,
}

impl Duplicates {
    /// By name: what the language takes to be the same.
    pub fn by_name(common: &Elf, without: &Elf, with: &Elf) -> Result<Duplicates> {
        // Local symbols are each file's own, and so are those of the start files.
        let is_weak =
            |s: &crate::elf::Symbol| s.defined && s.kind == STT_FUNC && s.binding == object::elf::STB_WEAK;
        let names: HashSet<String> = common.symbols()?.into_iter().filter(is_weak).map(|s| s.name).collect();
        let bytes = |file: &Elf| -> Result<u64> {
            Ok(functions(file)?.iter().filter(|(name, _)| names.contains(*name)).map(|(_, size)| size).sum())
        };
        Ok(Duplicates { before: bytes(without)?, after: bytes(with)? })
    }

    pub fn share_removed(&self) -> f64 {
        1.0 - self.after as f64 / self.before.max(1) as f64
    }
}
