//! aarch64: branches, trampolines, range-extension thunks and relocations (ELF for the Arm 64-bit
//! Architecture 2024Q3, section 5.7; Arm ARM DDI 0487, chapter C6).

use super::{Branch, Code, Form, Jump, Referent};
use object::elf::{self, RelocationType};

/// Every instruction's size in bytes.
const SIZE: u64 = 4;

pub fn referent(kind: RelocationType) -> Referent {
    match kind {
        elf::R_AARCH64_PREL64 | elf::R_AARCH64_PREL32 | elf::R_AARCH64_PREL16 | elf::R_AARCH64_PLT32 => {
            Referent::Relative
        }
        elf::R_AARCH64_MOVW_GOTOFF_G0
        | elf::R_AARCH64_MOVW_GOTOFF_G0_NC
        | elf::R_AARCH64_MOVW_GOTOFF_G1
        | elf::R_AARCH64_MOVW_GOTOFF_G1_NC
        | elf::R_AARCH64_MOVW_GOTOFF_G2
        | elf::R_AARCH64_MOVW_GOTOFF_G2_NC
        | elf::R_AARCH64_MOVW_GOTOFF_G3
        | elf::R_AARCH64_GOT_LD_PREL19
        | elf::R_AARCH64_LD64_GOTOFF_LO15
        | elf::R_AARCH64_ADR_GOT_PAGE
        | elf::R_AARCH64_LD64_GOT_LO12_NC
        | elf::R_AARCH64_LD64_GOTPAGE_LO15 => Referent::Symbol,
        elf::R_AARCH64_NONE => Referent::Nothing,
        RelocationType(number) if THREAD_LOCAL.contains(&number) => Referent::Nothing,
        // Absolute and PC-relative addresses, whole or in parts: the addend counts from the symbol. An
        // unknown type is taken for one too, which can only keep a call on its slot.
        _ => Referent::SymbolPlusAddend,
    }
}

/// The types that speak of thread-local storage have numbers of their own.
const THREAD_LOCAL: std::ops::RangeInclusive<u32> =
    elf::R_AARCH64_TLSGD_ADR_PREL21.0..=elf::R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC.0;

/// `bti c; adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16`: x16 is given up to what stands between caller and callee.
pub const JUMP: Jump = Jump {
    code: &[0x5f, 0x24, 0x03, 0xd5, 0x10, 0, 0, 0x90, 0x10, 0x02, 0x40, 0xf9, 0, 0x02, 0x1f, 0xd6],
    relocations: &[(4, elf::R_AARCH64_ADR_PREL_PG_HI21, 0), (8, elf::R_AARCH64_LDST64_ABS_LO12_NC, 0)],
};

pub fn branch(code: &impl Code, kind: RelocationType, place: u64) -> Option<Branch> {
    let kinds =
        [elf::R_AARCH64_CALL26, elf::R_AARCH64_JUMP26, elf::R_AARCH64_CONDBR19, elf::R_AARCH64_TSTBR14];
    if !kinds.contains(&kind) {
        return None;
    }
    let instruction = instruction(code, place)?;
    let target = Reach::of(instruction)?.target(instruction, place);
    Some(Branch { form: Form::Direct, start: place, displacement: place, next: place, target })
}

fn instruction(code: &impl Code, address: u64) -> Option<u32> {
    Some(u32::from_le_bytes(code.code(address, SIZE as usize)?.try_into().ok()?))
}

/// Where in a branch the displacement stands: a signed number of instructions.
#[derive(Clone, Copy)]
pub struct Reach {
    low: u32,
    bits: u32,
}

