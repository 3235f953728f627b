//! `jl-annotate`: settings -> targets -> facts -> plan, written into the module as attributes and flags.
//!
//! Afterwards every definition carries [`MASK`] and [`REPORT`], and the module the flags
//! `julia.mv.specs` and `julia.mv.annotated`: `jl-multiversion` needs nothing else.

use crate::arch as architecture;
use crate::c_entries;
use crate::facts;
use crate::julia::{lines, multiversion, offsets};
use crate::llvm::{Function, Module, Severity};
use crate::packages;
use crate::plan::{self, TargetFacts};
use crate::settings::{self, Settings};
use crate::target::{self, Features, Target};
use image_format::cpu::Arch;
use image_format::report::Reason;
use std::collections::{HashMap, HashSet};

/// Julia's attribute: the mask of targets a function is cloned for, in hex.
pub const MASK: &str = "julia.mv.clones";
/// `REASON INSTRUCTIONS` of a definition, until `jl-multiversion` reports it.
pub const REPORT: &str = "jl.report";
pub const ANNOTATED: &str = "julia.mv.annotated";
/// Module flag: the list of targets.
pub const SPECS: &str = "julia.mv.specs";
pub const FP_FAST: &str = "jl.fp.fast";
/// Clones contract only what the baseline contracts.
pub const FP_STRICT: &str = "jl.fp.strict";
pub const RAISED: &str = "jl.raised";
pub const TUNABLE: &str = "jl.tunable";

/// Before link-time optimisation: keeps what was asked with every function, and changes nothing else but entry points
/// for C, which the merged module must not lose.
pub fn record_settings(module: Module) -> Result<bool, String> {
    let exported = c_entries::make(module)?;
    packages::forget(module);
    let settings = module_settings(module, &Settings::default())?;
    let environment = std::env::var("JULIA_CPU_TARGET").ok();
    let targets = settings.targets.clone().or(environment.filter(|e| !e.trim().is_empty()));
    let text = Settings { targets, ..settings }.to_text();
    if text.is_empty() {
        return Ok(exported);
    }
    for function in module.functions().filter(|f| !f.is_declaration()) {
        function.set_string_attribute(module, settings::ATTRIBUTE, &text);
    }
    Ok(true)
}

/// What all code of the module is compiled for, before it is annotated, as text: targets and settings.
///
/// # Errors
/// A sentence, when a setting or the list of targets is wrong.
pub fn compiled_for(module: Module, parameters: &Settings) -> Result<String, String> {
    let settings = with_command_line(parameters, module.command_line(settings::COMMAND_LINE_PREFIX))?;
    let switches = Settings { targets: None, ..settings.clone() }.to_text();
    let arch = target::image_arch(&module.triple());
    let Some(arch) = arch else { return Ok(switches) };
    let Some(mut targets) = targets(module, arch, &settings)? else { return Ok(switches) };
    raise_baseline(module, arch, &settings, &mut targets);
    let target = |t: &Target| format!("{} {} {} {};", t.name, t.feature_string(), t.base, t.flags);
    Ok(targets.iter().map(target).collect::<String>() + &switches)
}

fn with_command_line(parameters: &Settings, lines: Vec<String>) -> Result<Settings, String> {
    let mut settings = parameters.clone();
    for line in lines {
        let line = line.trim_start_matches(settings::COMMAND_LINE_PREFIX);
        settings = settings.or(Settings::parse(line, '|')?);
    }
    Ok(settings)
}

