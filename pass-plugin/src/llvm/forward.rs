//! Functions that pass a call on through a slot, and loads of slots.

use super::{Function, Module, Type, Value, c_string, llvm};
use crate::shim;
use llvm_sys::core::*;
use llvm_sys::prelude::*;

/// A load of a pointer that never changes once code runs.
#[derive(Clone, Copy)]
pub struct ConstantLoad {
    module: Module,
    /// The TBAA access tag of constant memory, and the empty node.
    tag: LLVMMetadataRef,
    empty: LLVMMetadataRef,
}

impl ConstantLoad {
    /// With a TBAA tag of constant memory named `name`, below the root `root`.
    pub fn new(module: Module, root: &str, name: &str) -> ConstantLoad {
        let context = module.context();
        let string = |s: &str| llvm!(LLVMMDStringInContext2(context, s.as_ptr().cast(), s.len()));
        let int = |v: u64| llvm!(LLVMValueAsMetadata(module.int(64, v).0));
        let node = |mut list: Vec<LLVMMetadataRef>| {
            llvm!(LLVMMDNodeInContext2(context, list.as_mut_ptr(), list.len()))
        };
        let base = node(vec![string(root), node(vec![string(root)]), int(0)]);
        let scalar = node(vec![string(name), base, int(0)]);
        ConstantLoad { module, tag: node(vec![scalar, scalar, int(0), int(1)]), empty: node(vec![]) }
    }

    /// Loads `slot` right before `position`.
    pub fn before(self, position: Value, slot: Value) -> Value {
        let builder = llvm!(LLVMCreateBuilderInContext(self.module.context()));
        llvm!(LLVMPositionBuilderBefore(builder, position.0));
        let load = self.build(builder, slot);
        llvm!(LLVMDisposeBuilder(builder));
        load
    }

    fn build(self, builder: LLVMBuilderRef, slot: Value) -> Value {
        let context = self.module.context();
        let pointer = self.module.pointer_type();
        let load = llvm!(LLVMBuildLoad2(builder, pointer.0, slot.0, c"".as_ptr()));
        for (kind, node) in [("tbaa", self.tag), ("invariant.load", self.empty)] {
            let kind = llvm!(LLVMGetMDKindIDInContext(context, kind.as_ptr().cast(), kind.len() as u32));
            llvm!(LLVMSetMetadata(load, kind, LLVMMetadataAsValue(context, node)));
        }
        Value(load)
    }
}

impl Function {
    /// Takes over visibility, calling convention, section, personality and attributes of `from`.
    pub fn copy_attributes_and_symbol(self, from: Function) {
        llvm!(shim::jl_cpp_copy_attributes_from(self.0.0, from.0.0));
    }

    /// The body `before(); return slot(arguments)`, as a tail call with the calling convention and the
    /// argument attributes of `target`, which has the same type; `dropped` is left out of the latter.
    pub fn forward_through(
        self,
        slot: Value,
        target: Function,
        before: Option<Function>,
        load: ConstantLoad,
        dropped: &str,
    ) {
        let context = load.module.context();
        let block = llvm!(LLVMAppendBasicBlockInContext(context, self.0.0, c"top".as_ptr()));
        let builder = llvm!(LLVMCreateBuilderInContext(context));
        llvm!(LLVMPositionBuilderAtEnd(builder, block));
        let call = |ty: Type, callee: Value, arguments: &mut [LLVMValueRef]| {
            let (list, count) = (arguments.as_mut_ptr(), arguments.len() as u32);
            Value(llvm!(LLVMBuildCall2(builder, ty.0, callee.0, list, count, c"".as_ptr())))
        };
        if let Some(before) = before {
            call(before.signature(), *before, &mut []);
        }
        let pointer = load.build(builder, slot);
        let mut arguments: Vec<LLVMValueRef> =
            (0..llvm!(LLVMCountParams(self.0.0))).map(|i| llvm!(LLVMGetParam(self.0.0, i))).collect();
        let ty = target.signature();
        let result = call(ty, pointer, &mut arguments);
        llvm!(LLVMSetInstructionCallConv(result.0, LLVMGetFunctionCallConv(target.0.0)));
        target.copy_argument_attributes(result, dropped);
        // A call with variable arguments can only be passed on as a whole.
        llvm!(shim::jl_cpp_set_tail_call(result.0, LLVMIsFunctionVarArg(ty.0) != 0));
        if result.ty().is_void() {
            llvm!(LLVMBuildRetVoid(builder));
        } else {
            llvm!(LLVMBuildRet(builder, result.0));
        }
        llvm!(LLVMDisposeBuilder(builder));
    }

    /// Copies the attributes of return value and parameters to a call, but for the string attribute `dropped`.
    fn copy_argument_attributes(self, call: Value, dropped: &str) {
        for index in 0..=llvm!(LLVMCountParams(self.0.0)) {
            let count = llvm!(LLVMGetAttributeCountAtIndex(self.0.0, index)) as usize;
            let mut list = vec![std::ptr::null_mut(); count];
            llvm!(LLVMGetAttributesAtIndex(self.0.0, index, list.as_mut_ptr()));
            for attribute in list {
                llvm!(LLVMAddCallSiteAttribute(call.0, index, attribute));
            }
            llvm!(LLVMRemoveCallSiteStringAttribute(
                call.0,
                index,
                dropped.as_ptr().cast(),
                dropped.len() as u32
            ));
        }
    }
}

impl Value {
    /// Replaces `old` by `new` in operand `index` of this instruction, however deep it stands in constants;
    /// what must be computed for that is computed before `before`.
    pub fn expand_operand(self, index: u32, old: Function, new: Value, before: Value) {
        llvm!(shim::jl_cpp_expand_operand(self.0, index, old.0.0, new.0, before.0));
    }
}

impl Module {
    /// The function of this name without parameters that returns a pointer, declared if it is not there.
    pub fn function_returning_pointer(self, name: &str) -> Function {
        let found = llvm!(LLVMGetNamedFunction(self.0, c_string(name).as_ptr()));
        if !found.is_null() {
            return Function(Value(found));
        }
        let ty = llvm!(LLVMFunctionType(self.pointer_type().0, std::ptr::null_mut(), 0, 0));
        Function(Value(llvm!(LLVMAddFunction(self.0, c_string(name).as_ptr(), ty))))
    }
}
