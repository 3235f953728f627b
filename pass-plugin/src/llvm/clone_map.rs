//! What stands for what in the clones of one target.

use super::{Function, Value, llvm};
use crate::shim;
use std::ffi::c_void;

/// A map from values to what replaces them in clones; one for all functions that are cloned for a target.
pub struct CloneMap(*mut c_void);

impl Default for CloneMap {
    fn default() -> CloneMap {
        CloneMap(llvm!(shim::jl_cpp_map_new()))
    }
}

impl CloneMap {
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
        // The map is this value's alone: `default` allocated it and nothing else frees it.
        llvm!(shim::jl_cpp_map_free(self.0));
    }
}
