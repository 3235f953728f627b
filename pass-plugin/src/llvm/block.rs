//! Basic blocks, their successors, and the loops they are in.

use super::{Function, Value, llvm, non_null};
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::ffi::c_void;

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block(pub(super) LLVMBasicBlockRef);

impl Block {
    /// The block's instructions, without those that only say where variables are (before LLVM 19 those are
    /// calls): what is decided must not depend on debug info.
    pub fn instructions(self) -> impl Iterator<Item = Value> {
        let first = llvm!(LLVMGetFirstInstruction(self.0));
        let all = std::iter::successors(non_null(first), |v| non_null(llvm!(LLVMGetNextInstruction(*v))));
        all.map(Value).filter(|i| !cfg!(feature = "llvm16") || !i.is_debug_intrinsic())
    }

    /// Whether a label address (`&&label`) of this block is used anywhere.
    pub fn has_address_taken(self) -> bool {
        !self.addresses().is_empty()
    }

    /// The constants that are this block's label address.
    pub fn addresses(self) -> Vec<Value> {
        let users = Value(llvm!(LLVMBasicBlockAsValue(self.0))).users();
        users.into_iter().filter(|u| u.is_block_address()).collect()
    }

    pub fn function(self) -> Function {
        Function(Value(llvm!(LLVMGetBasicBlockParent(self.0))))
    }

    pub fn terminator(self) -> Option<Value> {
        non_null(llvm!(LLVMGetBasicBlockTerminator(self.0))).map(Value)
    }
}

impl Value {
    pub fn successors(self) -> Vec<Block> {
        let count = llvm!(LLVMGetNumSuccessors(self.0));
        (0..count).map(|i| Block(llvm!(LLVMGetSuccessor(self.0, i)))).collect()
    }
}

/// A block in a loop, as LLVM's LoopInfo sees it.
#[derive(Clone, Copy)]
pub struct LoopBlock {
    pub block: Block,
    pub header: Block,
    /// The innermost loop around the block has no loop inside.
    pub innermost: bool,
}

pub(super) extern "C" fn push_loop(
    data: *mut c_void,
    block: LLVMBasicBlockRef,
    header: LLVMBasicBlockRef,
    innermost: bool,
) {
    // SAFETY: `Function::loops` passes a `*mut Vec<LoopBlock>` of its own frame and waits for the visit to end.
    let list = unsafe { &mut *data.cast::<Vec<LoopBlock>>() };
    list.push(LoopBlock { block: Block(block), header: Block(header), innermost });
}
