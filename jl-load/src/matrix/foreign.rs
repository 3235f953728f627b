//! What an emulated CPU of another architecture offers: nothing of ours runs there, but the dynamic linker that
//! the program needs says what the kernel tells it.

use super::emulator::Emulator;
use image_format::cpu::{Arch, aarch64};
use image_format::feature::FeatureSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// The features of an emulated model by glibc's dynamic linker in `sysroot` (`--list-diagnostics`, from 2.33 on);
/// `None` where it does not say.
pub fn features(model: &str, emulator: &Emulator, sysroot: &Path) -> Option<FeatureSet> {
    let linker = match Arch::from_elf_machine(emulator.machine)? {
        Arch::Aarch64 => sysroot.join("lib/ld-linux-aarch64.so.1"),
        Arch::X86_64 => return None,
    };
    let mut command = Command::new(emulator.program);
    command.args(["-cpu", model]).arg("-L").arg(sysroot).arg(linker).arg("--list-diagnostics");
    let output = command.stdin(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(aarch64::features(FeatureSet([!0; 4]), hwcaps(&String::from_utf8_lossy(&output.stdout))?))
}

/// Out of lines such as `dl_hwcap2=0x7f877fff`; a linker that does not know of a word does not print it.
fn hwcaps(text: &str) -> Option<aarch64::Hwcaps> {
    let word = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("=0x"))?;
        u64::from_str_radix(value, 16).ok()
    };
    Some([word("dl_hwcap")?, word("dl_hwcap2").unwrap_or(0), word("dl_hwcap3").unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_diagnostics() {
        let text = "dl_discover_osversion=0x0\ndl_hwcap=0x119ffb\ndl_hwcap_important=0x100\ndl_hwcap2=0x2\n";
        assert_eq!(hwcaps(text), Some([0x11_9ffb, 2, 0]));
        assert_eq!(hwcaps("dl_hwcap_important=0x100\n"), None);
    }
}
