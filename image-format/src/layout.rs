//! The bytes of objects and images; the specification stands on the constants.
//!
//! # In an object (what the plugin emits)
//! Per cloned function `f`, all in `f`'s COMDAT group if it has one:
//! * `f`: the trampoline (`jmp *f.reloc_slot(%rip)`), with the linkage, visibility and section that `f` had.
//! * `f.0`, `f.1`, ...: its clones, one for each target that has a body of its own; local symbols,
//!   each in a section `.text.f.N` of its own.
//! * `f.reloc_slot`: the slot, one pointer, in [`SLOT_SECTION`]`.f`, initially the address of `f.0`.
//!   Its symbol is local.
//! * a [`RecordHead`] followed by one `i32` per target and, in functions that ask for CPU features, by
//!   those features ([`RECORD_ASKS`]), in [`RECORD_SECTION`], tied to the trampoline's section by SHF_LINK_ORDER, so that the linker drops both together.
//!
//! Per target list: the specs blob ([`crate::specs`]), in [`SPECS_SECTION`], a hidden COMDAT symbol
//! named [`SPECS_SYMBOL_PREFIX`] + 16 hex digits of its checksum.
//!
//! Per object: a [`ShardNote`] in [`SHARD_NOTE_SECTION`], so that a loader finds what a plain linker
//! left unmerged; and report lines ([`crate::report`]) in [`REPORT_SECTION`], which no linker keeps.
//!
//! A function whose every use could be bound to a clone needs no slot, trampoline or record: its
//! clones are then ordinary local functions.
//!
//! In objects for packages (`jl-identity`, `jl-dedup`) besides:
//! * per function that other images may use an [`ExportRecord`] in [`EXPORT_SECTION`], in the function's COMDAT group if it
//!   has one, and tied to the function's section by SHF_LINK_ORDER.
//! * per function that was left out because a dependency has it an import slot in [`IMPORT_SLOT_SECTION`]`.f`, which leads to
//!   [`UNRESOLVED_SYMBOL`], and an [`ImportRecord`] in [`IMPORT_SECTION`].
//! * per dependency that was used a [`Dependency`] in [`DEPENDENCY_SECTION`], a hidden COMDAT symbol named
//!   [`DEPENDENCY_SYMBOL_PREFIX`] + 16 hex digits of the xxh64 of its bytes.
//!
//! Data of other images:
//! * what other images may refer to stands in [`LINKAGE_SECTION`]: the linkage blob, one section of the output.
//! * what is referred to by its place is a pointer that leads to [`UNRESOLVED_SYMBOL`], its *cell*, and a [`ReferenceRecord`]
//!   in [`REFERENCE_SECTION`].
//! * what is referred to by its name needs no record: a pointer to a symbol that `jl-link` finds in the blob of a dependency
//!   (`--jl-dep`) becomes a cell, be it in data or in the global offset table.
//!
//! An object with import slots or reference records is not complete: a plain linker does not know [`UNRESOLVED_SYMBOL`] and says so.
//!
//! # In an image (what `jl-link` writes)
//! The embedded shim brings an [`ImageNote`] that leads to the [`ImageHeader`]; `jl-link` fills the header
//! and overwrites the record section with the image table: `i32 slot[n]`, then per row `i32 body[n]`.
//! Behind the rows stand [`Distance`]s, at most as many as there are functions.
//! A record takes at least 16 bytes and 4 per target, the table 4 bytes and 4 per row and function, and 12 per distance, so
//! the table always fits where the records were while rows = targets.
//!
//! The export section becomes [`Identity`](IDENTITY_SIZE)`[n]`, ascending, and [`Export`]`[n]` in the same order; the import section
//! [`Import`]`[n]` by dependency and export, and the imports' identities in the same order; the reference section
//! [`Reference`]`[n]` by dependency and cell, and [`Referent`]`[n]` in the same order; in the dependency section each
//! [`Dependency`] is told which imports and references are of it. Identities and referents are for tools: no load reads them. Each
//! section takes at most the bytes of its records; for what has none, `jl-link` links empty records.
//!
//! **Offsets** in the header and the image table are signed and relative to the first byte of the header:
//! address = header + offset. Offsets in records and notes are relative to the field that holds them.
//! Neither needs a relocation at load.

use crate::pod::Pod;
use core::mem::{offset_of, size_of};

/// Version of everything in this module. Readers accept exactly this one.
pub const FORMAT_VERSION: u32 = 8;

