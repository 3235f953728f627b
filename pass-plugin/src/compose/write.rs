//! The output's bytes: file header, sections, address significance, symbols, strings, section headers.

use super::error::{ComposeError, Result};
use super::groups::Groups;
use super::input::Input;
use super::kinds::{SHT_LLVM_ADDRSIG, SHT_LLVM_CALL_GRAPH_PROFILE};
use super::layout::{Content, Layout, Output, Piece, SectionId};
use super::relocations::Rewriter;
use super::significance;
use super::symbols::{At, SymbolTable};
use object::LittleEndian;
use object::elf::{self, SectionFlags, SectionType, SymbolInfo, SymbolSection};
use object::write::StringTable;
use object::write::elf::{Encoder, FileHeader, FileHeaderLayout, SectionHeader, Sym};

/// Sections in the file are aligned to what their contents ask for, but no further: nothing is gained by it.
const MOST_ALIGNMENT: u64 = 4096;

pub fn write(inputs: &[Input], groups: &Groups, layout: &Layout, symbols: &SymbolTable) -> Result<Vec<u8>> {
    let mut writer = Writer::new(inputs, layout, symbols)?;
    let relocations = Rewriter::new(inputs, layout, symbols);
    for (id, output) in layout.enumerate() {
        let offset = writer.align(output.align);
        let (link, info) = match &output.content {
            Content::Bytes(pieces) => {
                writer.bytes(inputs, pieces);
                (writer.link(inputs, layout, output, pieces), 0)
            }
            Content::Relocations { of, pieces } => {
                let target = &layout.sections[of.0 as usize - 1];
                for piece in pieces {
                    relocations.append(&inputs[piece.input], *piece, target, &mut writer.out)?;
                }
                (writer.symtab, of.0)
            }
            Content::Group { group, members } => {
                writer.group(groups.joined[*group].comdat, members);
                (writer.symtab, symbols.signatures[*group])
            }
        };
        debug_assert_eq!(writer.headers.len() as u32 + 1, id.0);
        let name = writer.string(&output.name);
        writer.headers.push(SectionHeader {
            sh_name: name,
            sh_type: output.kind,
            sh_flags: output.flags,
            sh_addr: 0,
            sh_offset: offset,
            sh_size: output.size,
            sh_link: link,
            sh_info: info,
            sh_addralign: output.align,
            sh_entsize: output.entry_size,
        });
    }
    writer.significance();
    writer.symbols(symbols);
    writer.finish(inputs)
}

struct Writer<'a> {
    encoder: Encoder<LittleEndian>,
    out: Vec<u8>,
    /// Without the null section.
    headers: Vec<SectionHeader>,
    strings: StringTable<'a>,
    significance: Option<Vec<u8>>,
    /// The symbol table's section index.
    symtab: u32,
}

