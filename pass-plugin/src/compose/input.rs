//! An object's headers, sections, symbols and groups as plain values. What passes here is consistent: every
//! index leads to something of the right kind.

use super::error::{ComposeError, Result, shown};
use super::kinds;
use object::LittleEndian as LE;
use object::elf;
use object::pod::slice_from_bytes;
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym, SymbolTable};

type Header = elf::FileHeader64<LE>;

/// What all inputs must have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub machine: elf::Machine,
    pub flags: elf::FileFlags,
}

pub struct Input<'data> {
    /// Its index among the inputs.
    pub object: usize,
    pub machine: Machine,
    pub os_abi: elf::OsAbi,
    /// By ELF section index.
    pub sections: Vec<Section<'data>>,
    /// By ELF symbol index.
    pub symbols: Vec<Symbol<'data>>,
    pub groups: Vec<Group>,
    /// Of the file, in bytes.
    pub size: usize,
}

pub struct Section<'data> {
    pub name: &'data [u8],
    pub kind: elf::SectionType,
    pub flags: elf::SectionFlags,
    /// In bytes; of the memory if the file holds none.
    pub size: u64,
    pub link: usize,
    pub info: usize,
    pub align: u64,
    pub entry_size: u64,
    pub data: &'data [u8],
    pub role: Role,
    /// Index in [`Input::groups`].
    pub group: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Null, symbols, strings: the output gets its own.
    Rebuilt,
    /// The index in [`Input::groups`].
    Group(usize),
    /// They apply to the section `of`.
    Relocations {
        of: usize,
    },
    AddressSignificance,
    Bytes,
}

pub struct Symbol<'data> {
    pub name: &'data [u8],
    pub bind: elf::SymbolBind,
    pub kind: elf::SymbolType,
    pub other: elf::SymbolOther,
    pub place: Place,
    pub value: u64,
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Undefined,
    Absolute,
    Common,
    Section(usize),
}

pub struct Group {
    pub comdat: bool,
    /// The symbol whose name is the group's signature.
    pub signature: usize,
    pub members: Vec<usize>,
}

impl Symbol<'_> {
    pub fn is_local(&self) -> bool {
        self.bind == elf::STB_LOCAL
    }

    pub fn is_section(&self) -> bool {
        self.kind == elf::STT_SECTION
    }
}

impl Section<'_> {
    /// In bytes, as it is when nothing is compressed: what offsets are about.
    pub fn full_size(&self) -> u64 {
        if !self.flags.contains(elf::SHF_COMPRESSED) {
            return self.size;
        }
        let header = slice_from_bytes::<elf::CompressionHeader64<LE>>(self.data, 1);
        header.map_or(0, |(header, _)| header[0].ch_size.get(LE))
    }
}

impl<'data> Input<'data> {
    pub fn signature(&self, group: &Group) -> &'data [u8] {
        self.symbols[group.signature].name
    }

    pub fn unexpected(
        &self,
        place: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> ComposeError {
        unexpected(self.object, place, found, expected)
    }

    /// How errors call a section.
    pub fn called(&self, section: usize) -> String {
        format!("section {section} ({})", shown(self.sections[section].name))
    }
}

fn unexpected(
    object: usize,
    place: impl Into<String>,
    found: impl Into<String>,
    expected: impl Into<String>,
) -> ComposeError {
    ComposeError::Unexpected { object, place: place.into(), found: found.into(), expected: expected.into() }
}

fn unreadable(object: usize, what: impl Into<String>) -> impl FnOnce(object::Error) -> ComposeError {
    move |cause| ComposeError::Unreadable { object, what: what.into(), cause: cause.to_string() }
}

/// Reads and checks all inputs, and that they are of one kind.
pub fn parse<'data>(inputs: &[&'data [u8]]) -> Result<Vec<Input<'data>>> {
    let inputs = inputs.iter().enumerate().map(|(i, data)| parse_one(i, data));
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let first = inputs.first().ok_or(ComposeError::NoInput)?.machine;
    let described = |m: Machine| format!("machine {} with flags {:#x}", m.machine, m.flags);
    if let Some(other) = inputs.iter().find(|i| i.machine != first) {
        return Err(ComposeError::Differ {
            object: other.object,
            what: "the processor".to_string(),
            first: described(first),
            other: described(other.machine),
        });
    }
    Ok(inputs)
}

fn parse_one(object: usize, data: &[u8]) -> Result<Input<'_>> {
    let header = file_header(object, data)?;
    let table = header.sections(LE, data).map_err(unreadable(object, "the section table"))?;
    let symtab = only_symbol_table(object, &table)?;
    let symbol_table =
        table.symbols(LE, data, elf::SHT_SYMTAB).map_err(unreadable(object, "the symbol table"))?;
    let sections = table.iter().enumerate().map(|(i, s)| section(object, data, &table, i, s));
    let mut input = Input {
        object,
        machine: Machine { machine: header.e_machine.get(LE), flags: header.e_flags.get(LE) },
        os_abi: header.e_ident.os_abi,
        sections: sections.collect::<Result<Vec<_>>>()?,
        symbols: Vec::new(),
        groups: Vec::new(),
        size: data.len(),
    };
    check_extent(&input)?;
    input.symbols = symbols(&input, &symbol_table, symtab.locals)?;
    kinds::assign(&mut input, symtab.index)?;
    groups(&mut input)?;
    Ok(input)
}

