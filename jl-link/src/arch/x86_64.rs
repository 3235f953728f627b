//! x86-64: branches, trampolines and relocations (System V psABI 1.0, sections 4.4 and B.2; Intel SDM
//! volume 2).

use super::{Branch, Code, Form, Jump, Referent};
use object::elf::{self, RelocationType};

pub fn referent(kind: RelocationType) -> Referent {
    match kind {
        elf::R_X86_64_64 | elf::R_X86_64_32 | elf::R_X86_64_32S | elf::R_X86_64_16 | elf::R_X86_64_8 => {
            Referent::SymbolPlusAddend
        }
        elf::R_X86_64_PC8 | elf::R_X86_64_PC16 | elf::R_X86_64_PC32 | elf::R_X86_64_PC64 => {
            Referent::Relative
        }
        // The addend of a PLT32 against a section symbol selects the function (assemblers turn calls of
        // local functions into that).
        elf::R_X86_64_PLT32 => Referent::Relative,
        elf::R_X86_64_GOT32
        | elf::R_X86_64_GOTPCREL
        | elf::R_X86_64_GOT64
        | elf::R_X86_64_GOTPCREL64
        | elf::R_X86_64_GOTPLT64
        | elf::R_X86_64_GOTPCRELX
        | elf::R_X86_64_REX_GOTPCRELX
        | elf::R_X86_64_CODE_4_GOTPCRELX
        | elf::R_X86_64_CODE_5_GOTPCRELX
        | elf::R_X86_64_CODE_6_GOTPCRELX => Referent::Symbol,
        // Large code model: symbol minus the GOT's address.
        elf::R_X86_64_GOTOFF64 | elf::R_X86_64_PLTOFF64 => Referent::SymbolPlusAddend,
        elf::R_X86_64_NONE
        | elf::R_X86_64_DTPMOD64
        | elf::R_X86_64_DTPOFF64
        | elf::R_X86_64_TPOFF64
        | elf::R_X86_64_TLSGD
        | elf::R_X86_64_TLSLD
        | elf::R_X86_64_DTPOFF32
        | elf::R_X86_64_GOTTPOFF
        | elf::R_X86_64_TPOFF32
        | elf::R_X86_64_GOTPC32
        | elf::R_X86_64_GOTPC64
        | elf::R_X86_64_SIZE32
        | elf::R_X86_64_SIZE64
        | elf::R_X86_64_GOTPC32_TLSDESC
        | elf::R_X86_64_TLSDESC_CALL
        | elf::R_X86_64_TLSDESC
        | elf::R_X86_64_CODE_4_GOTTPOFF
        | elf::R_X86_64_CODE_4_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_5_GOTTPOFF
        | elf::R_X86_64_CODE_5_GOTPC32_TLSDESC
        | elf::R_X86_64_CODE_6_GOTTPOFF
        | elf::R_X86_64_CODE_6_GOTPC32_TLSDESC => Referent::Nothing,
        // An unknown one is taken for a reference, which can only keep a call on its slot.
        _ => Referent::SymbolPlusAddend,
    }
}

/// `endbr64; jmpq *slot(%rip)`.
pub const JUMP: Jump = Jump {
    code: &[0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0, 0, 0, 0],
    relocations: &[(6, elf::R_X86_64_PC32, -4)],
};

pub fn branch(code: &impl Code, kind: RelocationType, place: u64) -> Option<Branch> {
    match kind {
        elf::R_X86_64_PLT32 | elf::R_X86_64_PC32 => by_displacement(code, place),
        // lld keeps this type on what it relaxed, and `lea g` (relaxed from `mov g@GOTPCREL`) has it too:
        // only the opcode tells. The REX form never is a call or jump.
        elf::R_X86_64_GOTPCRELX => by_got(code, place),
        _ => None,
    }
}

