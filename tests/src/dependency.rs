//! Files that compiles take for a dependency: a shared object with a header and lists of exports, and functions that do
//! nothing. No image to load; what compiles read is all there.

use crate::command::run_ok;
use crate::tools::CLANG;
use anyhow::{Context, Result};
use image_format::details;
use image_format::image::{header_checksum, table_checksum};
use image_format::layout::*;
use image_format::package::{checksum, linkage_checksum};
use image_format::pod::{bytes_of, read_at};
use std::fmt::Write;
use std::fs;
use std::mem::{offset_of, size_of};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A function of a dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    pub name: String,
    /// None for one that is not exported to other images' compiles.
    pub identity: Option<[u8; IDENTITY_SIZE]>,
    /// Whether the dynamic linker finds it.
    pub has_symbol: bool,
}

/// Makes the dependency `name` in `folder`.
///
/// # Errors
/// The file cannot be written or linked.
pub fn make(folder: &Path, name: &str, triple: &str, functions: &[Exported]) -> Result<PathBuf> {
    let note = note(functions)?;
    let mut text = String::from(".section .note.jl_image,\"a\",@note\n.p2align 3\n");
    for byte in note {
        writeln!(text, ".byte {byte}")?;
    }
    text += ".text\n";
    for function in functions.iter().filter(|f| f.has_symbol) {
        let name = &function.name;
        writeln!(text, ".globl \"{name}\"\n.type \"{name}\",@function\n\"{name}\":\n.byte 0")?;
    }
    let (source, output) = (folder.join(format!("{name}.s")), folder.join(name));
    fs::write(&source, text)?;
    let mut link = Command::new(CLANG);
    link.arg(format!("--target={triple}")).args(["-shared", "-nostdlib", "-fuse-ld=lld"]);
    run_ok(link.arg(format!("-Wl,-soname,{name}")).arg(&source).arg("-o").arg(&output))?;
    Ok(output)
}

/// An image note whose descriptor goes on with the header and the lists that it leads to.
fn note(functions: &[Exported]) -> Result<Vec<u8>> {
    const HEADER: usize = size_of::<ImageNote>();
    let mut exports: Vec<[u8; IDENTITY_SIZE]> = functions.iter().filter_map(|f| f.identity).collect();
    exports.sort_unstable();
    let value = |id| bytes_of(&Export { tag: tag(id), function: NOT_CLONED, offset: 0 }).to_vec();
    let values: Vec<u8> = exports.iter().flat_map(value).collect();
    let end = i32::try_from(size_of::<ImageHeader>())?;
    let count = u32::try_from(exports.len())?;
    let identities = exports.concat();
    let zeros = [0; size_of::<ImageHeader>()];
    let mut header: ImageHeader = read_at(&zeros, 0).context("a header of zeros")?;
    let nothing = Extent { offset: end, count: 0 };
    header.magic = IMAGE_MAGIC;
    header.version = FORMAT_VERSION;
    header.header_size = u32::try_from(size_of::<ImageHeader>())?;
    header.layout_hash = LAYOUT_HASH;
    header.flags = IMAGE_MERGED;
    (header.table, header.slots, header.row_count) = (nothing, nothing, 1);
    header.rows[0] = Row { target: 0, bodies: end };
    header.table_checksum = table_checksum(&[]);
    header.export_identities = Extent { offset: end, count };
    header.exports = Extent { offset: end + i32::try_from(identities.len())?, count };
    header.package_checksum = checksum([&[], &[]]);
    header.details_checksum = details::checksum([&values, &[], &identities, &[], &[]]);
    header.linkage_checksum = linkage_checksum(&[]);
    // Different content, different build id.
    let content = header.lists_checksum();
    header.build_id[..8].copy_from_slice(&content.to_le_bytes());
    header.build_id_size = 8;
    header.header_checksum = header_checksum(&header);
    let content = [bytes_of(&header), identities.as_slice(), values.as_slice()].concat();
    let note = ImageNote {
        namesz: u32::try_from(NOTE_NAME.len())?,
        descsz: u32::try_from(HEADER - NOTE_DESC_OFFSET + content.len())?,
        kind: NOTE_TYPE_IMAGE,
        name: NOTE_NAME_PADDED,
        version: FORMAT_VERSION,
        header: i32::try_from(HEADER - offset_of!(ImageNote, header))?,
        address: [0; 8],
    };
    Ok([bytes_of(&note), content.as_slice()].concat())
}