/// Section of records in objects; the C identifier makes linkers define `__start_` and `__stop_` symbols.
pub const RECORD_SECTION: &str = "jl_records";
pub const RECORDS_START: &str = "__start_jl_records";
pub const RECORDS_STOP: &str = "__stop_jl_records";
/// Section of target lists in objects.
pub const SPECS_SECTION: &str = "jl_targets";
pub const SPECS_SYMBOL_PREFIX: &str = "jl_targets.";
/// Prefix of slot sections: linkers put `.data.rel.ro.*` into RELRO by name.
pub const SLOT_SECTION: &str = ".data.rel.ro.jl_slot";
pub const SLOT_SUFFIX: &str = ".reloc_slot";
pub const SHARD_NOTE_SECTION: &str = ".note.jl_shard";
pub const IMAGE_NOTE_SECTION: &str = ".note.jl_image";
/// Section of the image header in the shim object and the image.
pub const HEADER_SECTION: &str = "jl_image";
/// Sections of [`ExportRecord`]s, [`ImportRecord`]s and [`Dependency`]s in objects.
pub const EXPORT_SECTION: &str = "jl_exports";
pub const IMPORT_SECTION: &str = "jl_imports";
pub const DEPENDENCY_SECTION: &str = "jl_dependencies";
pub const DEPENDENCY_SYMBOL_PREFIX: &str = "jl_dependency.";
/// Section of [`ReferenceRecord`]s in objects.
pub const REFERENCE_SECTION: &str = "jl_references";
/// Section of what other images may refer to, in objects and images; a linker puts a section of this name in one piece.
pub const LINKAGE_SECTION: &str = "jl_linkage";
/// Prefix of the sections of import slots, as [`SLOT_SECTION`].
pub const IMPORT_SLOT_SECTION: &str = ".data.rel.ro.jl_import";
pub const IMPORT_SLOT_SUFFIX: &str = ".import_slot";
/// What an import slot leads to before it is filled; defined by the embedded shim alone, hidden.
pub const UNRESOLVED_SYMBOL: &str = "jl_link_must_link_this";
/// Lines of [`crate::report`]; SHF_EXCLUDE, or not allocated and removed by `jl-link` (LTO).
pub const REPORT_SECTION: &str = ".jl_report";
/// Lines of [`crate::package_report`]; SHF_EXCLUDE.
pub const PACKAGE_REPORT_SECTION: &str = ".jl_package_report";
/// Name in our ELF notes, with its terminating zero (n_namesz = 9, padded to 12).
pub const NOTE_NAME: &[u8; 9] = b"Julienne\0";
pub const NOTE_NAME_PADDED: [u8; 12] = *b"Julienne\0\0\0\0";
pub const NOTE_TYPE_IMAGE: u32 = 1;
pub const NOTE_TYPE_SHARD: u32 = 2;

/// More targets than anyone builds, and what fits the mask of a report line.
pub const MAX_TARGETS: usize = 32;
/// Rows of an image table: a target, or a target for one CPU model.
pub const MAX_ROWS: usize = 64;

/// Upper half of [`RecordHead::head`].
pub const RECORD_MAGIC: u32 = 0x4a4c;

/// Start of a record; `i32 body[targets]` follows, each relative to its own address, and with
/// [`RECORD_ASKS`] a [`FeatureSet`](crate::feature::FeatureSet).
///
/// `body[t]` is the body that runs for target `t`; a target without a clone of its own repeats the
/// body of its base target.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHead {
    /// [`RECORD_MAGIC`] << 16 | [`FORMAT_VERSION`] << 8 | number of targets (1..=[`MAX_TARGETS`]).
    pub head: u32,
    /// To the specs blob, relative to this field.
    pub specs: i32,
    /// To the slot, relative to this field.
    pub slot: i32,
    /// `RECORD_*` bits; unknown bits are an error.
    pub flags: u32,
}

/// Calls to this function stay on the slot (`--jl-tunable` at compile time).
pub const RECORD_TUNABLE: u32 = 1 << 0;
/// The source asks the CPU for features, and in each body, and in what was inlined into it or is called
/// by it directly, the questions were answered with yes for those features of the set that the body's
/// target requires: the body relies on them even if its own instructions do not show it.
pub const RECORD_ASKS: u32 = 1 << 1;
pub const RECORD_FLAGS_KNOWN: u32 = RECORD_TUNABLE | RECORD_ASKS;

pub const fn record_head(targets: usize) -> u32 {
    RECORD_MAGIC << 16 | FORMAT_VERSION << 8 | targets as u32
}

