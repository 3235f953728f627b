//! `jl-partition`: which shard each definition goes to.
//!
//! [`facts`] (who refers to whom) -> [`plan`] (pure: shards, copies, and which local symbols have to be seen from
//! other shards) -> written into the module as metadata and as symbols that can be shared. Later steps need nothing
//! else: the module stays whole until `jl-emit` takes it apart.

pub mod cuts;
pub mod facts;
pub mod plan;
mod rewrite;

pub use rewrite::{Assignment, assignment, forget, partition, share};

/// Ends the name of a local symbol that has become visible to the other shards of its module.
pub const SHARED_SUFFIX: &str = ".jl.local";
/// Attribute of a function that was local before its module was partitioned, and whose bodies other shards may call: what
/// it means is settled, as it is for a local one.
pub const SHARED: &str = "jl.shared";
