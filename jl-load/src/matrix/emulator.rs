//! What differs between architectures: the emulator, its CPU models worth asking for, and the words for
//! what a CPU offers.

use super::MatrixError;
use image_format::cpu::{Arch, EM_AARCH64, EM_X86_64};
use image_format::feature::FeatureSet;
use std::process::{Command, Stdio};

/// QEMU's user-mode emulator of one architecture.
pub struct Emulator {
    /// ELF machine.
    pub machine: u32,
    pub program: &'static str,
    /// Where Debian's cross packages put the libraries of this architecture.
    pub sysroot: &'static str,
    /// Models whose features differ in what compilers use, from the oldest on.
    pub models: &'static [&'static str],
    /// LLVM's names of levels, each with all features of the one before.
    levels: &'static [&'static str],
    /// Features that are worth a word where the level does not say them.
    notable: &'static [&'static str],
}

/// The one place to add an architecture to.
pub static EMULATORS: [Emulator; 2] = [
    Emulator {
        machine: EM_X86_64,
        program: "qemu-x86_64",
        sysroot: "/usr/x86_64-linux-gnu",
        models: &["Conroe", "Penryn", "Nehalem", "SandyBridge", "Haswell", "EPYC", "Skylake-Server", "max"],
        levels: &["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"],
        notable: &[
            "ssse3",
            "sse4.1",
            "avx",
            "fma",
            "avx2",
            "aes",
            "sha",
            "avx512f",
            "avx512fp16",
            "amx-tile",
        ],
    },
    Emulator {
        machine: EM_AARCH64,
        program: "qemu-aarch64",
        sysroot: "/usr/aarch64-linux-gnu",
        models: &["cortex-a53", "neoverse-n1", "a64fx", "max"],
        levels: &["generic"],
        notable: &["lse", "fullfp16", "dotprod", "sve", "sve2", "bf16", "i8mm"],
    },
];

impl Emulator {
    /// The emulator for programs of an ELF machine.
    pub fn of(machine: u32) -> Option<&'static Emulator> {
        EMULATORS.iter().find(|e| e.machine == machine)
    }

    /// Whether programs of this architecture run here without it.
    pub fn is_native(&self) -> bool {
        self.machine == Arch::HOST.elf_machine()
    }

    /// The CPU models that the installed emulator has; without the aliases of a version.
    pub fn installed_models(&self) -> Result<Vec<String>, MatrixError> {
        let output = Command::new(self.program).args(["-cpu", "help"]).stdin(Stdio::null()).output();
        match output {
            Ok(output) => Ok(models(&String::from_utf8_lossy(&output.stdout))),
            Err(cause) => Err(MatrixError::NoEmulator { program: self.program, cause }),
        }
    }

    /// `x86-64-v2 +avx +aes`: the level that a CPU reaches, and what stands out beyond it.
    pub fn summary(&self, features: FeatureSet) -> String {
        let Some(arch) = Arch::from_elf_machine(self.machine) else { return "?".into() };
        let of_level = |name: &str| arch.model(name).unwrap_or_default().difference(arch.never_rejects());
        let reached = self.levels.iter().rev().find(|level| of_level(level).is_subset(features));
        let mut text = (*reached.unwrap_or(&"less than the baseline")).to_owned();
        let beyond = features.difference(reached.map(|level| of_level(level)).unwrap_or_default());
        for name in self.notable {
            if arch.feature(name).is_some_and(|id| beyond.contains(id)) {
                text += " +";
                text += name;
            }
        }
        text
    }
}

/// The names in the answer to `-cpu help`, which up to QEMU 8 has `x86` before each, and behind the list
/// one of features.
fn models(text: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| !line.starts_with("Available CPUs")).skip(1);
    let listed = lines.take_while(|line| !line.trim().is_empty()).filter(|line| !line.contains("(alias of "));
    listed
        .filter_map(|line| line.strip_prefix("x86 ").unwrap_or(line).split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

/// The feature that the emulator says it cannot give to the model that was asked for: `avx512f` of `...:
/// warning: TCG doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]`.
pub fn not_emulated(line: &str) -> Option<&str> {
    let (_, feature) = line.split_once("warning: TCG doesn't support requested feature: ")?;
    feature.split(" [").next()?.rsplit('.').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_of_old_and_new_releases() {
        let old = "Available CPUs:\nx86 486                   (alias configured by machine type)\n\
                   x86 486-v1                \nx86 Haswell-IBRS          (alias of Haswell-v3)\n\n\
                   Recognized CPUID flags:\n  3dnow avx\n";
        let new = "Available CPUs:\n  486                 (alias configured by machine type)\n  486-v1\n\n\
                   Recognized CPUID flags:\n  3dnow\n";
        for text in [old, new] {
            assert_eq!(models(text), ["486", "486-v1"], "{text}");
        }
        assert_eq!(models("Available CPUs:\n  a64fx\n  max\n"), ["a64fx", "max"]);
    }

    #[test]
    fn warnings_name_features() {
        let line =
            "qemu-x86_64: warning: TCG doesn't support requested feature: CPUID.07H:EBX.avx512f [bit 16]";
        assert_eq!(not_emulated(line), Some("avx512f"));
        assert_eq!(not_emulated("qemu: something else"), None);
    }

    #[test]
    fn levels_and_what_stands_out() {
        let x86 = Emulator::of(EM_X86_64).unwrap();
        let summary = |model| x86.summary(Arch::X86_64.model(model).unwrap());
        assert_eq!(summary("core2"), "x86-64 +ssse3");
        assert_eq!(summary("sandybridge"), "x86-64-v2 +avx");
        assert_eq!(summary("haswell"), "x86-64-v3");
        assert_eq!(summary("skylake-avx512"), "x86-64-v4 +aes");
        assert_eq!(x86.summary(FeatureSet::EMPTY), "less than the baseline");
    }

    #[test]
    fn names_are_llvms() {
        for emulator in &EMULATORS {
            let Some(arch) = Arch::from_elf_machine(emulator.machine) else { continue };
            for level in emulator.levels {
                assert!(arch.model(level).is_some(), "{level}");
            }
            for feature in emulator.notable {
                assert!(arch.feature(feature).is_some(), "{feature}");
            }
        }
    }
}
