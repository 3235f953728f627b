//! From the records in the linked output to one image table, in the place where the records stood.

use crate::distances::{self, Distance};
use crate::elf::{Elf, Section};
use crate::error::{Error, Result};
use crate::packages::{Dependencies, Lists, PackageCounts};
use crate::scan::{self, Inputs, RecordObject};
use image_format::details;
use image_format::feature::FeatureSet;
use image_format::image::table_checksum;
use image_format::layout::{
    self, Extent, FORMAT_VERSION, IMAGE_EXECUTABLE, IMAGE_MAGIC, IMAGE_MERGED, IMAGE_SLOTS_CONTIGUOUS,
    IMAGE_SYSTEM, ImageHeader, ImageNote, LAYOUT_HASH, MAX_ROWS, NOTE_DESC_OFFSET, NOTE_NAME,
    NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD, RECORD_SECTION, RECORD_TUNABLE, Row, SLOT_SUFFIX, SPECS_SECTION,
    ShardNote,
};
use image_format::notes::notes;
use image_format::package::{checksum, linkage_checksum};
use image_format::pod::bytes_of;
use image_format::record::records;
use image_format::specs::Specs;
use object::elf;
use std::collections::HashMap;
use std::mem::{offset_of, size_of};

/// Size in bytes of a slot.
pub const SLOT_SIZE: u64 = 8;

/// The symbol of the image's state word in the shim.
const STATE_SYMBOL: &str = "jl_image_state";

/// A cloned function. Its id is its position among all, by slot address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub slot: u64,
    pub tunable: bool,
    /// A dependency's body runs in place of its own where that one can be used.
    pub lent: bool,
    /// Questions for CPU features that its bodies take as answered ([`RECORD_ASKS`](image_format::layout::RECORD_ASKS)).
    pub asks: FeatureSet,
    /// Address of the body that each row gives it.
    pub bodies: Vec<u64>,
}

/// A linked output with its image table written: the fourth phase's output.
pub struct Merged {
    pub elf: Elf,
    pub functions: Vec<Function>,
    /// The target list.
    pub specs: Vec<u8>,
    pub header: ImageHeader,
    pub header_address: u64,
    pub package: PackageCounts,
}

/// Writes the image table and the lists of a package over the records; `None` (and the file unused) when there are no records.
///
/// # Errors
/// Records that point outside of what they may point to, objects with different target lists, or an
/// image too large for 32-bit offsets.
pub fn merge(
    elf: Elf,
    inputs: &Inputs,
    members: &[String],
    dependencies: &Dependencies,
) -> Result<Option<Merged>> {
    let mut package = Lists::collect(&elf, dependencies)?;
    let section = elf.section(RECORD_SECTION).filter(|s| s.size > 0).cloned();
    let mut merged = match section {
        Some(section) => merge_functions(elf, &section, inputs, members)?,
        None => {
            package.drop_own_data(&elf, &[], &inputs.copies);
            if package.is_empty() {
                return Ok(None);
            }
            without_functions(elf)?
        }
    };
    package.drop_own_data(&merged.elf, &merged.functions, &inputs.copies);
    package.keep_copies(&merged.elf, &mut merged.functions, dependencies)?;
    Ok(Some(with_lists(merged, &package)?))
}

/// An image that only lends or borrows: no target list, and one row of nothing.
fn without_functions(mut elf: Elf) -> Result<Merged> {
    let header_address = find_header(&elf)?;
    let header = Writer { elf: &elf, header: header_address, bytes: Vec::new() }.empty()?;
    neutralise_shard_notes(&mut elf)?;
    let (functions, specs, package) = (Vec::new(), Vec::new(), PackageCounts::default());
    Ok(Merged { elf, functions, specs, header, header_address, package })
}

fn with_lists(mut merged: Merged, package: &Lists) -> Result<Merged> {
    package.write(&mut merged.elf, &merged.functions, &mut merged.header, merged.header_address)?;
    merged.package = package.counts.clone();
    Ok(merged)
}

