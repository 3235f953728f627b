//! aarch64: features by LLVM's names and the kernel's word for each.
//!
//! User code cannot ask the CPU (the ID registers are privileged), so the kernel's answer in the auxiliary
//! vector is the only one: AT_HWCAP, AT_HWCAP2 and AT_HWCAP3, bits by <asm/hwcap.h>, their meaning by the
//! kernel's Documentation/arch/arm64/elf_hwcaps.rst. A kernel older than a feature does not tell of it, and then
//! it is not there: code that needs it is not chosen. So it is for good with what no bit tells (the
//! last rows of the table).

use super::aarch64_models::MODELS;
use super::table;
use crate::feature::{FeatureId, FeatureSet};

/// The kernel's three words: AT_HWCAP, AT_HWCAP2, AT_HWCAP3.
pub type Hwcaps = [u64; 3];

/// Tags of [`Hwcaps`] in the auxiliary vector.
pub const AT_HWCAPS: [usize; 3] = [16, 26, 29];

/// A bit of [`Hwcaps`] by its number from the first word's lowest bit on, or [`NO_BIT`].
type Bit = u8;
const NO_BIT: Bit = u8::MAX;

/// The bits that must all be set; none at all: nothing tells of the feature.
pub type Probe = [Bit; 4];

/// A feature: LLVM's name and how the kernel tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    pub name: &'static str,
    pub probe: Probe,
}

const fn f(name: &'static str, bits: &[Bit]) -> Feature {
    let mut probe = [NO_BIT; 4];
    let mut i = 0;
    while i < bits.len() {
        probe[i] = bits[i];
        i += 1;
    }
    Feature { name, probe }
}

const fn hwcap(bit: u8) -> Bit {
    bit
}

const fn hwcap2(bit: u8) -> Bit {
    64 + bit
}

const fn hwcap3(bit: u8) -> Bit {
    128 + bit
}

