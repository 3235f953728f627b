//! What this aarch64 CPU offers to user code, by the kernel's word: see `aarch64.rs`.

use super::aarch64::{features, hwcaps};
use crate::feature::FeatureSet;

/// Those of `wanted` that this CPU has and this kernel lets user code use; none of them where the auxiliary
/// vector cannot be read.
pub fn host_features(wanted: FeatureSet) -> FeatureSet {
    let auxiliary = std::fs::read("/proc/self/auxv").unwrap_or_default();
    features(wanted, hwcaps(&auxiliary))
}

#[cfg(test)]
mod tests {
    use super::*;

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
