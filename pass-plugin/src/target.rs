//! From target strings to what LLVM and the image need: features, tuning, requirements.

use crate::arch as architecture;
use crate::entry::LLVM_VERSION;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::grammar::{self, TargetString};
use image_format::names::UnknownName;
use image_format::specs::{TargetDescription, target_flags};
use std::collections::BTreeSet;

/// The features of a subtarget by LLVM's names, closed under implication.
pub type Features = BTreeSet<String>;

/// A target, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The CPU name as written.
    pub name: String,
    /// LLVM's name of the CPU and of the model to tune for.
    pub cpu: String,
    pub tune: String,
    pub features: Features,
    /// Features turned off by name.
    pub disabled: Features,
    pub flags: u32,
    pub base: u32,
}

impl Target {
    /// The `target-features` of a function for this target: all features by name, then what is off.
    pub fn feature_string(&self) -> String {
        let on = self.features.iter().map(|f| format!("+{f}"));
        let off = self.disabled.iter().map(|f| format!("-{f}"));
        on.chain(off).collect::<Vec<_>>().join(",")
    }

    /// The features that CPUs have or lack, as ids.
    pub fn declared(&self, arch: Arch) -> FeatureSet {
        self.features.iter().filter_map(|f| arch.feature(f)).collect()
    }

    /// The features that every CPU has which runs this target.
    pub fn required(&self, arch: Arch) -> FeatureSet {
        required(arch, self.features.iter().map(String::as_str))
    }

    pub fn has(&self, feature: &str) -> bool {
        self.features.contains(feature)
    }

    pub fn description(&self, arch: Arch) -> TargetDescription {
        let declared = self.declared(arch);
        TargetDescription {
            name: self.name.clone(),
            features: self.feature_string(),
            tune: self.tune.clone(),
            flags: self.flags,
            base: self.base,
            vector_bits: arch.vector_bits(declared),
            required: self.required(arch),
            declared,
        }
    }
}

/// The features that every CPU has which runs code compiled for `features`, by LLVM's names.
pub fn required<'a>(arch: Arch, features: impl Iterator<Item = &'a str>) -> FeatureSet {
    features.filter_map(|f| arch.feature(f)).collect::<FeatureSet>().difference(arch.never_rejects())
}

/// The architecture of a module that can become a code image: 64-bit ELF on Linux.
pub fn image_arch(triple: &str) -> Option<Arch> {
    let short_pointers = triple.ends_with("x32") || triple.ends_with("ilp32");
    Arch::from_triple(triple).filter(|_| triple.contains("linux") && !short_pointers)
}

/// Resolves a target string for `arch`.
///
/// # Errors
/// A sentence that names the target, what was found and what is known.
pub fn resolve(arch: Arch, list: &str) -> Result<Vec<Target>, String> {
    let parsed = grammar::parse(list).map_err(|e| format!("{e} (in the target list '{list}')"))?;
    let mut targets: Vec<Target> = Vec::new();
    for (index, target) in parsed.iter().enumerate() {
        let mut resolved = resolve_one(arch, target)
            .map_err(|e| format!("{e} (target {index} of the target list '{list}')"))?;
        if index > 0 {
            let base = &targets[resolved.base as usize];
            resolved.flags |= derived_flags(arch, &resolved, base);
        }
        targets.push(resolved);
    }
    Ok(targets)
}

