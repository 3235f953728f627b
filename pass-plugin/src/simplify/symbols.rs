//! Names and linkage of local symbols while units refer to them.

use crate::llvm::{Linkage, Module, Value};
use crate::partition::facts;
use std::collections::HashMap;
use xxhash_rust::xxh64::xxh64;

/// Ends the name of a symbol that is local to the module. Without it LLVM would take a static `strlen` for the library's
/// as soon as it is visible.
const UNIT_SUFFIX: &str = ".jl.unit";

/// A local symbol as it was.
pub struct Local {
    /// Its name meanwhile.
    visible: String,
    name: String,
    linkage: Linkage,
}

/// Makes all symbols of the module visible to units.
pub fn make_visible(module: Module) -> Vec<Local> {
    let mut alike: HashMap<u64, u64> = HashMap::new();
    let local = |symbol: &Value| symbol.is_local() && symbol.linkage() != Linkage::LLVMAppendingLinkage;
    let make = |symbol: Value| {
        let (name, linkage) = (symbol.name().to_string(), symbol.linkage());
        let stable = match content(module, symbol) {
            // Front ends number them through the module: one string more, and all that follow had other names.
            Some(hash) => {
                let number = alike.entry(hash).or_default();
                *number += 1;
                format!("bytes.{hash:016x}.{number}")
            }
            None => name.clone(),
        };
        symbol.set_name(&format!("{stable}{UNIT_SUFFIX}"));
        symbol.make_hidden_external();
        Local { visible: symbol.name().to_string(), name, linkage }
    };
    module.symbols().into_iter().filter(local).map(make).collect()
}

/// A hash of a constant that is nothing but bytes.
fn content(module: Module, symbol: Value) -> Option<u64> {
    let constant = symbol.is_global_variable() && facts::is_copied(module, symbol);
    let bytes = constant.then(|| symbol.bytes_of_constant()).flatten()?;
    Some(xxh64(&bytes, module.size_of(symbol)))
}

/// Makes local again what is left of them, and what LLVM made of them.
pub fn restore(module: Module, locals: &[Local]) {
    let symbols: HashMap<&str, Value> = module.symbols().into_iter().map(|s| (s.name(), s)).collect();
    let left: Vec<(&Local, Value)> =
        locals.iter().filter_map(|local| Some((local, *symbols.get(local.visible.as_str())?))).collect();
    for (local, symbol) in left {
        symbol.set_linkage(local.linkage);
        symbol.set_name(&local.name);
    }
    for symbol in module.symbols().into_iter().filter(|s| s.is_local()) {
        if symbol.name().contains(UNIT_SUFFIX) {
            symbol.set_name(&symbol.name().replace(UNIT_SUFFIX, ""));
        }
    }
}
