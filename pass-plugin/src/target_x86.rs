//! What is x86-64's own: LLVM's CPU table, tuning, and where the ABI depends on features.

use crate::llvm::{Type, TypeKind, push_name};
use crate::shim;
use crate::target::Features;
use image_format::cpu::x86_64;
use std::ffi::{c_char, c_void};

/// LLVM's name for a CPU given by Julia's alias.
pub fn canonical_cpu(name: &str) -> String {
    String::from_utf8_lossy(x86_64::canonical_model(name.as_bytes())).into_owned()
}

/// All features of a CPU by LLVM's own table; `None` for a CPU that LLVM does not know.
pub fn cpu_features(cpu: &str) -> Option<Features> {
    let mut listed: Vec<String> = Vec::new();
    let data: *mut Vec<String> = &mut listed;
    // SAFETY: `data` is the Vec<String> that `push_name` expects; the name is passed with its length and
    // both live across the call.
    unsafe {
        shim::jl_cpp_x86_features_for_cpu(cpu.as_ptr().cast(), cpu.len(), data.cast(), push_name);
    }
    if listed.is_empty() {
        return None;
    }
    // The table leaves out what other features imply. SSE2 is part of the 64-bit ABI: LLVM's table has it
    // for every CPU but plain x86-64, where clang adds it. CMOV is part of 64-bit mode, but not of
    // the tables of LLVM 16 and 19.
    listed.extend(["sse2", "cmov"].map(str::to_string));
    Some(listed.iter().flat_map(|f| implied(f, true)).collect())
}

extern "C" fn push_implied(data: *mut c_void, name: *const c_char, len: usize, on: bool) {
    // SAFETY: `implied` passes a `*mut Implied` of its own frame and waits for the visit to end.
    let implied = unsafe { &mut *data.cast::<Implied>() };
    if on == implied.on {
        let names: *mut Vec<String> = &mut implied.names;
        push_name(names.cast(), name, len);
    }
}

struct Implied {
    on: bool,
    names: Vec<String>,
}

/// `feature` with all that it implies (on), or with all that imply it (off).
pub fn implied(feature: &str, on: bool) -> Features {
    let mut result = Implied { on, names: vec![feature.to_string()] };
    let data: *mut Implied = &mut result;
    // SAFETY: `data` is the `Implied` that `push_implied` expects; the name is passed with its length and
    // both live across the call.
    unsafe {
        shim::jl_cpp_x86_implied_features(
            feature.as_ptr().cast(),
            feature.len(),
            on,
            data.cast(),
            push_implied,
        );
    }
    result.names.into_iter().collect()
}

/// All CPUs that LLVM knows.
pub fn cpus() -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let data: *mut Vec<String> = &mut names;
    // SAFETY: `data` is the Vec<String> that `push_name` expects.
    unsafe { shim::jl_cpp_x86_cpus(data.cast(), push_name) };
    names
}

/// The machine that compiles: the model LLVM takes it for, with the features that it really has.
pub fn host() -> (String, Features) {
    let raw = {
        // SAFETY: returns a zero-terminated string that we own and dispose of below.
        unsafe { llvm_sys::target_machine::LLVMGetHostCPUName() }
    };
    // SAFETY: see above; the string is copied before it is disposed of.
    let cpu = unsafe { std::ffi::CStr::from_ptr(raw) }.to_string_lossy().into_owned();
    // SAFETY: `raw` came from LLVM, which allocated it for us, and is not used again.
    unsafe { llvm_sys::core::LLVMDisposeMessage(raw) };
    let cpu = if cpu_features(&cpu).is_some() { cpu } else { "x86-64".to_string() };
    let here = image_format::cpu::Arch::host_features();
    let features = here
        .iter()
        .filter_map(|id| image_format::cpu::Arch::X86_64.feature_name(id))
        // What user code cannot use or what no compiler emits unasked stays out of the list.
        .filter(|name| !["64bit", "sgx", "pconfig", "kl", "widekl", "enqcmd", "lwp", "shstk"].contains(name))
        .map(str::to_string)
        .collect();
    (cpu, features)
}

/// The CPU model to tune for.
///
/// Without `tune-cpu` LLVM tunes a level for the CPU it was named after; at v2 that is Sandy Bridge, whose
/// double shifts halve the speed of rotates (xxh32 and xxh64: 0.50). From v3 on the level's own model is
/// measured better than generic tuning (XXH3 at v4: 2.45 against 1.65), so it is kept.
pub fn tune_cpu(cpu: &str) -> String {
    match cpu {
        "x86-64" | "x86-64-v2" => "generic".to_string(),
        other => other.to_string(),
    }
}

/// The vector extensions that make a target worth cloning vector code for (julia-protocol, section 2).
pub fn is_vector_feature(name: &str) -> bool {
    matches!(name, "sse3" | "ssse3" | "sse4.1" | "sse4.2" | "sse4a" | "avx" | "avx2")
        || name.starts_with("avx512")
}

/// Whether passing or returning this type depends on the target's features: vectors beyond 128 bits go
/// through memory without AVX and in registers with it, and vectors of `i1` in mask registers.
pub fn abi_differs(ty: Type) -> bool {
    if ty.kind() == TypeKind::LLVMX86_AMXTypeKind {
        return true;
    }
    match ty.vector_shape() {
        Some((bits, count)) => bits == 1 || u64::from(bits) * u64::from(count) > 128,
        None => ty.parts().into_iter().any(abi_differs),
    }
}

/// What every x86-64 CPU has, and runs in.
pub const MODE: &str = "64bit";

/// Features under which a jump through memory is not to be emitted.
pub fn is_hardened(feature: &str) -> bool {
    feature.starts_with("retpoline") || feature == "harden-sls-ijmp" || feature == "lvi-cfi"
}

/// AMD's 3DNow! and what only Xeon Phi had.
pub const WITHDRAWN: [&str; 5] = ["3dnow", "3dnowa", "avx512er", "avx512pf", "prefetchwt1"];