impl Reach {
    /// Of `b` and `bl`: 128 MiB either way; of `b.cond`, `cbz` and `cbnz`: 1 MiB; of `tbz` and `tbnz`: 32 KiB.
    pub fn of(instruction: u32) -> Option<Reach> {
        match instruction {
            i if i & 0x7c00_0000 == 0x1400_0000 => Some(Reach { low: 0, bits: 26 }),
            i if i & 0xff00_0000 == 0x5400_0000 || i & 0x7e00_0000 == 0x3400_0000 => {
                Some(Reach { low: 5, bits: 19 })
            }
            i if i & 0x7e00_0000 == 0x3600_0000 => Some(Reach { low: 5, bits: 14 }),
            _ => None,
        }
    }

    fn mask(self) -> u32 {
        ((1 << self.bits) - 1) << self.low
    }

    pub fn target(self, instruction: u32, place: u64) -> u64 {
        let field = (instruction & self.mask()) >> self.low;
        place.wrapping_add_signed(sign_extend(field, self.bits) * SIZE as i64)
    }

    /// `instruction` going to `target`; `None` when that is out of reach.
    fn encode(self, instruction: u32, place: u64, target: u64) -> Option<u32> {
        let delta = target.wrapping_sub(place).cast_signed();
        let count = delta / SIZE as i64;
        let field = ((count as u32) << self.low) & self.mask();
        let fits = sign_extend(field >> self.low, self.bits) == count && delta % SIZE as i64 == 0;
        fits.then_some(instruction & !self.mask() | field)
    }
}

pub fn sign_extend(field: u32, bits: u32) -> i64 {
    i64::from((field << (32 - bits)).cast_signed() >> (32 - bits))
}

/// The bytes of the whole instruction.
pub fn encode_direct(code: &impl Code, branch: &Branch, target: u64) -> Option<Vec<u8>> {
    let old = instruction(code, branch.start)?;
    Some(Reach::of(old)?.encode(old, branch.start, target)?.to_le_bytes().to_vec())
}

const BTI_C: u32 = 0xd503_245f;
const BR_X16: u32 = 0xd61f_0200;
/// `ldr x16, .+8`
const LDR_X16_LITERAL_8: u32 = 0x5800_0050;

/// The page that `adrp x16, ...` at `address` puts into the register.
fn adrp_x16(instruction: u32, address: u64) -> Option<u64> {
    page_of_adrp(instruction, address).filter(|_| instruction & 0x1f == 16)
}

/// The page of 4 KiB that an `adrp` at `address` puts into its register.
pub fn page_of_adrp(instruction: u32, address: u64) -> Option<u64> {
    if instruction & 0x9f00_0000 != 0x9000_0000 {
        return None;
    }
    let pages = (instruction >> 5 & 0x7_ffff) << 2 | instruction >> 29 & 3;
    Some((address & !0xfff).wrapping_add_signed(sign_extend(pages, 21) << 12))
}

/// `[bti c] adrp x16, slot; ldr x16, [x16, :lo12:slot]; br x16`.
pub fn trampoline(code: &impl Code, address: u64) -> Option<u64> {
    let at = after_landing_pad(code, address);
    let page = adrp_x16(instruction(code, at)?, at)?;
    let load = instruction(code, at + SIZE)?;
    let is_load = load & 0xffc0_03ff == 0xf940_0210;
    let through = is_load && instruction(code, at + 2 * SIZE)? == BR_X16;
    // The immediate of a 64-bit load counts in eights.
    through.then(|| page + u64::from(load >> 10 & 0xfff) * 8)
}

fn after_landing_pad(code: &impl Code, address: u64) -> u64 {
    if instruction(code, address) == Some(BTI_C) { address + SIZE } else { address }
}

/// Where the thunk at `address` leads: lld puts one between a branch and what it cannot reach, or what it
/// reaches through a register without a landing pad for that.
///
/// Only where a branch does not go to what its relocation says may this be asked: ordinary functions can
/// look the same.
pub fn thunk(code: &impl Code, address: u64) -> Option<u64> {
    let at = after_landing_pad(code, address);
    let first = instruction(code, at)?;
    if first & 0xfc00_0000 == 0x1400_0000 {
        return Some(Reach::of(first)?.target(first, at));
    }
    let second = instruction(code, at + SIZE)?;
    if first == LDR_X16_LITERAL_8 && second == BR_X16 {
        let literal = code.code(at + 2 * SIZE, 8)?;
        return Some(u64::from_le_bytes(literal.try_into().ok()?));
    }
    let page = adrp_x16(first, at)?;
    let is_add = second & 0xffc0_03ff == 0x9100_0210;
    let through = is_add && instruction(code, at + 2 * SIZE)? == BR_X16;
    through.then(|| page + u64::from(second >> 10 & 0xfff))
}

