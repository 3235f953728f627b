//! References to data of other images: pointers of the output that lead into the linkage blob of a dependency.
//!
//! Objects ask for them by a record, which knows the place in the blob, or by the name of a symbol. Of the latter lld made a
//! relocation that the dynamic linker would look up by name; it is taken out where the symbol is in the blob of a dependency
//! that was named.

use super::dependencies::Dependencies;
use crate::arch;
use crate::elf::{Elf, Section};
use crate::error::{Error, Result};
use image_format::cpu::Arch;
use image_format::dependency::LinkageObject;
use image_format::layout::{
    Dependency, LINKAGE_SECTION, REFERENCE_SECTION, Reference, ReferenceRecord, Referent,
};
use image_format::package_records::reference_records;
use object::LittleEndian as LE;
use object::elf;
use object::pod::slice_from_all_bytes;
use object::read::elf::{SectionHeader, SectionTable};
use std::collections::{BTreeMap, HashMap};

/// Bytes of an entry of a relocation table.
const ENTRY: usize = 24;

/// What a cell shall lead to: `inner` bytes behind the start of an object of `size` bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Referred {
    pub dependency: u32,
    /// Of the object in the linkage blob.
    pub offset: u32,
    pub size: u32,
    pub inner: u32,
    /// Address of the name.
    pub name: Option<u64>,
}

/// References of the output by cell.
#[derive(Default)]
pub struct References {
    pub by_cell: BTreeMap<u64, Referred>,
    /// Entries of the table of dynamic relocations that they stand for.
    replaced: Vec<usize>,
}

impl References {
    /// Those that have records. `number` gives the index of the dependency whose record is at an address.
    ///
    /// # Errors
    /// A record that leads outside of what it may lead to.
    pub fn collect_records(
        &mut self,
        elf: &Elf,
        dependencies: &Dependencies,
        mut number: impl FnMut(u64) -> Result<(u32, Dependency)>,
    ) -> Result<()> {
        let Some(section) = elf.section(REFERENCE_SECTION) else { return Ok(()) };
        let records = reference_records(elf.data(section), section.address);
        let records = records.map_err(|e| elf.wrong(REFERENCE_SECTION, e.to_string(), "whole records"))?;
        for record in records {
            let (dependency, of) = number(record.dependency)?;
            let blob = dependencies.find(&of, &elf.path)?.header().linkage;
            let what = || format!("reference at {:#x} to data of {}", record.cell, name_of(&of));
            if record.offset >= blob.count {
                let expected = format!("less than the {} bytes of its linkage blob", blob.count);
                return Err(elf.wrong(&what(), format!("offset {}", record.offset), &expected));
            }
            let referred = Referred { dependency, offset: record.offset, size: 0, inner: 0, name: None };
            if self.by_cell.insert(record.cell, referred).is_some_and(|other| other != referred) {
                return Err(elf.wrong(&what(), "another one with the same cell".into(), "a cell for each"));
            }
        }
        Ok(())
    }

    /// Those that name symbols of dependencies: as many as there is room for. `number` gives the index of a dependency.
    ///
    /// # Errors
    /// A program has a copy of what it refers to.
    pub fn collect_names(
        &mut self,
        elf: &Elf,
        dependencies: &Dependencies,
        mut number: impl FnMut(&Dependency) -> Result<u32>,
    ) -> Result<()> {
        let objects = dependencies.objects()?;
        let (Some(table), Some(symbols)) = (relocation_table(elf), DynamicSymbols::of(elf)) else {
            return Ok(());
        };
        let room =
            elf.section(REFERENCE_SECTION).map_or(0, |s| s.size as usize / size_of::<ReferenceRecord>());
        let [pointer, entry, copy] = arch::pointer_relocations(elf.arch);
        let entries: &[elf::Rela64<LE>] = slice_from_all_bytes(elf.data(table)).unwrap_or(&[]);
        for (index, relocation) in entries.iter().enumerate() {
            let Some(symbol) = symbols.get(relocation.r_sym(LE, false) as usize) else { continue };
            let Some((record, object)) = objects.get(symbol.name) else { continue };
            let (kind, addend) = (relocation.r_type(LE, false), relocation.r_addend.get(LE));
            if kind == copy {
                return Err(copied(elf, symbol.name, record));
            }
            let is_pointer = kind == pointer || kind == entry && addend == 0;
            if !is_pointer || symbol.is_defined || self.by_cell.len() >= room {
                continue;
            }
            let Some(inner) = u32::try_from(addend).ok().filter(|inner| *inner <= object.size) else {
                continue;
            };
            let dependency = number(record)?;
            let LinkageObject { offset, size } = *object;
            let name = Some(symbol.address);
            self.by_cell
                .insert(relocation.r_offset.get(LE), Referred { dependency, offset, size, inner, name });
            self.replaced.push(index);
        }
        Ok(())
    }

    /// The lists, with addresses as `offset` gives them.
    ///
    /// # Errors
    /// Those of `offset`.
    pub fn lists(&self, offset: impl Fn(u64) -> Result<i32>) -> Result<ReferenceLists> {
        let mut entries: Vec<(&u64, &Referred)> = self.by_cell.iter().collect();
        entries.sort_by_key(|(_, referred)| referred.dependency);
        let mut lists = ReferenceLists::default();
        for (cell, Referred { offset: start, size, inner, name, .. }) in &entries {
            // No overflow: the object is whole in the blob, and `inner` at most its size.
            lists.references.push(Reference { cell: offset(**cell)?, place: start + inner });
            let name = name.map_or(Ok(0), &offset)?;
            lists.referents.push(Referent { size: *size, inner: *inner, name });
        }
        Ok(lists)
    }

