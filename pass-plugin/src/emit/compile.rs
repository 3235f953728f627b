//! One part: optimised and emitted.

use super::place::Stage;
use super::queue::Task;
use super::settings::{EmitSettings, Form, Level};
use crate::annotate::FP_STRICT;
use crate::llvm::{Machine, Module, OwnedModule, Severity};

/// What every part of a module is compiled with. It stands in each shard's bitcode, so that whoever compiles it does
/// the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiler {
    pub level: Level,
    pub form: Form,
    /// Tells the module from others.
    pub module: u64,
}

/// Named metadata with a [`Compiler`] as text.
const JOB: &str = "jl.job";

/// A compiled part, and LLVM's warnings about it.
pub struct Compiled {
    pub bytes: Vec<u8>,
    pub warnings: Vec<String>,
}

impl Compiler {
    pub fn new(settings: &EmitSettings, module: u64) -> Compiler {
        // A shard that is left as it is will be compiled to an object elsewhere.
        let form = if settings.form == Form::Unoptimised { Form::Object } else { settings.form };
        Compiler { level: settings.level, form, module }
    }

    /// Puts it into a module that is about to become shards.
    pub fn write(&self, module: Module) {
        module.set_note(JOB, &format!("{} {} {:016x}", self.level.word(), self.form.word(), self.module));
    }

    /// Takes it out of a part again: parts of all modules are alike.
    pub fn forget(module: Module) {
        module.drop_note(JOB);
    }

    /// What a shard is to be compiled with; `None` for a module that is none.
    ///
    /// # Errors
    /// A sentence, when another release of the plugin wrote it.
    pub fn read(module: Module) -> Result<Option<Compiler>, String> {
        let Some(text) = module.note(JOB) else { return Ok(None) };
        let words: Vec<&str> = text.split(' ').collect();
        if let [level, form, id] = words.as_slice()
            && let (Some(level), Some(form)) = (Level::from_word(level), Form::from_word(form))
            && let Ok(module) = u64::from_str_radix(id, 16)
        {
            return Ok(Some(Compiler { level, form, module }));
        }
        Err(format!(
            "this shard says '{text}' of how to compile it, which this release of the plugin does not understand: \
             write and compile shards with one release"
        ))
    }

    /// # Errors
    /// LLVM's words, when the part cannot be read or compiled.
    pub fn compile(&self, bitcode: &[u8], task: &Task) -> Result<Compiled, String> {
        let owned = task.stage(Stage::Deserialise, || OwnedModule::read(bitcode))?;
        let module = owned.module();
        let machine = Machine::for_shard(module, self.level)?;
        if module.has_flag(FP_STRICT) {
            machine.fuse_by_flags(module, FP_STRICT);
        }
        task.stage(Stage::Optimise, || machine.optimise(module, self.level));
        let bytes = task.stage(Stage::Emit, || match self.form {
            Form::Optimised => Ok(module.bitcode()),
            form => machine.emit(module, form),
        })?;
        Compiled::of(&owned, bytes)
    }
}

impl Compiled {
    /// # Errors
    /// LLVM's words, when it reported an error.
    pub fn of(module: &OwnedModule, bytes: Vec<u8>) -> Result<Compiled, String> {
        if let Some(error) = module.error() {
            return Err(error.to_string());
        }
        let warnings = module.diagnostics().iter().filter(|(s, _)| *s == Severity::Warning);
        Ok(Compiled { bytes, warnings: warnings.map(|(_, text)| text.clone()).collect() })
    }
}
