//! The machines that test programs are built for and run on: this one, and aarch64 under QEMU.

use crate::host;
use image_format::cpu::Arch;

/// A machine: how to compile for it, and where to run what comes out.
#[derive(Debug)]
pub struct Machine {
    pub arch: Arch,
    /// All functions are cloned for all targets: what most programs test. On [`Machine::best`] each of them runs.
    pub targets: &'static str,
    /// What clang is told.
    pub flags: &'static [&'static str],
    qemu: &'static [&'static str],
    /// QEMU's CPU models, the most capable one last, and the target that each must choose of those in `targets`;
    /// `None` where that is what the code of each target uses and not what its CPU has.
    pub cpus: &'static [(&'static str, Option<&'static str>)],
}

/// This machine; its older relatives under QEMU.
#[cfg(target_arch = "x86_64")]
pub static HOST: Machine = Machine {
    arch: Arch::X86_64,
    targets: "x86-64,clone_all;x86-64-v3,clone_all;x86-64-v4,clone_all",
    flags: &[],
    qemu: &["qemu-x86_64"],
    cpus: &[("Nehalem", None), ("Haswell", None)],
};

/// Cross-compiled, with Debian's C library and compiler runtime for it.
pub static AARCH64: Machine = Machine {
    arch: Arch::Aarch64,
    targets: "generic,clone_all;neoverse-n1,clone_all;a64fx,clone_all",
    flags: &["--target=aarch64-linux-gnu"],
    qemu: &["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"],
    cpus: &[
        ("cortex-a53", None),
        ("neoverse-n1", None),
        ("a64fx", Some("a64fx")),
        // Has all that the others have, and SVE goes before NEON.
        ("max", Some("a64fx")),
    ],
};

/// One way to run a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// QEMU's model; this machine's own CPU without.
    pub cpu: Option<&'static str>,
    /// The target to force.
    pub target: Option<usize>,
}

impl Machine {
    pub fn is_native(&self) -> bool {
        self.arch == Arch::HOST
    }

    /// Where all targets of [`Machine::targets`] can run, or as many as this machine can.
    pub fn best(&self) -> Setting {
        let emulated = self.cpus.last().filter(|_| !self.is_native());
        Setting { cpu: emulated.map(|(cpu, _)| *cpu), target: None }
    }

    /// The settings in which something that has `targets` is run: left to choose, and forced to each target;
    /// with `all_cpus` also on every model.
    pub fn settings(&self, targets: &[String], all_cpus: bool) -> Vec<Setting> {
        let best = self.best();
        let runs = |target: &&String| !self.is_native() || host::can_run(target);
        let forced = targets.iter().enumerate().filter(|(_, name)| runs(name));
        let forced = forced.map(|(index, _)| Setting { target: Some(index), ..best.clone() });
        let models = self.cpus.iter().map(|(cpu, _)| Setting { cpu: Some(cpu), target: None });
        let models = models.filter(|setting| all_cpus && *setting != best);
        [best.clone()].into_iter().chain(forced).chain(models).collect()
    }

    /// The words before a program's name that run it on a model.
    pub fn prefix(&self, setting: &Setting) -> Vec<String> {
        let Some(cpu) = setting.cpu else { return Vec::new() };
        self.qemu.iter().copied().chain(["-cpu", cpu]).map(str::to_string).collect()
    }

    /// The index of the target that a model must choose; `None` when the list has other targets than
    /// [`Machine::targets`], or when the choice depends on the machine or the code.
    pub fn chosen(&self, setting: &Setting, targets: &[String]) -> Option<usize> {
        let wanted = self.cpus.iter().find(|(cpu, _)| Some(*cpu) == setting.cpu)?.1?;
        let name = |target: &str| target.split(',').next().unwrap_or_default().to_string();
        let same = targets.iter().map(|t| name(t)).eq(self.targets.split(';').map(name));
        setting.target.or_else(|| targets.iter().position(|t| name(t) == wanted)).filter(|_| same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        text.split(';').map(str::to_string).collect()
    }

    #[test]
    fn every_model_of_aarch64_once_and_every_target_forced() {
        let settings = AARCH64.settings(&list(AARCH64.targets), true);
        let of = |cpu, target| Setting { cpu: Some(cpu), target };
        assert_eq!(
            settings,
            [
                of("max", None),
                of("max", Some(0)),
                of("max", Some(1)),
                of("max", Some(2)),
                of("cortex-a53", None),
                of("neoverse-n1", None),
                of("a64fx", None)
            ]
        );
        assert_eq!(AARCH64.prefix(&settings[4])[3..], ["-cpu", "cortex-a53"]);
    }

    #[test]
    fn what_must_be_chosen() {
        let setting = |cpu, target| Setting { cpu: Some(cpu), target };
        let targets = list("generic;neoverse-n1;a64fx,clone_all");
        assert_eq!(AARCH64.chosen(&setting("a64fx", None), &targets), Some(2));
        assert_eq!(AARCH64.chosen(&setting("neoverse-n1", None), &targets), None, "depends on the code");
        assert_eq!(AARCH64.chosen(&setting("max", Some(0)), &targets), Some(0));
        assert_eq!(AARCH64.chosen(&setting("max", None), &targets[..2]), None);
        assert_eq!(HOST.chosen(&HOST.best(), &list(HOST.targets)), None, "depends on the machine");
    }
}