/// `call rel32`, `jmp rel32`, `jcc rel32`. No instruction with a memory operand is mistaken for one: the
/// byte before its displacement is a ModRM with mod = 0 and r/m = 5, that is 05, 0d, ... 3d.
fn by_displacement(code: &impl Code, place: u64) -> Option<Branch> {
    let before = code.code(place.checked_sub(2)?, 2)?;
    let start = match before {
        [_, 0xe8 | 0xe9] => place - 1,
        [0x0f, 0x80..=0x8f] => place - 2,
        _ => return None,
    };
    with_target(code, Form::Direct, start, place, place + 4)
}

/// The forms of `call *g@GOTPCREL(%rip)` and `jmp *g@GOTPCREL(%rip)`, relaxed (psABI B.2) or not.
fn by_got(code: &impl Code, place: u64) -> Option<Branch> {
    let start = place.checked_sub(2)?;
    match code.code(start, 6)? {
        [0x67, 0xe8, ..] => with_target(code, Form::DirectWithRoom, start, place, place + 4),
        // lld writes the jump one byte earlier and a nop behind it.
        [0xe9, _, _, _, _, 0x90] => with_target(code, Form::Direct, start, place - 1, place + 3),
        [0xff, 0x15, ..] => with_target(code, Form::CallThroughMemory, start, place, place + 4),
        [0xff, 0x25, ..] => with_target(code, Form::JumpThroughMemory, start, place, place + 4),
        _ => None,
    }
}

fn with_target(code: &impl Code, form: Form, start: u64, displacement: u64, next: u64) -> Option<Branch> {
    let delta = read_i32(code.code(displacement, 4)?)?;
    let target = next.wrapping_add_signed(i64::from(delta));
    Some(Branch { form, start, displacement, next, target })
}

fn read_i32(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))
}

const ENDBR64: [u8; 4] = [0xf3, 0x0f, 0x1e, 0xfa];

/// `[endbr64] [bnd|notrack] jmp *slot(%rip)`.
pub fn trampoline(code: &impl Code, address: u64) -> Option<u64> {
    let mut at = address;
    if code.code(at, 4) == Some(&ENDBR64) {
        at += 4;
    }
    if matches!(code.code(at, 1)?, [0xf2 | 0x3e]) {
        at += 1;
    }
    match code.code(at, 6)? {
        [0xff, 0x25, displacement @ ..] => {
            Some((at + 6).wrapping_add_signed(i64::from(read_i32(displacement)?)))
        }
        _ => None,
    }
}

/// The bytes from `branch.start` on; of a `Direct` branch only the displacement.
pub fn encode_direct(branch: &Branch, target: u64) -> Option<Vec<u8>> {
    // As the psABI relaxes calls and jumps through the GOT: the prefix or the nop fills the byte that
    // the shorter instruction leaves.
    let (opcode, next, tail): (&[u8], u64, &[u8]) = match branch.form {
        Form::DirectWithRoom | Form::CallThroughMemory => (&[0x67, 0xe8], branch.next, &[]),
        Form::JumpThroughMemory => (&[0xe9], branch.next - 1, &[0x90]),
        Form::Direct => (&[], branch.next, &[]),
    };
    Some([opcode, &displacement(next, target)?, tail].concat())
}

pub fn encode_through_memory(branch: &Branch, slot: u64) -> Option<Vec<u8>> {
    let mut bytes = vec![0xff, 0x15];
    bytes.extend(displacement(branch.next, slot)?);
    (branch.form == Form::DirectWithRoom).then_some(bytes)
}

fn displacement(next: u64, target: u64) -> Option<[u8; 4]> {
    let delta = i32::try_from(target.wrapping_sub(next).cast_signed()).ok()?;
    Some(delta.to_le_bytes())
}

/// psABI: GNU_PROPERTY_X86_FEATURE_1_AND, and names of its bits.
pub const FEATURE_1_AND: u32 = 0xc000_0002;
pub const PROTECTIONS: [(u32, &str); 2] = [(1, "IBT"), (2, "SHSTK")];

#[cfg(test)]
mod tests {
    use super::*;

    /// Code at address 0x1000.
    struct Bytes(Vec<u8>);

