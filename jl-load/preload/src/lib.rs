//! The preloaded shim: fills the images that a plain linker made, and makes a dlopen of what cannot run
//! here fail.
//!
//! At start, before all other constructors, it fills every plainly linked image of the process. It stands
//! before dlopen, dlmopen and dlerror: what comes later is filled before dlopen returns (constructors of
//! such an image ran before that, with its baseline). What cannot run here is refused before it is loaded,
//! where the file that would be loaded can be told ([`precheck`]), else unloaded again.
//!
//! `unsafe` stands in this file, `objects.rs`, `plain.rs`, `linker_lock.rs`, `interpose.rs` and
//! `interpose_*.rs` only.

mod closure;
mod dynamic;
mod errors;
mod file;
mod interpose;
#[cfg_attr(target_arch = "x86_64", path = "interpose_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "interpose_aarch64.rs")]
mod interpose_arch;
mod linker_lock;
mod objects;
mod plain;
mod precheck;
mod search;

use runtime_shim::arguments::Arguments;
use runtime_shim::process::Process;

/// Offered to all images of the process; which block is used, the dynamic linker decides.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals, reason = "the name is part of the format: runtime_shim::process::SYMBOL")]
pub static __jl_process_v1: Process = Process::new();

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: extern "C" fn(usize, usize, usize) = constructor;

extern "C" fn constructor(argc: usize, argv: usize, envp: usize) {
    process().set_preloaded();
    // SAFETY: these are the constructor's own arguments, as the dynamic linker passed them.
    interpose::fill_at_start(unsafe { Arguments::from_registers(argc, argv, envp) });
}

/// The block that the whole process uses: the program may bring one that goes before ours.
fn process() -> &'static Process {
    // SAFETY: the symbol is a `Process` in every object that defines it, in the global scope, whose
    // objects are never unloaded; all that changes in it are atomics.
    let shared = unsafe { &*interpose_arch::process() };
    if shared.is_usable() { shared } else { &__jl_process_v1 }
}
