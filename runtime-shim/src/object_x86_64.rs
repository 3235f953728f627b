//! What the entries of the object consist of on x86-64, its memory functions and the addresses of its symbols.
//!
//! Entries start with ENDBR64, and the property note says that the object keeps to IBT and SHSTK: one
//! object without it takes the marks from the whole image. The compiled code has no other indirect branch
//! (jump tables are off, there is no `dyn`), which `build_object.rs` checks.

use crate::process::Process;
use core::arch::{asm, global_asm};

/// What an entry starts with.
macro_rules! landing_mark {
    () => {
        "endbr64"
    };
}
/// A jump to a function of this object.
macro_rules! jump_to {
    ($function:literal) => {
        concat!("jmp ", $function)
    };
}
/// An instruction that takes a function's address from the global offset table.
macro_rules! table_entry {
    ($function:literal) => {
        concat!("mov rax, qword ptr [rip + ", $function, "@GOTPCREL]")
    };
}
/// The last 8 of 16 bytes of code: an operand, since nothing tells data among code from instructions.
macro_rules! word_in_code {
    ($word:literal) => {
        concat!(".nops 6\nmovabs rax, ", $word)
    };
}

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
    // 16 bytes at a time, aligned, so that no page is touched that the string is not in.
    "movq %rdi, %rax",
    "movl %edi, %ecx",
    "andl $15, %ecx",
    "andq $-16, %rdi",
    "pxor %xmm0, %xmm0",
    "movdqa %xmm0, %xmm1",
    "pcmpeqb (%rdi), %xmm1",
    "pmovmskb %xmm1, %edx",
    "shrl %cl, %edx",
    "shll %cl, %edx",
    "jmp 3f",
    "2: addq $16, %rdi",
    "movdqa %xmm0, %xmm1",
    "pcmpeqb (%rdi), %xmm1",
    "pmovmskb %xmm1, %edx",
    "3: testl %edx, %edx",
    "jz 2b",
    "bsfl %edx, %edx",
    "subq %rax, %rdi",
    "leaq (%rdi, %rdx), %rax",
    "ret",
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

pub fn unresolved_entry() -> usize {
    address!(".globl", "jl_link_must_link_this")
}

pub fn nothing_entry() -> usize {
    address!(".globl", "jl_image_nothing")
}

/// This image's ELF header; null where it is not in memory.
pub fn elf_header() -> *const u8 {
    address!(".weak", "__ehdr_start") as *const u8
}

/// This image's dynamic section; null in a static program.
pub fn dynamic() -> *const u8 {
    address!(".weak", "_DYNAMIC") as *const u8
}

/// `jl_image_construct` of this object.
pub fn construct_entry() -> usize {
    address!(".globl", "jl_image_construct")
}

/// The address of a weak symbol that other objects may define, by this image's global offset table; 0 where none does.
macro_rules! address_elsewhere {
    ($symbol:literal) => {{
        let address: usize;
        // SAFETY: reads one entry of this image's global offset table, which is relocated before IFUNCs are resolved. In two
        // steps: a linker may turn an instruction that reads the table into one that forms an address, and 0 is at no known
        // distance.
        unsafe {
            asm!(
                concat!(".weak ", $symbol),
                concat!("lea {0}, [rip + ", $symbol, "@GOTPCREL]"),
                "mov {0}, qword ptr [{0}]",
                out(reg) address,
                options(pure, readonly, nostack, preserves_flags)
            );
        }
        address
    }};
}

/// As [`construct_entry`], in the first image of this one's scope that has it under the name for others; 0 where no such image is.
pub fn first_construct_entry() -> usize {
    address_elsewhere!("__jl_construct_v1")
}

/// Where glibc's dynamic linker notes what the first stack began with; null where it is another one, and in an image with
/// dependencies, whose linker leaves that to the image that lends it the constructor.
pub fn first_stack() -> *const usize {
    address_elsewhere!("__libc_stack_end") as *const usize
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
            "call {0}",
            in(reg) function,
            in("rdi") words[0],
            in("rsi") words[1],
            in("rdx") words[2],
            in("rcx") words[3],
            lateout("rax") result,
            clobber_abi("C")
        );
    }
    result
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
