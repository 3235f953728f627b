//! What the inputs are, before anything is linked: function records, bitcode, protection notes; and that
//! records and target lists fit together.

use crate::arch;
use crate::args::Invocation;
use crate::error::{Error, Result};
use crate::inputs::{self, Member};
use crate::julia::room::Room;
use crate::notes;
use crate::packages::copies::{self, Copies};
use crate::packages::references;
use image_format::cpu::{Arch, EM_AARCH64, EM_X86_64};
use image_format::identity::of_global_name;
use image_format::julia::TableName;
use image_format::layout::{
    DEPENDENCY_SECTION, Dependency, EXPORT_SECTION, HEADER_SECTION, IMPORT_SECTION, LINKAGE_SECTION,
    PACKAGE_REPORT_SECTION, RECORD_SECTION, REFERENCE_SECTION, REPORT_SECTION, SPECS_SECTION,
};
use image_format::package_report;
use image_format::pod::read_at;
use image_format::record::records;
use image_format::report::{Line, parse_lines};
use image_format::specs::Specs;
use object::LittleEndian;
use object::elf;
use object::read::elf::{FileHeader, SectionHeader, SectionTable};
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

type Header = elf::FileHeader64<LittleEndian>;

/// What makes an object one of a package image.
const PACKAGE_SECTIONS: [&str; 4] = [EXPORT_SECTION, IMPORT_SECTION, REFERENCE_SECTION, LINKAGE_SECTION];

/// An object with function records.
#[derive(Clone, Debug)]
pub struct RecordObject {
    pub name: String,
    /// In the link for certain, not only if something in an archive is asked for.
    pub certain: bool,
    pub specs: Vec<u8>,
}

/// Report lines of an object (which may have no records: nothing of it was worth cloning).
#[derive(Clone, Debug)]
pub struct ObjectLines<L = Line> {
    pub name: String,
    pub certain: bool,
    pub lines: Vec<L>,
}

/// A table of a shard of an image from Julia.
#[derive(Clone, Debug)]
pub struct JuliaTable {
    /// The object that defines it.
    pub file: String,
    pub table: TableName,
    pub shard: u32,
    /// In bytes.
    pub size: u64,
    /// ELF machine of the object.
    pub machine: u16,
}

/// What all inputs are: the second phase's output.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// Of the output: what `-m` says, or else the first object; `None` for one that has no code images.
    pub arch: Option<Arch>,
    pub objects: Vec<RecordObject>,
    pub lines: Vec<ObjectLines>,
    /// What became of functions that dependencies may have, when the objects were compiled.
    pub package_lines: Vec<ObjectLines<package_report::Line>>,
    pub bitcode: bool,
    /// Names of indirect functions that the inputs define themselves.
    pub ifuncs: HashSet<String>,
    /// Protection that every object named on the command line has; `None` when there was none.
    pub protection: Option<u32>,
    /// The C library of this link is glibc from 2.36 on, whose loader understands packed relative relocations.
    pub recent_glibc: bool,
    /// An object's address-significance table is cut off from its symbols: `strip` or `objcopy` did that.
    pub stale_addrsig: bool,
    /// Also of archive members that the link may leave out.
    pub julia_tables: Vec<JuliaTable>,
    /// An object says what other images may use of it, or takes something from them, or may do so.
    pub has_packages: bool,
    /// Dependencies that objects name, each once.
    pub dependencies: Vec<Dependency>,
    /// Shared objects that are code images.
    pub libraries: Vec<PathBuf>,
    /// Pointers to data by the name that they ask for, where dependencies are given that may have it.
    pub pointers: HashMap<String, usize>,
    /// What objects define, where dependencies are given that may have the same, or functions are offered that had a name of their
    /// object's only.
    pub copies: Vec<Copies>,
    /// There are such functions.
    pub has_named: bool,
}

impl Inputs {
    /// The architecture of the image that may come out.
    pub fn image_arch(&self) -> Option<Arch> {
        self.arch.filter(|_| self.bitcode || self.has_packages || !self.objects.is_empty())
    }

    /// Whether an image may come out.
    pub fn has_clones(&self) -> bool {
        self.image_arch().is_some()
    }

    /// Room for all tables of an image from Julia that has more than one shard.
    pub fn julia_room(&self) -> Option<(Arch, Room)> {
        let arch = Arch::from_elf_machine(self.julia_tables.first()?.machine.into())?;
        let tables = self.julia_tables.iter();
        let room = tables.fold(Room::default(), |room, table| room.with(table.table, table.size));
        self.has_julia_shards().then_some((arch, room))
    }

