//! From the module to its shards: it is written once, and each shard reads of it what is its own.

use super::memory;
use super::place::{Place, Stage};
use super::queue::{Failure, Job};
use super::session::Session;
use super::shards::Shard;
use crate::llvm::{Module, OwnedModule};
use crate::partition::plan::{ROOT, ShardId};
use crate::partition::{self, Assignment, facts};

/// The shards' bitcode. The module's own memory is given back.
pub fn take_apart(
    module: Module,
    assignment: Assignment,
    definitions: usize,
    session: &Session,
) -> Result<Vec<Shard>, String> {
    let Assignment { count, shards, copied, weights } = assignment;
    partition::forget(module);
    let whole = session.stage(Stage::Serialise, || module.bitcode());
    module.drop_definitions();
    let share = memory::estimate(whole.len() as u64 / u64::from(count.max(1)));
    let job = |shard: u32| {
        let weight = weights[shard as usize];
        session.weigh(Place::shard(ShardId(shard)), weight);
        Job { place: Place::shard(ShardId(shard)), weight, memory: share }
    };
    let jobs: Vec<Job> = (0..count).map(job).collect();
    let extracted = session.run(&jobs, |index, task| {
        let id = ShardId(index as u32);
        let keep: Vec<bool> =
            shards.iter().zip(&copied).map(|(own, copied)| *own == Some(id) || *copied).collect();
        task.stage(Stage::Serialise, || {
            let piece = OwnedModule::extract(&whole, &keep, id == ROOT)?;
            let kept = piece.module().symbols().iter().filter(|s| facts::is_definition(s)).count();
            Ok((Shard { id, bitcode: piece.module().bitcode() }, kept))
        })
    });
    let extracted = extracted.map_err(|failure: Failure<String>| failure.to_string())?;
    check_complete(&extracted, &shards, &copied, definitions)?;
    Ok(extracted.into_iter().map(|(shard, _)| shard).collect())
}

/// No definition may be lost or doubled, but for constants that each shard has a copy of.
fn check_complete(
    extracted: &[(Shard, usize)],
    shards: &[Option<ShardId>],
    copied: &[bool],
    definitions: usize,
) -> Result<(), String> {
    let placed = shards.iter().flatten().count();
    let copies = copied.iter().filter(|c| **c).count();
    if placed + copies != definitions {
        return Err(format!(
            "{definitions} definitions went into shards, but {placed} and {copies} copies came out"
        ));
    }
    for (shard, kept) in extracted {
        let own = shards.iter().filter(|s| **s == Some(shard.id)).count();
        if *kept < own || *kept > own + copies {
            return Err(format!("shard {} should have {own} definitions, but has {kept}", shard.id.0));
        }
    }
    Ok(())
}
