//! Local functions that others may have as well get a name that all know: front ends make instances of generic code local to
//! the crate (Rust), under names of their own, where C++ has inline functions.
//!
//! The name is made of the identity, so it says what the function means, and the function is inline and hidden: every object that
//! uses it has a copy, which a dependency's may replace. Only where the front end says that nobody compares the address.
//!
//! LLVM inlines the only call of a local function whatever its size. So of a function with one use that use stays, and others are
//! offered a copy, which calls copies in turn.

use super::carrier::{self, Known};
use super::dependencies::Dependencies;
use super::weight::{self, Body};
use crate::identity::Identified;
use crate::llvm::{Function, Module, SymbolFacts, Value};
use image_format::identity::{Identity, global_name};
use image_format::sharing::Sharing;
use std::collections::HashMap;

/// Names those of the local functions that it pays for: what a dependency exports, and in a package what may be left when
/// all is simplified. Of what stays local LLVM knows more.
pub fn name(module: Module, found: &[Identified], dependencies: &Dependencies, is_package: bool) {
    let named: Vec<&Identified> = found.iter().filter(|found| may_be_named(found)).collect();
    if named.is_empty() {
        return;
    }
    let lasting = if is_package { lasting(module) } else { HashMap::new() };
    let is_offered = |identity: &Identity| dependencies.has(identity);
    let mut first: HashMap<Identity, Function> = HashMap::new();
    let mut copies: HashMap<Value, Function> = HashMap::new();
    // Copies are users, too.
    let uses: HashMap<Value, usize> =
        named.iter().map(|found| (*found.function, found.function.users().len())).collect();
    for Identified { function, identity, .. } in named {
        if !is_offered(identity) && !lasting.get(&**function).is_some_and(|lasting| *lasting) {
            continue;
        }
        if let Some(same) = first.get(identity) {
            function.replace_all_uses_with(**same);
            function.erase();
            continue;
        }
        let has_one_use = uses[&**function] == 1;
        let offered = if has_one_use && !is_offered(identity) { function.clone_body() } else { *function };
        offered.make_inline(module, &global_name(function.name(), identity));
        if offered != *function {
            // Nobody here calls it.
            offered.keep_unused();
            copies.insert(**function, offered);
        }
        carrier::write(module, offered, Known::Identity(*identity));
        first.insert(*identity, *function);
    }
    copies.values().for_each(|copy| call_copies(*copy, &copies));
}

fn call_copies(copy: Function, copies: &HashMap<Value, Function>) {
    for instruction in copy.instructions() {
        let operands: Vec<Value> = instruction.operands().collect();
        for (place, operand) in (0u32..).zip(operands) {
            // Operands that are no values are left out of the list.
            if let Some(other) = copies.get(&operand).filter(|_| instruction.operand(place) == operand) {
                instruction.set_operand(place, **other);
            }
        }
    }
}

fn may_be_named(found: &Identified) -> bool {
    let function = found.function;
    function.is_local()
        && found.content == Sharing::Shareable
        && function.symbol_facts().has(SymbolFacts::UNNAMED_ADDRESS)
        && !function.has_comdat()
        && !function.has_attribute("alwaysinline")
}

/// By function whether something of it may be left when all is simplified.
fn lasting(module: Module) -> HashMap<Value, bool> {
    let (functions, bodies) = weighed(module);
    functions.iter().map(|function| **function).zip(weight::lasting(&bodies)).collect()
}

/// The functions that are defined in the module, and what is known of each for [`weight`].
pub fn weighed(module: Module) -> (Vec<Function>, Vec<Body>) {
    let defined: Vec<Function> = module.functions().filter(|f| !f.is_declaration()).collect();
    let places: HashMap<Value, usize> = defined.iter().enumerate().map(|(i, f)| (**f, i)).collect();
    let body = |function: &Function| {
        let (calls, own) = function.weigh();
        Body { own, calls: calls.iter().filter_map(|callee| places.get(callee).copied()).collect() }
    };
    let bodies = defined.iter().map(body).collect();
    (defined, bodies)
}
