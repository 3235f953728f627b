//! The plan written into the module, and read back.

use super::facts::{self, ModuleGraph};
use super::plan::{self, ROOT, ShardId};
use super::{SHARED, SHARED_SUFFIX};
use crate::emit::settings::PartitionSettings;
use crate::llvm::{Module, Value};

/// Module flag: the number of shards.
const SHARDS: &str = "jl.shards";
/// Metadata of a definition: its shard; none on what each shard has a copy of.
const SHARD: &str = "jl.shard";

/// Assigns shards; false when the module already has some, or nothing to share out.
///
/// # Errors
/// A sentence, when a name of ours is taken.
pub fn partition(module: Module, settings: &PartitionSettings) -> Result<bool, String> {
    if module.has_flag(SHARDS) {
        return Ok(false);
    }
    name_functions(module);
    let ModuleGraph { symbols, nodes } = facts::collect(module);
    let total = nodes.iter().map(|n| n.weight).sum();
    let weight = settings.shard_weight.unwrap_or_else(|| plan::shard_weight(total));
    let plan = plan::plan(&nodes, weight);
    for (number, index) in plan.shared.iter().enumerate() {
        let symbol = symbols[*index];
        if symbol.name().is_empty() {
            symbol.set_name(&format!("jl.unnamed.data.{number}"));
        }
        if let Some(function) = symbol.as_function().filter(|f| f.is_local() && !f.has_comdat()) {
            function.set_string_attribute(module, SHARED, "");
        }
        share(module, symbol, SHARED_SUFFIX)?;
    }
    for (symbol, shard) in symbols.iter().zip(&plan.shards) {
        match shard {
            Some(shard) if symbol.is_global_object() => {
                let number = module.int(32, u64::from(shard.0));
                symbol.set_global_metadata(module, SHARD, Some(number));
            }
            Some(_) => {}
            // Numbered names would change with every constant before it.
            None => symbol.set_name(""),
        }
    }
    module.set_flag(SHARDS, plan.count);
    Ok(true)
}

/// Makes sure that other objects of the image find a discardable symbol: a local one becomes visible to them, and
/// only to them; another one stays what it is to the linker, but LLVM keeps it.
///
/// # Errors
/// A sentence, when the new name is taken.
pub fn share(module: Module, symbol: Value, suffix: &str) -> Result<(), String> {
    if !symbol.is_local() {
        symbol.keep_unused();
        return Ok(());
    }
    let name = format!("{}{suffix}", symbol.name());
    if module.has_symbol(&name) {
        return Err(format!(
            "the module has a symbol '{name}', which is the name that '{}' needs to be seen from other shards; \
             rename it",
            symbol.name()
        ));
    }
    symbol.set_name(&name);
    symbol.make_hidden_external();
    Ok(())
}

/// Functions without a name get one: a shard ends by names.
fn name_functions(module: Module) {
    for (index, function) in module.functions().enumerate() {
        if function.name().is_empty() && !function.is_declaration() {
            function.set_name(&format!("jl.unnamed.{index}"));
        }
    }
}

/// The shards of a module, as [`partition`] wrote them.
pub struct Assignment {
    pub count: u32,
    /// For each of [`Module::symbols`]; `None` for what each shard has a copy of, for declarations and for lists.
    pub shards: Vec<Option<ShardId>>,
    /// Whether the symbol is a definition that every shard may have.
    pub copied: Vec<bool>,
    /// Of each shard.
    pub weights: Vec<u64>,
}

/// Takes the assignment out of the module again: numbers of shards would make shards differ that are alike.
pub fn forget(module: Module) {
    module.drop_flag(SHARDS);
    for symbol in module.symbols().into_iter().filter(|s| s.is_global_object()) {
        symbol.erase_global_metadata(module, SHARD);
    }
}

/// The shards of a module; `None` where it was not partitioned.
pub fn assignment(module: Module) -> Option<Assignment> {
    let count = u32::try_from(module.flag_value(SHARDS)?).ok()?;
    let symbols = module.symbols();
    let own = |symbol: &Value| -> Option<ShardId> {
        let number = symbol.global_metadata_integer(module, SHARD)?;
        u32::try_from(number).ok().map(ShardId)
    };
    let shard = |symbol: &Value| match facts::is_definition(symbol) {
        false => None,
        // An alias or IFUNC goes with what it stands for.
        true if !symbol.is_global_object() => {
            let tied = symbol.references().into_iter().find(|(_, tied)| *tied);
            Some(tied.and_then(|(of, _)| own(&of)).unwrap_or(ROOT))
        }
        true => own(symbol),
    };
    let shards: Vec<Option<ShardId>> = symbols.iter().map(shard).collect();
    let copied =
        symbols.iter().zip(&shards).map(|(s, shard)| shard.is_none() && facts::is_definition(s)).collect();
    let mut weights = vec![0; count as usize];
    for (symbol, shard) in symbols.iter().zip(&shards) {
        if let Some(weight) = shard.and_then(|s| weights.get_mut(s.0 as usize)) {
            *weight += facts::weight(*symbol);
        }
    }
    Some(Assignment { count, shards, copied, weights })
}
