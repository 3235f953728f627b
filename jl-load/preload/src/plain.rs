//! A plainly linked image in memory: its records are read and checked as a whole, then its slots filled.

use crate::objects::{Note, Object};
use core::mem::offset_of;
use image_format::image::ImageError;
use image_format::layout::{
    Dependency, FORMAT_VERSION, ImageHeader, ImageNote, LAYOUT_HASH, NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD,
    ShardNote, image_state,
};
use image_format::pod::read_at;
use image_format::record::{Record, records};
use image_format::specs::Specs;
use runtime_shim::arguments::Arguments;
use runtime_shim::decide::{Refusal, decide};
use runtime_shim::environ::{Log, Settings};
use runtime_shim::imports::{self, Fault, Surroundings, Unusable};
use runtime_shim::memory::{Image, Sealed, Unsealed, write_slot};
use runtime_shim::objects::Namespaces;
use runtime_shim::process::Process;
use runtime_shim::sys;
use runtime_shim::text::Line;
use runtime_shim::{init, maps, message};

/// Why an object of the process is refused.
pub struct Refused {
    pub refusal: Refusal,
    /// An address in the object.
    pub address: usize,
    /// Its target list, copied: the object may be unloaded before the message is made.
    pub specs: Option<Vec<u8>>,
    /// The dependency that the refusal is about, likewise.
    pub dependency: Option<Box<Dependency>>,
}

impl Refused {
    /// Whether it is refused for what it depends on is.
    pub fn follows_from_another(&self) -> bool {
        matches!(self.refusal, Refusal::Dependency(Unusable { fault: Fault::Refused, .. }))
    }
}

/// What the decision is made from.
pub struct Context<'p> {
    pub process: &'p Process,
    pub settings: Settings,
    /// Only at start.
    pub arguments: Option<Arguments>,
}

/// Fills the image in `object`, if it has one that a plain linker made; looks at what became of a merged one.
/// Filled again it stays as it is.
pub fn fill(object: &Object, context: &Context) -> Result<(), Refused> {
    for note in object.notes().filter(|note| note.kind == NOTE_TYPE_IMAGE) {
        if let Some(image) = merged(object, &note)? {
            return merged_state(object, &image, context);
        }
    }
    let mut first_range = None;
    for note in object.notes().filter(|note| note.kind == NOTE_TYPE_SHARD) {
        let Some(range) = record_range(object, &note)? else { continue };
        // Every shard's note leads to the same records, which the linker put together.
        if first_range == Some(range) {
            continue;
        }
        first_range = first_range.or(Some(range));
        fill_records(object, range, context)?;
    }
    Ok(())
}

/// The merged image that a note leads to; `None` when its header was never filled.
fn merged(object: &Object, note: &Note) -> Result<Option<Image>, Refused> {
    let wrong = || damaged("header", note.address);
    let header: ImageNote = read_at(note.bytes, 0).ok_or_else(wrong)?;
    let own = note.address.wrapping_sub(object.bias()) as u64;
    let address = object.bias().wrapping_add(header.header_address(own) as usize);
    let aligned = address.is_multiple_of(align_of::<ImageHeader>()).then_some(address).ok_or_else(wrong)?;
    object.bytes(aligned, size_of::<ImageHeader>()).ok_or_else(wrong)?;
    // SAFETY: the header's bytes are aligned and lie in a mapped segment of the object, where only jl-link writes a
    // header, and a right checksum; the object stays loaded while `object` may be used.
    match unsafe { Image::at(address as *const u8) } {
        Ok(image) => Ok(Some(image)),
        Err(ImageError::NotMerged) => Ok(None),
        Err(_) => Err(wrong()),
    }
}

/// The embedded shim had its turn before us, or is about to have it: only a refusal is of interest.
fn merged_state(object: &Object, image: &Image, context: &Context) -> Result<(), Refused> {
    // SAFETY: an aligned u32 in the RELRO of this image, as jl-link checked.
    let state = unsafe { image.state().read_volatile() };
    if state != image_state::REFUSED {
        return Ok(());
    }
    let specs = image.specs();
    let incapable = specs.as_ref().and_then(|specs| {
        decide(specs, &context.settings, |wanted| init::host(context.process, context.arguments, wanted))
            .err()
    });
    let (refusal, dependency) = match incapable {
        Some(refusal) => (Some(refusal), None),
        None => unusable_dependency(object, image, context).unzip(),
    };
    Err(Refused {
        refusal: refusal.unwrap_or(Refusal::Damaged("image table")),
        address: image.state() as usize,
        specs: specs.map(|specs| specs.bytes().to_vec()),
        dependency: dependency.flatten(),
    })
}

/// The dependency for which the embedded shim refused the image, if it was one.
fn unusable_dependency(
    object: &Object,
    image: &Image,
    context: &Context,
) -> Option<(Refusal, Option<Box<Dependency>>)> {
    let dynamic = object.dynamic_address()? as *const u8;
    // SAFETY: the object is loaded, and nobody loads or unloads while we fill (`interpose::fill_new`).
    let namespaces = unsafe { Namespaces::around(dynamic, context.arguments) };
    let segments = namespaces?.own()?.object()?;
    let package = image.verified(&segments)?;
    let unusable = imports::check(&package, &Surroundings::new(namespaces)).err()?;
    let dependency = package.dependencies.get(unusable.index as usize).map(Box::new);
    Some((Refusal::Dependency(unusable), dependency))
}

