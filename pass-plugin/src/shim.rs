//! Declarations of the C++ in `cpp/`, each beside the type it must agree with.

use llvm_sys::prelude::{LLVMBasicBlockRef, LLVMContextRef, LLVMModuleRef, LLVMTypeRef, LLVMValueRef};
use std::ffi::{c_char, c_int, c_uint, c_void};

/// `struct Callbacks` of the shim.
#[repr(C)]
pub struct Callbacks {
    pub run: extern "C" fn(LLVMModuleRef, c_uint, *const c_char, usize) -> bool,
    pub parse_name: extern "C" fn(*const c_char, usize, *mut usize, *mut c_int) -> c_int,
    pub record: c_uint,
    pub annotate_and_clone: c_uint,
    pub annotate_and_clone_lto: c_uint,
    pub emit: c_uint,
    pub look_up: c_uint,
    pub units: c_uint,
    pub identify: c_uint,
    pub deduplicate: c_uint,
    /// Name of the module flag that keeps the code generator from fusing by itself; not zero-terminated.
    pub strict: *const c_char,
    pub strict_len: usize,
}

pub type VisitName = extern "C" fn(*mut c_void, *const c_char, usize);
pub type VisitImplied = extern "C" fn(*mut c_void, *const c_char, usize, bool);
pub type VisitLoop = extern "C" fn(*mut c_void, LLVMBasicBlockRef, LLVMBasicBlockRef, bool);

unsafe extern "C" {
    // `cpp/julia.cpp`.
    pub fn jl_cpp_known_features(
        triple: *const c_char,
        triple_len: usize,
        data: *mut c_void,
        visit: VisitName,
    ) -> bool;
    pub fn jl_cpp_subtarget_features(
        triple: *const c_char,
        triple_len: usize,
        cpu: *const c_char,
        cpu_len: usize,
        features: *const c_char,
        features_len: usize,
        data: *mut c_void,
        visit: VisitName,
    ) -> bool;
    pub fn jl_cpp_map_new() -> *mut c_void;
    pub fn jl_cpp_map_free(map: *mut c_void);
    pub fn jl_cpp_map_add(map: *mut c_void, from: LLVMValueRef, to: LLVMValueRef);
    pub fn jl_cpp_map_clone(map: *mut c_void, from: LLVMValueRef, to: LLVMValueRef);
    pub fn jl_cpp_map_constant(map: *mut c_void, constant: LLVMValueRef) -> LLVMValueRef;
    pub fn jl_cpp_copy_attributes_from(to: LLVMValueRef, from: LLVMValueRef);
    pub fn jl_cpp_copy_dso_local(to: LLVMValueRef, from: LLVMValueRef);
    pub fn jl_cpp_erase_global(global: LLVMValueRef);
    pub fn jl_cpp_set_tail_call(call: LLVMValueRef, must: bool);
    pub fn jl_cpp_expand_operand(
        instruction: LLVMValueRef,
        index: c_uint,
        old: LLVMValueRef,
        new: LLVMValueRef,
        before: LLVMValueRef,
    );
    pub fn jl_cpp_array(element: LLVMTypeRef, values: *const LLVMValueRef, count: usize) -> LLVMValueRef;
    pub fn jl_cpp_array_length(ty: LLVMTypeRef) -> u64;
    pub fn jl_cpp_set_max_flag(module: LLVMModuleRef, name: *const c_char, len: usize, value: c_uint);
}

