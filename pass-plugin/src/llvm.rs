//! A thin layer over LLVM's C API: handles as types, strings as `&str`, lists as iterators.
//!
//! # What the SAFETY comments here rely on
//! A pass gets one `LLVMModuleRef` that is valid and not used by another thread while it runs. Every
//! handle below comes from that module through LLVM itself, so it is never null or dangling; the only
//! ways to end a value's life are [`Function::erase`] and [`Value::erase_instruction`], whose callers
//! use it no more. Handles are not `Send`: they cannot leave the pass's thread.

use crate::shim;
use llvm_sys::comdat::{LLVMGetComdat, LLVMGetOrInsertComdat, LLVMSetComdat};
use llvm_sys::core::*;
use llvm_sys::debuginfo::LLVMInstructionGetDebugLoc;
use llvm_sys::prelude::*;
use llvm_sys::{LLVMInlineAsmDialect, LLVMModuleFlagBehavior, LLVMUnnamedAddr, LLVMVisibility};
pub use llvm_sys::{LLVMLinkage as Linkage, LLVMOpcode as Opcode, LLVMTypeKind as TypeKind};
use std::ffi::{CStr, CString, c_char, c_void};

/// Calls C API functions whose only requirement is that the handles are live.
macro_rules! llvm {
    ($call:expr) => {{
        // SAFETY: all handles in `$call` are live values, types or modules of the running pass's module,
        // of the kind that the function asks for (see the module documentation and the caller's type);
        // pointers to strings and slices come from live Rust values together with their lengths.
        unsafe { $call }
    }};
}

/// The attribute index of a function's own attributes.
pub const FUNCTION_INDEX: u32 = u32::MAX;

fn text<'a>(pointer: *const c_char, len: usize) -> &'a str {
    if pointer.is_null() {
        return "";
    }
    // SAFETY: LLVM returned `pointer` with `len` bytes that live as long as the value or context they
    // belong to; callers copy what they keep beyond a change of that value.
    let bytes = unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), len) };
    // Symbol names may be any bytes; a name that is not UTF-8 is treated as having none, and such a
    // function is left alone.
    std::str::from_utf8(bytes).unwrap_or("")
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

/// The module that the pass runs on.
#[derive(Clone, Copy)]
pub struct Module(LLVMModuleRef);

/// Severity of a diagnostic, as LLVM numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    Error = 0,
    Warning = 1,
    Note = 3,
}

impl Module {
    /// # Safety
    /// `raw` is a live module that no other thread uses while the result is in use.
    pub unsafe fn from_raw(raw: LLVMModuleRef) -> Module {
        Module(raw)
    }

    fn context(self) -> LLVMContextRef {
        llvm!(LLVMGetModuleContext(self.0))
    }

    pub fn triple(self) -> String {
        let raw = llvm!(LLVMGetTarget(self.0));
        // SAFETY: LLVM returns a zero-terminated string that lives as long as the module.
        unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
    }

    pub fn source_name(self) -> String {
        let mut len = 0;
        let raw = llvm!(LLVMGetSourceFileName(self.0, &mut len));
        text(raw, len).to_string()
    }

    /// Tells the user. A note goes straight to stderr: clang shows a note only behind another diagnostic,
    /// and a warning would stop a build with `-Werror`.
    pub fn diagnose(self, severity: Severity, message: &str) {
        if severity == Severity::Note {
            eprintln!("note: julienne: {}: {message}", self.source_name());
            return;
        }
        llvm!(shim::jl_cpp_diagnose(self.0, severity as u32, message.as_ptr().cast(), message.len()));
    }

    pub fn functions(self) -> impl Iterator<Item = Function> {
        let first = llvm!(LLVMGetFirstFunction(self.0));
        std::iter::successors(non_null(first), |v| non_null(llvm!(LLVMGetNextFunction(*v))))
            .map(|v| Function(Value(v)))
    }

    pub fn globals(self) -> impl Iterator<Item = Value> {
        let first = llvm!(LLVMGetFirstGlobal(self.0));
        std::iter::successors(non_null(first), |v| non_null(llvm!(LLVMGetNextGlobal(*v)))).map(Value)
    }

    pub fn ifuncs(self) -> impl Iterator<Item = Value> {
        let first = llvm!(LLVMGetFirstGlobalIFunc(self.0));
        std::iter::successors(non_null(first), |v| non_null(llvm!(LLVMGetNextGlobalIFunc(*v)))).map(Value)
    }

    pub fn named_global(self, name: &str) -> Option<Value> {
        llvm!(non_null(LLVMGetNamedGlobal(self.0, c_string(name).as_ptr()))).map(Value)
    }