fn damaged(what: &'static str, address: usize) -> Refused {
    Refused { refusal: Refusal::Damaged(what), address, specs: None, dependency: None }
}

/// First address and size of the records; `None` when the linker dropped them all.
fn record_range(object: &Object, note: &Note) -> Result<Option<(usize, usize)>, Refused> {
    let shard: ShardNote = read_at(note.bytes, 0).ok_or_else(|| damaged("shard note", note.address))?;
    if shard.version != FORMAT_VERSION || shard.layout_hash != LAYOUT_HASH as u32 {
        return Err(damaged("shard note", note.address));
    }
    let start = relative(note.address, offset_of!(ShardNote, records_start), shard.records_start);
    let stop = relative(note.address, offset_of!(ShardNote, records_stop), shard.records_stop);
    let size = stop.wrapping_sub(start);
    Ok((start < stop && object.bytes(start, size).is_some()).then_some((start, size)))
}

/// The last decision: objects have one target list, rarely two.
struct Decided {
    list: u64,
    targets: usize,
    target: usize,
}

/// Two passes: nothing is written before everything was found right.
fn fill_records(object: &Object, (start, size): (usize, usize), context: &Context) -> Result<(), Refused> {
    let bytes = object.bytes(start, size).unwrap_or(&[]);
    let (code, data) = (object.code_ranges(), object.data_ranges());
    let mut decided = None;
    let mut writes = Vec::new();
    for record in records(bytes, start as u64) {
        let record = record.map_err(|_| damaged("function records", start))?;
        let target = target_of(object, &record, context, &mut decided)?;
        let (slot, body) = (record.slot as usize, record.body(target).unwrap_or(0) as usize);
        let is_slot = slot.is_multiple_of(size_of::<usize>())
            && data.iter().any(|range| range.contains(&slot) && range.end - slot >= size_of::<usize>());
        if !is_slot || !code.iter().any(|range| range.contains(&body)) {
            return Err(damaged("function records", start));
        }
        // SAFETY: an aligned pointer-sized cell of a writable (or sealed) segment of a loaded object.
        if unsafe { (slot as *const usize).read() } != body {
            writes.push((slot, body));
        }
    }
    let lowest = writes.iter().map(|(slot, _)| *slot).min();
    let highest = writes.iter().map(|(slot, _)| *slot).max();
    if let (Some(lowest), Some(highest)) = (lowest, highest) {
        let Some(sealed) = unseal(object, context, lowest, highest + size_of::<usize>()) else {
            // The baseline, which was found to run here, stays.
            let mut line = Line::EMPTY;
            message::unopened(&mut line, maps::path_of(start).as_slice());
            sys::write_stderr(line.end());
            return Ok(());
        };
        for (slot, body) in &writes {
            // SAFETY: found to be a slot above; its page was writable or was just opened.
            unsafe { write_slot(*slot as *mut usize, *body) };
        }
        drop(sealed);
    }
    if let Some(decided) = decided
        && context.settings.log != Log::Off
        && changed_or_first(!writes.is_empty())
        && let Some(specs) = specs_at(object, decided.list)
    {
        init::log_choice(&specs, decided.target, &context.settings, start);
    }
    Ok(())
}

/// An image whose slots already lead where they should was logged when that was done; at start also
/// images that keep their baseline are.
fn changed_or_first(changed: bool) -> bool {
    changed || crate::interpose::is_starting()
}

/// The target for a record's list.
fn target_of(
    object: &Object,
    record: &Record,
    context: &Context,
    decided: &mut Option<Decided>,
) -> Result<usize, Refused> {
    if let Some(last) = decided
        && last.list == record.specs
        && last.targets == record.targets()
    {
        return Ok(last.target);
    }
    let wrong = || damaged("target list", record.address as usize);
    let specs = specs_at(object, record.specs).ok_or_else(wrong)?;
    if specs.len() != record.targets() {
        return Err(wrong());
    }
    let choice =
        decide(&specs, &context.settings, |wanted| init::host(context.process, context.arguments, wanted));
    let target = choice.map_err(|refusal| Refused {
        refusal,
        address: record.address as usize,
        specs: Some(specs.bytes().to_vec()),
        dependency: None,
    })?;
    *decided = Some(Decided { list: record.specs, targets: specs.len(), target });
    Ok(target)
}

fn specs_at<'a>(object: &Object<'a>, address: u64) -> Option<Specs<'a>> {
    Specs::parse(object.tail(address as usize)?).ok()
}

/// Opens the sealed pages of `from..to`. A dynamic linker seals whole pages of RELRO only, rounding its
/// end down: what lies behind is ordinary writable data and must stay so. `None` when the kernel does not let
/// us.
fn unseal(object: &Object, context: &Context, from: usize, to: usize) -> Option<Vec<Unsealed>> {
    let page_size = sys::page_size(context.arguments)?;
    let open = |relro: core::ops::Range<usize>| {
        let sealed_end = relro.end & !(page_size - 1);
        let (start, end) = (from.max(relro.start), to.min(sealed_end));
        let sealed = Sealed::new(page_size, || Some(relro.end))?;
        // SAFETY: the range lies in the sealed pages of this object's RELRO; nobody loads objects while we
        // fill (`interpose::fill_new`), so it is relocated and sealed, and nobody else writes there.
        (start < end).then(|| unsafe { Unsealed::new(start, end, sealed) })
    };
    object.relro().filter_map(open).collect()
}

fn relative(note: usize, field: usize, delta: i32) -> usize {
    note.wrapping_add(field).wrapping_add_signed(delta as isize)
}
