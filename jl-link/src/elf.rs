//! The linked output as plain values: sections, segments, symbols and kept relocations.

use crate::arch::Code;
use crate::error::{Error, REPORT_IT, Result};
use image_format::cpu::Arch;
use image_format::pod::{Pod, read_at};
use object::LittleEndian as LE;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub name: String,
    pub kind: elf::SectionType,
    pub flags: elf::SectionFlags,
    pub address: u64,
    /// In the file, in bytes.
    pub offset: u64,
    pub size: u64,
    pub link: u32,
    pub info: u32,
    pub align: u64,
    pub entry_size: u64,
}

impl Section {
    pub fn is_allocated(&self) -> bool {
        self.flags.contains(elf::SHF_ALLOC)
    }

    pub fn is_executable(&self) -> bool {
        self.flags.contains(elf::SHF_EXECINSTR)
    }

    pub fn has_bytes(&self) -> bool {
        self.kind != elf::SHT_NOBITS && self.kind != elf::SHT_NULL
    }

    pub fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.size
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub kind: elf::ProgramType,
    pub flags: elf::ProgramFlags,
    pub offset: u64,
    pub address: u64,
    pub file_size: u64,
    pub memory_size: u64,
    pub align: u64,
}

impl Segment {
    pub fn contains(&self, address: u64) -> bool {
        address >= self.address && address - self.address < self.memory_size
    }
}

/// An entry of .symtab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: u32,
    pub kind: elf::SymbolType,
    pub binding: elf::SymbolBind,
    pub section: elf::SymbolSection,
    pub value: u64,
    pub size: u64,
    /// Not written again: what it named is no longer there.
    pub dropped: bool,
}

impl Symbol {
    pub fn is_defined(&self) -> bool {
        self.section != elf::SHN_UNDEF
    }
}

/// A relocation that `--emit-relocs` kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// Address of the field.
    pub place: u64,
    pub kind: elf::RelocationType,
    pub symbol: u32,
    pub addend: i64,
}

/// A linked file and what its headers say.
#[derive(Clone, Debug)]
pub struct Elf {
    /// The file that messages name.
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub arch: Arch,
    pub kind: elf::FileType,
    pub entry: u64,
    pub sections: Vec<Section>,
    pub segments: Vec<Segment>,
    pub symbols: Vec<Symbol>,
}

impl Elf {
    /// # Errors
    /// The bytes are no little-endian 64-bit ELF file, its headers lie outside of it, or its architecture is
    /// unknown.
    pub fn parse(path: &Path, bytes: Vec<u8>) -> Result<Elf> {
        let wrong = |e: object::Error| image_error(path, "the linked file", e.to_string(), "an ELF file");
        let header = elf::FileHeader64::<LE>::parse(&*bytes).map_err(wrong)?;
        let machine = header.e_machine.get(LE);
        let arch = Arch::from_elf_machine(machine.0.into()).ok_or_else(|| {
            image_error(path, "ELF machine", machine.to_string(), "62 (x86-64) or 183 (aarch64)")
        })?;
        let table = header.sections(LE, &*bytes).map_err(wrong)?;
        let mut sections = Vec::new();
        for section in table.iter() {
            let name = table.section_name(LE, section).map_err(wrong)?;
            section.data(LE, &*bytes).map_err(wrong)?;
            sections.push(read_section(section, name));
        }
        let segments = header.program_headers(LE, &*bytes).map_err(wrong)?.iter().map(read_segment).collect();
        let symbols = table.symbols(LE, &*bytes, elf::SHT_SYMTAB).map_err(wrong)?;
        let symbols = symbols.iter().map(read_symbol).collect();
        let (kind, entry) = (header.e_type.get(LE), header.e_entry.get(LE));
        Ok(Elf { path: path.into(), arch, kind, entry, sections, segments, symbols, bytes })
    }

    /// Whether the dynamic linker is told of a name or a version; `name` ends with its zero.
    pub fn has_dynamic_string(&self, name: &[u8]) -> bool {
        let strings = self.section(".dynstr").map_or(&[][..], |section| self.data(section));
        strings.split_inclusive(|byte| *byte == 0).any(|string| string == name)
    }

    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The number of the section that holds the sections' names.
    pub fn names_section(&self) -> Option<usize> {
        let field = self.bytes.get(62..64)?;
        let index = usize::from(u16::from_le_bytes([field[0], field[1]]));
        (index != 0 && index < self.sections.len()).then_some(index)
    }