fn file_header(object: usize, data: &[u8]) -> Result<&Header> {
    let wrong = |found: String, expected: &str| unexpected(object, "file header", found, expected);
    let start = data.get(..6).filter(|d| d.starts_with(&elf::ELFMAG));
    let start = start.ok_or_else(|| wrong("no ELF file".to_string(), "an ELF object"))?;
    if start[4] != elf::ELFCLASS64.0 || start[5] != elf::ELFDATA2LSB.0 {
        let found = format!("class {}, byte order {}", start[4], start[5]);
        return Err(wrong(found, "class 2 (64 bits), byte order 1 (little endian)"));
    }
    let header = Header::parse(data).map_err(unreadable(object, "the file header"))?;
    let (kind, machine) = (header.e_type.get(LE), header.e_machine.get(LE));
    if kind != elf::ET_REL || header.e_phnum.get(LE) != 0 {
        let found = format!("file type {kind} with {} program headers", header.e_phnum.get(LE));
        return Err(wrong(found, "1 (a relocatable object) without program headers"));
    }
    if machine != elf::EM_X86_64 && machine != elf::EM_AARCH64 {
        return Err(wrong(format!("machine {machine}"), "62 (x86-64) or 183 (aarch64)"));
    }
    let ident = header.e_ident;
    let abi = [elf::ELFOSABI_NONE, elf::ELFOSABI_GNU].contains(&ident.os_abi) && ident.abi_version == 0;
    if !abi {
        let found = format!("OS ABI {}, version {}", ident.os_abi, ident.abi_version);
        return Err(wrong(found, "OS ABI 0 (System V) or 3 (GNU), version 0"));
    }
    Ok(header)
}

struct SymbolTableHeader {
    /// 0 where there is none.
    index: usize,
    /// How many of the symbols are local, the null symbol included.
    locals: usize,
}

fn only_symbol_table(object: usize, table: &SectionTable<'_, Header>) -> Result<SymbolTableHeader> {
    let mut found = table.iter().enumerate().filter(|(_, s)| s.sh_type(LE) == elf::SHT_SYMTAB);
    let (first, second) = (found.next(), found.next());
    if let Some((index, _)) = second {
        return Err(unexpected(object, format!("section {index}"), "another symbol table", "one"));
    }
    let (index, locals) = first.map_or((0, 0), |(i, s)| (i, s.sh_info.get(LE) as usize));
    Ok(SymbolTableHeader { index, locals })
}

fn section<'data>(
    object: usize,
    data: &'data [u8],
    table: &SectionTable<'data, Header>,
    index: usize,
    header: &elf::SectionHeader64<LE>,
) -> Result<Section<'data>> {
    let null = index == 0;
    let name = if null { Ok(&[][..]) } else { table.section_name(LE, header) };
    let name = name.map_err(unreadable(object, format!("the name of section {index}")))?;
    let place = || format!("section {index} ({})", shown(name));
    let bytes = if null { Ok(&[][..]) } else { header.data(LE, data) };
    let align = header.sh_addralign(LE);
    if !null && align > 1 && !align.is_power_of_two() {
        return Err(unexpected(object, place(), format!("alignment {align}"), "a power of two"));
    }
    if !null && header.sh_addr(LE) != 0 {
        let found = format!("address {:#x}", header.sh_addr(LE));
        return Err(unexpected(object, place(), found, "none in a relocatable object"));
    }
    Ok(Section {
        name,
        kind: header.sh_type(LE),
        flags: header.sh_flags(LE),
        size: header.sh_size(LE),
        link: header.sh_link(LE) as usize,
        info: header.sh_info(LE) as usize,
        align: align.max(1),
        entry_size: header.sh_entsize(LE),
        data: bytes.map_err(unreadable(object, place()))?,
        role: Role::Rebuilt,
        group: None,
    })
}

/// Sections do not share bytes. So what is copied is never more than was given.
fn check_extent(input: &Input) -> Result<()> {
    let sum: usize = input.sections.iter().map(|s| s.data.len()).sum();
    if sum > input.size {
        let found = format!("{sum} bytes in all sections of a file of {} bytes", input.size);
        return Err(input.unexpected("section table", found, "sections that do not overlap"));
    }
    Ok(())
}

fn symbols<'data>(
    input: &Input<'data>,
    table: &SymbolTable<'data, Header>,
    locals: usize,
) -> Result<Vec<Symbol<'data>>> {
    let symbols = table.iter().enumerate().map(|(i, s)| {
        let symbol = symbol(input, table, i, s)?;
        if symbol.is_local() != (i < locals) {
            let found = format!("binding {}", symbol.bind);
            let expected = format!("local symbols before index {locals} and no other");
            return Err(input.unexpected(format!("symbol {i}"), found, expected));
        }
        Ok(symbol)
    });
    symbols.collect()
}

