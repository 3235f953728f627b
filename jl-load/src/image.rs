//! The code image in an ELF file: merged by `jl-link`, or the shards that a plain linker left.

use crate::elf::{ElfError, ElfFile};
use image_format::cpu::Arch;
use image_format::details::Details;
use image_format::image::{ImageError, Table, parse_header};
use image_format::julia::TableError;
use image_format::layout::{
    FORMAT_VERSION, ImageHeader, ImageNote, NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD, ShardNote,
};
use image_format::package::{Package, PackageError};
use image_format::pod::read_at;
use image_format::record::{RecordError, records};
use image_format::specs::{Specs, SpecsError};
use std::mem::{offset_of, size_of};
use std::path::PathBuf;

/// What a file holds for us.
pub enum Content<'a> {
    Merged(Box<Merged<'a>>),
    /// Linked by a plain linker: the baseline runs, or what the preloaded shim chooses.
    Plain(Plain<'a>),
    /// No image, or one whose functions were all dropped by the linker.
    Nothing,
}

/// An image that chooses by itself.
pub struct Merged<'a> {
    /// Address of the header: the origin of all its offsets.
    pub address: u64,
    /// None where nothing is cloned: an image that only takes functions from others, or lets them take its own.
    pub specs: Option<Specs<'a>>,
    pub table: Table<'a>,
    pub package: Package<'a>,
    pub details: Details<'a>,
}

/// Shards side by side.
pub struct Plain<'a> {
    /// Number of objects that brought records, as far as their notes tell.
    pub shards: usize,
    /// Target lists; more than one where objects with different lists were linked together.
    pub lists: Vec<List<'a>>,
    pub functions: Vec<Function>,
}

pub struct List<'a> {
    pub address: u64,
    pub specs: Specs<'a>,
}

/// A function of a plainly linked image.
pub struct Function {
    pub record: u64,
    /// Index in [`Plain::lists`].
    pub list: usize,
    pub slot: u64,
    /// Body per target.
    pub bodies: Vec<u64>,
}

/// Why a file is not a right image.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Elf(#[from] ElfError),
    #[error("{path}: {cause}{}", image_advice(cause))]
    Image { path: PathBuf, cause: ImageError },
    #[error("{path}: {cause}{RESTORE}")]
    Package { path: PathBuf, cause: PackageError },
    #[error("{path}: {cause}{}", specs_advice(cause))]
    Specs { path: PathBuf, cause: SpecsError },
    #[error("{path}: {cause}{RESTORE}")]
    Julia { path: PathBuf, cause: TableError },
    #[error("{path}: {cause}{}", record_advice(cause))]
    Record { path: PathBuf, cause: RecordError },
    #[error(
        "{path}: {what} at address {address:#x} lies outside the file's segments: the file is damaged{RESTORE}"
    )]
    Outside { path: PathBuf, what: &'static str, address: u64 },
    #[error(
        "{path}: {what} note has version {found}, but this tool reads version {FORMAT_VERSION}: \
         build it again with this release"
    )]
    NoteVersion { path: PathBuf, what: &'static str, found: u32 },
    #[error("{path}: {what} note has {found} bytes, expected {expected}: the file is damaged{RESTORE}")]
    NoteSize { path: PathBuf, what: &'static str, found: usize, expected: usize },
    #[error(
        "{path}: its {what} says machine {found}, but the file is for machine {expected}: \
         the file is damaged or was put together from several architectures"
    )]
    Machine { path: PathBuf, what: &'static str, found: u32, expected: u16 },
    #[error("{path}: no image that jl-link merged: only those take functions from others")]
    NotMerged { path: PathBuf },
    #[error("{path}: the file is for machine {found}, for which there are no code images in this release")]
    UnknownMachine { path: PathBuf, found: u16 },
    #[error(
        "{path}: the function record at {address:#x} has {found} bodies, but its target list has {expected} \
         targets"
    )]
    Targets { path: PathBuf, address: u64, found: usize, expected: usize },
}

/// What to do with a file that is damaged.
pub const RESTORE: &str = "; restore the file or link it again";

/// What to do, where the cause does not say it.
fn image_advice(cause: &ImageError) -> &'static str {
    match cause {
        ImageError::Version { .. } | ImageError::LayoutHash { .. } => "",
        _ => RESTORE,
    }
}

fn specs_advice(cause: &SpecsError) -> &'static str {
    match cause {
        SpecsError::Version { .. } | SpecsError::LayoutHash { .. } => "",
        _ => RESTORE,
    }
}

fn record_advice(cause: &RecordError) -> &'static str {
    match cause {
        RecordError::Version { .. } => "",
        _ => RESTORE,
    }
}

/// The architecture of a file that holds an image.
pub fn arch(file: &ElfFile) -> Result<Arch, LoadError> {
    Arch::from_elf_machine(u32::from(file.machine))
        .ok_or_else(|| LoadError::UnknownMachine { path: file.path.clone(), found: file.machine })
}

/// Finds the image of a file. A merged image goes before shards: its table stands where their records were.
pub fn content(file: &ElfFile) -> Result<Content<'_>, LoadError> {
    let mut notes = 0;
    for note in file.our_notes().filter(|n| n.kind == NOTE_TYPE_IMAGE) {
        notes += 1;
        if let Some(merged) = merged(file, note.address, &file.bytes()[note.file.clone()])? {
            return Ok(Content::Merged(Box::new(merged)));
        }
    }
    let plain = plain(file)?;
    if plain.functions.is_empty() {
        if notes > 0 && plain.shards == 0 {
            // The embedded shim in a file without one cloned function.
            return Ok(Content::Nothing);
        }
        return Ok(if plain.shards == 0 { Content::Nothing } else { Content::Plain(plain) });
    }
    Ok(Content::Plain(plain))
}

