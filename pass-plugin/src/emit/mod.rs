//! `jl-emit`: a module's shards, compiled and put into one archive.
//!
//! The module is written once as bitcode and taken apart from there, so that each shard ([`extract`]), part
//! ([`parts::split`]) and code generation ([`compile`]) has an LLVM context of its own. What comes out depends on the
//! module and the settings alone.
//!
//! A job compiles one part of one shard ([`place`]). [`queue`] runs jobs on as many threads as
//! [`threads`] says and make's [`jobserver`] lends, as many at once as [`memory`] allows, in the order of
//! [`schedule`]. What it took goes to [`timings`] and [`trace`], and while it runs to [`progress`]; the
//! results are in the order of the jobs. These know no LLVM and nothing of what a job does. Or an [`engine`] compiles
//! whole shards elsewhere.

pub mod archive;
pub mod compile;
pub mod driver;
pub mod engine;
pub mod extract;
pub mod jobserver;
pub mod memory;
pub mod metadata;
pub mod names;
pub mod parts;
pub mod place;
pub mod producer;
pub mod progress;
pub mod queue;
pub mod schedule;
pub mod session;
pub mod settings;
pub mod shards;
pub mod store;
pub mod threads;
pub mod timings;
pub mod trace;
pub mod unit;
