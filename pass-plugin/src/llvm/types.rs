//! Types.

use super::{TypeKind, llvm};
use llvm_sys::core::*;
use llvm_sys::prelude::*;

/// A type, for the few questions that facts ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type(pub(super) LLVMTypeRef);

impl Type {
    pub fn kind(self) -> TypeKind {
        llvm!(LLVMGetTypeKind(self.0))
    }

    /// Bits of a fixed-width vector's element and the number of elements.
    pub fn vector_shape(self) -> Option<(u32, u32)> {
        if self.kind() != TypeKind::LLVMVectorTypeKind {
            return None;
        }
        let element = Type(llvm!(LLVMGetElementType(self.0)));
        let bits = match element.kind() {
            TypeKind::LLVMIntegerTypeKind => llvm!(LLVMGetIntTypeWidth(element.0)),
            TypeKind::LLVMHalfTypeKind | TypeKind::LLVMBFloatTypeKind => 16,
            TypeKind::LLVMFloatTypeKind => 32,
            _ => 64,
        };
        Some((bits, llvm!(LLVMGetVectorSize(self.0))))
    }

    pub fn is_void(self) -> bool {
        self.kind() == TypeKind::LLVMVoidTypeKind
    }

    /// The width of an integer type.
    pub fn integer_bits(self) -> Option<u32> {
        (self.kind() == TypeKind::LLVMIntegerTypeKind).then(|| llvm!(LLVMGetIntTypeWidth(self.0)))
    }

    /// A vector's element type; any other type itself.
    pub fn element(self) -> Type {
        if self.is_vector() { Type(llvm!(LLVMGetElementType(self.0))) } else { self }
    }

    pub fn is_vector(self) -> bool {
        matches!(self.kind(), TypeKind::LLVMVectorTypeKind | TypeKind::LLVMScalableVectorTypeKind)
    }

    /// Parameter types and return type of a function type.
    pub fn signature(self) -> Vec<Type> {
        let count = llvm!(LLVMCountParamTypes(self.0)) as usize;
        let mut types = vec![std::ptr::null_mut(); count];
        llvm!(LLVMGetParamTypes(self.0, types.as_mut_ptr()));
        types.push(llvm!(LLVMGetReturnType(self.0)));
        types.into_iter().map(Type).collect()
    }

    /// The types of a struct's fields or an array's element.
    pub fn parts(self) -> Vec<Type> {
        match self.kind() {
            TypeKind::LLVMStructTypeKind => {
                let count = llvm!(LLVMCountStructElementTypes(self.0)) as usize;
                let mut types = vec![std::ptr::null_mut(); count];
                llvm!(LLVMGetStructElementTypes(self.0, types.as_mut_ptr()));
                types.into_iter().map(Type).collect()
            }
            TypeKind::LLVMArrayTypeKind => vec![Type(llvm!(LLVMGetElementType(self.0)))],
            _ => Vec::new(),
        }
    }
}