    /// Whether there is more than one shard of an image from Julia.
    pub fn has_julia_shards(&self) -> bool {
        self.julia_tables.iter().any(|table| table.shard > 0)
    }
}

/// Looks at every input once.
///
/// # Errors
/// Records or target lists that are damaged, of another version or for another architecture, and
/// objects on the command line whose target lists differ. Archive members count only once the link
/// has drawn them in ([`crate::merge`] sees to those).
pub fn scan(invocation: &Invocation) -> Result<Inputs> {
    let mut machine = invocation.emulation.as_deref().map(arch::of_emulation);
    let mut found = Inputs::default();
    inputs::for_each(invocation, &mut |member| {
        if machine.is_none() {
            machine = machine_of(&member).map(|m| Arch::from_elf_machine(m.into()));
        }
        scan_member(invocation, machine.flatten(), member, &mut found)
    })?;
    if found.has_named && found.copies.is_empty() {
        inputs::for_each(invocation, &mut |member| {
            note_copies(&member, &mut found);
            Ok(())
        })?;
    }
    found.arch = machine.unwrap_or(Some(Arch::HOST));
    check_lists(&found)?;
    Ok(found)
}

/// The ELF machine number of an object or library.
fn machine_of(member: &Member<'_>) -> Option<u16> {
    Some(Header::parse(member.bytes).ok()?.e_machine.get(LittleEndian).0)
}