    impl Code for Bytes {
        fn code(&self, address: u64, len: usize) -> Option<&[u8]> {
            let at = usize::try_from(address.checked_sub(0x1000)?).ok()?;
            self.0.get(at..at.checked_add(len)?)
        }
    }

    fn decode(bytes: &[u8], kind: RelocationType, at: u64) -> Option<Branch> {
        branch(&Bytes(bytes.to_vec()), kind, 0x1000 + at)
    }

    #[test]
    fn branches() {
        let call = decode(&[0x90, 0xe8, 0x10, 0, 0, 0], elf::R_X86_64_PLT32, 2).unwrap();
        assert_eq!((call.form, call.start, call.next, call.target), (Form::Direct, 0x1001, 0x1006, 0x1016));
        let jcc = decode(&[0x0f, 0x84, 0xfa, 0xff, 0xff, 0xff], elf::R_X86_64_PC32, 2).unwrap();
        assert_eq!((jcc.start, jcc.target), (0x1000, 0x1000));
        let relaxed = decode(&[0x67, 0xe8, 1, 0, 0, 0], elf::R_X86_64_GOTPCRELX, 2).unwrap();
        assert_eq!((relaxed.form, relaxed.target), (Form::DirectWithRoom, 0x1007));
        let jump = decode(&[0xe9, 1, 0, 0, 0, 0x90], elf::R_X86_64_GOTPCRELX, 2).unwrap();
        assert_eq!((jump.form, jump.displacement, jump.target), (Form::Direct, 0x1001, 0x1006));
    }

    #[test]
    fn addresses_are_not_branches() {
        let lea = [0x48, 0x8d, 0x05, 1, 0, 0, 0];
        for kind in [elf::R_X86_64_PC32, elf::R_X86_64_GOTPCRELX, elf::R_X86_64_REX_GOTPCRELX] {
            assert_eq!(decode(&lea, kind, 3), None);
        }
        assert_eq!(decode(&[0x8d, 0x05, 1, 0, 0, 0], elf::R_X86_64_GOTPCRELX, 2), None);
        assert_eq!(decode(&[0xe8, 0, 0, 0], elf::R_X86_64_PLT32, 1), None, "cut off");
    }

    #[test]
    fn trampolines() {
        let plain = [0xff, 0x25, 0x10, 0, 0, 0];
        let protected = [&ENDBR64[..], &[0x3e], &plain].concat();
        assert_eq!(trampoline(&Bytes(plain.to_vec()), 0x1000), Some(0x1016));
        assert_eq!(trampoline(&Bytes(protected), 0x1000), Some(0x101b));
        assert_eq!(trampoline(&Bytes(vec![0xff, 0x15, 0, 0, 0, 0]), 0x1000), None);
    }

    #[test]
    fn what_is_encoded_decodes_to_it() {
        for (bytes, form) in [
            ([0x67, 0xe8, 1, 0, 0, 0], Form::DirectWithRoom),
            ([0xff, 0x15, 1, 0, 0, 0], Form::CallThroughMemory),
            ([0xff, 0x25, 1, 0, 0, 0], Form::JumpThroughMemory),
        ] {
            let branch = decode(&bytes, elf::R_X86_64_GOTPCRELX, 2).unwrap();
            assert_eq!(branch.form, form);
            let direct = encode_direct(&branch, 0x5000).unwrap();
            assert_eq!(direct.len(), 6);
            assert_eq!(decode(&direct, elf::R_X86_64_GOTPCRELX, 2).unwrap().target, 0x5000);
            assert_eq!(encode_direct(&branch, 0x1_0000_0000), None, "out of reach");
        }
        let branch = decode(&[0x67, 0xe8, 1, 0, 0, 0], elf::R_X86_64_GOTPCRELX, 2).unwrap();
        let through = encode_through_memory(&branch, 0x2000).unwrap();
        let back = decode(&through, elf::R_X86_64_GOTPCRELX, 2).unwrap();
        assert_eq!((back.form, back.target), (Form::CallThroughMemory, 0x2000));
    }
}
