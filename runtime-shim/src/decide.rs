//! Settings, CPU and target list become a target or a reason to refuse.

use crate::environ::{Cap, Forced, Settings};
use crate::imports::Unusable;
use image_format::choose::{Needs, NoTarget, choose};
use image_format::feature::FeatureSet;
use image_format::specs::Specs;

/// Why an image cannot run here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The named part of the image is not what `jl-link` wrote.
    Damaged(&'static str),
    /// The CPU, under the cap, lacks these for a target: the baseline, or the forced one.
    Lacks { target: usize, features: FeatureSet },
    /// `JL_LOAD_TARGET` names a target that this image does not have.
    NoSuchTarget { targets: usize },
    /// `JL_LOAD_TARGET` is no number.
    MalformedTarget,
    /// `JL_LOAD_CPU` is no model that we know.
    UnknownCpu,
    /// An image that it depends on.
    Dependency(Unusable),
    /// The kernel does not let us fill the slots for functions of other images.
    Unopened,
}

/// All features that some target needs: what must be probed.
pub fn wanted(specs: &Specs) -> FeatureSet {
    specs.entries().fold(FeatureSet::EMPTY, |set, entry| set.union(entry.required))
}

/// The host's features under the cap.
pub fn capped(host: FeatureSet, settings: &Settings) -> FeatureSet {
    match settings.cap {
        Cap::Model(model) => host.intersection(model),
        Cap::None | Cap::Unknown => host,
    }
}

/// The target to run; `host` gives those of the wanted features that the CPU has.
pub fn decide(
    specs: &Specs,
    settings: &Settings,
    host: impl FnOnce(FeatureSet) -> FeatureSet,
) -> Result<usize, Refusal> {
    // What depends on the closure ends here: one copy of the rest serves all callers.
    decide_for(specs, settings, host(wanted(specs)))
}

#[inline(never)]
fn decide_for(specs: &Specs, settings: &Settings, host: FeatureSet) -> Result<usize, Refusal> {
    if settings.cap == Cap::Unknown {
        return Err(Refusal::UnknownCpu);
    }
    let forced = match settings.forced {
        Forced::No => None,
        Forced::Target(target) => Some(usize::from(target)),
        Forced::Malformed => return Err(Refusal::MalformedTarget),
    };
    let list = *specs;
    let needs = (0..specs.len()).map(move |target| {
        // Every index below len() has an entry; nothing runs on a CPU that must have everything.
        list.needs(target).unwrap_or(Needs { required: FeatureSet([!0; 4]), vector_bits: 0, features: 0 })
    });
    choose(needs, capped(host, settings), forced).map_err(|reason| match reason {
        NoTarget::Incompatible { baseline_lacks } => Refusal::Lacks { target: 0, features: baseline_lacks },
        NoTarget::ForcedUnknown { forced: _, targets } => Refusal::NoSuchTarget { targets },
        NoTarget::ForcedIncompatible { forced, lacks } => Refusal::Lacks { target: forced, features: lacks },
    })
}