impl<'a> Writer<'a> {
    fn new(inputs: &[Input], layout: &'a Layout, symbols: &SymbolTable<'a>) -> Result<Writer<'a>> {
        let machine = inputs.first().ok_or(ComposeError::NoInput)?.machine.machine;
        let encoder = Encoder::new(LittleEndian, true, machine);
        let significance = significance::table(inputs, symbols)?;
        let mut out = Vec::with_capacity(inputs.iter().map(|i| i.size).sum());
        out.resize(encoder.file_header_size() as usize, 0);
        Ok(Writer {
            encoder,
            out,
            headers: Vec::with_capacity(layout.sections.len() + 4),
            strings: StringTable::new_in_order(1),
            symtab: layout.sections.len() as u32 + 1 + u32::from(significance.is_some()),
            significance,
        })
    }

    /// Pads, and returns the offset in the file.
    fn align(&mut self, align: u64) -> u64 {
        let aligned = self.out.len().next_multiple_of(align.clamp(1, MOST_ALIGNMENT) as usize);
        self.out.resize(aligned, 0);
        aligned as u64
    }

    fn string(&mut self, name: &'a [u8]) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let id = self.strings.add(name);
        self.strings.get_offset(id)
    }

    fn bytes(&mut self, inputs: &[Input], pieces: &[Piece]) {
        for piece in pieces {
            self.out.extend_from_slice(inputs[piece.input].sections[piece.section].data);
        }
    }

    fn group(&mut self, comdat: bool, members: &[SectionId]) {
        self.out.extend_from_slice(&u32::from(comdat).to_le_bytes());
        members.iter().for_each(|m| self.out.extend_from_slice(&m.0.to_le_bytes()));
    }

    /// What a section's `sh_link` becomes.
    fn link(&self, inputs: &[Input], layout: &Layout, output: &Output, pieces: &[Piece]) -> u32 {
        if output.kind == SHT_LLVM_CALL_GRAPH_PROFILE {
            return self.symtab;
        }
        let Some(first) = pieces.first().filter(|_| output.flags.contains(elf::SHF_LINK_ORDER)) else {
            return 0;
        };
        let link = inputs[first.input].sections[first.section].link;
        layout.placed(first.input, link).map_or(0, |p| p.section.0)
    }

    /// Writes a section that the inputs' are summed up in.
    fn rebuilt(&mut self, name: &'a [u8], kind: SectionType, data: &[u8], header: SectionHeader) {
        let sh_offset = self.align(header.sh_addralign);
        self.out.extend_from_slice(data);
        let sh_name = self.string(name);
        let sh_size = data.len() as u64;
        self.headers.push(SectionHeader { sh_name, sh_type: kind, sh_offset, sh_size, ..header });
    }

    fn significance(&mut self) {
        if let Some(table) = self.significance.take() {
            let sh_flags = elf::SHF_EXCLUDE;
            let header = SectionHeader { sh_flags, sh_link: self.symtab, ..blank(1) };
            self.rebuilt(b".llvm_addrsig", SHT_LLVM_ADDRSIG, &table, header);
        }
    }

    fn symbols(&mut self, symbols: &SymbolTable<'a>) {
        let mut table = Vec::with_capacity((symbols.entries.len() + 1) * self.encoder.sym_size() as usize);
        let mut long = vec![0u8; 4];
        let mut is_long = false;
        self.encoder.null_symbol(&mut table);
        for entry in &symbols.entries {
            let (section, special) = match entry.at {
                At::Undefined => (None, elf::SHN_UNDEF),
                At::Absolute => (None, elf::SHN_ABS),
                At::Common => (None, elf::SHN_COMMON),
                At::Section(section) => (Some(section.0), SymbolSection(0)),
            };
            let symbol = Sym {
                section,
                st_name: self.string(entry.name),
                st_info: SymbolInfo::new(entry.bind, entry.kind),
                st_other: entry.other,
                st_shndx: special,
                st_value: entry.value,
                st_size: entry.size,
            };
            let index = self.encoder.symbol(&mut table, &symbol);
            is_long |= index.is_some();
            long.extend_from_slice(&index.unwrap_or(0).to_le_bytes());
        }
        let strings = self.symtab + 1 + u32::from(is_long);
        let header = self.encoder.symtab_section_header(strings, symbols.locals as u32 + 1);
        self.rebuilt(b".symtab", elf::SHT_SYMTAB, &table, header);
        if is_long {
            let header = self.encoder.symtab_shndx_section_header(self.symtab);
            self.rebuilt(b".symtab_shndx", elf::SHT_SYMTAB_SHNDX, &long, header);
        }
    }

    fn finish(mut self, inputs: &[Input]) -> Result<Vec<u8>> {
        let name = self.string(b".strtab");
        let offset = self.align(1);
        self.out.push(0);
        let size = self
            .strings
            .write(&mut self.out, 1)
            .map_err(|_| ComposeError::TooLarge { what: "bytes of names" })?;
        self.headers.push(SectionHeader {
            sh_name: name,
            sh_offset: offset,
            sh_size: size.into(),
            ..self.encoder.strtab_section_header()
        });
        let start = self.align(8);
        let section_num = self.headers.len() as u32 + 1;
        let layout = FileHeaderLayout {
            e_shoff: start,
            section_num,
            shstrtab_index: section_num - 1,
            ..Default::default()
        };
        self.encoder.null_section_header(&mut self.out, &layout);
        for header in &self.headers {
            self.encoder.section_header(&mut self.out, header);
        }
        self.file_header(inputs, &layout)
    }

    fn file_header(mut self, inputs: &[Input], layout: &FileHeaderLayout) -> Result<Vec<u8>> {
        let machine = inputs.first().ok_or(ComposeError::NoInput)?.machine;
        let gnu = inputs.iter().any(|i| i.os_abi == elf::ELFOSABI_GNU);
        let header = FileHeader {
            os_abi: if gnu { elf::ELFOSABI_GNU } else { elf::ELFOSABI_NONE },
            abi_version: 0,
            e_type: elf::ET_REL,
            e_machine: machine.machine,
            e_entry: 0,
            e_flags: machine.flags,
        };
        let mut bytes = Vec::new();
        let written = self.encoder.file_header(&mut bytes, &header, layout);
        written.map_err(|_| ComposeError::TooLarge { what: "bytes of headers" })?;
        self.out[..bytes.len()].copy_from_slice(&bytes);
        Ok(self.out)
    }
}

/// A header without anything but an alignment, in bytes.
fn blank(sh_addralign: u64) -> SectionHeader {
    SectionHeader {
        sh_name: 0,
        sh_type: elf::SHT_NULL,
        sh_flags: SectionFlags(0),
        sh_addr: 0,
        sh_offset: 0,
        sh_size: 0,
        sh_link: 0,
        sh_info: 0,
        sh_addralign,
        sh_entsize: 0,
    }
}