fn merge_functions(mut elf: Elf, section: &Section, inputs: &Inputs, members: &[String]) -> Result<Merged> {
    let (mut functions, lists) = read_records(&elf, section.address)?;
    let specs_address = one_list(&elf, &lists, inputs, members)?;
    functions.sort_by_key(|f| f.slot);
    check_functions(&elf, &functions)?;
    let specs = specs_bytes(&elf, specs_address)?.to_vec();
    let header_address = find_header(&elf)?;
    let distances = distances::find(&elf, &functions)?;
    let mut table = Writer { elf: &elf, header: header_address, bytes: Vec::new() };
    let header = table.image(&functions, &distances, section.address, specs_address, specs.len())?;
    let mut bytes = table.bytes;
    // One target is needed for the table to be larger than the records; kept as a check, not a hope.
    if bytes.len() as u64 > section.size {
        return Err(elf.wrong("image table", format!("{} bytes", bytes.len()), "at most the records' size"));
    }
    bytes.resize(section.size as usize, 0);
    elf.write(section.address, &bytes)?;
    distances::write_baseline(&mut elf, &distances, &functions)?;
    neutralise_shard_notes(&mut elf)?;
    let package = PackageCounts::default();
    Ok(Merged { elf, functions, specs, header, header_address, package })
}

/// All functions, in link order, and the distinct target lists that they refer to (address, and a function
/// that uses it).
fn read_records(elf: &Elf, address: u64) -> Result<(Vec<Function>, Vec<u64>)> {
    let section = elf.section(RECORD_SECTION).map_or(&[][..], |s| elf.data(s));
    let names = slot_names(elf);
    let (mut functions, mut lists) = (Vec::new(), Vec::new());
    for record in records(section, address) {
        let record = record.map_err(|cause| Error::Records {
            file: elf.path.display().to_string(),
            section: RECORD_SECTION,
            cause,
        })?;
        if !lists.contains(&record.specs) {
            lists.push(record.specs);
        }
        functions.push(Function {
            name: names.get(&record.slot).map_or_else(|| format!("{:#x}", record.slot), |n| n.to_string()),
            slot: record.slot,
            tunable: record.flags & RECORD_TUNABLE != 0,
            lent: false,
            asks: record.asks,
            bodies: record.bodies().collect(),
        });
    }
    Ok((functions, lists))
}

/// Functions' names by slot address.
fn slot_names(elf: &Elf) -> HashMap<u64, &str> {
    let defined = elf.symbols.iter().filter(|s| s.is_defined());
    defined.filter_map(|s| Some((s.value, elf.symbol_name(s).strip_suffix(SLOT_SUFFIX)?))).collect()
}

fn specs_bytes(elf: &Elf, address: u64) -> Result<&[u8]> {
    let section = elf.sections.iter().find(|s| s.is_allocated() && s.contains(address));
    let tail = section.and_then(|s| elf.data(s).get((address - s.address) as usize..));
    let tail =
        tail.ok_or_else(|| elf.wrong("target list", format!("address {address:#x}"), "one in the file"))?;
    let specs = Specs::parse(tail).map_err(|cause| Error::Specs {
        file: elf.path.display().to_string(),
        section: SPECS_SECTION,
        cause,
    })?;
    Ok(specs.bytes())
}

/// The address of the one target list. Objects folded theirs by COMDAT, so two addresses normally are
/// two lists, but `-r` or another tool may have taken the groups apart.
fn one_list(elf: &Elf, lists: &[u64], inputs: &Inputs, members: &[String]) -> Result<u64> {
    let first = lists[0];
    let blob = specs_bytes(elf, first)?;
    for &other in &lists[1..] {
        let other = specs_bytes(elf, other)?;
        if other != blob {
            return Err(scan::differing(&owner(inputs, members, blob), &owner(inputs, members, other)));
        }
    }
    Ok(first)
}

/// Who brought a list in: an object of the link, or what LTO made.
fn owner(inputs: &Inputs, members: &[String], specs: &[u8]) -> RecordObject {
    let used = |o: &&RecordObject| o.specs == specs && (o.certain || members.contains(&o.name));
    let any = |o: &&RecordObject| o.specs == specs;
    let found = inputs.objects.iter().find(used).or_else(|| inputs.objects.iter().find(any));
    let name = "LTO of bitcode inputs (JULIA_CPU_TARGET at link time, or what they were compiled with)";
    let lto = || RecordObject { name: name.into(), certain: true, specs: specs.to_vec() };
    found.cloned().unwrap_or_else(lto)
}