/// Size in bytes of a record for `targets` targets; records stand without gaps (alignment 4).
pub const fn record_size(targets: usize, flags: u32) -> usize {
    let asks = if flags & RECORD_ASKS != 0 { size_of::<crate::feature::FeatureSet>() } else { 0 };
    size_of::<RecordHead>() + 4 * targets + asks
}

/// Bytes of an identity ([`crate::identity`]).
pub const IDENTITY_SIZE: usize = 16;

/// A function that other images may use in place of their own of the same identity.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportRecord {
    pub identity: [u8; IDENTITY_SIZE],
    /// To the function (the trampoline of a cloned one), relative to this field.
    pub function: i32,
    pub reserved: [u32; 2],
}

/// A function that was left out because a dependency has one of the same identity.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    pub identity: [u8; IDENTITY_SIZE],
    /// To the import slot, relative to this field.
    pub slot: i32,
    /// To the [`Dependency`], relative to this field.
    pub dependency: i32,
    pub reserved: [u32; 2],
}

/// A cell that shall hold the address of data of a dependency, known by its place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferenceRecord {
    /// To the cell, relative to this field.
    pub cell: i32,
    /// To the [`Dependency`], relative to this field.
    pub dependency: i32,
    /// In the dependency's linkage blob, in bytes.
    pub offset: u32,
    pub reserved: [u32; 2],
}

/// Of a build id, in bytes.
pub const MAX_BUILD_ID_SIZE: usize = 32;
/// Longest name of a dependency, in bytes.
pub const DEPENDENCY_NAME_SIZE: usize = 184;

/// An image that another one takes functions or data from, as it was when that one was linked.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// As in the dependency's [`ImageHeader`].
    pub build_id: [u8; MAX_BUILD_ID_SIZE],
    pub build_id_size: u32,
    /// `DEPENDENCY_*` bits; unknown bits are an error.
    pub flags: u32,
    /// Of the dependency's header: two files with one build id and different content are told apart.
    /// [`ImageHeader::lists_checksum`].
    pub lists_checksum: u64,
    pub table_checksum: u64,
    pub linkage_checksum: u64,
    /// Where the imports from it and the references to it end in the image's lists; they begin where those of the dependency
    /// before it end. 0 in objects.
    pub imports_end: u32,
    pub references_end: u32,
    /// Its SONAME, or its file's name where it has none; zero-padded.
    pub name: [u8; DEPENDENCY_NAME_SIZE],
}

/// The image has bodies of its own for all that it imports from this one, and runs them when the dependency is not there
/// or is another one.
pub const DEPENDENCY_FALLBACK: u32 = 1 << 0;
pub const DEPENDENCY_FLAGS_KNOWN: u32 = DEPENDENCY_FALLBACK;

/// A function that other images may use: what a load needs to know of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// [`tag`] of its identity.
    pub tag: u32,
    /// Id of a cloned function, whose body is that of the chosen row; [`NOT_CLONED`] otherwise.
    pub function: u32,
    /// The function (the trampoline of a cloned one), from the header.
    pub offset: i32,
}

pub const NOT_CLONED: u32 = u32::MAX;

/// A slot that is filled with a dependency's function: what a load needs to know of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// The slot, from the header.
    pub slot: i32,
    /// Index in the dependency's list of exports.
    pub export: u32,
    /// [`Import::tag_of`] that export, for this slot.
    pub tag: u32,
}

impl Import {
    /// What ties a slot to the one export that it may be filled with, and to each of its fields: a load compares it and no
    /// checksum of imports and exports. Of values that differ in one bit it is never the same, of others once in 2^32.
    pub const fn tag_of(export: &Export, slot: i32) -> u32 {
        // Sums of products of which the upper half is taken: with an odd factor no bit of either word is lost, and with these two
        // none is alone below the half (tested for each).
        let target = (export.function as u64) << 32 | export.offset.cast_unsigned() as u64;
        let place = (export.tag as u64) << 32 | slot.cast_unsigned() as u64;
        let sum = target
            .wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
            .wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (sum >> 32) as u32
    }
}

/// What is left of an identity where a load compares: the tag of its export.
pub fn tag(identity: &[u8; IDENTITY_SIZE]) -> u32 {
    let [a, b, c, d, ..] = *identity;
    u32::from_le_bytes([a, b, c, d])
}

