//! The bodies of each function for each target.

use super::annotate::CLONES;
use super::targets::{Target, Targets};
use super::uses::{Referrer, referrers};
use crate::llvm::{Block, CloneMap, Function, Module};
use image_format::specs::target_flags::{MIN_SIZE, OPT_SIZE};
use std::collections::HashSet;

/// The target whose body this is.
pub const CLONE: &str = "julia.mv.clone";

/// A function of the module with its bodies.
pub struct Family {
    /// Keeps its name, and is the body for target 0.
    pub original: Function,
    /// As `julia.mv.clones` says, without target 0.
    pub mask: u32,
    /// The body for each target with one of its own; target 0 always.
    bodies: Vec<Option<Function>>,
}

impl Family {
    pub fn own_body(&self, target: usize) -> Option<Function> {
        self.bodies[target]
    }

    /// The body of a base, which partial targets start from.
    pub fn base_body(&self, base: usize) -> Function {
        self.bodies[base].unwrap_or(self.original)
    }
}

/// The module's functions: those with a body, and those whose body and clones are in another shard.
///
/// # Errors
/// A sentence, when an attribute is not what annotation writes.
pub fn families(module: Module, targets: &Targets) -> Result<Vec<Family>, String> {
    let mut families = Vec::new();
    for original in module.functions() {
        let text = original.string_attribute(CLONES);
        let name = original.name();
        if original.is_declaration() && text.is_none() {
            continue;
        }
        let mask = text.map_or(Ok(0), |t| targets.clone_mask(name, &t))? & !1;
        if mask != 0 && label_in_data(original) {
            return Err(format!(
                "'{name}' has clones, and data holds the address of one of its labels: which body is meant cannot \
                 be told"
            ));
        }
        let mut bodies = vec![None; targets.len()];
        bodies[0] = Some(original);
        families.push(Family { original, mask, bodies });
    }
    Ok(families)
}

/// Whether a variable's initial value holds a label address (`&&label`) of a function. One in code is the clone's
/// own.
fn label_in_data(function: Function) -> bool {
    let data = |address| referrers(address).iter().any(|r| matches!(r, Referrer::Variable(_)));
    function.blocks().flat_map(Block::addresses).any(data)
}

/// Declares all clones, `NAME.TARGET`. Bodies follow in [`clone_bodies`]: they refer to each other.
pub fn declare(module: Module, targets: &Targets, families: &mut [Family]) {
    for family in families {
        for target in 1..targets.len() {
            if family.mask >> target & 1 == 0 {
                continue;
            }
            let name = format!("{}.{target}", family.original.name());
            let clone = module.add_function(&name, family.original);
            clone.set_linkage(family.original.linkage());
            clone.copy_attributes_and_symbol(family.original);
            clone.set_dso_local();
            family.bodies[target] = Some(clone);
        }
    }
}

/// Fills in the clones. In a target's body, all that the target has a body of its own for stands for itself.
pub fn clone_bodies(module: Module, targets: &Targets, families: &[Family]) {
    let mut maps: Vec<CloneMap> = (0..targets.len()).map(|_| CloneMap::default()).collect();
    for (target, map) in maps.iter_mut().enumerate().skip(1) {
        for family in families {
            let from = if targets.is_base(target) {
                family.original
            } else {
                family.base_body(targets.base(target))
            };
            if let Some(clone) = family.bodies[target] {
                map.add(*from, *clone);
            }
        }
    }
    let mut fill = |family: &Family, from: Function, target: usize| {
        let Some(clone) = family.bodies[target] else { return };
        if !family.original.is_declaration() {
            maps[target].clone_body(from, clone);
        }
    };
    for family in families {
        for base in targets.bases() {
            if base != 0 {
                fill(family, family.original, base);
            }
            for target in targets.partial(base) {
                fill(family, family.base_body(base), target);
                mark(module, family, target, &targets.list[target]);
            }
            // Only now: the partial clones have no features of their base but what their own target adds.
            if base != 0 {
                mark(module, family, base, &targets.list[base]);
            }
        }
    }
}

fn mark(module: Module, family: &Family, index: usize, target: &Target) {
    if let Some(clone) = family.bodies[index] {
        set_target(module, clone, target);
        clone.set_string_attribute(module, CLONE, &index.to_string());
    }
}

/// What a body is compiled for: the target's features behind those that the front end gave.
fn set_target(module: Module, body: Function, target: &Target) {
    let features = match body.string_attribute("target-features") {
        Some(own) => format!("{own},{}", target.features),
        None => target.features.clone(),
    };
    body.set_string_attribute(module, "target-features", &features);
    body.set_string_attribute(module, "target-cpu", &target.cpu);
    if body.has_attribute("optnone") {
        return;
    }
    if target.flags & OPT_SIZE != 0 {
        body.add_attribute(module, "optsize");
    } else if target.flags & MIN_SIZE != 0 {
        body.add_attribute(module, "minsize");
    }
}

/// Says which originals are bodies for target 0 of a family with clones.
pub fn mark_originals(module: Module, families: &[Family]) {
    for family in families.iter().filter(|f| f.mask != 0) {
        family.original.set_string_attribute(module, CLONE, "0");
    }
}

/// Compiles the originals for target 0. Last: whatever is made of an original before must not inherit it.
pub fn finish_originals(module: Module, targets: &Targets, families: &[Family]) {
    for family in families {
        set_target(module, family.original, &targets.list[0]);
    }
}

/// The bodies that run for a base.
pub fn bodies_of_base(families: &[Family], base: usize) -> HashSet<Function> {
    families.iter().filter_map(|f| f.bodies[base]).collect()
}
