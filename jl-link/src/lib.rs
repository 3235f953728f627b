//! The linker driver: links with lld, then turns the records in its output into one image table, makes
//! calls between clones direct and lets the embedded shim find it all. Also the compiler wrapper `jl-cc`.
//!
//! [`driver::run`] reads as the list of phases; each phase's output is a type:
//! ```text
//! args::Invocation -> scan::Inputs -> lld::Linked -> merge::Merged -> retarget::Retargeted
//!                  -> require::Required -> finish::Finished -> check (read back) -> report::Report
//! args::Invocation -> scan::Inputs -> lld::Linked -> julia::Merged -> finish (an image from Julia)
//! ```
//! Why after the link: only the linker knows which definition of a symbol is used, which COMDAT group
//! and which archive member stays, and what LTO emits. With `--emit-relocs` its output still tells
//! every branch, and patching a displacement changes no size.
#![forbid(unsafe_code)]

pub mod arch;
pub mod args;
pub mod c_header;
pub mod cache;
pub mod calls;
pub mod cargo;
pub mod cc;
pub mod check;
pub mod clones;
pub mod distances;
pub mod driver;
pub mod elf;
pub mod error;
pub mod features;
pub mod finish;
mod ifunc;
pub mod inputs;
pub mod julia;
pub mod lld;
pub mod llvm;
pub mod mapping;
pub mod merge;
pub mod notes;
pub mod options;
pub mod packages;
mod pieces;
pub mod report;
pub mod require;
pub mod response;
pub mod retarget;
pub mod scan;
pub mod separate;
pub mod shims;
pub mod tail;

pub use error::{Error, Result};
