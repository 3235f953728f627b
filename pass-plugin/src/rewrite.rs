//! `jl-multiversion`: the plan becomes clones, trampolines and direct calls.
//!
//! Per cloned function `f`: its body becomes `f.0`, its copies `f.1`, ...; a trampoline takes its name, its
//! symbol properties and all its uses. Then calls between clones of this module are bound where that is
//! certain; beyond that point no call changes, and trampolines that nobody uses any more disappear.

use crate::annotate::{ANNOTATED, FP_FAST, MASK, RAISED, REPORT, TUNABLE, facts_of, set_target};
use crate::floating_point;
use crate::julia::multiversion;
use crate::llvm::{Function, Module};
use crate::partition::SHARED;
use crate::plan::{self, Decision, TargetFacts};
use crate::questions::asks;
use crate::tables::{self, ModuleTables};
use crate::target::{self, Target};
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::report::{Line, Reason};
use image_format::specs::{SPECS_FP_FAST, SPECS_RAISED, target_flags};
use std::collections::HashMap;

/// Module flag: the module has been through this pass.
pub const CLONED: &str = "jl.cloned";
/// Julia's attribute: the target whose body this is.
pub const CLONE: &str = "julia.mv.clone";
/// Julia's attribute: a function that is a trampoline.
pub const TRAMPOLINE: &str = "julia.mv.reloc";

/// A function with its clones.
pub struct Cloned {
    pub name: String,
    pub trampoline: Function,
    pub decision: Decision,
    /// The body for each target with one of its own.
    pub bodies: Vec<Option<Function>>,
    /// Features that its bodies rely on as far as their targets require them.
    pub asks: FeatureSet,
}

impl Cloned {
    pub fn body(&self, target: usize, targets: &[TargetFacts]) -> Function {
        let own = self.decision.body(target, targets);
        // The plan's masks say which bodies were made, and bit 0 always is.
        self.bodies[own].or(self.bodies[0]).expect("the baseline body exists")
    }
}

/// Clones as annotated; false when the module has nothing for us.
///
/// # Errors
/// A sentence, when the module's flags are not what `jl-annotate` writes.
pub fn multiversion(module: Module, lto: bool) -> Result<bool, String> {
    if !module.has_flag(ANNOTATED) || module.has_flag(CLONED) || module.has_flag(multiversion::ENABLE) {
        return Ok(false);
    }
    let triple = module.triple();
    let arch = target::image_arch(&triple).ok_or_else(|| format!("no code images for '{triple}'"))?;
    let specs = module.target_specs().ok_or(
        "the module is annotated but has no target list (flag julia.mv.specs): run jl-annotate first",
    )?;
    let targets = target::from_specs(arch, &specs)?;
    let target_facts = facts_of(arch, &targets);
    module.set_flag(CLONED, 1);

    let report = take_report(module);
    if !module.has_flag(FP_FAST) {
        floating_point::equalise(module, arch, &targets);
    }
    let tunable = module.has_flag(TUNABLE);
    let elsewhere = declare_bodies(module, &targets);
    let mut cloned = clone_all(module, arch, &targets)?;
    asks::answer(module, arch, &targets, &mut cloned)?;
    if !tunable {
        bind_calls(&cloned, &elsewhere, &target_facts);
        asks::spread(&mut cloned);
    }
    cloned.retain(|c| !erase_unused_trampoline(c));

    let mut flags = 0;
    for (flag, bit) in [(FP_FAST, SPECS_FP_FAST), (RAISED, SPECS_RAISED)] {
        flags |= if module.has_flag(flag) { bit } else { 0 };
    }
    let blob_targets: Vec<_> = targets.iter().map(|t| t.description(arch)).collect();
    let mut tables = ModuleTables::new(module, arch, flags, &blob_targets);
    for function in &cloned {
        tables.add(function, &target_facts, tunable);
    }
    tables.finish();
    tables::emit_report(module, &report, lto);
    Ok(true)
}

