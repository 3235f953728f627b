//! What each architecture answers for itself: every question leads to the file named for it, and nothing
//! else in this crate knows one architecture from another.

use crate::llvm::Type;
use crate::target::Features;
use crate::{target_aarch64, target_x86, trampoline_aarch64, trampoline_x86};
use image_format::cpu::Arch;

/// LLVM's name for a CPU that may be given by an alias.
pub fn canonical_cpu(arch: Arch, name: &str) -> String {
    match arch {
        Arch::X86_64 => target_x86::canonical_cpu(name),
        Arch::Aarch64 => target_aarch64::canonical_cpu(name),
    }
}

/// All features of a CPU by LLVM's own table; `None` for a CPU that LLVM does not know.
pub fn cpu_features(arch: Arch, cpu: &str) -> Option<Features> {
    match arch {
        Arch::X86_64 => target_x86::cpu_features(cpu),
        Arch::Aarch64 => target_aarch64::cpu_features(cpu),
    }
}

/// `feature` with all that it implies (on), or with all that imply it (off).
pub fn implied(arch: Arch, feature: &str, on: bool) -> Features {
    match arch {
        Arch::X86_64 => target_x86::implied(feature, on),
        Arch::Aarch64 => target_aarch64::implied(feature, on),
    }
}

/// The machine that compiles: its CPU model and the features that it really has.
pub fn host(arch: Arch) -> (String, Features) {
    match arch {
        Arch::X86_64 => target_x86::host(),
        Arch::Aarch64 => target_aarch64::host(),
    }
}

/// The CPU model to tune for.
pub fn tune_cpu(arch: Arch, cpu: &str) -> String {
    match arch {
        Arch::X86_64 => target_x86::tune_cpu(cpu),
        Arch::Aarch64 => cpu.to_string(),
    }
}

/// Whether a feature makes a target worth cloning vector code for.
pub fn is_vector_feature(arch: Arch, name: &str) -> bool {
    match arch {
        Arch::X86_64 => target_x86::is_vector_feature(name),
        Arch::Aarch64 => target_aarch64::is_vector_feature(name),
    }
}

/// Whether passing or returning this type depends on the target's features.
pub fn abi_differs(arch: Arch, ty: Type) -> bool {
    match arch {
        Arch::X86_64 => target_x86::abi_differs(ty),
        Arch::Aarch64 => target_aarch64::abi_differs(ty),
    }
}

/// Whether a jump through memory is not to be emitted under this feature.
pub fn is_hardened(arch: Arch, feature: &str) -> bool {
    match arch {
        Arch::X86_64 => target_x86::is_hardened(feature),
        Arch::Aarch64 => target_aarch64::is_hardened(feature),
    }
}

/// Features that let two floating-point operations be contracted to one.
pub fn fused_multiply_add(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &target_x86::FUSED_MULTIPLY_ADD,
        // Part of the baseline: all targets contract alike.
        Arch::Aarch64 => &[],
    }
}

/// A trampoline's assembly and the constraint of its operand 0, the slot.
pub struct Trampoline {
    pub asm: &'static str,
    pub constraint: &'static str,
}

pub fn trampoline(arch: Arch) -> Trampoline {
    match arch {
        Arch::X86_64 => trampoline_x86::TRAMPOLINE,
        Arch::Aarch64 => trampoline_aarch64::TRAMPOLINE,
    }
}

/// All CPUs that LLVM knows.
pub fn cpus(arch: Arch) -> Vec<String> {
    match arch {
        Arch::X86_64 => target_x86::cpus(),
        Arch::Aarch64 => target_aarch64::cpus(),
    }
}
