//! Entries of dlopen and dlmopen on x86-64, and what else depends on the machine.

use crate::interpose::{after_dlmopen, after_dlopen, before_dlmopen, before_dlopen};
use crate::linker_lock::resolve;
use core::arch::{asm, naked_asm};
use runtime_shim::process::Process;

/// The body of an entry: saves up to three arguments, asks `before` (which also gets them, and the return
/// address as the fourth) how to call the real function, calls it with the landing as its return address, and
/// passes the result through `after`.
///
/// The stack at the entry is 8 below a multiple of 16 (a call pushed the return address); three saved
/// words make it even for our own call, and two pushed words leave it odd for the real function's entry.
macro_rules! entry {
    ($before:path, $after:path) => {
        naked_asm!(
            ".cfi_startproc",
            "endbr64",
            "push rdi",
            ".cfi_adjust_cfa_offset 8",
            "push rsi",
            ".cfi_adjust_cfa_offset 8",
            "push rdx",
            ".cfi_adjust_cfa_offset 8",
            "mov rcx, [rsp + 24]",
            "call {before}",
            "mov r11, rdx",
            "pop rdx",
            "pop rsi",
            "pop rdi",
            ".cfi_adjust_cfa_offset -24",
            "test rax, rax",
            "jz 2f",
            "lea r10, [rip + 3f]",
            "push r10",
            "push rax",
            "jmp r11",
            "2:",
            "jmp r11",
            // An unwinder looks at the byte before the address that the landing returns to.
            "nop",
            "3:",
            "mov rdi, rax",
            "sub rsp, 8",
            ".cfi_adjust_cfa_offset 8",
            "call {after}",
            "add rsp, 8",
            ".cfi_adjust_cfa_offset -8",
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
pub unsafe extern "C" fn dlopen(file: *const i8, mode: i32) -> *mut core::ffi::c_void {
    entry!(before_dlopen, after_dlopen)
}

/// dlmopen(namespace, file, mode).
///
/// # Safety
/// As dlmopen(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn dlmopen(namespace: i64, file: *const i8, mode: i32) -> *mut core::ffi::c_void {
    entry!(before_dlmopen, after_dlmopen)
}

/// An indirect function: looking it up calls [`resolve`]. Nobody else calls it.
#[unsafe(no_mangle)]
#[unsafe(naked)]
extern "C" fn __jl_linker_locked() {
    naked_asm!(
        ".type __jl_linker_locked, %gnu_indirect_function",
        "endbr64",
        "jmp {resolve}",
        resolve = sym resolve,
    )
}

/// The address of a RET in `code`, which starts at `start`. Any byte of its value will do to come back; one
/// behind an instruction that leaves the stack alone is better, for an unwinder looks at the byte before
/// a return address to find out where the frame ends.
pub fn find_return(start: usize, code: &[u8]) -> Option<usize> {
    const RET: u8 = 0xc3;
    // xor eax, eax; the ends of endbr64 and of two long NOPs.
    const BEFORE: [&[u8]; 4] =
        [&[0x31, 0xc0], &[0x0f, 0x1e, 0xfa], &[0x0f, 0x1f, 0x00], &[0x0f, 0x1f, 0x44, 0x00, 0x00]];
    let mut any = None;
    for (at, byte) in code.iter().enumerate() {
        if *byte != RET {
            continue;
        }
        let before = code.get(..at).unwrap_or(&[]);
        if BEFORE.iter().any(|instruction| before.ends_with(instruction)) {
            return Some(start + at);
        }
        any = any.or(Some(start + at));
    }
    any
}

/// Whether the kernel checks return addresses of this thread against a shadow stack.
pub fn has_shadow_stack() -> bool {
    let mut pointer: u64 = 0;
    // SAFETY: RDSSPQ writes the shadow stack pointer, or is a no-op where there is none; it touches no
    // memory and no flags.
    unsafe { asm!("rdsspq {0}", inout(reg) pointer, options(nomem, nostack, preserves_flags)) };
    pointer != 0
}

/// The process's block: the first in the global scope, hence through the global offset table.
pub fn process() -> *const Process {
    let address: *const Process;
    // SAFETY: reads one entry of this object's global offset table, which is relocated before constructors.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + __jl_process_v1@GOTPCREL]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    address
}
