//! Optimising and emitting a module by ourselves.

use super::own::append_bytes;
use super::{Module, llvm, non_null};
use crate::emit::settings::{Form, Level};
use crate::shim;
use std::ffi::c_void;

/// The target machine of the program that calls us.
#[derive(Clone, Copy)]
pub struct HostMachine(*mut c_void);

// SAFETY: the machine belongs to the host, which waits for us and changes nothing meanwhile; it is only read, by any
// number of threads.
unsafe impl Send for HostMachine {}
// SAFETY: as above.
unsafe impl Sync for HostMachine {}

impl HostMachine {
    /// # Safety
    /// `raw` is a live `llvm::TargetMachine` that nobody changes while the result is in use.
    pub unsafe fn from_raw(raw: *mut c_void) -> HostMachine {
        HostMachine(raw)
    }

    /// Whether generating code writes more than the one file, or tells about itself as it goes.
    pub fn has_side_outputs(self, module: Module) -> bool {
        llvm!(shim::jl_cpp_has_side_outputs(self.0, module.0))
    }

    /// See [`shim::jl_cpp_fuse_by_flags`].
    pub fn fuse_by_flags(self, module: Module, flag: &str) {
        llvm!(shim::jl_cpp_fuse_by_flags(module.0, self.0, flag.as_ptr().cast(), flag.len()));
    }
}

/// Where the host wants the code to go.
#[derive(Clone, Copy)]
pub struct HostStream(*mut c_void);

impl HostStream {
    /// # Safety
    /// `raw` is a live `llvm::raw_pwrite_stream` that nobody else writes to while the result is in use.
    pub unsafe fn from_raw(raw: *mut c_void) -> HostStream {
        HostStream(raw)
    }

    pub fn write(self, bytes: &[u8]) {
        llvm!(shim::jl_cpp_write_stream(self.0, bytes.as_ptr().cast(), bytes.len()));
    }
}

/// LLVM's code generator for one module, on one thread.
pub struct Machine(pub(super) *mut c_void);

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: it is ours, and no pass of it is running.
        unsafe { shim::jl_cpp_machine_free(self.0) };
    }
}

impl Machine {
    /// A machine for a shard: the same wherever it is compiled.
    ///
    /// # Errors
    /// A sentence, when the host has no such target.
    pub fn for_shard(module: Module, level: Level) -> Result<Machine, String> {
        let raw = llvm!(shim::jl_cpp_machine(module.0, level.number()));
        let triple = module.triple();
        non_null(raw)
            .map(Machine)
            .ok_or_else(|| format!("this LLVM was built without code generation for '{triple}'"))
    }

    /// A machine that does what the host's does; `None` if there is no other.
    pub fn copy_of(host: HostMachine) -> Option<Machine> {
        non_null(llvm!(shim::jl_cpp_machine_copy(host.0))).map(Machine)
    }

    /// See [`shim::jl_cpp_fuse_by_flags`].
    pub fn fuse_by_flags(&self, module: Module, flag: &str) {
        llvm!(shim::jl_cpp_fuse_by_flags(module.0, self.0, flag.as_ptr().cast(), flag.len()));
    }

    /// The second half of LLVM's default pipeline: vectorisation and what follows.
    pub fn optimise(&self, module: Module, level: Level) {
        llvm!(shim::jl_cpp_optimise(self.0, module.0, level.number(), level.vectorises()));
    }

    /// Code for the module.
    ///
    /// # Errors
    /// A sentence, when the target cannot emit that.
    pub fn emit(&self, module: Module, form: Form) -> Result<Vec<u8>, String> {
        let mut bytes: Vec<u8> = Vec::new();
        let data: *mut Vec<u8> = &mut bytes;
        let assembly = form == Form::Assembly;
        if llvm!(shim::jl_cpp_emit(self.0, module.0, assembly, data.cast(), append_bytes)) {
            Ok(bytes)
        } else {
            Err(format!("code generation for '{}' cannot make {}", module.triple(), form.words()))
        }
    }
}
