//! What stands for what in the clones of one target.

use super::{Function, Module, Value, llvm};
use crate::shim;
use std::ffi::c_void;

/// A map from values to what replaces them in clones. It grows as functions are cloned by it, so that what
/// several of them share (debug info) is copied once.
pub struct CloneMap(*mut c_void);

impl CloneMap {
    pub fn new(module: Module) -> CloneMap {
        CloneMap(llvm!(shim::jl_cpp_map_new(module.0)))
    }

    /// From now on `to` stands for `from`; both live as long as the map.
    pub fn add(&mut self, from: Value, to: Value) {
        llvm!(shim::jl_cpp_map_add(self.0, from.0, to.0));
    }

    /// Gives `to`, a declaration of the same type, a copy of the body and the attributes of `from`.
    pub fn clone_body(&mut self, from: Function, to: Function) {
        llvm!(shim::jl_cpp_map_clone(self.0, from.0.0, to.0.0));
    }

    /// The constant, with everything replaced in it that the map knows.
    pub fn constant(&mut self, constant: Value) -> Value {
        Value(llvm!(shim::jl_cpp_map_constant(self.0, constant.0)))
    }
}

impl Drop for CloneMap {
    fn drop(&mut self) {
        // The map is this value's alone: `new` allocated it and nothing else frees it.
        llvm!(shim::jl_cpp_map_free(self.0));
    }
}
