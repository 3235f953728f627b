//! Symbols of every kind, who refers to whom, and what makes one visible.

use super::{Module, Value, llvm, non_null};
use crate::shim;
use llvm_sys::comdat::LLVMGetComdat;
use llvm_sys::core::*;
use llvm_sys::prelude::{LLVMMetadataRef, LLVMValueRef};
use llvm_sys::target::{LLVMABISizeOfType, LLVMGetModuleDataLayout};
use llvm_sys::{LLVMLinkage, LLVMUnnamedAddr, LLVMVisibility};
use std::ffi::c_void;

impl Module {
    /// All variables, functions, aliases and IFUNCs, in the order in which bitcode keeps them.
    pub fn symbols(self) -> Vec<Value> {
        let mut list: Vec<Value> = Vec::new();
        let data: *mut Vec<Value> = &mut list;
        llvm!(shim::jl_cpp_symbols(self.0, data.cast(), push_symbol));
        list
    }

    pub fn has_symbol(self, name: &str) -> bool {
        let name = super::c_string(name);
        let name = name.as_ptr();
        llvm!(
            !LLVMGetNamedGlobal(self.0, name).is_null()
                || !LLVMGetNamedFunction(self.0, name).is_null()
                || !LLVMGetNamedGlobalAlias(self.0, name, libc::strlen(name)).is_null()
                || !LLVMGetNamedGlobalIFunc(self.0, name, libc::strlen(name)).is_null()
        )
    }

    pub fn alias(self, name: &str) -> Option<Value> {
        let name = super::c_string(name);
        let name = name.as_ptr();
        llvm!(non_null(LLVMGetNamedGlobalAlias(self.0, name, libc::strlen(name)))).map(Value)
    }

    /// Size in bytes of a variable.
    pub fn size_of(self, variable: Value) -> u64 {
        llvm!(LLVMABISizeOfType(LLVMGetModuleDataLayout(self.0), LLVMGlobalGetValueType(variable.0)))
    }

    /// The assembly at file scope.
    pub fn asm(self) -> String {
        let mut len = 0;
        let raw = llvm!(LLVMGetModuleInlineAsm(self.0, &mut len));
        super::text(raw, len).to_string()
    }
}

extern "C" fn push_symbol(data: *mut c_void, symbol: LLVMValueRef) {
    // SAFETY: `Module::symbols` passes a `*mut Vec<Value>` of its own frame and does not touch it meanwhile.
    unsafe { &mut *data.cast::<Vec<Value>>() }.push(Value(symbol));
}

extern "C" fn push_reference(data: *mut c_void, symbol: LLVMValueRef, tied: bool) {
    // SAFETY: `Value::references` passes a `*mut Vec<(Value, bool)>` of its own frame and does not touch it
    // meanwhile.
    unsafe { &mut *data.cast::<Vec<(Value, bool)>>() }.push((Value(symbol), tied));
}

impl Value {
    /// The symbols that a symbol's definition refers to, and whether the two must stay in one module.
    pub fn references(self) -> Vec<(Value, bool)> {
        let mut list: Vec<(Value, bool)> = Vec::new();
        let data: *mut Vec<(Value, bool)> = &mut list;
        llvm!(shim::jl_cpp_references(self.0, data.cast(), push_reference));
        list
    }

    /// A function or variable: what can have metadata.
    pub fn is_global_object(self) -> bool {
        llvm!(non_null(LLVMIsAGlobalObject(self.0))).is_some() && !self.is_indirect_symbol()
    }

    /// An alias or IFUNC.
    pub fn is_indirect_symbol(self) -> bool {
        llvm!(!LLVMIsAGlobalAlias(self.0).is_null() || !LLVMIsAGlobalIFunc(self.0).is_null())
    }

    /// What an alias stands for.
    pub fn aliasee(self) -> Value {
        Value(llvm!(LLVMAliasGetAliasee(self.0)))
    }

    pub fn set_aliasee(self, of: Value) {
        llvm!(LLVMAliasSetAliasee(self.0, of.0));
    }

    /// Whether LLVM drops the definition where nothing in its own module uses it.
    pub fn is_discardable(self) -> bool {
        use LLVMLinkage::*;
        self.is_local() || matches!(self.linkage(), LLVMLinkOnceAnyLinkage | LLVMLinkOnceODRLinkage)
    }

    /// Makes a symbol that is dropped where it is unused one that stays.
    pub fn keep_unused(self) {
        use LLVMLinkage::*;
        let linkage = match self.linkage() {
            LLVMLinkOnceAnyLinkage => LLVMWeakAnyLinkage,
            LLVMLinkOnceODRLinkage => LLVMWeakODRLinkage,
            other => other,
        };
        self.set_linkage(linkage);
    }

    pub fn has_unnamed_address(self) -> bool {
        llvm!(LLVMGetUnnamedAddress(self.0)) == LLVMUnnamedAddr::LLVMGlobalUnnamedAddr
    }

    /// Tells COMDAT groups apart; `None` for a symbol without one.
    pub fn comdat_identity(self) -> Option<usize> {
        // C++ refuses to look for the group of an alias.
        self.is_global_object().then(|| llvm!(LLVMGetComdat(self.0)) as usize).filter(|group| *group != 0)
    }

    /// Makes a local symbol one that other objects of its image see.
    pub fn make_hidden_external(self) {
        llvm!(LLVMSetLinkage(self.0, LLVMLinkage::LLVMExternalLinkage));
        llvm!(LLVMSetVisibility(self.0, LLVMVisibility::LLVMHiddenVisibility));
        self.set_dso_local();
    }

    pub fn erase_global_metadata(self, module: Module, kind: &str) {
        let id = llvm!(LLVMGetMDKindIDInContext(module.context(), kind.as_ptr().cast(), kind.len() as u32));
        llvm!(LLVMGlobalEraseMetadata(self.0, id));
    }

    /// The integer of `!kind !{iN value}` on a function or variable.
    pub fn global_metadata_integer(self, module: Module, kind: &str) -> Option<u64> {
        let node: LLVMMetadataRef = module.global_metadata(self, kind)?;
        let value = Value(llvm!(LLVMMetadataAsValue(module.context(), node)));
        let operand = value.metadata_operands().first().copied()?;
        llvm!(non_null(LLVMIsAConstantInt(operand.0))).map(|c| llvm!(LLVMConstIntGetZExtValue(c)))
    }
}

impl Module {
    fn global_metadata(self, symbol: Value, kind: &str) -> Option<LLVMMetadataRef> {
        let id = llvm!(LLVMGetMDKindIDInContext(self.context(), kind.as_ptr().cast(), kind.len() as u32));
        let mut count = 0;
        let entries = non_null(llvm!(LLVMGlobalCopyAllMetadata(symbol.0, &mut count)))?;
        let found = (0..count as u32).find(|i| llvm!(LLVMValueMetadataEntriesGetKind(entries, *i)) == id);
        let node = found.map(|i| llvm!(LLVMValueMetadataEntriesGetMetadata(entries, i)));
        llvm!(LLVMDisposeValueMetadataEntries(entries));
        node
    }
}
