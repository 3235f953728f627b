//! Which functions an object holds, as far as other objects may hold them too: its COMDAT groups with the identities of
//! what they define, and what it defines outside of them.

use super::parts::Parts;
use image_format::layout::{EXPORT_SECTION, ExportRecord, IDENTITY_SIZE};
use image_format::pod::read_at;
use object::elf;
use object::read::elf::{SectionHeader, SectionTable, SymbolTable};
use object::{LittleEndian as LE, SectionIndex, SymbolIndex};
use std::collections::{BTreeSet, HashMap};
use std::mem::{offset_of, size_of};

type Header = elf::FileHeader64<LE>;

pub type Identity = [u8; IDENTITY_SIZE];

/// What one object defines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// As messages name it.
    pub object: String,
    /// In the link for certain, not only if something in an archive is asked for.
    pub certain: bool,
    pub groups: Vec<Group>,
    /// Names of what is defined in no group.
    pub alone: BTreeSet<String>,
    /// Identities of all that other images may use, in groups or not.
    pub exported: BTreeSet<Identity>,
}

impl Copies {
    /// All that it defines for others.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let grouped = self.groups.iter().flat_map(|group| &group.symbols).map(|definition| &definition.name);
        grouped.chain(&self.alone).map(String::as_str)
    }
}

/// A COMDAT group: of those with one signature a link takes the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    pub signature: String,
    /// All that other objects can refer to.
    pub symbols: Vec<Definition>,
    /// Bytes of code, clones and all.
    pub code: u64,
    /// What functions that others may use refer to, by names that other objects and images may define.
    pub needs: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    pub name: String,
    /// None without an export record: nothing is known, or nobody may share it.
    pub identity: Option<Identity>,
    pub visibility: elf::SymbolVisibility,
}

/// A place in an object: number of the section, and offset in it.
type Place = (usize, u64);

/// What an object defines. Damaged parts count as not there: lld says what it thinks of them, and what has no record
/// stays.
pub fn read(object: String, certain: bool, bytes: &[u8], sections: &SectionTable<'_, Header>) -> Copies {
    let mut copies = Copies { object, certain, ..Copies::default() };
    let Ok(symbols) = sections.symbols(LE, bytes, elf::SHT_SYMTAB) else { return copies };
    let identities = identities(bytes, sections, &symbols);
    copies.exported = identities.values().flatten().copied().collect();
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: HashMap<usize, usize> = HashMap::new();
    for section in sections.iter() {
        let Ok(Some((flags, members))) = section.group(LE, bytes) else { continue };
        let signature = symbols.symbol(SymbolIndex(section.sh_info.get(LE) as usize));
        let signature = signature.ok().and_then(|s| symbols.symbol_name(LE, s).ok()).and_then(text);
        let Some(signature) = signature.filter(|_| flags.contains(elf::GRP_COMDAT)) else { continue };
        let mut group = Group { signature, ..Group::default() };
        for member in members {
            let member = member.get(LE) as usize;
            group_of.insert(member, groups.len());
            if let Ok(section) = sections.section(SectionIndex(member))
                && section.sh_flags.get(LE).contains(elf::SHF_EXECINSTR)
            {
                group.code += section.sh_size.get(LE);
            }
        }
        groups.push(group);
    }
    for (index, symbol) in symbols.enumerate() {
        if symbol.st_bind() == elf::STB_LOCAL || symbol.st_shndx.get(LE) == elf::SHN_UNDEF {
            continue;
        }
        let Some(name) = symbols.symbol_name(LE, symbol).ok().and_then(text) else { continue };
        let section = symbols.symbol_section(LE, symbol, index).ok().flatten().map(|s| s.0);
        match section.and_then(|section| Some((section, *group_of.get(&section)?))) {
            Some((section, group)) => {
                let identity = identities.get(&(section, symbol.st_value.get(LE))).copied().flatten();
                let visibility = symbol.st_visibility();
                groups[group].symbols.push(Definition { name, identity, visibility });
            }
            None => {
                copies.alone.insert(name);
            }
        }
    }
    copies.groups = groups;
    note_needs(&mut copies, bytes);
    copies
}

fn note_needs(copies: &mut Copies, bytes: &[u8]) {
    let is_candidate =
        |group: &&mut Group| group.symbols.iter().any(|definition| definition.identity.is_some());
    let mut candidates = copies.groups.iter_mut().filter(is_candidate).peekable();
    if candidates.peek().is_none() {
        return;
    }
    let Some(parts) = Parts::read(bytes) else { return };
    for group in candidates {
        group.needs = parts.part(&BTreeSet::from([group.signature.clone()]), &BTreeSet::new()).needs;
    }
}

pub fn text(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).ok().map(str::to_owned)
}

/// The identity of what stands at a place; none where records disagree.
fn identities(
    bytes: &[u8],
    sections: &SectionTable<'_, Header>,
    symbols: &SymbolTable<'_, Header>,
) -> HashMap<Place, Option<Identity>> {
    let mut found: HashMap<Place, Option<Identity>> = HashMap::new();
    for section in sections.iter() {
        let Ok(Some((relocations, _))) = section.rela(LE, bytes) else { continue };
        let records = sections.section(SectionIndex(section.sh_info.get(LE) as usize));
        let Ok(records) = records else { continue };
        if sections.section_name(LE, records) != Ok(EXPORT_SECTION.as_bytes()) {
            continue;
        }
        let data = records.data(LE, bytes).unwrap_or(&[]);
        for relocation in relocations {
            let place = relocation.r_offset.get(LE) as usize;
            let record = place.checked_sub(offset_of!(ExportRecord, function));
            let record: Option<ExportRecord> =
                record.filter(|at| at % size_of::<ExportRecord>() == 0).and_then(|at| read_at(data, at));
            let index = SymbolIndex(relocation.r_sym(LE, false) as usize);
            let Some((record, symbol)) = record.zip(symbols.symbol(index).ok()) else { continue };
            let Ok(Some(section)) = symbols.symbol_section(LE, symbol, index) else { continue };
            // Relative to the field: the addend leads from the symbol to the function itself.
            let value = symbol.st_value.get(LE).wrapping_add_signed(relocation.r_addend.get(LE));
            let entry = found.entry((section.0, value)).or_insert(Some(record.identity));
            *entry = entry.filter(|identity| *identity == record.identity);
        }
    }
    found
}
