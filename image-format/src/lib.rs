//! The code image format.
//!
//! Everything that the pass plugin, `jl-link`, the embedded shim and `jl-load` must agree on stands
//! in this crate and nowhere else: the bytes ([`layout`]), the target list ([`specs`]), CPU features
//! and how they are probed ([`cpu`]), what images tell each other ([`package`], out of [`package_records`], what only tools read of it, [`details`], and from their files [`dependency`], feature `std`), which target is chosen ([`choose`]), the lines of the log
//! ([`log`]), Julia's target grammar ([`grammar`], feature `std`), its own tables and rules ([`julia`],
//! feature `std`), what makes functions of different images the same ([`identity`], feature `std`), the words of the reports ([`report`], [`package_report`], feature `std`) and the cache of compiled pieces
//! ([`cache`], feature `std`).
//!
//! The tools meet in files; no tool depends on another. Without the feature `std` the crate is
//! `no_std`, allocates nothing and cannot panic on hostile input.
#![cfg_attr(not(feature = "std"), no_std)]

pub mod choose;
pub mod cpu;
pub mod feature;
pub mod image;
pub mod layout;
pub mod log;
pub mod notes;
pub mod package;
pub mod package_records;
pub mod pod;
pub mod record;
pub mod specs;

#[cfg(feature = "std")]
pub mod c_entries;
#[cfg(feature = "std")]
pub mod cache;
#[cfg(feature = "std")]
pub mod dependency;
#[cfg(feature = "std")]
pub mod details;
#[cfg(feature = "std")]
pub mod grammar;
#[cfg(feature = "std")]
pub mod identity;
#[cfg(feature = "std")]
pub mod julia;
#[cfg(feature = "std")]
pub mod names;
#[cfg(feature = "std")]
pub mod package_report;
#[cfg(feature = "std")]
pub mod relr;
#[cfg(feature = "std")]
pub mod report;
#[cfg(feature = "std")]
pub mod sharing;
#[cfg(feature = "std")]
pub mod size;
