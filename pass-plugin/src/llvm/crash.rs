//! What is said when LLVM crashes or memory is out.

use super::llvm;
use crate::shim;
use std::ffi::c_void;

/// Says what this thread is at, as long as it lives. Those of a thread are dropped in reverse order.
pub struct Landmark(*mut c_void);

impl Landmark {
    pub fn new(text: &str) -> Landmark {
        Landmark(llvm!(shim::jl_cpp_landmark(text.as_ptr().cast(), text.len())))
    }
}

impl Drop for Landmark {
    fn drop(&mut self) {
        // SAFETY: it is ours, and as a raw pointer keeps it from being sent, this is the thread that made it.
        unsafe { shim::jl_cpp_landmark_free(self.0) };
    }
}

/// While one lives, running out of memory in LLVM ends the process with the landmarks of the thread. Rust's own
/// allocator aborts, and then LLVM says the landmarks as for any crash.
pub struct MemoryWatch(());

impl MemoryWatch {
    pub fn start() -> MemoryWatch {
        llvm!(shim::jl_cpp_watch_memory());
        MemoryWatch(())
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        llvm!(shim::jl_cpp_unwatch_memory());
    }
}
