//! What the tests of the whole path, the benchmarks and the conformance suites share.

pub mod bench;
pub mod command;
pub mod conformance;
pub mod dependency;
pub mod directives;
pub mod elf;
pub mod filecheck;
pub mod golden;
pub mod host;
pub mod julia;
pub mod machine;
pub mod program;
pub mod tools;