/// ELF for the Arm 64-bit Architecture: GNU_PROPERTY_AARCH64_FEATURE_1_AND, and names of its bits.
pub const FEATURE_1_AND: u32 = 0xc000_0000;
pub const PROTECTIONS: [(u32, &str); 3] = [(1, "BTI"), (2, "PAC"), (4, "GCS")];

#[cfg(test)]
mod tests {
    use super::*;

    /// Instructions at an address.
    struct Instructions(u64, Vec<u8>);

    impl Instructions {
        fn at(address: u64, list: &[u32]) -> Instructions {
            Instructions(address, list.iter().flat_map(|i| i.to_le_bytes()).collect())
        }
    }

    impl Code for Instructions {
        fn code(&self, address: u64, len: usize) -> Option<&[u8]> {
            let at = usize::try_from(address.checked_sub(self.0)?).ok()?;
            self.1.get(at..at.checked_add(len)?)
        }
    }

    const BL_FORWARD: u32 = 0x9400_0004; // bl .+16
    const B_BACK: u32 = 0x17ff_ffff; // b .-4
    const B_NE: u32 = 0x5400_0041; // b.ne .+8
    const CBZ_X1: u32 = 0xb400_0041; // cbz x1, .+8
    const TBNZ: u32 = 0x3700_0041; // tbnz w1, #0, .+8

    #[test]
    fn branches_by_displacement() {
        for (bits, kind, target) in [
            (BL_FORWARD, elf::R_AARCH64_CALL26, 0x1_0010),
            (B_BACK, elf::R_AARCH64_JUMP26, 0xfffc),
            (B_NE, elf::R_AARCH64_CONDBR19, 0x1_0008),
            (CBZ_X1, elf::R_AARCH64_CONDBR19, 0x1_0008),
            (TBNZ, elf::R_AARCH64_TSTBR14, 0x1_0008),
        ] {
            let code = Instructions::at(0x1_0000, &[bits]);
            let branch = branch(&code, kind, 0x1_0000).unwrap();
            assert_eq!((branch.form, branch.start, branch.target), (Form::Direct, 0x1_0000, target));
            // Encoding what is there gives the same instruction: condition, link and register are kept.
            assert_eq!(encode_direct(&code, &branch, target).unwrap(), bits.to_le_bytes());
        }
    }

    #[test]
    fn what_is_no_branch() {
        let adrp = Instructions::at(0x1_0000, &[0x9000_0000, 0x9100_0000]);
        for kind in [elf::R_AARCH64_ADR_PREL_PG_HI21, elf::R_AARCH64_CALL26, elf::R_AARCH64_CONDBR19] {
            assert_eq!(branch(&adrp, kind, 0x1_0000), None);
        }
        assert_eq!(branch(&adrp, elf::R_AARCH64_CALL26, 0x1_0006), None, "cut off");
    }