/// A pointer that is filled with the address of data in a dependency's linkage blob: what a load needs to know of it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The pointer, from the header: aligned, and in memory that may be written to when the image is loaded. Before it is filled
    /// it is null or leads to [`UNRESOLVED_SYMBOL`].
    pub cell: i32,
    /// Where it leads to in the linkage blob of its dependency, in bytes; at most to the end.
    pub place: u32,
}

/// The object that a reference is to: what tools need to know of it, and no load reads.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Referent {
    /// Bytes of the object; 0 where it is known by its place alone.
    pub size: u32,
    /// How many bytes behind its start the reference leads; at most to its end.
    pub inner: u32,
    /// The name of the object, from the header, zero-terminated; 0 where it is known by its place alone.
    pub name: i32,
}

/// ELF note of an object: where its records and its target list are.
///
/// A plain linker concatenates these; every one of them leads to the same records.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardNote {
    pub namesz: u32,
    pub descsz: u32,
    pub kind: u32,
    pub name: [u8; 12],
    pub version: u32,
    /// To `__start_jl_records` and `__stop_jl_records`, each relative to its own field. When every
    /// record was collected the symbols may be undefined: a loader takes a range that is empty,
    /// inverted or outside the loaded image as "no records".
    pub records_start: i32,
    pub records_stop: i32,
    pub layout_hash: u32,
}

/// ELF note of an image: where its header is.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageNote {
    pub namesz: u32,
    pub descsz: u32,
    pub kind: u32,
    pub name: [u8; 12],
    pub version: u32,
    /// To the [`ImageHeader`], relative to this field: from there jl-link takes the address.
    pub header: i32,
    /// The header's address without the load bias, as a number of 8 bytes, in a file that jl-link has finished. Tools that change files
    /// move notes (patchelf, where it needs room at the front), and nothing that is relative to one stays right.
    pub address: [u8; 8],
}

impl ImageNote {
    /// Address of the header, without the load bias, by a note that stands at `own`.
    pub fn header_address(&self, own: u64) -> u64 {
        match u64::from_le_bytes(self.address) {
            0 => {
                let field = own.wrapping_add(core::mem::offset_of!(ImageNote, header) as u64);
                field.wrapping_add_signed(i64::from(self.header))
            }
            address => address,
        }
    }
}

/// Offset of the descriptor in both notes.
pub const NOTE_DESC_OFFSET: usize = 24;

pub const IMAGE_MAGIC: [u8; 8] = *b"JLIMAGE\0";

/// A list in the image: where (from the header) and how many. `count` 0 means there is none.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Extent {
    pub offset: i32,
    pub count: u32,
}

/// A row of the image table.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Row {
    /// The target this row is for; row 0 is for target 0.
    pub target: u32,
    /// To `i32 body[functions]`, from the header.
    pub bodies: i32,
}

/// An address that a table in data holds as a 32-bit distance from a base in the image, as the tables of Julia before 1.9 do.
/// It leads to the chosen body, as the slot does, and like slots it lies in RELRO; before it is filled it leads to the
/// body of row 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// The `i32`, from the header.
    pub place: i32,
    /// What the distance counts from, from the header.
    pub base: i32,
    /// Id of the function.
    pub function: u32,
}

