//! Which slot a trampoline jumps through, for files without a symbol table.

use crate::elf::ElfFile;
use image_format::cpu::Arch;

/// The slot of the trampoline at `address`; `None` when no trampoline stands there.
pub fn slot_of(file: &ElfFile, arch: Arch, address: u64) -> Option<u64> {
    match arch {
        Arch::X86_64 => x86_64::slot_of(file.from_address(address)?, address),
    }
}

mod x86_64 {
    /// `[endbr64] jmp *disp(%rip)`, with or without a notrack or BND prefix.
    pub fn slot_of(mut code: &[u8], mut address: u64) -> Option<u64> {
        for prefix in [&[0xf3, 0x0f, 0x1e, 0xfa][..], &[0x3e], &[0xf2]] {
            if let Some(rest) = code.strip_prefix(prefix) {
                code = rest;
                address += prefix.len() as u64;
            }
        }
        let displacement = code.strip_prefix(&[0xff, 0x25])?.first_chunk::<4>()?;
        Some(address.wrapping_add(6).wrapping_add_signed(i64::from(i32::from_le_bytes(*displacement))))
    }

    #[cfg(test)]
    mod tests {
        use super::slot_of;

        #[test]
        fn with_and_without_landing_mark() {
            assert_eq!(slot_of(&[0xff, 0x25, 0x10, 0, 0, 0], 0x1000), Some(0x1016));
            let marked = [0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0xf0, 0xff, 0xff, 0xff];
            assert_eq!(slot_of(&marked, 0x1000), Some(0x1000 + 10 - 16));
            assert_eq!(slot_of(&[0xff, 0x25, 0x10], 0x1000), None);
            assert_eq!(slot_of(&[0xc3], 0x1000), None);
        }
    }
}
