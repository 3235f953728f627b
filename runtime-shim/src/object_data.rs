//! Entries and data symbols of the object and the sections they are in: the same on every architecture.

use crate::process::{PROCESS_SIZE, VERSION};
use core::arch::global_asm;
use core::mem::{offset_of, size_of};
use image_format::layout::{
    FORMAT_VERSION, IMAGE_MAGIC, ImageHeader, ImageNote, LAYOUT_HASH, NOTE_DESC_OFFSET, NOTE_NAME,
    NOTE_TYPE_IMAGE,
};

const _: () = assert!(
    offset_of!(ImageHeader, version) == 8
        && offset_of!(ImageHeader, header_size) == 12
        && offset_of!(ImageHeader, layout_hash) == 16
        && NOTE_DESC_OFFSET == 24
);

/// A function that is reached indirectly.
macro_rules! entry {
    ($name:literal, $code:expr) => {
        concat!(
            ".p2align 4\n.globl ",
            $name,
            "\n.hidden ",
            $name,
            "\n.type ",
            $name,
            ", @function\n",
            $name,
            ":\n",
            landing_mark!(),
            "\n",
            $code,
            "\n.size ",
            $name,
            ", . - ",
            $name
        )
    };
}

global_asm!(
    ".section .init_array.0, \"aw\", @init_array",
    ".p2align 3",
    ".quad jl_image_init",
    ".section .text.jl_image_entries, \"ax\", @progbits",
    entry!("jl_image_init", jump_to!("jl_shim_init")),
    entry!("jl_image_refused", jump_to!("jl_shim_refused")),
    entry!("jl_image_nothing", "ret"),
    // Where the dynamic linker resolves IFUNCs, it asks this one while it relocates the image. Nobody calls it: its entry in the
    // global offset table is there because of what stands behind, which nobody runs either.
    entry!("jl_image_relocated", jump_to!("jl_shim_relocated")),
    ".type jl_image_relocated, @gnu_indirect_function",
    table_entry!("jl_image_relocated"),
    entry!("jl_link_must_link_this", jump_to!("jl_shim_unresolved")),
    // The 8 bytes before the entry tell what object it is of: jl-link puts a hash there, instead of "jl-link!". Whoever reads all
    // code as instructions must be able to read them.
    ".p2align 4",
    word_in_code!("0x216b6e696c2d6c6a"),
    entry!("jl_image_construct", jump_to!("jl_shim_construct")),
    ".hidden jl_shim_init",
    ".hidden jl_shim_relocated",
    ".hidden jl_shim_construct",
    ".hidden jl_shim_refused",
    ".hidden jl_shim_unresolved",
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
    ".long {descriptor_size}",
    ".long {kind}",
    ".asciz \"Julienne\"",
    ".p2align 2",
    ".long {version}",
    ".long jl_image_header - .",
    ".long 0, 0",
    magic = const u64::from_le_bytes(IMAGE_MAGIC),
    version = const FORMAT_VERSION,
    header_size = const size_of::<ImageHeader>(),
    layout_hash = const LAYOUT_HASH,
    name_size = const NOTE_NAME.len(),
    descriptor_size = const size_of::<ImageNote>() - NOTE_DESC_OFFSET,
    kind = const NOTE_TYPE_IMAGE,
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
);
