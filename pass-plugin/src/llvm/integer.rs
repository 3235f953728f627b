//! Integers: constants of any width, comparisons, and what memory they are loaded from.

use super::{Module, Value, llvm, non_null};
use crate::shim;
use llvm_sys::LLVMIntPredicate;
use llvm_sys::core::*;
use llvm_sys::debuginfo::LLVMInstructionGetDebugLoc;
use llvm_sys::prelude::*;
use llvm_sys::target::{LLVMABISizeOfType, LLVMGetModuleDataLayout};
use std::cmp::Ordering;

impl Value {
    /// An integer constant of at most 128 bits.
    pub fn constant_integer(self) -> Option<u128> {
        let mut words = [0u64; 2];
        let found = llvm!(shim::jl_cpp_constant_integer(self.0, words.as_mut_ptr()));
        found.then(|| u128::from(words[0]) | u128::from(words[1]) << 64)
    }

    /// For a load: whether it must stay as it is.
    pub fn is_volatile(self) -> bool {
        llvm!(LLVMGetVolatile(self.0)) != 0
    }

    /// For a comparison of integers: the strict signed order that it asks for.
    pub fn is_signed_comparison(self) -> Option<Ordering> {
        match llvm!(LLVMGetICmpPredicate(self.0)) {
            LLVMIntPredicate::LLVMIntSLT => Some(Ordering::Less),
            LLVMIntPredicate::LLVMIntSGT => Some(Ordering::Greater),
            _ => None,
        }
    }

    /// Whether this compares `value` with zero for equality (true) or difference (false).
    pub fn compares_with_zero(self, value: Value) -> Option<bool> {
        if llvm!(LLVMIsAICmpInst(self.0)).is_null() || self.operand(0) != value {
            return None;
        }
        let predicate = llvm!(LLVMGetICmpPredicate(self.0));
        match (predicate, self.operand(1).constant_integer()?) {
            (LLVMIntPredicate::LLVMIntEQ, 0) => Some(true),
            (LLVMIntPredicate::LLVMIntNE, 0) => Some(false),
            _ => None,
        }
    }

    /// Puts `value | bits` in the place of an instruction's value, for all that use it now.
    pub fn or_with(self, module: Module, bits: Value) {
        // Made at the next instruction: one that has a value is never the last of its block here.
        let Some(next) = non_null(llvm!(LLVMGetNextInstruction(self.0))) else { return };
        let builder = llvm!(LLVMCreateBuilderInContext(module.context()));
        llvm!(LLVMPositionBuilderBefore(builder, next));
        let location = llvm!(LLVMInstructionGetDebugLoc(self.0));
        if !location.is_null() {
            llvm!(LLVMSetCurrentDebugLocation2(builder, location));
        }
        let combined = Value(llvm!(LLVMBuildOr(builder, self.0, bits.0, c"".as_ptr())));
        llvm!(LLVMDisposeBuilder(builder));
        self.replace_all_uses_with(combined);
        combined.set_operand(0, self);
    }
}

impl Module {
    /// An integer constant of at most 128 bits.
    pub fn wide_int(self, bits: u32, value: u128) -> Value {
        let words = [value as u64, (value >> 64) as u64];
        let count = bits.div_ceil(64).min(2);
        Value(llvm!(LLVMConstIntOfArbitraryPrecision(self.int_type(bits), count, words.as_ptr())))
    }

    /// The global and the offset in bytes that an address stands for, where both are constant.
    pub fn constant_address(self, address: Value) -> Option<(Value, i64)> {
        let mut offset = 0;
        let base = non_null(llvm!(shim::jl_cpp_constant_address(self.0, address.0, &mut offset)))?;
        Some((Value(base), offset))
    }

    /// Size in bytes of a global's value.
    pub fn size_of_global(self, global: Value) -> u64 {
        let layout = llvm!(LLVMGetModuleDataLayout(self.0));
        llvm!(LLVMABISizeOfType(layout, LLVMGlobalGetValueType(global.0)))
    }

    /// The compilers that made the module (`llvm.ident`).
    pub fn producers(self) -> Vec<String> {
        let name = c"llvm.ident";
        let count = llvm!(LLVMGetNamedMetadataNumOperands(self.0, name.as_ptr())) as usize;
        let mut lines: Vec<LLVMValueRef> = vec![std::ptr::null_mut(); count];
        llvm!(LLVMGetNamedMetadataOperands(self.0, name.as_ptr(), lines.as_mut_ptr()));
        let lines = lines.into_iter().filter_map(non_null).map(Value);
        lines.flat_map(Value::metadata_operands).filter_map(Value::metadata_string).collect()
    }
}
