//! CPU features by architecture: names (LLVM's), ids, how they are probed, and CPU models.
//!
//! The feature tables are facts of each architecture's manual. Which features a CPU *model* has is
//! never written by hand: `x86_64_models.rs` and `aarch64_models.rs` are generated from LLVM and compared with it
//! by a test.

use crate::feature::{FeatureId, FeatureSet};

pub mod aarch64;
mod aarch64_models;
#[cfg(all(target_arch = "aarch64", feature = "std"))]
pub mod aarch64_probe;
mod table;
pub mod x86_64;
mod x86_64_models;
#[cfg(target_arch = "x86_64")]
pub mod x86_64_probe;

/// ELF machine number of x86-64.
pub const EM_X86_64: u32 = 62;
/// ELF machine number of aarch64.
pub const EM_AARCH64: u32 = 183;

/// An architecture that images exist for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The architecture of this program.
    #[cfg(target_arch = "x86_64")]
    pub const HOST: Arch = Arch::X86_64;
    /// The architecture of this program.
    #[cfg(target_arch = "aarch64")]
    pub const HOST: Arch = Arch::Aarch64;

    /// All of them, this program's first: the order in which a name is looked up.
    pub const ALL: [Arch; 2] = match Arch::HOST {
        Arch::X86_64 => [Arch::X86_64, Arch::Aarch64],
        Arch::Aarch64 => [Arch::Aarch64, Arch::X86_64],
    };

    pub fn from_elf_machine(machine: u32) -> Option<Arch> {
        match machine {
            EM_X86_64 => Some(Arch::X86_64),
            EM_AARCH64 => Some(Arch::Aarch64),
            _ => None,
        }
    }

    /// From the first component of an LLVM triple.
    pub fn from_triple(triple: &str) -> Option<Arch> {
        match triple.split('-').next() {
            Some("x86_64" | "amd64") => Some(Arch::X86_64),
            Some("aarch64" | "arm64") => Some(Arch::Aarch64),
            _ => None,
        }
    }

    pub fn elf_machine(self) -> u32 {
        match self {
            Arch::X86_64 => EM_X86_64,
            Arch::Aarch64 => EM_AARCH64,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// LLVM's name of a feature; `None` for an id this version does not know.
    pub fn feature_name(self, id: FeatureId) -> Option<&'static str> {
        match self {
            Arch::X86_64 => x86_64::FEATURES.get(usize::from(id.0)).map(|feature| feature.name),
            Arch::Aarch64 => aarch64::FEATURES.get(usize::from(id.0)).map(|feature| feature.name),
        }
    }

    /// As [`Arch::feature_name`], without text decoding and relocations, as the embedded shim needs it.
    pub fn feature_name_bytes(self, id: FeatureId) -> Option<&'static [u8]> {
        match self {
            Arch::X86_64 => x86_64::feature_name_bytes(id),
            Arch::Aarch64 => aarch64::feature_name_bytes(id),
        }
    }

    /// As [`Arch::model`], without text decoding.
    pub fn model_by_bytes(self, name: &[u8]) -> Option<FeatureSet> {
        match self {
            Arch::X86_64 => x86_64::model_by_bytes(name),
            Arch::Aarch64 => aarch64::model_by_bytes(name),
        }
    }

    /// LLVM's names of the features of a set; a number for an id this version does not know.
    #[cfg(feature = "std")]
    pub fn feature_names(self, set: FeatureSet) -> Vec<String> {
        let name = |id| self.feature_name(id).map_or_else(|| format!("feature {}", id.0), str::to_owned);
        set.iter().map(name).collect()
    }

    /// The id of a feature by LLVM's name.
    pub fn feature(self, name: &str) -> Option<FeatureId> {
        match self {
            Arch::X86_64 => x86_64::feature(name),
            Arch::Aarch64 => aarch64::feature(name),
        }
    }

    /// Features that never lead to a rejection: compilers do not emit them unasked, and hypervisors
    /// and kernels hide them on CPUs that are otherwise equal.
    pub fn never_rejects(self) -> FeatureSet {
        match self {
            Arch::X86_64 => x86_64::NEVER_REJECTS,
            Arch::Aarch64 => aarch64::NEVER_REJECTS,
        }
    }

    /// Names that LLVM lists among a CPU's features but that ask nothing of the hardware (tuning,
    /// code generation modes).
    pub fn is_not_hardware(self, name: &str) -> bool {
        match self {
            Arch::X86_64 => x86_64::NOT_HARDWARE.contains(&name),
            Arch::Aarch64 => aarch64::is_not_hardware(name),
        }
    }

    /// Width in bits of the largest vector register that code for `features` may use.
    pub fn vector_bits(self, features: FeatureSet) -> u32 {
        match self {
            Arch::X86_64 => x86_64::vector_bits(features),
            Arch::Aarch64 => aarch64::vector_bits(features),
        }
    }

    /// The features of a CPU model by LLVM's name or Julia's alias (`generic`, `skx`, ...).
    pub fn model(self, name: &str) -> Option<FeatureSet> {
        match self {
            Arch::X86_64 => x86_64::model(name),
            Arch::Aarch64 => aarch64::model(name),
        }
    }

    /// Names of all CPU models, in LLVM's order.
    pub fn model_names(self) -> impl Iterator<Item = &'static str> {
        let models: &'static [Model] = match self {
            Arch::X86_64 => &x86_64_models::MODELS,
            Arch::Aarch64 => &aarch64_models::MODELS,
        };
        models.iter().map(|m| m.name())
    }

    /// What this CPU, kernel and hypervisor offer to user code.
    #[cfg(target_arch = "x86_64")]
    pub fn host_features() -> FeatureSet {
        x86_64_probe::host_features(FeatureSet([!0; crate::feature::FEATURE_WORDS]))
    }

    /// What this CPU and kernel offer to user code.
    #[cfg(all(target_arch = "aarch64", feature = "std"))]
    pub fn host_features() -> FeatureSet {
        aarch64_probe::host_features(FeatureSet([!0; crate::feature::FEATURE_WORDS]))
    }
}

/// A CPU model: a fixed-size name (no pointer, so that a table needs no relocation) and its features.
#[derive(Clone, Copy, Debug)]
pub struct Model {
    name: [u8; Model::NAME_SIZE],
    /// The first two words of a [`FeatureSet`]; ids above 127 are not in use.
    features: [u64; 2],
}

impl Model {
    const NAME_SIZE: usize = 16;

    const fn new(name: &str, features: [u64; 2]) -> Model {
        let mut bytes = [0; Model::NAME_SIZE];
        let mut i = 0;
        while i < name.len() {
            bytes[i] = name.as_bytes()[i];
            i += 1;
        }
        Model { name: bytes, features }
    }

    pub fn features(&self) -> FeatureSet {
        FeatureSet([self.features[0], self.features[1], 0, 0])
    }

    pub fn name(&self) -> &str {
        let bytes = self.name.split(|b| *b == 0).next().unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }

    /// Whether this is the model called `name`; compares bytes, so that the embedded shim carries no
    /// text decoding.
    pub fn is(&self, name: &[u8]) -> bool {
        name.len() <= Model::NAME_SIZE
            && self.name.iter().enumerate().all(|(i, b)| name.get(i).copied().unwrap_or(0) == *b)
    }
}
