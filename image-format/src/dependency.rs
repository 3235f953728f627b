//! An image as a dependency: read from its file, by those who compile or link against it.
//!
//! What is read is what a load relies on, all of it with its checksums: header, image table and package lists.

use crate::details::Details;
use crate::image::{ImageError, Table, parse_header};
use crate::layout::{
    DEPENDENCY_NAME_SIZE, Dependency, Export, Extent, FORMAT_VERSION, IDENTITY_SIZE, ImageHeader, ImageNote,
    NOTE_NAME, NOTE_TYPE_IMAGE,
};
use crate::notes::notes;
use crate::package::{Package, PackageError, linkage_checksum};
use crate::pod::read_at;
use object::LittleEndian;
use object::elf::{self, DT_SONAME, DT_STRTAB};
use object::read::elf::{Dyn, ElfFile64, ElfSymbol64, FileHeader, ProgramHeader};
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, SymbolKind};
use std::collections::{HashMap, HashSet};
use std::mem::size_of;
use std::path::{Path, PathBuf};

/// Why a file cannot be a dependency.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct DependencyError {
    pub path: PathBuf,
    pub problem: Problem,
}

/// Causes stand in the text, and are not given as `source` besides: whoever prints the chain would print them twice.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot be read: {0}; expected a code image to depend on")]
    Read(std::io::Error),
    #[error("not a 64-bit little-endian ELF file ({0}); expected a code image to depend on")]
    Elf(String),
    #[error("no code image: found no note of jl-link's; build it with jl-cc --jl-package")]
    NoImage,
    #[error(
        "its image note has format version {0}, but this tool reads version {FORMAT_VERSION}; link it again with this release"
    )]
    Version(u32),
    #[error("{0}; restore the file or link it again")]
    Image(ImageError),
    #[error("{0}; restore the file or link it again")]
    Package(PackageError),
    #[error("{what} at {address:#x} lies outside of the file; restore the file or link it again")]
    Outside { what: &'static str, address: u64 },
    #[error("has no build id, by which a rebuilt one would be noticed; link it without --build-id=none")]
    NoBuildId,
    #[error(
        "its name '{name}' has {size} bytes, expected at most {DEPENDENCY_NAME_SIZE}; give it a shorter SONAME"
    )]
    Name { name: String, size: usize },
}

/// A code image that others may use functions of.
pub struct DependencyImage {
    pub path: PathBuf,
    /// ELF's number of the architecture.
    pub machine: u16,
    /// SONAME, or the file's name where there is none: what DT_NEEDED of those that depend on it says.
    pub name: Vec<u8>,
    /// In the file's address space.
    pub header_address: u64,
    header: ImageHeader,
    file: Vec<u8>,
    segments: Vec<Segment>,
}

/// What a name means in a linkage blob, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkageObject {
    pub offset: u32,
    pub size: u32,
}

/// What of a file is loaded where.
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

impl DependencyImage {
    /// # Errors
    /// The file cannot be read, or is no undamaged image of this release with a build id.
    pub fn open(path: &Path) -> Result<DependencyImage, DependencyError> {
        let error = |problem| DependencyError { path: path.to_owned(), problem };
        let file = std::fs::read(path).map_err(|cause| error(Problem::Read(cause)))?;
        let image = DependencyImage::parse(path, file).map_err(error)?;
        image.check().map_err(error)?;
        Ok(image)
    }

    fn parse(path: &Path, file: Vec<u8>) -> Result<DependencyImage, Problem> {
        let elf = |cause: object::Error| Problem::Elf(cause.to_string());
        let endian = LittleEndian;
        let header = elf::FileHeader64::<LittleEndian>::parse(&*file).map_err(elf)?;
        let programs = header.program_headers(endian, &*file).map_err(elf)?;
        let machine = header.e_machine(endian).0;
        let loaded = programs.iter().filter(|p| p.p_type(endian) == elf::PT_LOAD);
        let segments: Vec<Segment> = loaded
            .map(|p| Segment {
                address: p.p_vaddr(endian),
                offset: p.p_offset(endian),
                size: p.p_filesz(endian),
            })
            .collect();
        let mut dynamic = Vec::new();
        let mut note = None;
        for program in programs {
            if let Some(entries) = program.dynamic(endian, &*file).map_err(elf)? {
                dynamic.extend(entries.iter().map(|e| (e.d_tag(endian), e.d_val(endian))));
            }
            if program.p_type(endian) == elf::PT_NOTE {
                let bytes = program.data(endian, &*file).unwrap_or(&[]);
                let ours = |n: &crate::notes::Note| n.name == NOTE_NAME && n.kind == NOTE_TYPE_IMAGE;
                let found = notes(bytes, program.p_align(endian)).find(ours);
                note = note
                    .or(found
                        .map(|n| (program.p_vaddr(endian) + n.offset as u64, bytes.get(n.offset..n.end()))));
            }
        }
        let (address, bytes) = note.ok_or(Problem::NoImage)?;
        let note: ImageNote = bytes.and_then(|b| read_at(b, 0)).ok_or(Problem::NoImage)?;
        if note.version != FORMAT_VERSION {
            return Err(Problem::Version(note.version));
        }
        let header_address = note.header_address(address);
        let head = slice(&file, &segments, header_address, size_of::<ImageHeader>());
        let head = head.ok_or(Problem::Outside { what: "the image header", address: header_address })?;
        let header = parse_header(head).map_err(Problem::Image)?;
        let name = soname(&file, &segments, &dynamic)
            .or_else(|| path.file_name().map(|name| name.as_encoded_bytes().to_vec()))
            .unwrap_or_default();
        Ok(DependencyImage { path: path.to_owned(), machine, name, header_address, header, file, segments })
    }

