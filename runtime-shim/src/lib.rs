//! What runs inside a process to choose the code of an image: the constructor that `jl-link` puts into
//! every image, and the parts of it that the preloaded shim shares.
//!
//! It runs before any user constructor, in any process, with any libc or none: raw system calls, no
//! allocation, no thread-locals, no panic. Built with `--cfg jl_object` and link-time optimisation the
//! crate becomes one relocatable object (`build_object.rs`); as a library it has no symbols of its own.
//!
//! The phases of [`init`](mod@init): header -> settings (environment) -> CPU -> choice -> fill -> imports -> seal.
//! `unsafe` stands in `sys*.rs`, `memory.rs`, `cells.rs`, `start.rs`, `arguments.rs`, `dynamic_linker.rs`, `probe*.rs`, `objects.rs`,
//! `here.rs` and `object*.rs` only.
#![no_std]

pub mod arguments;
pub mod cells;
pub mod decide;
#[cfg(any(target_arch = "x86_64", jl_object))]
mod dynamic_linker;
pub mod environ;
pub mod imports;
pub mod init;
pub mod maps;
pub mod memory;
pub mod message;
pub mod objects;
#[cfg_attr(target_arch = "x86_64", path = "probe_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "probe_aarch64.rs")]
mod probe_arch;
pub mod process;
pub mod start;
pub mod sys;
#[cfg_attr(target_arch = "x86_64", path = "sys_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "sys_aarch64.rs")]
mod sys_arch;
pub mod text;

#[cfg(jl_object)]
mod here;
#[cfg(jl_object)]
mod object;
#[cfg(jl_object)]
#[macro_use]
#[cfg_attr(target_arch = "x86_64", path = "object_x86_64.rs")]
#[cfg_attr(target_arch = "aarch64", path = "object_aarch64.rs")]
mod object_arch;
#[cfg(jl_object)]
mod object_data;