unsafe extern "C" {
    // `cpp/shim.cpp`.
    pub fn jl_cpp_host_version(major: *mut c_uint, minor: *mut c_uint, patch: *mut c_uint) -> bool;
    pub fn jl_cpp_register(builder: *mut c_void, callbacks: *const Callbacks);
    pub fn jl_cpp_fuse_by_flags(module: LLVMModuleRef, machine: *mut c_void, flag: *const c_char, len: usize);
    pub fn jl_cpp_clone_function(function: LLVMValueRef) -> LLVMValueRef;
    pub fn jl_cpp_fast_math(value: LLVMValueRef, bits: *mut c_uint) -> bool;
    pub fn jl_cpp_set_fast_math(instruction: LLVMValueRef, bits: c_uint);
    pub fn jl_cpp_bytes(module: LLVMModuleRef, bytes: *const c_char, len: usize) -> LLVMValueRef;
    pub fn jl_cpp_inline_asm(asm: LLVMValueRef, len: *mut usize) -> *const c_char;
    pub fn jl_cpp_has_prefix_or_prologue(function: LLVMValueRef) -> bool;
    pub fn jl_cpp_set_dso_local(global: LLVMValueRef);
    pub fn jl_cpp_copy_symbol(to: LLVMValueRef, from: LLVMValueRef);
    pub fn jl_cpp_loops(function: LLVMValueRef, data: *mut c_void, visit: VisitLoop);
    pub fn jl_cpp_diagnose(module: LLVMModuleRef, severity: c_uint, text: *const c_char, len: usize);
    pub fn jl_cpp_append_to_compiler_used(module: LLVMModuleRef, global: LLVMValueRef);
    pub fn jl_cpp_no_sanitize(global: LLVMValueRef);
    pub fn jl_cpp_take_command_line(
        module: LLVMModuleRef,
        prefix: *const c_char,
        len: usize,
        drop: bool,
        data: *mut c_void,
        visit: VisitName,
    );
    pub fn jl_cpp_constant_integer(value: LLVMValueRef, words: *mut u64) -> bool;
    pub fn jl_cpp_constant_address(
        module: LLVMModuleRef,
        address: LLVMValueRef,
        offset: *mut i64,
    ) -> LLVMValueRef;
    pub fn jl_cpp_x86_features_for_cpu(name: *const c_char, len: usize, data: *mut c_void, visit: VisitName);
    pub fn jl_cpp_x86_implied_features(
        name: *const c_char,
        len: usize,
        enabled: bool,
        data: *mut c_void,
        visit: VisitImplied,
    );
    pub fn jl_cpp_x86_cpus(data: *mut c_void, visit: VisitName);
    pub fn jl_cpp_aarch64_features_for_cpu(
        name: *const c_char,
        len: usize,
        data: *mut c_void,
        visit: VisitName,
    );
    pub fn jl_cpp_aarch64_implied_features(
        name: *const c_char,
        len: usize,
        enabled: bool,
        data: *mut c_void,
        visit: VisitName,
    );
    pub fn jl_cpp_aarch64_cpus(data: *mut c_void, visit: VisitName);
    pub fn jl_cpp_aarch64_canonical_cpu(name: *const c_char, len: usize, data: *mut c_void, visit: VisitName);
}

pub type VisitSymbol = extern "C" fn(*mut c_void, LLVMValueRef);
pub type VisitReference = extern "C" fn(*mut c_void, LLVMValueRef, bool);
pub type WriteBytes = extern "C" fn(*mut c_void, *const c_char, usize);

unsafe extern "C" {
    // `cpp/split.cpp`.
    pub fn jl_cpp_references(global: LLVMValueRef, data: *mut c_void, visit: VisitReference);
    pub fn jl_cpp_symbols(module: LLVMModuleRef, data: *mut c_void, visit: VisitSymbol);
    pub fn jl_cpp_write_bitcode(module: LLVMModuleRef, data: *mut c_void, write: WriteBytes);
    pub fn jl_cpp_drop_flag(module: LLVMModuleRef, name: *const c_char, len: usize);
    pub fn jl_cpp_drop_note(module: LLVMModuleRef, name: *const c_char, len: usize);
    pub fn jl_cpp_drop_definitions(module: LLVMModuleRef);
    pub fn jl_cpp_extract(
        context: LLVMContextRef,
        bytes: *const c_char,
        len: usize,
        keep: *const u8,
        count: usize,
        root: bool,
        data: *mut c_void,
        error: WriteBytes,
    ) -> LLVMModuleRef;
}

