//! What a job does beyond compiling a shard, in the clang that `jl-cc --jl-shard` has become.

use super::stamp;
use crate::emit::producer;
use std::env::var_os;
use std::fs;

/// Set by jl-cc: the module must be a shard.
const SHARD: &str = "JL_SHARD";
/// Set by jl-cc: the file with the shard; the object is to be stamped.
const STAMP: &str = "JL_SHARD_STAMP";

/// Refuses what is no shard where only shards are expected.
///
/// # Errors
/// A sentence.
pub fn refuse_other_modules() -> Result<(), String> {
    match var_os(SHARD) {
        None => Ok(()),
        Some(_) => {
            Err("this bitcode is no shard: expected what jl-emit writes with form=unopt-bc or jobs=DIR; \
                        other modules are compiled without --jl-shard"
                .into())
        }
    }
}

/// Stamps a shard's object where that was asked for. `warned`: the compiler had something to say about it.
///
/// # Errors
/// A sentence, when the shard cannot be read again.
pub fn finish(object: &mut Vec<u8>, warned: bool) -> Result<(), String> {
    let Some(path) = var_os(STAMP) else { return Ok(()) };
    let shard = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let compiler = producer::words().ok_or("the plugin's file cannot be told, by which objects are known")?;
    stamp::stamp(object, &shard, warned, &compiler);
    Ok(())
}
