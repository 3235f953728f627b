//! The LLVM pass plugin: clones functions for a list of CPU targets.
//!
//! It reads as its phases: [`settings`] (what was asked) -> [`target`] (what LLVM makes of it) ->
//! [`facts`] (what each function is) -> [`plan`] (pure: which function is cloned for which target, and
//! why not) -> [`annotate`] (the plan as attributes) -> [`rewrite`] (clones, trampolines, bindings) ->
//! [`tables`] (slots, records, notes). Where a module is emitted by ourselves: [`simplify`] (LLVM's simplification, in
//! units) -> [`partition`] (which shard each definition goes to) -> [`emit`] (shards to parts, parts to objects, one
//! archive). `unsafe` stays in [`llvm`], [`entry`], [`assembler`] and the
//! shim's declarations.
//!
//! [`identity`] tells which functions of different modules are the same one; [`packages`] lets other images use them, and
//! uses those of others.
//!
//! [`compose`] makes one object of several and knows nothing of LLVM.
//!
//! Only files named for an architecture (`target_x86.rs`, `trampoline_aarch64.rs`, ...) know about one; [`arch`] leads
//! there.

// The rest of the crate says `llvm_sys`, whichever LLVM it is built for; build.rs sees to exactly one.
#[cfg(feature = "llvm16")]
extern crate llvm_sys_16 as llvm_sys;
#[cfg(feature = "llvm19")]
extern crate llvm_sys_19 as llvm_sys;
#[cfg(feature = "llvm22")]
extern crate llvm_sys_22 as llvm_sys;

pub mod annotate;
pub mod arch;
pub mod assembler;
pub mod c_entries;
pub mod compose;
pub mod emit;
pub mod entry;
pub mod facts;
pub mod floating_point;
pub mod identity;
pub mod julia;
pub mod llvm;
pub mod packages;
pub mod partition;
pub mod plan;
pub mod questions;
pub mod rewrite;
pub mod settings;
pub mod shim;
pub mod simplify;
pub mod tables;
pub mod target;
pub mod target_aarch64;
pub mod target_x86;
pub mod trampoline_aarch64;
pub mod trampoline_x86;
