//! Constants: their kinds, their layout in memory, and how to make them.

use super::{Module, Opcode, Type, TypeKind, Value, llvm, non_null};
use crate::shim;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::target::{
    LLVMABISizeOfType, LLVMGetModuleDataLayout, LLVMIntPtrTypeInContext, LLVMOffsetOfElement,
};

/// What matters of a constant to who looks for addresses in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConstantKind {
    /// An array, struct or vector of constants.
    Aggregate,
    /// A conversion that keeps the bits of an address.
    SameBits,
    /// Any other expression over constants.
    Expression,
    Alias,
    /// Functions, variables, numbers and the rest.
    Other,
}

impl Value {
    pub fn constant_kind(self) -> ConstantKind {
        let is = |found: LLVMValueRef| !found.is_null();
        if is(llvm!(LLVMIsAConstantExpr(self.0))) {
            return match llvm!(LLVMGetConstOpcode(self.0)) {
                Opcode::LLVMPtrToInt
                | Opcode::LLVMIntToPtr
                | Opcode::LLVMBitCast
                | Opcode::LLVMAddrSpaceCast => ConstantKind::SameBits,
                _ => ConstantKind::Expression,
            };
        }
        if is(llvm!(LLVMIsAConstantArray(self.0)))
            || is(llvm!(LLVMIsAConstantStruct(self.0)))
            || is(llvm!(LLVMIsAConstantVector(self.0)))
        {
            return ConstantKind::Aggregate;
        }
        if is(llvm!(LLVMIsAGlobalAlias(self.0))) { ConstantKind::Alias } else { ConstantKind::Other }
    }

    /// The operation of a constant expression.
    pub fn constant_opcode(self) -> Option<Opcode> {
        let expression = non_null(llvm!(LLVMIsAConstantExpr(self.0)))?;
        Some(llvm!(LLVMGetConstOpcode(expression)))
    }

    /// An integer constant of at most 64 bits.
    pub fn unsigned(self) -> Option<u64> {
        non_null(llvm!(LLVMIsAConstantInt(self.0))).map(|c| llvm!(LLVMConstIntGetZExtValue(c)))
    }

    /// The elements of a constant array; none of what is no array.
    pub fn elements(self) -> Vec<Value> {
        let count = self.array_length().unwrap_or(0);
        (0..count)
            .filter_map(|i| non_null(llvm!(LLVMGetAggregateElement(self.0, i as u32))))
            .map(Value)
            .collect()
    }

    pub fn number(ty: Type, value: u64) -> Value {
        Value(llvm!(LLVMConstInt(ty.0, value, 0)))
    }

    /// The null value of this value's type.
    pub fn null_like(self) -> Value {
        Value(llvm!(LLVMConstNull(LLVMTypeOf(self.0))))
    }

    /// The number of elements of an array's type; `None` for other values.
    pub fn array_length(self) -> Option<u64> {
        // The type of an array constant or of a null of an array type.
        let ty = llvm!(LLVMTypeOf(self.0));
        (Type(ty).kind() == TypeKind::LLVMArrayTypeKind).then(|| llvm!(shim::jl_cpp_array_length(ty)))
    }
}

impl Module {
    /// The integer type of an address.
    pub fn address_type(self) -> Type {
        let layout = llvm!(LLVMGetModuleDataLayout(self.0));
        Type(llvm!(LLVMIntPtrTypeInContext(self.context(), layout)))
    }

    /// Where part `index` of a value of an aggregate type begins, in bytes.
    pub fn offset_of_part(self, ty: Type, index: u32) -> u64 {
        let layout = llvm!(LLVMGetModuleDataLayout(self.0));
        match ty.kind() {
            TypeKind::LLVMStructTypeKind => llvm!(LLVMOffsetOfElement(layout, ty.0, index)),
            _ => u64::from(index) * llvm!(LLVMABISizeOfType(layout, LLVMGetElementType(ty.0))),
        }
    }

    pub fn array(self, element: Type, values: &[Value]) -> Value {
        let raw: Vec<LLVMValueRef> = values.iter().map(|v| v.0).collect();
        Value(llvm!(shim::jl_cpp_array(element.0, raw.as_ptr(), raw.len())))
    }

    /// An array of 32-bit words.
    pub fn words(self, words: &[u32]) -> Value {
        let values: Vec<Value> = words.iter().map(|w| self.int(32, u64::from(*w))).collect();
        self.array(Type(self.int_type(32)), &values)
    }

    /// The 32-bit distance from `from` to byte `offset` of `to`, as a link-time constant.
    pub fn distance32(self, to: Value, offset: u64, from: Value) -> Value {
        let address = self.address_type();
        let number = |v: Value| llvm!(LLVMConstPtrToInt(v.0, address.0));
        let mut to = number(to);
        if offset != 0 {
            to = llvm!(LLVMConstAdd(to, LLVMConstInt(address.0, offset, 0)));
        }
        let distance = llvm!(LLVMConstSub(to, number(from)));
        let wide = address.integer_bits().is_some_and(|bits| bits > 32);
        Value(if wide { llvm!(LLVMConstTrunc(distance, self.int_type(32))) } else { distance })
    }
}
