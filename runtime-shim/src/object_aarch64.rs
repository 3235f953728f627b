//! What the entries of the object consist of on aarch64, its memory functions and the addresses of its symbols.
//!
//! Entries start with `bti c`, and the property note says that the object keeps to BTI, PAC and GCS: one
//! object without it takes the marks from the whole image. The compiled code has no other indirect branch
//! (jump tables are off, there is no `dyn`), which `build_object.rs` checks. Its functions do not sign their
//! return addresses, which PAC's mark allows: a caller's signature is the caller's own.

use crate::process::Process;
use core::arch::{asm, global_asm};

/// What an entry starts with.
macro_rules! landing_mark {
    () => {
        "bti c"
    };
}
/// A jump to a function of this object.
macro_rules! jump_to {
    ($function:literal) => {
        concat!("b ", $function)
    };
}
/// Instructions that take a function's address from the global offset table.
macro_rules! table_entry {
    ($function:literal) => {
        concat!("adrp x0, :got:", $function, "\nldr x0, [x0, :got_lo12:", $function, "]")
    };
}
/// The last 8 of 16 bytes of code: data, which the assembler's mapping symbols tell from instructions.
macro_rules! word_in_code {
    ($word:literal) => {
        concat!("nop\nnop\n.quad ", $word)
    };
}

// A jump through x16 may land on what a call may: the one indirect branch of this object.
global_asm!(
    ".section .text.jl_image_entries, \"ax\", @progbits",
    ".p2align 4",
    ".globl jl_shim_call",
    ".hidden jl_shim_call",
    ".type jl_shim_call, @function",
    "jl_shim_call:",
    "br x16",
    ".size jl_shim_call, . - jl_shim_call",
);

// BTI, PAC and GCS (GNU_PROPERTY_AARCH64_FEATURE_1_AND); no executable stack.
global_asm!(
    ".section .note.gnu.property, \"a\", @note",
    ".p2align 3",
    ".long 4, 16, 5",
    ".asciz \"GNU\"",
    ".long 0xc0000000, 4, 7, 0",
    ".section .note.GNU-stack, \"\", @progbits",
);

// What compiled code calls for copies and comparisons; no libc is there to bring them. In assembly, for
// the compiler turns loops that copy into calls of memcpy. What is copied is small: a header, a line.
global_asm!(
    ".section .text.jl_memory, \"ax\", @progbits",
    ".p2align 4",
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, @function",
    "memcpy:",
    "memmove:",
    "bti c",
    // Backwards where the destination overlaps the source from above.
    "sub x3, x0, x1",
    "cmp x3, x2",
    "b.lo 4f",
    "mov x4, x0",
    "2: subs x2, x2, #16",
    "b.lo 3f",
    "ldp x5, x6, [x1], #16",
    "stp x5, x6, [x4], #16",
    "b 2b",
    "3: adds x2, x2, #16",
    "b.eq 6f",
    "5: ldrb w5, [x1], #1",
    "strb w5, [x4], #1",
    "subs x2, x2, #1",
    "b.ne 5b",
    "ret",
    "4: subs x2, x2, #1",
    "b.lo 6f",
    "ldrb w5, [x1, x2]",
    "strb w5, [x0, x2]",
    "b 4b",
    "6: ret",
    ".size memcpy, . - memcpy",
    ".size memmove, . - memmove",
    ".p2align 4",
    ".hidden memset",
    ".globl memset",
    ".type memset, @function",
    "memset:",
    "bti c",
    "2: subs x2, x2, #1",
    "b.lo 3f",
    "strb w1, [x0, x2]",
    "b 2b",
    "3: ret",
    ".size memset, . - memset",
    ".p2align 4",
    ".hidden memcmp",
    ".globl memcmp",
    ".type memcmp, @function",
    ".hidden bcmp",
    ".globl bcmp",
    ".type bcmp, @function",
    "memcmp:",
    "bcmp:",
    "bti c",
    "mov x3, #0",
    "2: cmp x3, x2",
    "b.eq 3f",
    "ldrb w4, [x0, x3]",
    "ldrb w5, [x1, x3]",
    "add x3, x3, #1",
    "subs w4, w4, w5",
    "b.eq 2b",
    "mov w0, w4",
    "ret",
    "3: mov w0, #0",
    "ret",
    ".size memcmp, . - memcmp",
    ".size bcmp, . - bcmp",
    ".p2align 4",
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, @function",
    "strlen:",
    "bti c",
    "mov x1, #0",
    "2: ldrb w2, [x0, x1]",
    "cbz w2, 3f",
    "add x1, x1, #1",
    "b 2b",
    "3: mov x0, x1",
    "ret",
    ".size strlen, . - strlen",
);