/// `link` is the architecture of this link, as far as it is known.
fn scan_member(
    invocation: &Invocation,
    link: Option<Arch>,
    member: Member<'_>,
    found: &mut Inputs,
) -> Result<()> {
    if inputs::is_bitcode(member.bytes) {
        found.bitcode = true;
        return Ok(());
    }
    // What is no little-endian 64-bit ELF file holds no records; lld says what it thinks of it.
    let Ok(header) = Header::parse(member.bytes) else { return Ok(()) };
    if header.e_ident.class != elf::ELFCLASS64 || header.e_ident.data != elf::ELFDATA2LSB {
        return Ok(());
    }
    let Ok(sections) = header.sections(LittleEndian, member.bytes) else { return Ok(()) };
    match header.e_type.get(LittleEndian) {
        elf::ET_REL => {
            let machine = header.e_machine.get(LittleEndian).0;
            let ours = |section| {
                let name = sections.section_name(LittleEndian, section).unwrap_or(b"");
                [RECORD_SECTION, SPECS_SECTION, EXPORT_SECTION, IMPORT_SECTION]
                    .iter()
                    .any(|s| name == s.as_bytes())
            };
            if sections.iter().any(ours) {
                check_machine(&member, machine, link)?;
            }
            scan_object(invocation, &member, machine, &sections, found)
        }
        elf::ET_DYN => {
            found.recent_glibc |= provides_relr(&member, &sections);
            let is_header = |s| sections.section_name(LittleEndian, s) == Ok(HEADER_SECTION.as_bytes());
            if sections.iter().any(is_header) {
                found.libraries.push(PathBuf::from(&member.name));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn note_copies(member: &Member<'_>, found: &mut Inputs) {
    let Ok(header) = Header::parse(member.bytes) else { return };
    if let Ok(sections) = header.sections(LittleEndian, member.bytes)
        && header.e_type.get(LittleEndian) == elf::ET_REL
    {
        found.copies.push(copies::read(member.name.clone(), member.certain, member.bytes, &sections));
    }
}

/// The type of an address-significance table (LLVM's extensions to ELF).
const SHT_LLVM_ADDRSIG: elf::SectionType = elf::SectionType(0x6fff_4c03);

fn section_data<'a>(
    member: &Member<'a>,
    section: &elf::SectionHeader64<LittleEndian>,
    name: &'static str,
) -> Result<&'a [u8]> {
    section.data(LittleEndian, member.bytes).map_err(|_| Error::Input {
        file: member.name.clone(),
        problem: format!("section {name} lies outside the file"),
        found: format!(
            "offset {:#x}, size {:#x}",
            section.sh_offset.get(LittleEndian),
            section.sh_size.get(LittleEndian)
        ),
        advice: "the file is truncated: compile it again",
    })
}

fn scan_object(
    invocation: &Invocation,
    member: &Member<'_>,
    machine: u16,
    sections: &SectionTable<'_, Header>,
    found: &mut Inputs,
) -> Result<()> {
    let (mut specs, mut targets, mut protection) = (None, None, 0);
    for section in sections.iter() {
        let name = sections.section_name(LittleEndian, section).unwrap_or(b"");
        let addrsig = section.sh_type(LittleEndian) == SHT_LLVM_ADDRSIG;
        found.stale_addrsig |= addrsig && section.sh_link(LittleEndian) == 0;
        if name == RECORD_SECTION.as_bytes() {
            let data = section_data(member, section, RECORD_SECTION)?;
            targets = check_records(member, data)?.or(targets);
        } else if name == SPECS_SECTION.as_bytes() {
            let data = section_data(member, section, SPECS_SECTION)?;
            specs = Some(check_specs(member, data, machine)?);
        } else if name == REPORT_SECTION.as_bytes() {
            let text = section_data(member, section, REPORT_SECTION)?;
            let lines = parse_lines(&String::from_utf8_lossy(text)).flatten().collect();
            let (name, certain) = (member.name.clone(), member.certain);
            found.lines.push(ObjectLines { name, certain, lines });
        } else if name == PACKAGE_REPORT_SECTION.as_bytes() {
            let text = section_data(member, section, PACKAGE_REPORT_SECTION)?;
            let lines = package_report::parse_lines(&String::from_utf8_lossy(text)).flatten().collect();
            let (name, certain) = (member.name.clone(), member.certain);
            found.package_lines.push(ObjectLines { name, certain, lines });
        } else if PACKAGE_SECTIONS.iter().any(|section| name == section.as_bytes()) {
            found.has_packages = true;
        } else if name == DEPENDENCY_SECTION.as_bytes() {
            note_dependencies(section_data(member, section, DEPENDENCY_SECTION)?, found);
        } else if name == b".note.gnu.property" {
            let data = section_data(member, section, ".note.gnu.property")?;
            if let (Some(arch), Some(note)) =
                (Arch::from_elf_machine(machine.into()), notes::gnu_properties(data))
            {
                protection = arch::protection(arch, note);
            }
        } else if name == b".llvm.lto" && invocation.fat_lto {
            found.bitcode = true;
        }
    }
    if member.certain {
        found.protection = Some(found.protection.unwrap_or(!0) & protection);
    }
    note_symbols(member, machine, sections, found);
    if !invocation.own.dependencies.is_empty() {
        note_copies(member, found);
        if let Some(arch) = Arch::from_elf_machine(machine.into()) {
            for (name, count) in references::pointers(arch, member.bytes, sections) {
                found.has_packages = true;
                *found.pointers.entry(name).or_default() += count;
            }
        }
    }
    match (specs, targets) {
        (Some(specs), Some(targets)) => {
            let listed = Specs::parse(&specs).map_or(0, |s| s.len());
            if targets != listed {
                return Err(damaged(member, "records and target list disagree", || {
                    format!("records for {targets} targets, a list of {listed}")
                }));
            }
            let (name, certain) = (member.name.clone(), member.certain);
            found.objects.push(RecordObject { name, certain, specs });
            Ok(())
        }
        (None, Some(_)) => Err(damaged(member, "function records without a target list", || {
            format!("no section {SPECS_SECTION}")
        })),
        (_, None) => Ok(()),
    }
}

/// A record that ends too early is found again, and refused, in the linked output.
fn note_dependencies(data: &[u8], found: &mut Inputs) {
    for record in data.chunks_exact(size_of::<Dependency>()).filter_map(|bytes| read_at(bytes, 0)) {
        if !found.dependencies.contains(&record) {
            found.dependencies.push(record);
        }
    }
}

fn damaged(member: &Member<'_>, problem: &str, found: impl Fn() -> String) -> Error {
    let (file, problem, found) = (member.name.clone(), problem.into(), found());
    Error::Input { file, problem, found, advice: "compile it again" }
}

/// The number of targets of the records in `data`, which all must have the same; `None` without records.
fn check_records(member: &Member<'_>, data: &[u8]) -> Result<Option<usize>> {
    let mut targets = None;
    for record in records(data, 0) {
        let record = record.map_err(|cause| Error::Records {
            file: member.name.clone(),
            section: RECORD_SECTION,
            cause,
        })?;
        if targets.is_some_and(|t| t != record.targets()) {
            return Err(damaged(member, "function records for different numbers of targets", || {
                format!("{} after {}", record.targets(), targets.unwrap_or(0))
            }));
        }
        targets = Some(record.targets());
    }
    Ok(targets)
}

/// Whether code of `machine` can become part of an image, and of one for `link`.
fn check_machine(member: &Member<'_>, machine: u16, link: Option<Arch>) -> Result<()> {
    let (problem, found, advice) = match (Arch::from_elf_machine(machine.into()), link) {
        (Some(arch), Some(link)) if arch != link => (
            "function records for another architecture than this link's",
            format!("{} (ELF machine {machine}), expected {}", arch.name(), link.name()),
            "compile all objects of an image for one architecture",
        ),
        (Some(_), _) => return Ok(()),
        (None, _) => (
            "function records for an architecture that this release does not know",
            format!("ELF machine {machine}, expected {EM_X86_64} (x86-64) or {EM_AARCH64} (aarch64)"),
            "compile for one of these, or without jl-cc",
        ),
    };
    Err(Error::Input { file: member.name.clone(), problem: problem.into(), found, advice })
}

fn check_specs(member: &Member<'_>, data: &[u8], machine: u16) -> Result<Vec<u8>> {
    let specs = Specs::parse(data).map_err(|cause| Error::Specs {
        file: member.name.clone(),
        section: SPECS_SECTION,
        cause,
    })?;
    if specs.head().machine != u32::from(machine) {
        return Err(damaged(member, "target list for another architecture than the object", || {
            format!("ELF machine {} in the list, {machine} in the object", specs.head().machine)
        }));
    }
    Ok(specs.bytes().to_vec())
}

/// Indirect functions, and the tables of Julia's shards.
fn note_symbols(member: &Member<'_>, machine: u16, sections: &SectionTable<'_, Header>, found: &mut Inputs) {
    let Ok(symbols) = sections.symbols(LittleEndian, member.bytes, elf::SHT_SYMTAB) else { return };
    for symbol in symbols.iter() {
        let Ok(name) = symbols.symbol_name(LittleEndian, symbol) else { continue };
        found.has_named |= symbol.st_bind() == elf::STB_WEAK
            && std::str::from_utf8(name).is_ok_and(|name| of_global_name(name).is_some());
        if symbol.st_type() == elf::STT_GNU_IFUNC {
            found.ifuncs.insert(String::from_utf8_lossy(name).into_owned());
        } else if name.starts_with(b"jl_") && symbol.st_shndx.get(LittleEndian) != elf::SHN_UNDEF {
            let named = std::str::from_utf8(name).ok().and_then(TableName::parse);
            found.julia_tables.extend(named.map(|(table, shard)| JuliaTable {
                file: member.name.clone(),
                table,
                shard,
                size: symbol.st_size.get(LittleEndian),
                machine,
            }));
        }
    }
}

/// glibc defines this version from 2.36 on, when its loader learnt packed relative relocations; a file
/// that uses them and links libc must ask for it, and an older loader then refuses the file by name.
pub const RELR_VERSION: &[u8] = b"GLIBC_ABI_DT_RELR\0";

fn provides_relr(member: &Member<'_>, sections: &SectionTable<'_, Header>) -> bool {
    sections.iter().any(|section| {
        sections.section_name(LittleEndian, section) == Ok(b".dynstr")
            && section.data(LittleEndian, member.bytes).is_ok_and(|strings: &[u8]| {
                strings.split_inclusive(|b| *b == 0).any(|string| string == RELR_VERSION)
            })
    })
}

fn check_lists(found: &Inputs) -> Result<()> {
    let mut certain = found.objects.iter().filter(|o| o.certain);
    let Some(first) = certain.next() else { return Ok(()) };
    match certain.find(|o| o.specs != first.specs) {
        Some(second) => Err(differing(first, second)),
        None => Ok(()),
    }
}

/// The error for two objects with different lists.
pub fn differing(first: &RecordObject, second: &RecordObject) -> Error {
    Error::TargetLists {
        first: first.name.clone(),
        first_list: describe(&first.specs, &second.specs),
        second: second.name.clone(),
        second_list: describe(&second.specs, &first.specs),
    }
}

/// The list as the user wrote it, and whatever differs from `other` although it was written the same.
fn describe(blob: &[u8], other: &[u8]) -> String {
    let (Ok(specs), Ok(other)) = (Specs::parse(blob), Specs::parse(other)) else { return "?".into() };
    let names = |s: &Specs| (0..s.len()).map(|t| s.name(t).to_string()).collect::<Vec<_>>().join(";");
    let text = |s: &Specs, at: u32| String::from_utf8_lossy(s.string(at).unwrap_or(b"?")).into_owned();
    let mut description = names(&specs);
    if specs.head().flags & image_format::specs::SPECS_FP_FAST != 0 {
        description += " (--jl-fp=fast)";
    }
    if specs.head().flags & image_format::specs::SPECS_RAISED != 0 {
        description += " (target 0 raised by -march)";
    }
    if names(&specs) == names(&other) {
        for (a, b) in specs.entries().zip(other.entries()) {
            if (text(&specs, a.features), a.flags) != (text(&other, b.features), b.flags) {
                let (name, features) = (text(&specs, a.name), text(&specs, a.features));
                description += &format!("\n    {name}: flags {:#x}, features {features}", a.flags);
            }
        }
    }
    description
}
