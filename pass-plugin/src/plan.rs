//! The plan: which function gets which clones, and why. Pure: plain facts in, decisions out.
//!
//! Julia's rules (julia-protocol, section 2), behind a filter that keeps out what never pays: entropy
//! coders, SQL engines and the like have loops, but none that a target could do better.

use image_format::feature::FeatureSet;
use image_format::report::Reason;
use image_format::specs::target_flags::*;

/// What is known about one function of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunctionFacts {
    pub name: String,
    /// IR instructions.
    pub instructions: u32,
    /// Why it cannot be cloned at all.
    pub obstacle: Option<Reason>,
    /// Julia's facts: a natural loop; vector types; fused or relaxed floating point; a question about the
    /// CPU; half and bfloat16 operands.
    pub has_loop: bool,
    pub has_vectors: bool,
    pub has_math: bool,
    pub asks_cpu: bool,
    /// Features that it asks the CPU for at run time.
    pub asks: FeatureSet,
    pub has_float16: bool,
    pub has_bfloat16: bool,
    /// A loop, or straight-line code, that wider vectors or bit instructions can make faster.
    pub loop_pays: bool,
    /// A loop that sums up products of 8-bit numbers, or such numbers.
    pub dot_product_pays: bool,
    /// Explicit fused multiply-add, which is a library call without the instruction.
    pub math_pays: bool,
    /// Indices of the module's functions that it calls directly.
    pub calls: Vec<usize>,
}

/// What the loops of [`FunctionFacts::loop_pays`] can gain at a target over its base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopGain {
    /// Nothing: the same vectors with the same operations.
    None,
    /// Only sums of 8-bit numbers and of their products, four at a time.
    DotProducts,
    /// Any: longer vectors, or operations that the base's vectors lack.
    #[default]
    Vectors,
}

/// A target as the plan sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetFacts {
    /// `image_format::specs::target_flags`.
    pub flags: u32,
    pub base: usize,
    pub loops: LoopGain,
    /// What it requires and its base does not.
    pub gains: FeatureSet,
}

/// What becomes of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Bit per target with a body of its own; bit 0 is always set.
    pub mask: u32,
    pub reason: Reason,
}

impl Decision {
    pub fn is_cloned(self) -> bool {
        self.mask != 1
    }

    /// The target whose body runs for `target`: itself, or the nearest base with a body.
    pub fn body(self, target: usize, targets: &[TargetFacts]) -> usize {
        let mut at = target;
        while self.mask >> at & 1 == 0 {
            // Bases are earlier targets, so this ends at 0, whose bit is set.
            at = targets[at].base;
        }
        at
    }

    /// The rows (one per target) that run the body of `body`.
    pub fn rows(self, body: usize, targets: &[TargetFacts]) -> impl Iterator<Item = usize> + '_ {
        (0..targets.len()).filter(move |row| self.body(*row, targets) == body)
    }
}

/// Whether a call in `caller`'s body for target `from` may go straight to one body of `callee`: all rows
/// that run the caller's body agree on it. Returns that body's target.
pub fn bind(caller: Decision, from: usize, callee: Decision, targets: &[TargetFacts]) -> Option<usize> {
    let mut bodies = caller.rows(from, targets).map(|row| callee.body(row, targets));
    let first = bodies.next()?;
    bodies.all(|b| b == first).then_some(first)
}

/// Decides for every function. With `filter`, loops and vectors count only where they pay.
pub fn plan(functions: &[FunctionFacts], targets: &[TargetFacts], filter: bool) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = functions.iter().map(|f| first_decision(f, targets, filter)).collect();
    widen(functions, targets.len(), filter, &mut decisions);
    decisions
}

fn first_decision(function: &FunctionFacts, targets: &[TargetFacts], filter: bool) -> Decision {
    if let Some(reason) = function.obstacle {
        return Decision { mask: 1, reason };
    }
    let mut asked_for = wants(function, LoopGain::Vectors, filter) != 0;
    let mut decision = Decision { mask: 1, reason: Reason::NeverPays };
    for (i, target) in targets.iter().enumerate().skip(1) {
        let answers = answers(target, function);
        asked_for |= answers;
        if target.flags & CLONE_ALL != 0 {
            decision.mask |= 1 << i;
            decision.reason = Reason::CloneAll;
        } else if target.flags & wants(function, target.loops, filter) != 0 || answers {
            decision.mask |= 1 << i;
        }
    }
    if asked_for {
        decision.reason = if decision.is_cloned() { Reason::Pays } else { Reason::NoTargetAsks };
    }
    decision
}

/// Whether a target decides a question of the function that its base leaves open.
fn answers(target: &TargetFacts, function: &FunctionFacts) -> bool {
    target.flags & CLONE_CPU != 0 && !function.asks.intersection(target.gains).is_empty()
}

/// The target flags that ask for this function at a target that can give its loops this much.
fn wants(function: &FunctionFacts, gain: LoopGain, filter: bool) -> u32 {
    let loop_pays = match gain {
        LoopGain::None => false,
        LoopGain::DotProducts => function.dot_product_pays,
        LoopGain::Vectors => function.loop_pays,
    };
    let facts = [
        (if filter { loop_pays } else { function.has_loop }, CLONE_LOOP),
        (if filter { function.math_pays } else { function.has_math }, CLONE_MATH),
        (function.has_vectors, CLONE_SIMD),
        (function.asks_cpu, CLONE_CPU),
        (function.has_float16, CLONE_FLOAT16),
        (function.has_bfloat16, CLONE_BFLOAT16),
    ];
    facts.iter().filter(|(holds, _)| *holds).map(|(_, flag)| flag).sum()
}

/// Up to so many IR instructions a call through a slot is a part of a function's time that can be seen.
const SMALL: u32 = 64;

/// Adds functions that are called by, and call, cloned functions, until there are no more: a call from
/// clone to clone then needs no slot.
///
/// With `filter` only small functions are: a slot costs 0.3 ns, which beside more than some instructions
/// is not seen, and in SQLite half of all functions, its interpreter among them, stand between some
/// cloned two.
fn widen(functions: &[FunctionFacts], targets: usize, filter: bool, decisions: &mut [Decision]) {
    let mut callers = vec![Vec::new(); functions.len()];
    for (caller, function) in functions.iter().enumerate() {
        for &callee in &function.calls {
            callers[callee].push(caller);
        }
    }
    for target in 1..targets {
        let bit = 1 << target;
        let mut work: Vec<usize> = (0..functions.len()).filter(|i| decisions[*i].mask & bit != 0).collect();
        // A function's chance changes only when a neighbour is added, so neighbours are looked at again.
        while let Some(added) = work.pop() {
            for &i in functions[added].calls.iter().chain(&callers[added]) {
                let cloned = |n: &usize| *n != i && decisions[*n].mask & bit != 0;
                let eligible = decisions[i].mask & bit == 0
                    && functions[i].obstacle.is_none()
                    && (!filter || functions[i].instructions <= SMALL);
                if eligible && functions[i].calls.iter().any(cloned) && callers[i].iter().any(cloned) {
                    if !decisions[i].is_cloned() {
                        decisions[i].reason = Reason::Between;
                    }
                    decisions[i].mask |= bit;
                    work.push(i);
                }
            }
        }
    }
}
