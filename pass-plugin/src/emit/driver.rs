//! The phases of emission, in order.

use super::archive::{self, Member};
use super::compile::Compiler;
use super::names::Names;
use super::parts::{self, Part, PartCode};
use super::settings::{EmitSettings, Form};
use crate::annotate;
use crate::llvm::{HostMachine, Module, Severity};
use crate::partition::{self, Assignment};
use crate::settings::Settings;
use std::hash::Hasher;
use xxhash_rust::xxh64::Xxh64;

/// Module flag: the module's code has been written.
const EMITTED: &str = "jl.emitted";

/// Emits the module; afterwards it has no definitions any more.
///
/// # Errors
/// A sentence, when a setting is missing or wrong, when LLVM cannot compile a part, or the archive cannot be written.
pub fn emit(module: Module, settings: &EmitSettings, host: HostMachine) -> Result<bool, String> {
    if module.has_flag(EMITTED) {
        return Ok(false);
    }
    let out = settings.out.as_deref().ok_or("jl-emit was not told where to write: jl-emit<O3;out=FILE.a>")?;
    let mut plan = Settings::parse(&settings.rest, ';')?;
    plan.targets = plan.targets.map(|t| t.replace('|', ";"));
    annotate::annotate(module, &plan)?;
    partition::partition(module, &settings.partition)?;
    let identity = identity(module);
    let shards = take_apart(module)?;
    module.set_flag(EMITTED, 1);

    let compiler = Compiler { host, level: settings.level, form: settings.form };
    let mut members = Vec::new();
    for (index, shard) in shards.iter().enumerate() {
        let parts = parts::split(shard).map_err(|e| format!("shard {index}: {e}"))?;
        let names = Names::new(&parts.keys, Some(identity));
        let _ = &names;
        for PartCode { part, bitcode } in &parts.codes {
            let compiled = compiler.compile(bitcode).map_err(|e| format!("shard {index}, {part:?}: {e}"))?;
            for warning in compiled.warnings {
                module.diagnose(Severity::Warning, &warning);
            }
            members.push(Member { name: member_name(index, *part, settings.form), bytes: compiled.bytes });
        }
    }
    archive::write(out, &members)?;
    Ok(true)
}

fn member_name(shard: usize, part: Part, form: Form) -> String {
    let part = match part {
        Part::Target(target) => target.to_string(),
        Part::Tables => "tables".to_string(),
    };
    let (prefix, extension) = match form {
        Form::Object => ("shard", "o"),
        Form::Assembly => ("shard", "s"),
        Form::Unoptimised => ("unopt", "bc"),
        Form::Optimised => ("opt", "bc"),
    };
    format!("{prefix}_{shard}.{part}.{extension}")
}

/// Tells the module from others that may be linked with it: its file and what it exports.
fn identity(module: Module) -> u64 {
    let mut hasher = Xxh64::new(0);
    hasher.write(module.source_name().as_bytes());
    for symbol in module.symbols() {
        if !symbol.is_declaration() && !symbol.is_local() {
            hasher.write(symbol.name().as_bytes());
            hasher.write_u8(0);
        }
    }
    hasher.finish()
}

/// The shards' bitcode. The module's own memory is given back.
fn take_apart(module: Module) -> Result<Vec<Vec<u8>>, String> {
    let Assignment { count, shards, copied } =
        partition::assignment(module).ok_or("the module was not partitioned: run jl-partition first")?;
    partition::forget(module);
    let whole = module.bitcode();
    module.drop_definitions();
    let extract = |shard: u32| {
        let keep: Vec<bool> = shards
            .iter()
            .zip(&copied)
            .map(|(own, copied)| own.is_some_and(|s| s.0 == shard) || *copied)
            .collect();
        let piece = crate::llvm::OwnedModule::extract(&whole, &keep, shard == 0)?;
        Ok(piece.module().bitcode())
    };
    (0..count).map(extract).collect()
}
