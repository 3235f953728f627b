//! Entries of dlopen and dlmopen on aarch64, and what else depends on the machine.

use crate::interpose::{after_dlmopen, after_dlopen, before_dlmopen, before_dlopen};
use crate::linker_lock::resolve;
use core::arch::{asm, naked_asm};
use core::ffi::c_char;
use runtime_shim::process::Process;

/// The body of an entry: saves up to three arguments, asks `before` (which also gets them, and the return
/// address as the fourth) how to call the real function, calls it with the landing as its return address, and
/// passes the result through `after`.
///
/// The landing is the end of a function, `ldp x29, x30, [sp], #16; ret`: what it pops is pushed before the call,
/// our frame and the place where we go on. To an unwinder that looks like the frame that it expects there.
macro_rules! entry {
    ($before:path, $after:path) => {
        naked_asm!(
            ".cfi_startproc",
            "bti c",
            "stp x29, x30, [sp, #-48]!",
            ".cfi_def_cfa_offset 48",
            ".cfi_offset x29, -48",
            ".cfi_offset x30, -40",
            "mov x29, sp",
            "stp x0, x1, [sp, #16]",
            "str x2, [sp, #32]",
            "mov x3, x30",
            "bl {before}",
            // x16 for the jump: a landing mark for calls (bti c) takes it.
            "mov x16, x1",
            "mov x17, x0",
            "ldp x0, x1, [sp, #16]",
            "ldr x2, [sp, #32]",
            "cbz x17, 2f",
            "adr x4, 3f",
            "stp x29, x4, [sp, #-16]!",
            ".cfi_def_cfa_offset 64",
            "mov x30, x17",
            "br x16",
            "2:",
            ".cfi_def_cfa_offset 48",
            "ldp x29, x30, [sp], #48",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore x29",
            ".cfi_restore x30",
            "br x16",
            // An unwinder looks at the instruction before the address that the landing returns to.
            ".cfi_def_cfa_offset 48",
            ".cfi_offset x29, -48",
            ".cfi_offset x30, -40",
            "nop",
            "3:",
            "bl {after}",
            "ldp x29, x30, [sp], #48",
            ".cfi_def_cfa_offset 0",
            ".cfi_restore x29",
            ".cfi_restore x30",
            "ret",
            ".cfi_endproc",
            before = sym $before,
            after = sym $after,
        )
    };
}

/// dlopen(file, mode).
///
/// # Safety
/// As dlopen(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlopen(file: *const c_char, mode: i32) -> *mut core::ffi::c_void {
    entry!(before_dlopen, after_dlopen)
}

/// dlmopen(namespace, file, mode).
///
/// # Safety
/// As dlmopen(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlmopen(namespace: i64, file: *const c_char, mode: i32) -> *mut core::ffi::c_void {
    entry!(before_dlmopen, after_dlmopen)
}

/// An indirect function: looking it up calls [`resolve`]. Nobody else calls it.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn __jl_linker_locked() {
    naked_asm!(
        ".type __jl_linker_locked, %gnu_indirect_function",
        "bti c",
        "b {resolve}",
        resolve = sym resolve,
    )
}

/// The address of `ldp x29, x30, [sp], #16; ret` in `code`, which starts at `start`: the end of any function with
/// the smallest frame, as `_init` and `_fini` have it. A signed return address (`autiasp` between the two) will
/// not do, for ours is not signed.
pub fn find_return(start: usize, code: &[u8]) -> Option<usize> {
    const END: [u32; 2] = [0xa8c1_7bfd, 0xd65f_03c0];
    let (words, _) = code.as_chunks::<4>();
    let end = END.map(u32::to_le_bytes);
    let at = words.windows(2).position(|pair| pair == end)?;
    start.is_multiple_of(4).then_some(start + 4 * at)
}

/// Whether return addresses of this thread are checked against a guarded control stack.
pub fn has_shadow_stack() -> bool {
    let mut asked: u64 = 1;
    // SAFETY: CHKFEAT X16 clears the bits of X16 that stand for features that are enabled (bit 0: GCS); it is a
    // hint, hence a no-op on older CPUs, and touches no memory and no flags.
    unsafe { asm!("hint #40", inout("x16") asked, options(nomem, nostack, preserves_flags)) };
    asked == 0
}

/// The process's block: the first in the global scope, hence through the global offset table.
pub fn process() -> *const Process {
    let address: *const Process;
    // SAFETY: reads one entry of this object's global offset table, which is relocated before constructors.
    unsafe {
        asm!(
            "adrp {0}, :got:__jl_process_v1",
            "ldr {0}, [{0}, :got_lo12:__jl_process_v1]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    address
}
