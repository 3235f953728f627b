//! Symbols, sections and indirectly reached entries of the object on x86-64.
//!
//! Entries start with ENDBR64, and the property note says that the object keeps to IBT and SHSTK: one
//! object without it takes the marks from the whole image. The compiled code has no other indirect branch
//! (jump tables are off, there is no `dyn`), which `build_object.rs` checks.

use crate::process::{PROCESS_SIZE, Process, VERSION};
use core::arch::{asm, global_asm};
use core::mem::{offset_of, size_of};
use image_format::layout::{
    FORMAT_VERSION, IMAGE_MAGIC, ImageHeader, LAYOUT_HASH, NOTE_DESC_OFFSET, NOTE_NAME, NOTE_TYPE_IMAGE,
};

const _: () = assert!(
    offset_of!(ImageHeader, version) == 8
        && offset_of!(ImageHeader, header_size) == 12
        && offset_of!(ImageHeader, layout_hash) == 16
        && NOTE_DESC_OFFSET == 24
);

// The header: what jl-link does not find so, it refuses to fill.
global_asm!(
    ".section jl_image, \"a\", @progbits",
    ".p2align 3",
    ".globl jl_image_header",
    ".hidden jl_image_header",
    ".type jl_image_header, @object",
    ".size jl_image_header, {header_size}",
    "jl_image_header:",
    ".quad {magic}",
    ".long {version}",
    ".long {header_size}",
    ".quad {layout_hash}",
    ".zero {header_size} - 24",
    ".section .note.jl_image, \"a\", @note",
    ".p2align 2",
    ".long {name_size}",
    ".long 8",
    ".long {kind}",
    ".asciz \"Julienne\"",
    ".p2align 2",
    ".long {version}",
    ".long jl_image_header - .",
    magic = const u64::from_le_bytes(IMAGE_MAGIC),
    version = const FORMAT_VERSION,
    header_size = const size_of::<ImageHeader>(),
    layout_hash = const LAYOUT_HASH,
    name_size = const NOTE_NAME.len(),
    kind = const NOTE_TYPE_IMAGE,
    options(att_syntax)
);

// The state word, in RELRO by its section's name; the process's block, which must not be.
global_asm!(
    ".section .data.rel.ro.jl_state, \"aw\", @progbits",
    ".p2align 3",
    ".globl jl_image_state",
    ".hidden jl_image_state",
    ".type jl_image_state, @object",
    ".size jl_image_state, 4",
    "jl_image_state:",
    ".quad 0",
    ".section .data.jl_process, \"aw\", @progbits",
    ".p2align 6",
    ".globl __jl_process_v1",
    ".type __jl_process_v1, @object",
    ".size __jl_process_v1, {size}",
    "__jl_process_v1:",
    ".long {version}",
    ".long {size}",
    ".zero {size} - 8",
    version = const VERSION,
    size = const PROCESS_SIZE,
    options(att_syntax)
);

global_asm!(
    ".section .init_array.0, \"aw\", @init_array",
    ".p2align 3",
    ".quad jl_image_init",
    ".section .text.jl_image_entries, \"ax\", @progbits",
    ".p2align 4",
    ".globl jl_image_init",
    ".hidden jl_image_init",
    ".type jl_image_init, @function",
    "jl_image_init:",
    "endbr64",
    "jmp jl_shim_init",
    ".size jl_image_init, . - jl_image_init",
    ".p2align 4",
    ".globl jl_image_refused",
    ".hidden jl_image_refused",
    ".type jl_image_refused, @function",
    "jl_image_refused:",
    "endbr64",
    "jmp jl_shim_refused",
    ".size jl_image_refused, . - jl_image_refused",
    ".p2align 4",
    ".globl jl_image_nothing",
    ".hidden jl_image_nothing",
    ".type jl_image_nothing, @function",
    "jl_image_nothing:",
    "endbr64",
    "ret",
    ".size jl_image_nothing, . - jl_image_nothing",
    ".hidden jl_shim_init",
    ".hidden jl_shim_refused",
    options(att_syntax)
);

// IBT and SHSTK (GNU_PROPERTY_X86_FEATURE_1_AND); no executable stack.
global_asm!(
    ".section .note.gnu.property, \"a\", @note",
    ".p2align 3",
    ".long 4, 16, 5",
    ".asciz \"GNU\"",
    ".long 0xc0000002, 4, 3, 0",
    ".section .note.GNU-stack, \"\", @progbits",
    options(att_syntax)
);

