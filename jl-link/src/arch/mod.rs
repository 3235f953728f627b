//! What the driver must know of an instruction set, mapped to a small set that is the same for all.
//!
//! Everything above this module speaks of branches, trampolines and references by address.

pub mod aarch64;
mod aarch64_features;
mod aarch64_system;
pub mod x86_64;
mod x86_64_features;

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use object::elf::{self, RelocationType};
use std::ffi::OsStr;

/// How a branch stands in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Call or jump by displacement.
    Direct,
    /// A direct call in a place that has room for a call through memory (lld relaxed one there).
    DirectWithRoom,
    /// Call through a pointer in memory (`-fno-plt` and not relaxed: the callee may be replaced).
    CallThroughMemory,
    /// Jump through a pointer in memory.
    JumpThroughMemory,
}

/// A branch instruction that a relocation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    pub form: Form,
    /// Address of the instruction's first byte that may be rewritten.
    pub start: u64,
    /// Address of the displacement, or of the instruction whose bits hold it.
    pub displacement: u64,
    /// Address of the next instruction, from which the displacement counts.
    pub next: u64,
    /// Where it goes, or the address of the pointer that it goes through.
    pub target: u64,
}

/// What a relocation refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Referent {
    /// Nothing in the image's code (thread-local, size, none).
    Nothing,
    /// The symbol itself, whatever the addend (GOT and PLT forms).
    Symbol,
    /// Symbol plus addend.
    SymbolPlusAddend,
    /// Symbol plus addend, relative to the place.
    Relative,
}

/// What was read out of a piece of code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The CPU features that its instructions need.
    pub features: FeatureSet,
    /// Whether every byte belongs to an instruction that is known.
    pub is_understood: bool,
    /// Addresses outside of it that it jumps to, calls or takes; sorted.
    pub references: Vec<u64>,
    /// Pages of 4 KiB that it takes addresses in, where another instruction, perhaps elsewhere, adds the rest; sorted.
    pub pages: Vec<u64>,
    /// Whether what stands behind it may run after it.
    pub goes_on: bool,
}

/// Code bytes by address: what the decoders look at.
pub trait Code {
    /// `len` bytes at `address`, if they lie in one executable section.
    fn code(&self, address: u64, len: usize) -> Option<&[u8]>;
}

/// The architecture of an output by the linker's emulation (`-m`); `None` for one that has no code images.
pub fn of_emulation(emulation: &OsStr) -> Option<Arch> {
    match emulation.to_str()? {
        "elf_x86_64" | "elf_amd64" => Some(Arch::X86_64),
        "aarch64linux" | "aarch64elf" => Some(Arch::Aarch64),
        _ => None,
    }
}

/// The branch, if the relocation of type `kind` at `place` belongs to one. Never an instruction that
/// takes an address.
pub fn branch(arch: Arch, code: &impl Code, kind: RelocationType, place: u64) -> Option<Branch> {
    match arch {
        Arch::X86_64 => x86_64::branch(code, kind, place),
        Arch::Aarch64 => aarch64::branch(code, kind, place),
    }
}

/// Code that jumps through a pointer in memory, for an object that is yet to be linked.
pub struct Jump {
    pub code: &'static [u8],
    /// Offset, type and addend of each relocation against the pointer.
    pub relocations: &'static [(u64, RelocationType, i64)],
}

/// What stands for a function of another image: begins where a branch may land, and changes nothing that a callee may find.
pub fn jump(arch: Arch) -> &'static Jump {
    match arch {
        Arch::X86_64 => &x86_64::JUMP,
        Arch::Aarch64 => &aarch64::JUMP,
    }
}

/// The relocations of data: an address of 8 bytes, and a distance of 4 from the place itself.
pub fn data_relocations(arch: Arch) -> [RelocationType; 2] {
    match arch {
        Arch::X86_64 => [elf::R_X86_64_64, elf::R_X86_64_PC32],
        Arch::Aarch64 => [elf::R_AARCH64_ABS64, elf::R_AARCH64_PREL32],
    }
}

/// Relocations that the dynamic linker looks a name up for: of a pointer, of an entry of the global offset table, and of a
/// program's copy of data.
pub fn pointer_relocations(arch: Arch) -> [RelocationType; 3] {
    match arch {
        Arch::X86_64 => [elf::R_X86_64_64, elf::R_X86_64_GLOB_DAT, elf::R_X86_64_COPY],
        Arch::Aarch64 => [elf::R_AARCH64_ABS64, elf::R_AARCH64_GLOB_DAT, elf::R_AARCH64_COPY],
    }
}

/// The slot address that the trampoline at `address` jumps through, if there is one.
pub fn trampoline(arch: Arch, code: &impl Code, address: u64) -> Option<u64> {
    match arch {
        Arch::X86_64 => x86_64::trampoline(code, address),
        Arch::Aarch64 => aarch64::trampoline(code, address),
    }
}

/// Where the code that lld put at `address` leads on to, between a branch and a target out of its reach. Only
/// for a branch that goes elsewhere than its relocation says.
pub fn thunk(arch: Arch, code: &impl Code, address: u64) -> Option<u64> {
    match arch {
        // Two gigabytes are in reach, and no image is larger.
        Arch::X86_64 => None,
        Arch::Aarch64 => aarch64::thunk(code, address),
    }
}

