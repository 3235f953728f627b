//! Parts of an object: which sections belong to some of its COMDAT groups, and what these need of others. And the object
//! with nothing but them.
//!
//! Nothing is moved: sections that do not belong to the part are marked so that linkers leave them out (SHF_EXCLUDE).

use super::copies::text;
use object::elf;
use object::pod::bytes_of;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, SymbolTable};
use object::{LittleEndian as LE, SectionIndex, SymbolIndex};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::{offset_of, size_of};

type Header = elf::FileHeader64<LE>;

/// An object, and how its sections hang together.
pub struct Parts<'a> {
    bytes: &'a [u8],
    sections: SectionTable<'a, Header>,
    symbols: SymbolTable<'a, Header>,
    /// By section the one that holds its relocations.
    relocations: HashMap<usize, Vec<usize>>,
    /// By section those that live and die with it.
    followers: HashMap<usize, Vec<usize>>,
    /// COMDAT groups: the group's section, and its members.
    groups: Vec<(String, usize, Vec<usize>)>,
    group_of: HashMap<usize, usize>,
    by_signature: HashMap<String, Vec<usize>>,
    /// By section what it defines for others.
    defined: HashMap<usize, Vec<String>>,
    /// There are unwind tables for all code that is in no group.
    has_common_tables: bool,
}

/// Sections that belong together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    pub sections: BTreeSet<usize>,
    /// What it refers to, and does not define: by names that others may define.
    pub needs: BTreeSet<String>,
    /// What it defines for others.
    pub defines: BTreeSet<String>,
    /// It cannot be taken out of the object: code comes along that is in no group, with data that changes or with unwind tables
    /// for all such code.
    pub stuck: bool,
}

