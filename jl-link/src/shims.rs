//! The shim objects: compiled by the build script from `runtime-shim`, one per architecture.

use image_format::cpu::Arch;

#[cfg(jl_x86_64)]
const X86_64: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/jl_runtime_shim_x86_64.o")));
#[cfg(not(jl_x86_64))]
const X86_64: Option<&[u8]> = None;

#[cfg(jl_aarch64)]
const AARCH64: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/jl_runtime_shim_aarch64.o")));
#[cfg(not(jl_aarch64))]
const AARCH64: Option<&[u8]> = None;

/// The object for images of `arch`; `None` when this program was built by a compiler without a core library for
/// it (the build said so).
pub const fn embedded(arch: Arch) -> Option<&'static [u8]> {
    match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
    }
}
