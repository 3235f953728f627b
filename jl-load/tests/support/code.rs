//! What of a sample is an architecture's own: a few instructions each, marked for branch protection.

use super::Machine;

/// A jump through the function's slot, as the plugin makes it.
pub fn trampoline(machine: Machine, function: &str) -> String {
    jump_through(machine, &format!("{function}.reloc_slot"))
}

/// A jump through a slot.
pub fn jump_through(machine: Machine, slot: &str) -> String {
    match machine {
        Machine::X86_64 => format!("endbr64\njmp *{slot}(%rip)\n"),
        Machine::Aarch64 => format!("bti c\nadrp x16, {slot}\nldr x16, [x16, :lo12:{slot}]\nbr x16\n"),
    }
}

/// Returns the number that a pointer leads to.
pub fn load_through(machine: Machine, cell: &str) -> String {
    match machine {
        Machine::X86_64 => format!("endbr64\nmovq {cell}(%rip), %rax\nmovl (%rax), %eax\nret\n"),
        Machine::Aarch64 => {
            format!("bti c\nadrp x0, {cell}\nldr x0, [x0, :lo12:{cell}]\nldr w0, [x0]\nret\n")
        }
    }
}

/// Returns `value`.
pub fn body(machine: Machine, value: usize) -> String {
    match machine {
        Machine::X86_64 => format!("endbr64\nmovl ${value}, %eax\nret\n"),
        Machine::Aarch64 => {
            format!("bti c\nmov w0, #{}\nmovk w0, #{}, lsl #16\nret\n", value & 0xffff, value >> 16)
        }
    }
}

/// Stores what `PREFIX0` returns to `PREFIX_seen`.
pub fn constructor(machine: Machine, prefix: &str) -> String {
    match machine {
        Machine::X86_64 => format!(
            "endbr64\nsubq $8, %rsp\ncall {prefix}0@PLT\naddq $8, %rsp\n\
             movq {prefix}_seen@GOTPCREL(%rip), %rcx\nmovl %eax, (%rcx)\nret\n"
        ),
        Machine::Aarch64 => format!(
            "bti c\nstr x30, [sp, #-16]!\nbl {prefix}0\nadrp x1, :got:{prefix}_seen\n\
             ldr x1, [x1, :got_lo12:{prefix}_seen]\nstr w0, [x1]\nldr x30, [sp], #16\nret\n"
        ),
    }
}

/// The note of the marks.
pub fn marks(machine: Machine) -> &'static str {
    match machine {
        Machine::X86_64 => {
            ".section .note.gnu.property,\"a\",@note\n.p2align 3\n.long 4, 16, 5\n.asciz \"GNU\"\n\
             .long 0xc0000002, 4, 3, 0\n"
        }
        Machine::Aarch64 => {
            ".section .note.gnu.property,\"a\",@note\n.p2align 3\n.long 4, 16, 5\n.asciz \"GNU\"\n\
             .long 0xc0000000, 4, 7, 0\n"
        }
    }
}
