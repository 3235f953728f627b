//! Functions: bodies, attributes, symbol properties, cloning.

use super::block::push_loop;
use super::{
    Block, FUNCTION_INDEX, Linkage, LoopBlock, Module, Type, Value, attribute_kind, llvm, non_null, text,
};
use crate::arch::Trampoline;
use crate::shim;
use llvm_sys::comdat::{LLVMGetComdat, LLVMSetComdat};
use llvm_sys::core::*;
use llvm_sys::{LLVMCallConv, LLVMInlineAsmDialect, LLVMUnnamedAddr, LLVMVisibility};

/// A function.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Function(pub Value);

impl std::ops::Deref for Function {
    type Target = Value;
    fn deref(&self) -> &Value {
        &self.0
    }
}

impl Function {
    pub fn blocks(self) -> impl Iterator<Item = Block> {
        let first = llvm!(LLVMGetFirstBasicBlock(self.0.0));
        std::iter::successors(non_null(first), |b| non_null(llvm!(LLVMGetNextBasicBlock(*b)))).map(Block)
    }

    pub fn instructions(self) -> impl Iterator<Item = Value> {
        self.blocks().flat_map(Block::instructions)
    }

    pub fn loops(self) -> Vec<LoopBlock> {
        let mut list: Vec<LoopBlock> = Vec::new();
        let data: *mut Vec<LoopBlock> = &mut list;
        llvm!(shim::jl_cpp_loops(self.0.0, data.cast(), push_loop));
        list
    }

    pub fn signature(self) -> Type {
        Type(llvm!(LLVMGlobalGetValueType(self.0.0)))
    }

    pub fn is_intrinsic(self) -> bool {
        llvm!(LLVMGetIntrinsicID(self.0.0)) != 0
    }

    pub fn has_attribute(self, name: &str) -> bool {
        self.has_attribute_at(FUNCTION_INDEX, name)
    }

    /// Whether the return value (index 0) or a parameter (from 1 on) has an attribute.
    pub fn has_attribute_at(self, index: u32, name: &str) -> bool {
        let kind = attribute_kind(name);
        kind != 0 && !llvm!(LLVMGetEnumAttributeAtIndex(self.0.0, index, kind)).is_null()
    }

    pub fn has_c_convention(self) -> bool {
        llvm!(LLVMGetFunctionCallConv(self.0.0)) == LLVMCallConv::LLVMCCallConv as u32
    }

    pub fn is_variadic(self) -> bool {
        llvm!(LLVMIsFunctionVarArg(LLVMGlobalGetValueType(self.0.0))) != 0
    }

    pub fn add_attribute(self, module: Module, name: &str) {
        let attribute = llvm!(LLVMCreateEnumAttribute(module.context(), attribute_kind(name), 0));
        llvm!(LLVMAddAttributeAtIndex(self.0.0, FUNCTION_INDEX, attribute));
    }

    /// Sets `vscale_range`, unless the function has one.
    pub fn set_vector_scale(self, module: Module, least: u32, most: u32) {
        const NAME: &str = "vscale_range";
        if self.has_attribute(NAME) {
            return;
        }
        // As LLVM packs the two (`Attribute::getWithVScaleRangeArgs`).
        let value = u64::from(least) << 32 | u64::from(most);
        let attribute = llvm!(LLVMCreateEnumAttribute(module.context(), attribute_kind(NAME), value));
        llvm!(LLVMAddAttributeAtIndex(self.0.0, FUNCTION_INDEX, attribute));
    }

    pub fn remove_attribute(self, name: &str) {
        let kind = attribute_kind(name);
        if kind != 0 {
            llvm!(LLVMRemoveEnumAttributeAtIndex(self.0.0, FUNCTION_INDEX, kind));
        }
    }

