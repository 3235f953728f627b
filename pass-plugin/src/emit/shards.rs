//! Shards to objects: each is taken apart, its parts are compiled, and the parts become one object again.

use super::compile::{Compiled, Compiler};
use super::memory;
use super::names::Names;
use super::parts::{self, Part, Parts};
use super::place::{Place, Stage};
use super::queue::{Failure, Job};
use super::session::Session;
use super::settings::Form;
use crate::compose::{self, compose};
use crate::partition::plan::ShardId;

/// A shard as bitcode.
pub struct Shard {
    pub id: ShardId,
    pub bitcode: Vec<u8>,
}

/// What a shard became: one object, or for other forms a file for each part.
pub struct Emitted {
    pub shard: ShardId,
    pub part: Option<Part>,
    pub bytes: Vec<u8>,
}

impl From<Shard> for Emitted {
    fn from(shard: Shard) -> Emitted {
        Emitted { shard: shard.id, part: None, bytes: shard.bitcode }
    }
}

/// Compiles all shards; the results are in their order.
///
/// # Errors
/// Of the first shard that could not be compiled.
pub fn emit(
    shards: &[Shard],
    compiler: &Compiler,
    session: &Session,
) -> Result<Vec<Emitted>, Failure<String>> {
    let split = split(shards, session)?;
    let compiled = compile(shards, &split, compiler, session)?;
    if compiler.form != Form::Object {
        return Ok(compiled);
    }
    let mut compiled = compiled.into_iter().peekable();
    let mut groups: Vec<Vec<Emitted>> = Vec::new();
    for shard in shards {
        let mut group = Vec::new();
        while let Some(part) = compiled.next_if(|part| part.shard == shard.id) {
            group.push(part);
        }
        groups.push(group);
    }
    join(shards, &split, &groups, compiler, session)
}

fn job(shard: &Shard, part: Option<(Part, usize)>) -> Job {
    let (place, bytes) = match part {
        None => (Place::shard(shard.id), shard.bitcode.len()),
        Some((part, bytes)) => (Place::part(shard.id, part.to_string()), bytes),
    };
    Job { place, weight: bytes as u64, memory: memory::estimate(bytes as u64) }
}

fn split(shards: &[Shard], session: &Session) -> Result<Vec<Parts>, Failure<String>> {
    let jobs: Vec<Job> = shards.iter().map(|shard| job(shard, None)).collect();
    session.run(&jobs, |index, task| task.stage(Stage::Materialise, || parts::split(&shards[index].bitcode)))
}

fn compile(
    shards: &[Shard],
    split: &[Parts],
    compiler: &Compiler,
    session: &Session,
) -> Result<Vec<Emitted>, Failure<String>> {
    let all: Vec<(&Shard, &parts::PartCode)> = shards
        .iter()
        .zip(split)
        .flat_map(|(shard, parts)| parts.codes.iter().map(move |c| (shard, c)))
        .collect();
    let jobs: Vec<Job> =
        all.iter().map(|(shard, code)| job(shard, Some((code.part, code.bitcode.len())))).collect();
    let done = session.run(&jobs, |index, task| compiler.compile(&all[index].1.bitcode, task))?;
    let mut emitted = Vec::new();
    for ((shard, code), Compiled { bytes, warnings }) in all.iter().zip(done) {
        for warning in &warnings {
            session.warn(warning);
        }
        emitted.push(Emitted { shard: shard.id, part: Some(code.part), bytes });
    }
    Ok(emitted)
}

fn join(
    shards: &[Shard],
    split: &[Parts],
    groups: &[Vec<Emitted>],
    compiler: &Compiler,
    session: &Session,
) -> Result<Vec<Emitted>, Failure<String>> {
    let jobs: Vec<Job> = shards.iter().map(|shard| job(shard, None)).collect();
    session.run(&jobs, |index, task| {
        task.stage(Stage::Compose, || {
            let names = Names::new(&split[index].keys, Some(compiler.module));
            let inputs: Vec<&[u8]> = groups[index].iter().map(|part| part.bytes.as_slice()).collect();
            let name = |name: &str| {
                let last = names.symbol(name);
                compose::Symbol { name: last.name, local: last.local }
            };
            let bytes =
                compose(&inputs, &name, &|section| names.section(section)).map_err(|e| e.to_string())?;
            Ok(Emitted { shard: shards[index].id, part: None, bytes })
        })
    })
}
