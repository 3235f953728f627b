//! What the tests of the whole path and the benchmarks share.

pub mod bench;
pub mod command;
pub mod elf;
pub mod filecheck;
pub mod golden;
pub mod host;
pub mod program;
pub mod tools;
