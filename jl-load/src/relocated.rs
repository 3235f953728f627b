//! A file as it will be after relocation.

use crate::elf::ElfFile;
use image_format::cpu::Arch;
use image_format::julia::memory::{Memory, Pointer, Relocations};
use image_format::pod::read_at;

/// A file as it will be after relocation.
pub struct View<'a> {
    file: &'a ElfFile,
    relocations: Relocations,
}

impl View<'_> {
    pub fn new(file: &ElfFile, arch: Arch) -> View<'_> {
        // Tags of the dynamic section.
        let [rela, rela_size, relr_size, relr] = [7, 8, 35, 36];
        let table = |address, size| {
            let pair = file.dynamic(address).zip(file.dynamic(size));
            pair.and_then(|(address, size)| file.at(address, usize::try_from(size).ok()?)).unwrap_or(&[])
        };
        let word = |address| read_at(file.from_address(address)?, 0);
        let relocations = Relocations::new(arch, table(rela, rela_size), table(relr, relr_size), word);
        View { file, relocations }
    }
}

impl Memory for View<'_> {
    fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.file.from_address(address)
    }

    fn pointer(&self, address: u64) -> Option<Pointer> {
        let word = read_at(self.bytes(address)?, 0)?;
        Some(self.relocations.pointer(address, word))
    }
}
