//! The GNU property note; how notes stand in a file is `image_format::notes`.

use image_format::notes::{Note, notes};

/// The descriptor of the GNU property note, if there is one.
pub fn gnu_properties(bytes: &[u8]) -> Option<&[u8]> {
    let wanted = |n: &Note| n.kind == object::elf::NT_GNU_PROPERTY_TYPE_0.0 && n.name == b"GNU\0";
    notes(bytes, 8).find(wanted).map(|n| n.descriptor)
}
