//! LLVM's assembler, which trampolines need: they are inline assembly.
//!
//! clang, opt, llc, lld and rustc register it at their start; flang does not (LLVM 22), and its code
//! generator then ends the process at the first trampoline.

use std::ffi::CStr;

/// The registration functions of the architectures that images exist for.
const REGISTRATIONS: [&CStr; 2] = [c"LLVMInitializeX86AsmParser", c"LLVMInitializeAArch64AsmParser"];

/// Registers the assemblers that the host's LLVM has. To be called before any pass runs: LLVM's registry of
/// targets has no lock.
pub fn register() {
    for name in REGISTRATIONS {
        // Looked up by name: a host that links LLVM statically without an assembler could otherwise not
        // load the plugin at all.
        // SAFETY: the name ends in a zero byte, and every process has the default scope.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        if found.is_null() {
            continue;
        }
        // SAFETY: LLVM's C API declares each of these functions as `void (void)`, in every version.
        let initialize: extern "C" fn() = unsafe { std::mem::transmute(found) };
        initialize();
    }
}