/// The address of a symbol that this object defines.
macro_rules! address {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: forms an address; no memory is touched.
        unsafe {
            asm!(
                concat!(".globl ", $symbol),
                concat!(".hidden ", $symbol),
                concat!("adrp {0}, ", $symbol),
                concat!("add {0}, {0}, :lo12:", $symbol),
                out(reg) address,
                options(nomem, nostack, preserves_flags)
            );
        }
        address
    }};
}

/// What this image's global offset table holds for a symbol: the linker may leave it undefined (then null), or
/// the dynamic linker may bind it to another object's. Linkers give an undefined weak symbol no address that
/// ADRP could form.
macro_rules! bound_address {
    ($symbol:literal, $($directive:literal),+) => {{
        let address: usize;
        // SAFETY: reads one entry of this image's global offset table, which is relocated before constructors.
        unsafe {
            asm!(
                $(concat!($directive, " ", $symbol),)+
                concat!("adrp {0}, :got:", $symbol),
                concat!("ldr {0}, [{0}, :got_lo12:", $symbol, "]"),
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        address
    }};
}

/// As [`bound_address`], of a hidden symbol that the linker defines where the output has the thing.
macro_rules! linker_address {
    ($symbol:literal) => {
        bound_address!($symbol, ".weak", ".hidden")
    };
}

pub fn header() -> *const u8 {
    address!("jl_image_header") as *const u8
}

pub fn state() -> *const u32 {
    address!("jl_image_state") as *const u32
}

pub fn refused_entry() -> usize {
    address!("jl_image_refused")
}

pub fn unresolved_entry() -> usize {
    address!("jl_link_must_link_this")
}

pub fn nothing_entry() -> usize {
    address!("jl_image_nothing")
}

/// This image's ELF header; null where it is not in memory.
pub fn elf_header() -> *const u8 {
    linker_address!("__ehdr_start") as *const u8
}

/// This image's dynamic section; null in a static program.
pub fn dynamic() -> *const u8 {
    linker_address!("_DYNAMIC") as *const u8
}

/// `jl_image_construct` of this object.
pub fn construct_entry() -> usize {
    address!("jl_image_construct")
}

/// As [`construct_entry`], in the first image of this one's scope that has it under the name for others; 0 where no such image is.
pub fn first_construct_entry() -> usize {
    bound_address!("__jl_construct_v1", ".weak")
}

/// Where glibc's dynamic linker notes what the first stack began with; null where it is another one, and in an image with
/// dependencies, whose linker leaves that to the image that lends it the constructor.
pub fn first_stack() -> *const usize {
    bound_address!("__libc_stack_end", ".weak") as *const usize
}

/// Calls the function at an address.
///
/// # Safety
/// It is a function of the C ABI that takes these words, or the first of them, and may be called now.
pub unsafe fn call(function: usize, words: [usize; 4]) -> usize {
    let result;
    // SAFETY: the caller's word; the stack is aligned as the ABI has it.
    unsafe {
        asm!(
            "bl jl_shim_call",
            in("x16") function,
            inlateout("x0") words[0] => result,
            in("x1") words[1],
            in("x2") words[2],
            in("x3") words[3],
            clobber_abi("C")
        );
    }
    result
}

/// Begin and end of this image's `.init_array`, as the linker defines them.
pub fn constructors() -> (*mut usize, *mut usize) {
    let (start, end) = (linker_address!("__init_array_start"), linker_address!("__init_array_end"));
    (start as *mut usize, end as *mut usize)
}

/// As [`constructors`], of `.fini_array`.
pub fn destructors() -> (*mut usize, *mut usize) {
    let (start, end) = (linker_address!("__fini_array_start"), linker_address!("__fini_array_end"));
    (start as *mut usize, end as *mut usize)
}

/// The process's block: the first in the global scope, which may be another object's.
pub fn process() -> *const Process {
    bound_address!("__jl_process_v1", ".globl") as *const Process
}
