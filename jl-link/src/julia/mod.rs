//! Images from Julia: the tables of all shards become one shard's.
//!
//! The linker cannot do it: tables of pointers need relocations at load, and merged they need room in one
//! piece. So the link gets an object more ([`room`]) with as much room as all inputs' tables take, full
//! of pointers, for which lld makes the relocations. After the link the tables are read as Julia's loader
//! would, merged and written there; the header then counts one shard, whose row leads to the new tables; and the
//! old tables' relocations are taken out ([`relocations`]), so that the image has as many as before.

pub mod relocations;
pub mod room;
pub mod state;

use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::scan::{Inputs, JuliaTable};
use image_format::julia::image::{self, Image, SHARD_ROW};
use image_format::julia::memory::{Memory, Pointer, Relocations};
use image_format::julia::shard::{self, Addresses, Shard, Tables};
use image_format::julia::walk::walk;
use image_format::julia::{ROOT, TableError, TableName};
use relocations::DynamicRelocations;
use room::{Place, Room};

/// A linked output after this phase.
pub struct Merged {
    pub elf: Elf,
    /// None where nothing was merged.
    pub counts: Option<Counts>,
}

/// What was merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    pub shards: usize,
    pub functions: u32,
    pub data: u32,
    pub targets: usize,
}

/// What came out of an attempt.
pub enum Attempt {
    Done(Merged),
    /// The output has no room, or too little: it must be linked again with this much. So it is when shards come
    /// out of LTO.
    Needs(Room),
}

/// Merges the shards of a linked output.
///
/// # Errors
/// Tables that break Julia's rules, by the input that brought them.
pub fn merge(elf: Elf, inputs: &Inputs) -> Result<Attempt> {
    let untouched = |elf| Ok(Attempt::Done(Merged { elf, counts: None }));
    let Some(root) = elf.symbol(ROOT).map(|symbol| symbol.value) else { return untouched(elf) };
    let image = read(&elf, root, inputs)?;
    if image.shards.len() < 2 {
        return untouched(elf);
    }
    let merged = shard::merge(&image.shards).map_err(|cause| table_error(&elf, inputs, cause))?;
    let needed = Room::of(&merged);
    let Some(place) = Place::find(&elf).filter(|place| place.holds(needed)) else {
        return Ok(Attempt::Needs(needed));
    };
    let addresses = place.addresses(&merged);
    let tables = merged.tables(&addresses).map_err(|cause| table_error(&elf, inputs, cause))?;
    let counts = Counts {
        shards: image.shards.len(),
        functions: image.functions,
        data: image.data,
        targets: image.targets.targets.len(),
    };
    let mut writer = Writer { relocations: DynamicRelocations::read(&elf)?, elf };
    writer.tables(&addresses, &tables, &place)?;
    writer.shard_table(&image, &addresses)?;
    writer.forget_old_tables(&image);
    let Writer { mut elf, relocations } = writer;
    relocations.write(&mut elf)?;
    name_tables(&mut elf, &addresses, &tables)?;
    check(&elf, root, &image, inputs)?;
    Ok(Attempt::Done(Merged { elf, counts: Some(counts) }))
}

fn read(elf: &Elf, root: u64, inputs: &Inputs) -> Result<Image> {
    let view = View::new(elf)?;
    image::read(&view, elf.arch, root).map_err(|cause| table_error(elf, inputs, cause))
}

/// Names the input that has the table, where one has.
fn table_error(elf: &Elf, inputs: &Inputs, cause: TableError) -> Error {
    let defines = |table: &&JuliaTable| TableName::parse(&cause.table) == Some((table.table, table.shard));
    let input = inputs.julia_tables.iter().find(defines).map(|table| table.file.clone());
    Error::Julia { file: input.unwrap_or_else(|| elf.path.display().to_string()), cause }
}

/// A linked file as it will be after relocation.
struct View<'a> {
    elf: &'a Elf,
    relocations: Relocations,
}

impl View<'_> {
    fn new(elf: &Elf) -> Result<View<'_>> {
        let found = DynamicRelocations::locate(elf)?;
        let word = |address| elf.read(address);
        let relocations = Relocations::new(elf.arch, found.rela_bytes(elf), found.relr_bytes(elf), word);
        Ok(View { elf, relocations })
    }
}

