//! What only globals and functions have: linkage, section, COMDAT, initialiser.

use super::{Linkage, Module, Value, c_string, llvm};
use crate::shim;
use llvm_sys::comdat::{LLVMGetComdat, LLVMGetOrInsertComdat, LLVMSetComdat};
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::{LLVMUnnamedAddr, LLVMVisibility};
use std::ffi::CStr;

impl Value {
    pub fn linkage(self) -> Linkage {
        llvm!(LLVMGetLinkage(self.0))
    }

    pub fn set_linkage(self, linkage: Linkage) {
        llvm!(LLVMSetLinkage(self.0, linkage));
    }

    pub fn is_local(self) -> bool {
        matches!(self.linkage(), Linkage::LLVMInternalLinkage | Linkage::LLVMPrivateLinkage)
    }

    pub fn is_declaration(self) -> bool {
        llvm!(LLVMIsDeclaration(self.0)) != 0
    }

    pub fn set_hidden(self) {
        llvm!(LLVMSetVisibility(self.0, LLVMVisibility::LLVMHiddenVisibility));
    }

    pub fn section(self) -> Option<&'static str> {
        let raw = llvm!(LLVMGetSection(self.0));
        // SAFETY: a non-null result is a zero-terminated string owned by the module.
        (!raw.is_null()).then(|| unsafe { CStr::from_ptr(raw) }.to_str().unwrap_or("?"))
    }

    pub fn set_section(self, section: &str) {
        llvm!(LLVMSetSection(self.0, c_string(section).as_ptr()));
    }

    pub fn set_alignment(self, bytes: u32) {
        llvm!(LLVMSetAlignment(self.0, bytes));
    }

    pub fn set_constant(self, constant: bool) {
        llvm!(LLVMSetGlobalConstant(self.0, i32::from(constant)));
    }

    pub fn set_externally_initialized(self) {
        llvm!(LLVMSetExternallyInitialized(self.0, 1));
    }

    pub fn set_initializer(self, value: Value) {
        llvm!(LLVMSetInitializer(self.0, value.0));
    }

    pub fn set_unnamed_addr(self) {
        llvm!(LLVMSetUnnamedAddress(self.0, LLVMUnnamedAddr::LLVMGlobalUnnamedAddr));
    }

    /// Tells LLVM that the symbol resolves inside the image, so that its address needs no relocation.
    pub fn set_dso_local(self) {
        llvm!(shim::jl_cpp_set_dso_local(self.0));
    }

    pub fn is_constant_variable(self) -> bool {
        llvm!(LLVMIsGlobalConstant(self.0)) != 0
    }

    /// Takes over what else a symbol's meaning to the linker is, besides name and linkage.
    pub fn copy_visibility(self, from: Value) {
        llvm!(LLVMSetVisibility(self.0, LLVMGetVisibility(from.0)));
        llvm!(LLVMSetDLLStorageClass(self.0, LLVMGetDLLStorageClass(from.0)));
        llvm!(shim::jl_cpp_copy_dso_local(self.0, from.0));
    }

    /// Removes a variable or alias without uses; the handle must not be used again.
    pub fn erase_global(self) {
        llvm!(shim::jl_cpp_erase_global(self.0));
    }

    pub fn no_sanitize(self) {
        llvm!(shim::jl_cpp_no_sanitize(self.0));
    }

    pub fn has_comdat(self) -> bool {
        !llvm!(LLVMGetComdat(self.0)).is_null()
    }

    pub fn copy_comdat(self, from: Value) {
        llvm!(LLVMSetComdat(self.0, LLVMGetComdat(from.0)));
    }

    pub fn set_own_comdat(self, module: Module) {
        let name = c_string(self.name());
        llvm!(LLVMSetComdat(self.0, LLVMGetOrInsertComdat(module.0, name.as_ptr())));
    }

    /// Sets `!kind !{}` or `!kind !{value}` on a global.
    pub fn set_global_metadata(self, module: Module, kind: &str, value: Option<Value>) {
        let context = module.context();
        let id = llvm!(LLVMGetMDKindIDInContext(context, kind.as_ptr().cast(), kind.len() as u32));
        let mut operands: Vec<LLVMMetadataRef> =
            value.iter().map(|v| llvm!(LLVMValueAsMetadata(v.0))).collect();
        let node = llvm!(LLVMMDNodeInContext2(context, operands.as_mut_ptr(), operands.len()));
        llvm!(LLVMGlobalSetMetadata(self.0, id, node));
    }
}