/// All features; the position is the [`FeatureId`]. **Append only**: ids are in images.
///
/// Where LLVM's one feature is several of Arm's, all their bits are asked for (`aes`: AES and PMULL).
#[rustfmt::skip]
pub const FEATURES: [Feature; COUNT] = [
    f("fp-armv8", &[hwcap(0)]),
    f("neon", &[hwcap(1)]),
    f("aes", &[hwcap(3), hwcap(4)]),
    f("sha2", &[hwcap(5), hwcap(6)]),
    f("crypto", &[hwcap(3), hwcap(4), hwcap(5), hwcap(6)]),
    f("crc", &[hwcap(7)]),
    f("lse", &[hwcap(8)]),
    f("rdm", &[hwcap(12)]),
    f("fullfp16", &[hwcap(9), hwcap(10)]),
    f("ccpp", &[hwcap(16)]),
    f("jsconv", &[hwcap(13)]),
    f("complxnum", &[hwcap(14)]),
    f("rcpc", &[hwcap(15)]),
    f("pauth", &[hwcap(30), hwcap(31)]),
    f("sha3", &[hwcap(17), hwcap(21)]),
    f("sm4", &[hwcap(18), hwcap(19)]),
    f("dotprod", &[hwcap(20)]),
    f("fp16fml", &[hwcap(23)]),
    f("dit", &[hwcap(24)]),
    f("lse2", &[hwcap(25)]),
    f("rcpc-immo", &[hwcap(26)]),
    f("flagm", &[hwcap(27)]),
    f("ssbs", &[hwcap(28)]),
    f("sb", &[hwcap(29)]),
    f("ccdp", &[hwcap2(0)]),
    f("altnzcv", &[hwcap2(7)]),
    f("fptoint", &[hwcap2(8)]),
    f("bti", &[hwcap2(17)]),
    f("rand", &[hwcap2(16)]),
    f("mte", &[hwcap2(18)]),
    f("i8mm", &[hwcap2(13)]),
    f("bf16", &[hwcap2(14)]),
    f("sve", &[hwcap(22)]),
    f("f32mm", &[hwcap2(10)]),
    f("f64mm", &[hwcap2(11)]),
    f("sve2", &[hwcap2(1)]),
    f("sve-aes", &[hwcap2(2), hwcap2(3)]),
    f("sve-bitperm", &[hwcap2(4)]),
    f("sve-sha3", &[hwcap2(5)]),
    f("sve-sm4", &[hwcap2(6)]),
    f("sve2-aes", &[hwcap2(1), hwcap2(2), hwcap2(3)]),
    f("sve2-bitperm", &[hwcap2(1), hwcap2(4)]),
    f("sve2-sha3", &[hwcap2(1), hwcap2(5)]),
    f("sve2-sm4", &[hwcap2(1), hwcap2(6)]),
    f("sve2p1", &[hwcap2(36)]),
    f("sve-b16b16", &[hwcap2(45)]),
    f("wfxt", &[hwcap2(31)]),
    f("ls64", &[hwcap3(3)]),
    f("hbc", &[hwcap2(44)]),
    f("mops", &[hwcap2(43)]),
    f("cssc", &[hwcap2(34)]),
    f("rcpc3", &[hwcap2(46)]),
    f("lse128", &[hwcap2(47)]),
    f("sme", &[hwcap2(23)]),
    f("sme-i16i64", &[hwcap2(24)]),
    f("sme-f64f64", &[hwcap2(25)]),
    f("sme-fa64", &[hwcap2(30)]),
    f("sme2", &[hwcap2(37)]),
    f("sme2p1", &[hwcap2(38)]),
    f("sme-f16f16", &[hwcap2(42)]),
    f("sme-b16b16", &[hwcap2(41)]),
    f("gcs", &[hwcap(32)]),
    f("lut", &[hwcap2(49)]),
    f("faminmax", &[hwcap2(50)]),
    f("fp8", &[hwcap2(48), hwcap2(51)]),
    f("fp8fma", &[hwcap2(52)]),
    f("fp8dot4", &[hwcap2(53)]),
    f("fp8dot2", &[hwcap2(54)]),
    f("sme-lutv2", &[hwcap2(57)]),
    f("sme-f8f16", &[hwcap2(58)]),
    f("sme-f8f32", &[hwcap2(59)]),
    f("ssve-fp8fma", &[hwcap2(60)]),
    f("ssve-fp8dot4", &[hwcap2(61)]),
    f("ssve-fp8dot2", &[hwcap2(62)]),
    f("cmpbr", &[hwcap(33)]),
    f("fprcvt", &[hwcap(34)]),
    f("f8f32mm", &[hwcap(35)]),
    f("f8f16mm", &[hwcap(36)]),
    f("sve-f16f32mm", &[hwcap(37)]),
    f("sve-aes2", &[hwcap(39)]),
    f("sve-bfscale", &[hwcap(40)]),
    f("sve2p2", &[hwcap(41)]),
    f("sme2p2", &[hwcap(42)]),
    f("ssve-bitperm", &[hwcap(43)]),
    f("ssve-aes", &[hwcap(44)]),
    f("ssve-fexpa", &[hwcap(45)]),
    f("sme-tmop", &[hwcap(46)]),
    f("sme-mop4", &[hwcap(47)]),
    f("lsfe", &[hwcap3(2)]),
    f("sve-b16mm", &[hwcap3(4)]),
    f("sve2p3", &[hwcap3(5)]),
    f("sme2p3", &[hwcap3(7)]),
    // No bit tells of these, as of Linux 7.0.
    f("btie", &[]),
    f("cpa", &[]),
    f("d128", &[]),
    f("f16f32dot", &[]),
    f("f16f32mm", &[]),
    f("f16mm", &[]),
    f("lscp", &[]),
    f("lsui", &[]),
    f("mops-go", &[]),
    f("mtetc", &[]),
    f("pauth-lr", &[]),
    f("tev", &[]),
    f("the", &[]),];

const COUNT: usize = 105;

const NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let mut i = 0;
    while i < COUNT {
        names[i] = FEATURES[i].name;
        i += 1;
    }
    names
};

static PADDED_NAMES: [[u8; table::NAME_SIZE]; COUNT] = table::padded(&NAMES);

