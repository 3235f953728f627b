//! What tests ask about an ELF file.

use anyhow::{Context, Result, bail};
use object::elf;
use object::read::elf::{Dyn, ElfFile64, FileHeader, ProgramHeader, SectionHeader, Sym};
use object::{Endianness, Object, ObjectSection, ObjectSymbol};
use std::path::{Path, PathBuf};

/// A file, read whole.
pub struct Elf {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A program header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub kind: elf::ProgramType,
    pub flags: elf::ProgramFlags,
    pub address: u64,
    pub memory_size: u64,
    pub file_size: u64,
}

/// A symbol of the symbol table or the dynamic symbol table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    pub name: String,
    pub kind: elf::SymbolType,
    pub binding: elf::SymbolBind,
    pub visibility: elf::SymbolVisibility,
    pub defined: bool,
    pub address: u64,
    pub size: u64,
}

impl Elf {
    pub fn read(path: &Path) -> Result<Elf> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Elf { path: path.into(), bytes })
    }

    fn file(&self) -> Result<ElfFile64<'_, Endianness>> {
        ElfFile64::parse(&self.bytes[..]).with_context(|| format!("{} is no ELF file", self.path.display()))
    }

    pub fn segments(&self) -> Result<Vec<Segment>> {
        let file = self.file()?;
        let e = file.endian();
        Ok(file
            .elf_program_headers()
            .iter()
            .map(|p| Segment {
                kind: p.p_type(e),
                flags: p.p_flags(e),
                address: p.p_vaddr(e),
                memory_size: p.p_memsz(e),
                file_size: p.p_filesz(e),
            })
            .collect())
    }

    pub fn symbols(&self) -> Result<Vec<Symbol>> {
        self.symbol_table(elf::SHT_SYMTAB)
    }

    pub fn dynamic_symbols(&self) -> Result<Vec<Symbol>> {
        self.symbol_table(elf::SHT_DYNSYM)
    }

    fn symbol_table(&self, kind: elf::SectionType) -> Result<Vec<Symbol>> {
        let file = self.file()?;
        let e = file.endian();
        let table = file.elf_section_table().symbols(e, &self.bytes[..], kind)?;
        Ok(table
            .iter()
            .map(|s| Symbol {
                name: String::from_utf8_lossy(s.name(e, table.strings()).unwrap_or(b"?")).into_owned(),
                kind: s.st_type(),
                binding: s.st_bind(),
                visibility: s.st_visibility(),
                defined: s.st_shndx(e) != elf::SHN_UNDEF,
                address: s.st_value(e),
                size: s.st_size(e),
            })
            .collect())
    }

    /// Names and types of all sections.
    pub fn sections(&self) -> Result<Vec<(String, elf::SectionType)>> {
        let file = self.file()?;
        let e = file.endian();
        let table = file.elf_section_table();
        Ok(table
            .iter()
            .map(|s| {
                let name = table.section_name(e, s).unwrap_or(b"?");
                (String::from_utf8_lossy(name).into_owned(), s.sh_type(e))
            })
            .collect())
    }

    pub fn section_bytes(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let file = self.file()?;
        let found = file.section_by_name(name);
        Ok(found.map(|s| s.data().map(<[u8]>::to_vec)).transpose()?)
    }

    /// Where a section's bytes are in the file: of the first one with that name.
    pub fn section_range(&self, name: &str) -> Result<std::ops::Range<usize>> {
        let file = self.file()?;
        let section = file.section_by_name(name);
        let range = section.and_then(|s| s.file_range());
        let (offset, size) =
            range.with_context(|| format!("{} has no section {name}", self.path.display()))?;
        Ok(offset as usize..(offset + size) as usize)
    }

    /// Where the byte at an address of a loaded segment is in the file.
    pub fn offset(&self, address: u64) -> Result<usize> {
        let file = self.file()?;
        let e = file.endian();
        let loaded = file.elf_program_headers().iter().filter(|p| p.p_type(e) == elf::PT_LOAD);
        let offset = loaded
            .filter_map(|p| Some((address.checked_sub(p.p_vaddr(e))?, p)))
            .find_map(|(at, p)| (at < p.p_filesz(e)).then(|| p.p_offset(e) + at));
        let offset =
            offset.with_context(|| format!("nothing of {} is at {address:#x}", self.path.display()))?;
        Ok(offset as usize)
    }

    /// Values of a tag in the dynamic table.
    pub fn dynamic(&self, tag: elf::DynamicTag) -> Result<Vec<u64>> {
        let file = self.file()?;
        let e = file.endian();
        let entries = file.elf_section_table().dynamic(e, &self.bytes[..])?;
        let entries = entries.map_or(&[][..], |(entries, _)| entries);
        Ok(entries.iter().filter(|d| d.d_tag(e) == tag).map(|d| d.d_val(e)).collect())
    }

    pub fn build_id(&self) -> Result<Option<Vec<u8>>> {
        Ok(self.file()?.build_id()?.map(<[u8]>::to_vec))
    }

    pub fn is_shared(&self) -> Result<bool> {
        let file = self.file()?;
        Ok(file.elf_header().e_type(file.endian()) == elf::ET_DYN)
    }

    /// What every output of the linker must keep to, whatever went in.
    pub fn check_output(&self) -> Result<()> {
        let name = self.path.display();
        for symbol in self.dynamic_symbols()? {
            if symbol.kind == elf::STT_GNU_IFUNC && symbol.defined {
                bail!("{name}: the dynamic symbol {} is an IFUNC", symbol.name);
            }
        }
        if !self.dynamic(elf::DT_TEXTREL)?.is_empty() {
            bail!("{name} has text relocations");
        }
        let flags: u64 = self.dynamic(elf::DT_FLAGS)?.iter().sum();
        if flags & elf::DF_TEXTREL.0 != 0 {
            bail!("{name} has text relocations");
        }
        for segment in self.segments()? {
            if segment.flags.contains(elf::PF_W | elf::PF_X) {
                bail!("{name} has a segment that is both writable and executable: {segment:x?}");
            }
        }
        if self.build_id()?.is_none() {
            bail!("{name} has no build id");
        }
        if self.sections()?.first().is_some_and(|(null, _)| !null.is_empty()) {
            bail!("{name} gives the null section a name");
        }
        self.check_no_kept_relocations()?;
        self.check_slots()
    }

    /// Relocations that `--emit-relocs` kept for patching must be gone.
    fn check_no_kept_relocations(&self) -> Result<()> {
        let file = self.file()?;
        let e = file.endian();
        let table = file.elf_section_table();
        for section in table.iter() {
            let allocated = section.sh_flags(e).contains(elf::SHF_ALLOC);
            if section.sh_type(e) == elf::SHT_RELA && !allocated {
                let section = String::from_utf8_lossy(table.section_name(e, section)?).into_owned();
                bail!("{} still has the kept relocations {section}", self.path.display());
            }
        }
        Ok(())
    }

    /// Every slot lies in RELRO.
    fn check_slots(&self) -> Result<()> {
        let segments = self.segments()?;
        let relro = segments.iter().find(|s| s.kind == elf::PT_GNU_RELRO);
        let slots = self.symbols()?.into_iter().filter(|s| s.name.ends_with(".reloc_slot") && s.defined);
        for slot in slots {
            let inside =
                |s: &Segment| slot.address >= s.address && slot.address + 8 <= s.address + s.memory_size;
            if !relro.is_some_and(inside) {
                bail!("{}: the slot {} lies outside of RELRO ({relro:x?})", self.path.display(), slot.name);
            }
        }
        Ok(())
    }

    /// The names of all symbols, local ones too.
    pub fn has_symbol(&self, name: &str) -> Result<bool> {
        Ok(self.file()?.symbols().any(|s| s.is_definition() && s.name() == Ok(name)))
    }
}
