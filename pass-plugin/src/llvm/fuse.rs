//! Rewriting of multiplications with an addition: fused in the IR, or taken apart.

use super::{Module, Opcode, Type, Value, fast_math, llvm};
use llvm_sys::LLVMBuilder;
use llvm_sys::core::*;
use llvm_sys::debuginfo::LLVMInstructionGetDebugLoc;

impl Value {
    /// Replaces `llvm.fmuladd(a, b, c)` by a multiplication and an addition with the call's fast-math
    /// flags but `contract`.
    pub fn split_multiply_add(self, module: Module) {
        let (a, b, c) = (self.operand(0), self.operand(1), self.operand(2));
        let flags = self.fast_math().unwrap_or(0) & !fast_math::CONTRACT;
        let builder = Builder::before(module, self);
        let product =
            builder.with_flags(Value(llvm!(LLVMBuildFMul(builder.0, a.0, b.0, c"".as_ptr()))), flags);
        let sum =
            builder.with_flags(Value(llvm!(LLVMBuildFAdd(builder.0, product.0, c.0, c"".as_ptr()))), flags);
        self.replace_by(sum);
    }

    /// Replaces `llvm.fmuladd(a, b, c)` by `llvm.fma(a, b, c)`.
    pub fn fuse_multiply_add(self, module: Module) {
        let flags = self.fast_math().unwrap_or(0) & !fast_math::CONTRACT;
        let builder = Builder::before(module, self);
        let fused = builder.fma(module, [self.operand(0), self.operand(1), self.operand(2)]);
        self.replace_by(builder.with_flags(fused, flags));
    }

    /// Replaces an addition or subtraction by `llvm.fma`, if one of its operands is a multiplication for it alone that
    /// `may_fuse`; the first operand goes first.
    pub fn fuse_with_product(self, module: Module, may_fuse: impl Fn(Value) -> bool) {
        let (left, right) = (self.operand(0), self.operand(1));
        let subtracts = self.opcode() == Opcode::LLVMFSub;
        let fits = |v: Value| {
            v.is_instruction() && v.opcode() == Opcode::LLVMFMul && v.users().len() == 1 && may_fuse(v)
        };
        let Some(product) = [left, right].into_iter().find(|v| fits(*v)) else { return };
        let flags = |v: Value| v.fast_math().unwrap_or(0) & !fast_math::CONTRACT;
        let both = flags(self) & flags(product);
        let builder = Builder::before(module, self);
        let negated = |v: Value| Value(llvm!(LLVMBuildFNeg(builder.0, v.0, c"".as_ptr())));
        let (a, b) = (product.operand(0), product.operand(1));
        // a * b - c, and c - a * b, by negating one factor: both exact.
        let operands = match (subtracts, product == left) {
            (false, true) => [a, b, right],
            (false, false) => [a, b, left],
            (true, true) => [a, b, negated(right)],
            (true, false) => [negated(a), b, left],
        };
        let fused = builder.fma(module, operands);
        self.replace_by(builder.with_flags(fused, both));
        product.erase_instruction();
    }

    fn replace_by(self, other: Value) {
        self.replace_all_uses_with(other);
        self.erase_instruction();
    }
}

/// Inserts before an instruction, with its place in the source.
struct Builder(*mut LLVMBuilder);

impl Builder {
    fn before(module: Module, instruction: Value) -> Builder {
        let builder = llvm!(LLVMCreateBuilderInContext(module.context()));
        llvm!(LLVMPositionBuilderBefore(builder, instruction.0));
        let location = llvm!(LLVMInstructionGetDebugLoc(instruction.0));
        if !location.is_null() {
            llvm!(LLVMSetCurrentDebugLocation2(builder, location));
        }
        Builder(builder)
    }

    /// Constant operands fold to constants, which have no flags.
    fn with_flags(&self, value: Value, flags: u32) -> Value {
        if value.is_instruction() {
            value.set_fast_math(flags);
        }
        value
    }

    fn fma(&self, module: Module, operands: [Value; 3]) -> Value {
        const NAME: &str = "llvm.fma";
        let mut ty = [operands[0].ty().0];
        let id = llvm!(LLVMLookupIntrinsicID(NAME.as_ptr().cast(), NAME.len()));
        let function = Value(llvm!(LLVMGetIntrinsicDeclaration(module.0, id, ty.as_mut_ptr(), 1)));
        let signature = Type(llvm!(LLVMGlobalGetValueType(function.0)));
        let mut arguments = operands.map(|o| o.0);
        let (list, count) = (arguments.as_mut_ptr(), arguments.len() as u32);
        Value(llvm!(LLVMBuildCall2(self.0, signature.0, function.0, list, count, c"".as_ptr())))
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        llvm!(LLVMDisposeBuilder(self.0));
    }
}
