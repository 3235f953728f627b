//! What the CPU offers, without asking it again what glibc's dynamic linker has asked before us.
//!
//! Under a hypervisor each CPUID costs 1 to 70 us, and four are needed. glibc 2.33 and later keep the
//! answers and export `__x86_get_cpuid_feature_leaf` (<sys/platform/x86.h>), 2.33 from the dynamic linker,
//! later ones from libc. It is looked up there by hand: an undefined symbol would tie images to a libc.

use crate::arguments::Arguments;
use crate::dynamic_linker::find;
use core::arch::x86_64::CpuidResult;
use image_format::cpu::x86_64::Leaf;
use image_format::cpu::x86_64_probe::{host_features, host_features_known};
use image_format::feature::FeatureSet;

/// `struct cpuid_feature`: a leaf's registers as the CPU gave them, then as the kernel allows them.
#[repr(C)]
struct Answer {
    cpuid: [u32; 4],
    active: [u32; 4],
}

/// Those of `wanted` that this CPU has and this kernel lets user code use.
pub fn host(wanted: FeatureSet, arguments: Option<Arguments>) -> FeatureSet {
    let kept = arguments
        .and_then(|arguments| arguments.dynamic_linker())
        // SAFETY: AT_BASE is where the kernel mapped the dynamic linker, which is never unmapped; arguments
        // are at hand in constructors only.
        .and_then(|base| unsafe { find(base, c"__x86_get_cpuid_feature_leaf") });
    match kept {
        Some(function) => host_features_known(wanted, |leaf| kept_answer(function, leaf)),
        None => host_features(wanted),
    }
}

fn kept_answer(function: usize, leaf: Leaf) -> Option<CpuidResult> {
    // The indices are part of glibc's ABI (bits/platform/x86.h).
    let index = match (leaf.leaf, leaf.sub) {
        (1, 0) => 0,
        (7, 0) => 1,
        (0x8000_0001, 0) => 2,
        (7, 1) => 6,
        _ => return None,
    };
    // SAFETY: the symbol is this function since glibc 2.33; it returns a pointer into constant data for
    // every index.
    let answer = unsafe {
        let get = core::mem::transmute::<usize, extern "C" fn(u32) -> *const Answer>(function);
        &*get(index)
    };
    let [eax, ebx, ecx, edx] = answer.cpuid;
    // Leaf 7.1 may be all zeros, which is also what the dynamic linker says when it has not asked: then we ask.
    (ebx | ecx | edx != 0).then_some(CpuidResult { eax, ebx, ecx, edx })
}