fn symbol<'data>(
    input: &Input<'data>,
    table: &SymbolTable<'data, Header>,
    index: usize,
    symbol: &elf::Sym64<LE>,
) -> Result<Symbol<'data>> {
    let unreadable = |what: &str| unreadable(input.object, format!("the {what} of symbol {index}"));
    let name = table.symbol_name(LE, symbol).map_err(unreadable("name"))?;
    let called = || format!("symbol {index} ({})", shown(name));
    let (bind, kind, other) = (symbol.st_bind(), symbol.st_type(), symbol.st_other());
    let section = table.symbol_section(LE, symbol, object::SymbolIndex(index));
    let place = match (symbol.st_shndx(LE), section.map_err(unreadable("section"))?) {
        (elf::SHN_UNDEF, _) => Place::Undefined,
        (elf::SHN_ABS, _) => Place::Absolute,
        (elf::SHN_COMMON, _) => Place::Common,
        (_, Some(section)) if section.0 < input.sections.len() => Place::Section(section.0),
        (special, section) => {
            let found =
                section.map_or(format!("special section {special:#x}"), |s| format!("section {}", s.0));
            let expected = format!("one of {} sections, undefined, absolute or common", input.sections.len());
            return Err(input.unexpected(called(), found, expected));
        }
    };
    let known = [elf::STB_LOCAL, elf::STB_GLOBAL, elf::STB_WEAK, elf::STB_GNU_UNIQUE].contains(&bind)
        && (kind <= elf::STT_TLS || kind == elf::STT_GNU_IFUNC);
    let allowed = if input.machine.machine == elf::EM_AARCH64 { elf::STO_AARCH64_VARIANT_PCS.0 } else { 0 };
    if !known || other.0 & !(elf::STV_MASK | allowed) != 0 {
        let found = format!("binding {bind}, type {kind}, visibility {:#x}", other.0);
        let expected = "bindings 0, 1, 2, 10, types 0 to 6, 10, and no unknown bits beside the visibility";
        return Err(input.unexpected(called(), found, expected));
    }
    if kind == elf::STT_SECTION && symbol.st_value(LE) != 0 {
        let found = format!("a section symbol of value {:#x}", symbol.st_value(LE));
        return Err(input.unexpected(called(), found, "0"));
    }
    Ok(Symbol { name, bind, kind, other, place, value: symbol.st_value(LE), size: symbol.st_size(LE) })
}

/// Reads the groups and gives their members to them.
fn groups(input: &mut Input) -> Result<()> {
    for section in 0..input.sections.len() {
        if input.sections[section].kind == elf::SHT_GROUP {
            let group = group(input, section)?;
            let number = input.groups.len();
            for member in &group.members {
                input.sections[*member].group = Some(number);
            }
            input.sections[section].role = Role::Group(number);
            input.groups.push(group);
        }
    }
    let lone = |s: &Section| s.flags.contains(elf::SHF_GROUP) && s.group.is_none();
    match input.sections.iter().position(lone) {
        Some(lone) => Err(input.unexpected(input.called(lone), "flag SHF_GROUP", "a group that lists it")),
        None => Ok(()),
    }
}

fn group(input: &Input, section: usize) -> Result<Group> {
    let place = || input.called(section);
    let this = &input.sections[section];
    let (words, rest) = this.data.as_chunks::<4>();
    let mut words = words.iter().map(|w| u32::from_le_bytes(*w));
    let comdat = match words.next() {
        Some(flags) if rest.is_empty() && flags <= elf::GRP_COMDAT.0 => flags == elf::GRP_COMDAT.0,
        flags => {
            let found = format!("{} bytes with flags {flags:?}", this.data.len());
            return Err(input.unexpected(place(), found, "words, the first of them 0 or 1 (COMDAT)"));
        }
    };
    let signature = input.symbols.get(this.info).filter(|s| !s.name.is_empty());
    if signature.is_none() {
        let found = format!("symbol {} as the signature", this.info);
        return Err(input.unexpected(place(), found, "a symbol with a name"));
    }
    let members: Vec<usize> = words.map(|w| w as usize).collect();
    // A list of one section many times over would be seen by `group` only once it is assigned.
    let mut sorted = members.clone();
    sorted.sort_unstable();
    let twice = sorted.windows(2).find(|w| w[0] == w[1]).map(|w| w[0]);
    let unfit = |m: &&usize| {
        let fits = |s: &Section| s.flags.contains(elf::SHF_GROUP) && s.group.is_none();
        !input.sections.get(**m).is_some_and(fits)
    };
    if let Some(member) = twice.or(members.iter().find(unfit).copied()) {
        let expected = "sections with SHF_GROUP, each in one group";
        return Err(input.unexpected(place(), format!("section {member} as a member"), expected));
    }
    Ok(Group { comdat, signature: this.info, members })
}
