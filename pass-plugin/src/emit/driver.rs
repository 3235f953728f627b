//! The phases of emission, in order.

use super::archive::{self, Member};
use super::compile::Compiler;
use super::engine::{Engine, leave};
use super::extract;
use super::metadata::{self, Metadata};
use super::place::Stage;
use super::session::Session;
use super::settings::{EmitSettings, Form};
use super::shards::{self, Emitted};
use super::store::Store;
use super::threads;
use crate::annotate;
use crate::llvm::{Module, Severity};
use crate::packages::{self, dedup};
use crate::partition::plan::ShardId;
use crate::partition::{self, facts};
use crate::settings::Settings;
use crate::target;
use image_format::cache::{Key, Kind};
use std::hash::Hasher;
use xxhash_rust::xxh64::Xxh64;

/// Module flag: the module's code has been written.
const EMITTED: &str = "jl.emitted";

/// Named metadata: the input's key in the cache, in hex, until the archive is written.
const INPUT: &str = "jl.input";

/// Writes the archive if the cache has it for this input; otherwise the module is left as it is, but for a note of the
/// input's key.
///
/// # Errors
/// A sentence, when the archive cannot be written.
pub fn look_up(module: Module, settings: &EmitSettings) -> Result<bool, String> {
    let store = Store::from_environment();
    let (Some(out), true) = (settings.out.as_deref(), store.is_open()) else { return Ok(false) };
    // A folder of jobs is no archive.
    if module.has_flag(EMITTED) || settings.jobs.is_some() {
        return Ok(false);
    }
    let key = store.image(&module.bitcode(), settings, &packages::key(module)?);
    let Some(bytes) = store.get(&key) else {
        module.set_note(INPUT, &key.to_hex());
        return Ok(true);
    };
    archive::write_bytes(out, &bytes)?;
    module.drop_definitions();
    module.set_flag(EMITTED, 1);
    for warning in store.warnings() {
        module.diagnose(Severity::Warning, &warning);
    }
    Ok(true)
}

/// Emits the module; afterwards it has no definitions any more.
///
/// # Errors
/// A sentence, when a setting is missing or wrong, when LLVM cannot compile a part, or the archive cannot be written.
pub fn emit(module: Module, settings: &EmitSettings) -> Result<bool, String> {
    if module.has_flag(EMITTED) {
        return Ok(false);
    }
    let out = settings.out.as_deref().ok_or("jl-emit was not told where to write: jl-emit<O3;out=FILE.a>")?;
    let plan = Settings::parse(&settings.rest, ';')?.with_lists_of_passes();
    let input = module.note(INPUT).and_then(|hex| Key::from_hex(Kind::Image, &hex));
    module.drop_note(INPUT);
    // Before anything is counted: what leaves is in no shard.
    dedup::deduplicate(module)?;
    let size = size(module);
    let session = Session::new(size, Store::from_environment());
    let arch = target::image_arch(&module.triple()).ok_or_else(|| {
        format!("jl-emit makes ELF objects for x86-64 and aarch64, not for '{}'", module.triple())
    })?;
    let compiler = Compiler::new(settings, identity(module));
    let engine = Engine::from_environment(out)?;

    session.stage(Stage::Annotate, || annotate::annotate(module, &plan))?;
    session.stage(Stage::Partition, || partition::partition(module, &settings.partition))?;
    compiler.write(module);
    let assignment =
        partition::assignment(module).ok_or("the module was not partitioned: run jl-partition first")?;
    let mut metadata = Metadata::new(module, &assignment, settings.level.word());
    let shards = extract::take_apart(module, assignment, size.globals, &session)?;
    module.set_flag(EMITTED, 1);
    if let Some(folder) = &settings.jobs {
        leave::leave(folder, out, &shards, metadata, arch)?;
        session.finish(module);
        return Ok(true);
    }
    let emitted = match settings.form {
        Form::Unoptimised => shards.into_iter().map(Emitted::from).collect(),
        _ => shards::emit(&shards, &compiler, engine.as_ref(), &session)
            .map_err(|failure| failure.to_string())?,
    };
    let mut members = members(emitted, settings.form, &mut metadata);
    members.push(Member { name: metadata::MEMBER.to_string(), bytes: metadata.object(arch)? });
    let bytes = archive::pack(out, &members)?;
    archive::write_bytes(out, &bytes)?;
    if let Some(key) = input.filter(|_| !session.has_warned()) {
        session.store.put(&key, &bytes);
    }
    session.finish(module);
    Ok(true)
}

/// How large the module is, as far as the number of threads goes.
pub fn size(module: Module) -> threads::Module {
    let definitions: Vec<_> = module.symbols().into_iter().filter(facts::is_definition).collect();
    threads::Module {
        weight: definitions.iter().map(|s| facts::weight(*s)).sum(),
        globals: definitions.len(),
    }
}

fn members(emitted: Vec<Emitted>, form: Form, metadata: &mut Metadata) -> Vec<Member> {
    let name = |of: &Emitted| {
        let ShardId(shard) = of.shard;
        let part = of.part.map_or(String::new(), |part| format!(".{part}"));
        let (prefix, extension) = match form {
            Form::Object => ("shard", "o"),
            Form::Assembly => ("shard", "s"),
            Form::Unoptimised => ("unopt", "bc"),
            Form::Optimised => ("opt", "bc"),
        };
        format!("{prefix}_{shard}{part}.{extension}")
    };
    let member = |emitted: Emitted| {
        let name = name(&emitted);
        metadata.add(&name, &emitted);
        Member { name, bytes: emitted.bytes }
    };
    emitted.into_iter().map(member).collect()
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
