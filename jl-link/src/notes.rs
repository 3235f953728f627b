//! ELF notes: the sequence {namesz, descsz, type, name, descriptor}, padded.

use image_format::pod::read_at;

/// A note and where its parts are, as offsets into the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    pub kind: u32,
    pub offset: usize,
    pub name: &'a [u8],
    pub descriptor: &'a [u8],
}

/// The notes in a section or segment; ends at the first that does not fit. `align` is 4, or 8 for
/// the property notes of 64-bit files.
pub fn notes(bytes: &[u8], align: u64) -> impl Iterator<Item = Note<'_>> {
    let align = if align == 8 { 8 } else { 4 };
    let mut offset = 0usize;
    std::iter::from_fn(move || {
        let word = |at: usize| read_at::<u32>(bytes, offset.checked_add(at)?);
        let (name_size, descriptor_size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
        let name = bytes.get(offset + 12..)?.get(..name_size)?;
        let at = (offset + 12 + name_size).next_multiple_of(align);
        let descriptor = bytes.get(at..)?.get(..descriptor_size)?;
        let note = Note { kind, offset, name, descriptor };
        offset = (at + descriptor_size).next_multiple_of(align);
        Some(note)
    })
}

/// The descriptor of the GNU property note, if there is one.
pub fn gnu_properties(bytes: &[u8]) -> Option<&[u8]> {
    let wanted = |n: &Note| n.kind == object::elf::NT_GNU_PROPERTY_TYPE_0.0 && n.name == b"GNU\0";
    notes(bytes, 8).find(wanted).map(|n| n.descriptor)
}
