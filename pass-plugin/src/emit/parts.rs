//! From a shard to its parts: the clones are made, and what belongs to each target becomes a module of its own, as
//! do the tables. Parts are what is compiled and what the cache keeps.

use super::compile::Compiler;
use super::names;
use crate::annotate::{ANNOTATED, SPECS};
use crate::llvm::{Module, OwnedModule, Value};
use crate::packages::export;
use crate::partition::facts::{is_copied, is_definition};
use crate::partition::share;
use crate::rewrite::{self, CLONE, CLONED, TRAMPOLINE};
use image_format::layout::{
    DEPENDENCY_SECTION, EXPORT_SECTION, IMPORT_SECTION, IMPORT_SLOT_SECTION, PACKAGE_REPORT_SECTION,
    RECORD_SECTION, REPORT_SECTION, SHARD_NOTE_SECTION, SLOT_SECTION, SPECS_SECTION,
};
use std::collections::HashMap;
use xxhash_rust::xxh64::xxh64;

/// What is compiled by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// The bodies for a target; with the baseline's all that is not cloned, and data.
    Target(usize),
    /// Trampolines, slots, records, notes, the report.
    Tables,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Target(target) => write!(f, "{target}"),
            Part::Tables => write!(f, "tables"),
        }
    }
}

/// A part's bitcode.
pub struct PartCode {
    pub part: Part,
    pub bitcode: Vec<u8>,
}

/// The parts of a shard, and the keys of the targets that names of bodies have (see [`names`]).
pub struct Parts {
    pub codes: Vec<PartCode>,
    pub keys: Vec<u64>,
}

/// Clones what the shard was annotated with, and takes it apart.
///
/// # Errors
/// A sentence: LLVM cannot read the bitcode, or a flag is not what `jl-annotate` writes.
pub fn split(shard: &[u8]) -> Result<Parts, String> {
    let owned = OwnedModule::read(shard)?;
    let module = owned.module();
    let keys = keys(module);
    rewrite::multiversion(module, false)?;
    export::export(module);
    if let Some(error) = owned.error() {
        return Err(error.to_string());
    }
    let symbols = module.symbols();
    let Some(parts) = assign(&symbols) else {
        return Ok(Parts {
            codes: vec![PartCode { part: Part::Target(0), bitcode: module.bitcode() }],
            keys,
        });
    };
    let copied: Vec<bool> = symbols
        .iter()
        .map(|s| is_definition(s) && s.references().is_empty() && is_copied(module, *s))
        .collect();
    rename_bodies(&symbols, &keys);
    share_across(module, &symbols, &parts, &copied)?;
    let mut all: Vec<Part> = parts.iter().flatten().copied().collect();
    // A shard may have nothing else: module assembly comes along with the first target.
    all.extend((!module.asm().is_empty()).then_some(Part::Target(0)));
    all.sort_unstable();
    all.dedup();
    for symbol in symbols.iter().filter_map(|s| s.as_function()) {
        symbol.remove_string_attribute(CLONE);
    }
    let whole = module.bitcode();
    let codes = all.into_iter().map(|part| {
        let keep: Vec<bool> =
            parts.iter().zip(&copied).map(|(own, copied)| *own == Some(part) || *copied).collect();
        let piece = OwnedModule::extract(&whole, &keep, part == Part::Target(0))?;
        // The list of targets is the tables' matter.
        for flag in [SPECS, ANNOTATED, CLONED] {
            piece.module().drop_flag(flag);
        }
        Compiler::forget(piece.module());
        Ok(PartCode { part, bitcode: piece.module().bitcode() })
    });
    Ok(Parts { codes: codes.collect::<Result<_, String>>()?, keys })
}

/// What tells a target from others, whatever list it stands in.
fn keys(module: Module) -> Vec<u64> {
    let specs = module.target_specs().unwrap_or_default();
    let key = |(name, features, _, flags): (String, String, u32, u32)| {
        xxh64(format!("{name}\0{features}\0{flags}").as_bytes(), 0)
    };
    specs.into_iter().map(key).collect()
}

