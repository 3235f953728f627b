//! Checks a target list before clang runs: a wrong name is told at once and with what was meant.

use anyhow::bail;
use image_format::cpu::Arch;
use image_format::feature::FeatureId;
use image_format::grammar;

/// The list without blanks and empty pieces. Names are looked up when `arch` is known.
///
/// # Errors
/// Julia's own messages for the grammar; for a name that does not exist the nearest ones that do.
pub fn check(list: &str, arch: Option<Arch>) -> anyhow::Result<String> {
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

fn check_cpu(arch: Arch, cpu: &str) -> anyhow::Result<()> {
    if cpu == "native" || arch.model(cpu).is_some() {
        return Ok(());
    }
    let near = nearest(cpu, arch.model_names());
    bail!("unknown CPU \"{cpu}\" for {}; did you mean {near}? (clang-22 --print-supported-cpus)", arch.name())
}

fn check_feature(arch: Arch, feature: &str) -> anyhow::Result<()> {
    if arch.feature(feature).is_some() || arch.is_not_hardware(feature) {
        return Ok(());
    }
    let all = (0..=u8::MAX).map_while(|id| arch.feature_name(FeatureId(id)));
    let near = nearest(feature, all);
    bail!("unknown CPU feature \"{feature}\" for {}; did you mean {near}?", arch.name())
}

/// The up to three names with the smallest edit distance.
fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> String {
    let mut by_distance: Vec<_> = all.map(|other| (distance(name, other), other)).collect();
    by_distance.sort();
    let best = by_distance.first().map_or(0, |b| b.0);
    let near = by_distance.iter().take_while(|(d, _)| *d <= best + 1).take(3);
    near.map(|(_, other)| *other).collect::<Vec<_>>().join(", ")
}

/// Levenshtein's: insertions, deletions and substitutions of bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!((distance("kitten", "sitting"), distance("", "ab"), distance("a", "a")), (3, 2, 0));
    }

    #[test]
    fn lists() {
        let checked = |list: &str| check(list, Some(Arch::X86_64));
        assert_eq!(checked(" generic;; haswell , -rdrnd,").unwrap(), "generic;haswell,-rdrnd");
        assert_eq!(checked("native").unwrap(), "native");
        assert!(checked("x86-64;haswel").unwrap_err().to_string().contains("did you mean haswell"));
        assert!(check("cortex-x4", None).is_ok());
        assert_eq!(checked("").unwrap_err().to_string(), "Invalid target option: no target given");
    }
}
