//! An image's bytes as they are after relocation, without loading it.

use crate::cpu::Arch;
use crate::pod::read_at;
use crate::relr;
use std::collections::HashMap;

/// Where a word of an image leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pointer {
    /// An address of the image, without the load bias.
    Address(u64),
    /// What a relocation finds at load: a symbol that another library may define.
    Symbolic { info: u64, addend: u64 },
}

/// An image that pointers can be followed in.
pub trait Memory {
    /// The bytes from `address` to the end of what the file has there.
    fn bytes(&self, address: u64) -> Option<&[u8]>;

    /// The word at `address`, as it will be after relocation.
    fn pointer(&self, address: u64) -> Option<Pointer>;

    /// `size` bytes at `address`.
    fn slice(&self, address: u64, size: usize) -> Option<&[u8]> {
        self.bytes(address)?.get(..size)
    }

    fn u32(&self, address: u64) -> Option<u32> {
        read_at(self.bytes(address)?, 0)
    }
}

/// Size in bytes of an entry with addend.
pub const RELA_SIZE: usize = 24;

/// An entry of `.rela.dyn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rela {
    pub place: u64,
    pub info: u64,
    pub addend: u64,
}

impl Rela {
    pub fn read(bytes: &[u8]) -> Option<Rela> {
        Some(Rela { place: read_at(bytes, 0)?, info: read_at(bytes, 8)?, addend: read_at(bytes, 16)? })
    }

    pub fn bytes(self) -> [u8; RELA_SIZE] {
        let mut bytes = [0; RELA_SIZE];
        for (field, value) in
            bytes.as_chunks_mut::<8>().0.iter_mut().zip([self.place, self.info, self.addend])
        {
            *field = value.to_le_bytes();
        }
        bytes
    }

    /// Whether it adds the load bias and nothing else.
    pub fn is_relative(self, arch: Arch) -> bool {
        // R_X86_64_RELATIVE and R_AARCH64_RELATIVE of the two ABIs.
        self.info as u32
            == match arch {
                Arch::X86_64 => 8,
                Arch::Aarch64 => 1027,
            }
    }
}

/// What the dynamic linker will write, by place.
#[derive(Clone, Debug, Default)]
pub struct Relocations {
    places: HashMap<u64, Pointer>,
}

impl Relocations {
    /// From the bytes of `.rela.dyn` and `.relr.dyn`; `word` reads the file. What is cut off is not there.
    pub fn new(arch: Arch, rela: &[u8], relr: &[u8], word: impl Fn(u64) -> Option<u64>) -> Relocations {
        let mut places = HashMap::new();
        for entry in rela.chunks_exact(RELA_SIZE).filter_map(Rela::read) {
            let Rela { place, info, addend } = entry;
            let symbolic = Pointer::Symbolic { info, addend };
            places.insert(place, if entry.is_relative(arch) { Pointer::Address(addend) } else { symbolic });
        }
        let entries = relr.chunks_exact(8).filter_map(|bytes| read_at(bytes, 0));
        for place in relr::decode(entries) {
            if let Some(value) = word(place) {
                places.insert(place, Pointer::Address(value));
            }
        }
        Relocations { places }
    }

    /// The pointer at `place`, whose bytes in the file are `word`.
    pub fn pointer(&self, place: u64, word: u64) -> Pointer {
        self.places.get(&place).copied().unwrap_or(Pointer::Address(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_relocation() {
        let relative = Rela { place: 0x100, info: 8, addend: 0x5000 };
        let symbolic = Rela { place: 0x108, info: 7 << 32 | 1, addend: 0 };
        let rela = [relative.bytes(), symbolic.bytes()].concat();
        let found = Relocations::new(Arch::X86_64, &rela, &0x110u64.to_le_bytes(), |at| Some(at + 1));
        assert_eq!(found.pointer(0x100, 0), Pointer::Address(0x5000));
        assert_eq!(found.pointer(0x108, 0), Pointer::Symbolic { info: 7 << 32 | 1, addend: 0 });
        assert_eq!(found.pointer(0x110, 0), Pointer::Address(0x111));
        assert_eq!(found.pointer(0x118, 9), Pointer::Address(9), "not relocated: an absolute file");
        assert_eq!(Rela::read(&relative.bytes()), Some(relative));
    }
}
