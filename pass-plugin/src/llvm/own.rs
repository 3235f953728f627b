//! Modules of our own: read from bitcode into a context of their own, so that each can be worked on by a thread of
//! its own.

use super::{Module, Severity, llvm, non_null, text};
use crate::shim;
use llvm_sys::LLVMDiagnosticSeverity;
use llvm_sys::core::*;
use llvm_sys::prelude::*;
use std::ffi::{CStr, c_char, c_void};

/// What a context said, in order.
type Said = Vec<(Severity, String)>;

/// A context, and what it had to say.
struct Context {
    raw: LLVMContextRef,
    /// Ours, from `Box::into_raw`: LLVM keeps its address.
    said: *mut Said,
}

impl Context {
    fn new() -> Context {
        let raw = llvm!(LLVMContextCreate());
        let said: *mut Said = Box::into_raw(Box::default());
        llvm!(LLVMContextSetDiagnosticHandler(raw, Some(note), said.cast()));
        Context { raw, said }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: both are ours; `OwnedModule` disposes of its module first, and without its context nobody has the
        // list's address any more.
        unsafe {
            LLVMContextDispose(self.raw);
            drop(Box::from_raw(self.said));
        }
    }
}

/// A module in a context that nothing else uses.
pub struct OwnedModule {
    /// Dropped before the context.
    module: LLVMModuleRef,
    context: Context,
}

impl Drop for OwnedModule {
    fn drop(&mut self) {
        // SAFETY: it is ours; handles into it do not outlive the borrow of `module()`'s users, who work on this
        // thread and end before they drop us.
        unsafe { LLVMDisposeModule(self.module) };
    }
}

impl OwnedModule {
    /// A whole module.
    ///
    /// # Errors
    /// LLVM's words, when the bytes are not bitcode of this LLVM.
    pub fn read(bitcode: &[u8]) -> Result<OwnedModule, String> {
        let context = Context::new();
        let keep: Option<&[u8]> = None;
        context.load(bitcode, keep, true)
    }

    /// A whole module without the names of arguments, blocks and instructions, which take as much time as much else.
    ///
    /// # Errors
    /// As [`OwnedModule::read`].
    pub fn read_without_names(bitcode: &[u8]) -> Result<OwnedModule, String> {
        let context = Context::new();
        llvm!(LLVMContextSetDiscardValueNames(context.raw, 1));
        context.load(bitcode, None, true)
    }

    /// The definitions that `keep` says, in the order of [`Module::symbols`], and declarations of what they refer
    /// to. `root`: what belongs to the module as a whole goes along.
    ///
    /// # Errors
    /// As [`OwnedModule::read`]; and when `keep` has another length than the module has symbols.
    pub fn extract(bitcode: &[u8], keep: &[bool], root: bool) -> Result<OwnedModule, String> {
        let keep: Vec<u8> = keep.iter().map(|k| u8::from(*k)).collect();
        Context::new().load(bitcode, Some(&keep), root)
    }

    pub fn module(&self) -> Module {
        Module(self.module)
    }

    /// What LLVM and we said about it: severity and text, in order.
    pub fn diagnostics(&self) -> &[(Severity, String)] {
        // SAFETY: the list lives as long as the context, and LLVM adds to it only while it works on the module, which
        // it does not while the borrow of `self` lasts: what works on it takes `Module` by value and returns first.
        unsafe { &*self.context.said }
    }

    /// The first error, if there was one.
    pub fn error(&self) -> Option<&str> {
        self.diagnostics().iter().find(|(s, _)| *s == Severity::Error).map(|(_, text)| text.as_str())
    }
}

impl Context {
    fn load(self, bitcode: &[u8], keep: Option<&[u8]>, root: bool) -> Result<OwnedModule, String> {
        let mut error = Vec::new();
        let data: *mut Vec<u8> = &mut error;
        let (list, count) = keep.map_or((std::ptr::null(), 0), |k| (k.as_ptr(), k.len()));
        let bytes = bitcode.as_ptr().cast();
        let module = llvm!(shim::jl_cpp_extract(
            self.raw,
            bytes,
            bitcode.len(),
            list,
            count,
            root,
            data.cast(),
            append_bytes
        ));
        match non_null(module) {
            Some(module) => Ok(OwnedModule { module, context: self }),
            None => Err(String::from_utf8_lossy(&error).into_owned()),
        }
    }
}

impl Module {
    pub fn bitcode(self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        let data: *mut Vec<u8> = &mut bytes;
        llvm!(shim::jl_cpp_write_bitcode(self.0, data.cast(), append_bytes));
        bytes
    }

    /// Gives back a module's memory; what is left has no definition.
    pub fn drop_definitions(self) {
        llvm!(shim::jl_cpp_drop_definitions(self.0));
    }

    pub fn drop_flag(self, name: &str) {
        llvm!(shim::jl_cpp_drop_flag(self.0, name.as_ptr().cast(), name.len()));
    }
}

/// For the shim's functions that write: `data` is a `*mut Vec<u8>`.
pub(super) extern "C" fn append_bytes(data: *mut c_void, bytes: *const c_char, len: usize) {
    // SAFETY: every caller passes a `*mut Vec<u8>` of its own frame and does not touch it until the writing
    // function has returned; LLVM passes `len` readable bytes.
    let (list, bytes) =
        unsafe { (&mut *data.cast::<Vec<u8>>(), std::slice::from_raw_parts(bytes.cast::<u8>(), len)) };
    list.extend_from_slice(bytes);
}

extern "C" fn note(info: LLVMDiagnosticInfoRef, data: *mut c_void) {
    let severity = match llvm!(LLVMGetDiagInfoSeverity(info)) {
        LLVMDiagnosticSeverity::LLVMDSError => Severity::Error,
        LLVMDiagnosticSeverity::LLVMDSWarning => Severity::Warning,
        _ => return,
    };
    let raw = llvm!(LLVMGetDiagInfoDescription(info));
    // SAFETY: LLVM returns a zero-terminated string that is ours; it is copied, then disposed of below.
    let words = unsafe { CStr::from_ptr(raw) }.to_bytes();
    let words = text(words.as_ptr().cast(), words.len()).to_string();
    llvm!(LLVMDisposeMessage(raw));
    // SAFETY: `data` is the list of the context that calls us, which no one borrows while LLVM works on the
    // context's module.
    unsafe { &mut *data.cast::<Said>() }.push((severity, words));
}
