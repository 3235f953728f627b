//! The tables that the loader reads, as globals (julia-protocol, section 4).

use super::clones::Family;
use super::dispatch::DataAddress;
use super::fvars::Fvars;
use super::targets::Targets;
use super::words::clone_tables;
use crate::llvm::{Function, Module, Value};
use image_format::julia::TableName;
use std::collections::HashMap;

const GVARS: &str = "jl_gvars";
/// Module flag: what the names of this shard's tables end in.
const SUFFIX: &str = "julia.mv.suffix";

/// What the tables are made of.
pub struct Contents<'a> {
    pub targets: &'a Targets,
    pub families: &'a [Family],
    pub fvars: &'a Fvars,
    /// Slots by function number, sorted.
    pub slots: &'a [(usize, Value)],
    /// Addresses in data, sorted by function number.
    pub addresses: &'a [DataAddress],
}

/// Writes all tables.
///
/// # Errors
/// A sentence, when the module lacks `jl_fvar_idxs` or has a suffix that is not a string.
pub fn emit(module: Module, contents: &Contents) -> Result<(), String> {
    let suffix = match module.flag_text(SUFFIX) {
        Some(Some(suffix)) => suffix,
        Some(None) => return Err(format!("the module flag {SUFFIX} must be a string")),
        None => String::new(),
    };
    let name = |table: TableName| format!("{}{suffix}", table.symbol());
    let numbers = TableName::FvarIdxs.symbol();
    let indices = module.named_global(numbers).ok_or_else(|| {
        format!("the module has jl_fvars but not {numbers}, which says where each belongs in the image")
    })?;
    let functions = &contents.fvars.functions;
    let count = Value::number(module.address_type(), functions.len() as u64);
    table(module, &name(TableName::FvarCount), count).set_constant(true);
    let pointers: Vec<Value> = functions.iter().map(|f| **f).collect();
    table(module, &name(TableName::FvarPtrs), module.array(module.pointer_type(), &pointers));
    indices.set_name(&name(TableName::FvarIdxs));

    emit_slots(module, &name(TableName::CloneSlots), contents);
    emit_clones(module, [&name(TableName::CloneIdxs), &name(TableName::ClonePtrs)], contents);
    emit_gvars(module, &name(TableName::GvarOffsets))
}

/// `jl_clone_slots`: what the loader writes for which function.
fn emit_slots(module: Module, name: &str, contents: &Contents) {
    let data = contents.addresses.iter().map(|a| (a.fvar, a.variable, a.offset));
    let slots = contents.slots.iter().map(|(fvar, slot)| (*fvar, *slot, 0));
    let mut places: Vec<(usize, Value, u64)> = data.chain(slots).collect();
    // Stable: data before the slot.
    places.sort_by_key(|(fvar, ..)| *fvar);
    let zeros = vec![0; 1 + 2 * places.len()];
    let list = table(module, name, module.words(&zeros));
    let mut words = vec![module.int(32, places.len() as u64)];
    for (fvar, place, offset) in places {
        words.extend([module.int(32, fvar as u64), module.distance32(place, offset, list)]);
    }
    list.set_initializer(module.array(words[0].ty(), &words));
    list.set_constant(true);
}

/// `jl_clone_idxs` and `jl_clone_ptrs`: the bodies of each target.
fn emit_clones(module: Module, [indices, pointers]: [&str; 2], contents: &Contents) {
    let functions = &contents.fvars.functions;
    let mut relocated = vec![false; functions.len()];
    let numbers = contents.slots.iter().map(|s| s.0).chain(contents.addresses.iter().map(|a| a.fvar));
    numbers.for_each(|fvar| relocated[fvar] = true);
    let by_original: HashMap<Function, &Family> = contents.families.iter().map(|f| (f.original, f)).collect();
    let family: Vec<Option<&Family>> = functions.iter().map(|f| by_original.get(f).copied()).collect();
    let own = |target: usize, fvar: usize| family[fvar].and_then(|f| f.own_body(target));
    let tables = clone_tables(contents.targets, &relocated, |target, fvar| own(target, fvar).is_some());
    table(module, indices, module.words(&tables.indices)).set_constant(true);
    let bodies: Vec<Value> =
        tables.bodies.iter().map(|(t, f)| *own(*t, *f).unwrap_or(functions[*f])).collect();
    let bodies = module.array(module.pointer_type(), &bodies);
    table(module, pointers, bodies).set_constant(true);
}

/// `jl_gvar_offsets`, where the front end lists data in `jl_gvars` and has not written the table itself.
fn emit_gvars(module: Module, name: &str) -> Result<(), String> {
    let Some(list) = module.named_global(GVARS).filter(|_| module.named_global(name).is_none()) else {
        return Ok(());
    };
    let value = list.initializer().filter(|v| v.array_length().is_some());
    let value = value.ok_or_else(|| format!("{GVARS} must be an array of addresses"))?;
    let parts: Vec<Value> = value.operands().collect();
    if parts.len() as u64 != value.array_length().unwrap_or(0) || list.has_uses() {
        return Err(format!("{GVARS} must be an array of addresses that nothing uses"));
    }
    let offsets = table(module, name, module.words(&vec![0; 1 + parts.len()]));
    let mut words = vec![module.int(32, parts.len() as u64)];
    words.extend(parts.iter().map(|part| module.distance32(*part, 0, offsets)));
    offsets.set_initializer(module.array(words[0].ty(), &words));
    offsets.set_constant(true);
    list.erase_global();
    Ok(())
}

fn table(module: Module, name: &str, value: Value) -> Value {
    let table = module.add_global(name, value.ty());
    table.set_initializer(value);
    table.set_hidden();
    table.set_dso_local();
    table
}
