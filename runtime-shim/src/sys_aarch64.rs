//! System calls of Linux on aarch64.

use core::arch::asm;

/// The page sizes that kernels are built for, in bytes.
pub const PAGE_SIZES: [usize; 3] = [4 << 10, 16 << 10, 64 << 10];

pub const READ: usize = 63;
pub const WRITE: usize = 64;
pub const OPEN_AT: usize = 56;
pub const CLOSE: usize = 57;
pub const MPROTECT: usize = 226;
pub const RT_SIGPROCMASK: usize = 135;
pub const RT_SIGACTION: usize = 134;
pub const GETPID: usize = 172;
pub const GETTID: usize = 178;
pub const TGKILL: usize = 131;
pub const EXIT_GROUP: usize = 94;

/// A system call with up to four arguments; the result as the kernel gives it (-4095..=-1 is an errno).
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does with them, and the call must not
/// end the validity of memory that is in use.
pub unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the caller answers for the call's effect on memory; the kernel keeps all registers but x0
    // (syscall(2), "Architecture calling conventions").
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] as isize => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            options(nostack)
        );
    }
    result
}