impl Memory for View<'_> {
    fn bytes(&self, address: u64) -> Option<&[u8]> {
        let section = self.elf.loaded_section(address).map(|index| &self.elf.sections[index])?;
        self.elf.data(section).get(usize::try_from(address - section.address).ok()?..)
    }

    fn pointer(&self, address: u64) -> Option<Pointer> {
        let word = self.slice(address, 8)?.try_into().ok()?;
        Some(self.relocations.pointer(address, u64::from_le_bytes(word)))
    }
}

struct Writer {
    elf: Elf,
    relocations: DynamicRelocations,
}

impl Writer {
    fn pointer(&mut self, place: u64, pointer: Pointer) -> Result<()> {
        let word = self.relocations.set(place, pointer);
        self.elf.write(place, &word.to_le_bytes())
    }

    fn words(&mut self, address: u64, words: &[u32]) -> Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.elf.write(address, &bytes)
    }

    fn tables(&mut self, addresses: &Addresses, tables: &Tables, place: &Place) -> Result<()> {
        let mut used = 0;
        for table in TableName::ALL {
            let address = addresses[table as usize];
            if let Some(words) = tables.words(table) {
                self.words(address, &words)?;
            }
            for (at, pointer) in (address..).step_by(8).zip(tables.pointers(table).unwrap_or(&[])) {
                self.pointer(at, *pointer)?;
                used += 1;
            }
        }
        // What the room has too much holds no pointers.
        for rest in (place.pointers.start + 8 * used..place.pointers.end).step_by(8) {
            self.relocations.forget(rest);
            self.elf.write(rest, &[0; 8])?;
        }
        Ok(())
    }

    /// One shard, whose row leads to the new tables. The rows of the others are no longer looked at.
    fn shard_table(&mut self, image: &Image, addresses: &Addresses) -> Result<()> {
        for (at, address) in (image.shard_table..).step_by(8).zip(addresses) {
            self.pointer(at, Pointer::Address(*address))?;
        }
        let rows = image.shard_table + SHARD_ROW * image.shards.len() as u64;
        for at in (image.shard_table + SHARD_ROW..rows).step_by(8) {
            self.relocations.forget(at);
            self.elf.write(at, &[0; 8])?;
        }
        self.words(image.header + 4, &[1])
    }

    fn forget_old_tables(&mut self, image: &Image) {
        for (shard, addresses) in image.shards.iter().zip(&image.addresses) {
            let bodies = |clones: &shard::Clones| match clones {
                shard::Clones::All { bodies, .. } => bodies.len(),
                shard::Clones::Some { clones, .. } => clones.len(),
            };
            let clones: usize = shard.clones.iter().map(bodies).sum();
            let tables = [(TableName::FvarPtrs, shard.fvars.len()), (TableName::ClonePtrs, clones)];
            for (table, count) in tables {
                let places = (addresses[table as usize]..).step_by(8).take(count);
                places.for_each(|place| self.relocations.forget(place));
            }
        }
    }
}

/// The symbols of shard 0 name the new tables, and those of the others are gone.
fn name_tables(elf: &mut Elf, addresses: &Addresses, tables: &Tables) -> Result<()> {
    for index in 0..elf.symbols.len() {
        let symbol = elf.symbols[index];
        let named = if symbol.is_defined() { TableName::parse(elf.symbol_name(&symbol)) } else { None };
        match named {
            None => {}
            Some((_, shard)) if shard > 0 => elf.symbols[index].dropped = true,
            Some((table, _)) => {
                let words = tables.words(table).map_or(0, |words| 4 * words.len());
                let size = words + 8 * tables.pointers(table).map_or(0, <[Pointer]>::len);
                elf.move_symbol(index, addresses[table as usize], size as u64)?;
            }
        }
    }
    Ok(())
}

/// The new tables say of every target what the old ones said.
fn check(elf: &Elf, root: u64, before: &Image, inputs: &Inputs) -> Result<()> {
    let after = read(elf, root, inputs)?;
    let count = after.shards.len();
    if count != 1 {
        return Err(elf.wrong("number of shards", count.to_string(), "1"));
    }
    let moved = |shards: &[Shard]| -> Vec<_> {
        (0..before.targets.targets.len()).map(|target| walk(shards, target)).collect()
    };
    if moved(&after.shards) != moved(&before.shards) {
        return Err(elf.wrong("merged shards", "other bodies or slots".into(), "those of the shards"));
    }
    Ok(())
}