/// What holds for this module: pass parameters first, then `jl-cc`'s record, then what link-time
/// optimisation brought along with the functions.
fn module_settings(module: Module, parameters: &Settings) -> Result<Settings, String> {
    let settings = with_command_line(parameters, module.take_command_line(settings::COMMAND_LINE_PREFIX))?;
    let mut recorded: Option<(String, Function)> = None;
    for function in module.functions() {
        let Some(text) = function.string_attribute(settings::ATTRIBUTE) else { continue };
        function.remove_string_attribute(settings::ATTRIBUTE);
        match &recorded {
            None => recorded = Some((text, function)),
            Some((first, _)) if *first == text => {}
            Some((first, other)) => {
                return Err(format!(
                    "'{}' was compiled with '{first}', but '{}' with '{text}': compile all objects that are \
                     linked together with the same --jl-targets and -march",
                    other.name(),
                    function.name()
                ));
            }
        }
    }
    match recorded {
        Some((text, _)) => Ok(settings.or(Settings::parse(&text, '|')?)),
        None => Ok(settings),
    }
}

/// Annotates the whole module; false when there is nothing to clone for.
pub fn annotate(module: Module, parameters: &Settings) -> Result<bool, String> {
    // Before anything is decided: what is exported can be called from outside.
    let exported = c_entries::make(module)?;
    Ok(annotate_functions(module, parameters)? || exported)
}

fn annotate_functions(module: Module, parameters: &Settings) -> Result<bool, String> {
    // A module under Julia's protocol has tables of its own, and is cloned by Julia's pass name.
    let elsewhere = [ANNOTATED, multiversion::ENABLE, multiversion::SKIP_CLONING];
    if elsewhere.iter().any(|flag| module.has_flag(flag)) {
        return Ok(false);
    }
    let rebased = offsets::rebase(module)?;
    if rebased {
        lines::keep(module);
    }
    // Julia names one CPU for all functions of an image, as -march does; its `generic` has cx16.
    let parameters = Settings { march: parameters.march || rebased, ..parameters.clone() };
    Ok(annotate_for_targets(module, &parameters)? || rebased)
}

/// The module's architecture, if there can be code images of it.
pub fn image_arch(module: Module) -> Option<Arch> {
    target::image_arch(&module.triple()).filter(|_| !has_large_code_model(module))
}

fn has_large_code_model(module: Module) -> bool {
    module.flag_value("Code Model") == Some(LARGE_CODE_MODEL)
}

fn annotate_for_targets(module: Module, parameters: &Settings) -> Result<bool, String> {
    let settings = module_settings(module, parameters)?;
    let triple = module.triple();
    let Some(arch) = target::image_arch(&triple) else {
        return not_supported(module, &settings, &format!("'{triple}'"));
    };
    if has_large_code_model(module) {
        return not_supported(module, &settings, "the large code model");
    }
    let Some(mut targets) = targets(module, arch, &settings)? else { return Ok(false) };
    let raising = raise_baseline(module, arch, &settings, &mut targets);
    let raised = raising.is_some();
    if let Some(note) = raising {
        module.diagnose(Severity::Note, &note);
    }
    forget_unheard_of(module, arch);
    let baseline = targets[0].features.clone();
    let collected =
        facts::collect(module, arch, |f| !hardware(arch, &own_features(arch, f)).is_subset(&baseline));
    apply_baseline(module, arch, &targets[0], &collected);
    let target_facts = facts_of(arch, &targets);
    let decisions = plan::plan(&collected.facts, &target_facts, !settings.no_filter);
    for ((function, facts), decision) in collected.functions.iter().zip(&collected.facts).zip(&decisions) {
        // What raised the baseline may not run on every CPU that loads the image: then all that can be
        // called from outside goes through a slot, so that a refusal can close it.
        let entry = raised && facts.obstacle.is_none() && !function.is_local();
        if decision.is_cloned() || entry {
            function.set_string_attribute(module, MASK, &format!("{:X}", decision.mask));
        }
        let report = format!("{} {}", decision.reason.word(), facts.instructions);
        function.set_string_attribute(module, REPORT, &report);
    }
    let specs: Vec<_> =
        targets.iter().map(|t| (t.name.clone(), t.feature_string(), t.base, t.flags)).collect();
    if !module.has_flag(SPECS) {
        module.set_target_specs(&specs);
    }
    let flags = [
        (true, ANNOTATED),
        (settings.fp_fast, FP_FAST),
        (!settings.fp_fast, FP_STRICT),
        (raised, RAISED),
        (settings.tunable, TUNABLE),
    ];
    for (on, flag) in flags {
        if on {
            module.set_flag(flag, 1);
        }
    }
    Ok(true)
}

