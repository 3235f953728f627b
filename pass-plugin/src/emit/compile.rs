//! One part: optimised and emitted.

use super::settings::{Form, Level};
use crate::annotate::FP_STRICT;
use crate::llvm::{HostMachine, Machine, OwnedModule, Severity};

/// What every part of a module is compiled with.
#[derive(Clone, Copy)]
pub struct Compiler {
    pub host: HostMachine,
    pub level: Level,
    pub form: Form,
}

/// A compiled part, and LLVM's warnings about it.
pub struct Compiled {
    pub bytes: Vec<u8>,
    pub warnings: Vec<String>,
}

impl Compiler {
    /// # Errors
    /// LLVM's words, when the part cannot be read or compiled.
    pub fn compile(&self, bitcode: &[u8]) -> Result<Compiled, String> {
        if self.form == Form::Unoptimised {
            return Ok(Compiled { bytes: bitcode.to_vec(), warnings: Vec::new() });
        }
        let owned = OwnedModule::read(bitcode)?;
        let module = owned.module();
        let machine = Machine::like(self.host, module, self.level, true)?;
        if module.has_flag(FP_STRICT) {
            machine.fuse_by_flags(module, FP_STRICT);
        }
        machine.optimise(module, self.level);
        let bytes = match self.form {
            Form::Optimised => module.bitcode(),
            form => machine.emit(module, form)?,
        };
        if let Some(error) = owned.error() {
            return Err(error.to_string());
        }
        let warnings = owned.diagnostics().iter().filter(|(s, _)| *s == Severity::Warning);
        Ok(Compiled { bytes, warnings: warnings.map(|(_, text)| text.clone()).collect() })
    }
}