/// The image header, 8-byte aligned, in a read-only segment.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    pub magic: [u8; 8],
    pub version: u32,
    pub header_size: u32,
    /// [`LAYOUT_HASH`] of the writer.
    pub layout_hash: u64,
    /// xxh64 (seed 0) of this header up to its last row, with this field zero.
    pub header_checksum: u64,
    /// xxh64 (seed 0) of `table` (slots, then rows in order, then distances).
    pub table_checksum: u64,
    /// The image's GNU build id, zero-padded; `build_id_size` 0 when it has none.
    pub build_id: [u8; MAX_BUILD_ID_SIZE],
    pub build_id_size: u32,
    /// `IMAGE_*` bits; unknown bits are an error.
    pub flags: u32,
    /// The specs blob ([`crate::specs`]); `count` is its size in bytes.
    pub specs: Extent,
    /// The whole image table; `count` is its size in bytes.
    pub table: Extent,
    /// `i32 slot[functions]`; `count` is the number of functions.
    pub slots: Extent,
    /// Lowest slot address and size in bytes up to the end of the highest: what is unsealed to fill.
    pub slot_span: Extent,
    /// [`Distance`]s by `place`; `count` is their number.
    pub distances: Extent,
    /// [`ImageState`], one u32 in RELRO.
    pub state: Extent,
    /// [`Dependency`]s; `count` is their number.
    pub dependencies: Extent,
    /// [`Export`]s; their identities, ascending, in the same order.
    pub exports: Extent,
    pub export_identities: Extent,
    /// [`Import`]s by dependency ([`Dependency::imports_end`]), ascending by export and slot; identities in the same order.
    pub imports: Extent,
    pub import_identities: Extent,
    /// Lowest and end of the highest import slot, as `slot_span`; `count` is bytes.
    pub import_span: Extent,
    /// [`Reference`]s by dependency ([`Dependency::references_end`]), ascending by cell; [`Referent`]s in the same order.
    pub references: Extent,
    pub referents: Extent,
    /// The linkage blob: data that other images may refer to; `count` is bytes.
    pub linkage: Extent,
    /// Method records and embedded bitcode of package images; empty in this version.
    pub methods: Extent,
    pub bitcode: Extent,
    /// xxh64 (seed 0) of references and dependencies, one behind the other: of what a load takes as it stands.
    pub package_checksum: u64,
    /// xxh64 (seed 0) of the linkage blob as the file has it: not of what it becomes when it is relocated.
    pub linkage_checksum: u64,
    /// xxh64 (seed 0) of what a load does not read, or compares by tags: exports, imports, identities of either, and referents.
    pub details_checksum: u64,
    pub row_count: u32,
    pub reserved: u32,
    pub rows: [Row; MAX_ROWS],
}

impl ImageHeader {
    /// As many as there are; what stands behind them is nothing.
    pub fn rows(&self) -> &[Row] {
        self.rows.get(..self.row_count as usize).unwrap_or(&self.rows)
    }

    /// Of all lists of a package image.
    pub const fn lists_checksum(&self) -> u64 {
        self.package_checksum ^ self.details_checksum.rotate_left(32)
    }
}

/// Filled by `jl-link`; a header without it was never linked by us and describes nothing.
pub const IMAGE_MERGED: u32 = 1 << 0;
/// Slots stand one behind the other from `slot_span.offset` on, in the order of function ids.
pub const IMAGE_SLOTS_CONTIGUOUS: u32 = 1 << 1;
/// The image is an executable: always part of start-up.
pub const IMAGE_EXECUTABLE: u32 = 1 << 2;
/// A system image: who loads it calls functions of it that have no slots, and cannot do without it. A refusal ends the
/// process, however it was loaded.
pub const IMAGE_SYSTEM: u32 = 1 << 3;
/// A base image: it takes nothing from others, so that its load waits for nobody, and nothing of it is verified but its header
/// (`--jl-base`).
pub const IMAGE_BASE: u32 = 1 << 4;
pub const IMAGE_FLAGS_KNOWN: u32 =
    IMAGE_MERGED | IMAGE_SLOTS_CONTIGUOUS | IMAGE_EXECUTABLE | IMAGE_SYSTEM | IMAGE_BASE;

/// What happened to an image in this process: one u32 in RELRO, written by whoever fills it.
pub mod image_state {
    /// Nobody has chosen yet: slots lead to the baseline.
    pub const UNFILLED: u32 = 0;
    /// The baseline cannot run here: slots lead to the refusal stub.
    pub const REFUSED: u32 = 1;
    /// Filled with row `state - FILLED`.
    pub const FILLED: u32 = 0x100;
}

// SAFETY: all of them are `repr(C)`, hold integers and byte arrays only, and have no padding (the layout
// hash below is computed from sizes and offsets that a test compares with the sum of the fields).
unsafe impl Pod for RecordHead {}
// SAFETY: see above.
unsafe impl Pod for ShardNote {}
// SAFETY: see above.
unsafe impl Pod for ImageNote {}
// SAFETY: see above.
unsafe impl Pod for Extent {}
// SAFETY: see above.
unsafe impl Pod for Row {}
// SAFETY: see above.
unsafe impl Pod for Distance {}
// SAFETY: see above.
unsafe impl Pod for ExportRecord {}
// SAFETY: see above.
unsafe impl Pod for ImportRecord {}
// SAFETY: see above.
unsafe impl Pod for Dependency {}
// SAFETY: see above.
unsafe impl Pod for Export {}
// SAFETY: see above.
unsafe impl Pod for Import {}
// SAFETY: see above.
unsafe impl Pod for ReferenceRecord {}
// SAFETY: see above.
unsafe impl Pod for Reference {}
// SAFETY: see above.
unsafe impl Pod for Referent {}
// SAFETY: see above.
unsafe impl Pod for ImageHeader {}