    /// The strings of `llvm.commandline` that start with `prefix`; they are dropped from the module.
    pub fn take_command_line(self, prefix: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let data: *mut Vec<String> = &mut found;
        llvm!(shim::jl_cpp_take_command_line(
            self.0,
            prefix.as_ptr().cast(),
            prefix.len(),
            data.cast(),
            push_name
        ));
        found
    }

    pub fn has_flag(self, name: &str) -> bool {
        self.flag(name).is_some()
    }

    fn flag(self, name: &str) -> Option<LLVMMetadataRef> {
        non_null(llvm!(LLVMGetModuleFlag(self.0, name.as_ptr().cast(), name.len())))
    }

    /// An integer module flag.
    pub fn flag_value(self, name: &str) -> Option<u64> {
        let constant = Value(llvm!(LLVMMetadataAsValue(self.context(), self.flag(name)?)));
        let constant = constant.metadata_operands().first().copied().unwrap_or(constant);
        non_null(llvm!(LLVMIsAConstantInt(constant.0))).map(|c| llvm!(LLVMConstIntGetZExtValue(c)))
    }

    /// Sets a module flag to an integer; on linking modules the larger wins.
    pub fn set_flag(self, name: &str, value: u32) {
        let constant = llvm!(LLVMValueAsMetadata(self.int(32, u64::from(value)).0));
        llvm!(LLVMAddModuleFlag(
            self.0,
            LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorWarning,
            name.as_ptr().cast(),
            name.len(),
            constant
        ));
    }

    /// The flag `julia.mv.specs`: per target CPU name, features, base and flags.
    pub fn target_specs(self) -> Option<Vec<(String, String, u32, u32)>> {
        let node = llvm!(LLVMMetadataAsValue(self.context(), self.flag("julia.mv.specs")?));
        Value(node).metadata_operands().into_iter().map(target_spec).collect()
    }

    pub fn set_target_specs(self, specs: &[(String, String, u32, u32)]) {
        let context = self.context();
        let string = |s: &str| llvm!(LLVMMDStringInContext2(context, s.as_ptr().cast(), s.len()));
        let int = |v: u32| llvm!(LLVMValueAsMetadata(self.int(32, u64::from(v)).0));
        let node = |mut list: Vec<LLVMMetadataRef>| {
            llvm!(LLVMMDNodeInContext2(context, list.as_mut_ptr(), list.len()))
        };
        let list = specs
            .iter()
            .map(|(cpu, features, base, flags)| {
                node(vec![string(cpu), string(features), int(*base), int(*flags)])
            })
            .collect();
        let list = node(list);
        let name = "julia.mv.specs";
        llvm!(LLVMAddModuleFlag(
            self.0,
            LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorWarning,
            name.as_ptr().cast(),
            name.len(),
            list
        ));
    }

    pub fn append_asm(self, asm: &str) {
        llvm!(LLVMAppendModuleInlineAsm(self.0, asm.as_ptr().cast(), asm.len()));
    }

    pub fn append_to_compiler_used(self, global: Value) {
        llvm!(shim::jl_cpp_append_to_compiler_used(self.0, global.0));
    }

    pub fn pointer_type(self) -> Type {
        Type(llvm!(LLVMPointerTypeInContext(self.context(), 0)))
    }

    fn int_type(self, bits: u32) -> LLVMTypeRef {
        llvm!(LLVMIntTypeInContext(self.context(), bits))
    }

    pub fn int(self, bits: u32, value: u64) -> Value {
        Value(llvm!(LLVMConstInt(self.int_type(bits), value, 0)))
    }

    /// A constant byte array; no terminating zero is added.
    pub fn bytes(self, bytes: &[u8]) -> Value {
        Value(llvm!(LLVMConstStringInContext2(self.context(), bytes.as_ptr().cast(), bytes.len(), 1)))
    }

    /// A packed constant struct.
    pub fn packed_struct(self, fields: &[Value]) -> Value {
        let mut raw: Vec<LLVMValueRef> = fields.iter().map(|f| f.0).collect();
        Value(llvm!(LLVMConstStructInContext(self.context(), raw.as_mut_ptr(), raw.len() as u32, 1)))
    }

    /// The 32-bit distance from byte `offset` of `from` to `to`, as a link-time constant.
    pub fn distance(self, to: Value, from: Value, offset: u64) -> Value {
        let long = self.int_type(64);
        let mut index = [self.int(64, offset).0];
        let field = llvm!(LLVMConstInBoundsGEP2(self.int_type(8), from.0, index.as_mut_ptr(), 1));
        let to = llvm!(LLVMConstPtrToInt(to.0, long));
        let field = llvm!(LLVMConstPtrToInt(field, long));
        Value(llvm!(LLVMConstTrunc(LLVMConstSub(to, field), self.int_type(32))))
    }

    pub fn add_global(self, name: &str, initializer_type: Type) -> Value {
        Value(llvm!(LLVMAddGlobal(self.0, initializer_type.0, c_string(name).as_ptr())))
    }

