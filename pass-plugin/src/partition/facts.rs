//! The graph of a module's definitions, for [`super::plan`].

use super::plan::{Node, Placement};
use crate::annotate::MASK;
use crate::llvm::{Linkage, Module, Value};
use std::collections::{HashMap, HashSet};

/// The definitions of a module in the order of [`Module::symbols`], and what is known of them.
pub struct ModuleGraph {
    pub symbols: Vec<Value>,
    pub nodes: Vec<Node>,
}

/// A constant of at most so many bytes goes to each shard that refers to it.
const COPIED_BYTES: u64 = 4096;

pub fn collect(module: Module) -> ModuleGraph {
    let symbols: Vec<Value> = module.symbols().into_iter().filter(is_definition).collect();
    let index: HashMap<Value, usize> = symbols.iter().enumerate().map(|(i, s)| (*s, i)).collect();
    let pinned = Pinned::of(module);
    let mut nodes: Vec<Node> = Vec::new();
    for symbol in &symbols {
        let mut node = Node {
            name: symbol.name().to_string(),
            weight: weight(*symbol),
            discardable: symbol.is_discardable(),
            ..Node::default()
        };
        for (used, tied) in symbol.references() {
            if let Some(used) = index.get(&used) {
                let list = if tied { &mut node.ties } else { &mut node.uses };
                list.push(*used);
            }
        }
        let alone = node.uses.is_empty() && node.ties.is_empty();
        node.placement = match symbol.as_function() {
            _ if pinned.holds(*symbol) || symbol.linkage() == Linkage::LLVMAppendingLinkage => {
                Placement::Root
            }
            Some(_) => Placement::Cut,
            None if symbol.is_indirect_symbol() => Placement::Follow,
            None if alone && is_copied(module, *symbol) => Placement::Copy,
            None if symbol.is_local() => Placement::Follow,
            None => Placement::Root,
        };
        nodes.push(node);
    }
    tie_comdats(&symbols, &mut nodes);
    tie_users(&mut nodes, |node| pinned.names.contains(&node.name));
    ModuleGraph { symbols, nodes }
}

/// What has a definition of its own in the object. `llvm.used` and its like are lists, and made anew for each piece.
pub fn is_definition(symbol: &Value) -> bool {
    let list = symbol.linkage() == Linkage::LLVMAppendingLinkage
        && matches!(symbol.name(), "llvm.used" | "llvm.compiler.used");
    !symbol.is_declaration() && symbol.linkage() != Linkage::LLVMAvailableExternallyLinkage && !list
}

/// (1 + instructions + blocks) x bodies of a function; 1 for anything else.
pub fn weight(symbol: Value) -> u64 {
    let Some(function) = symbol.as_function() else { return 1 };
    let mask = function.string_attribute(MASK);
    let mask = mask.and_then(|m| u32::from_str_radix(m.trim_start_matches("0x"), 16).ok()).unwrap_or(1);
    let size = function.blocks().map(|b| 1 + b.instructions().count() as u64).sum::<u64>();
    (1 + size) * u64::from((mask | 1).count_ones())
}

/// A constant without a name, or with one that is the module's own matter, whose address nobody looks at, of bytes only.
pub fn is_copied(module: Module, symbol: Value) -> bool {
    let nameless = symbol.linkage() == Linkage::LLVMPrivateLinkage || symbol.name().is_empty();
    (nameless && symbol.is_local())
        && symbol.is_constant_variable()
        && symbol.has_unnamed_address()
        && symbol.section().is_none()
        && !symbol.has_comdat()
        && module.size_of(symbol) <= COPIED_BYTES
}

/// A COMDAT group is kept or dropped whole.
fn tie_comdats(symbols: &[Value], nodes: &mut [Node]) {
    let mut first: HashMap<usize, usize> = HashMap::new();
    for (index, symbol) in symbols.iter().enumerate() {
        if let Some(group) = symbol.comdat_identity() {
            let leader = *first.entry(group).or_insert(index);
            nodes[index].ties.push(leader);
        }
    }
}

fn tie_users(nodes: &mut [Node], holds: impl Fn(&Node) -> bool) {
    let held: Vec<bool> = nodes.iter().map(|n| n.discardable && holds(n)).collect();
    for node in nodes {
        node.ties.extend(node.uses.iter().filter(|used| held[**used]));
    }
}

/// Local symbols that assembly text names: they keep their names, and those who name them stay beside them.
struct Pinned {
    names: HashSet<String>,
    /// The functions whose assembly names one of them.
    users: HashSet<Value>,
}

impl Pinned {
    fn of(module: Module) -> Pinned {
        // Without being listed as used, such a symbol might be dropped or renamed by any pass.
        let mut candidates: HashSet<String> = HashSet::new();
        for list in ["llvm.used", "llvm.compiler.used"] {
            let Some(list) = module.named_global(list) else { continue };
            let all = list.references().into_iter().map(|(used, _)| used);
            candidates.extend(all.filter(|u| u.is_local()).map(|u| u.name().to_string()));
        }
        let mut pinned = Pinned { names: HashSet::new(), users: HashSet::new() };
        if candidates.is_empty() {
            return pinned;
        }
        pinned.note(&candidates, &module.asm());
        for function in module.functions() {
            for call in function.instructions().filter(|i| i.is_call()) {
                if let Some(text) = call.callee().0.inline_asm()
                    && pinned.note(&candidates, &text)
                {
                    pinned.users.insert(*function);
                }
            }
        }
        pinned
    }

    fn note(&mut self, candidates: &HashSet<String>, text: &str) -> bool {
        let named: Vec<&String> = candidates.iter().filter(|name| text.contains(name.as_str())).collect();
        self.names.extend(named.iter().map(|name| (*name).clone()));
        !named.is_empty()
    }

    fn holds(&self, symbol: Value) -> bool {
        self.users.contains(&symbol) || (symbol.is_local() && self.names.contains(symbol.name()))
    }
}
