//! Who refers to a function or a label, directly or inside constants.

use crate::llvm::{ConstantKind, Value};
use std::collections::HashSet;

/// What refers to a constant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Referrer {
    Instruction(Value),
    /// A variable's initial value.
    Variable(Value),
    Alias(Value),
    /// A function's personality or prefix data, an IFUNC's resolver and the like: nothing calls through it.
    Other,
}

/// Everything that refers to `constant`, each once.
pub fn referrers(constant: Value) -> Vec<Referrer> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut work = vec![constant];
    while let Some(value) = work.pop() {
        for user in value.users() {
            if !seen.insert(user) {
                continue;
            }
            if user.is_instruction() {
                found.push(Referrer::Instruction(user));
            } else if user.is_global_variable() {
                found.push(Referrer::Variable(user));
            } else {
                match user.constant_kind() {
                    ConstantKind::Alias => found.push(Referrer::Alias(user)),
                    ConstantKind::Other => found.push(Referrer::Other),
                    ConstantKind::Aggregate | ConstantKind::SameBits | ConstantKind::Expression => {
                        work.push(user);
                    }
                }
            }
        }
    }
    found
}