    /// A new function named `name` of the type of `like`.
    pub fn add_function(self, name: &str, like: Function) -> Function {
        let ty = llvm!(LLVMGlobalGetValueType(like.0.0));
        Function(Value(llvm!(LLVMAddFunction(self.0, c_string(name).as_ptr(), ty))))
    }
}

fn target_spec(value: Value) -> Option<(String, String, u32, u32)> {
    let operands = value.metadata_operands();
    let int = |v: &Value| {
        let constant = v.metadata_operands().first().copied().unwrap_or(*v);
        llvm!(non_null(LLVMIsAConstantInt(constant.0))).map(|c| llvm!(LLVMConstIntGetZExtValue(c)) as u32)
    };
    match operands.as_slice() {
        [cpu, features, base, flags] => {
            Some((cpu.metadata_string()?, features.metadata_string()?, int(base)?, int(flags)?))
        }
        _ => None,
    }
}

fn non_null<T>(pointer: *mut T) -> Option<*mut T> {
    (!pointer.is_null()).then_some(pointer)
}

/// Collects names for the shim's visitors.
pub extern "C" fn push_name(data: *mut c_void, name: *const c_char, len: usize) {
    // SAFETY: every caller passes a `*mut Vec<String>` of its own frame as `data` and does not touch it
    // until the visiting function has returned.
    let list = unsafe { &mut *data.cast::<Vec<String>>() };
    list.push(text(name, len).to_string());
}

/// A type, for the few questions that facts ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Type(LLVMTypeRef);

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

