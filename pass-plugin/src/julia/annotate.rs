//! The plan as attributes: `julia.mv.clones`, `julia.mv.reloc` and `julia.mv.fvar`.

use super::facts;
use super::question::Isa;
use super::targets::Targets;
use super::uses::{Referrer, referrers};
use crate::llvm::{Function, Module};
use crate::plan::{self, TargetFacts};

/// The function's clone set, as a hexadecimal mask of targets.
pub const CLONES: &str = "julia.mv.clones";
/// The function has a slot.
pub const RELOC: &str = "julia.mv.reloc";
/// Data holds the function's address, which the loader writes.
pub const FVAR: &str = "julia.mv.fvar";
/// Module flag: the attributes are there.
pub const ANNOTATED: &str = "julia.mv.annotated";
/// Module flag: a function passes or returns vectors, so that code of other images must agree on their size.
const PASSES_VECTORS: &str = "julia.mv.veccall";

/// Annotates the whole module.
pub fn annotate(module: Module, targets: &Targets) {
    let functions: Vec<Function> = module.functions().filter(|f| !f.is_declaration()).collect();
    let collected = facts::collect(&functions, Isa::from_triple(&module.triple_or_default()));
    let plain: Vec<TargetFacts> = targets
        .list
        .iter()
        .map(|t| TargetFacts { flags: t.flags, base: t.base, ..TargetFacts::default() })
        .collect();
    let decisions = plan::plan(&collected.facts, &plain, false);
    let partial: u32 = (0..targets.len()).filter(|t| !targets.is_base(*t)).map(|t| 1 << t).sum();
    for (function, decision) in functions.iter().zip(decisions) {
        // Julia does not count target 0, which has every function.
        let mask = decision.mask & !1;
        // One target needs no slots. Several that are all bases do: data and aliases need the chosen body.
        if targets.len() > 1
            && let Some(attribute) = how_referred_to(*function, mask & partial != 0)
        {
            function.set_string_attribute(module, attribute, "");
        }
        if mask != 0 {
            function.set_string_attribute(module, CLONES, &format!("{mask:X}"));
        }
    }
    if collected.passes_vectors {
        module.set_max_flag(PASSES_VECTORS, 1);
    }
    module.set_strict_flag(ANNOTATED, 1);
}

/// Which attribute the references to a function ask for. Between bases no code needs a slot: the body for a
/// base calls bodies for the same base.
fn how_referred_to(function: Function, partly_cloned: bool) -> Option<&'static str> {
    let found = referrers(*function);
    let any = |wanted: fn(&Referrer) -> bool| found.iter().any(wanted);
    let by_code = partly_cloned && any(|r| matches!(r, Referrer::Instruction(_)));
    if by_code || any(|r| matches!(r, Referrer::Alias(_))) {
        Some(RELOC)
    } else if any(|r| matches!(r, Referrer::Variable(_))) {
        Some(FVAR)
    } else {
        None
    }
}