/// `-mcmodel=large`: a trampoline would need a register to reach its slot, and may not change any.
const LARGE_CODE_MODEL: u64 = 4;

fn not_supported(module: Module, settings: &Settings, what: &str) -> Result<bool, String> {
    // Without an explicit list the module is compiled as if we were not there; `opt` on an empty module
    // has no triple at all.
    if settings.targets.is_some() {
        module.diagnose(
            Severity::Warning,
            &format!(
                "no code images for {what} in this version: {} is compiled as it is",
                module.source_name()
            ),
        );
    }
    Ok(false)
}

/// The targets to build for: the record, then the front end's flag, then the environment, then the default.
fn targets(module: Module, arch: Arch, settings: &Settings) -> Result<Option<Vec<Target>>, String> {
    if settings.targets.is_none()
        && let Some(specs) = module.target_specs()
    {
        return target::from_specs(arch, &specs).map(Some);
    }
    let Some(list) = settings.target_list(arch, std::env::var("JULIA_CPU_TARGET").ok()) else {
        return Ok(None);
    };
    target::resolve(arch, &list).map(Some)
}

/// `-march` raises target 0 (and with it every other) to what the module's functions were compiled for. What to tell
/// the user, if it does.
fn raise_baseline(module: Module, arch: Arch, settings: &Settings, targets: &mut [Target]) -> Option<String> {
    if !settings.march {
        return None;
    }
    let mut counts: HashMap<(String, String), usize> = HashMap::new();
    for function in module.functions().filter(|f| !f.is_declaration()) {
        let attribute = |name| function.string_attribute(name).unwrap_or_default();
        *counts.entry((attribute("target-cpu"), attribute("target-features"))).or_default() += 1;
    }
    let ((cpu, features), _) = counts.into_iter().max_by(|a, b| (a.1, &b.0).cmp(&(b.1, &a.0)))?;
    let wanted: Features =
        features_of(arch, &cpu, &features).into_iter().filter(|f| arch.feature(f).is_some()).collect();
    let new: Vec<&str> = wanted.difference(&targets[0].features).map(String::as_str).collect();
    if new.is_empty() {
        return None;
    }
    let note = format!(
        "-march raises the baseline (target 0, {}) to {cpu}: it now needs {}",
        targets[0].name,
        new.join(", ")
    );
    for target in targets.iter_mut() {
        target.features.extend(wanted.iter().cloned());
        target.disabled.retain(|f| !wanted.contains(f));
    }
    Some(note)
}

/// The features that a function was compiled with, closed under implication.
pub fn own_features(arch: Arch, function: Function) -> Features {
    let attribute = |name| function.string_attribute(name).unwrap_or_default();
    features_of(arch, &attribute("target-cpu"), &attribute("target-features"))
}

fn features_of(arch: Arch, cpu: &str, list: &str) -> Features {
    let mut features =
        architecture::cpu_features(arch, &architecture::canonical_cpu(arch, cpu)).unwrap_or_default();
    for item in list.split(',').filter(|i| !i.is_empty()) {
        let (name, on) = (item.trim_start_matches(['+', '-']), !item.starts_with('-'));
        let implied = architecture::implied(arch, name, on);
        if on {
            features.extend(implied);
        } else {
            features.retain(|f| !implied.contains(f));
        }
    }
    features
}

/// What a CPU may lack among those that run code of this architecture at all.
fn hardware(arch: Arch, features: &Features) -> Features {
    let asks = |f: &&String| arch.feature(f).is_some() && !architecture::is_implied_by_triple(arch, f);
    features.iter().filter(asks).cloned().collect()
}

