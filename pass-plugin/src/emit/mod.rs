//! `jl-emit`: a module's shards, compiled and put into one archive.
//!
//! The module is written once as bitcode and taken apart from there, so that each shard ([`extract`]), part
//! ([`parts::split`]) and code generation ([`compile`]) has an LLVM context of its own. What comes out depends on the
//! module and the settings alone.

pub mod archive;
pub mod compile;
pub mod driver;
pub mod names;
pub mod parts;
pub mod settings;