pub fn referent(arch: Arch, kind: RelocationType) -> Referent {
    match arch {
        Arch::X86_64 => x86_64::referent(kind),
        Arch::Aarch64 => aarch64::referent(kind),
    }
}

/// What to add to symbol + addend of a `Relative` relocation in code to get the address meant: on x86-64
/// such an addend counts from the end of the field.
pub fn relative_bias(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 4,
        Arch::Aarch64 => 0,
    }
}

/// Where to write (an address) and the bytes that make the branch go to `target` directly; `None` when it is out
/// of reach.
pub fn encode_direct(arch: Arch, code: &impl Code, branch: &Branch, target: u64) -> Option<(u64, Vec<u8>)> {
    let at = if branch.form == Form::Direct { branch.displacement } else { branch.start };
    match arch {
        Arch::X86_64 => Some((at, x86_64::encode_direct(branch, target)?)),
        Arch::Aarch64 => Some((at, aarch64::encode_direct(code, branch, target)?)),
    }
}

/// The bytes, from `branch.start` on, that make a `DirectWithRoom` branch call through the pointer at `slot`.
pub fn encode_through_memory(arch: Arch, branch: &Branch, slot: u64) -> Option<Vec<u8>> {
    match arch {
        Arch::X86_64 => x86_64::encode_through_memory(branch, slot),
        // No instruction calls through memory.
        Arch::Aarch64 => None,
    }
}

/// Reads which features instructions need.
#[derive(Clone, Copy, Debug)]
pub struct FeatureReader {
    /// What the code in these bytes, which stand at this address, needs and where it leads.
    pub decode: fn(&[u8], u64) -> Decoded,
    /// Features of code that cannot be read.
    pub unreadable: FeatureSet,
}

/// `None` for an architecture for which there is no such reader: what is declared there is required.
pub fn feature_reader(arch: Arch) -> Option<FeatureReader> {
    match arch {
        Arch::X86_64 => Some(x86_64_features::reader()),
        Arch::Aarch64 => Some(aarch64_features::reader()),
    }
}

/// The type of the property that all code of a file must have for the output to have it, and its bits.
fn protections(arch: Arch) -> (u32, &'static [(u32, &'static str)]) {
    match arch {
        Arch::X86_64 => (x86_64::FEATURE_1_AND, &x86_64::PROTECTIONS),
        Arch::Aarch64 => (aarch64::FEATURE_1_AND, &aarch64::PROTECTIONS),
    }
}

/// Bits of the property note that say which branch protection all code of a file follows.
///
/// `property_note` is the descriptor of an NT_GNU_PROPERTY_TYPE_0 note: {type, size, data, padding to 8}.
pub fn protection(arch: Arch, property_note: &[u8]) -> u32 {
    let (wanted, bits) = protections(arch);
    let known = bits.iter().fold(0, |all, (bit, _)| all | bit);
    let word = |at: usize| image_format::pod::read_at::<u32>(property_note, at);
    let mut at = 0;
    while let (Some(kind), Some(size)) = (word(at), word(at + 4)) {
        if kind == wanted {
            return word(at + 8).unwrap_or(0) & known;
        }
        at += 8 + (size as usize).next_multiple_of(8);
    }
    0
}

/// The property note of code that follows all branch protection.
pub fn protected_note(arch: Arch) -> Vec<u8> {
    let (property, bits) = protections(arch);
    let all = bits.iter().fold(0, |all, (bit, _)| all | bit);
    let words = [4, 16, elf::NT_GNU_PROPERTY_TYPE_0.0, u32::from_le_bytes(*b"GNU\0"), property, 4, all, 0];
    words.iter().flat_map(|word: &u32| word.to_le_bytes()).collect()
}

/// Names of the bits of [`protection`].
pub fn protection_names(arch: Arch, bits: u32) -> String {
    let (_, names) = protections(arch);
    let set: Vec<_> = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if set.is_empty() { "none".into() } else { set.join(" and ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_protection_by_architecture() {
        let note = |kind: u32, bits: u32| -> Vec<u8> {
            // Another property before it: size 4, padded to 8.
            [0xc000_8002, 4, 1, 0, kind, 4, bits, 0].iter().flat_map(|w: &u32| w.to_le_bytes()).collect()
        };
        assert_eq!(protection(Arch::X86_64, &note(0xc000_0002, 3)), 3);
        assert_eq!(protection(Arch::Aarch64, &note(0xc000_0000, 0x17)), 7);
        assert_eq!(protection(Arch::Aarch64, &note(0xc000_0002, 3)), 0, "x86's");
        assert_eq!(protection(Arch::X86_64, &protected_note(Arch::X86_64)[16..]), 3);
        assert_eq!(protection(Arch::Aarch64, &protected_note(Arch::Aarch64)[16..]), 7);
        assert_eq!(protection_names(Arch::Aarch64, 3), "BTI and PAC");
        assert_eq!(protection_names(Arch::X86_64, 0), "none");
    }
}
