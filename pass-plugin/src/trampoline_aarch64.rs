//! The trampoline's instructions on aarch64.

use crate::arch::Trampoline;

/// Jumps to what the slot, operand 0, holds. It changes x16 only, which a caller gives up to whatever stands
/// between it and the callee (AAPCS64, 6.1.1), so that it carries any calling convention; and a body's `bti c`
/// lets a branch through x16 land (that is what x16 and x17 are for). The slot is named, not addressed
/// through a register: there would be none to take.
pub const TRAMPOLINE: Trampoline =
    Trampoline { asm: "adrp x16, $0\n\tldr x16, [x16, :lo12:$0]\n\tbr x16", constraint: "S" };