/// The report lines that `jl-annotate` left, one per definition.
fn take_report(module: Module) -> Vec<Line> {
    let mut lines = Vec::new();
    for function in module.functions() {
        let Some(text) = function.string_attribute(REPORT) else { continue };
        function.remove_string_attribute(REPORT);
        let (word, instructions) = text.split_once(' ').unwrap_or((&text, "0"));
        let Some(reason) = Reason::from_word(word).filter(|r| *r != Reason::AvailableExternally) else {
            continue;
        };
        lines.push(Line {
            function: function.name().to_string(),
            mask: mask_of(function).unwrap_or(1),
            reason,
            instructions: instructions.parse().unwrap_or(0),
        });
    }
    lines
}

fn mask_of(function: Function) -> Option<u32> {
    let text = function.string_attribute(MASK)?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok().map(|mask| mask | 1)
}

fn clone_all(module: Module, arch: Arch, targets: &[Target]) -> Result<Vec<Cloned>, String> {
    let annotated: Vec<(Function, u32)> = module
        .functions()
        .filter(|f| !f.is_declaration())
        .filter_map(|f| mask_of(f).map(|m| (f, m)))
        .collect();
    for (function, mask) in &annotated {
        if targets.len() < 32 && mask >> targets.len() != 0 {
            return Err(format!(
                "'{}' is annotated for targets {mask:X} (attribute {MASK}), but there are {} targets",
                function.name(),
                targets.len()
            ));
        }
    }
    // All trampolines first: functions are emitted in the order of the module, and a trampoline in the
    // same cache line as a body costs a call through it 0.3 ns more.
    let trampolines: Vec<Function> =
        annotated.iter().map(|(function, _)| make_trampoline(module, *function)).collect();
    let clone = |((function, mask), trampoline): ((Function, u32), Function)| {
        let decision = Decision { mask, reason: Reason::Pays };
        clone_one(module, arch, function, trampoline, decision, targets)
    };
    Ok(annotated.into_iter().zip(trampolines).map(clone).collect())
}

/// The bodies of functions that another shard of this module defines and clones, as declarations.
fn declare_bodies(module: Module, targets: &[Target]) -> Vec<Cloned> {
    let shared = |f: &Function| f.is_declaration() && f.string_attribute(SHARED).is_some();
    let list: Vec<Function> = module.functions().filter(shared).collect();
    let declare = |function: Function| {
        let decision = Decision { mask: mask_of(function)?, reason: Reason::Pays };
        let name = function.name().to_string();
        let body = |index: usize| {
            let body = module.add_function(&format!("{name}.{index}"), function);
            body.copy_symbol_properties(function);
            body.copy_attributes(function);
            body.remove_string_attribute(MASK);
            body.set_string_attribute(module, CLONE, &index.to_string());
            body
        };
        let bodies = (0..targets.len()).map(|i| (decision.mask >> i & 1 != 0).then(|| body(i))).collect();
        function.remove_string_attribute(MASK);
        Some(Cloned { name, trampoline: function, decision, bodies, asks: FeatureSet::EMPTY })
    };
    list.into_iter().filter_map(declare).collect()
}

fn clone_one(
    module: Module,
    arch: Arch,
    function: Function,
    trampoline: Function,
    decision: Decision,
    targets: &[Target],
) -> Cloned {
    let name = function.name().to_string();
    let mut bodies = vec![None; targets.len()];
    for (index, target) in targets.iter().enumerate() {
        if decision.mask >> index & 1 == 0 {
            continue;
        }
        // Copies are taken from the baseline's body, so that goes last; it keeps its own attributes.
        if index > 0 {
            let body = function.clone_body();
            body.copy_comdat(*function);
            set_target(module, arch, body, target);
            shrink(module, body, target);
            bodies[index] = Some(body);
        }
    }
    bodies[0] = Some(function);
    for (index, body) in bodies.iter().enumerate() {
        let Some(body) = body else { continue };
        body.make_internal();
        body.set_name(&format!("{name}.{index}"));
        // A section of its own, so that the linker can fold and drop each clone by itself.
        body.set_section(&format!(".text.{name}.{index}"));
        body.set_string_attribute(module, CLONE, &index.to_string());
        body.remove_string_attribute(MASK);
        // It was done wherever it could be (see `facts::is_called`).
        body.remove_attribute("alwaysinline");
    }
    trampoline.set_name(&name);
    Cloned { name, trampoline, decision, bodies, asks: FeatureSet::EMPTY }
}

