//! `CPUFeatures`: answers a function's questions about the CPU by what the function is compiled for.
//!
//! Julia's are answered either way: only the calls are replaced, by a constant, and the branches that this decides
//! are left to `simplifycfg`. Those of C and Rust ([`crate::questions`]) are answered with yes only. No record keeps
//! what these answers rely on: the pass belongs to Julia's pipeline, whose images require all that they declare.

use super::question::{Isa, Question};
use crate::llvm::{Function, Module, Opcode, subtarget_features};
use crate::questions::fold::Sources;
use crate::target;
use image_format::cpu::Arch;
use std::collections::{HashMap, HashSet};

/// Answers every question of the module by each function's `target-cpu` and `target-features`. Returns whether
/// there was one that this decides.
///
/// # Errors
/// As [`fold`]; and when this LLVM was built without the module's target.
pub fn fold_by_attributes(module: Module) -> Result<bool, String> {
    let mut subtargets = Subtargets::of(module.triple_or_default());
    let isa = Isa::from_triple(&subtargets.triple);
    let julias = fold(module, |caller, question| {
        let features = subtargets.features(caller)?;
        Some(question.answer(isa, |name| features.contains(name)))
    })?;
    let others = fold_programs_own(module, &mut subtargets);
    if subtargets.is_unknown {
        return Err(format!(
            "CPUFeatures: this LLVM has no target for '{}', so it cannot tell what its CPUs have",
            subtargets.triple
        ));
    }
    Ok(julias > 0 || others)
}

/// The questions of C and Rust; returns whether one was answered.
fn fold_programs_own(module: Module, subtargets: &mut Subtargets) -> bool {
    let Some(arch) = Arch::from_triple(&subtargets.triple) else { return false };
    let sources = Sources::of(module, arch);
    if sources.is_empty() {
        return false;
    }
    let mut any = false;
    for function in module.functions().filter(|f| !f.is_declaration()) {
        let Some(features) = subtargets.features(function) else { return any };
        let required = target::required(arch, features.iter().map(String::as_str));
        any |= !sources.fold(module, function, required).is_empty();
    }
    any
}

/// What the functions of a module are compiled for, by their attributes.
struct Subtargets {
    triple: String,
    known: HashMap<(String, String), Option<HashSet<String>>>,
    /// Whether LLVM was asked about the triple and has no target for it.
    is_unknown: bool,
}

impl Subtargets {
    fn of(triple: String) -> Subtargets {
        Subtargets { triple, known: HashMap::new(), is_unknown: false }
    }

    /// LLVM's names of the features that a function's code may use.
    fn features(&mut self, function: Function) -> Option<&HashSet<String>> {
        let attribute = |name| function.string_attribute(name).unwrap_or_default();
        let key = (attribute("target-cpu"), attribute("target-features"));
        let ask = |(cpu, list): &(String, String)| subtarget_features(&self.triple, cpu, list);
        let features = self.known.entry(key).or_insert_with_key(ask).as_ref();
        self.is_unknown |= features.is_none();
        features
    }
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
