//! Local functions that others may have as well get a name that all know: front ends make instances of generic code local to
//! the crate (Rust), under names of their own, where C++ has inline functions.
//!
//! The name is made of the identity, so it says what the function means, and the function is inline and hidden: every object that
//! uses it has a copy, which a dependency's may replace. Only where the front end says that nobody compares the address. Which
//! of them, [`offers`](super::offers) decides.

use super::carrier::{self, Known};
use super::dependencies::Dependencies;
use super::offers::{Fate, Local, plan};
use super::weight::{self, Body, Size};
use crate::identity::Identified;
use crate::llvm::{Block, Function, Module, SymbolFacts, Value};
use image_format::identity::{global_name, of_global_name};
use image_format::sharing::Sharing;
use std::collections::{HashMap, HashSet};

/// Twice the threshold of LLVM's inliner.
const OFFERED_THRESHOLD: &str = "450";

/// Names those of the local functions that it pays for: what a dependency exports, and in a package what others gain by.
pub fn name(module: Module, found: &[Identified], dependencies: &Dependencies, is_package: bool) {
    let candidates: Vec<&Identified> = found.iter().filter(|found| may_be_named(found)).collect();
    if candidates.is_empty() {
        return;
    }
    let sizes = sizes(module);
    let local = |found: &&Identified| Local {
        identity: found.identity,
        is_taken: dependencies.has(&found.identity),
        uses: found.function.users().len(),
        size: sizes[&*found.function],
    };
    let fates = plan(&candidates.iter().map(local).collect::<Vec<_>>(), is_package);
    let of_fate = |wanted: Fate| {
        candidates
            .iter()
            .zip(&fates)
            .filter(move |(_, fate)| **fate == wanted)
            .map(|(found, _)| found.function)
    };
    let named: HashSet<Value> = of_fate(Fate::Named).map(|function| *function).collect();
    let copies = Copies::make(of_fate(Fate::Copied).collect(), &named);
    for (found, fate) in candidates.iter().zip(&fates) {
        match fate {
            Fate::Stays => {}
            Fate::Named => {
                offer(module, found.function, found);
                if !dependencies.has(&found.identity) {
                    inline_more(module, found.function);
                }
            }
            Fate::Same(place) => {
                found.function.replace_all_uses_with(*candidates[*place].function);
                found.function.erase();
            }
            Fate::Copied => {
                let copy = copies.0[&*found.function];
                offer(module, copy, found);
                // Nobody here calls it.
                copy.keep_unused();
            }
        }
    }
}

fn offer(module: Module, function: Function, found: &Identified) {
    function.make_inline(module, &global_name(found.function.name(), &found.identity));
    carrier::write(module, function, Known::Identity(found.identity));
}

/// In another image the function may have one use, and would be inlined there whatever its size; in the image that has it for all of
/// them it is inlined up to twice the size that it would be for its several uses. Only where size counts for nothing else: the attribute
/// stands in place of the whole threshold, which LLVM would have higher for what is vectors for the most part (562) and for a single block
/// with a hint (487).
fn inline_more(module: Module, function: Function) {
    let is_other = ["cold", "minsize", "optsize"].iter().any(|attribute| function.has_attribute(attribute));
    if !is_other && !module.has_flag("ProfileSummary") {
        function.set_string_attribute(module, "function-inline-threshold", OFFERED_THRESHOLD);
    }
}

/// Copies of functions and of the local ones that they use, by what they are copies of. So all have as many uses as before,
/// by which LLVM decides what it inlines, and each copy becomes what its function becomes.
#[derive(Default)]
struct Copies(HashMap<Value, Function>);

impl Copies {
    /// What is `named` is not copied with those that use it.
    fn make(mut waiting: Vec<Function>, named: &HashSet<Value>) -> Copies {
        let mut copies = Copies::default();
        while let Some(function) = waiting.pop() {
            if copies.0.contains_key(&*function) {
                continue;
            }
            copies.0.insert(*function, function.clone_body());
            for instruction in function.instructions() {
                let used = instruction.operands().filter_map(Value::as_function);
                waiting.extend(used.filter(|used| may_be_copied(*used) && !named.contains(used)));
            }
        }
        copies.0.values().for_each(|copy| copies.use_copies(*copy));
        copies
    }

    fn use_copies(&self, copy: Function) {
        for instruction in copy.instructions() {
            let operands: Vec<Value> = instruction.operands().collect();
            for (place, operand) in (0u32..).zip(operands) {
                // Operands that are no values are left out of the list.
                if let Some(other) = self.0.get(&operand).filter(|_| instruction.operand(place) == operand) {
                    instruction.set_operand(place, **other);
                }
            }
        }
    }
}

fn may_be_copied(function: Function) -> bool {
    !function.is_declaration()
        && function.is_local()
        && function.symbol_facts().has(SymbolFacts::UNNAMED_ADDRESS)
        && !function.has_comdat()
        // Data with addresses of labels leads into this function alone.
        && !function.blocks().any(Block::has_address_taken)
}

fn may_be_named(found: &Identified) -> bool {
    found.content == Sharing::Shareable
        && may_be_copied(found.function)
        && !found.function.has_attribute("alwaysinline")
}

/// How large each function is expected to be.
fn sizes(module: Module) -> HashMap<Value, Size> {
    let (functions, bodies) = weighed(module);
    functions.iter().map(|function| **function).zip(weight::sizes(&bodies)).collect()
}

/// The functions that are defined in the module, and what is known of each for [`weight`].
pub fn weighed(module: Module) -> (Vec<Function>, Vec<Body>) {
    let defined: Vec<Function> = module.functions().filter(|f| !f.is_declaration()).collect();
    let places: HashMap<Value, usize> = defined.iter().enumerate().map(|(i, f)| (**f, i)).collect();
    let body = |function: &Function| {
        let (calls, own) = function.weigh();
        let calls = calls.iter().filter_map(|callee| places.get(callee).copied()).collect();
        // Without dedup it would be local still.
        let is_local = function.is_local() || of_global_name(function.name()).is_some();
        Body { own, calls, only_call: is_local && function.users().len() == 1 }
    };
    let bodies = defined.iter().map(body).collect();
    (defined, bodies)
}
