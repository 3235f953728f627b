//! The room for merged tables: how much, the object that brings it into the link, and where it came to stand.

use crate::elf::Elf;
use image_format::cpu::Arch;
use image_format::julia::TableName;
use image_format::julia::shard::{Addresses, Shard};
use object::write::{Object, Relocation, Symbol, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionFlags, SectionKind, SymbolFlags,
    SymbolKind, SymbolScope, elf,
};
use std::ops::Range;

const POINTERS: &str = "jl_merged_pointers";
const WORDS: &str = "jl_merged_words";

/// How much room tables take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Words of 8 bytes that are relocated.
    pub pointers: u64,
    /// Bytes of everything else.
    pub bytes: u64,
}

impl Room {
    /// What the tables of a shard take.
    pub fn of(shard: &Shard) -> Room {
        TableName::ALL.into_iter().fold(Room::default(), |room, table| room.with(table, size(shard, table)))
    }

    /// Adds a table of `size` bytes.
    pub fn with(self, table: TableName, size: u64) -> Room {
        match table {
            TableName::FvarPtrs | TableName::ClonePtrs => Room { pointers: self.pointers + size / 8, ..self },
            _ => Room { bytes: self.bytes + size.next_multiple_of(8), ..self },
        }
    }

    /// An object with this room, which no linker drops.
    ///
    /// # Errors
    /// An architecture that the crate cannot write.
    pub fn object(self, arch: Arch) -> object::write::Result<Vec<u8>> {
        let (architecture, absolute) = match arch {
            Arch::X86_64 => (Architecture::X86_64, elf::R_X86_64_64),
            Arch::Aarch64 => (Architecture::Aarch64, elf::R_AARCH64_ABS64),
        };
        let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        let kept = elf::SHF_ALLOC | elf::SHF_GNU_RETAIN;
        let mut section = |name: &str, symbol: &str, kind, flags, size: u64| {
            let id = object.add_section(Vec::new(), name.into(), kind);
            object.section_mut(id).flags = SectionFlags::Elf { sh_type: elf::SHT_PROGBITS, sh_flags: flags };
            object.append_section_data(id, &vec![0; size as usize], 8);
            let symbol = object.add_symbol(Symbol {
                name: symbol.into(),
                value: 0,
                size,
                kind: SymbolKind::Data,
                scope: SymbolScope::Linkage,
                weak: false,
                section: SymbolSection::Section(id),
                flags: SymbolFlags::None,
            });
            (id, symbol)
        };
        let writable = kept | elf::SHF_WRITE;
        let (pointers, symbol) =
            section(".data.rel.ro.jl_merged", POINTERS, SectionKind::Data, writable, 8 * self.pointers);
        section(".rodata.jl_merged", WORDS, SectionKind::ReadOnlyData, kept, self.bytes);
        for offset in (0..8 * self.pointers).step_by(8) {
            let flags = RelocationFlags::Elf { r_type: absolute };
            object.add_relocation(pointers, Relocation { offset, symbol, addend: 0, flags })?;
        }
        // Without it the stack of the whole output would become executable.
        object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), SectionKind::Other);
        object.write()
    }
}

/// Size in bytes of a table.
fn size(shard: &Shard, table: TableName) -> u64 {
    use image_format::julia::shard::Clones;
    let idxs = |clones: &Clones| match clones {
        Clones::All { with_slots, .. } => 1 + with_slots.len(),
        Clones::Some { clones, .. } => 2 + clones.len(),
    };
    let bodies = |clones: &Clones| match clones {
        Clones::All { bodies, .. } => bodies.len(),
        Clones::Some { clones, .. } => clones.len(),
    };
    let size = match table {
        TableName::FvarCount => 8,
        TableName::FvarPtrs => 8 * shard.fvars.len(),
        TableName::FvarIdxs => 4 * shard.fvar_idxs.len(),
        TableName::GvarOffsets => 4 * (1 + shard.gvars.len()),
        TableName::GvarIdxs => 4 * shard.gvar_idxs.len(),
        TableName::CloneSlots => 4 * (1 + 2 * shard.slots.len()),
        TableName::ClonePtrs => 8 * shard.clones.iter().map(bodies).sum::<usize>(),
        TableName::CloneIdxs => 4 * shard.clones.iter().map(idxs).sum::<usize>(),
    };
    size as u64
}

/// The room in a linked output, as addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub pointers: Range<u64>,
    pub words: Range<u64>,
}

impl Place {
    pub fn find(elf: &Elf) -> Option<Place> {
        let range = |name| elf.symbol(name).map(|symbol| symbol.value..symbol.value + symbol.size);
        Some(Place { pointers: range(POINTERS)?, words: range(WORDS)? })
    }

    pub fn holds(&self, room: Room) -> bool {
        let size = |range: &Range<u64>| range.end - range.start;
        8 * room.pointers <= size(&self.pointers) && room.bytes <= size(&self.words)
    }

    /// Where the tables of a shard go that the place holds.
    pub fn addresses(&self, shard: &Shard) -> Addresses {
        let (mut pointers, mut words) = (self.pointers.start, self.words.start);
        let mut addresses = [0; TableName::ALL.len()];
        for table in TableName::ALL {
            let room = Room::default().with(table, size(shard, table));
            addresses[table as usize] =
                if room.pointers > 0 || is_pointers(table) { pointers } else { words };
            pointers += 8 * room.pointers;
            words += room.bytes;
        }
        addresses
    }
}

fn is_pointers(table: TableName) -> bool {
    matches!(table, TableName::FvarPtrs | TableName::ClonePtrs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stand_one_behind_the_other() {
        let shard = Shard { fvar_idxs: vec![1, 2, 3], gvars: vec![9], ..Shard::default() };
        let place = Place { pointers: 0x1000..0x1000, words: 0x2000..0x2040 };
        let room = Room::of(&shard);
        assert_eq!(room, Room { pointers: 0, bytes: 8 + 16 + 8 + 8 });
        assert!(place.holds(room));
        assert_eq!(place.addresses(&shard), [0x2000, 0x1000, 0x2008, 0x2018, 0x2020, 0x2020, 0x1000, 0x2028]);
    }
}