    #[test]
    fn reach_ends_at_128_mib() {
        const REACH: u64 = 128 << 20;
        let place = 0x4000_0000;
        let code = Instructions::at(place, &[BL_FORWARD]);
        let branch = branch(&code, elf::R_AARCH64_CALL26, place).unwrap();
        for (target, fits) in [
            (place + REACH - 4, true),
            (place + REACH, false),
            (place - REACH, true),
            (place - REACH - 4, false),
            (place + 2, false),
        ] {
            let bytes = encode_direct(&code, &branch, target);
            assert_eq!(bytes.is_some(), fits, "{target:#x}");
            if let Some(bytes) = bytes {
                let code = Instructions(place, bytes);
                let again = super::branch(&code, elf::R_AARCH64_CALL26, place).unwrap();
                assert_eq!(again.target, target);
            }
        }
        let conditional = Instructions::at(place, &[B_NE]);
        let branch = super::branch(&conditional, elf::R_AARCH64_CONDBR19, place).unwrap();
        assert!(encode_direct(&conditional, &branch, place + (1 << 20) - 4).is_some());
        assert!(encode_direct(&conditional, &branch, place + (1 << 20)).is_none());
    }

    // adrp x16, 0x33000 from page 0x10000; ldr x16, [x16, #0x128]; br x16
    const ADRP_X16: u32 = 0xf000_0110;
    const LDR_X16: u32 = 0xf940_9610;

    #[test]
    fn trampolines() {
        let plain = [ADRP_X16, LDR_X16, BR_X16];
        assert_eq!(trampoline(&Instructions::at(0x1_0ff0, &plain), 0x1_0ff0), Some(0x3_3128));
        let protected = [BTI_C, ADRP_X16, LDR_X16, BR_X16];
        assert_eq!(trampoline(&Instructions::at(0x1_0ff0, &protected), 0x1_0ff0), Some(0x3_3128));
        // The page is that of the adrp itself, which a landing pad may push to the next one.
        assert_eq!(trampoline(&Instructions::at(0x1_0ffc, &protected), 0x1_0ffc), Some(0x3_4128));
        let blr = [ADRP_X16, LDR_X16, 0xd63f_0200];
        assert_eq!(trampoline(&Instructions::at(0x1_0000, &blr), 0x1_0000), None);
        let x17 = [ADRP_X16 | 1, LDR_X16, BR_X16];
        assert_eq!(trampoline(&Instructions::at(0x1_0000, &x17), 0x1_0000), None);
        assert_eq!(trampoline(&Instructions::at(0x1_0000, &plain[..2]), 0x1_0000), None, "cut off");
    }

    #[test]
    fn thunks_of_lld() {
        let add = 0x9104_a210; // add x16, x16, #0x128
        for (list, leads) in [
            (vec![ADRP_X16, add, BR_X16], Some(0x3_3128)),
            (vec![LDR_X16_LITERAL_8, BR_X16, 0x5678_1234, 1], Some(0x1_5678_1234)),
            (vec![B_BACK], Some(0xfffc)),
            (vec![BTI_C, 0x1400_0002], Some(0x1_000c)),
            // A trampoline is none: what it leads to is chosen later.
            (vec![ADRP_X16, LDR_X16, BR_X16], None),
            (vec![BL_FORWARD, BR_X16], None),
        ] {
            assert_eq!(thunk(&Instructions::at(0x1_0000, &list), 0x1_0000), leads, "{list:x?}");
        }
    }

    #[test]
    fn what_relocations_refer_to() {
        for (kind, expected) in [
            (elf::R_AARCH64_ABS64, Referent::SymbolPlusAddend),
            (elf::R_AARCH64_ADR_PREL_PG_HI21, Referent::SymbolPlusAddend),
            (elf::R_AARCH64_LDST64_ABS_LO12_NC, Referent::SymbolPlusAddend),
            (elf::R_AARCH64_CALL26, Referent::SymbolPlusAddend),
            (elf::R_AARCH64_PREL32, Referent::Relative),
            (elf::R_AARCH64_ADR_GOT_PAGE, Referent::Symbol),
            (elf::R_AARCH64_TLSDESC_CALL, Referent::Nothing),
            (elf::R_AARCH64_TLSLE_ADD_TPREL_HI12, Referent::Nothing),
            (elf::R_AARCH64_TLSLD_LDST128_DTPREL_LO12_NC, Referent::Nothing),
        ] {
            assert_eq!(referent(kind), expected, "{kind:?}");
        }
    }
}
