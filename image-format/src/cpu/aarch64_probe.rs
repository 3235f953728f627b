//! What this aarch64 CPU offers to user code, by the kernel's word: see `aarch64.rs`.

use super::aarch64::{AT_HWCAPS, Hwcaps, features};
use crate::feature::FeatureSet;

/// Those of `wanted` that this CPU has and this kernel lets user code use; none of what is not part of
/// every CPU where the auxiliary vector cannot be read.
pub fn host_features(wanted: FeatureSet) -> FeatureSet {
    let auxiliary = std::fs::read("/proc/self/auxv").unwrap_or_default();
    features(wanted, hwcaps(&auxiliary))
}

/// The words out of an auxiliary vector's bytes; zero for what an older kernel does not give.
fn hwcaps(auxiliary: &[u8]) -> Hwcaps {
    let (words, _) = auxiliary.as_chunks::<8>();
    let word = |at: usize| words.get(at).map(|word| u64::from_ne_bytes(*word));
    AT_HWCAPS.map(|tag| {
        let mut entries = (0..words.len()).step_by(2).map(|at| (word(at), word(at + 1)));
        entries.find(|(found, _)| *found == Some(tag as u64)).and_then(|(_, value)| value).unwrap_or(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_by_their_tags() {
        let vector: Vec<u8> =
            [6u64, 4096, 26, 7, 16, 3, 0, 0].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(hwcaps(&vector), [3, 7, 0]);
        assert_eq!(hwcaps(&vector[..20]), [0, 0, 0], "cut off");
    }

    #[test]
    fn agrees_with_the_standard_library() {
        let arch = crate::cpu::Arch::Aarch64;
        let host = host_features(FeatureSet([!0; 4]));
        let has = |name| host.contains(arch.feature(name).unwrap());
        assert_eq!(has("neon"), std::arch::is_aarch64_feature_detected!("neon"));
        assert_eq!(has("lse"), std::arch::is_aarch64_feature_detected!("lse"));
        assert_eq!(has("sve"), std::arch::is_aarch64_feature_detected!("sve"));
        assert_eq!(has("dotprod"), std::arch::is_aarch64_feature_detected!("dotprod"));
    }
}