impl<'a> Parts<'a> {
    /// `None` for what is no object of this kind, or a damaged one.
    pub fn read(bytes: &'a [u8]) -> Option<Parts<'a>> {
        let header = Header::parse(bytes).ok()?;
        if header.e_type.get(LE) != elf::ET_REL {
            return None;
        }
        let sections = header.sections(LE, bytes).ok()?;
        let symbols = sections.symbols(LE, bytes, elf::SHT_SYMTAB).ok()?;
        let (mut relocations, mut followers) = (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let (mut groups, mut group_of) = (Vec::new(), HashMap::new());
        for (index, section) in sections.enumerate() {
            if section.sh_type(LE) == elf::SHT_RELA {
                relocations.entry(section.sh_info.get(LE) as usize).or_default().push(index.0);
            }
            if section.sh_flags.get(LE).contains(elf::SHF_LINK_ORDER) {
                followers.entry(section.sh_link(LE) as usize).or_default().push(index.0);
            }
            if let Some((_, members)) = section.group(LE, bytes).ok()? {
                let signature = symbols.symbol(SymbolIndex(section.sh_info.get(LE) as usize)).ok()?;
                let signature = text(symbols.symbol_name(LE, signature).ok()?)?;
                let members: Vec<usize> = members.iter().map(|member| member.get(LE) as usize).collect();
                group_of.extend(members.iter().map(|member| (*member, groups.len())));
                groups.push((signature, index.0, members));
            }
        }
        let mut by_signature = HashMap::<_, Vec<_>>::new();
        for (number, (signature, ..)) in groups.iter().enumerate() {
            by_signature.entry(String::clone(signature)).or_default().push(number);
        }
        let mut defined = HashMap::<_, Vec<_>>::new();
        for (index, symbol) in symbols.enumerate().filter(|(_, symbol)| !is_own(Some(symbol))) {
            let section = symbols.symbol_section(LE, symbol, index).ok().flatten();
            if let (Some(section), Some(name)) =
                (section, symbols.symbol_name(LE, symbol).ok().and_then(text))
            {
                defined.entry(section.0).or_default().push(name);
            }
        }
        let is_common = |s| sections.section_name(LE, s) == Ok(b".gcc_except_table");
        let has_common_tables = sections.iter().any(is_common);
        Some(Parts {
            bytes,
            sections,
            symbols,
            relocations,
            followers,
            groups,
            group_of,
            by_signature,
            defined,
            has_common_tables,
        })
    }

    pub fn has(&self, signatures: &BTreeSet<String>) -> bool {
        signatures.iter().any(|signature| self.by_signature.contains_key(signature))
    }

    /// Groups of nothing but data that never changes and refers to nothing: names that they define, and their bytes.
    pub fn constants(&self) -> BTreeMap<String, Vec<u8>> {
        let mut found = BTreeMap::new();
        for (_, _, members) in &self.groups {
            let mut bytes = Vec::new();
            let is_constant = |member: &usize| {
                let Ok(section) = self.sections.section(SectionIndex(*member)) else { return false };
                let flags = section.sh_flags.get(LE);
                bytes.extend_from_slice(section.data(LE, self.bytes).unwrap_or(&[]));
                flags.contains(elf::SHF_ALLOC)
                    && !flags.contains(elf::SHF_WRITE)
                    && !flags.contains(elf::SHF_EXECINSTR)
                    && self.name(section).starts_with(b".rodata")
                    && !self.relocations.contains_key(member)
            };
            if members.iter().all(is_constant) {
                let names = self.defined_in(&members.iter().copied().collect());
                found.extend(names.into_iter().map(|name| (name, bytes.clone())));
            }
        }
        found
    }

    /// The groups with these signatures, with all that is the object's own and that they refer to, and those of `constants`.
    pub fn part(&self, signatures: &BTreeSet<String>, constants: &BTreeSet<String>) -> Part {
        let groups = signatures.iter().filter_map(|signature| self.by_signature.get(signature)).flatten();
        let members = groups.flat_map(|group| &self.groups[*group].2);
        self.closure(members.copied().collect(), constants)
    }

    /// Unwind tables, with what they name besides the code that they are about: a hidden pointer to the personality.
    pub fn unwinding(&self) -> BTreeSet<usize> {
        let tables =
            self.sections.enumerate().filter(|(_, s)| self.name(s) == b".eh_frame").map(|(i, _)| i.0);
        let tables: BTreeSet<usize> = tables.collect();
        let named = |table: &usize| self.references(*table);
        let pointers = tables.iter().flat_map(named).filter(|index| {
            let symbol = self.symbols.symbol(*index).ok();
            let is_code = self.flags(*index).is_some_and(|flags| flags.contains(elf::SHF_EXECINSTR));
            is_own(symbol) && !is_local(symbol) && !is_code
        });
        let pointers = pointers.filter_map(|index| self.section_of(index)).collect();
        let mut all = self.closure(pointers, &BTreeSet::new()).sections;
        all.extend(tables);
        all
    }

    fn closure(&self, mut work: Vec<usize>, constants: &BTreeSet<String>) -> Part {
        let mut part = Part::default();
        let mut names: BTreeSet<String> = BTreeSet::new();
        while let Some(section) = work.pop() {
            if !part.sections.insert(section) {
                continue;
            }
            if let Some(group) = self.group_of.get(&section) {
                let (_, group, members) = &self.groups[*group];
                part.sections.insert(*group);
                work.extend(members);
            }
            work.extend(self.followers.get(&section).into_iter().flatten());
            for index in self.references(section) {
                let Ok(symbol) = self.symbols.symbol(index) else { continue };
                if is_own(Some(symbol)) {
                    work.extend(self.section_of(index));
                } else if let Some(name) = self.symbols.symbol_name(LE, symbol).ok().and_then(text) {
                    work.extend(self.section_of(index).filter(|_| constants.contains(&name)));
                    names.insert(name);
                }
            }
        }
        part.defines = self.defined_in(&part.sections);
        part.needs = names.into_iter().filter(|name| !part.defines.contains(name)).collect();
        part.stuck = self.is_stuck(&part.sections);
        part
    }

    fn is_stuck(&self, sections: &BTreeSet<usize>) -> bool {
        let alone = sections.iter().filter(|section| !self.group_of.contains_key(section));
        alone.filter_map(|section| self.sections.section(SectionIndex(*section)).ok()).any(|section| {
            let flags = section.sh_flags.get(LE);
            let changes = flags.contains(elf::SHF_WRITE) && !self.name(section).starts_with(b".data.rel.ro");
            changes || self.has_common_tables && flags.contains(elf::SHF_EXECINSTR)
        })
    }

    /// The object without the sections that do not belong to `part`, and without what these define: of a name linkers take the first
    /// definition, and of a group the first one, whether it is left out or not, and another object's must not lose to them.
    pub fn without_others(&self, part: &BTreeSet<usize>) -> Vec<u8> {
        let mut bytes = self.bytes.to_vec();
        let Ok(header) = Header::parse(self.bytes) else { return bytes };
        let table = header.e_shoff.get(LE) as usize;
        let others =
            self.sections.enumerate().filter(|(index, s)| !part.contains(&index.0) && !self.is_about_all(s));
        let mut left_out = BTreeSet::new();
        for (index, section) in others {
            left_out.insert(index.0);
            let at = table + index.0 * size_of::<elf::SectionHeader64<LE>>();
            let flags = section.sh_flags.get(LE) | elf::SHF_EXCLUDE;
            write(&mut bytes, at + offset_of!(elf::SectionHeader64<LE>, sh_flags), &flags.0.to_le_bytes());
            if section.sh_type(LE) == elf::SHT_GROUP {
                // No longer GRP_COMDAT.
                write(&mut bytes, section.sh_offset.get(LE) as usize, &0u32.to_le_bytes());
            }
        }
        let Ok(symbols) = self.sections.section(self.symbols.section()) else { return bytes };
        for (index, symbol) in self.symbols.enumerate().filter(|(_, symbol)| !is_local(Some(symbol))) {
            if self.section_of(index).is_some_and(|section| left_out.contains(&section)) {
                let at = symbols.sh_offset.get(LE) as usize + index.0 * size_of::<elf::Sym64<LE>>();
                write(&mut bytes, at, bytes_of(&undefined(symbol)));
            }
        }
        bytes
    }

    /// Tables of the object file, and notes.
    fn is_about_all(&self, section: &elf::SectionHeader64<LE>) -> bool {
        let kind = section.sh_type(LE);
        let tables = [elf::SHT_NULL, elf::SHT_SYMTAB, elf::SHT_STRTAB, elf::SHT_SYMTAB_SHNDX, elf::SHT_RELA];
        let name = self.name(section);
        tables.contains(&kind)
            || kind == elf::SHT_NOTE
            || name.starts_with(b".note.")
            || name == b".llvm_addrsig"
    }

    fn name(&self, section: &elf::SectionHeader64<LE>) -> &'a [u8] {
        self.sections.section_name(LE, section).unwrap_or(b"")
    }

    fn section_of(&self, symbol: SymbolIndex) -> Option<usize> {
        let entry = self.symbols.symbol(symbol).ok()?;
        Some(self.symbols.symbol_section(LE, entry, symbol).ok()??.0)
    }

    fn flags(&self, symbol: SymbolIndex) -> Option<elf::SectionFlags> {
        let section = self.sections.section(SectionIndex(self.section_of(symbol)?)).ok()?;
        Some(section.sh_flags.get(LE))
    }

    /// The symbols that a section's relocations name.
    fn references(&self, section: usize) -> Vec<SymbolIndex> {
        let tables = self.relocations.get(&section).into_iter().flatten();
        let tables = tables.filter_map(|table| self.sections.section(SectionIndex(*table)).ok());
        let entries = tables.filter_map(|table| table.rela(LE, self.bytes).ok().flatten());
        entries
            .flat_map(|(entries, _)| entries)
            .map(|entry| SymbolIndex(entry.r_sym(LE, false) as usize))
            .collect()
    }

    fn defined_in(&self, sections: &BTreeSet<usize>) -> BTreeSet<String> {
        sections.iter().filter_map(|section| self.defined.get(section)).flatten().cloned().collect()
    }
}

/// The symbol as one that is defined elsewhere, or nowhere.
fn undefined(symbol: &elf::Sym64<LE>) -> elf::Sym64<LE> {
    let mut symbol = *symbol;
    symbol.set_st_info(elf::STB_WEAK, symbol.st_type());
    symbol.st_shndx.set(LE, elf::SHN_UNDEF);
    symbol.st_value.set(LE, 0);
    symbol.st_size.set(LE, 0);
    symbol
}

/// Puts `value` into `bytes` at `at`, which lies in them.
fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

/// Whether a symbol that is defined here means this definition to all of its object: no other object can replace it, or only
/// with the same.
fn is_own(symbol: Option<&elf::Sym64<LE>>) -> bool {
    symbol.is_some_and(|symbol| {
        let hidden = [elf::STV_HIDDEN, elf::STV_INTERNAL].contains(&symbol.st_visibility());
        (is_local(Some(symbol)) || hidden) && symbol.st_shndx.get(LE) != elf::SHN_UNDEF
    })
}

fn is_local(symbol: Option<&elf::Sym64<LE>>) -> bool {
    symbol.is_some_and(|symbol| symbol.st_bind() == elf::STB_LOCAL)
}
