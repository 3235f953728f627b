//! What each architecture answers for itself: every question leads to the file named for it, and nothing
//! else in this crate knows one architecture from another.

use crate::facts::Gains;
use crate::floating_point::Precision;
use crate::llvm::{self, Function, Type};
use crate::plan::LoopGain;
use crate::target::Features;
use crate::{target_aarch64, target_x86, trampoline_aarch64, trampoline_x86};
use image_format::cpu::Arch;
use image_format::report::Reason;
use std::collections::HashSet;
use std::sync::OnceLock;

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

/// The features that the LLVM at work knows; `None` where it was built without the architecture.
pub fn known_features(arch: Arch) -> Option<&'static HashSet<String>> {
    static X86_64: OnceLock<Option<HashSet<String>>> = OnceLock::new();
    static AARCH64: OnceLock<Option<HashSet<String>>> = OnceLock::new();
    let known = match arch {
        Arch::X86_64 => &X86_64,
        Arch::Aarch64 => &AARCH64,
    };
    known.get_or_init(|| llvm::known_features(&format!("{}-unknown-linux-gnu", arch.name()))).as_ref()
}

/// Whether this LLVM complains of the name; it ignores it then.
pub fn is_unheard_of(arch: Arch, feature: &str) -> bool {
    withdrawn(arch).contains(&feature) && known_features(arch).is_some_and(|known| !known.contains(feature))
}

/// Features that older LLVMs have and LLVM 22 has no more: no compiler needs them, and nothing asks a CPU for
/// them.
pub fn withdrawn(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &target_x86::WITHDRAWN,
        Arch::Aarch64 => &[],
    }
}

/// The machine that compiles: its CPU model and the features that it really has; `None` for another
/// architecture than its own.
pub fn host(arch: Arch) -> Option<(String, Features)> {
    (arch == Arch::HOST).then(|| match arch {
        Arch::X86_64 => target_x86::host(),
        Arch::Aarch64 => target_aarch64::host(),
    })
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

/// Whether the platform's name already says so: LLVM's tables leave such a feature out, Zig names it.
pub fn is_implied_by_triple(arch: Arch, feature: &str) -> bool {
    match arch {
        Arch::X86_64 => feature == target_x86::MODE,
        Arch::Aarch64 => false,
    }
}

/// Features that let two floating-point operations of a type be contracted to one.
pub fn fused_multiply_add(arch: Arch, precision: Precision) -> &'static [&'static str] {
    match (arch, precision) {
        (Arch::X86_64, Precision::Standard) => &["fma", "fma4"],
        (Arch::X86_64, Precision::Half) => &["avx512fp16"],
        (Arch::X86_64, Precision::Brain) => &["avx10.2"],
        // Part of the baseline: all targets contract alike.
        (Arch::Aarch64, Precision::Standard) => &["fp-armv8"],
        (Arch::Aarch64, Precision::Half) => &["fullfp16"],
        (Arch::Aarch64, Precision::Brain) => &["sve-b16b16"],
    }
}

/// Whether LLVM's vectoriser, where it thinks that this pays, makes of fused multiply-adds that sum up a
/// vector of products and an addition of its elements one by one (`TTI::enableOrderedReductions`).
pub fn takes_sums_apart(arch: Arch) -> bool {
    match arch {
        Arch::X86_64 => false,
        Arch::Aarch64 => true,
    }
}

/// What the architecture's newer CPUs do better than its baseline outside of vectorised loops.
pub fn gains(arch: Arch) -> Gains {
    match arch {
        Arch::X86_64 => {
            Gains { wider_rows: true, counting_and_rounding: true, variable_shifts: true, multiply_add: true }
        }
        // NEON counts bits and rounds, a shift is one operation, fused multiply-add is there; SVE's longer
        // registers have no use for a row of a length that is known.
        Arch::Aarch64 => Gains {
            wider_rows: false,
            counting_and_rounding: false,
            variable_shifts: false,
            multiply_add: false,
        },
    }
}

/// What loops gain at a target with these features new against its base.
pub fn loop_gain(arch: Arch, new: &Features) -> LoopGain {
    match arch {
        // Every level brings wider registers or operations that vectors lacked (SSE4.1's, BMI).
        Arch::X86_64 => LoopGain::Vectors,
        Arch::Aarch64 => target_aarch64::loop_gain(new),
    }
}

/// The shortest and longest vector registers that a function for `features` may meet, in units of 128 bits,
/// where their length is not known.
pub fn vector_scale(arch: Arch, features: &Features) -> Option<(u32, u32)> {
    match arch {
        Arch::X86_64 => None,
        Arch::Aarch64 => target_aarch64::vector_scale(features),
    }
}

/// What a function's attributes say that a trampoline or a clone could not keep to.
pub fn obstacle(arch: Arch, function: Function) -> Option<Reason> {
    match arch {
        Arch::X86_64 => None,
        Arch::Aarch64 => target_aarch64::obstacle(function),
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
