//! Which slot a trampoline jumps through, for files without a symbol table.

use crate::elf::ElfFile;
use image_format::cpu::Arch;

/// The slot of the trampoline at `address`; `None` when no trampoline stands there.
pub fn slot_of(file: &ElfFile, arch: Arch, address: u64) -> Option<u64> {
    match arch {
        Arch::X86_64 => x86_64::slot_of(file.from_address(address)?, address),
        Arch::Aarch64 => aarch64::slot_of(file.from_address(address)?, address),
    }
}

mod aarch64 {
    const BTI_C: u32 = 0xd503_245f;
    /// `br x16`.
    const BRANCH: u32 = 0xd61f_0200;

    /// `[bti c]; adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16` (Arm ARM, C6.2).
    pub fn slot_of(code: &[u8], mut address: u64) -> Option<u64> {
        let (words, _) = code.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word)).peekable();
        if words.next_if_eq(&BTI_C).is_some() {
            address += 4;
        }
        let [adrp, ldr, branch] = [words.next()?, words.next()?, words.next()?];
        let expected =
            adrp & 0x9f00_001f == 0x9000_0010 && ldr & 0xffc0_03ff == 0xf940_0210 && branch == BRANCH;
        if !expected {
            return None;
        }
        // 21 bits of pages, signed: immhi at 23:5, immlo at 30:29; the load's offset counts in 8 bytes.
        let pages = (adrp >> 5 & 0x7_ffff) << 2 | adrp >> 29 & 3;
        let pages = i64::from(pages.cast_signed() << 11 >> 11);
        let page = (address & !0xfff).wrapping_add_signed(pages << 12);
        Some(page + u64::from(ldr >> 10 & 0xfff) * 8)
    }

    #[cfg(test)]
    mod tests {
        use super::slot_of;

        fn code(words: &[u32]) -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        }

        #[test]
        fn with_and_without_landing_mark() {
            // As assembled for a slot at 0x22008 from 0x1000, and at 0x8 from 0x1ffc.
            let forward = [0xb000_0110, 0xf940_0610, 0xd61f_0200];
            assert_eq!(slot_of(&code(&forward), 0x1000), Some(0x22008));
            let back = [0xd503_245f, 0xf0ff_fff0, 0xf940_0610, 0xd61f_0200];
            assert_eq!(slot_of(&code(&back), 0x1ffc), Some(0x1008));
            assert_eq!(slot_of(&code(&forward[..2]), 0x1000), None, "cut off");
            let other_register = [0xb000_0111, 0xf940_0610, 0xd61f_0200];
            assert_eq!(slot_of(&code(&other_register), 0x1000), None);
        }
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
