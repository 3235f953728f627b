//! A module's symbols as nodes and facts.

use super::graph::Node;
use super::linker;
use super::sharing::Facts;
use crate::llvm::{Canonicaliser, Function, Module, SymbolFacts, Value};
use image_format::identity::hash_bytes;
use std::collections::HashMap;

/// What is known of a module.
pub struct Read {
    /// What all of its code depends on.
    pub module: Vec<u8>,
    /// Symbols, with their definitions or as those see them who know only their declarations.
    pub nodes: Vec<Node>,
    /// Of each node.
    pub facts: Vec<Facts>,
    /// The functions that are defined here, and their places among the nodes.
    pub functions: Vec<(Function, usize)>,
}

pub fn read(module: Module) -> Read {
    let mut reader =
        Reader { canonical: Canonicaliser::new(module), places: HashMap::new(), found: Vec::new() };
    let mut functions = Vec::new();
    for function in module.functions().filter(|f| !f.is_declaration()) {
        functions.push((function, reader.place(*function, true)));
    }
    // Grows while it is walked: what a symbol names is appended.
    let (mut nodes, mut facts) = (Vec::new(), Vec::new());
    while let Some((symbol, whole)) = reader.found.get(nodes.len()).copied() {
        let (node, known) = reader.symbol(symbol, whole);
        nodes.push(node);
        facts.push(known);
    }
    Read { module: reader.canonical.module(), nodes, facts, functions }
}

struct Reader {
    canonical: Canonicaliser,
    /// By symbol, and whether with its definition.
    places: HashMap<(Value, bool), usize>,
    found: Vec<(Value, bool)>,
}

impl Reader {
    fn place(&mut self, symbol: Value, whole: bool) -> usize {
        *self.places.entry((symbol, whole)).or_insert_with(|| {
            self.found.push((symbol, whole));
            self.found.len() - 1
        })
    }

    fn symbol(&mut self, symbol: Value, whole: bool) -> (Node, Facts) {
        let canonical = self.canonical.symbol(symbol, whole);
        let facts = facts_of(symbol);
        let uses = canonical.names.iter().map(|(_, uses)| *uses).collect();
        let references = canonical
            .names
            .iter()
            .map(|(named, _)| self.place(*named, counts_with_content(*named)))
            .collect();
        let node = Node { bytes: hash_bytes(&[&canonical.bytes]), references };
        (node, Facts { symbol: facts, obstacles: canonical.obstacles, uses, exact: is_exact(facts) })
    }
}

/// What linkers define is each image's own, whatever its declaration says.
fn facts_of(symbol: Value) -> SymbolFacts {
    let facts = symbol.symbol_facts();
    let is_own = facts.has(SymbolFacts::DECLARATION) && linker::defines(symbol.name());
    if is_own { SymbolFacts(facts.0 | SymbolFacts::HIDDEN.0) } else { facts }
}

fn is_exact(facts: SymbolFacts) -> bool {
    !facts.has(SymbolFacts::DECLARATION) && !facts.has(SymbolFacts::REPLACEABLE)
}

/// Whether code that refers to the symbol may depend on its content, beyond what its name says. Somebody may have written to a variable by the time
/// that code runs, and which one it is, its name says; a local one has no name to go by.
fn counts_with_content(symbol: Value) -> bool {
    let facts = symbol.symbol_facts();
    let variable = facts.has(SymbolFacts::VARIABLE) && !facts.has(SymbolFacts::CONSTANT);
    is_exact(facts) && !facts.has(SymbolFacts::NAMED_BY_CRATE) && (!variable || facts.has(SymbolFacts::LOCAL))
}
