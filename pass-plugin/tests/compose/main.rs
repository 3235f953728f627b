//! Composed objects against the separate ones: what linkers make of both, byte for byte, and what runs.

mod build;
mod errors;
mod objects;
mod programs;
mod tolerance;
