//! The CPUs of a matrix: which were asked for, and what each offers to a program.

use super::MatrixError;
use super::emulator::{Emulator, not_emulated};
use super::foreign;
use crate::explain_text::field;
use image_format::cpu::Arch;
use image_format::cpu::aarch64::SVE_MAX_BITS as SCALABLE;
use image_format::feature::FeatureSet;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// A CPU to run on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This host, with JL_LOAD_CPU or JL_LOAD_TARGET where one is given.
    Native { cap: Option<String>, target: Option<usize> },
    /// A model by the emulator's name.
    Model(String),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Native { cap: Some(cap), .. } => write!(f, "native:{cap}"),
            Place::Native { target: Some(target), .. } => write!(f, "native:{target}"),
            Place::Native { .. } => write!(f, "native"),
            Place::Model(name) => write!(f, "{name}"),
        }
    }
}

impl Place {
    const NATIVE: Place = Place::Native { cap: None, target: None };

    fn parse(name: &str) -> Place {
        match name.strip_prefix("native:") {
            None if name == "native" => Place::NATIVE,
            None => Place::Model(name.into()),
            Some(what) => match what.parse() {
                Ok(target) => Place::Native { cap: None, target: Some(target) },
                Err(_) => Place::Native { cap: Some(what.into()), target: None },
            },
        }
    }
}

/// What a CPU offers to a program there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// `None` where nobody could ask.
    pub features: Option<FeatureSet>,
    /// For people.
    pub summary: String,
    /// Features of the model that the emulator does not have, by the emulator's names, as far as they count
    /// for the choice of a target.
    pub not_emulated: Vec<String>,
    /// Other models that offer the same.
    pub alike: Vec<String>,
}

/// What `jl-load cpu --json` says, here and inside the emulator.
#[derive(Debug, Serialize, Deserialize)]
pub struct CpuReport {
    pub cpu: String,
    pub arch: String,
    /// Level and what stands out beyond it.
    pub summary: String,
    pub vector_bits: u32,
    /// LLVM's names.
    pub features: Vec<String>,
}

