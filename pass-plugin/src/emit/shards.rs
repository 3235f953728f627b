//! Shards to objects: each is taken apart, its parts are compiled, and the parts become one object again. What the
//! cache has is not made again.

use super::compile::{Compiled, Compiler};
use super::engine::Engine;
use super::memory;
use super::names::Names;
use super::parts::{self, Part, PartCode, Parts};
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

/// Compiles all shards; the results are in their order. Objects are made by the engine, where there is one.
///
/// # Errors
/// Of the first shard that could not be compiled.
pub fn emit(
    shards: &[Shard],
    compiler: &Compiler,
    engine: Option<&Engine>,
    session: &Session,
) -> Result<Vec<Emitted>, Failure<String>> {
    if compiler.form != Form::Object {
        let all: Vec<&Shard> = shards.iter().collect();
        let taken = take_apart(&all, session)?;
        return Ok(compile(&taken, compiler, session)?.into_iter().flat_map(|done| done.parts).collect());
    }
    let mut objects = kept(shards, session)?;
    if let Some(engine) = engine {
        engine.compile(shards, &mut objects, session)?;
    }
    let missing: Vec<&Shard> =
        shards.iter().zip(&objects).filter(|(_, o)| o.is_none()).map(|(s, _)| s).collect();
    let taken = take_apart(&missing, session)?;
    let compiled = compile(&taken, compiler, session)?;
    let made = join(&taken, &compiled, compiler, session)?;
    let mut made = made.into_iter();
    for object in objects.iter_mut().filter(|o| o.is_none()) {
        *object = made.next();
    }
    let whole = shards.iter().zip(objects);
    Ok(whole.filter_map(|(s, bytes)| Some(Emitted { shard: s.id, part: None, bytes: bytes? })).collect())
}

/// The objects that the cache has.
fn kept(shards: &[Shard], session: &Session) -> Result<Vec<Option<Vec<u8>>>, Failure<String>> {
    if !session.store.is_open() {
        return Ok(shards.iter().map(|_| None).collect());
    }
    let jobs: Vec<Job> = shards.iter().map(|shard| job(Place::shard(shard.id), 0)).collect();
    let store = &session.store;
    session.run(&jobs, |index, task| {
        task.stage(Stage::Look, || Ok(store.get(&store.shard(&shards[index].bitcode))))
    })
}

/// A job on so much bitcode.
fn job(place: Place, bytes: usize) -> Job {
    Job { place, weight: bytes as u64, memory: memory::estimate(bytes as u64) }
}

/// A shard and its parts.
struct Taken<'a> {
    shard: &'a Shard,
    parts: Parts,
}

fn take_apart<'a>(shards: &[&'a Shard], session: &Session) -> Result<Vec<Taken<'a>>, Failure<String>> {
    let jobs: Vec<Job> = shards.iter().map(|s| job(Place::shard(s.id), s.bitcode.len())).collect();
    let parts = session
        .run(&jobs, |index, task| task.stage(Stage::Materialise, || parts::split(&shards[index].bitcode)))?;
    Ok(shards.iter().zip(parts).map(|(shard, parts)| Taken { shard, parts }).collect())
}

/// A shard's parts, compiled.
struct Done {
    parts: Vec<Emitted>,
    /// Nothing was warned about.
    silent: bool,
}

fn compile(taken: &[Taken], compiler: &Compiler, session: &Session) -> Result<Vec<Done>, Failure<String>> {
    let all: Vec<(ShardId, &PartCode)> =
        taken.iter().flat_map(|t| t.parts.codes.iter().map(|code| (t.shard.id, code))).collect();
    let place = |(shard, code): &(ShardId, &PartCode)| {
        job(Place::part(*shard, code.part.to_string()), code.bitcode.len())
    };
    let jobs: Vec<Job> = all.iter().map(place).collect();
    let store = &session.store;
    let mut compiled = session
        .run(&jobs, |index, task| {
            let bitcode = &all[index].1.bitcode;
            let key = store.part(bitcode, compiler);
            if let Some(bytes) = task.stage(Stage::Look, || store.get(&key)) {
                return Ok(Compiled { bytes, warnings: Vec::new() });
            }
            let compiled = compiler.compile(bitcode, task)?;
            if compiled.warnings.is_empty() {
                store.put(&key, &compiled.bytes);
            }
            Ok(compiled)
        })?
        .into_iter();
    let done = taken.iter().map(|t| {
        let mut done = Done { parts: Vec::new(), silent: true };
        for (code, Compiled { bytes, warnings }) in t.parts.codes.iter().zip(compiled.by_ref()) {
            done.silent &= warnings.is_empty();
            for warning in &warnings {
                session.warn(warning);
            }
            done.parts.push(Emitted { shard: t.shard.id, part: Some(code.part), bytes });
        }
        done
    });
    Ok(done.collect())
}

fn join(
    taken: &[Taken],
    done: &[Done],
    compiler: &Compiler,
    session: &Session,
) -> Result<Vec<Vec<u8>>, Failure<String>> {
    let jobs: Vec<Job> = taken.iter().map(|t| job(Place::shard(t.shard.id), 0)).collect();
    let store = &session.store;
    session.run(&jobs, |index, task| {
        let (Taken { shard, parts }, Done { parts: objects, silent }) = (&taken[index], &done[index]);
        let names = Names::new(&parts.keys, Some(compiler.module));
        let inputs: Vec<&[u8]> = objects.iter().map(|part| part.bytes.as_slice()).collect();
        let bytes = task.stage(Stage::Compose, || compose_as(&inputs, &names))?;
        if *silent {
            store.put(&store.shard(&shard.bitcode), &bytes);
        }
        Ok(bytes)
    })
}

/// One object of several, under final names.
///
/// # Errors
/// As [`compose`].
pub fn compose_as(inputs: &[&[u8]], names: &Names) -> Result<Vec<u8>, String> {
    let symbol = |name: &str| {
        let last = names.symbol(name);
        compose::Symbol { name: last.name, local: last.local }
    };
    compose(inputs, &symbol, &|section| names.section(section)).map_err(|error| error.to_string())
}