    /// Everything that others rely on, once: the accessors below cannot fail afterwards.
    fn check(&self) -> Result<(), Problem> {
        if self.header.build_id_size == 0 {
            return Err(Problem::NoBuildId);
        }
        if self.name.len() > DEPENDENCY_NAME_SIZE {
            let name = String::from_utf8_lossy(&self.name).into_owned();
            return Err(Problem::Name { name, size: self.name.len() });
        }
        Table::new(self.header, self.at(self.header.table), true).map_err(Problem::Image)?;
        let (blob, found) = (self.header.linkage, self.at(self.header.linkage));
        let address = self.header_address.wrapping_add_signed(i64::from(blob.offset));
        if found.len() != blob.count as usize {
            return Err(Problem::Outside { what: "the linkage blob", address });
        }
        let (found, expected) = (linkage_checksum(found), self.header.linkage_checksum);
        if found != expected {
            return Err(Problem::Image(ImageError::Checksum { what: "linkage blob", found, expected }));
        }
        self.lists(true)?;
        self.detail_lists(true).map(drop)
    }

    pub fn header(&self) -> &ImageHeader {
        &self.header
    }

    /// Exports, imports, references and dependencies.
    ///
    /// # Panics
    /// Never: [`DependencyImage::open`] has read them once.
    pub fn package(&self) -> Package<'_> {
        self.lists(false).expect("lists that were checked")
    }

    /// Identities, and what references are to.
    ///
    /// # Panics
    /// Never: [`DependencyImage::open`] has read them once.
    pub fn details(&self) -> Details<'_> {
        self.detail_lists(false).expect("lists that were checked")
    }

    /// The export with this identity, and its index.
    pub fn find(&self, identity: &[u8; IDENTITY_SIZE]) -> Option<(u32, Export)> {
        let index = self.details().find(identity)?;
        Some((index, self.package().exports.get(index as usize)?))
    }

    /// The record of a dependency on this image.
    pub fn record(&self, flags: u32) -> Dependency {
        let mut name = [0; DEPENDENCY_NAME_SIZE];
        name[..self.name.len()].copy_from_slice(&self.name);
        Dependency {
            build_id: self.header.build_id,
            build_id_size: self.header.build_id_size,
            flags,
            lists_checksum: self.header.lists_checksum(),
            table_checksum: self.header.table_checksum,
            linkage_checksum: self.header.linkage_checksum,
            imports_end: 0,
            references_end: 0,
            name,
        }
    }

    /// Names of the functions that the dynamic linker finds in this image, and none of its own versions behind them.
    ///
    /// # Errors
    /// Its dynamic symbols are damaged.
    pub fn dynamic_functions(&self) -> Result<HashSet<Vec<u8>>, DependencyError> {
        let elf = |cause: object::Error| DependencyError {
            path: self.path.clone(),
            problem: Problem::Elf(cause.to_string()),
        };
        let file = ElfFile64::<LittleEndian>::parse(&*self.file).map_err(elf)?;
        let found = |symbol: &ElfSymbol64<'_, '_, LittleEndian>| {
            symbol.is_definition() && symbol.is_global() && symbol.kind() == SymbolKind::Text
        };
        let names = file.dynamic_symbols().filter(found).map(|s| s.name_bytes().map(<[u8]>::to_vec));
        names.collect::<Result<_, _>>().map_err(elf)
    }

    /// Whether the dynamic symbol of this name is defined; none where there is none.
    pub fn dynamic_symbol(&self, name: &str) -> Option<bool> {
        let file = ElfFile64::<LittleEndian>::parse(&*self.file).ok()?;
        let symbol = file.dynamic_symbols().find(|symbol| symbol.name_bytes() == Ok(name.as_bytes()))?;
        Some(symbol.is_definition())
    }

    /// Whether its dynamic strings have this one, which ends with a zero.
    pub fn has_dynamic_string(&self, string: &[u8]) -> bool {
        let Ok(file) = ElfFile64::<LittleEndian>::parse(&*self.file) else { return false };
        let strings = file.section_by_name_bytes(b".dynstr").and_then(|strings| strings.data().ok());
        strings.is_some_and(|strings| strings.split_inclusive(|byte| *byte == 0).any(|s| s == string))
    }

    /// Whether the dynamic linker asks a function of it for an address.
    pub fn has_ifunc(&self) -> bool {
        let Ok(file) = ElfFile64::<LittleEndian>::parse(&*self.file) else { return false };
        let asks = [elf::R_X86_64_IRELATIVE.0, elf::R_AARCH64_IRELATIVE.0];
        let mut relocations = file.dynamic_relocations().into_iter().flatten();
        relocations.any(|(_, relocation)| match relocation.flags() {
            RelocationFlags::Elf { r_type } => asks.contains(&r_type.0),
            _ => false,
        })
    }

    /// Data of its linkage blob that the dynamic linker finds by name.
    ///
    /// # Errors
    /// Its dynamic symbols are damaged.
    pub fn objects(&self) -> Result<HashMap<Vec<u8>, LinkageObject>, DependencyError> {
        let elf = |cause: object::Error| DependencyError {
            path: self.path.clone(),
            problem: Problem::Elf(cause.to_string()),
        };
        let blob = self.header.linkage;
        let start = self.header_address.wrapping_add_signed(i64::from(blob.offset));
        let file = ElfFile64::<LittleEndian>::parse(&*self.file).map_err(elf)?;
        let mut found = HashMap::new();
        for symbol in file.dynamic_symbols().filter(|s| s.is_definition() && s.is_global()) {
            let offset = symbol.address().wrapping_sub(start);
            let end = offset.checked_add(symbol.size());
            if symbol.kind() != SymbolKind::Tls && end.is_some_and(|end| end <= blob.count.into()) {
                let object = LinkageObject { offset: offset as u32, size: symbol.size() as u32 };
                found.insert(symbol.name_bytes().map_err(elf)?.to_vec(), object);
            }
        }
        Ok(found)
    }

    /// The image table.
    ///
    /// # Panics
    /// Never: [`DependencyImage::open`] has read it once.
    pub fn table(&self) -> Table<'_> {
        Table::new(self.header, self.at(self.header.table), false).expect("a table that was checked")
    }

    /// The functions that symbols name, where the file has symbols of all: name, address, and size in bytes. Of a stripped one
    /// those for the dynamic linker.
    pub fn functions(&self) -> Vec<(String, u64, u64)> {
        let Ok(file) = ElfFile64::<LittleEndian>::parse(&*self.file) else { return Vec::new() };
        let of = |symbol: ElfSymbol64<'_, '_, LittleEndian>| {
            let is_function = symbol.is_definition() && symbol.kind() == SymbolKind::Text;
            let name = symbol.name_bytes().ok().filter(|_| is_function)?;
            Some((String::from_utf8_lossy(name).into_owned(), symbol.address(), symbol.size()))
        };
        file.symbols().chain(file.dynamic_symbols()).filter_map(of).collect()
    }

    fn lists(&self, verify: bool) -> Result<Package<'_>, Problem> {
        Package::new(&self.header, |extent| self.at(extent), verify).map_err(Problem::Package)
    }

    fn detail_lists(&self, verify: bool) -> Result<Details<'_>, Problem> {
        Details::new(&self.header, |extent| self.at(extent), verify).map_err(Problem::Package)
    }

    /// The bytes at an extent whose count is in bytes; none where it is not in the file.
    fn at(&self, extent: Extent) -> &[u8] {
        let address = self.header_address.wrapping_add_signed(i64::from(extent.offset));
        slice(&self.file, &self.segments, address, extent.count as usize).unwrap_or(&[])
    }
}

fn slice<'a>(file: &'a [u8], segments: &[Segment], address: u64, size: usize) -> Option<&'a [u8]> {
    segments.iter().find_map(|segment| {
        let within = address.checked_sub(segment.address)?;
        (within.checked_add(size as u64)? <= segment.size).then_some(())?;
        let start = usize::try_from(segment.offset.checked_add(within)?).ok()?;
        file.get(start..start.checked_add(size)?)
    })
}

fn soname(file: &[u8], segments: &[Segment], dynamic: &[(elf::DynamicTag, u64)]) -> Option<Vec<u8>> {
    let value = |tag| dynamic.iter().find(|(found, _)| *found == tag).map(|(_, value)| *value);
    let address = value(DT_STRTAB)?.checked_add(value(DT_SONAME)?)?;
    let segment = segments.iter().find(|s| address.wrapping_sub(s.address) < s.size)?;
    let size = segment.size - (address - segment.address);
    let tail = slice(file, segments, address, usize::try_from(size).ok()?)?;
    let name = tail.split(|byte| *byte == 0).next()?;
    (!name.is_empty()).then(|| name.to_vec())
}
