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
    let base = arguments.and_then(|arguments| arguments.dynamic_linker());
    // SAFETY: AT_BASE is where the kernel mapped the dynamic linker, which is never unmapped; arguments
    // are at hand only where it is at work for an image.
    let kept = base.and_then(|base| Some((base, unsafe { find(base, c"__x86_get_cpuid_feature_leaf")? })));
    match kept {
        Some((base, function)) => host_features_known(wanted, |leaf| kept_answer(base, function, leaf)),
        None => host_features(wanted),
    }
}

/// How far from its beginning the dynamic linker may keep the answers, in bytes. It is much smaller.
const MAX_DISTANCE: usize = 1 << 24;

/// What `function` says of a leaf, if that stands in the dynamic linker, which is at `base`.
fn kept_answer(base: usize, function: usize, leaf: Leaf) -> Option<CpuidResult> {
    // The indices are part of glibc's ABI (bits/platform/x86.h).
    let index = match (leaf.leaf, leaf.sub) {
        (1, 0) => 0,
        (7, 0) => 1,
        (0x8000_0001, 0) => 2,
        (7, 1) => 6,
        _ => return None,
    };
    // SAFETY: the symbol is this function since glibc 2.33; it returns a pointer for every index.
    let answer =
        unsafe { core::mem::transmute::<usize, extern "C" fn(u32) -> *const Answer>(function) }(index);
    // Before libc is relocated, which may come after an image that does not depend on it, the pointer leads nowhere.
    if (answer as usize).wrapping_sub(base) >= MAX_DISTANCE {
        return None;
    }
    // SAFETY: constant data of the dynamic linker.
    let [eax, ebx, ecx, edx] = unsafe { (*answer).cpuid };
    // Leaf 7.1 may be all zeros, which is also what the dynamic linker says when it has not asked: then we ask.
    (ebx | ecx | edx != 0).then_some(CpuidResult { eax, ebx, ecx, edx })
}
