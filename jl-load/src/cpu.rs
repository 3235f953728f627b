//! The CPU that is asked about: this host, or a model by LLVM's name.

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;

/// A CPU and what it offers to programs.
#[derive(Clone, Debug)]
pub struct Cpu {
    /// `this host`, or a model's name.
    pub name: String,
    pub arch: Arch,
    pub features: FeatureSet,
}

/// A name that is no model of the architecture in question.
#[derive(Debug, thiserror::Error)]
pub enum UnknownCpu {
    #[error("unknown CPU {name:?}: expected one of LLVM's names for {}: {}", arch.name(), names(*arch))]
    Nowhere { name: String, arch: Arch },
    #[error(
        "{name} is a CPU of {}, and this is about code for {}: expected one of LLVM's names for that: {}",
        of.name(), arch.name(), names(*arch)
    )]
    Elsewhere { name: String, arch: Arch, of: Arch },
}

impl Cpu {
    pub fn host() -> Cpu {
        Cpu { name: "this host".into(), arch: Arch::HOST, features: Arch::host_features() }
    }

    /// The model called `name` that runs code of `arch`.
    pub fn model(name: &str, arch: Arch) -> Result<Cpu, UnknownCpu> {
        let name = name.to_owned();
        match (arch.model(&name), Cpu::any_model(&name)) {
            (Some(features), _) => Ok(Cpu { name, arch, features }),
            (None, Ok(other)) => Err(UnknownCpu::Elsewhere { name, arch, of: other.arch }),
            (None, Err(_)) => Err(UnknownCpu::Nowhere { name, arch }),
        }
    }

    /// The model called `name`, of this host's architecture if it has one of that name.
    pub fn any_model(name: &str) -> Result<Cpu, UnknownCpu> {
        let found = Arch::ALL.into_iter().find_map(|arch| Some((arch, arch.model(name)?)));
        match found {
            Some((arch, features)) => Ok(Cpu { name: name.into(), arch, features }),
            None => Err(UnknownCpu::Nowhere { name: name.into(), arch: Arch::HOST }),
        }
    }
}

fn names(arch: Arch) -> String {
    arch.model_names().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_by_architecture() {
        assert_eq!(Cpu::any_model("haswell").unwrap().arch, Arch::X86_64);
        assert_eq!(Cpu::any_model("a64fx").unwrap().arch, Arch::Aarch64);
        assert_eq!(Cpu::model("generic", Arch::Aarch64).unwrap().arch, Arch::Aarch64);
        let elsewhere = Cpu::model("haswell", Arch::Aarch64).unwrap_err().to_string();
        assert!(elsewhere.starts_with("haswell is a CPU of x86_64, and this is about code for aarch64"));
        let nowhere = Cpu::model("i486", Arch::Aarch64).unwrap_err().to_string();
        assert!(nowhere.starts_with("unknown CPU \"i486\": expected one of LLVM's names for aarch64: a64fx"));
    }
}
