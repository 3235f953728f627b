//! Which parts of code sections are data, by mapping symbols: `$d` and `$x` say where data and where instructions
//! start (ELF for the Arm 64-bit Architecture, section 5.7, "Mapping symbols"). x86-64 has none.

use crate::elf::Elf;
use image_format::cpu::Arch;
use object::elf;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Code,
    Data,
}

/// Where data starts and ends in code sections.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    /// What starts at an address, up to the next.
    starts: BTreeMap<u64, Kind>,
}

impl Mapping {
    pub fn of(elf: &Elf) -> Mapping {
        let mut starts = BTreeMap::new();
        if elf.arch != Arch::Aarch64 {
            return Mapping { starts };
        }
        for section in elf.sections.iter().filter(|s| s.is_executable()) {
            starts.insert(section.address, Kind::Code);
        }
        // What nothing says is code.
        let mut told = BTreeMap::new();
        for symbol in elf.symbols.iter().filter(|s| s.is_defined() && s.kind == elf::STT_NOTYPE) {
            let Some(kind) = kind_of(elf.symbol_name(symbol)) else { continue };
            // Data without a byte starts where the code behind it does.
            let entry = told.entry(symbol.value).or_insert(kind);
            *entry = if kind == Kind::Code { kind } else { *entry };
        }
        starts.extend(told);
        Mapping { starts }
    }

    /// The parts from `start` to `end`, as (kind, start, end).
    pub fn parts(&self, start: u64, end: u64) -> Vec<(Kind, u64, u64)> {
        let before = self.starts.range(..=start).next_back().map_or(Kind::Code, |(_, kind)| *kind);
        let inner = self.starts.range(start..end).filter(|(at, _)| **at > start);
        let mut parts = vec![(before, start, end)];
        for (at, kind) in inner {
            if let Some(last) = parts.last_mut().filter(|last| last.0 != *kind) {
                last.2 = *at;
                parts.push((*kind, *at, end));
            }
        }
        parts
    }
}

/// What a mapping symbol says; a suffix behind a dot makes it unique.
fn kind_of(name: &str) -> Option<Kind> {
    match name.split('.').next() {
        Some("$x") => Some(Kind::Code),
        Some("$d") => Some(Kind::Data),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(kind_of("$x"), Some(Kind::Code));
        assert_eq!(kind_of("$d.12"), Some(Kind::Data));
        assert_eq!((kind_of("$data"), kind_of("d"), kind_of("$")), (None, None, None));
    }

    #[test]
    fn parts_between_addresses() {
        use Kind::{Code, Data};
        let starts = [(0x100, Code), (0x120, Data), (0x130, Code), (0x140, Code), (0x150, Data)];
        let mapping = Mapping { starts: starts.into_iter().collect() };
        assert_eq!(mapping.parts(0x100, 0x120), [(Code, 0x100, 0x120)]);
        assert_eq!(mapping.parts(0x110, 0x128), [(Code, 0x110, 0x120), (Data, 0x120, 0x128)]);
        assert_eq!(mapping.parts(0x124, 0x148), [(Data, 0x124, 0x130), (Code, 0x130, 0x148)]);
        assert_eq!(mapping.parts(0, 0x10), [(Code, 0, 0x10)]);
        assert_eq!(mapping.parts(0x160, 0x170), [(Data, 0x160, 0x170)]);
    }
}
