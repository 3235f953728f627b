//! What the driver must know of an instruction set, mapped to a small set that is the same for all.
//!
//! Everything above this module speaks of branches, trampolines and references by address.

pub mod x86_64;
mod x86_64_features;

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use object::elf::RelocationType;

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
    /// Address of the displacement.
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The CPU features that its instructions need.
    pub features: FeatureSet,
    /// Whether every byte belongs to an instruction that is known.
    pub is_understood: bool,
    /// Addresses outside of it that it jumps to, calls or takes; sorted.
    pub references: Vec<u64>,
}

/// Code bytes by address: what the decoders look at.
pub trait Code {
    /// `len` bytes at `address`, if they lie in one executable section.
    fn code(&self, address: u64, len: usize) -> Option<&[u8]>;
}

/// The branch, if the relocation of type `kind` at `place` belongs to one. Never an instruction that
/// takes an address.
pub fn branch(arch: Arch, code: &impl Code, kind: RelocationType, place: u64) -> Option<Branch> {
    match arch {
        Arch::X86_64 => x86_64::branch(code, kind, place),
        Arch::Aarch64 => None,
    }
}

/// The slot address that the trampoline at `address` jumps through, if there is one.
pub fn trampoline(arch: Arch, code: &impl Code, address: u64) -> Option<u64> {
    match arch {
        Arch::X86_64 => x86_64::trampoline(code, address),
        Arch::Aarch64 => None,
    }
}

pub fn referent(arch: Arch, kind: RelocationType) -> Referent {
    match arch {
        Arch::X86_64 => x86_64::referent(kind),
        Arch::Aarch64 => Referent::SymbolPlusAddend,
    }
}

/// What to add to symbol + addend of a `Relative` relocation in code to get the address meant: such
/// an addend counts from the end of the field.
pub fn relative_bias(arch: Arch) -> u64 {
    match arch {
        Arch::X86_64 => 4,
        Arch::Aarch64 => 0,
    }
}

/// Where to write (an address) and the bytes that make the branch go to `target` directly; `None` when it is out
/// of reach.
pub fn encode_direct(arch: Arch, branch: &Branch, target: u64) -> Option<(u64, Vec<u8>)> {
    let at = if branch.form == Form::Direct { branch.displacement } else { branch.start };
    match arch {
        Arch::X86_64 => Some((at, x86_64::encode_direct(branch, target)?)),
        Arch::Aarch64 => None,
    }
}

/// The bytes, from `branch.start` on, that make a `DirectWithRoom` branch call through the pointer at `slot`.
pub fn encode_through_memory(arch: Arch, branch: &Branch, slot: u64) -> Option<Vec<u8>> {
    match arch {
        Arch::X86_64 => x86_64::encode_through_memory(branch, slot),
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
        Arch::Aarch64 => None,
    }
}

/// Bits of the property note that say which branch protection all code of a file follows.
pub fn protection(arch: Arch, property_note: &[u8]) -> u32 {
    match arch {
        Arch::X86_64 => x86_64::protection(property_note),
        Arch::Aarch64 => 0,
    }
}

/// Names of the bits of [`protection`].
pub fn protection_names(arch: Arch, bits: u32) -> String {
    match arch {
        Arch::X86_64 => x86_64::protection_names(bits),
        Arch::Aarch64 => "none".into(),
    }
}
