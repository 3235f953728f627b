//! Functions that leave the module for another image's (`cpp/packages.cpp`).

use super::{Function, Module, Value, llvm};
use crate::shim;
use llvm_sys::prelude::LLVMValueRef;
use std::ffi::c_void;

/// How a function is used besides being called by its own type: bits of `OtherUse` in `cpp/packages.cpp`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OtherUses(pub u32);

impl OtherUses {
    pub const ADDRESS: OtherUses = OtherUses(1);
    /// By what needs the definition: an alias, an IFUNC, a list of what must stay.
    pub const PINNED: OtherUses = OtherUses(2);

    pub fn has(self, other: OtherUses) -> bool {
        self.0 & other.0 != 0
    }
}

impl Function {
    /// The direct calls, and how else the function is used.
    pub fn calls(self) -> (Vec<Value>, OtherUses) {
        let mut calls: Vec<Value> = Vec::new();
        let data: *mut Vec<Value> = &mut calls;
        let others = OtherUses(llvm!(shim::jl_cpp_calls(self.0.0, data.cast(), push_call)));
        (calls, others)
    }

    /// The functions that are called and defined here, once for each call, and how many other instructions simplification
    /// will most likely leave.
    pub fn weigh(self) -> (Vec<Value>, u32) {
        let mut callees: Vec<Value> = Vec::new();
        let data: *mut Vec<Value> = &mut callees;
        let left = llvm!(shim::jl_cpp_instructions(self.0.0, data.cast(), push_call));
        (callees, left)
    }

    /// Leaves a declaration of what another image defines; the function's body, group and debug information go.
    pub fn drop_body(self) {
        llvm!(shim::jl_cpp_drop_body(self.0.0));
    }
}

impl Value {
    /// Makes a direct call go through the pointer in `slot`, with all that the function promises its callers.
    pub fn call_through(self, slot: Value) {
        llvm!(shim::jl_cpp_call_through(self.0, slot.0));
    }
}

impl Module {
    /// Removes what nothing refers to and nobody outside can.
    pub fn drop_unreferenced(self) {
        llvm!(shim::jl_cpp_drop_unreferenced(self.0));
    }

    /// Takes out what a front end leaves in one way or another by the order in which it met things.
    pub fn settle(self) {
        llvm!(shim::jl_cpp_settle(self.0));
    }
}

extern "C" fn push_call(data: *mut c_void, call: LLVMValueRef) {
    // SAFETY: `Function::calls` passes a `*mut Vec<Value>` of its own frame and does not touch it meanwhile.
    unsafe { &mut *data.cast::<Vec<Value>>() }.push(Value(call));
}
