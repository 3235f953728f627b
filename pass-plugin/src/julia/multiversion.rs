//! `JuliaMultiVersioning`: clones, slots and tables as Julia's loader reads them.

use super::annotate::{self, ANNOTATED};
use super::clones;
use super::dialect::{Switches, write_flags};
use super::dispatch::Slots;
use super::emit::{self, Contents};
use super::fvars::Fvars;
use super::targets::Targets;
use crate::llvm::Module;
use crate::target;
use image_format::julia::Dialect;

/// Module flag: the module is Julia's, to be cloned by this pass (and by no other).
pub const ENABLE: &str = "julia.mv.enable";
/// Module flag: annotate, and stop there.
pub const SKIP_CLONING: &str = "julia.mv.skipcloning";
const SPECS: &str = "julia.mv.specs";

/// Annotates the module unless it is, then clones; false when it is not enabled.
///
/// # Errors
/// A sentence that says what in the module is not as a front end writes it.
pub fn run(module: Module, external: bool) -> Result<bool, String> {
    if !module.has_flag(ENABLE) {
        return Ok(false);
    }
    let switches = Switches::read(|name| std::env::var(name).ok())?;
    let targets = targets(module, &switches)?;
    let annotated = module.has_flag(ANNOTATED);
    if !annotated {
        annotate::annotate(module, &targets);
    }
    if module.has_flag(SKIP_CLONING) {
        if annotated {
            return Err(format!("the module is annotated, but its flag {SKIP_CLONING} forbids to clone it"));
        }
        return Ok(true);
    }
    let Some(fvars) = Fvars::take(module, external)? else { return Ok(!annotated) };
    clone(module, &targets, &fvars, external, &switches)?;
    Ok(true)
}

fn clone(
    module: Module,
    targets: &Targets,
    fvars: &Fvars,
    external: bool,
    switches: &Switches,
) -> Result<(), String> {
    let mut families = clones::families(module, targets)?;
    let slots = Slots::make(module, &families, fvars, autoinit(module, targets, switches))?;
    clones::declare(module, targets, &mut families);
    clones::clone_bodies(module, targets, &families);
    slots.replace_aliases(&families)?;
    let addresses = slots.take_addresses(&families, fvars)?;
    clones::mark_originals(module, &families);
    slots.dispatch(&families, targets)?;
    // Beyond this point no body changes.
    clones::finish_originals(module, targets, &families);
    if external && fvars.functions.is_empty() {
        return Ok(());
    }
    let slots = slots.numbered(fvars);
    let contents = Contents { targets, families: &families, fvars, slots: &slots, addresses: &addresses };
    emit::emit(module, &contents)
}

/// Whether a slot's first call initialises Julia's runtime: from the master of 2026 on, or where the module
/// knows that function; older runtimes do not have it.
fn autoinit(module: Module, targets: &Targets, switches: &Switches) -> bool {
    let known = || super::dispatch::has_autoinit(module);
    switches.autoinit.unwrap_or_else(|| targets.dialect == Dialect::M || known())
}

/// The targets that the module names, or, for a module that names none, those of `JULIA_CPU_TARGET`.
fn targets(module: Module, switches: &Switches) -> Result<Targets, String> {
    if let Some(raw) = module.target_specs_each() {
        let raw: Option<Vec<_>> = raw.into_iter().collect();
        let raw = raw.ok_or_else(|| {
            format!(
                "the module flag {SPECS} must be a tuple with {{CPU name, features, i32 base, i32 flags}} for each \
                 target"
            )
        })?;
        return Targets::check(&raw, switches.dialect);
    }
    let list = std::env::var("JULIA_CPU_TARGET").unwrap_or_default();
    let list = if list.trim().is_empty() { "native" } else { &list };
    let triple = module.triple_or_default();
    let arch = target::image_arch(&triple).ok_or_else(|| {
        format!("the module has no flag {SPECS}, and no target list is known for '{triple}'")
    })?;
    let resolved = target::resolve(arch, list)?;
    let dialect = switches.dialect.unwrap_or(Dialect::R);
    let raw: Vec<_> = resolved
        .iter()
        .map(|t| (t.cpu.clone(), t.feature_string(), t.base, write_flags(dialect, t.flags)))
        .collect();
    module.set_target_specs(&raw);
    Targets::check(&raw, Some(dialect))
}