unsafe extern "C" {
    // `cpp/emit.cpp`.
    pub fn jl_cpp_machine(module: LLVMModuleRef, level: c_uint) -> *mut c_void;
    pub fn jl_cpp_machine_copy(host: *mut c_void) -> *mut c_void;
    pub fn jl_cpp_has_side_outputs(machine: *mut c_void, module: LLVMModuleRef) -> bool;
    pub fn jl_cpp_write_stream(stream: *mut c_void, bytes: *const c_char, len: usize);
    pub fn jl_cpp_machine_free(machine: *mut c_void);
    pub fn jl_cpp_optimise(machine: *mut c_void, module: LLVMModuleRef, level: c_uint, vectorise: bool);
    pub fn jl_cpp_emit(
        machine: *mut c_void,
        module: LLVMModuleRef,
        assembly: bool,
        data: *mut c_void,
        write: WriteBytes,
    ) -> bool;
}

pub type VisitNamed = extern "C" fn(*mut c_void, LLVMValueRef, c_uint);

unsafe extern "C" {
    // `cpp/identity.cpp`.
    pub fn jl_cpp_identity_new() -> *mut c_void;
    pub fn jl_cpp_identity_free(tables: *mut c_void);
    pub fn jl_cpp_identity_facts(symbol: LLVMValueRef) -> c_uint;
    pub fn jl_cpp_identity_module(
        tables: *mut c_void,
        module: LLVMModuleRef,
        data: *mut c_void,
        write: WriteBytes,
    );
    pub fn jl_cpp_identity_symbol(
        tables: *mut c_void,
        symbol: LLVMValueRef,
        whole: bool,
        data: *mut c_void,
        write: WriteBytes,
        names: VisitNamed,
    ) -> c_uint;
}

/// `struct Text` of `cpp/units.cpp`.
#[repr(C)]
pub struct Text {
    pub bytes: *const c_char,
    pub len: usize,
}

unsafe extern "C" {
    // `cpp/units.cpp`.
    pub fn jl_cpp_piece(
        module: LLVMModuleRef,
        functions: *const LLVMValueRef,
        roles: *const u8,
        count: usize,
        data: *mut c_void,
        write: WriteBytes,
        uses: *mut c_void,
        visit: VisitName,
    ) -> bool;
    pub fn jl_cpp_infer_attributes(module: LLVMModuleRef, promote: bool);
    pub fn jl_cpp_drop_imports(module: LLVMModuleRef);
    pub fn jl_cpp_write_unit(module: LLVMModuleRef, data: *mut c_void, write: WriteBytes);
    pub fn jl_cpp_give_back_body(function: LLVMValueRef);
    pub fn jl_cpp_take_back(
        module: LLVMModuleRef,
        list: *const Text,
        count: usize,
        data: *mut c_void,
        error: WriteBytes,
    ) -> bool;
    pub fn jl_cpp_simplify_unit(
        machine: *mut c_void,
        module: LLVMModuleRef,
        level: c_uint,
        imports: *const Text,
        count: usize,
        data: *mut c_void,
        error: WriteBytes,
    ) -> bool;
}

unsafe extern "C" {
    // `cpp/crash.cpp`.
    pub fn jl_cpp_landmark(text: *const c_char, len: usize) -> *mut c_void;
    pub fn jl_cpp_landmark_free(landmark: *mut c_void);
    pub fn jl_cpp_watch_memory();
    pub fn jl_cpp_unwatch_memory();
}

unsafe extern "C" {
    // `cpp/packages.cpp`.
    pub fn jl_cpp_calls(function: LLVMValueRef, data: *mut c_void, visit: VisitSymbol) -> c_uint;
    pub fn jl_cpp_instructions(function: LLVMValueRef, data: *mut c_void, visit: VisitSymbol) -> c_uint;
    pub fn jl_cpp_call_through(call: LLVMValueRef, slot: LLVMValueRef);
    pub fn jl_cpp_drop_body(function: LLVMValueRef);
    pub fn jl_cpp_drop_unreferenced(module: LLVMModuleRef);
    // `cpp/settle.cpp`.
    pub fn jl_cpp_settle(module: LLVMModuleRef);
}
