//! Answers the questions in clones, and keeps what each function relies on since: `jl-link` may not take such a
//! feature from what the image requires, though no instruction shows it.

use super::fold::Sources;
use crate::julia::cpu_features;
use crate::julia::question::{Isa, Question};
use crate::llvm::{Function, Module};
use crate::rewrite::Cloned;
use crate::target::Target;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use std::collections::HashMap;

/// Answers what each body's target decides, and all of `julia.cpu.*`, which the target always does.
///
/// # Errors
/// As [`cpu_features::fold`].
pub fn answer(module: Module, arch: Arch, targets: &[Target], cloned: &mut [Cloned]) -> Result<(), String> {
    let required: Vec<FeatureSet> = targets.iter().map(|target| target.required(arch)).collect();
    let sources = Sources::of(module, arch);
    let mut bodies: HashMap<Function, (usize, usize)> = HashMap::new();
    for (index, function) in cloned.iter_mut().enumerate() {
        for (target, body) in function.bodies.iter().enumerate() {
            let Some(body) = body else { continue };
            bodies.insert(*body, (index, target));
            function.asks = function.asks.union(sources.fold(module, *body, required[target]));
        }
    }
    let isa = Isa::from_triple(&module.triple());
    let mut asked_elsewhere = FeatureSet::EMPTY;
    cpu_features::fold(module, |caller, question| {
        // What is not cloned is baseline code.
        let (function, target) = bodies.get(&caller).map_or((None, 0), |(f, target)| (Some(*f), *target));
        let has = |name: &str| arch.feature(name).is_some_and(|id| required[target].contains(id));
        let asks = match function {
            Some(function) => &mut cloned[function].asks,
            None => &mut asked_elsewhere,
        };
        *asks = asks.union(features(arch, question));
        Some(question.answer(isa, has))
    })?;
    for function in cloned {
        function.asks = function.asks.union(asked_elsewhere);
    }
    Ok(())
}

/// The features that a question is about.
fn features(arch: Arch, question: Question) -> FeatureSet {
    match question {
        Question::Supports(list) => list.split(',').filter_map(|name| arch.feature(name)).collect(),
        Question::HaveFma(_) => {
            ["fma", "fma4", "fullfp16"].iter().filter_map(|name| arch.feature(name)).collect()
        }
    }
}

/// Gives each function what the functions rely on whose bodies it calls directly: these may be inlined yet, or
/// lose their own record.
pub fn spread(cloned: &mut [Cloned]) {
    let bodies = cloned.iter().enumerate().flat_map(|(i, c)| c.bodies.iter().flatten().map(move |b| (*b, i)));
    let owners: HashMap<Function, usize> = bodies.collect();
    if cloned.iter().all(|function| function.asks.is_empty()) {
        return;
    }
    let mut callers = vec![Vec::new(); cloned.len()];
    for (index, function) in cloned.iter().enumerate() {
        for call in function.bodies.iter().flatten().flat_map(|b| b.instructions()).filter(|i| i.is_call()) {
            if let Some(callee) = call.callee().0.as_function().and_then(|f| owners.get(&f)) {
                callers[*callee].push(index);
            }
        }
    }
    let mut work: Vec<usize> = (0..cloned.len()).collect();
    while let Some(callee) = work.pop() {
        for caller in &callers[callee] {
            let wider = cloned[*caller].asks.union(cloned[callee].asks);
            if wider != cloned[*caller].asks {
                cloned[*caller].asks = wider;
                work.push(*caller);
            }
        }
    }
}
