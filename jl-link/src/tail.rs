//! Removes what is not loaded from a finished file: kept relocations, report lines, and what -s, -S and
//! -x ask for. What is loaded keeps its place and bytes; only the end of the file is written anew.

use crate::args::Strip;
use crate::elf::{Elf, Section};
use crate::error::Result;
use image_format::c_entries;
use image_format::layout::REPORT_SECTION;
use object::elf;

/// What stays of the part that is not loaded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    pub strip: Strip,
    pub discard_locals: bool,
    pub relocations: bool,
}

const EHDR_SIZE: u64 = 64;
const SHDR_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;
/// Section numbers from here on are not sections but special values.
const FIRST_RESERVED: u16 = elf::SHN_LORESERVE;

/// The file's bytes with only what `keep` says after the loaded part.
///
/// # Errors
/// A file that cannot be laid out so: sections that are not loaded in the middle of loaded ones.
pub fn rewrite(elf: &Elf, keep: Keep) -> Result<Vec<u8>> {
    let loaded_end = loaded_end(elf);
    if let Some(section) = elf.sections.iter().find(|s| is_tail(s) && s.offset < loaded_end && s.size > 0) {
        let found = format!("{} at {:#x}", section.name, section.offset);
        return Err(elf.wrong("section that is not loaded", found, "one behind the loaded part of the file"));
    }
    let kept: Vec<bool> = elf.sections.iter().map(|s| stays(elf, s, keep)).collect();
    let numbers = renumber(&kept);
    let mut writer = Writer { elf, keep, numbers, out: elf.bytes[..loaded_end as usize].to_vec() };
    writer.renumber_dynamic_symbols();
    writer.sections(&kept)
}

fn is_tail(section: &Section) -> bool {
    !section.is_allocated() && section.has_bytes()
}

fn loaded_end(elf: &Elf) -> u64 {
    let segments = elf.segments.iter().map(|s| s.offset + s.file_size);
    let sections = elf.sections.iter().filter(|s| s.is_allocated() && s.has_bytes());
    let headers = EHDR_SIZE + 56 * elf.segments.len() as u64;
    segments.chain(sections.map(|s| s.offset + s.size)).fold(headers, u64::max)
}

fn stays(elf: &Elf, section: &Section, keep: Keep) -> bool {
    if section.is_allocated() || section.kind == elf::SHT_NULL {
        return true;
    }
    if section.kind == elf::SHT_RELA || section.kind == elf::SHT_REL {
        let target = elf.sections.get(section.info as usize);
        return keep.relocations && target.is_some_and(|t| stays(elf, t, keep));
    }
    if elf.names_section().is_some_and(|names| std::ptr::eq(&elf.sections[names], section)) {
        return true;
    }
    let debug = section.name.starts_with(".debug") || section.name == ".gdb_index";
    let symbols = matches!(section.kind, elf::SHT_SYMTAB | elf::SHT_SYMTAB_SHNDX)
        || section.kind == elf::SHT_STRTAB && section.name == ".strtab";
    !(section.name == REPORT_SECTION
        || section.name == c_entries::SECTION
        || debug && keep.strip >= Strip::Debug
        || symbols && keep.strip == Strip::All)
}

/// New number of each section; 0 for one that goes.
fn renumber(kept: &[bool]) -> Vec<u16> {
    let mut next = 0u16;
    let number = |kept: &bool| {
        next += u16::from(*kept);
        if *kept { next - 1 } else { 0 }
    };
    kept.iter().map(number).collect()
}

struct Writer<'a> {
    elf: &'a Elf,
    keep: Keep,
    numbers: Vec<u16>,
    out: Vec<u8>,
}