/// What a target says about size.
fn shrink(module: Module, body: Function, target: &Target) {
    let sizes = [(target_flags::OPT_SIZE, "optsize"), (target_flags::MIN_SIZE, "minsize")];
    for (_, attribute) in sizes.iter().filter(|(flag, _)| target.flags & flag != 0) {
        body.add_attribute(module, attribute);
    }
}

/// What a naked body must not inherit: instrumentation that puts code or padding before it, checks that
/// it has no frame for, and what speaks about the body itself.
const BODY_ATTRIBUTES: [&str; 14] = [
    "alwaysinline",
    "inlinehint",
    "minsize",
    "optsize",
    "safestack",
    "sanitize_address",
    "sanitize_hwaddress",
    "sanitize_memory",
    "sanitize_thread",
    "sanitize_memtag",
    "ssp",
    "sspreq",
    "sspstrong",
    "strictfp",
];
const BODY_STRING_ATTRIBUTES: [&str; 16] = [
    "patchable-function",
    "patchable-function-entry",
    "patchable-function-prefix",
    "fentry-call",
    "mnop-mcount",
    "mrecord-mcount",
    "instrument-function-entry",
    "instrument-function-entry-inlined",
    "instrument-function-exit",
    "instrument-function-exit-inlined",
    "function-instrument",
    "xray-instruction-threshold",
    "probe-stack",
    "stack-probe-size",
    "stackrealign",
    "zero-call-used-regs",
];

/// A trampoline for `function`, which takes over all its uses; still without a body and a name.
fn make_trampoline(module: Module, function: Function) -> Function {
    let trampoline = module.add_function("", function);
    trampoline.copy_symbol_properties(function);
    trampoline.copy_attributes(function);
    for name in BODY_ATTRIBUTES {
        trampoline.remove_attribute(name);
    }
    for name in BODY_STRING_ATTRIBUTES {
        trampoline.remove_string_attribute(name);
    }
    trampoline.add_attribute(module, "naked");
    trampoline.add_attribute(module, "noinline");
    trampoline.set_string_attribute(module, TRAMPOLINE, "");
    function.replace_all_uses_with(*trampoline);
    trampoline
}

/// Makes calls of local functions from clone to clone direct, where no other choice is possible. What a symbol
/// means is the linker's to say (`--wrap`, `--defsym`, the first of several definitions), and those calls
/// are for jl-link.
///
/// `elsewhere` are local functions of the whole module that another shard has.
fn bind_calls(cloned: &[Cloned], elsewhere: &[Cloned], targets: &[TargetFacts]) {
    let settled = |c: &&Cloned| c.trampoline.is_local() || c.trampoline.string_attribute(SHARED).is_some();
    let by_trampoline: HashMap<Function, &Cloned> =
        cloned.iter().filter(settled).chain(elsewhere).map(|c| (c.trampoline, c)).collect();
    for caller in cloned {
        for (target, body) in caller.bodies.iter().enumerate() {
            let Some(body) = body else { continue };
            for call in body.instructions().filter(|i| i.is_call()) {
                let callee = call.callee().0.as_function().and_then(|f| by_trampoline.get(&f));
                let Some(callee) = callee else { continue };
                if let Some(bound) = plan::bind(caller.decision, target, callee.decision, targets) {
                    call.set_callee(callee.body(bound, targets));
                }
            }
        }
    }
}

/// A local function whose every use was bound needs neither trampoline nor slot nor record.
fn erase_unused_trampoline(cloned: &Cloned) -> bool {
    let unused = cloned.trampoline.is_local() && !cloned.trampoline.has_uses();
    if unused {
        cloned.trampoline.erase();
    }
    unused
}