fn resolve_one(arch: Arch, target: &TargetString) -> Result<Target, String> {
    // Names are looked up in image-format's table, which is LLVM 22's.
    let known = architecture::known_features(arch);
    let is_known = |feature: &String| known.is_none_or(|known| known.contains(feature));
    let (cpu, mut features) = match target.cpu.as_str() {
        "native" => {
            let host = architecture::host(arch);
            let (cpu, mut features) = host.ok_or_else(|| UnknownName::Native { arch }.to_string())?;
            features.retain(is_known);
            (cpu, features)
        }
        name => {
            let cpu = architecture::canonical_cpu(arch, name);
            let features = architecture::cpu_features(arch, &cpu).ok_or_else(|| unknown_cpu(arch, name))?;
            (cpu, features)
        }
    };
    // Turned off, for the CPU's name alone turns them on in an older LLVM.
    let withdrawn = architecture::withdrawn(arch).iter().filter(|f| features.remove(**f));
    let mut disabled: Features = withdrawn.map(|f| f.to_string()).collect();
    for (name, on) in &target.features {
        if arch.is_not_hardware(name) {
            // Tuning and code generation modes go to LLVM as they are.
            if *on { &mut features } else { &mut disabled }.insert(name.clone());
            continue;
        }
        if architecture::withdrawn(arch).contains(&name.as_str()) && !on {
            // As this very function writes it.
            disabled.insert(name.clone());
            continue;
        }
        if arch.feature(name).is_none() {
            return Err(UnknownName::Feature { arch, name: name.clone() }.to_string());
        }
        if !is_known(name) {
            if *on {
                return Err(format!(
                    "LLVM {LLVM_VERSION} does not know the CPU feature '{name}'; a later one does"
                ));
            }
            continue;
        }
        let implied = architecture::implied(arch, name, *on);
        if *on {
            features.extend(implied);
        } else {
            features.retain(|f| !implied.contains(f));
            disabled.extend(implied);
        }
    }
    if let Some(unknown) = features.iter().find(|f| arch.feature(f).is_none() && !arch.is_not_hardware(f)) {
        return Err(format!(
            "CPU '{}' has the feature '{unknown}', which this version cannot probe; add ',-{unknown}' to leave it out",
            target.cpu
        ));
    }
    let tune = architecture::tune_cpu(arch, &cpu);
    Ok(Target {
        name: target.cpu.clone(),
        cpu,
        tune,
        features,
        disabled,
        flags: target.flags,
        base: target.base,
    })
}

/// A name that another LLVM knows is no spelling mistake.
fn unknown_cpu(arch: Arch, name: &str) -> String {
    if arch.model(name).is_some() {
        return format!("LLVM {LLVM_VERSION} does not know the CPU '{name}'; a later one does");
    }
    UnknownName::Cpu { arch, name: name.into() }.to_string()
}

/// Julia's rules for what a target is cloned for (julia-protocol, section 2).
fn derived_flags(arch: Arch, target: &Target, base: &Target) -> u32 {
    if target.flags & target_flags::CLONE_ALL != 0 {
        return 0;
    }
    let new = |names: &[&str]| names.iter().any(|n| target.has(n) && !base.has(n));
    let mut flags = target_flags::CLONE_LOOP | target_flags::CLONE_CPU;
    if new(&["fma", "fma4"]) {
        flags |= target_flags::CLONE_MATH;
    }
    if target.features.difference(&base.features).any(|f| architecture::is_vector_feature(arch, f)) {
        flags |= target_flags::CLONE_SIMD;
    }
    if new(&["avx512fp16", "fullfp16"]) {
        flags |= target_flags::CLONE_FLOAT16;
    }
    if new(&["avx512bf16", "bf16"]) {
        flags |= target_flags::CLONE_BFLOAT16;
    }
    flags
}

/// Targets from the module flag `julia.mv.specs`: CPU, features, base and flags of each.
///
/// # Errors
/// As [`resolve`].
pub fn from_specs(arch: Arch, specs: &[(String, String, u32, u32)]) -> Result<Vec<Target>, String> {
    let mut targets: Vec<Target> = Vec::new();
    for (index, (cpu, features, base, flags)) in specs.iter().enumerate() {
        let features = features
            .split(',')
            .filter(|f| !f.is_empty())
            .map(|f| (f.trim_start_matches(['+', '-']).to_string(), !f.starts_with('-')))
            .collect();
        if *base as usize >= index.max(1) {
            return Err(format!(
                "julia.mv.specs: the base {base} of target {index} is not an earlier target"
            ));
        }
        let target = TargetString { cpu: cpu.clone(), features, flags: *flags, base: *base };
        targets
            .push(resolve_one(arch, &target).map_err(|e| format!("julia.mv.specs: {e} (target {index})"))?);
    }
    if targets.is_empty() {
        return Err("julia.mv.specs names no target".to_string());
    }
    Ok(targets)
}
