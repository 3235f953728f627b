//! Reads code images from files: what they hold ([`image`]), whether that is right ([`check`]), and which
//! target a CPU would run and why ([`explain`]); tells whose data an address of a process is ([`owner`]); and runs programs with them, here ([`run`]) and on
//! several CPUs ([`matrix`]).
//!
//! Nothing here trusts a file: every read is bounded, and a wrong field is an error that names it.

pub mod check;
mod check_package;
pub mod cpu;
pub mod deps;
pub mod elf;
pub mod explain;
mod explain_text;
pub mod image;
pub mod julia;
mod julia_text;
pub mod matrix;
pub mod owner;
mod relocated;
pub mod run;
mod trampoline;