// What compiled code calls for copies and comparisons; no libc is there to bring them. In assembly, for
// the compiler turns loops that copy into calls of memcpy. It calls them through the global offset table.
global_asm!(
    ".section .text.jl_memory, \"ax\", @progbits",
    ".hidden memcpy",
    ".globl memcpy",
    ".type memcpy, @function",
    "memcpy:",
    "endbr64",
    "movq %rdi, %rax",
    "movq %rdx, %rcx",
    "rep movsb",
    "ret",
    ".size memcpy, . - memcpy",
    ".hidden memmove",
    ".globl memmove",
    ".type memmove, @function",
    "memmove:",
    "endbr64",
    "movq %rdi, %rax",
    "movq %rdx, %rcx",
    "movq %rdi, %r8",
    "subq %rsi, %r8",
    "cmpq %rdx, %r8",
    "jae 2f",
    "leaq -1(%rdi, %rdx), %rdi",
    "leaq -1(%rsi, %rdx), %rsi",
    "std",
    "rep movsb",
    "cld",
    "ret",
    "2: rep movsb",
    "ret",
    ".size memmove, . - memmove",
    ".hidden memset",
    ".globl memset",
    ".type memset, @function",
    "memset:",
    "endbr64",
    "movq %rdi, %r8",
    "movl %esi, %eax",
    "movq %rdx, %rcx",
    "rep stosb",
    "movq %r8, %rax",
    "ret",
    ".size memset, . - memset",
    ".hidden memcmp",
    ".globl memcmp",
    ".hidden bcmp",
    ".globl bcmp",
    ".type memcmp, @function",
    ".type bcmp, @function",
    "memcmp:",
    "bcmp:",
    "endbr64",
    "xorl %ecx, %ecx",
    "2: cmpq %rdx, %rcx",
    "je 3f",
    "movzbl (%rdi, %rcx), %eax",
    "movzbl (%rsi, %rcx), %r8d",
    "incq %rcx",
    "subl %r8d, %eax",
    "je 2b",
    "ret",
    "3: xorl %eax, %eax",
    "ret",
    ".size memcmp, . - memcmp",
    ".size bcmp, . - bcmp",
    ".hidden strlen",
    ".globl strlen",
    ".type strlen, @function",
    "strlen:",
    "endbr64",
    "xorl %eax, %eax",
    "2: cmpb $0, (%rdi, %rax)",
    "je 3f",
    "incq %rax",
    "jmp 2b",
    "3: ret",
    ".size strlen, . - strlen",
    options(att_syntax)
);

/// The address of a symbol of this object, without a global offset table; null for an undefined weak one.
macro_rules! address {
    ($directive:literal, $symbol:literal) => {{
        let address: usize;
        // SAFETY: forms an address; no memory is touched.
        unsafe {
            asm!(
                concat!($directive, " ", $symbol),
                concat!(".hidden ", $symbol),
                concat!("lea {0}, [rip + ", $symbol, "]"),
                out(reg) address,
                options(nomem, nostack, preserves_flags)
            );
        }
        address
    }};
}

pub fn header() -> *const u8 {
    address!(".globl", "jl_image_header") as *const u8
}

pub fn state() -> *const u32 {
    address!(".globl", "jl_image_state") as *const u32
}

pub fn refused_entry() -> usize {
    address!(".globl", "jl_image_refused")
}

pub fn nothing_entry() -> usize {
    address!(".globl", "jl_image_nothing")
}

/// This image's dynamic section; null in a static program.
pub fn dynamic() -> *const u8 {
    address!(".weak", "_DYNAMIC") as *const u8
}

/// Begin and end of this image's `.init_array`, as the linker defines them.
pub fn constructors() -> (*mut usize, *mut usize) {
    let (start, end) = (address!(".weak", "__init_array_start"), address!(".weak", "__init_array_end"));
    (start as *mut usize, end as *mut usize)
}

/// As [`constructors`], of `.fini_array`.
pub fn destructors() -> (*mut usize, *mut usize) {
    let (start, end) = (address!(".weak", "__fini_array_start"), address!(".weak", "__fini_array_end"));
    (start as *mut usize, end as *mut usize)
}

/// The process's block: the first in the global scope, which may be another object's, hence through the
/// global offset table.
pub fn process() -> *const Process {
    let address: *const Process;
    // SAFETY: reads one entry of this image's global offset table, which is relocated before constructors.
    unsafe {
        asm!(
            "mov {0}, qword ptr [rip + __jl_process_v1@GOTPCREL]",
            out(reg) address,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    address
}