    /// The bytes of a section; empty for one that has none in the file.
    pub fn data(&self, section: &Section) -> &[u8] {
        if !section.has_bytes() {
            return &[];
        }
        let start = section.offset as usize;
        self.bytes.get(start..start + section.size as usize).unwrap_or(&[])
    }

    /// Where in the file the byte at `address` is.
    pub fn file_offset(&self, address: u64) -> Option<usize> {
        let load = self
            .segments
            .iter()
            .find(|s| s.kind == elf::PT_LOAD && address >= s.address && address - s.address < s.file_size)?;
        Some((load.offset + (address - load.address)) as usize)
    }

    pub fn read<T: Pod>(&self, address: u64) -> Option<T> {
        read_at(&self.bytes, self.file_offset(address)?)
    }

    pub fn slice(&self, address: u64, size: usize) -> Option<&[u8]> {
        let start = self.file_offset(address)?;
        self.bytes.get(start..start.checked_add(size)?)
    }

    /// Overwrites bytes that are loaded at `address`.
    pub fn write(&mut self, address: u64, bytes: &[u8]) -> Result<()> {
        let start = self.file_offset(address);
        match start.and_then(|s| self.bytes.get_mut(s..s + bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(self.wrong("bytes to fill in", format!("address {address:#x}"), "one in the file")),
        }
    }

    pub fn symbol_name(&self, symbol: &Symbol) -> &str {
        self.string(symbol.name).unwrap_or("")
    }

    fn string(&self, offset: u32) -> Option<&str> {
        let symtab = self.sections.iter().find(|s| s.kind == elf::SHT_SYMTAB)?;
        let strings = self.data(self.sections.get(symtab.link as usize)?);
        let tail = strings.get(offset as usize..)?;
        std::str::from_utf8(tail.get(..tail.iter().position(|b| *b == 0)?)?).ok()
    }

    /// The zero-terminated text at an address.
    pub fn string_at(&self, address: u64) -> Option<String> {
        let tail = self.bytes.get(self.file_offset(address)?..)?;
        Some(String::from_utf8_lossy(tail.get(..tail.iter().position(|b| *b == 0)?)?).into_owned())
    }

    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.iter().find(|s| s.is_defined() && self.symbol_name(s) == name)
    }

    /// The kept relocations, with the index of the section that they apply to.
    pub fn relocations(&self) -> impl Iterator<Item = (&Section, Relocation)> {
        let kept = |s: &&Section| s.kind == elf::SHT_RELA && !s.is_allocated();
        self.sections.iter().filter(kept).flat_map(|table| {
            let target = self.sections.get(table.info as usize);
            let entries = self.data(table).chunks_exact(24);
            let target = target.filter(|t| t.is_allocated());
            target.into_iter().flat_map(move |target| {
                let entries = entries.clone();
                entries.filter_map(move |bytes| Some((target, read_relocation(bytes)?)))
            })
        })
    }

    /// An error of this file that no input is to blame for.
    pub fn wrong(&self, what: &str, found: String, expected: &str) -> Error {
        image_error(&self.path, what, found, expected)
    }

    pub fn is_executable_file(&self) -> bool {
        self.kind == elf::ET_EXEC
            || self.segments.iter().any(|s| s.kind == elf::PT_INTERP)
            || self.dynamic(elf::DT_FLAGS_1).is_some_and(|f| f & elf::DF_1_PIE.0 != 0)
    }

    /// The number of the section that the file has the bytes at `address` in. Sections without bytes may
    /// overlap it: a program's thread-local ones do.
    pub fn loaded_section(&self, address: u64) -> Option<usize> {
        self.sections.iter().position(|s| s.is_allocated() && s.has_bytes() && s.contains(address))
    }

    /// The value of a dynamic tag.
    pub fn dynamic(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.read(self.dynamic_value(tag)?)
    }

    /// Address of the value of a dynamic tag.
    fn dynamic_value(&self, tag: elf::DynamicTag) -> Option<u64> {
        let section = self.sections.iter().find(|s| s.kind == elf::SHT_DYNAMIC)?;
        let mut entries = self.data(section).chunks_exact(16);
        let entry = entries.position(|e| read_at::<u64>(e, 0) == Some(tag.0.cast_unsigned()))?;
        Some(section.address + 16 * entry as u64 + 8)
    }