    pub fn string_attribute(self, name: &str) -> Option<String> {
        let attribute = non_null(llvm!(LLVMGetStringAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            name.as_ptr().cast(),
            name.len() as u32
        )))?;
        let mut len = 0;
        let raw = llvm!(LLVMGetStringAttributeValue(attribute, &mut len));
        Some(text(raw, len as usize).to_string())
    }

    pub fn set_string_attribute(self, module: Module, name: &str, value: &str) {
        let attribute = llvm!(LLVMCreateStringAttribute(
            module.context(),
            name.as_ptr().cast(),
            name.len() as u32,
            value.as_ptr().cast(),
            value.len() as u32
        ));
        llvm!(LLVMAddAttributeAtIndex(self.0.0, FUNCTION_INDEX, attribute));
    }

    pub fn remove_string_attribute(self, name: &str) {
        llvm!(LLVMRemoveStringAttributeAtIndex(
            self.0.0,
            FUNCTION_INDEX,
            name.as_ptr().cast(),
            name.len() as u32
        ));
    }

    /// Copies all attributes of `from`: function, return value and parameters.
    pub fn copy_attributes(self, from: Function) {
        let parameters = llvm!(LLVMCountParams(from.0.0));
        for index in [FUNCTION_INDEX].into_iter().chain(0..=parameters) {
            let count = llvm!(LLVMGetAttributeCountAtIndex(from.0.0, index)) as usize;
            let mut list = vec![std::ptr::null_mut(); count];
            llvm!(LLVMGetAttributesAtIndex(from.0.0, index, list.as_mut_ptr()));
            for attribute in list {
                llvm!(LLVMAddAttributeAtIndex(self.0.0, index, attribute));
            }
        }
    }

    /// Copies what makes a symbol what it is: linkage, visibility, DLL storage, `unnamed_addr`, section,
    /// calling convention, COMDAT and alignment.
    pub fn copy_symbol_properties(self, from: Function) {
        let (to, from) = (self.0.0, from.0.0);
        llvm!(LLVMSetLinkage(to, LLVMGetLinkage(from)));
        llvm!(LLVMSetVisibility(to, LLVMGetVisibility(from)));
        llvm!(LLVMSetDLLStorageClass(to, LLVMGetDLLStorageClass(from)));
        llvm!(LLVMSetUnnamedAddress(to, LLVMGetUnnamedAddress(from)));
        llvm!(LLVMSetFunctionCallConv(to, LLVMGetFunctionCallConv(from)));
        llvm!(LLVMSetComdat(to, LLVMGetComdat(from)));
        llvm!(shim::jl_cpp_copy_symbol(to, from));
    }

    /// Makes the symbol local to the object; its COMDAT stays.
    pub fn make_internal(self) {
        llvm!(LLVMSetVisibility(self.0.0, LLVMVisibility::LLVMDefaultVisibility));
        llvm!(LLVMSetLinkage(self.0.0, Linkage::LLVMInternalLinkage));
        llvm!(LLVMSetUnnamedAddress(self.0.0, LLVMUnnamedAddr::LLVMGlobalUnnamedAddr));
    }

    /// Makes a local function one of which every object that uses it has a copy, hidden in its image, in a group of its own.
    pub fn make_inline(self, module: Module, name: &str) {
        self.set_name(name);
        llvm!(LLVMSetLinkage(self.0.0, Linkage::LLVMLinkOnceODRLinkage));
        llvm!(LLVMSetVisibility(self.0.0, LLVMVisibility::LLVMHiddenVisibility));
        self.set_dso_local();
        self.set_own_comdat(module);
    }

    /// A copy of the function in the same module, with a debug-info subprogram of its own.
    pub fn clone_body(self) -> Function {
        Function(Value(llvm!(shim::jl_cpp_clone_function(self.0.0))))
    }

    pub fn has_prefix_or_prologue_data(self) -> bool {
        llvm!(shim::jl_cpp_has_prefix_or_prologue(self.0.0))
    }

    /// A body of one inline assembly statement with `slot` as its operand, then `unreachable`.
    pub fn set_asm_body(self, module: Module, trampoline: &Trampoline, slot: Value) {
        let Trampoline { asm, constraint } = trampoline;
        let context = module.context();
        let block = llvm!(LLVMAppendBasicBlockInContext(context, self.0.0, c"".as_ptr()));
        let builder = llvm!(LLVMCreateBuilderInContext(context));
        llvm!(LLVMPositionBuilderAtEnd(builder, block));
        let void = llvm!(LLVMVoidTypeInContext(context));
        let mut parameter = [module.pointer_type().0];
        let ty = llvm!(LLVMFunctionType(void, parameter.as_mut_ptr(), 1, 0));
        // LLVM 16 declares the texts without `const`; it only reads them.
        let asm = llvm!(LLVMGetInlineAsm(
            ty,
            asm.as_ptr().cast_mut().cast(),
            asm.len(),
            constraint.as_ptr().cast_mut().cast(),
            constraint.len(),
            1,
            0,
            LLVMInlineAsmDialect::LLVMInlineAsmDialectATT,
            0
        ));
        let mut argument = [slot.0];
        let call = llvm!(LLVMBuildCall2(builder, ty, asm, argument.as_mut_ptr(), 1, c"".as_ptr()));
        if constraint.starts_with('*') {
            let kind = attribute_kind("elementtype");
            let element = llvm!(LLVMCreateTypeAttribute(context, kind, module.pointer_type().0));
            llvm!(LLVMAddCallSiteAttribute(call, 1, element));
        }
        llvm!(LLVMBuildUnreachable(builder));
        llvm!(LLVMDisposeBuilder(builder));
    }

    /// Removes a function without uses; the handle must not be used again.
    pub fn erase(self) {
        llvm!(LLVMDeleteFunction(self.0.0));
    }
}
