//! `CPUFeatures`: answers a function's questions about the CPU by what the function is compiled for.
//!
//! Only the calls are replaced, by a constant; the branches that this decides are left to `simplifycfg`.

use super::question::{Isa, Question};
use crate::llvm::{Function, Module, Opcode, subtarget_features};
use std::collections::{HashMap, HashSet};

/// Answers every question of the module by each caller's `target-cpu` and `target-features`. Returns whether
/// there was one.
///
/// # Errors
/// As [`fold`]; and when this LLVM was built without the module's target.
pub fn fold_by_attributes(module: Module) -> Result<bool, String> {
    let triple = module.triple_or_default();
    let isa = Isa::from_triple(&triple);
    let mut known: HashMap<(String, String), Option<HashSet<String>>> = HashMap::new();
    let mut missing = false;
    let folded = fold(module, |caller, question| {
        let attribute = |name| caller.string_attribute(name).unwrap_or_default();
        let key = (attribute("target-cpu"), attribute("target-features"));
        let features =
            known.entry(key).or_insert_with_key(|(cpu, list)| subtarget_features(&triple, cpu, list));
        missing |= features.is_none();
        Some(question.answer(isa, |name| features.as_ref().is_some_and(|f| f.contains(name))))
    })?;
    if missing {
        return Err(format!(
            "CPUFeatures: this LLVM has no target for '{triple}', so it cannot tell what its CPUs have"
        ));
    }
    Ok(folded > 0)
}

/// Replaces the calls that ask about the CPU by what `answer` says for (calling function, question); a call
/// without an answer stays. Returns how many were replaced.
///
/// # Errors
/// A sentence, when such a function is used otherwise than by a call, or does not return an integer.
pub fn fold(
    module: Module,
    mut answer: impl FnMut(Function, Question) -> Option<bool>,
) -> Result<usize, String> {
    let mut folded = 0;
    for asked in module.functions().filter(|f| f.is_declaration()) {
        let name = asked.name().to_string();
        let Some(question) = Question::parse(&name) else { continue };
        for user in asked.users() {
            let called = user.is_instruction() && user.opcode() == Opcode::LLVMCall;
            if !called || user.callee().0 != *asked {
                return Err(format!("'{name}' may only be called: its address means nothing"));
            }
            let Some(width) = user.ty().integer_bits() else {
                return Err(format!("'{name}' must return an integer that says yes or no (i1)"));
            };
            if let Some(yes) = answer(user.parent().function(), question) {
                user.replace_all_uses_with(module.int(width, u64::from(yes)));
                user.erase_instruction();
                folded += 1;
            }
        }
    }
    Ok(folded)
}