/// Any value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Value(LLVMValueRef);

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

    /// The text of inline assembly, when this is some.
    pub fn inline_asm(self) -> Option<String> {
        non_null(llvm!(LLVMIsAInlineAsm(self.0)))?;
        let mut len = 0;
        let raw = llvm!(LLVMGetInlineAsmAsmString(self.0, &mut len));
        Some(text(raw, len).to_string())
    }

    /// Fast-math flags by LLVM's C numbering; `None` when the instruction cannot have any.
    pub fn fast_math(self) -> Option<u32> {
        (llvm!(LLVMCanValueUseFastMathFlags(self.0)) != 0).then(|| llvm!(LLVMGetFastMathFlags(self.0)))
    }

    /// Adds fast-math flags; those that are there stay.
    fn add_fast_math(self, flags: u32) {
        llvm!(LLVMSetFastMathFlags(self.0, flags));
    }

    /// Clears the flag `contract` of an instruction that can have fast-math flags.
    pub fn forbid_contract(self) {
        llvm!(shim::jl_cpp_forbid_contract(self.0));
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

    /// Replaces `llvm.fmuladd(a, b, c)` by a multiplication and an addition with the call's fast-math
    /// flags but `contract`.
    pub fn split_multiply_add(self, module: Module) {
        let builder = llvm!(LLVMCreateBuilderInContext(module.context()));
        llvm!(LLVMPositionBuilderBefore(builder, self.0));
        let location = llvm!(LLVMInstructionGetDebugLoc(self.0));
        if !location.is_null() {
            llvm!(LLVMSetCurrentDebugLocation2(builder, location));
        }
        let (a, b, c) = (self.operand(0), self.operand(1), self.operand(2));
        let product = Value(llvm!(LLVMBuildFMul(builder, a.0, b.0, c"".as_ptr())));
        let sum = Value(llvm!(LLVMBuildFAdd(builder, product.0, c.0, c"".as_ptr())));
        let flags = self.fast_math().unwrap_or(0) & !fast_math::CONTRACT;
        for value in [product, sum] {
            // Constant operands fold to constants, which have no flags.
            if value.is_instruction() {
                value.add_fast_math(flags);
            }
        }
        self.replace_all_uses_with(sum);
        llvm!(LLVMDisposeBuilder(builder));
        self.erase_instruction();
    }

    /// Removes an instruction without uses; the handle must not be used again.
    pub fn erase_instruction(self) {
        llvm!(LLVMInstructionEraseFromParent(self.0));
    }

    fn metadata_operands(self) -> Vec<Value> {
        if llvm!(LLVMIsAMDNode(self.0)).is_null() && llvm!(LLVMIsAValueAsMetadata(self.0)).is_null() {
            return Vec::new();
        }
        let count = llvm!(LLVMGetMDNodeNumOperands(self.0)) as usize;
        let mut list = vec![std::ptr::null_mut(); count];
        llvm!(LLVMGetMDNodeOperands(self.0, list.as_mut_ptr()));
        list.into_iter().filter_map(non_null).map(Value).collect()
    }

    fn metadata_string(self) -> Option<String> {
        let mut len = 0;
        let raw = llvm!(LLVMGetMDString(self.0, &mut len));
        (!raw.is_null()).then(|| text(raw, len as usize).to_string())
    }

    // What follows is for globals and functions.

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

    pub fn set_constant(self) {
        llvm!(LLVMSetGlobalConstant(self.0, 1));
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

/// A basic block.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block(LLVMBasicBlockRef);

impl Block {
    pub fn instructions(self) -> impl Iterator<Item = Value> {
        let first = llvm!(LLVMGetFirstInstruction(self.0));
        std::iter::successors(non_null(first), |v| non_null(llvm!(LLVMGetNextInstruction(*v)))).map(Value)
    }

    /// Whether a label address (`&&label`) of this block is used anywhere.
    pub fn has_address_taken(self) -> bool {
        Value(llvm!(LLVMBasicBlockAsValue(self.0))).users().into_iter().any(Value::is_block_address)
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

extern "C" fn push_loop(
    data: *mut c_void,
    block: LLVMBasicBlockRef,
    header: LLVMBasicBlockRef,
    innermost: bool,
) {
    // SAFETY: `Function::loops` passes a `*mut Vec<LoopBlock>` of its own frame and waits for the visit to end.
    let list = unsafe { &mut *data.cast::<Vec<LoopBlock>>() };
    list.push(LoopBlock { block: Block(block), header: Block(header), innermost });
}

fn attribute_kind(name: &str) -> u32 {
    llvm!(LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len()))
}

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
        let kind = attribute_kind(name);
        kind != 0 && !llvm!(LLVMGetEnumAttributeAtIndex(self.0.0, FUNCTION_INDEX, kind)).is_null()
    }

    pub fn add_attribute(self, module: Module, name: &str) {
        let attribute = llvm!(LLVMCreateEnumAttribute(module.context(), attribute_kind(name), 0));
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

    /// Whether a call in this module always reaches this very definition.
    pub fn is_final(self) -> bool {
        llvm!(shim::jl_cpp_is_final(self.0.0))
    }

    /// Makes the symbol local to the object; its COMDAT stays.
    pub fn make_internal(self) {
        llvm!(LLVMSetVisibility(self.0.0, LLVMVisibility::LLVMDefaultVisibility));
        llvm!(LLVMSetLinkage(self.0.0, Linkage::LLVMInternalLinkage));
        llvm!(LLVMSetUnnamedAddress(self.0.0, LLVMUnnamedAddr::LLVMGlobalUnnamedAddr));
    }

    /// A copy of the function in the same module, with a debug-info subprogram of its own.
    pub fn clone_body(self) -> Function {
        Function(Value(llvm!(shim::jl_cpp_clone_function(self.0.0))))
    }

    pub fn has_prefix_or_prologue_data(self) -> bool {
        llvm!(LLVMHasPrefixData(self.0.0)) != 0 || llvm!(LLVMHasPrologueData(self.0.0)) != 0
    }

    /// A body of one inline assembly statement with `memory` as its memory operand, then `unreachable`.
    pub fn set_asm_body(self, module: Module, asm: &str, memory: Value) {
        let context = module.context();
        let block = llvm!(LLVMAppendBasicBlockInContext(context, self.0.0, c"".as_ptr()));
        let builder = llvm!(LLVMCreateBuilderInContext(context));
        llvm!(LLVMPositionBuilderAtEnd(builder, block));
        let void = llvm!(LLVMVoidTypeInContext(context));
        let mut parameter = [module.pointer_type().0];
        let ty = llvm!(LLVMFunctionType(void, parameter.as_mut_ptr(), 1, 0));
        let constraint = "*m";
        let asm = llvm!(LLVMGetInlineAsm(
            ty,
            asm.as_ptr().cast(),
            asm.len(),
            constraint.as_ptr().cast(),
            constraint.len(),
            1,
            0,
            LLVMInlineAsmDialect::LLVMInlineAsmDialectATT,
            0
        ));
        let mut argument = [memory.0];
        let call = llvm!(LLVMBuildCall2(builder, ty, asm, argument.as_mut_ptr(), 1, c"".as_ptr()));
        let kind = attribute_kind("elementtype");
        let element = llvm!(LLVMCreateTypeAttribute(context, kind, module.pointer_type().0));
        llvm!(LLVMAddCallSiteAttribute(call, 1, element));
        llvm!(LLVMBuildUnreachable(builder));
        llvm!(LLVMDisposeBuilder(builder));
    }

    /// Removes a function without uses; the handle must not be used again.
    pub fn erase(self) {
        llvm!(LLVMDeleteFunction(self.0.0));
    }
}

/// LLVM's fast-math flag bits in the C API.
pub mod fast_math {
    pub const REASSOCIATE: u32 = 1 << 0;
    pub const CONTRACT: u32 = 1 << 5;
}
