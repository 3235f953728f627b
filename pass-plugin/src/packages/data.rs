//! Variables that functions use which leave the module. An image that keeps its own of them to itself must not take these functions, and only
//! the link shows whether it does.

use crate::llvm::{Canonicaliser, Function, Module, SymbolFacts, Value};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Who names what in a module.
pub struct Data {
    canonical: Canonicaliser,
    /// By a symbol that is defined here what its definition names.
    named: HashMap<Value, Vec<Value>>,
}

impl Data {
    pub fn new(module: Module) -> Data {
        Data { canonical: Canonicaliser::new(module), named: HashMap::new() }
    }

    /// The variables that somebody may write to and that others may know by name, which a function uses by itself or through what the module
    /// defines.
    pub fn of(&mut self, function: Function) -> Vec<String> {
        let (mut seen, mut work) = (HashSet::from([*function]), vec![*function]);
        let mut found = BTreeSet::new();
        while let Some(symbol) = work.pop() {
            for named in self.named_in(symbol) {
                if !seen.insert(named) {
                    continue;
                }
                let facts = named.symbol_facts();
                if facts.has(SymbolFacts::VARIABLE)
                    && !facts.has(SymbolFacts::CONSTANT)
                    && !facts.has(SymbolFacts::LOCAL)
                {
                    found.insert(named.name().to_string());
                }
                if !facts.has(SymbolFacts::DECLARATION) {
                    work.push(named);
                }
            }
        }
        found.into_iter().collect()
    }

    fn named_in(&mut self, symbol: Value) -> Vec<Value> {
        let Data { canonical, named } = self;
        let names = || canonical.symbol(symbol, true).names.into_iter().map(|(named, _)| named).collect();
        named.entry(symbol).or_insert_with(names).clone()
    }
}