fn check_functions(elf: &Elf, functions: &[Function]) -> Result<()> {
    let rows = functions[0].bodies.len();
    for pair in functions.windows(2) {
        if pair[0].slot == pair[1].slot {
            let found = format!("{} and {}", pair[0].name, pair[1].name);
            return Err(Error::Image {
                file: elf.path.clone(),
                what: "two function records with one slot".into(),
                found,
                expected: "a slot for each".into(),
                advice: "leave folding to jl-link: without --icf options, and without tools that rewrite objects",
            });
        }
    }
    for function in functions {
        let name = &function.name;
        if function.bodies.len() != rows {
            let found = format!("{} targets", function.bodies.len());
            return Err(elf.wrong(&format!("record of {name}"), found, &format!("{rows} targets")));
        }
        for body in &function.bodies {
            if !elf.sections.iter().any(|s| s.is_executable() && s.contains(*body)) {
                let found = format!("address {body:#x}");
                return Err(elf.wrong(&format!("body of {name}"), found, "one in executable code"));
            }
        }
        if !elf.sections.iter().any(|s| s.is_allocated() && s.contains(function.slot)) {
            let found = format!("address {:#x}", function.slot);
            return Err(elf.wrong(&format!("slot of {name}"), found, "one in a section of data"));
        }
    }
    Ok(())
}

/// By its note, as every loader finds it.
fn find_header(elf: &Elf) -> Result<u64> {
    let missing = || elf.wrong("image note", "none".into(), "the one of the embedded shim");
    let at = our_notes(elf, NOTE_TYPE_IMAGE).next().ok_or_else(missing)?;
    let note: ImageNote = elf.read(at).ok_or_else(missing)?;
    let header = note.header_address(at);
    let size = size_of::<ImageHeader>();
    let found = || format!("address {header:#x}");
    elf.slice(header, size).ok_or_else(|| elf.wrong("image header", found(), "one in the file"))?;
    Ok(header)
}

/// Addresses of our notes of one type.
pub fn our_notes(elf: &Elf, kind: u32) -> impl Iterator<Item = u64> {
    let segments = elf.segments.iter().filter(|s| s.kind == elf::PT_NOTE);
    segments.flat_map(move |segment| {
        let bytes = elf.slice(segment.address, segment.file_size as usize).unwrap_or(&[]);
        let found = notes(bytes, segment.align).filter(move |n| n.kind == kind && n.name == NOTE_NAME);
        found.map(|n| segment.address + n.offset as u64)
    })
}

/// The records are gone: a loader that reads shard notes must find an empty range.
fn neutralise_shard_notes(elf: &mut Elf) -> Result<()> {
    let found: Vec<u64> = our_notes(elf, NOTE_TYPE_SHARD).collect();
    let (start, stop) = (offset_of!(ShardNote, records_start), offset_of!(ShardNote, records_stop));
    for note in found {
        // Both lead to the field of the second.
        elf.write(note + start as u64, &((stop - start) as i32).to_le_bytes())?;
        elf.write(note + stop as u64, &0i32.to_le_bytes())?;
    }
    Ok(())
}

struct Writer<'a> {
    elf: &'a Elf,
    header: u64,
    bytes: Vec<u8>,
}

