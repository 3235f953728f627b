//! The module: its functions, globals, flags and constants.

use super::{Function, Type, Value, c_string, llvm, non_null, push_name, text};
use crate::shim;
use llvm_sys::LLVMModuleFlagBehavior;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use llvm_sys::target_machine::LLVMGetDefaultTargetTriple;
use std::ffi::CStr;

/// The module that the pass runs on.
#[derive(Clone, Copy)]
pub struct Module(pub(super) LLVMModuleRef);

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

    pub(super) fn context(self) -> LLVMContextRef {
        llvm!(LLVMGetModuleContext(self.0))
    }

    pub fn triple(self) -> String {
        let raw = llvm!(LLVMGetTarget(self.0));
        // SAFETY: LLVM returns a zero-terminated string that lives as long as the module.
        unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned()
    }

    /// The module's target triple, or the host's where the module names none.
    pub fn triple_or_default(self) -> String {
        let own = self.triple();
        if !own.is_empty() {
            return own;
        }
        let raw = llvm!(LLVMGetDefaultTargetTriple());
        // SAFETY: LLVM returns a zero-terminated string that is ours; it is copied, then disposed of below.
        let triple = unsafe { CStr::from_ptr(raw) }.to_string_lossy().into_owned();
        llvm!(LLVMDisposeMessage(raw));
        triple
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
        self.visit_command_line(prefix, true)
    }

    /// The strings of `llvm.commandline` that start with `prefix`.
    pub fn command_line(self, prefix: &str) -> Vec<String> {
        self.visit_command_line(prefix, false)
    }

    fn visit_command_line(self, prefix: &str, drop: bool) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        let data: *mut Vec<String> = &mut found;
        llvm!(shim::jl_cpp_take_command_line(
            self.0,
            prefix.as_ptr().cast(),
            prefix.len(),
            drop,
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

    /// A text module flag; `Some(None)` when it is something else.
    pub fn flag_text(self, name: &str) -> Option<Option<String>> {
        let value = Value(llvm!(LLVMMetadataAsValue(self.context(), self.flag(name)?)));
        Some(value.metadata_string())
    }

    /// Sets a module flag that must be the same in all modules that are linked together.
    pub fn set_strict_flag(self, name: &str, value: u32) {
        llvm!(LLVMAddModuleFlag(
            self.0,
            LLVMModuleFlagBehavior::LLVMModuleFlagBehaviorError,
            name.as_ptr().cast(),
            name.len(),
            LLVMValueAsMetadata(self.int(32, u64::from(value)).0)
        ));
    }

    /// Sets a module flag to a number; of modules that are linked together the largest holds.
    pub fn set_max_flag(self, name: &str, value: u32) {
        llvm!(shim::jl_cpp_set_max_flag(self.0, name.as_ptr().cast(), name.len(), value));
    }

    /// The flag `julia.mv.specs`: per target CPU name, features, base and flags.
    pub fn target_specs(self) -> Option<Vec<TargetSpec>> {
        self.target_specs_each()?.into_iter().collect()
    }

    /// The flag `julia.mv.specs`, with `None` for what is no target.
    pub fn target_specs_each(self) -> Option<Vec<Option<TargetSpec>>> {
        let node = llvm!(LLVMMetadataAsValue(self.context(), self.flag("julia.mv.specs")?));
        Some(Value(node).metadata_operands().into_iter().map(target_spec).collect())
    }

    pub fn set_target_specs(self, specs: &[TargetSpec]) {
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

    /// Named metadata of one text.
    pub fn set_note(self, name: &str, text: &str) {
        let context = self.context();
        let string = llvm!(LLVMMDStringInContext2(context, text.as_ptr().cast(), text.len()));
        let mut operands = [string];
        let node = llvm!(LLVMMDNodeInContext2(context, operands.as_mut_ptr(), 1));
        let value = llvm!(LLVMMetadataAsValue(context, node));
        llvm!(LLVMAddNamedMetadataOperand(self.0, c_string(name).as_ptr(), value));
    }

    pub fn drop_note(self, name: &str) {
        llvm!(shim::jl_cpp_drop_note(self.0, name.as_ptr().cast(), name.len()));
    }

    /// What [`Module::set_note`] wrote.
    pub fn note(self, name: &str) -> Option<String> {
        let name = c_string(name);
        // LLVM writes as many as there are, so there must be one.
        let mut first = std::ptr::null_mut();
        if llvm!(LLVMGetNamedMetadataNumOperands(self.0, name.as_ptr())) == 1 {
            llvm!(LLVMGetNamedMetadataOperands(self.0, name.as_ptr(), &mut first));
        }
        Value(non_null(first)?).metadata_operands().first()?.metadata_string()
    }

    pub fn append_asm(self, asm: &str) {
        llvm!(LLVMAppendModuleInlineAsm(self.0, asm.as_ptr().cast(), asm.len()));
    }

    pub fn append_to_compiler_used(self, global: Value) {
        llvm!(shim::jl_cpp_append_to_compiler_used(self.0, global.0));
    }

    pub fn pointer_type(self) -> Type {
        // All pointers are alike, and LLVM 14 has no other function for it: our version check comes later.
        Type(llvm!(LLVMPointerType(self.int_type(8), 0)))
    }

    pub(super) fn int_type(self, bits: u32) -> LLVMTypeRef {
        llvm!(LLVMIntTypeInContext(self.context(), bits))
    }

    pub fn int(self, bits: u32, value: u64) -> Value {
        Value(llvm!(LLVMConstInt(self.int_type(bits), value, 0)))
    }

    /// A constant byte array; no terminating zero is added.
    pub fn bytes(self, bytes: &[u8]) -> Value {
        Value(llvm!(shim::jl_cpp_bytes(self.0, bytes.as_ptr().cast(), bytes.len())))
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

    /// Another name for a function, visible to all.
    pub fn add_alias(self, name: &str, of: Function) -> Value {
        let ty = llvm!(LLVMGlobalGetValueType(of.0.0));
        Value(llvm!(LLVMAddAlias2(self.0, ty, 0, of.0.0, c_string(name).as_ptr())))
    }

    pub fn function_named(self, name: &str) -> Option<Function> {
        non_null(llvm!(LLVMGetNamedFunction(self.0, c_string(name).as_ptr()))).map(|f| Function(Value(f)))
    }

    /// A new function named `name` of the type of `like`.
    pub fn add_function(self, name: &str, like: Function) -> Function {
        let ty = llvm!(LLVMGlobalGetValueType(like.0.0));
        Function(Value(llvm!(LLVMAddFunction(self.0, c_string(name).as_ptr(), ty))))
    }
}

/// CPU name, features, base and flags.
pub type TargetSpec = (String, String, u32, u32);

fn target_spec(value: Value) -> Option<TargetSpec> {
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
