//! Julia's pass names, with Julia's meaning (julia-protocol, sections 2 to 4).
//!
//! `CPUFeatures` ([`cpu_features`]) folds questions about the CPU ([`question`]).

pub mod cpu_features;
pub mod question;
