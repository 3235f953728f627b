//! Values: uses, operands, instructions, metadata.

use super::{Block, FUNCTION_INDEX, Function, Module, Opcode, Type, attribute_kind, llvm, non_null, text};
use crate::shim;
use llvm_sys::core::*;
use llvm_sys::prelude::*;

/// Any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(pub(super) LLVMValueRef);

impl Value {
    pub fn name(self) -> &'static str {
        let mut len = 0;
        let raw = llvm!(LLVMGetValueName2(self.0, &mut len));
        text(raw, len)
    }

    pub fn set_name(self, name: &str) {
        llvm!(LLVMSetValueName2(self.0, name.as_ptr().cast(), name.len()));
    }

    pub fn ty(self) -> Type {
        Type(llvm!(LLVMTypeOf(self.0)))
    }

    pub fn as_function(self) -> Option<Function> {
        non_null(llvm!(LLVMIsAFunction(self.0))).map(|v| Function(Value(v)))
    }

    pub fn is_constant(self) -> bool {
        llvm!(LLVMIsConstant(self.0)) != 0
    }

    pub fn is_instruction(self) -> bool {
        !llvm!(LLVMIsAInstruction(self.0)).is_null()
    }

    pub fn is_block_address(self) -> bool {
        !llvm!(LLVMIsABlockAddress(self.0)).is_null()
    }

    pub fn is_global_variable(self) -> bool {
        !llvm!(LLVMIsAGlobalVariable(self.0)).is_null()
    }

    pub fn initializer(self) -> Option<Value> {
        non_null(llvm!(LLVMGetInitializer(self.0))).map(Value)
    }

    pub fn operands(self) -> impl Iterator<Item = Value> {
        let count = if llvm!(LLVMIsAUser(self.0)).is_null() { 0 } else { llvm!(LLVMGetNumOperands(self.0)) };
        (0..count as u32).filter_map(move |i| non_null(llvm!(LLVMGetOperand(self.0, i)))).map(Value)
    }

    pub fn operand(self, index: u32) -> Value {
        Value(llvm!(LLVMGetOperand(self.0, index)))
    }

    pub fn set_operand(self, index: u32, value: Value) {
        llvm!(LLVMSetOperand(self.0, index, value.0));
    }

    /// The values that use this one, once per use.
    pub fn users(self) -> Vec<Value> {
        let first = llvm!(LLVMGetFirstUse(self.0));
        std::iter::successors(non_null(first), |u| non_null(llvm!(LLVMGetNextUse(*u))))
            .map(|u| Value(llvm!(LLVMGetUser(u))))
            .collect()
    }

    pub fn has_uses(self) -> bool {
        !llvm!(LLVMGetFirstUse(self.0)).is_null()
    }

    pub fn replace_all_uses_with(self, other: Value) {
        llvm!(LLVMReplaceAllUsesWith(self.0, other.0));
    }

    pub fn opcode(self) -> Opcode {
        llvm!(LLVMGetInstructionOpcode(self.0))
    }

    /// The block of an instruction.
    pub fn parent(self) -> Block {
        Block(llvm!(LLVMGetInstructionParent(self.0)))
    }

    pub fn is_call(self) -> bool {
        matches!(self.opcode(), Opcode::LLVMCall | Opcode::LLVMInvoke | Opcode::LLVMCallBr)
    }

    /// What a call calls, and the function type it calls it by.
    pub fn callee(self) -> (Value, Type) {
        (Value(llvm!(LLVMGetCalledValue(self.0))), Type(llvm!(LLVMGetCalledFunctionType(self.0))))
    }

    pub(super) fn is_debug_intrinsic(self) -> bool {
        let callee = self.is_call().then(|| self.callee().0.as_function()).flatten();
        callee.is_some_and(|f| f.name().starts_with("llvm.dbg."))
    }

    /// Makes a call call `callee`, which must have the same type.
    pub fn set_callee(self, callee: Function) {
        // The callee is the last operand of call, invoke and callbr alike.
        let last = llvm!(LLVMGetNumOperands(self.0)) - 1;
        llvm!(LLVMSetOperand(self.0, last as u32, callee.0.0));
    }

    pub fn call_has_attribute(self, name: &str) -> bool {
        let kind = attribute_kind(name);
        kind != 0 && !llvm!(LLVMGetCallSiteEnumAttribute(self.0, FUNCTION_INDEX, kind)).is_null()
    }

    pub fn add_call_attribute(self, module: Module, name: &str) {
        let attribute = llvm!(LLVMCreateEnumAttribute(module.context(), attribute_kind(name), 0));
        llvm!(LLVMAddCallSiteAttribute(self.0, FUNCTION_INDEX, attribute));
    }

    /// The text of inline assembly, when this is some.
    pub fn inline_asm(self) -> Option<String> {
        non_null(llvm!(LLVMIsAInlineAsm(self.0)))?;
        let mut len = 0;
        let raw = llvm!(shim::jl_cpp_inline_asm(self.0, &mut len));
        Some(text(raw, len).to_string())
    }

    /// Fast-math flags by LLVM's C numbering; `None` when the instruction cannot have any.
    pub fn fast_math(self) -> Option<u32> {
        let mut bits = 0;
        llvm!(shim::jl_cpp_fast_math(self.0, &mut bits)).then_some(bits)
    }

    /// Sets the fast-math flags of an instruction that can have some.
    pub fn set_fast_math(self, flags: u32) {
        llvm!(shim::jl_cpp_set_fast_math(self.0, flags));
    }

    /// The incoming values of a phi with their blocks.
    pub fn incoming(self) -> Vec<(Value, Block)> {
        let count = llvm!(LLVMCountIncoming(self.0));
        (0..count)
            .map(|i| {
                (Value(llvm!(LLVMGetIncomingValue(self.0, i))), Block(llvm!(LLVMGetIncomingBlock(self.0, i))))
            })
            .collect()
    }

    /// Removes an instruction without uses; the handle must not be used again.
    pub fn erase_instruction(self) {
        llvm!(LLVMInstructionEraseFromParent(self.0));
    }

    pub(super) fn metadata_operands(self) -> Vec<Value> {
        // True of values as metadata too, which count as having one operand.
        if llvm!(LLVMIsAMDNode(self.0)).is_null() {
            return Vec::new();
        }
        let count = llvm!(LLVMGetMDNodeNumOperands(self.0)) as usize;
        let mut list = vec![std::ptr::null_mut(); count];
        llvm!(LLVMGetMDNodeOperands(self.0, list.as_mut_ptr()));
        list.into_iter().filter_map(non_null).map(Value).collect()
    }

    pub(super) fn metadata_string(self) -> Option<String> {
        let mut len = 0;
        let raw = llvm!(LLVMGetMDString(self.0, &mut len));
        (!raw.is_null()).then(|| text(raw, len as usize).to_string())
    }
}