/// [`FEATURES`] without the names: no pointer, hence no relocation in the embedded shim.
static PROBES: [Probe; COUNT] = {
    let mut probes = [[NO_BIT; 4]; COUNT];
    let mut i = 0;
    while i < COUNT {
        probes[i] = FEATURES[i].probe;
        i += 1;
    }
    probes
};

/// LLVM's name of a feature in bytes, for code that carries no text decoding and no relocations.
pub fn feature_name_bytes(id: FeatureId) -> Option<&'static [u8]> {
    table::name_bytes(&PADDED_NAMES, id)
}

/// Compilers do not emit these unasked, or they are hints that every CPU takes (`bti`); and kernels hide
/// them on CPUs that have them: `ssbs` for an erratum of many cores (Neoverse N1 among them), `mte`, `rand` and
/// `ls64` under hypervisors or by configuration, `wfxt` before Linux 5.19.
pub const NEVER_REJECTS: FeatureSet = table::set(&NAMES, &["bti", "ls64", "mte", "rand", "ssbs", "wfxt"]);

/// Whether LLVM lists `name` among features though compiled code asks nothing of the hardware for its
/// sake: architecture levels (all that they bring is listed by its own name besides), what is for the
/// system's registers, cache and TLB maintenance, tracing and profiling only, hints, and code generation modes.
pub fn is_not_hardware(name: &str) -> bool {
    let number = |v: &str| v.split('.').all(|n| n.parse::<u8>().is_ok());
    let level = name.strip_prefix('v').and_then(|v| v.strip_suffix(['a', 'r']));
    level.is_some_and(number)
        || ["harden-sls-", "reserve-", "call-saved-", "tpidr"].iter().any(|p| name.starts_with(p))
        || NOT_HARDWARE.contains(&name)
}

#[rustfmt::skip]
const NOT_HARDWARE: &[&str] = &[
    // Privileged registers and states, maintenance, tracing and profiling.
    "CONTEXTIDREL2", "am", "amvs", "brbe", "ccidx", "ecv", "el2vmsa", "el3", "ete", "fgt", "gcie", "hcx", "ite",
    "lor", "mec", "mpam", "mpamv2", "nmi", "nv", "occmo", "pan", "pan-rwv", "perfmon", "poe2", "pops", "predres",
    "ras", "rasv2", "rme", "sel2", "spe", "spe-eef", "specres2", "tlb-rmi", "tlbid", "tlbiw", "tracev8.4", "trbe",
    "uaops", "vh", "xs",
    // Hints, and behaviour of what other features bring.
    "chk", "clrbhb", "cmh", "fpac", "pcdphint", "prfm-slc-target", "specrestrict",
    // How code is generated.
    "execute-only", "fix-cortex-a53-835769", "fmv", "no-bti-at-return-twice", "no-neg-immediates",
    "outline-atomics", "strict-align", "tagged-globals",
];

pub fn feature(name: &str) -> Option<FeatureId> {
    FEATURES.iter().position(|f| f.name == name).map(|i| FeatureId(i as u8))
}

const SVE: FeatureSet = table::set(&NAMES, &["sve"]);

/// The largest SVE vector that the architecture allows, in bits.
pub const SVE_MAX_BITS: u32 = 2048;

/// NEON has 128 bits. SVE code has no width: it uses all of what the CPU has, up to the architecture's maximum,
/// so it goes before NEON code and after none; among SVE targets the number of features decides, which
/// puts SVE2 first. (SME's streaming registers are for functions that ask for them, which are not cloned.)
pub fn vector_bits(features: FeatureSet) -> u32 {
    if SVE.is_subset(features) { SVE_MAX_BITS } else { 128 }
}

/// Those of `wanted` that the kernel tells of. What nothing tells of is not there.
pub fn features(wanted: FeatureSet, hwcaps: Hwcaps) -> FeatureSet {
    let mut set = FeatureSet::EMPTY;
    for (i, probe) in PROBES.iter().enumerate() {
        let id = FeatureId(i as u8);
        let told = probe[0] != NO_BIT && probe.iter().all(|bit| is_set(hwcaps, *bit));
        if told && wanted.contains(id) {
            set = set.with(id);
        }
    }
    set
}

