//! The lists of a package image are written over the records that they were made from.

use super::lists::{Lists, Taken};
use super::references::blob;
use crate::arch;
use crate::elf::{Elf, Section};
use crate::error::Result;
use crate::merge::{Function, SLOT_SIZE, offset_from};
use image_format::details;
use image_format::layout::{
    DEPENDENCY_SECTION, Dependency, EXPORT_SECTION, Export, Extent, IMPORT_SECTION, ImageHeader, Import,
    NOT_CLONED, REFERENCE_SECTION, tag,
};
use image_format::package::{checksum, linkage_checksum};
use image_format::pod::{Pod, bytes_of};
use std::collections::HashMap;

/// The bytes of a list, and of what belongs to it and no load reads.
struct Written {
    list: Vec<u8>,
    details: Vec<u8>,
}

impl Lists {
    /// Writes the lists over the records and says in the header where they are. `functions` in the order of ids.
    ///
    /// # Errors
    /// An image too large for 32-bit offsets, or more than fits where the records were.
    pub fn write(
        &self,
        elf: &mut Elf,
        functions: &[Function],
        header: &mut ImageHeader,
        base: u64,
    ) -> Result<()> {
        let exports = self.write_exports(elf, functions, header, base)?;
        let imports = self.write_imports(elf, header, base)?;
        let references = self.write_references(elf, header, base)?;
        let dependencies = self.write_dependencies(elf, header, base)?;
        header.package_checksum = checksum([&references.list, &dependencies]);
        header.details_checksum = details::checksum([
            &exports.list,
            &imports.list,
            &exports.details,
            &imports.details,
            &references.details,
        ]);
        if let Some(Section { address, size, .. }) = blob(elf)?.cloned() {
            header.linkage = Extent { offset: offset_from(elf, base, address)?, count: size as u32 };
            header.linkage_checksum = linkage_checksum(elf.slice(address, size as usize).unwrap_or(&[]));
        }
        Ok(())
    }

    fn write_exports(
        &self,
        elf: &mut Elf,
        functions: &[Function],
        header: &mut ImageHeader,
        base: u64,
    ) -> Result<Written> {
        let ids: HashMap<u64, u32> = functions.iter().enumerate().map(|(i, f)| (f.slot, i as u32)).collect();
        let mut list = Vec::new();
        for (identity, function) in &self.exports {
            let slot = arch::trampoline(elf.arch, elf, *function);
            let id = slot.and_then(|slot| ids.get(&slot).copied()).unwrap_or(NOT_CLONED);
            let offset = offset_from(elf, base, *function)?;
            list.push(Export { tag: tag(identity), function: id, offset });
        }
        let written = Written { list: all(&list), details: self.exports.keys().flatten().copied().collect() };
        // What a load reads stands last here, and first in the sections behind this one.
        [header.export_identities, header.exports] =
            place(elf, EXPORT_SECTION, base, list.len(), [&written.details, &written.list])?;
        Ok(written)
    }

    fn write_imports(&self, elf: &mut Elf, header: &mut ImageHeader, base: u64) -> Result<Written> {
        let mut entries: Vec<(&u64, &Taken)> = self.imports.iter().collect();
        // A dependency's exports are read in their order so.
        entries.sort_by_key(|(_, taken)| (taken.dependency, taken.export));
        let mut list = Vec::new();
        for (slot, taken) in &entries {
            let slot = offset_from(elf, base, **slot)?;
            list.push(Import { slot, export: taken.export, tag: Import::tag_of(&taken.lent, slot) });
        }
        let details = entries.iter().flat_map(|(_, taken)| taken.identity).collect();
        let written = Written { list: all(&list), details };
        [header.imports, header.import_identities] =
            place(elf, IMPORT_SECTION, base, list.len(), [&written.list, &written.details])?;
        if let (Some((first, _)), Some((last, _))) =
            (self.imports.first_key_value(), self.imports.last_key_value())
        {
            let count = (last + SLOT_SIZE - first) as u32;
            header.import_span = Extent { offset: offset_from(elf, base, *first)?, count };
        }
        Ok(written)
    }

    fn write_references(&self, elf: &mut Elf, header: &mut ImageHeader, base: u64) -> Result<Written> {
        let lists = self.references.lists(|address| offset_from(elf, base, address))?;
        let written = Written { list: all(&lists.references), details: all(&lists.referents) };
        [header.references, header.referents] =
            place(elf, REFERENCE_SECTION, base, lists.references.len(), [&written.list, &written.details])?;
        self.references.drop_relocations(elf)?;
        Ok(written)
    }

    fn write_dependencies(&self, elf: &mut Elf, header: &mut ImageHeader, base: u64) -> Result<Vec<u8>> {
        let told = |(number, record): (u32, &Dependency)| Dependency {
            imports_end: end(number, self.imports.values().map(|taken| taken.dependency)),
            references_end: end(number, self.references.by_cell.values().map(|r| r.dependency)),
            ..*record
        };
        let list: Vec<Dependency> = (0..).zip(&self.dependencies).map(told).collect();
        let written = all(&list);
        [header.dependencies, _] = place(elf, DEPENDENCY_SECTION, base, list.len(), [&written, &[]])?;
        Ok(written)
    }
}

/// Where the entries of a dependency end among those of all, which are sorted by dependency.
fn end(number: u32, dependencies: impl Iterator<Item = u32>) -> u32 {
    dependencies.filter(|dependency| *dependency <= number).count() as u32
}

fn all<T: Pod>(list: &[T]) -> Vec<u8> {
    list.iter().flat_map(|item| bytes_of(item).to_vec()).collect()
}

/// Writes two lists of `count` over a section of records, which may be missing where there are none.
fn place(
    elf: &mut Elf,
    name: &str,
    base: u64,
    count: usize,
    [first, second]: [&[u8]; 2],
) -> Result<[Extent; 2]> {
    let Some(Section { address, size, .. }) = elf.section(name).cloned() else {
        return Ok([Extent::default(); 2]);
    };
    let mut bytes = [first, second].concat();
    if bytes.len() as u64 > size {
        return Err(elf.wrong(name, format!("{} bytes", bytes.len()), "at most the records' size"));
    }
    bytes.resize(size as usize, 0);
    elf.write(address, &bytes)?;
    if count == 0 {
        return Ok([Extent::default(); 2]);
    }
    let extent = |at: u64| Ok(Extent { offset: offset_from(elf, base, at)?, count: count as u32 });
    Ok([extent(address)?, extent(address + first.len() as u64)?])
}
