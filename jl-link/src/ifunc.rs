//! The IFUNC by which an image has itself filled while it is relocated: only where the dynamic linker is known to ask it then.

use crate::elf::Elf;
use crate::error::Result;
use crate::scan::RELR_VERSION;
use image_format::cpu::Arch;
use object::elf;

/// The function that the dynamic linker asks, in the embedded shim.
const RESOLVER: &str = "jl_image_relocated";
/// Of an entry of `.rela.dyn`, in bytes; place, type and symbol, addend of 8 bytes each.
const ENTRY_SIZE: usize = 24;

/// Makes an ordinary pointer of what the resolver would be asked for, unless the file says that it needs glibc from 2.36 on, or is loaded
/// with one that does (`is_above_such`): where nothing of libc is used, or relative relocations are not packed, another dynamic
/// linker may load it. musl's refuses IFUNCs; of older ones of glibc nobody tried.
///
/// # Errors
/// None but damage that the earlier phases would have seen.
pub fn settle(image: &mut Elf, is_above_such: bool) -> Result<()> {
    let needs_glibc = is_above_such || image.has_dynamic_string(RELR_VERSION);
    let resolver = image.symbol(RESOLVER).map(|symbol| symbol.value);
    let Some(resolver) = resolver.filter(|_| !needs_glibc) else { return Ok(()) };
    let (asked, plain) = match image.arch {
        Arch::X86_64 => (elf::R_X86_64_IRELATIVE.0, elf::R_X86_64_RELATIVE.0),
        Arch::Aarch64 => (elf::R_AARCH64_IRELATIVE.0, elf::R_AARCH64_RELATIVE.0),
    };
    let mut entries = Vec::new();
    for section in image.sections.iter().filter(|s| s.kind == elf::SHT_RELA && s.is_allocated()) {
        for (entry, place) in
            image.data(section).chunks_exact(ENTRY_SIZE).zip((section.address..).step_by(ENTRY_SIZE))
        {
            if word(entry, 8) == u64::from(asked) && word(entry, 16) == resolver {
                entries.push(place + 8);
            }
        }
    }
    entries.into_iter().try_for_each(|place| image.write(place, &u64::from(plain).to_le_bytes()))
}

fn word(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
}
