//! Variables that functions use which leave the module. An image that keeps its own of them to itself must not take these functions, and only
//! the link shows whether it does.

use crate::llvm::{Canonicaliser, Function, Module, SymbolFacts, Value};
use std::collections::{BTreeSet, HashSet};

/// A walk through what a module's functions name.
pub struct Data {
    canonical: Canonicaliser,
    seen: HashSet<Value>,
}

impl Data {
    pub fn new(module: Module) -> Data {
        Data { canonical: Canonicaliser::new(module), seen: HashSet::new() }
    }

    /// The variables that somebody may write to and that others may know by name, which a function uses by itself or through what the module
    /// defines; not those that were given for another function before.
    pub fn of(&mut self, function: Function) -> Vec<String> {
        let mut found = BTreeSet::new();
        let mut work = vec![*function];
        while let Some(symbol) = work.pop() {
            if !self.seen.insert(symbol) {
                continue;
            }
            let facts = symbol.symbol_facts();
            if facts.has(SymbolFacts::VARIABLE)
                && !facts.has(SymbolFacts::CONSTANT)
                && !facts.has(SymbolFacts::LOCAL)
            {
                found.insert(symbol.name().to_string());
            }
            if !facts.has(SymbolFacts::DECLARATION) {
                work.extend(self.canonical.symbol(symbol, true).names.into_iter().map(|(named, _)| named));
            }
        }
        found.into_iter().collect()
    }
}
