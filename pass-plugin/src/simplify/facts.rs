//! The graph of a module's functions, for [`super::plan`].

use super::plan::Node;
use crate::llvm::{Function, Linkage, Module, Value};
use crate::partition::facts::{is_definition, weight};
use std::collections::HashMap;

/// Functions above this weight are not inlined into other units. LLVM's threshold is 50 instructions at -O3, more where
/// constants come in or a call is hot: with 300 or 1000 the code for SQLite came out with the same number of
/// executed instructions, and units waited for more others.
const IMPORT_WEIGHT: u64 = 150;

/// Whether functions can be taken out of the module and put back: what describes the source is one net through all of
/// them, of which each unit would get its own copy; and labels whose addresses are in data cannot be parted from it.
pub fn can_be_parted(module: Module) -> bool {
    let apart = |symbol: &Value| {
        symbol.is_indirect_symbol() || symbol.references().iter().all(|(used, tied)| !tied || used == symbol)
    };
    let named = |symbol: &Value| symbol.as_function().is_none() || !symbol.name().is_empty();
    !module.has_debug_info() && module.symbols().iter().all(|s| apart(s) && named(s))
}

/// Whether the module is no more than one unit.
pub fn is_small(module: Module, unit: u64) -> bool {
    module.functions().map(|function| weight(*function)).sum::<u64>() <= unit
}

/// The definitions of functions, in the module's order, and what is known of them.
pub fn collect(module: Module) -> (Vec<Function>, Vec<Node>) {
    let symbols = module.symbols();
    let functions: Vec<Function> =
        symbols.iter().filter(|s| is_definition(s)).filter_map(|s| s.as_function()).collect();
    let index: HashMap<Value, usize> = functions.iter().enumerate().map(|(i, f)| (**f, i)).collect();
    let uses = |symbol: &Value| -> Vec<usize> {
        symbol.references().iter().filter_map(|(used, _)| index.get(used).copied()).collect()
    };
    let node = |function: &Function| Node {
        name: function.name().to_string(),
        weight: weight(**function),
        importable: is_importable(*function),
        private: function.is_local() && !function.has_comdat(),
        uses: uses(function),
    };
    let mut nodes: Vec<Node> = functions.iter().map(node).collect();
    // Data, aliases, lists, and what is there for inlining only.
    for symbol in symbols.iter().filter(|s| !index.contains_key(s)) {
        for used in uses(symbol) {
            nodes[used].private = false;
        }
    }
    (functions, nodes)
}

/// Whether other units may inline the function: it is small, and no other definition can take its place.
pub fn is_importable(function: Function) -> bool {
    use Linkage::*;
    let settled = matches!(
        function.linkage(),
        LLVMExternalLinkage
            | LLVMInternalLinkage
            | LLVMPrivateLinkage
            | LLVMLinkOnceODRLinkage
            | LLVMWeakODRLinkage
    );
    let refuses = ["noinline", "optnone", "naked"].iter().any(|name| function.has_attribute(name));
    settled && !refuses && (weight(*function) <= IMPORT_WEIGHT || function.has_attribute("alwaysinline"))
}