/// The part of each symbol, `None` for declarations and lists; or nothing at all where a label's address would
/// cross from one part to another.
fn assign(symbols: &[Value]) -> Option<Vec<Option<Part>>> {
    let index: HashMap<Value, usize> = symbols.iter().enumerate().map(|(i, s)| (*s, i)).collect();
    let mut parts: Vec<Option<Part>> = symbols.iter().map(part_of).collect();
    for (user, symbol) in symbols.iter().enumerate() {
        for (used, _) in symbol.references().into_iter().filter(|(_, tied)| *tied) {
            let used = parts[index[&used]];
            if symbol.is_indirect_symbol() || symbol.section() == Some(EXPORT_SECTION) {
                parts[user] = used;
            } else if used.is_some() && parts[user].is_some() && used != parts[user] {
                return None;
            }
        }
    }
    Some(parts)
}

fn part_of(symbol: &Value) -> Option<Part> {
    if !is_definition(symbol) {
        return None;
    }
    if let Some(function) = symbol.as_function() {
        if let Some(target) = function.string_attribute(CLONE) {
            return Some(Part::Target(target.parse().unwrap_or(0)));
        }
        let trampoline = function.string_attribute(TRAMPOLINE).is_some();
        return Some(if trampoline { Part::Tables } else { Part::Target(0) });
    }
    let ours = |section: &str| {
        let sections = [RECORD_SECTION, SPECS_SECTION, SHARD_NOTE_SECTION, REPORT_SECTION];
        let packages = [IMPORT_SECTION, DEPENDENCY_SECTION, PACKAGE_REPORT_SECTION];
        let slots = [SLOT_SECTION, IMPORT_SLOT_SECTION];
        sections.contains(&section)
            || packages.contains(&section)
            || slots.iter().any(|slot| section.starts_with(slot))
    };
    let tables = symbol.section().is_some_and(ours);
    Some(if tables { Part::Tables } else { Part::Target(0) })
}

/// Bodies are called by what their targets are, those that other shards define, too; other parts may call them.
fn rename_bodies(symbols: &[Value], keys: &[u64]) {
    for function in symbols.iter().filter_map(|s| s.as_function()) {
        let Some(target) = function.string_attribute(CLONE).and_then(|t| t.parse::<usize>().ok()) else {
            continue;
        };
        let name = function.name().strip_suffix(&format!(".{target}")).unwrap_or(function.name()).to_string();
        function.set_name(&names::body(&name, keys[target]));
        function.make_hidden_external();
        if !function.is_declaration() {
            function.set_section(&names::body_section(&name, keys[target]));
        }
    }
}

/// Makes sure that a part finds what another one defines.
fn share_across(
    module: Module,
    symbols: &[Value],
    parts: &[Option<Part>],
    copied: &[bool],
) -> Result<(), String> {
    let index: HashMap<Value, usize> = symbols.iter().enumerate().map(|(i, s)| (*s, i)).collect();
    let mut seen = vec![false; symbols.len()];
    for (user, symbol) in symbols.iter().enumerate() {
        for (used, _) in symbol.references() {
            let used = index[&used];
            seen[used] |= parts[user].is_some() && parts[used].is_some() && parts[used] != parts[user];
        }
    }
    for (index, symbol) in symbols.iter().enumerate() {
        if seen[index] && !copied[index] && symbol.is_discardable() {
            name_private(*symbol, index);
            share(module, *symbol, names::PART_SUFFIX)?;
        }
    }
    Ok(())
}

/// A symbol without a name gets one before others may refer to it.
fn name_private(symbol: Value, index: usize) {
    if symbol.name().is_empty() {
        symbol.set_name(&format!("jl.unnamed.{index}"));
    }
}
