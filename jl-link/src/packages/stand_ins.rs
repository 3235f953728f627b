//! Objects with what stands for functions of dependencies: at the front of a link, in place of all copies.
//!
//! Per function a trampoline of its name, an import slot and a record of it, in the COMDAT group that the copies are in; per
//! dependency its record. What the plugin makes of a function that it leaves out looks the same, but for the trampoline: there
//! it changes the calls.

use super::replace::{Replaced, Taken};
use crate::arch::{self, Jump};
use image_format::cpu::Arch;
use image_format::layout::{
    DEPENDENCY_SECTION, DEPENDENCY_SYMBOL_PREFIX, Dependency, IDENTITY_SIZE, IMPORT_SECTION,
    IMPORT_SLOT_SECTION, IMPORT_SLOT_SUFFIX, ImportRecord, REFERENCE_SECTION, ReferenceRecord,
    UNRESOLVED_SYMBOL,
};
use image_format::pod::bytes_of;
use object::write::{
    Comdat, Object, Relocation, SectionId, StandardSegment, Symbol, SymbolId, SymbolSection,
};
use object::{
    Architecture, BinaryFormat, ComdatKind, Endianness, RelocationFlags, SectionFlags, SectionKind,
    SymbolFlags, SymbolKind, SymbolScope, elf,
};
use std::collections::BTreeMap;
use std::mem::offset_of;
use xxhash_rust::xxh64::xxh64;

/// Groups of one object: far from where section numbers take more than 16 bits.
const GROUPS: usize = 4096;

/// The objects for `replaced`, whose functions name `dependencies` by index.
///
/// # Errors
/// What the crate cannot write.
pub fn objects(
    arch: Arch,
    replaced: &[Replaced],
    dependencies: &[Dependency],
) -> object::write::Result<Vec<Vec<u8>>> {
    let write = |groups: &[Replaced]| {
        let mut writer = Writer::new(arch);
        groups.iter().try_for_each(|group| writer.group(group, dependencies))?;
        writer.object.write()
    };
    replaced.chunks(GROUPS).map(write).collect()
}

/// The identity of a record that only keeps room.
pub const ROOM: [u8; IDENTITY_SIZE] = [0; IDENTITY_SIZE];

/// Records to keep room for beside those of other objects.
#[derive(Clone, Copy, Default)]
pub struct Room<'a> {
    pub imports: usize,
    pub references: usize,
    pub dependencies: &'a [Dependency],
}

/// An object that keeps room.
///
/// # Errors
/// As [`objects`].
pub fn room(arch: Arch, room: Room) -> object::write::Result<Vec<u8>> {
    let mut writer = Writer::new(arch);
    let kept = elf::SHF_ALLOC | elf::SHF_GNU_RETAIN;
    // The linker keeps the order: what a load reads stands together so, as the list of references ends in what it does not read.
    for dependency in room.dependencies {
        writer.section(DEPENDENCY_SECTION, kept, bytes_of(dependency), 8);
    }
    for (section, size) in [
        (IMPORT_SECTION, room.imports * size_of::<ImportRecord>()),
        (REFERENCE_SECTION, room.references * size_of::<ReferenceRecord>()),
    ] {
        if size > 0 {
            writer.section(section, kept, &vec![0; size], 4);
        }
    }
    writer.object.write()
}

struct Writer {
    arch: Arch,
    object: Object<'static>,
    /// What slots lead to before they are filled.
    unresolved: Option<SymbolId>,
    /// By index.
    dependencies: BTreeMap<usize, SymbolId>,
}

