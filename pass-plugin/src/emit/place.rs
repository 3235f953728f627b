//! What work is about: the words of messages, timings and traces.

use crate::partition::plan::ShardId;
use std::fmt::{self, Display};

/// The whole module, a unit of its simplification, a shard of it, or one part of a shard (a target's bodies, or the tables).
///
/// Orders as tables list it: the module, then each shard before its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    pub shard: Option<ShardId>,
    /// Name of the target, or `tables`; without a shard, the unit.
    pub part: Option<String>,
}

impl Place {
    pub fn module() -> Place {
        Place::default()
    }

    pub fn unit(number: usize) -> Place {
        Place { shard: None, part: Some(format!("unit {number}")) }
    }

    pub fn shard(shard: ShardId) -> Place {
        Place { shard: Some(shard), part: None }
    }

    pub fn part(shard: ShardId, part: impl Into<String>) -> Place {
        Place { shard: Some(shard), part: Some(part.into()) }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.shard, &self.part) {
            (None, None) => write!(f, "the module"),
            (None, Some(unit)) => write!(f, "{unit}"),
            (Some(ShardId(shard)), None) => write!(f, "shard {shard}"),
            (Some(ShardId(shard)), Some(part)) => write!(f, "shard {shard}, part {part}"),
        }
    }
}

/// What is done at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The half of optimisation that all targets share.
    Simplify,
    /// Which function is cloned for which target.
    Annotate,
    /// Which definition goes to which shard.
    Partition,
    /// A shard's own bitcode.
    Serialise,
    /// Asking the cache.
    Look,
    /// An engine at work on whole shards.
    Distribute,
    /// Parsing it in the job's own context.
    Deserialise,
    /// Making the part's clones or tables.
    Materialise,
    Optimise,
    Emit,
    /// One object of a shard's parts.
    Compose,
}

impl Stage {
    pub const ALL: [Stage; 11] = [
        Stage::Simplify,
        Stage::Annotate,
        Stage::Partition,
        Stage::Serialise,
        Stage::Look,
        Stage::Distribute,
        Stage::Deserialise,
        Stage::Materialise,
        Stage::Optimise,
        Stage::Emit,
        Stage::Compose,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Stage::Simplify => "simplify",
            Stage::Annotate => "annotate",
            Stage::Partition => "partition",
            Stage::Serialise => "serialise",
            Stage::Look => "look",
            Stage::Distribute => "distribute",
            Stage::Deserialise => "deserialise",
            Stage::Materialise => "materialise",
            Stage::Optimise => "optimise",
            Stage::Emit => "emit",
            Stage::Compose => "compose",
        }
    }

    /// Before the name of a place: what a thread is at.
    pub fn doing(self) -> &'static str {
        match self {
            Stage::Simplify => "Simplifying",
            Stage::Annotate => "Annotating",
            Stage::Partition => "Partitioning",
            Stage::Serialise => "Writing",
            Stage::Look => "Asking the cache for",
            Stage::Distribute => "Distributing",
            Stage::Deserialise => "Reading",
            Stage::Materialise => "Cloning",
            Stage::Optimise => "Optimising",
            Stage::Emit => "Emitting",
            Stage::Compose => "Composing",
        }
    }
}