/// A hash of the layout itself: a field moved without a new version is still noticed.
pub const LAYOUT_HASH: u64 = layout_hash();

const fn layout_hash() -> u64 {
    let facts = [
        FORMAT_VERSION as usize,
        size_of::<RecordHead>(),
        size_of::<ShardNote>(),
        size_of::<ImageNote>(),
        size_of::<ImageHeader>(),
        size_of::<Distance>(),
        size_of::<ExportRecord>(),
        size_of::<ImportRecord>(),
        size_of::<Dependency>(),
        size_of::<Export>(),
        size_of::<Import>(),
        size_of::<ReferenceRecord>(),
        size_of::<Reference>(),
        size_of::<Referent>(),
        size_of::<crate::specs::SpecsHead>(),
        size_of::<crate::specs::TargetEntry>(),
        offset_of!(ImageHeader, specs),
        offset_of!(ImageHeader, table),
        offset_of!(ImageHeader, slots),
        offset_of!(ImageHeader, slot_span),
        offset_of!(ImageHeader, distances),
        offset_of!(ImageHeader, state),
        offset_of!(ImageHeader, dependencies),
        offset_of!(ImageHeader, exports),
        offset_of!(ImageHeader, imports),
        offset_of!(ImageHeader, references),
        offset_of!(ImageHeader, referents),
        offset_of!(ImageHeader, linkage),
        offset_of!(ImageHeader, package_checksum),
        offset_of!(ImageHeader, linkage_checksum),
        offset_of!(ImageHeader, details_checksum),
        offset_of!(ImageHeader, row_count),
        offset_of!(ImageHeader, rows),
        offset_of!(crate::specs::TargetEntry, required),
        MAX_ROWS,
        RECORD_FLAGS_KNOWN as usize,
        crate::specs::SPECS_FLAGS_KNOWN as usize,
        DEPENDENCY_FLAGS_KNOWN as usize,
        record_size(1, RECORD_FLAGS_KNOWN),
    ];
    // FNV-1a over the facts: short, const, and not used against hostile input.
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut i = 0;
    while i < facts.len() {
        hash ^= facts[i] as u64;
        hash = hash.wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_padding() {
        assert_eq!(size_of::<RecordHead>(), 16);
        assert_eq!(size_of::<ShardNote>(), 40);
        assert_eq!(size_of::<ImageNote>(), 40);
        assert_eq!(size_of::<ImageHeader>(), 8 + 8 + 3 * 8 + 32 + 8 + 17 * 8 + 3 * 8 + 8 + MAX_ROWS * 8);
        assert_eq!(size_of::<ExportRecord>(), IDENTITY_SIZE + size_of::<Export>());
        assert_eq!(size_of::<Dependency>(), 256);
        assert!(size_of::<ImportRecord>() >= IDENTITY_SIZE + size_of::<Import>());
        assert_eq!(size_of::<ReferenceRecord>(), size_of::<Reference>() + size_of::<Referent>());
        assert_eq!(offset_of!(ShardNote, version), NOTE_DESC_OFFSET);
        assert_eq!(offset_of!(ImageNote, version), NOTE_DESC_OFFSET);
    }

    #[test]
    fn every_bit_of_an_import_and_its_export_is_in_the_tag() {
        let of = |[tag, function, offset, slot]: [u32; 4]| {
            Import::tag_of(&Export { tag, function, offset: offset.cast_signed() }, slot.cast_signed())
        };
        let values =
            [[0; 4], [u32::MAX; 4], [0x1234_5678, NOT_CLONED, 0xffff_f000, 0x1_7010], [7, 300, 0x900, 8]];
        for value in values {
            for bit in 0..128 {
                let mut other = value;
                other[bit / 32] ^= 1 << (bit % 32);
                assert_ne!(of(value), of(other), "{value:x?}, bit {bit}");
            }
        }
        // Entries that lie side by side do not stand in for each other.
        let tags: std::collections::HashSet<u32> =
            (0..100_000).map(|i| of([0x5bd1_e995, i % 300, 16 * i, 8 * i])).collect();
        assert!(tags.len() > 99_990, "{} of 100000", tags.len());
    }

    #[test]
    fn table_fits_where_the_records_were() {
        for targets in 1..=MAX_TARGETS {
            assert!(record_size(targets, 0) >= 4 + 4 * targets + size_of::<Distance>());
        }
    }
}
