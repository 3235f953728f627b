//! The last bytes: what is not loaded is removed, then build id and header are filled in.

use crate::args::Invocation;
use crate::calls::RowSet;
use crate::clones::CodeMap;
use crate::elf::Elf;
use crate::error::Result;
use crate::features::Used;
use crate::ifunc;
use crate::merge::{Function, our_notes};
use crate::packages::PackageCounts;
use crate::require::Required;
use crate::retarget::{CallCounts, Retargeted};
use crate::tail::{self, Keep};
use image_format::image::header_checksum;
use image_format::layout::{ImageHeader, ImageNote, NOTE_TYPE_IMAGE};
use image_format::notes::{Note, notes};
use image_format::pod::bytes_of;
use image_format::report::Line;
use object::elf;
use std::mem::offset_of;

/// A finished image, in memory: the seventh phase's output.
pub struct Finished {
    pub elf: Elf,
    pub functions: Vec<Function>,
    pub specs: Vec<u8>,
    pub package: PackageCounts,
    pub header_address: u64,
    pub map: CodeMap,
    /// Per unit of `map` the rows that use it.
    pub users: Vec<RowSet>,
    pub calls: CallCounts,
    /// Per target what its code uses; empty where instructions are not read.
    pub used: Vec<Used>,
    /// Report lines of functions that LTO generated.
    pub lto_lines: Vec<Line>,
    /// Symbols that name clones, and the distinct places that they name.
    pub clone_symbols: usize,
    pub distinct_clones: usize,
}

/// `recent_below`: an image that is loaded for the output's sake needs recent glibc.
pub fn finish(
    required: Required,
    lto_lines: Vec<Line>,
    invocation: &Invocation,
    recent_below: bool,
) -> Result<Finished> {
    let Required { retargeted, used } = required;
    let Retargeted { mut merged, map, users, calls } = retargeted;
    ifunc::settle(&mut merged.elf, recent_below)?;
    let (clone_symbols, distinct_clones) = count_clones(&merged.elf, &map);
    let mut elf = cut(&merged.elf, invocation)?;
    seal(&mut elf, merged.header, merged.header_address, invocation)?;
    Ok(Finished {
        elf,
        functions: merged.functions,
        specs: merged.specs,
        package: merged.package,
        header_address: merged.header_address,
        map,
        users,
        calls,
        used,
        lto_lines,
        clone_symbols,
        distinct_clones,
    })
}

/// Finishes a file that has no header of ours: an image from Julia.
pub fn finish_julia(elf: &Elf, invocation: &Invocation) -> Result<Elf> {
    let mut elf = cut(elf, invocation)?;
    renew_build_id(&mut elf, invocation)?;
    Ok(elf)
}

/// The file without what is not to be in it.
fn cut(elf: &Elf, invocation: &Invocation) -> Result<Elf> {
    let keep = Keep {
        strip: invocation.strip,
        discard_locals: invocation.discard_all,
        // They describe the branches as the objects had them, not where these lead now: what asks for
        // relocations in an output (layout optimisers) needs the places and reads the code itself.
        relocations: invocation.emit_relocs,
    };
    let bytes = tail::rewrite(elf, keep)?;
    Elf::parse(&elf.path, bytes)
}

/// Fills in the header, its address in the note, and the build id.
///
/// The build id is a hash of the whole file with the build id itself, the header's copy of it and the
/// header's checksum zero; whoever wants to verify it zeroes the same bytes. The header's checksum covers
/// the build id and therefore comes last.
pub fn seal(elf: &mut Elf, mut header: ImageHeader, address: u64, invocation: &Invocation) -> Result<()> {
    elf.write(address, bytes_of(&header))?;
    for note in our_notes(elf, NOTE_TYPE_IMAGE).collect::<Vec<_>>() {
        elf.write(note + offset_of!(ImageNote, address) as u64, &address.to_le_bytes())?;
    }
    if let Some((place, size)) = renew_build_id(elf, invocation)? {
        let id = elf.slice(place, size).unwrap_or(&[]);
        let copied = size.min(header.build_id.len());
        header.build_id[..copied].copy_from_slice(&id[..copied]);
        header.build_id_size = copied as u32;
    }
    header.header_checksum = header_checksum(&header);
    elf.write(address, bytes_of(&header))
}

/// Computes the build id anew if it is one of the contents; its address and size.
fn renew_build_id(elf: &mut Elf, invocation: &Invocation) -> Result<Option<(u64, usize)>> {
    let found = build_id_place(elf);
    if let Some((place, size)) = found.filter(|_| is_hash(invocation)) {
        elf.write(place, &vec![0; size])?;
        let id = hash(&elf.bytes, size);
        elf.write(place, &id)?;
    }
    Ok(found)
}

/// Address and size in bytes of the GNU build id.
pub fn build_id_place(elf: &Elf) -> Option<(u64, usize)> {
    let segments = elf.segments.iter().filter(|s| s.kind == elf::PT_NOTE);
    segments.into_iter().find_map(|segment| {
        let bytes = elf.slice(segment.address, segment.file_size as usize)?;
        let id = |n: &Note| n.kind == elf::NT_GNU_BUILD_ID.0 && n.name == b"GNU\0";
        let note = notes(bytes, segment.align).find(id)?;
        Some((segment.address + note.descriptor_offset as u64, note.descriptor.len()))
    })
}

/// `uuid` and `0xHEX` are not computed from the file.
fn is_hash(invocation: &Invocation) -> bool {
    let style = invocation.build_id.as_ref().map_or("sha1".into(), |s| s.to_string_lossy());
    style != "uuid" && !style.starts_with("0x") && !style.starts_with("0X")
}

/// BLAKE3 cut to the style's size, as lld fills its own ids whatever the style is called.
fn hash(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut id = vec![0; size];
    blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut id);
    id
}

/// Symbols that name clones, and the distinct bodies that they name: the difference was folded.
fn count_clones(elf: &Elf, map: &CodeMap) -> (usize, usize) {
    let is_clone = |name: &str| {
        let number = name.rsplit_once('.').map_or("", |(_, number)| number);
        !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
    };
    let mut addresses: Vec<u64> = elf
        .symbols
        .iter()
        .filter(|s| s.kind == elf::STT_FUNC && s.is_defined() && map.unit(s.value).is_some())
        .filter(|s| is_clone(elf.symbol_name(s)))
        .map(|s| s.value)
        .collect();
    let all = addresses.len();
    addresses.sort_unstable();
    addresses.dedup();
    (all, addresses.len())
}
