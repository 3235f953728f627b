//! What clang asks before it generates code: a shard is compiled as it says itself, and a large translation unit on
//! several threads. Either becomes one ordinary object.

use super::compile::{Compiled, Compiler};
use super::driver;
use super::engine::job;
use super::extract;
use super::memory;
use super::names::Names;
use super::place::{Place, Stage};
use super::queue::Job;
use super::session::Session;
use super::settings::{Form, PartitionSettings};
use super::shards::{self, Shard};
use super::store::Store;
use crate::annotate::FP_STRICT;
use crate::llvm::{HostMachine, HostStream, Machine, Module, OwnedModule};
use crate::partition;
use crate::partition::plan::{ROOT, SHARD_WEIGHT};
use crate::target;

/// From this weight on a translation unit is taken apart: some seconds of code generation.
const LARGE: u64 = 4 * SHARD_WEIGHT;

/// Writes the module's code to `stream`; false leaves it to the host.
///
/// # Errors
/// A sentence, when LLVM cannot compile it.
pub fn generate(
    module: Module,
    host: HostMachine,
    is_object: bool,
    stream: HostStream,
) -> Result<bool, String> {
    let bytes = match Compiler::read(module)? {
        Some(compiler) => {
            let (mut object, warned) = compile_shard(module, &compiler, is_object)?;
            job::finish(&mut object, warned)?;
            object
        }
        None => {
            job::refuse_other_modules()?;
            host.fuse_by_flags(module, FP_STRICT);
            match generate_large(module, host, is_object)? {
                Some(bytes) => bytes,
                None => return Ok(false),
            }
        }
    };
    stream.write(&bytes);
    Ok(true)
}

/// The object of a shard that was written for a job of its own, and whether there were warnings.
fn compile_shard(module: Module, compiler: &Compiler, is_object: bool) -> Result<(Vec<u8>, bool), String> {
    if compiler.form != Form::Object || !is_object {
        return Err("a shard is compiled to an object: use clang -c, and write shards with form=obj".into());
    }
    let session = Session::new(driver::size(module), Store::from_environment());
    let shard = Shard { id: ROOT, bitcode: session.stage(Stage::Serialise, || module.bitcode()) };
    module.drop_definitions();
    let emitted = shards::emit(&[shard], compiler, None, &session).map_err(|failure| failure.to_string())?;
    let warned = session.has_warned();
    session.finish(module);
    let object = emitted.into_iter().next().ok_or("the shard became no object")?;
    Ok((object.bytes, warned))
}

/// A large unit's object; `None` for one that is better left whole.
fn generate_large(module: Module, host: HostMachine, is_object: bool) -> Result<Option<Vec<u8>>, String> {
    let size = driver::size(module);
    let known = target::image_arch(&module.triple()).is_some();
    if !is_object || !known || size.weight < LARGE || host.has_side_outputs(module) {
        return Ok(None);
    }
    let session = Session::new(size, Store::none());
    let settings = PartitionSettings::default();
    session.stage(Stage::Partition, || partition::partition(module, &settings))?;
    let assignment = partition::assignment(module).ok_or("the unit has no shards")?;
    let pieces = extract::take_apart(module, assignment, size.globals, &session)?;
    let job = |piece: &Shard| {
        let bytes = piece.bitcode.len() as u64;
        Job { place: Place::shard(piece.id), weight: bytes, memory: memory::estimate(bytes) }
    };
    let jobs: Vec<Job> = pieces.iter().map(job).collect();
    let compiled = session.run(&jobs, |index, task| {
        let piece = task.stage(Stage::Deserialise, || OwnedModule::read(&pieces[index].bitcode))?;
        let machine = Machine::copy_of(host).ok_or("the host's target cannot be made again")?;
        let bytes = task.stage(Stage::Emit, || machine.emit(piece.module(), Form::Object))?;
        Compiled::of(&piece, bytes)
    });
    let compiled = compiled.map_err(|failure| failure.to_string())?;
    let inputs: Vec<&[u8]> = compiled.iter().map(|c| c.bytes.as_slice()).collect();
    let names = Names::new(&[], None);
    let object = session.stage(Stage::Compose, || shards::compose_as(&inputs, &names))?;
    for warning in compiled.iter().flat_map(|c| &c.warnings) {
        session.warn(warning);
    }
    session.finish(module);
    Ok(Some(object))
}
