//! `jobs=DIR`: shards and job files for a build system of the user's own.

use super::formats::{self, Archive, Files, SHARD_OPTION};
use super::request::Request;
use crate::emit::metadata::{self, Metadata};
use crate::emit::shards::Shard;
use crate::entry::LLVM_VERSION;
use image_format::cpu::Arch;
use std::fs;
use std::path::Path;

/// Writes into `folder`: the shards, `build.ninja`, which makes the archive `output` of them, and `jobs.json`, which
/// distributors run; and the archive's `metadata`. A file that would not change is not touched, so that unchanged shards are not compiled again.
///
/// # Errors
/// A sentence with the file that cannot be written.
pub fn leave(
    folder: &Path,
    output: &Path,
    shards: &[Shard],
    mut metadata: Metadata,
    arch: Arch,
) -> Result<(), String> {
    let compiler = super::compiler(&Request::parse(|name| std::env::var_os(name))?)?;
    fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let output = std::path::absolute(output).map_err(|error| error.to_string())?;
    let absolute = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let names: Vec<Files> = shards
        .iter()
        .map(|shard| Files {
            input: format!("unopt_{}.bc", shard.id.0),
            output: format!("shard_{}.o", shard.id.0),
        })
        .collect();
    let whole = |name: &str| {
        let path = absolute.join(name).into_os_string().into_string();
        path.map_err(|path| format!("{} is not UTF-8, which job files are", path.display()))
    };
    let paths: Vec<Files> = names
        .iter()
        .map(|f| Ok(Files { input: whole(&f.input)?, output: whole(&f.output)? }))
        .collect::<Result<_, String>>()?;
    for (shard, files) in shards.iter().zip(&names) {
        replace(&folder.join(&files.input), &shard.bitcode)?;
        metadata.add_job(&files.output, shard.id);
    }
    replace(&folder.join(metadata::MEMBER), &metadata.object(arch)?)?;
    let major = LLVM_VERSION.split('.').next().unwrap_or_default();
    let archive = Archive {
        path: &output,
        members: names.iter().map(|f| f.output.as_str()).chain([metadata::MEMBER]).collect(),
        archiver: &format!("llvm-ar-{major}"),
    };
    let ninja = formats::ninja(&compiler, SHARD_OPTION, &names, Some(&archive))?;
    replace(&folder.join("build.ninja"), ninja.as_bytes())?;
    replace(&folder.join("jobs.json"), formats::json(&output, &compiler, SHARD_OPTION, &paths)?.as_bytes())
}

fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let side = path.with_extension("new");
    let written = fs::write(&side, bytes).and_then(|()| fs::rename(&side, path));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
