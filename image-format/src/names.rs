//! Names of CPUs and features that do not exist, and what may have been meant.

use crate::cpu::Arch;
use crate::feature::FeatureId;

/// A name that is not known for an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownName {
    Cpu {
        arch: Arch,
        name: String,
    },
    Feature {
        arch: Arch,
        name: String,
    },
    /// `native` in code for another architecture than this machine's.
    Native {
        arch: Arch,
    },
}

impl std::fmt::Display for UnknownName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            UnknownName::Cpu { arch, name } => write!(
                f,
                "unknown CPU '{name}' for {}; did you mean {}? (clang-22 --print-supported-cpus lists all)",
                arch.name(),
                nearest(name, arch.model_names())
            ),
            UnknownName::Native { arch } => write!(
                f,
                "'native' is the machine that compiles, which is {}, but this is code for {}: name a CPU",
                Arch::HOST.name(),
                arch.name()
            ),
            UnknownName::Feature { arch, name } => {
                let all = (0..=u8::MAX).map_while(|id| arch.feature_name(FeatureId(id)));
                write!(
                    f,
                    "unknown CPU feature '{name}' for {}; did you mean {}?",
                    arch.name(),
                    nearest(name, all)
                )
            }
        }
    }
}

impl std::error::Error for UnknownName {}

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
    fn what_may_have_been_meant() {
        let cpu = UnknownName::Cpu { arch: Arch::X86_64, name: "haswel".into() };
        assert!(cpu.to_string().contains("did you mean haswell"), "{cpu}");
        let feature = UnknownName::Feature { arch: Arch::X86_64, name: "avx512bww".into() };
        assert!(feature.to_string().contains("did you mean avx512bw"), "{feature}");
    }
}
