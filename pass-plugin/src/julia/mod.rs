//! Julia's pass names, with Julia's meaning (julia-protocol, sections 2 to 4).
//!
//! `JuliaMultiVersioning` ([`multiversion`]) reads as its phases: [`targets`] (the module flag, in either
//! [`dialect`]) -> [`facts`] and [`annotate`] (the plan, as attributes) -> [`clones`] -> [`dispatch`] (slots, and
//! what goes through them) -> [`emit`] (the tables, whose [`words`] are pure). Its input is the list [`fvars`].
//! `CPUFeatures` ([`cpu_features`]) folds questions about the CPU ([`question`]).

pub mod annotate;
pub mod clones;
pub mod cpu_features;
pub mod dialect;
pub mod dispatch;
pub mod emit;
pub mod facts;
pub mod fvars;
pub mod lines;
pub mod multiversion;
pub mod offsets;
pub mod question;
pub mod targets;
pub mod uses;
pub mod words;