impl Writer {
    fn new(arch: Arch) -> Writer {
        let architecture = match arch {
            Arch::X86_64 => Architecture::X86_64,
            Arch::Aarch64 => Architecture::Aarch64,
        };
        let object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        let mut writer = Writer { arch, object, unresolved: None, dependencies: BTreeMap::new() };
        // Without the first the stack of the whole output would become executable; without the second it would have no
        // branch protection.
        writer.object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), SectionKind::Other);
        let note = arch::protected_note(arch);
        let id = writer.section(".note.gnu.property", elf::SHF_ALLOC, &note, 8);
        writer.set_kind(id, elf::SHT_NOTE, elf::SHF_ALLOC);
        writer
    }

    fn section(&mut self, name: &str, flags: elf::SectionFlags, bytes: &[u8], align: u64) -> SectionId {
        let segment = self.object.segment_name(StandardSegment::Data).to_vec();
        let id = self.object.add_section(segment, name.into(), SectionKind::Data);
        self.set_kind(id, elf::SHT_PROGBITS, flags);
        self.object.append_section_data(id, bytes, align);
        id
    }

    fn set_kind(&mut self, id: SectionId, kind: elf::SectionType, flags: elf::SectionFlags) {
        self.object.section_mut(id).flags = SectionFlags::Elf { sh_type: kind, sh_flags: flags };
    }

    fn symbol(
        &mut self,
        name: &str,
        section: SymbolSection,
        size: u64,
        info: elf::SymbolInfo,
        visibility: elf::SymbolVisibility,
    ) -> SymbolId {
        let scope = match info.st_bind() {
            elf::STB_LOCAL => SymbolScope::Compilation,
            _ => SymbolScope::Dynamic,
        };
        self.object.add_symbol(Symbol {
            name: name.into(),
            value: 0,
            size,
            kind: SymbolKind::Data,
            scope,
            weak: info.st_bind() == elf::STB_WEAK,
            section,
            flags: SymbolFlags::Elf { st_info: info, st_other: visibility.into() },
        })
    }

    fn local(&mut self, name: &str, section: SectionId, size: u64, kind: elf::SymbolType) -> SymbolId {
        let info = elf::SymbolInfo::new(elf::STB_LOCAL, kind);
        self.symbol(name, SymbolSection::Section(section), size, info, elf::STV_DEFAULT)
    }

    fn relocate(
        &mut self,
        section: SectionId,
        offset: u64,
        symbol: SymbolId,
        r_type: elf::RelocationType,
        addend: i64,
    ) -> object::write::Result<()> {
        let flags = RelocationFlags::Elf { r_type };
        self.object.add_relocation(section, Relocation { offset, symbol, addend, flags })
    }

    fn group(&mut self, group: &Replaced, dependencies: &[Dependency]) -> object::write::Result<()> {
        let mut sections = Vec::new();
        let mut signature = None;
        for function in &group.functions {
            let (symbol, of_function) = self.function(function, dependencies)?;
            signature = signature.or((function.name == group.signature).then_some(symbol));
            sections.extend(of_function);
        }
        let Some(first) = sections.first().copied() else { return Ok(()) };
        // A group may have a name that none of its functions has (those of constructors do).
        let symbol = match signature {
            Some(symbol) => symbol,
            None => self.local(&group.signature, first, 0, elf::STT_NOTYPE),
        };
        self.object.add_comdat(Comdat { kind: ComdatKind::Any, symbol, sections });
        Ok(())
    }

    /// The function's symbol, and all its sections.
    fn function(
        &mut self,
        function: &Taken,
        dependencies: &[Dependency],
    ) -> object::write::Result<(SymbolId, [SectionId; 3])> {
        let (name, grouped) = (&function.name, elf::SHF_ALLOC | elf::SHF_GROUP);
        let [absolute, distance] = arch::data_relocations(self.arch);
        let unresolved = self.unresolved();
        let slot_section =
            self.section(&format!("{IMPORT_SLOT_SECTION}.{name}"), grouped | elf::SHF_WRITE, &[0; 8], 8);
        let slot = self.local(&format!("{name}{IMPORT_SLOT_SUFFIX}"), slot_section, 8, elf::STT_OBJECT);
        self.relocate(slot_section, 0, unresolved, absolute, 0)?;

        let Jump { code, relocations } = *arch::jump(self.arch);
        let text = self.section(&format!(".text.{name}"), grouped | elf::SHF_EXECINSTR, code, 16);
        for (offset, kind, addend) in relocations {
            self.relocate(text, *offset, slot, *kind, *addend)?;
        }
        let info = elf::SymbolInfo::new(elf::STB_WEAK, elf::STT_FUNC);
        let place = SymbolSection::Section(text);
        let symbol = self.symbol(name, place, code.len() as u64, info, function.visibility);

        let record = ImportRecord { identity: function.identity, slot: 0, dependency: 0, reserved: [0; 2] };
        let blob = self.dependency(function.dependency, dependencies);
        let records = self.section(IMPORT_SECTION, grouped, bytes_of(&record), 4);
        self.relocate(records, offset_of!(ImportRecord, slot) as u64, slot, distance, 0)?;
        self.relocate(records, offset_of!(ImportRecord, dependency) as u64, blob, distance, 0)?;
        Ok((symbol, [text, slot_section, records]))
    }

    fn unresolved(&mut self) -> SymbolId {
        if let Some(symbol) = self.unresolved {
            return symbol;
        }
        let info = elf::SymbolInfo::new(elf::STB_GLOBAL, elf::STT_NOTYPE);
        let symbol = self.symbol(UNRESOLVED_SYMBOL, SymbolSection::Undefined, 0, info, elf::STV_HIDDEN);
        self.unresolved = Some(symbol);
        symbol
    }

    /// The symbol of a dependency's record, which other objects may bring along as well.
    fn dependency(&mut self, index: usize, dependencies: &[Dependency]) -> SymbolId {
        if let Some(symbol) = self.dependencies.get(&index) {
            return *symbol;
        }
        let bytes = bytes_of(&dependencies[index]);
        let name = format!("{DEPENDENCY_SYMBOL_PREFIX}{:016x}", xxh64(bytes, 0));
        let section = self.section(DEPENDENCY_SECTION, elf::SHF_ALLOC | elf::SHF_GROUP, bytes, 8);
        let info = elf::SymbolInfo::new(elf::STB_WEAK, elf::STT_OBJECT);
        let place = SymbolSection::Section(section);
        let symbol = self.symbol(&name, place, bytes.len() as u64, info, elf::STV_HIDDEN);
        self.object.add_comdat(Comdat { kind: ComdatKind::Any, symbol, sections: vec![section] });
        self.dependencies.insert(index, symbol);
        symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::copies;
    use image_format::layout::DEPENDENCY_NAME_SIZE;
    use object::LittleEndian;
    use object::read::elf::FileHeader;

    #[test]
    fn groups_are_those_that_were_asked_for() {
        let taken = |name: &str, visibility| Taken {
            name: name.into(),
            identity: [7; 16],
            dependency: 0,
            visibility,
        };
        let replaced = [
            Replaced { signature: "f".into(), functions: vec![taken("f", elf::STV_HIDDEN)], code: 0 },
            Replaced {
                signature: "ctors".into(),
                functions: vec![taken("c1", elf::STV_DEFAULT), taken("c2", elf::STV_DEFAULT)],
                code: 0,
            },
        ];
        let record = Dependency {
            build_id: [1; 32],
            build_id_size: 20,
            flags: 0,
            lists_checksum: 1,
            table_checksum: 2,
            linkage_checksum: 3,
            imports_end: 0,
            references_end: 0,
            name: [b'a'; DEPENDENCY_NAME_SIZE],
        };
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let bytes = objects(arch, &replaced, &[record]).unwrap().remove(0);
            let header = elf::FileHeader64::<LittleEndian>::parse(&*bytes).unwrap();
            assert_eq!(u32::from(header.e_machine.get(LittleEndian).0), arch.elf_machine());
            let sections = header.sections(LittleEndian, &*bytes).unwrap();
            let found = copies::read("x.o".into(), true, &bytes, &sections);
            let names = |group: &copies::Group| {
                group.symbols.iter().map(|s| (s.name.clone(), s.visibility)).collect::<Vec<_>>()
            };
            let groups: BTreeMap<_, _> =
                found.groups.iter().map(|g| (g.signature.as_str(), names(g))).collect();
            assert_eq!(groups["f"], [("f".to_string(), elf::STV_HIDDEN)]);
            assert_eq!(groups["ctors"].len(), 2);
            assert_eq!(groups.len(), 3, "and the dependency's record");
            assert!(found.alone.is_empty());
        }
    }
}
