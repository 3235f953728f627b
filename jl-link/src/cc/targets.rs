//! Checks a target list before clang runs: a wrong name is told at once and with what was meant.

use image_format::cpu::Arch;
use image_format::grammar;
use image_format::names::UnknownName;

/// The list without blanks and empty pieces; `none` stays, it turns cloning off. Names are looked up when `arch` is known.
///
/// # Errors
/// Julia's own messages for the grammar; for a name that does not exist the nearest ones that do.
pub fn check(list: &str, arch: Option<Arch>) -> anyhow::Result<String> {
    if list.trim() == grammar::NO_TARGETS {
        return Ok(grammar::NO_TARGETS.into());
    }
    let targets = grammar::parse(list)?;
    if let Some(arch) = arch {
        for target in &targets {
            check_cpu(arch, &target.cpu)?;
            for (feature, _) in &target.features {
                check_feature(arch, feature)?;
            }
        }
    }
    let pieces = list.split(';').map(|target| {
        let items = target.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.collect::<Vec<_>>().join(",")
    });
    Ok(pieces.filter(|target| !target.is_empty()).collect::<Vec<_>>().join(";"))
}

fn check_cpu(arch: Arch, cpu: &str) -> Result<(), UnknownName> {
    match cpu {
        "native" if arch == Arch::HOST => Ok(()),
        "native" => Err(UnknownName::Native { arch }),
        _ if arch.model(cpu).is_some() => Ok(()),
        _ => Err(UnknownName::Cpu { arch, name: cpu.into() }),
    }
}

fn check_feature(arch: Arch, feature: &str) -> Result<(), UnknownName> {
    if arch.feature(feature).is_some() || arch.is_not_hardware(feature) {
        return Ok(());
    }
    Err(UnknownName::Feature { arch, name: feature.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let checked = |list: &str| check(list, Some(Arch::X86_64));
        assert_eq!(checked(" generic;; haswell , -rdrnd,").unwrap(), "generic;haswell,-rdrnd");
        assert_eq!(checked("native").unwrap(), "native");
        assert_eq!(checked("none").unwrap(), "none");
        assert!(checked("x86-64;haswel").unwrap_err().to_string().contains("did you mean haswell"));
        assert!(check("cortex-x4", None).is_ok());
        let aarch64 = |list: &str| check(list, Some(Arch::Aarch64)).map_err(|e| e.to_string());
        assert_eq!(aarch64("generic;neoverse-n1;a64fx,-sve").unwrap(), "generic;neoverse-n1;a64fx,-sve");
        assert!(aarch64("generic;haswell").unwrap_err().contains("unknown CPU 'haswell' for aarch64"));
        let native = check("native", Some(Arch::ALL[1])).unwrap_err().to_string();
        assert!(native.starts_with("'native' is the machine that compiles, which is "), "{native}");
        assert_eq!(checked("").unwrap_err().to_string(), "Invalid target option: no target given");
    }
}