    /// Takes the relocations out that the references stand for. The table keeps its place and gets shorter for the dynamic
    /// linker; behind it stand entries that mean nothing.
    ///
    /// # Errors
    /// The file has no such table.
    pub fn drop_relocations(&self, elf: &mut Elf) -> Result<()> {
        let Some(table) = relocation_table(elf).filter(|_| !self.replaced.is_empty()).cloned() else {
            return Ok(());
        };
        let entries = elf.data(&table).chunks_exact(ENTRY).enumerate();
        let kept = entries.filter(|(index, _)| self.replaced.binary_search(index).is_err());
        let mut bytes: Vec<u8> = kept.flat_map(|(_, entry)| entry.to_vec()).collect();
        let size = bytes.len() as u64;
        bytes.resize(table.size as usize, 0);
        elf.write(table.address, &bytes)?;
        elf.set_dynamic(elf::DT_RELASZ, size)?;
        for cell in self.by_cell.iter().filter(|(_, referred)| referred.name.is_some()).map(|(cell, _)| cell)
        {
            elf.write(*cell, &[0; 8])?;
        }
        Ok(())
    }
}

/// References as an image has them: by dependency, and of each in the order of cells.
#[derive(Default)]
pub struct ReferenceLists {
    pub references: Vec<Reference>,
    pub referents: Vec<Referent>,
}

/// The table that the dynamic linker looks names of data up for.
fn relocation_table(elf: &Elf) -> Option<&Section> {
    let address = elf.dynamic(elf::DT_RELA)?;
    let size = elf.dynamic(elf::DT_RELASZ)?;
    elf.sections.iter().find(|s| s.kind == elf::SHT_RELA && s.address == address && s.size == size)
}

fn name_of(dependency: &Dependency) -> String {
    String::from_utf8_lossy(dependency.name()).into_owned()
}

fn copied(elf: &Elf, name: &[u8], dependency: &Dependency) -> Error {
    Error::Image {
        file: elf.path.clone(),
        what: format!("data {} of {}", String::from_utf8_lossy(name), name_of(dependency)),
        found: "a copy of it in the program (R_*_COPY)".into(),
        expected: "a reference: others refer to the dependency's own".into(),
        advice: "compile the program with -fPIC, or give the symbol protected visibility in the dependency",
    }
}

struct DynamicSymbols<'a> {
    entries: &'a [elf::Sym64<LE>],
    strings: &'a [u8],
    /// Of the strings.
    address: u64,
}

struct DynamicSymbol<'a> {
    name: &'a [u8],
    /// Of the name.
    address: u64,
    is_defined: bool,
}

impl<'a> DynamicSymbols<'a> {
    fn of(elf: &'a Elf) -> Option<DynamicSymbols<'a>> {
        let table = elf.sections.iter().find(|s| s.kind == elf::SHT_DYNSYM)?;
        let strings = elf.sections.get(table.link as usize)?;
        Some(DynamicSymbols {
            entries: slice_from_all_bytes(elf.data(table)).ok()?,
            strings: elf.data(strings),
            address: strings.address,
        })
    }

    fn get(&self, index: usize) -> Option<DynamicSymbol<'a>> {
        let symbol = self.entries.get(index).filter(|_| index > 0)?;
        let start = symbol.st_name.get(LE);
        let name = self.strings.get(start as usize..)?.split(|byte| *byte == 0).next()?;
        Some(DynamicSymbol {
            name,
            address: self.address + u64::from(start),
            is_defined: symbol.st_shndx.get(LE) != elf::SHN_UNDEF,
        })
    }
}

/// The linkage blob of the output.
///
/// # Errors
/// It is in pieces.
pub fn blob(elf: &Elf) -> Result<Option<&Section>> {
    let mut found =
        elf.sections.iter().filter(|s| s.name == LINKAGE_SECTION && s.is_allocated() && s.size > 0);
    let first = found.next();
    let more = found.count();
    if more == 0 {
        return Ok(first);
    }
    Err(Error::Image {
        file: elf.path.clone(),
        what: format!("linkage blob ({LINKAGE_SECTION})"),
        found: format!("{} sections of this name", more + 1),
        expected: "one: others know data by its distance from the start".into(),
        advice: "a linker script must put all of it into one output section",
    })
}

/// How many pointers to each name, of those that an object does not define, it has in data. Damaged parts have none: lld says what
/// it thinks of them.
pub fn pointers(
    arch: Arch,
    bytes: &[u8],
    sections: &SectionTable<'_, elf::FileHeader64<LE>>,
) -> HashMap<String, usize> {
    let mut found = HashMap::new();
    let Ok(symbols) = sections.symbols(LE, bytes, elf::SHT_SYMTAB) else { return found };
    let [pointer, ..] = arch::pointer_relocations(arch);
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for section in sections.iter() {
        let Ok(Some((relocations, _))) = section.rela(LE, bytes) else { continue };
        for relocation in relocations.iter().filter(|r| r.r_type(LE, false) == pointer) {
            *counts.entry(relocation.r_sym(LE, false) as usize).or_default() += 1;
        }
    }
    for (index, symbol) in symbols.enumerate().filter(|(_, s)| s.st_shndx.get(LE) == elf::SHN_UNDEF) {
        let name = symbols.symbol_name(LE, symbol).ok().and_then(super::copies::text);
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            *found.entry(name).or_default() += counts.get(&index.0).copied().unwrap_or(0);
        }
    }
    found
}

/// Objects by name, with the record of their image.
pub type Objects = HashMap<Vec<u8>, (Dependency, LinkageObject)>;