/// [`NO_BIT`], an empty place of a probe, counts as set.
fn is_set(hwcaps: Hwcaps, bit: Bit) -> bool {
    hwcaps.get(usize::from(bit / 64)).is_none_or(|word| word >> (bit % 64) & 1 == 1)
}

/// The words out of an auxiliary vector's bytes; zero for what an older kernel does not give.
pub fn hwcaps(auxiliary: &[u8]) -> Hwcaps {
    let (words, _) = auxiliary.as_chunks::<8>();
    let word = |at: usize| words.get(at).map(|word| u64::from_le_bytes(*word));
    AT_HWCAPS.map(|tag| {
        let mut entries = (0..words.len()).step_by(2).map(|at| (word(at), word(at + 1)));
        entries.find(|(found, _)| *found == Some(tag as u64)).and_then(|(_, value)| value).unwrap_or(0)
    })
}

pub fn model(name: &str) -> Option<FeatureSet> {
    model_by_bytes(name.as_bytes())
}

/// As [`model`], without text decoding.
pub fn model_by_bytes(name: &[u8]) -> Option<FeatureSet> {
    let name = canonical_model(name);
    MODELS.iter().find(|m| m.is(name)).map(|m| m.features())
}

/// LLVM's name for a model given by Julia's; any other name unchanged.
pub fn canonical_model(name: &[u8]) -> &[u8] {
    if name == b"armv8-a" { b"generic" } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: FeatureSet = FeatureSet([!0; 4]);

    #[test]
    fn a_feature_needs_all_its_bits() {
        let has = |hwcaps, name| features(ALL, hwcaps).contains(feature(name).unwrap());
        assert!(has([1 << 3 | 1 << 4, 0, 0], "aes") && !has([1 << 3, 0, 0], "aes"));
        assert!(has([0, 1 << 1, 0], "sve2") && !has([1 << 1, 0, 0], "sve2"));
        assert!(has([0, 0, 1 << 2], "lsfe") && !has([0, 1 << 2, 0], "lsfe"));
        assert_eq!(features(FeatureSet::EMPTY, [!0; 3]), FeatureSet::EMPTY);
    }

    #[test]
    fn words_by_their_tags() {
        let mut vector = [0; 64];
        for (at, word) in [6u64, 4096, 26, 7, 16, 3, 0, 0].into_iter().enumerate() {
            vector[8 * at..8 * at + 8].copy_from_slice(&word.to_le_bytes());
        }
        assert_eq!(hwcaps(&vector), [3, 7, 0]);
        assert_eq!(hwcaps(&vector[..20]), [0, 0, 0], "cut off");
    }

    #[test]
    fn what_nothing_tells_of_is_not_there() {
        let told = features(ALL, [!0; 3]);
        for untold in ["cpa", "pauth-lr", "the"] {
            assert!(!told.contains(feature(untold).unwrap()), "{untold}");
        }
        let silent = FEATURES.iter().filter(|f| f.probe[0] == NO_BIT).count();
        assert_eq!(told.len() as usize, COUNT - silent);
    }

    #[test]
    fn sve_goes_before_neon() {
        let bits = |name: &str| vector_bits(model(name).unwrap());
        assert!(bits("a64fx") > bits("neoverse-n1") && bits("neoverse-n1") == bits("generic"));
    }

    #[test]
    fn names_that_ask_nothing_of_the_hardware() {
        for name in ["v8a", "v8.2a", "v9.1a", "v8r", "reserve-x18", "outline-atomics", "spe"] {
            assert!(is_not_hardware(name) && feature(name).is_none(), "{name}");
        }
        for name in ["sve", "vector", "v8", "vh2", "a64fx"] {
            assert!(!is_not_hardware(name), "{name}");
        }
    }

    #[test]
    fn every_models_features_can_be_told() {
        let told = features(ALL, [!0; 3]);
        for model in &MODELS {
            let untold = model.features().difference(told);
            assert!(untold.is_empty(), "{}: {untold:?}", model.name());
        }
    }
}
