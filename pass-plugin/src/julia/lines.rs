//! The lines of calls that throw, in modules with the tables of Julia before 1.9.
//!
//! Julia reads the line of each frame of a backtrace from debug info, and its LLVM left such calls apart. Newer ones make
//! one call of all that end in `unreachable` and differ in nothing but the line, which then belongs to none of them.

use crate::llvm::{Block, Module, Opcode, Value};

/// An attribute of calls: LLVM may not make one of this call and another.
const APART: &str = "nomerge";

/// Keeps each call that does not return apart from its like.
pub fn keep(module: Module) {
    let functions = module.functions().filter(|f| !f.is_declaration());
    for call in functions.flat_map(|f| f.blocks()).filter_map(last_call) {
        call.add_call_attribute(module, APART);
    }
}

/// The call after which `block` does not go on.
fn last_call(block: Block) -> Option<Value> {
    block.terminator().filter(|end| end.opcode() == Opcode::LLVMUnreachable)?;
    let before = block.instructions().filter(|i| i.opcode() != Opcode::LLVMUnreachable).last()?;
    before.is_call().then_some(before)
}
