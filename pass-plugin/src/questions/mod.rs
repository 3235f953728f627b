//! Programs' own questions about the CPU: `__builtin_cpu_supports` in C and C++, `is_x86_feature_detected!` in Rust.
//!
//! Both are compiled to a load of a word that the runtime library fills at start, and a test of bits in it
//! ([`words`]: which bit means what; [`bits`]: what becomes of a word's bits on their way). In a clone the
//! answer is known where its target requires the feature: then the test becomes a constant ([`fold`]). What a
//! target does not require stays a question: the CPU may have it all the same. Under Julia's pass `CPUFeatures` the
//! same holds of any function and its attributes.

pub mod asks;
pub mod bits;
pub mod fold;
pub mod words;
