//! Pieces of a module that are simplified by themselves, and their way back into it.

use super::own::append_bytes;
use super::{Function, Machine, Module, OwnedModule, Value, llvm, push_name};
use crate::emit::settings::Level;
use crate::shim::{self, Text};
use llvm_sys::core::*;
use llvm_sys::prelude::LLVMValueRef;

/// Functions as bitcode, with declarations of what they name.
pub struct Piece {
    pub bitcode: Vec<u8>,
    /// The functions of other pieces or modules that they name.
    pub uses: Vec<String>,
    /// Whether they name nothing that is local to their module, but for what is [`PieceRole::Known`].
    pub is_whole: bool,
}

/// How a function stands in a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PieceRole {
    /// As in the module.
    Visible = 0,
    /// Local to the piece.
    Inner = 1,
    /// Without its body.
    Declared = 2,
    /// Not in the piece, but it may be named there though it is local.
    Known = 3,
}

fn texts(list: &[&[u8]]) -> Vec<Text> {
    list.iter().map(|b| Text { bytes: b.as_ptr().cast(), len: b.len() }).collect()
}

fn checked(done: bool, error: &[u8]) -> Result<(), String> {
    if done { Ok(()) } else { Err(String::from_utf8_lossy(error).into_owned()) }
}

impl Module {
    /// Copies of functions, and of the small constants and inlinees that they name.
    pub fn piece(self, functions: &[(Function, PieceRole)]) -> Piece {
        let list: Vec<LLVMValueRef> = functions.iter().map(|(f, _)| f.0.0).collect();
        let roles: Vec<u8> = functions.iter().map(|(_, role)| *role as u8).collect();
        let (mut bitcode, mut uses): (Vec<u8>, Vec<String>) = (Vec::new(), Vec::new());
        let (data, names): (*mut Vec<u8>, *mut Vec<String>) = (&mut bitcode, &mut uses);
        let is_whole = llvm!(shim::jl_cpp_piece(
            self.0,
            list.as_ptr(),
            roles.as_ptr(),
            list.len(),
            data.cast(),
            append_bytes,
            names.cast(),
            push_name
        ));
        Piece { bitcode, uses, is_whole }
    }

    /// Whether the module says where its code comes from.
    pub fn has_debug_info(self) -> bool {
        llvm!(LLVMGetNamedMetadataNumOperands(self.0, c"llvm.dbg.cu".as_ptr())) != 0
    }

    /// Infers attributes bottom-up through the module; `promote` also passes what small arguments point to by value.
    pub fn infer_attributes(self, promote: bool) {
        llvm!(shim::jl_cpp_infer_attributes(self.0, promote));
    }

    /// Puts what pieces became in the place of their functions, and drops functions of which nothing is left.
    ///
    /// # Errors
    /// LLVM's words.
    pub fn take_back(self, pieces: &[&[u8]]) -> Result<(), String> {
        let list = texts(pieces);
        let mut error = Vec::new();
        let data: *mut Vec<u8> = &mut error;
        let done =
            llvm!(shim::jl_cpp_take_back(self.0, list.as_ptr(), list.len(), data.cast(), append_bytes));
        checked(done, &error)
    }
}

impl Function {
    /// Gives back the memory of a body that will be replaced.
    pub fn give_back_body(self) {
        llvm!(shim::jl_cpp_give_back_body(self.0.0));
    }
}

impl OwnedModule {
    /// What is left when imports are dropped.
    pub fn own_bitcode(&self) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::new();
        let data: *mut Vec<u8> = &mut bytes;
        llvm!(shim::jl_cpp_drop_imports(self.module().0));
        llvm!(shim::jl_cpp_write_unit(self.module().0, data.cast(), append_bytes));
        bytes
    }
}

impl Machine {
    /// The middle of simplification, with copies of other pieces' functions for inlining.
    ///
    /// # Errors
    /// LLVM's words.
    pub fn simplify(&self, module: Module, level: Level, imports: &[&[u8]]) -> Result<(), String> {
        let list = texts(imports);
        let mut error = Vec::new();
        let data: *mut Vec<u8> = &mut error;
        let done = llvm!(shim::jl_cpp_simplify_unit(
            self.0,
            module.0,
            level.number(),
            list.as_ptr(),
            list.len(),
            data.cast(),
            append_bytes
        ));
        checked(done, &error)
    }
}

impl Value {
    /// The bytes of an array of bytes; none of one that is all zero.
    pub fn bytes_of_constant(self) -> Option<Vec<u8>> {
        let value = llvm!(LLVMGetInitializer(self.0));
        if llvm!(LLVMIsNull(value)) != 0 {
            return Some(Vec::new());
        }
        if llvm!(LLVMIsAConstantDataSequential(value)).is_null() || llvm!(LLVMIsConstantString(value)) == 0 {
            return None;
        }
        let mut len = 0;
        let bytes = llvm!(LLVMGetAsString(value, &mut len));
        // SAFETY: LLVM returns the array's bytes, which live as long as the constant, and their number.
        Some(unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), len) }.to_vec())
    }
}