/// What is not cloned is baseline code too: a target 0 above what the front end wrote holds for all.
fn apply_baseline(module: Module, arch: Arch, baseline: &Target, collected: &facts::ModuleFacts) {
    for (function, facts) in collected.functions.iter().zip(&collected.facts) {
        let lower = !baseline.features.is_subset(&own_features(arch, *function));
        if lower
            && facts.obstacle != Some(Reason::OwnTarget)
            && facts.obstacle != Some(Reason::AvailableExternally)
        {
            set_target(module, arch, *function, baseline);
        }
    }
}

/// Gives a function the CPU, features and tuning of a target. What it had of its own and asks nothing
/// of hardware stays, and what it had turned off stays off.
pub fn set_target(module: Module, arch: Arch, function: Function, target: &Target) {
    let own = function.string_attribute("target-features").unwrap_or_default();
    let described = describes_a_cpu(arch, &own);
    let mut features = target.clone();
    for item in own.split(',').filter(|i| !i.is_empty()) {
        let name = item.trim_start_matches(['+', '-']);
        if !item.starts_with('-') {
            features.features.insert(name.to_string());
        } else if !described {
            let implied = architecture::implied(arch, name, false);
            features.features.retain(|f| !implied.contains(f));
            features.disabled.extend(implied);
        }
    }
    features.disabled.retain(|name| !architecture::is_unheard_of(arch, name));
    if let Some((least, most)) = architecture::vector_scale(arch, &features.features) {
        function.set_vector_scale(module, least, most);
    }
    function.set_string_attribute(module, "target-cpu", &target.cpu);
    function.set_string_attribute(module, "target-features", &features.feature_string());
    function.set_string_attribute(module, "tune-cpu", &target.tune);
}

/// Lists of features that another LLVM wrote turn off what this one knows no more, and it would say so of each function.
fn forget_unheard_of(module: Module, arch: Arch) {
    let gone =
        |item: &str| item.strip_prefix('-').is_some_and(|name| architecture::is_unheard_of(arch, name));
    for function in module.functions() {
        let Some(list) = function.string_attribute("target-features") else { continue };
        let (unheard_of, known): (Vec<&str>, Vec<&str>) = list.split(',').partition(|item| gone(item));
        if !unheard_of.is_empty() {
            function.set_string_attribute(module, "target-features", &known.join(","));
        }
    }
}

/// More options such as `-mno-avx` than anybody gives.
const MOST_OPTIONS: usize = 16;

/// Whether a list of features describes a whole CPU instead of asking for something: Zig and Julia spell out all that
/// their LLVM knows, and what such a list turns off, nobody asked to do without. An option takes along what needs its feature,
/// half of the table with `-mno-sse`; so only what is turned off for itself counts.
fn describes_a_cpu(arch: Arch, list: &str) -> bool {
    let off: HashSet<&str> =
        list.split(',').filter_map(|i| i.strip_prefix('-')).filter(|f| arch.feature(f).is_some()).collect();
    let taken_along = |feature: &&str| architecture::implied(arch, feature, false);
    let dependent: Features =
        off.iter().flat_map(|f| taken_along(f).into_iter().filter(move |along| along != f)).collect();
    off.iter().filter(|f| !dependent.contains(**f)).count() > MOST_OPTIONS
}

/// Targets as the plan sees them.
pub fn facts_of(arch: Arch, targets: &[Target]) -> Vec<TargetFacts> {
    let facts = |target: &Target| {
        let base = &targets[target.base as usize];
        let new: Features = target.features.difference(&base.features).cloned().collect();
        TargetFacts {
            flags: target.flags,
            base: target.base as usize,
            loops: architecture::loop_gain(arch, &new),
            gains: target.required(arch).difference(base.required(arch)),
        }
    };
    targets.iter().map(facts).collect()
}
