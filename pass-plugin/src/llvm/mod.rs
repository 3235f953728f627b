//! A thin layer over LLVM's C API: handles as types, strings as `&str`, lists as iterators.
//!
//! # What the SAFETY comments here rely on
//! A pass gets one `LLVMModuleRef` that is valid and not used by another thread while it runs. Every
//! handle below comes from that module through LLVM itself, so it is never null or dangling; the only
//! ways to end a value's life are [`Function::erase`] and [`Value::erase_instruction`], whose callers
//! use it no more. Handles are not `Send`: they cannot leave the pass's thread.

mod block;
mod clone_map;
mod constant;
mod crash;
mod forward;
mod function;
mod fuse;
mod global;
mod identity;
mod integer;
mod machine;
mod module;
mod own;
mod packages;
mod subtarget;
mod symbols;
mod types;
mod units;
mod value;

pub use block::{Block, LoopBlock};
pub use clone_map::CloneMap;
pub use constant::ConstantKind;
pub use crash::{Landmark, MemoryWatch};
pub use forward::ConstantLoad;
pub use function::Function;
pub use identity::{Canonicaliser, Obstacles, SymbolFacts, Uses};
pub use llvm_sys::{LLVMLinkage as Linkage, LLVMOpcode as Opcode, LLVMTypeKind as TypeKind};
pub use machine::{HostMachine, HostStream, Machine};
pub use module::{Module, Severity};
pub use own::OwnedModule;
pub use packages::OtherUses;
pub use subtarget::{known_features, subtarget_features};
pub use types::Type;
pub use units::{Piece, PieceRole};
pub use value::Value;

use llvm_sys::core::LLVMGetEnumAttributeKindForName;
use std::ffi::{CString, c_char, c_void};
use std::os::unix::ffi::OsStrExt;

/// Calls C API functions whose only requirement is that the handles are live.
macro_rules! llvm {
    ($call:expr) => {{
        // SAFETY: all handles in `$call` are live values, types or modules of the running pass's module,
        // of the kind that the function asks for (see the module documentation and the caller's type);
        // pointers to strings and slices come from live Rust values together with their lengths.
        unsafe { $call }
    }};
}

use llvm;

/// The attribute index of a function's own attributes.
pub const FUNCTION_INDEX: u32 = u32::MAX;

pub(super) fn text<'a>(pointer: *const c_char, len: usize) -> &'a str {
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

pub(super) fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "?")).unwrap_or_default()
}

pub(super) fn non_null<T>(pointer: *mut T) -> Option<*mut T> {
    (!pointer.is_null()).then_some(pointer)
}

pub(super) fn attribute_kind(name: &str) -> u32 {
    llvm!(LLVMGetEnumAttributeKindForName(name.as_ptr().cast(), name.len()))
}

/// Collects names for the shim's visitors.
pub extern "C" fn push_name(data: *mut c_void, name: *const c_char, len: usize) {
    // SAFETY: every caller passes a `*mut Vec<String>` of its own frame as `data` and does not touch it
    // until the visiting function has returned.
    let list = unsafe { &mut *data.cast::<Vec<String>>() };
    list.push(text(name, len).to_string());
}

/// LLVM's fast-math flag bits in the C API.
pub mod fast_math {
    pub const REASSOCIATE: u32 = 1 << 0;
    pub const CONTRACT: u32 = 1 << 5;
}

/// The files that this plugin's and LLVM's code were loaded from.
pub fn files_of_code() -> Option<[std::path::PathBuf; 2]> {
    let file_of = |address: *const c_void| {
        // SAFETY: all zeros is a valid `Dl_info`, whose fields are pointers.
        let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
        // SAFETY: dladdr reads no more than the address and writes to our struct.
        if unsafe { libc::dladdr(address, &mut info) } == 0 || info.dli_fname.is_null() {
            return None;
        }
        // SAFETY: on success it is the object's name, zero-terminated, which lives as long as the object is loaded.
        let name = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) };
        std::fs::canonicalize(std::ffi::OsStr::from_bytes(name.to_bytes())).ok()
    };
    let ours = file_of(files_of_code as *const c_void)?;
    let llvms = file_of(llvm_sys::core::LLVMContextCreate as *const c_void)?;
    Some([ours, llvms])
}