impl Writer<'_> {
    /// Appends the table (`i32 slot[n]`, per row `i32 body[n]`, then distances) and describes it in a header; build id
    /// and header checksum come last, from [`crate::finish`].
    fn image(
        &mut self,
        functions: &[Function],
        distances: &[Distance],
        table_address: u64,
        specs_address: u64,
        specs_size: usize,
    ) -> Result<ImageHeader> {
        let slots = self.list(table_address, functions.iter().map(|f| f.slot))?;
        let row_count = functions[0].bodies.len();
        let mut rows = [Row::default(); MAX_ROWS];
        for (target, row) in rows.iter_mut().enumerate().take(row_count) {
            let bodies = self.list(table_address, functions.iter().map(|f| f.bodies[target]))?.offset;
            *row = Row { target: target as u32, bodies };
        }
        let distances = self.distances(table_address, distances)?;
        let (first, last) = (functions[0].slot, functions[functions.len() - 1].slot);
        let span = last + SLOT_SIZE - first;
        let mut header = self.empty()?;
        if span == SLOT_SIZE * functions.len() as u64 {
            header.flags |= IMAGE_SLOTS_CONTIGUOUS;
        }
        Ok(ImageHeader {
            table_checksum: table_checksum(&self.bytes),
            specs: self.extent(specs_address, specs_size)?,
            table: self.extent(table_address, self.bytes.len())?,
            slots,
            slot_span: self.extent(first, span as usize)?,
            distances,
            row_count: row_count as u32,
            rows,
            ..header
        })
    }

    /// The header of an image without functions.
    fn empty(&self) -> Result<ImageHeader> {
        let mut flags = IMAGE_MERGED;
        if self.elf.is_executable_file() {
            flags |= IMAGE_EXECUTABLE;
        }
        if distances::is_system_image(self.elf) {
            flags |= IMAGE_SYSTEM;
        }
        let state = self.elf.symbol(STATE_SYMBOL).map(|s| s.value);
        let state = state.ok_or_else(|| self.elf.wrong("symbol", "none".into(), STATE_SYMBOL))?;
        Ok(ImageHeader {
            magic: IMAGE_MAGIC,
            version: FORMAT_VERSION,
            header_size: size_of::<ImageHeader>() as u32,
            layout_hash: LAYOUT_HASH,
            header_checksum: 0,
            table_checksum: table_checksum(&[]),
            build_id: [0; 32],
            build_id_size: 0,
            flags,
            specs: Extent::default(),
            table: Extent::default(),
            slots: Extent::default(),
            slot_span: Extent::default(),
            distances: Extent::default(),
            state: self.extent(state, 1)?,
            dependencies: Extent::default(),
            exports: Extent::default(),
            export_identities: Extent::default(),
            imports: Extent::default(),
            import_identities: Extent::default(),
            import_span: Extent::default(),
            references: Extent::default(),
            referents: Extent::default(),
            linkage: Extent::default(),
            methods: Extent::default(),
            bitcode: Extent::default(),
            package_checksum: checksum([&[]; 2]),
            linkage_checksum: linkage_checksum(&[]),
            details_checksum: details::checksum([&[]; 5]),
            row_count: 1,
            reserved: 0,
            rows: [Row::default(); MAX_ROWS],
        })
    }

    fn list(&mut self, table_address: u64, addresses: impl Iterator<Item = u64>) -> Result<Extent> {
        let mut extent = self.extent(table_address + self.bytes.len() as u64, 0)?;
        for address in addresses {
            let offset = self.offset(address)?;
            self.bytes.extend_from_slice(bytes_of(&offset));
            extent.count += 1;
        }
        Ok(extent)
    }

    fn distances(&mut self, table_address: u64, distances: &[Distance]) -> Result<Extent> {
        let extent = self.extent(table_address + self.bytes.len() as u64, distances.len())?;
        for distance in distances {
            let entry = layout::Distance {
                place: self.offset(distance.place)?,
                base: self.offset(distance.base)?,
                function: distance.function as u32,
            };
            self.bytes.extend_from_slice(bytes_of(&entry));
        }
        Ok(extent)
    }

    fn extent(&self, address: u64, count: usize) -> Result<Extent> {
        let found = || format!("{count}");
        let count = u32::try_from(count);
        let count =
            count.map_err(|_| self.elf.wrong("count in the image", found(), "less than 4294967296"))?;
        Ok(Extent { offset: self.offset(address)?, count })
    }

    fn offset(&self, address: u64) -> Result<i32> {
        offset_from(self.elf, self.header, address)
    }
}

/// An address as offsets in the header and the lists have it.
pub fn offset_from(elf: &Elf, header: u64, address: u64) -> Result<i32> {
    i32::try_from(address.wrapping_sub(header).cast_signed()).map_err(|_| Error::Image {
        file: elf.path.clone(),
        what: "distance from the image header".into(),
        found: format!("{header:#x} to {address:#x}"),
        expected: "less than 2 GiB".into(),
        advice: "split the image into several libraries",
    })
}

// The note's fixed part is what both notes' offsets above count from.
const _: () = assert!(offset_of!(ImageNote, version) == NOTE_DESC_OFFSET);
