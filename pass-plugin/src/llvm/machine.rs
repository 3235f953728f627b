//! Optimising and emitting a module by ourselves.

use super::own::append_bytes;
use super::{Module, llvm, non_null};
use crate::emit::settings::{Form, Level};
use crate::shim;
use std::ffi::c_void;

/// The target machine of the program that runs the pass; null where it has none.
#[derive(Clone, Copy)]
pub struct HostMachine(pub *mut c_void);

// SAFETY: the machine belongs to the host, which waits for the pass and changes nothing meanwhile; only its options
// are read (`Machine::like`), by any number of threads.
unsafe impl Send for HostMachine {}
// SAFETY: as above.
unsafe impl Sync for HostMachine {}

/// LLVM's code generator for one module, on one thread.
pub struct Machine(*mut c_void);

impl Drop for Machine {
    fn drop(&mut self) {
        // SAFETY: it is ours, and no pass of it is running.
        unsafe { shim::jl_cpp_machine_free(self.0) };
    }
}

impl Machine {
    /// A machine for the module with the host's options.
    ///
    /// # Errors
    /// A sentence, when the host has no such target.
    pub fn like(host: HostMachine, module: Module, level: Level, sections: bool) -> Result<Machine, String> {
        let raw = llvm!(shim::jl_cpp_machine(host.0, module.0, level.number(), sections));
        let triple = module.triple();
        non_null(raw)
            .map(Machine)
            .ok_or_else(|| format!("this LLVM was built without code generation for '{triple}'"))
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