/// `None` when the header was never filled.
fn merged<'a>(file: &'a ElfFile, address: u64, note: &[u8]) -> Result<Option<Merged<'a>>, LoadError> {
    let what = "image";
    let path = || file.path.clone();
    let note: ImageNote =
        read_at(note, 0).filter(|_| note.len() == size_of::<ImageNote>()).ok_or(LoadError::NoteSize {
            path: path(),
            what,
            found: note.len(),
            expected: size_of::<ImageNote>(),
        })?;
    if note.version != FORMAT_VERSION {
        return Err(LoadError::NoteVersion { path: path(), what, found: note.version });
    }
    let address = note.header_address(address);
    let outside = |what, address| LoadError::Outside { path: path(), what, address };
    let bytes = file.from_address(address).ok_or_else(|| outside("the image header", address))?;
    let header: ImageHeader = match parse_header(bytes) {
        Ok(header) => header,
        Err(ImageError::NotMerged) => return Ok(None),
        Err(cause) => return Err(LoadError::Image { path: path(), cause }),
    };
    let extent = |what, extent: image_format::layout::Extent| {
        let address = address.wrapping_add_signed(i64::from(extent.offset));
        file.at(address, extent.count as usize).ok_or_else(|| outside(what, address))
    };
    let has_specs = header.specs.count > 0 || header.slots.count > 0;
    let specs = has_specs.then(|| specs(file, extent("the target list", header.specs)?)).transpose()?;
    let table = Table::new(header, extent("the image table", header.table)?, true)
        .map_err(|cause| LoadError::Image { path: path(), cause })?;
    let list = |list| extent("a list", list).unwrap_or(&[]);
    let damaged = |cause| LoadError::Package { path: path(), cause };
    let package = Package::new(&header, list, true).map_err(damaged)?;
    let details = Details::new(&header, list, true).map_err(damaged)?;
    Ok(Some(Merged { address, specs, table, package, details }))
}

fn specs<'a>(file: &ElfFile, bytes: &'a [u8]) -> Result<Specs<'a>, LoadError> {
    let specs = Specs::parse(bytes).map_err(|cause| LoadError::Specs { path: file.path.clone(), cause })?;
    if specs.head().machine != u32::from(file.machine) {
        return Err(LoadError::Machine {
            path: file.path.clone(),
            what: "target list",
            found: specs.head().machine,
            expected: file.machine,
        });
    }
    Ok(specs)
}

fn plain(file: &ElfFile) -> Result<Plain<'_>, LoadError> {
    let what = "shard";
    let path = || file.path.clone();
    let mut plain = Plain { shards: 0, lists: Vec::new(), functions: Vec::new() };
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for note in file.our_notes().filter(|n| n.kind == NOTE_TYPE_SHARD) {
        let bytes = &file.bytes()[note.file.clone()];
        let shard: ShardNote = read_at(bytes, 0).filter(|_| bytes.len() == size_of::<ShardNote>()).ok_or(
            LoadError::NoteSize { path: path(), what, found: bytes.len(), expected: size_of::<ShardNote>() },
        )?;
        if shard.version != FORMAT_VERSION {
            return Err(LoadError::NoteVersion { path: path(), what, found: shard.version });
        }
        plain.shards += 1;
        let start = relative(note.address, offset_of!(ShardNote, records_start), shard.records_start);
        let stop = relative(note.address, offset_of!(ShardNote, records_stop), shard.records_stop);
        // Symbols of a section that was dropped are undefined and lead anywhere: no records.
        let size = usize::try_from(stop.wrapping_sub(start)).ok().filter(|size| *size > 0);
        let is_there = size.is_some_and(|size| start < stop && file.at(start, size).is_some());
        if is_there && !ranges.contains(&(start, stop)) {
            ranges.push((start, stop));
        }
    }
    for (start, stop) in ranges {
        let bytes = file.at(start, (stop - start) as usize).unwrap_or(&[]);
        for record in records(bytes, start) {
            let record = record.map_err(|cause| LoadError::Record { path: path(), cause })?;
            let list = match plain.lists.iter().position(|list| list.address == record.specs) {
                Some(list) => list,
                None => {
                    let bytes = file.from_address(record.specs).ok_or(LoadError::Outside {
                        path: path(),
                        what: "the target list",
                        address: record.specs,
                    })?;
                    plain.lists.push(List { address: record.specs, specs: specs(file, bytes)? });
                    plain.lists.len() - 1
                }
            };
            let expected = plain.lists[list].specs.len();
            if record.targets() != expected {
                return Err(LoadError::Targets {
                    path: path(),
                    address: record.address,
                    found: record.targets(),
                    expected,
                });
            }
            let bodies = record.bodies().collect();
            plain.functions.push(Function { record: record.address, list, slot: record.slot, bodies });
        }
    }
    Ok(plain)
}

fn relative(note: u64, field: usize, delta: i32) -> u64 {
    note.wrapping_add(field as u64).wrapping_add_signed(i64::from(delta))
}
