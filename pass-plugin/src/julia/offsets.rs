//! The tables of Julia before 1.9 (seen: 1.5): `T_base` is the address of the first entry, and `T_offsets` holds how many
//! entries there are and how far each is from the first one, for `T` the functions and the data of an image.
//!
//! Julia writes them for one object with one section of code, where such distances are numbers. Here entries come to stand
//! in sections, and in shards, of their own, and no relocation tells the distance of two symbols that are both elsewhere. But
//! Julia's loader only ever adds the two, so any base will do: the tables become relative to themselves.

use crate::llvm::{ConstantKind, Module, Opcode, Value};

/// The functions and the data of an image, without `_base` and `_offsets`.
const FUNCTIONS: &str = "jl_sysimg_fvars";
const TABLES: [&str; 2] = [FUNCTIONS, "jl_sysimg_gvars"];
/// Where the table of functions stands: `jl-link` lets it lead to the bodies that are chosen at start.
const SECTION: &str = ".data.rel.ro.jl_distances";
/// Which functions have clones that Julia's own pass made; its first word counts those of target 0.
const CLONES: &str = "jl_dispatch_fvars_idxs";
/// Module flag: how position-independent code is; 2 as `-fPIC` has it.
const PIC: &str = "PIC Level";
const BIG_PIC: u32 = 2;

/// Makes the tables relative to themselves; false where there are none, or this was done before.
///
/// # Errors
/// A sentence, when Julia has cloned the module already or a table is not as Julia writes it.
pub fn rebase(module: Module) -> Result<bool, String> {
    let mut changed = false;
    for name in TABLES {
        let alias = module.alias(&format!("{name}_base"));
        let table = module.named_global(&format!("{name}_offsets"));
        let (Some(alias), Some(table)) = (alias, table.filter(|t| !t.is_declaration())) else { continue };
        if alias.aliasee() == table {
            continue;
        }
        refuse_clones(module)?;
        rebase_table(module, name, alias, table)?;
        if name == FUNCTIONS {
            table.set_constant(false);
            table.set_section(SECTION);
        }
        changed = true;
    }
    // Julia says to its code generator alone that the code is for a shared library.
    if changed && !module.has_flag(PIC) {
        module.set_max_flag(PIC, BIG_PIC);
    }
    Ok(changed)
}

fn refuse_clones(module: Module) -> Result<(), String> {
    let list = module.named_global(CLONES).and_then(|list| list.initializer());
    match list.and_then(|list| list.array_length()) {
        None | Some(0 | 1) => Ok(()),
        Some(_) => Err(format!(
            "Julia has cloned the functions of this module itself ({CLONES} lists them): let it write bitcode for one \
             target (julia -C generic --output-bc ...), and name the targets here"
        )),
    }
}

fn rebase_table(module: Module, name: &str, alias: Value, table: Value) -> Result<(), String> {
    let base = alias.aliasee();
    let words: Vec<Value> = table.initializer().map_or(Vec::new(), |list| list.elements());
    let Some((count, entries)) = words.split_first() else {
        return Err(format!("{name}_offsets is empty, but must say how many entries it has"));
    };
    if count.unsigned() != Some(entries.len() as u64) {
        return Err(format!("{name}_offsets has {} entries, but says otherwise", entries.len()));
    }
    let mut rebased = vec![*count];
    for (index, entry) in entries.iter().enumerate() {
        let of = distance_from(*entry, base)
            .ok_or_else(|| format!("entry {index} of {name}_offsets is not a distance from {name}_base"))?;
        rebased.push(module.distance32(of, 0, table));
    }
    table.set_initializer(module.array(count.ty(), &rebased));
    alias.set_aliasee(table);
    Ok(())
}

/// What `entry` is the distance of from `base`.
fn distance_from(entry: Value, base: Value) -> Option<Value> {
    if entry.unsigned() == Some(0) {
        return Some(base);
    }
    let difference = operand_of(entry, Opcode::LLVMTrunc)?;
    let (to, from) = match difference.constant_opcode()? {
        Opcode::LLVMSub => (difference.operand(0), difference.operand(1)),
        _ => return None,
    };
    (address_in(from)? == base).then(|| address_in(to))?
}

fn operand_of(value: Value, opcode: Opcode) -> Option<Value> {
    (value.constant_opcode()? == opcode).then(|| value.operand(0))
}

/// The symbol whose address is a number here.
fn address_in(number: Value) -> Option<Value> {
    let mut value = operand_of(number, Opcode::LLVMPtrToInt)?;
    while value.constant_kind() == ConstantKind::SameBits {
        value = value.operand(0);
    }
    Some(value)
}
