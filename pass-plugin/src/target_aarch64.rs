//! What is aarch64's own: LLVM's CPU table, and where the ABI depends on features.

use crate::llvm::{Function, Type, TypeKind, push_name};
use crate::plan::LoopGain;
use crate::shim::{self, VisitName};
use crate::target::Features;
use image_format::cpu::{Arch, aarch64};
use image_format::report::Reason;
use std::ffi::c_void;

/// LLVM's name for a CPU given by Julia's or LLVM's own alias.
pub fn canonical_cpu(name: &str) -> String {
    let name = String::from_utf8_lossy(aarch64::canonical_model(name.as_bytes())).into_owned();
    let found = collect(|data, visit| {
        // SAFETY: the name is passed with its length and lives across the call; `collect` gives data and visitor
        // that belong together.
        unsafe { shim::jl_cpp_aarch64_canonical_cpu(name.as_ptr().cast(), name.len(), data, visit) }
    });
    found.into_iter().next().unwrap_or(name)
}

/// All features of a CPU by LLVM's own table; `None` for a CPU that LLVM does not know, and for every CPU
/// where the host of the plugin has no AArch64 back end.
pub fn cpu_features(cpu: &str) -> Option<Features> {
    let listed = collect(|data, visit| {
        // SAFETY: as in `canonical_cpu`.
        unsafe { shim::jl_cpp_aarch64_features_for_cpu(cpu.as_ptr().cast(), cpu.len(), data, visit) }
    });
    (!listed.is_empty()).then(|| listed.into_iter().collect())
}

/// `feature` with all that it implies (on), or with all that imply it (off); without LLVM's words for the
/// tuning of single CPUs, which imply features, too (`oryon-1`).
pub fn implied(feature: &str, on: bool) -> Features {
    let mut listed = collect(|data, visit| {
        // SAFETY: as in `canonical_cpu`.
        unsafe {
            shim::jl_cpp_aarch64_implied_features(feature.as_ptr().cast(), feature.len(), on, data, visit);
        }
    });
    let known = |name: &String| Arch::Aarch64.feature(name).is_some() || Arch::Aarch64.is_not_hardware(name);
    listed.retain(known);
    listed.push(feature.to_string());
    listed.into_iter().collect()
}

/// All CPUs that LLVM knows, its aliases among them.
pub fn cpus() -> Vec<String> {
    // SAFETY: `collect` gives data and visitor that belong together.
    collect(|data, visit| unsafe { shim::jl_cpp_aarch64_cpus(data, visit) })
}

/// The names that a visiting function of the shim gives.
fn collect(visiting: impl FnOnce(*mut c_void, VisitName)) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let data: *mut Vec<String> = &mut names;
    visiting(data.cast(), push_name);
    names
}

/// The machine that compiles, where it is an aarch64 one: LLVM has no model for what it really has, so it
/// is the baseline's model with the features that the kernel tells of.
pub fn host() -> (String, Features) {
    let generic = "generic".to_string();
    let mut features = cpu_features(&generic).unwrap_or_default();
    if Arch::HOST == Arch::Aarch64 {
        let here = Arch::host_features();
        features.extend(here.iter().filter_map(|id| Arch::HOST.feature_name(id)).map(str::to_string));
    }
    (generic, features)
}

/// The vector extensions that make a target worth cloning vector code for (julia-protocol, section 2).
pub fn is_vector_feature(name: &str) -> bool {
    matches!(name, "sve" | "sve2")
}

/// What loops gain at a target with these features new against its base. NEON has 128 bits at every CPU, so
/// that without SVE only operations that NEON lacked count: dot products, which do four multiplications of
/// bytes in one step. LSE's atomic operations gain nothing in a clone: without them the compiler calls a helper
/// that looks which ones are there.
pub fn loop_gain(new: &Features) -> LoopGain {
    let has = |names: &[&str]| names.iter().any(|n| new.contains(*n));
    if has(&["sve", "sve2"]) {
        LoopGain::Vectors
    } else if has(&["dotprod", "i8mm"]) {
        LoopGain::DotProducts
    } else {
        LoopGain::None
    }
}

/// As clang says it of every function with SVE: 128 to 2048 bits.
pub fn vector_scale(features: &Features) -> Option<(u32, u32)> {
    features.contains("sve").then_some((1, 16))
}

/// SME's modes belong to the call as arguments do, and the body for one target would change them where that
/// for another does not; under the pointer-authentication ABI a slot would have to hold a signed pointer.
pub fn obstacle(function: Function) -> Option<Reason> {
    const MODES: [&str; 15] = [
        "aarch64_pstate_sm_enabled",
        "aarch64_pstate_sm_body",
        "aarch64_pstate_sm_compatible",
        "aarch64_za_state_agnostic",
        "aarch64_new_za",
        "aarch64_in_za",
        "aarch64_out_za",
        "aarch64_inout_za",
        "aarch64_preserves_za",
        "aarch64_new_zt0",
        "aarch64_in_zt0",
        "aarch64_out_zt0",
        "aarch64_inout_zt0",
        "aarch64_preserves_zt0",
        "ptrauth-calls",
    ];
    let has = |name: &&str| function.string_attribute(name).is_some();
    MODES.iter().any(has).then_some(Reason::CallingConvention)
}

/// Whether passing or returning this type depends on the target's features: scalable vectors exist only
/// with SVE, and fixed ones beyond 128 bits stay whole where SVE registers are known to be that long.
pub fn abi_differs(ty: Type) -> bool {
    if ty.kind() == TypeKind::LLVMScalableVectorTypeKind {
        return true;
    }
    match ty.vector_shape() {
        Some((bits, count)) => u64::from(bits) * u64::from(count) > 128,
        None => ty.parts().into_iter().any(abi_differs),
    }
}

/// Features under which an indirect jump is not to be emitted as it is.
pub fn is_hardened(feature: &str) -> bool {
    matches!(feature, "harden-sls-retbr" | "harden-sls-blr")
}
