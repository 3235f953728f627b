//! The dynamic relocations of a linked file, to be changed word by word: `.rela.dyn` and `.relr.dyn`.

use crate::elf::Elf;
use crate::error::Result;
use image_format::cpu::Arch;
use image_format::julia::memory::{Pointer, RELA_SIZE, Rela};
use image_format::relr;
use object::elf;
use std::collections::{BTreeSet, HashMap};

/// Where the tables are; empty ones where the file has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Located {
    rela: (u64, u64),
    relr: (u64, u64),
}

impl Located {
    pub fn rela_bytes<'a>(&self, elf: &'a Elf) -> &'a [u8] {
        elf.slice(self.rela.0, self.rela.1 as usize).unwrap_or(&[])
    }

    pub fn relr_bytes<'a>(&self, elf: &'a Elf) -> &'a [u8] {
        elf.slice(self.relr.0, self.relr.1 as usize).unwrap_or(&[])
    }
}

/// The relocations with their changes.
pub struct DynamicRelocations {
    arch: Arch,
    located: Located,
    /// By number in the file; none for what was taken out.
    rela: Vec<Option<Rela>>,
    /// Number of the relocation at a place.
    by_place: HashMap<u64, usize>,
    relr: BTreeSet<u64>,
}

impl DynamicRelocations {
    /// # Errors
    /// Relocations packed in Android's way, which are not read.
    pub fn locate(elf: &Elf) -> Result<Located> {
        // Their tags, which the crate has no names for, stand for tables that replace the usual ones.
        const DT_ANDROID_RELA: elf::DynamicTag = elf::DynamicTag(0x6000_0011);
        if elf.dynamic(DT_ANDROID_RELA).is_some() {
            let found = "relocations packed as --pack-dyn-relocs=android does".into();
            return Err(elf.wrong("dynamic section", found, "--pack-dyn-relocs=relr or none"));
        }
        let pair = |address, size| elf.dynamic(address).zip(elf.dynamic(size)).unwrap_or_default();
        Ok(Located { rela: pair(elf::DT_RELA, elf::DT_RELASZ), relr: pair(elf::DT_RELR, elf::DT_RELRSZ) })
    }

    pub fn read(elf: &Elf) -> Result<DynamicRelocations> {
        let located = Self::locate(elf)?;
        let rela: Vec<_> = located.rela_bytes(elf).chunks_exact(RELA_SIZE).map(Rela::read).collect();
        let places = rela.iter().enumerate();
        let by_place = places.filter_map(|(number, entry)| Some(((*entry)?.place, number))).collect();
        let entries = located.relr_bytes(elf).as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
        let relr = relr::decode(entries).into_iter().collect();
        Ok(DynamicRelocations { arch: elf.arch, located, rela, by_place, relr })
    }

    /// Makes the word at `place` lead where `pointer` does, and returns what must stand there in the file.
    pub fn set(&mut self, place: u64, pointer: Pointer) -> u64 {
        match pointer {
            Pointer::Symbolic { info, addend } => {
                // One more, until the word that the pointer came from is forgotten.
                self.forget(place);
                self.by_place.insert(place, self.rela.len());
                self.rela.push(Some(Rela { place, info, addend }));
                0
            }
            Pointer::Address(address) => {
                if let Some(Some(entry)) =
                    self.by_place.get(&place).and_then(|number| self.rela.get_mut(*number))
                {
                    entry.addend = address;
                }
                address
            }
        }
    }

    /// The word at `place` is no pointer any more.
    pub fn forget(&mut self, place: u64) {
        self.relr.remove(&place);
        if let Some(number) = self.by_place.remove(&place) {
            self.rela[number] = None;
        }
    }

    /// Writes the tables in the place of the old ones, which they fit into.
    pub fn write(self, elf: &mut Elf) -> Result<()> {
        let kept: Vec<Rela> = self.rela.into_iter().flatten().collect();
        let relative = kept.iter().filter(|entry| entry.is_relative(self.arch)).count();
        let rela: Vec<u8> = kept.iter().flat_map(|entry| entry.bytes()).collect();
        let places: Vec<u64> = self.relr.into_iter().collect();
        let relr: Vec<u8> = relr::encode(&places).iter().flat_map(|entry| entry.to_le_bytes()).collect();
        replace(elf, self.located.rela, &rela, elf::DT_RELASZ)?;
        replace(elf, self.located.relr, &relr, elf::DT_RELRSZ)?;
        elf.set_dynamic(elf::DT_RELACOUNT, relative as u64)
    }
}

/// Puts a table of relocations where a longer one was.
fn replace(elf: &mut Elf, (address, size): (u64, u64), table: &[u8], tag: elf::DynamicTag) -> Result<()> {
    if size == 0 {
        return Ok(());
    }
    if table.len() as u64 > size {
        return Err(elf.wrong(
            "dynamic relocations",
            format!("{} bytes", table.len()),
            &format!("at most {size}"),
        ));
    }
    let mut bytes = table.to_vec();
    bytes.resize(size as usize, 0);
    elf.write(address, &bytes)?;
    if let Some(section) =
        elf.sections.iter_mut().find(|s| s.is_allocated() && s.address == address && s.size == size)
    {
        section.size = table.len() as u64;
    }
    elf.set_dynamic(tag, table.len() as u64)
}
