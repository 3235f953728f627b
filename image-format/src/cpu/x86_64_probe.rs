//! What this x86-64 CPU offers to user code: CPUID, and XGETBV for what the kernel saves.

use super::x86_64::{Leaf, PROBES, Register};
use crate::feature::{FeatureId, FeatureSet};
use core::arch::x86_64::{__cpuid_count, CpuidResult};

/// Those of `wanted` that this CPU has and this kernel lets user code use.
///
/// Only leaves that tell something wanted are asked for: a hypervisor traps CPUID, some 1-20 us each.
pub fn host_features(wanted: FeatureSet) -> FeatureSet {
    features(wanted, cpuid, xgetbv)
}

/// As [`host_features`], with answers that somebody has asked for before: `known` gives a leaf's CPUID
/// answer or nothing.
pub fn host_features_known(wanted: FeatureSet, known: impl Fn(Leaf) -> Option<CpuidResult>) -> FeatureSet {
    let beyond_7 = |probe: &super::x86_64::Probe| (8..0x8000_0000).contains(&probe.leaf.leaf);
    let asks_beyond_7 = (0..=u8::MAX).zip(&PROBES).any(|(i, p)| wanted.contains(FeatureId(i)) && beyond_7(p));
    let ask = |at| match known(at) {
        Some(answer) => answer,
        // Leaf 0 only tells which leaves there are: where leaf 7 was answered, it is there.
        None if at == Leaf::new(0, 0) && !asks_beyond_7 && known(Leaf::new(7, 0)).is_some() => {
            CpuidResult { eax: 7, ..NOTHING }
        }
        None => cpuid(at),
    };
    features(wanted, ask, xgetbv)
}

/// As [`host_features`], from given CPUID and XGETBV answers, so that it can be tested.
pub fn features(
    wanted: FeatureSet,
    cpuid: impl Fn(Leaf) -> CpuidResult,
    xgetbv: impl Fn() -> u64,
) -> FeatureSet {
    const OSXSAVE: u32 = 1 << 27;
    let max_basic = cpuid(Leaf::new(0, 0)).eax;
    let basic = cpuid(Leaf::new(1, 0));
    let xcr0 = if basic.ecx & OSXSAVE != 0 { xgetbv() } else { 0 };
    let leaf7 = if max_basic >= 7 { cpuid(Leaf::new(7, 0)) } else { NOTHING };
    let max_sub7 = leaf7.eax;
    let mut set = FeatureSet::EMPTY;
    let mut answer = basic;
    let mut at = Leaf::new(1, 0);
    for (i, probe) in PROBES.iter().enumerate() {
        let id = FeatureId(i as u8);
        if !wanted.contains(id) {
            continue;
        }
        if probe.leaf != at {
            at = probe.leaf;
            answer = match at {
                Leaf { leaf: 1, sub: 0 } => basic,
                Leaf { leaf: 7, sub: 0 } => leaf7,
                Leaf { leaf: 7, sub } if sub > max_sub7 => NOTHING,
                // Every CPU with long mode has this leaf.
                Leaf { leaf: 0x8000_0001, .. } => cpuid(at),
                Leaf { leaf: 0x8000_0000.., .. } if at.leaf > cpuid(Leaf::new(0x8000_0000, 0)).eax => NOTHING,
                Leaf { leaf: ..0x8000_0000, .. } if at.leaf > max_basic => NOTHING,
                _ => cpuid(at),
            };
        }
        let has = match probe.register {
            Register::Eax => answer.eax >> probe.bit & 1 == 1,
            Register::Ebx => answer.ebx >> probe.bit & 1 == 1,
            Register::Ecx => answer.ecx >> probe.bit & 1 == 1,
            Register::Edx => answer.edx >> probe.bit & 1 == 1,
            Register::Avx10Version => answer.ebx & 0xff >= u32::from(probe.bit),
        };
        let needed = probe.state.xcr0();
        if has && xcr0 & needed == needed {
            set = set.with(id);
        }
    }
    set
}

const NOTHING: CpuidResult = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };

fn cpuid(at: Leaf) -> CpuidResult {
    __cpuid_count(at.leaf, at.sub)
}

/// Reads XCR0. Call only where CPUID.1:ECX.OSXSAVE is set: otherwise XGETBV is an illegal instruction.
fn xgetbv() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the only caller, `features`, asks for it behind the OSXSAVE check; XGETBV with ECX = 0
    // writes EAX and EDX and touches neither memory nor flags.
    unsafe {
        core::arch::asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") high,
            options(nomem, nostack, preserves_flags)
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: FeatureSet = FeatureSet([!0; 4]);

    fn all_ones(leaf: Leaf) -> CpuidResult {
        let eax = match leaf.leaf {
            0 => 0x24,
            0x8000_0000 => 0x8000_0008,
            7 if leaf.sub == 0 => 1,
            _ => !0,
        };
        CpuidResult { eax, ebx: !0, ecx: !0, edx: !0 }
    }

    #[test]
    fn vector_features_need_the_kernel() {
        let arch = super::super::Arch::X86_64;
        let has = |xcr0: u64, name| features(ALL, all_ones, || xcr0).contains(arch.feature(name).unwrap());
        assert!(has(0, "sse4.2") && !has(0, "avx") && !has(0x2, "avx"));
        assert!(has(0x6, "avx2") && !has(0x6, "avx512f"));
        assert!(has(0xe6, "avx512f") && !has(0xe6, "amx-tile"));
        assert!(has(0x6_00e6, "amx-tile"));
    }

    #[test]
    fn known_answers_change_nothing() {
        let v3 = super::super::Arch::X86_64.model("x86-64-v3").unwrap();
        let common = |at: Leaf| matches!(at.leaf, 1 | 7 | 0x8000_0001).then(|| cpuid(at));
        for wanted in [v3, ALL] {
            assert_eq!(host_features_known(wanted, common), host_features(wanted));
            assert_eq!(host_features_known(wanted, |_| None), host_features(wanted));
        }
    }

    #[test]
    fn agrees_with_the_standard_library() {
        let host = host_features(ALL);
        let arch = super::super::Arch::X86_64;
        let has = |name| host.contains(arch.feature(name).unwrap());
        assert_eq!(has("avx2"), std::is_x86_feature_detected!("avx2"));
        assert_eq!(has("avx512f"), std::is_x86_feature_detected!("avx512f"));
        assert_eq!(has("fma"), std::is_x86_feature_detected!("fma"));
        assert_eq!(has("lzcnt"), std::is_x86_feature_detected!("lzcnt"));
        assert_eq!(has("bmi2"), std::is_x86_feature_detected!("bmi2"));
        assert_eq!(has("avxvnni"), std::is_x86_feature_detected!("avxvnni"));
    }
}