impl Writer<'_> {
    fn number(&self, old: u32) -> u16 {
        self.numbers.get(old as usize).copied().unwrap_or(0)
    }

    /// lld puts sections that are not loaded last, so that this changes nothing; a linker script may not.
    fn renumber_dynamic_symbols(&mut self) {
        let Some(table) = self.elf.sections.iter().find(|s| s.kind == elf::SHT_DYNSYM) else { return };
        for at in (table.offset as usize..(table.offset + table.size) as usize).step_by(SYMBOL_SIZE) {
            let field = at + 6..at + 8;
            let Some(bytes) = self.elf.bytes.get(field.clone()) else { return };
            let old = u16::from_le_bytes([bytes[0], bytes[1]]);
            if old < FIRST_RESERVED {
                let new = self.number(old.into());
                self.out[field].copy_from_slice(&new.to_le_bytes());
            }
        }
    }

    fn sections(mut self, kept: &[bool]) -> Result<Vec<u8>> {
        let symbols = self.symbols();
        let mut headers = Vec::new();
        let mut names = vec![0u8];
        let mut names_header = 0;
        let is_kept = |(i, _): &(usize, &Section)| kept[*i];
        for (index, section) in self.elf.sections.iter().enumerate().filter(is_kept) {
            let mut header = Section { name: String::new(), ..section.clone() };
            // The null section has no name: that of the first one would make it a second section of that name.
            let name = if section.kind == elf::SHT_NULL { 0 } else { names.len() as u32 };
            if name != 0 {
                names.extend_from_slice(section.name.as_bytes());
                names.push(0);
            }
            header.link = self.number(section.link).into();
            let info_is_section = section.flags.contains(elf::SHF_INFO_LINK)
                || matches!(section.kind, elf::SHT_RELA | elf::SHT_REL);
            if info_is_section {
                header.info = self.number(section.info).into();
            }
            if self.elf.names_section() == Some(index) {
                names_header = headers.len();
            } else if is_tail(section) {
                let data = match (section.kind, &symbols) {
                    (elf::SHT_SYMTAB, Some(symbols)) => {
                        header.info = symbols.first_global;
                        &symbols.table[..]
                    }
                    (elf::SHT_STRTAB, Some(symbols)) => &symbols.strings[..],
                    _ => self.elf.data(section),
                };
                place(&mut self.out, &mut header, data);
            }
            headers.push((name, header));
        }
        place(&mut self.out, &mut headers[names_header].1, &names);
        let table = self.out.len().next_multiple_of(8);
        self.out.resize(table, 0);
        for (name, header) in &headers {
            self.out.extend_from_slice(&encode(*name, header));
        }
        self.out[40..48].copy_from_slice(&(table as u64).to_le_bytes());
        self.out[60..62].copy_from_slice(&(headers.len() as u16).to_le_bytes());
        self.out[62..64].copy_from_slice(&(names_header as u16).to_le_bytes());
        Ok(self.out)
    }

    /// The symbol table without what only relocations needed; `None` when it stays as it is.
    fn symbols(&self) -> Option<Symbols> {
        let elf = self.elf;
        let section = elf.sections.iter().find(|s| s.kind == elf::SHT_SYMTAB)?;
        let old_strings = elf.data(elf.sections.get(section.link as usize)?);
        let mut new = Symbols { table: vec![0; SYMBOL_SIZE], strings: vec![0], first_global: 1 };
        for (entry, symbol) in elf.data(section).chunks_exact(SYMBOL_SIZE).zip(&elf.symbols).skip(1) {
            let local = symbol.binding == elf::STB_LOCAL;
            let name = old_strings.get(symbol.name as usize..).unwrap_or(&[]);
            let name = name.split(|b| *b == 0).next().unwrap_or(&[]);
            // Relocations that stay refer to symbols by number: then every symbol stays.
            // lld keeps assembler-local names (`.L...`) when relocations might refer to them.
            let temporary = name.starts_with(b".L");
            let goes = symbol.kind == elf::STT_SECTION || local && (self.keep.discard_locals || temporary);
            if (goes || symbol.dropped) && !self.keep.relocations {
                continue;
            }
            let mut entry = entry.to_vec();
            let name_at = if name.is_empty() { 0 } else { new.strings.len() as u32 };
            if !name.is_empty() {
                new.strings.extend_from_slice(name);
                new.strings.push(0);
            }
            entry[..4].copy_from_slice(&name_at.to_le_bytes());
            if symbol.section.0 < FIRST_RESERVED {
                entry[6..8].copy_from_slice(&self.number(symbol.section.0.into()).to_le_bytes());
            }
            new.first_global += u32::from(local);
            new.table.extend_from_slice(&entry);
        }
        Some(new)
    }
}

struct Symbols {
    table: Vec<u8>,
    strings: Vec<u8>,
    first_global: u32,
}

fn place(out: &mut Vec<u8>, header: &mut Section, data: &[u8]) {
    out.resize(out.len().next_multiple_of(header.align.max(1) as usize), 0);
    header.offset = out.len() as u64;
    header.size = data.len() as u64;
    out.extend_from_slice(data);
}

fn encode(name: u32, s: &Section) -> [u8; SHDR_SIZE] {
    let mut bytes = [0; SHDR_SIZE];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(&name.to_le_bytes());
    put(&s.kind.0.to_le_bytes());
    for word in [s.flags.0, s.address, s.offset, s.size] {
        put(&word.to_le_bytes());
    }
    put(&s.link.to_le_bytes());
    put(&s.info.to_le_bytes());
    put(&s.align.to_le_bytes());
    put(&s.entry_size.to_le_bytes());
    bytes
}
