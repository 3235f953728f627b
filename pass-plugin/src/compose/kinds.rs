//! Which sections are understood, and what becomes of each kind.

use super::error::{Result, shown};
use super::input::{Input, Role, Section};
use object::elf::{self, SectionFlags, SectionType};

/// What the crate `object` has no names for; from LLVM's `BinaryFormat/ELF.h`.
pub const SHT_LLVM_ADDRSIG: SectionType = SectionType(0x6fff_4c03);
pub const SHT_LLVM_CALL_GRAPH_PROFILE: SectionType = SectionType(0x6fff_4c09);
pub const SHT_AARCH64_ATTRIBUTES: SectionType = SectionType(0x7000_0003);
const SHT_LLVM_LINKER_OPTIONS: SectionType = SectionType(0x6fff_4c01);
const SHT_LLVM_SYMPART: SectionType = SectionType(0x6fff_4c05);
const SHT_LLVM_BB_ADDR_MAP: SectionType = SectionType(0x6fff_4c0a);
const SHT_LLVM_OFFLOADING: SectionType = SectionType(0x6fff_4c0b);
const SHT_LLVM_JT_SIZES: SectionType = SectionType(0x6fff_4c0d);
const SHT_LLVM_CFI_JUMP_TABLE: SectionType = SectionType(0x6fff_4c0e);
const SHT_LLVM_CALL_GRAPH: SectionType = SectionType(0x6fff_4c0f);
const SHF_X86_64_LARGE: u64 = 0x1000_0000;
const SHF_AARCH64_PURECODE: u64 = 0x2000_0000;

/// Kinds whose bytes hold no index of a section or symbol, so that they can be copied.
const COPIED: [SectionType; 15] = [
    elf::SHT_PROGBITS,
    elf::SHT_NOBITS,
    elf::SHT_NOTE,
    elf::SHT_INIT_ARRAY,
    elf::SHT_FINI_ARRAY,
    elf::SHT_PREINIT_ARRAY,
    elf::SHT_LLVM_DEPENDENT_LIBRARIES,
    SHT_LLVM_LINKER_OPTIONS,
    SHT_LLVM_SYMPART,
    SHT_LLVM_CALL_GRAPH_PROFILE,
    SHT_LLVM_BB_ADDR_MAP,
    SHT_LLVM_OFFLOADING,
    SHT_LLVM_JT_SIZES,
    SHT_LLVM_CFI_JUMP_TABLE,
    SHT_LLVM_CALL_GRAPH,
];

/// Gives each section its role and checks what its header says. `symtab` is the symbol table's index.
pub fn assign(input: &mut Input, symtab: usize) -> Result<()> {
    let headers = input.sections.first().map_or(0, |_| 1);
    for index in headers..input.sections.len() {
        let role = role(input, symtab, index)?;
        input.sections[index].role = role;
    }
    Ok(())
}

fn role(input: &Input, symtab: usize, index: usize) -> Result<Role> {
    let section = &input.sections[index];
    check_flags(input, index)?;
    match section.kind {
        elf::SHT_NULL | elf::SHT_SYMTAB | elf::SHT_SYMTAB_SHNDX | elf::SHT_STRTAB => Ok(Role::Rebuilt),
        elf::SHT_GROUP => expect_link(input, index, symtab).map(|()| Role::Rebuilt),
        elf::SHT_RELA | elf::SHT_REL => relocations(input, symtab, index),
        SHT_LLVM_ADDRSIG => Ok(Role::AddressSignificance),
        kind if is_copied(kind, input.machine.machine) => copied(input, symtab, index),
        kind => {
            let expected = "a kind of section that LLVM's code generator makes";
            Err(input.unexpected(input.called(index), format!("type {kind:#x}"), expected))
        }
    }
}

fn is_copied(kind: SectionType, machine: elf::Machine) -> bool {
    let of_machine = match machine {
        elf::EM_X86_64 => elf::SHT_X86_64_UNWIND,
        _ => SHT_AARCH64_ATTRIBUTES,
    };
    kind == of_machine || COPIED.contains(&kind)
}

fn check_flags(input: &Input, index: usize) -> Result<()> {
    let section = &input.sections[index];
    let of_machine = match input.machine.machine {
        elf::EM_X86_64 => SHF_X86_64_LARGE,
        _ => SHF_AARCH64_PURECODE,
    };
    let known = elf::SHF_WRITE
        | elf::SHF_ALLOC
        | elf::SHF_EXECINSTR
        | elf::SHF_MERGE
        | elf::SHF_STRINGS
        | elf::SHF_INFO_LINK
        | elf::SHF_LINK_ORDER
        | elf::SHF_GROUP
        | elf::SHF_TLS
        | elf::SHF_COMPRESSED
        | elf::SHF_GNU_RETAIN
        | elf::SHF_EXCLUDE
        | SectionFlags(of_machine);
    if !known.contains(section.flags) {
        let found = format!("flags {:#x}", section.flags);
        return Err(input.unexpected(input.called(index), found, format!("no others than {known:#x}")));
    }
    Ok(())
}

fn expect_link(input: &Input, index: usize, symtab: usize) -> Result<()> {
    let link = input.sections[index].link;
    if symtab == 0 || link != symtab {
        let found = format!("sh_link {link}");
        return Err(input.unexpected(input.called(index), found, format!("the symbol table ({symtab})")));
    }
    Ok(())
}

fn relocations(input: &Input, symtab: usize, index: usize) -> Result<Role> {
    expect_link(input, index, symtab)?;
    let section = &input.sections[index];
    let entry = if section.kind == elf::SHT_RELA { 24 } else { 16 };
    if section.entry_size != entry || !section.data.len().is_multiple_of(entry as usize) {
        let found = format!("{} bytes in entries of {}", section.data.len(), section.entry_size);
        return Err(input.unexpected(input.called(index), found, format!("entries of {entry} bytes")));
    }
    let has_bytes = |s: &&Section| {
        is_copied(s.kind, input.machine.machine) && ![elf::SHT_NOBITS, elf::SHT_NULL].contains(&s.kind)
    };
    if section.info == 0 || input.sections.get(section.info).filter(has_bytes).is_none() {
        let found = format!("relocations of section {}", section.info);
        return Err(input.unexpected(input.called(index), found, "a section with bytes of its own"));
    }
    Ok(Role::Relocations { of: section.info })
}

fn copied(input: &Input, symtab: usize, index: usize) -> Result<Role> {
    let section = &input.sections[index];
    let wrong = |found: String, expected: &str| Err(input.unexpected(input.called(index), found, expected));
    if section.info != 0 || section.flags.contains(elf::SHF_INFO_LINK) {
        return wrong(format!("sh_info {}", section.info), "0: only relocations are about a section");
    }
    let orders = section.flags.contains(elf::SHF_LINK_ORDER);
    let target = input.sections.get(section.link);
    if orders && section.link != 0 {
        let fits = target.is_some_and(|t| is_copied(t.kind, input.machine.machine));
        if !fits || section.link == index {
            let found = format!("order after section {}", section.link);
            return wrong(found, "another section with contents");
        }
    } else if section.link != 0 && (section.kind != SHT_LLVM_CALL_GRAPH_PROFILE || section.link != symtab) {
        let name = target.map_or_else(String::new, |t| format!(" ({})", shown(t.name)));
        return wrong(format!("sh_link {}{name}", section.link), "0, or the flag SHF_LINK_ORDER");
    }
    Ok(Role::Bytes)
}
