//! System calls of Linux on x86-64.

use core::arch::asm;

/// The page sizes that kernels are built for, in bytes: x86-64 has no other base page.
pub const PAGE_SIZES: [usize; 1] = [4096];

pub const READ: usize = 0;
pub const WRITE: usize = 1;
pub const OPEN_AT: usize = 257;
pub const CLOSE: usize = 3;
pub const MPROTECT: usize = 10;
pub const RT_SIGPROCMASK: usize = 14;
pub const RT_SIGACTION: usize = 13;
pub const GETPID: usize = 39;
pub const GETTID: usize = 186;
pub const TGKILL: usize = 234;
pub const EXIT_GROUP: usize = 231;

/// A system call with up to four arguments; the result as the kernel gives it (-4095..=-1 is an errno).
///
/// # Safety
/// Pointers among the arguments must be valid for what the call does with them, and the call must not
/// end the validity of memory that is in use.
pub unsafe fn call(number: usize, arguments: [usize; 4]) -> isize {
    let result: isize;
    // SAFETY: the caller answers for the call's effect on memory; SYSCALL itself clobbers RCX and R11
    // only (psABI, A.2.1), which are declared.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => result,
            in("rdi") arguments[0],
            in("rsi") arguments[1],
            in("rdx") arguments[2],
            in("r10") arguments[3],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    result
}