    /// The names of the libraries that the dynamic linker loads for this file (DT_NEEDED).
    pub fn needed(&self) -> Vec<&[u8]> {
        let strings = self.dynamic(elf::DT_STRTAB).and_then(|at| self.loaded_section(at));
        let strings = strings.map_or(&[][..], |section| self.data(&self.sections[section]));
        let section = self.sections.iter().find(|s| s.kind == elf::SHT_DYNAMIC);
        let entries = section.map_or(&[][..], |s| self.data(s)).chunks_exact(16);
        let needed = entries.filter(|e| read_at::<u64>(e, 0) == Some(elf::DT_NEEDED.0.cast_unsigned()));
        let names = needed.filter_map(|e| strings.get(read_at::<u64>(e, 8)? as usize..));
        names.map(|name| name.split(|byte| *byte == 0).next().unwrap_or(&[])).collect()
    }

    /// Changes the value of a dynamic tag that the file has.
    pub fn set_dynamic(&mut self, tag: elf::DynamicTag, value: u64) -> Result<()> {
        self.dynamic_value(tag).map_or(Ok(()), |address| self.write(address, &value.to_le_bytes()))
    }

    /// Lets a symbol of .symtab name something else.
    pub fn move_symbol(&mut self, index: usize, address: u64, size: u64) -> Result<()> {
        let section = self.loaded_section(address);
        let table = self.sections.iter().find(|s| s.kind == elf::SHT_SYMTAB);
        let at = table.map(|table| table.offset as usize + size_of::<elf::Sym64<LE>>() * index);
        let entry = at.and_then(|at| self.bytes.get_mut(at..)?.get_mut(..24));
        let (Some(section), Some(entry)) = (section.and_then(|s| u16::try_from(s).ok()), entry) else {
            return Err(self.wrong("symbol to move", format!("address {address:#x}"), "one in a section"));
        };
        entry[6..8].copy_from_slice(&section.to_le_bytes());
        entry[8..16].copy_from_slice(&address.to_le_bytes());
        entry[16..24].copy_from_slice(&size.to_le_bytes());
        let symbol = &mut self.symbols[index];
        (symbol.section, symbol.value, symbol.size) = (elf::SymbolSection(section), address, size);
        Ok(())
    }
}

impl Code for Elf {
    fn code(&self, address: u64, len: usize) -> Option<&[u8]> {
        let executable = |s: &&Section| s.is_executable() && s.contains(address);
        let section = self.sections.iter().find(executable)?;
        let at = (address - section.address) as usize;
        self.data(section).get(at..at.checked_add(len)?)
    }
}

fn image_error(path: &Path, what: &str, found: String, expected: &str) -> Error {
    let (file, what, expected) = (path.into(), what.into(), expected.into());
    Error::Image { file, what, found, expected, advice: REPORT_IT }
}

fn read_section(s: &elf::SectionHeader64<LE>, name: &[u8]) -> Section {
    Section {
        name: String::from_utf8_lossy(name).into_owned(),
        kind: s.sh_type.get(LE),
        flags: s.sh_flags.get(LE),
        address: s.sh_addr.get(LE),
        offset: s.sh_offset.get(LE),
        size: s.sh_size.get(LE),
        link: s.sh_link.get(LE),
        info: s.sh_info.get(LE),
        align: s.sh_addralign.get(LE),
        entry_size: s.sh_entsize.get(LE),
    }
}

fn read_segment(p: &elf::ProgramHeader64<LE>) -> Segment {
    Segment {
        kind: p.p_type(LE),
        flags: p.p_flags(LE),
        offset: p.p_offset(LE),
        address: p.p_vaddr(LE),
        file_size: p.p_filesz(LE),
        memory_size: p.p_memsz(LE),
        align: p.p_align(LE),
    }
}

fn read_symbol(s: &elf::Sym64<LE>) -> Symbol {
    Symbol {
        name: s.st_name.get(LE),
        kind: s.st_type(),
        binding: s.st_bind(),
        section: s.st_shndx.get(LE),
        value: s.st_value.get(LE),
        size: s.st_size.get(LE),
        dropped: false,
    }
}

fn read_relocation(bytes: &[u8]) -> Option<Relocation> {
    let info: u64 = read_at(bytes, 8)?;
    Some(Relocation {
        place: read_at(bytes, 0)?,
        kind: elf::RelocationType(info as u32),
        symbol: (info >> 32) as u32,
        addend: read_at::<u64>(bytes, 16)?.cast_signed(),
    })
}