impl CpuReport {
    pub fn new(cpu: &str, arch: Arch, features: FeatureSet) -> CpuReport {
        let summary = Emulator::of(arch.elf_machine()).map_or_else(String::new, |e| e.summary(features));
        let names = features.iter().filter_map(|id| arch.feature_name(id));
        CpuReport {
            cpu: cpu.into(),
            arch: arch.name().into(),
            summary,
            vector_bits: arch.vector_bits(features),
            features: names.map(str::to_owned).collect(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let CpuReport { cpu, arch, summary, vector_bits, features } = self;
        let vectors = match *vector_bits {
            SCALABLE => "vectors of its own size".to_owned(),
            bits => format!("vectors of {bits} bits"),
        };
        let mut text = format!("{cpu}: {arch}, {summary}, {vectors}\n");
        // A String takes whatever is written to it.
        let _ = field(&mut text, "  features   ", &features.join(" "));
        text
    }
}

/// The CPUs that `names` ask for. The native one goes first, and comes along where it can: all others are
/// compared with it.
pub fn places(
    names: &[String],
    emulator: &'static Emulator,
    sysroot: Option<&Path>,
) -> Result<Vec<(Place, Offer)>, MatrixError> {
    let mut asked: Vec<Place> = names.iter().filter(|n| *n != "all").map(|n| Place::parse(n)).collect();
    let all = names.iter().any(|name| name == "all");
    let defaults = names.is_empty();
    let emulates = all || defaults || asked.iter().any(|place| matches!(place, Place::Model(_)));
    let installed = if emulates { emulator.installed_models()? } else { Vec::new() };
    if defaults {
        let models = emulator.models.iter().filter(|model| installed.iter().any(|name| name == **model));
        asked.extend(models.map(|model| Place::Model((*model).into())));
    }
    if emulator.is_native() && !asked.contains(&Place::NATIVE) {
        asked.insert(0, Place::NATIVE);
    }
    asked.sort_by_key(|place| *place != Place::NATIVE);
    let mut found = Vec::new();
    for place in asked {
        check(&place, emulator, &installed)?;
        let offer = offer(&place, emulator, sysroot)?;
        found.push((place, offer));
    }
    if all {
        add_all(&mut found, &installed, emulator, sysroot);
    }
    Ok(found)
}

/// Every other model that runs programs at all; those that offer the same as one before are only named there.
fn add_all(
    found: &mut Vec<(Place, Offer)>,
    installed: &[String],
    emulator: &'static Emulator,
    sysroot: Option<&Path>,
) {
    let named: HashSet<String> = found.iter().map(|(place, _)| place.to_string()).collect();
    for name in installed.iter().filter(|name| !named.contains(*name)) {
        let place = Place::Model(name.clone());
        let Ok(offer) = offer(&place, emulator, sysroot) else { continue };
        let same = |(place, other): &&mut (Place, Offer)| {
            matches!(place, Place::Model(_)) && other.features.is_some() && other.features == offer.features
        };
        match found.iter_mut().find(same) {
            Some(_) if is_version(name) => {}
            Some((_, other)) => other.alike.push(name.clone()),
            None => found.push((place, offer)),
        }
    }
}

/// `Haswell-v2`: a variant of a model that has a name of its own, mostly in what programs do not see.
fn is_version(name: &str) -> bool {
    name.rsplit_once("-v").is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn check(place: &Place, emulator: &'static Emulator, installed: &[String]) -> Result<(), MatrixError> {
    let unknown = |name: &str, known: String| MatrixError::UnknownModel {
        name: name.into(),
        program: emulator.program,
        known,
    };
    match place {
        Place::Model(name) if !installed.contains(name) => {
            let known: Vec<&str> = installed.iter().map(String::as_str).filter(|n| !is_version(n)).collect();
            Err(unknown(name, known.join(", ")))
        }
        Place::Native { .. } if !emulator.is_native() => {
            Err(MatrixError::NotNative { name: place.to_string() })
        }
        Place::Native { cap: Some(cap), .. } if Arch::HOST.model(cap).is_none() => {
            Err(MatrixError::UnknownCap {
                name: place.to_string(),
                known: Arch::HOST.model_names().collect::<Vec<_>>().join(", "),
            })
        }
        _ => Ok(()),
    }
}

fn offer(place: &Place, emulator: &'static Emulator, sysroot: Option<&Path>) -> Result<Offer, MatrixError> {
    let of = |features: FeatureSet| Offer {
        summary: emulator.summary(features),
        features: Some(features),
        ..Offer::default()
    };
    match place {
        Place::Native { cap, .. } => {
            let host = Arch::host_features();
            let cap = cap.as_deref().and_then(|name| Arch::HOST.model(name));
            Ok(of(cap.map_or(host, |cap| cap.intersection(host))))
        }
        Place::Model(name) if emulator.is_native() => {
            let (features, not_emulated) = probe(name, emulator)?;
            Ok(Offer { not_emulated, ..of(features) })
        }
        Place::Model(name) => {
            let found = sysroot.and_then(|sysroot| foreign::features(name, emulator, sysroot));
            Ok(found.map_or_else(|| Offer { summary: "?".into(), ..Offer::default() }, of))
        }
    }
}

/// This very program, run inside the emulator: what it finds is what an image's shim finds.
fn probe(model: &str, emulator: &'static Emulator) -> Result<(FeatureSet, Vec<String>), MatrixError> {
    let this = std::env::current_exe();
    let this = this.map_err(|cause| MatrixError::System {
        what: "cannot find out where jl-load itself is".into(),
        cause,
    })?;
    let mut command = Command::new(emulator.program);
    command.args(["-cpu", model]).arg(this).args(["cpu", "--json"]).stdin(Stdio::null());
    let output = command.output();
    let output = output.map_err(|cause| MatrixError::NoEmulator { program: emulator.program, cause })?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report: Option<CpuReport> =
        serde_json::from_slice(&output.stdout).ok().filter(|_| output.status.success());
    let Some(report) = report else {
        let reason = stderr.lines().rfind(|line| not_emulated(line).is_none());
        return Err(MatrixError::Unusable {
            name: model.into(),
            program: emulator.program,
            reason: reason.map_or_else(|| output.status.to_string(), str::to_owned),
        });
    };
    let counts = |name: &&str| {
        let llvm = match *name {
            "sha-ni" => "sha".into(),
            name => name.replace('-', ""),
        };
        let id = Arch::HOST.feature(&llvm);
        id.is_some_and(|id| !Arch::HOST.never_rejects().contains(id))
    };
    let lacking = stderr.lines().filter_map(not_emulated).filter(counts);
    Ok((
        report.features.iter().filter_map(|name| Arch::HOST.feature(name)).collect(),
        lacking.map(str::to_owned).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_places() {
        for (name, place) in [
            ("native", Place::NATIVE),
            ("native:haswell", Place::Native { cap: Some("haswell".into()), target: None }),
            ("native:2", Place::Native { cap: None, target: Some(2) }),
            ("Haswell", Place::Model("Haswell".into())),
        ] {
            assert_eq!(Place::parse(name), place);
            assert_eq!(place.to_string(), name);
        }
    }
}
