//! The trampoline's one instruction on x86-64.

use crate::arch::Trampoline;

/// Jumps to what the slot, operand 0, holds. It changes no register, so that it carries any calling
/// convention, and needs no unwind information of its own: the stack is as the caller left it.
pub const TRAMPOLINE: Trampoline = Trampoline { asm: "jmpq *$0", constraint: "*m" };
