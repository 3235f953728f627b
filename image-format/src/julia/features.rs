//! How Julia numbers CPU features: by LLVM's names, as facts of its releases.
//!
//! R has a table of its own, in which a number is a CPUID register's (or HWCAP's) number times 32 plus the
//! bit. M takes the order of LLVM's table, so that a number means something for one LLVM only, and nothing
//! in an image tells which: [`Numbering::fits`] is a check by what every CPU has.

use super::Dialect;
use super::targets::Target;
use crate::cpu::Arch;
use crate::feature::FeatureSet;

/// A dialect's numbers for one architecture.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    /// Name and bit, ascending.
    bits: &'static [(&'static str, u16)],
    words: usize,
    /// What every CPU has, where that tells one LLVM from another.
    always: &'static [&'static str],
}

impl Numbering {
    pub fn julia_r(arch: Arch) -> Numbering {
        match arch {
            Arch::X86_64 => Numbering { bits: R_X86_64, words: 11, always: &[] },
            Arch::Aarch64 => Numbering { bits: R_AARCH64, words: 3, always: &[] },
        }
    }

    /// `None` where this release does not know the numbers.
    pub fn of(dialect: Dialect, arch: Arch) -> Option<Numbering> {
        match (dialect, arch) {
            (Dialect::R, arch) => Some(Self::julia_r(arch)),
            (Dialect::M, Arch::X86_64) => {
                Some(Numbering { bits: M_X86_64, words: 8, always: &["cx8", "64bit", "x87"] })
            }
            (Dialect::M, Arch::Aarch64) => None,
        }
    }

    /// Words of 32 bits in a set.
    pub fn words(self) -> usize {
        self.words
    }

    /// Whether the target's features can have been numbered so.
    pub fn fits(self, target: &Target) -> bool {
        let known = |bit: usize| self.name(bit).is_some();
        target.enabled.len() == self.words
            && (0..32 * self.words).all(|bit| known(bit) || !target.enables(bit))
            && self.always.iter().all(|name| self.bit(name).is_some_and(|bit| target.enables(bit)))
    }

    pub fn bit(self, name: &str) -> Option<usize> {
        self.bits.iter().find(|(known, _)| *known == name).map(|(_, bit)| usize::from(*bit))
    }

    pub fn name(self, bit: usize) -> Option<&'static str> {
        self.bits.iter().find(|(_, known)| usize::from(*known) == bit).map(|(name, _)| *name)
    }

    /// All names, in the order of their numbers.
    pub fn all(self) -> impl Iterator<Item = &'static str> {
        self.bits.iter().map(|(name, _)| *name)
    }

    /// The names of a target's enabled features, in the order of their numbers.
    pub fn names(self, target: &Target) -> impl Iterator<Item = &'static str> {
        self.bits.iter().filter(|(_, bit)| target.enables(usize::from(*bit))).map(|(name, _)| *name)
    }

    /// A set with these features; names that have no number are left out.
    pub fn set<'a>(self, names: impl Iterator<Item = &'a str>) -> Vec<u32> {
        let mut words = vec![0; self.words];
        for bit in names.filter_map(|name| self.bit(name)) {
            words[bit / 32] |= 1 << (bit % 32);
        }
        words
    }
}

/// Whether a CPU with `features` has what Julia calls `name`. Names that this release does not probe are
/// parts of others, are on every CPU that code is compiled for, or are counted as missing.
pub fn host_has(arch: Arch, features: FeatureSet, name: &str) -> bool {
    let has = |name| arch.feature(name).is_some_and(|id| features.contains(id));
    match (arch, name) {
        (Arch::X86_64, "64bit" | "nopl" | "ermsb" | "fsrm") => true,
        (Arch::X86_64, "evex512") => has("avx512f"),
        (Arch::X86_64, "egpr" | "ndd" | "nf" | "ppx" | "push2pop2" | "ccmp" | "cf" | "zu") => has("apxf"),
        _ => has(name),
    }
}

/// Size in bytes of the largest vector register of a target with these features, as Julia counts.
pub fn vector_bytes(rules: Dialect, arch: Arch, names: &[&str]) -> u32 {
    let has = |name: &str| names.contains(&name);
    match arch {
        Arch::X86_64 if has("avx512f") => 64,
        Arch::X86_64 if has("avx") => 32,
        Arch::Aarch64 if rules == Dialect::M && has("sve") => 256,
        Arch::X86_64 | Arch::Aarch64 => 16,
    }
}

/// Julia 1.9 to 1.13, x86.
#[rustfmt::skip]
const R_X86_64: &[(&str, u16)] = &[
    // CPUID 1: ECX
    ("sse3", 0), ("pclmul", 1), ("ssse3", 9), ("fma", 12), ("cx16", 13), ("sse4.1", 19), ("sse4.2", 20),
    ("movbe", 22), ("popcnt", 23), ("aes", 25), ("xsave", 26), ("avx", 28), ("f16c", 29), ("rdrnd", 30),
    // CPUID 7, 0: EBX
    ("fsgsbase", 64), ("bmi", 67), ("avx2", 69), ("bmi2", 72), ("rtm", 75), ("avx512f", 80), ("avx512dq", 81),
    ("rdseed", 82), ("adx", 83), ("avx512ifma", 85), ("clflushopt", 87), ("clwb", 88), ("avx512pf", 90),
    ("avx512er", 91), ("avx512cd", 92), ("sha", 93), ("avx512bw", 94), ("avx512vl", 95),
    // CPUID 7, 0: ECX
    ("prefetchwt1", 96), ("avx512vbmi", 97), ("pku", 100), ("waitpkg", 101), ("avx512vbmi2", 102), ("shstk", 103),
    ("gfni", 104), ("vaes", 105), ("vpclmulqdq", 106), ("avx512vnni", 107), ("avx512bitalg", 108),
    ("avx512vpopcntdq", 110), ("rdpid", 118), ("cldemote", 121), ("movdiri", 123), ("movdir64b", 124),
    ("enqcmd", 125),
    // CPUID 7, 0: EDX
    ("uintr", 133), ("avx512vp2intersect", 136), ("serialize", 142), ("tsxldtrk", 144), ("pconfig", 146),
    ("amx-bf16", 150), ("avx512fp16", 151), ("amx-tile", 152), ("amx-int8", 153),
    // CPUID 0x80000001: ECX
    ("sahf", 160), ("lzcnt", 165), ("sse4a", 166), ("prfchw", 168), ("xop", 171), ("lwp", 175), ("fma4", 176),
    ("tbm", 181), ("mwaitx", 189),
    // CPUID 0xd, 1: EAX
    ("xsaveopt", 224), ("xsavec", 225), ("xsaves", 227),
    // CPUID 0x80000008: EBX
    ("clzero", 256), ("wbnoinvd", 265),
    // CPUID 7, 1: EAX
    ("avxvnni", 292), ("avx512bf16", 293),
    // CPUID 0x14, 0: EBX
    ("ptwrite", 324),
];

/// Julia 1.9 to 1.13, aarch64: HWCAP, HWCAP2, architecture versions.
#[rustfmt::skip]
const R_AARCH64: &[(&str, u16)] = &[
    ("aes", 4), ("sha2", 6), ("crc", 7), ("lse", 8), ("fullfp16", 9), ("rdm", 12), ("jsconv", 13),
    ("complxnum", 14), ("rcpc", 15), ("ccpp", 16), ("sha3", 17), ("sm4", 19), ("dotprod", 20), ("sve", 22),
    ("fp16fml", 23), ("dit", 24), ("rcpc-immo", 26), ("flagm", 27), ("ssbs", 28), ("sb", 29), ("pauth", 30),
    ("ccdp", 32), ("sve2", 33), ("sve2-aes", 35), ("sve2-bitperm", 36), ("sve2-sha3", 37), ("sve2-sm4", 38),
    ("altnzcv", 39), ("fptoint", 40), ("f32mm", 42), ("f64mm", 43), ("i8mm", 45), ("bf16", 46), ("rand", 48),
    ("bti", 49), ("mte", 50), ("v8.1a", 64), ("v8.2a", 65), ("v8.3a", 66), ("v8.4a", 67), ("v8.5a", 68), ("v8.6a", 69),
];

/// The master of 2026, x86: the order of LLVM 20's table, without what asks nothing of the hardware.
#[rustfmt::skip]
const M_X86_64: &[(&str, u16)] = &[
    ("adx", 0), ("aes", 1), ("amx-avx512", 2), ("amx-bf16", 3), ("amx-complex", 4), ("amx-fp8", 5),
    ("amx-fp16", 6), ("amx-int8", 7), ("amx-movrs", 8), ("amx-tf32", 9), ("amx-tile", 10), ("amx-transpose", 11),
    ("avx", 12), ("avx2", 13), ("avx10.1-256", 14), ("avx10.1-512", 15), ("avx10.2-256", 16), ("avx10.2-512", 17),
    ("avx512f", 18), ("avxifma", 19), ("avxneconvert", 20), ("avxvnni", 21), ("avxvnniint8", 22),
    ("avxvnniint16", 23), ("avx512bf16", 24), ("avx512bitalg", 25), ("bmi", 26), ("bmi2", 27), ("avx512bw", 28),
    ("ccmp", 29), ("avx512cd", 30), ("cf", 31), ("cldemote", 32), ("clflushopt", 33), ("clwb", 34), ("clzero", 35),
    ("cmov", 36), ("cmpccxadd", 37), ("crc32", 38), ("cx8", 39), ("cx16", 40), ("avx512dq", 41), ("egpr", 42),
    ("enqcmd", 43), ("ermsb", 44), ("evex512", 45), ("f16c", 46), ("fma", 47), ("fma4", 48), ("avx512fp16", 49),
    ("fsgsbase", 50), ("fsrm", 51), ("fxsr", 52), ("gfni", 53), ("hreset", 54), ("avx512ifma", 57), ("invpcid", 58),
    ("kl", 59), ("sahf", 60), ("lwp", 63), ("lzcnt", 64), ("mmx", 65), ("movbe", 66), ("movdir64b", 67),
    ("movdiri", 68), ("movrs", 69), ("mwaitx", 70), ("ndd", 71), ("nf", 72), ("nopl", 73), ("pclmul", 74),
    ("pconfig", 75), ("pku", 76), ("popcnt", 77), ("ppx", 78), ("prefetchi", 79), ("prfchw", 80), ("ptwrite", 81),
    ("push2pop2", 82), ("raoint", 83), ("rdpid", 84), ("rdpru", 85), ("rdrnd", 86), ("rdseed", 87), ("rtm", 88),
    ("serialize", 93), ("sgx", 94), ("sha", 95), ("sha512", 96), ("shstk", 97), ("sm3", 98), ("sm4", 99),
    ("sse", 100), ("sse2", 101), ("sse3", 102), ("sse4a", 103), ("sse4.1", 104), ("sse4.2", 105), ("ssse3", 107),
    ("tbm", 110), ("tsxldtrk", 111), ("uintr", 113), ("usermsr", 114), ("vaes", 116), ("avx512vbmi", 117),
    ("avx512vbmi2", 118), ("avx512vl", 119), ("avx512vnni", 120), ("avx512vp2intersect", 121), ("vpclmulqdq", 122),
    ("avx512vpopcntdq", 123), ("waitpkg", 124), ("wbnoinvd", 125), ("widekl", 126), ("64bit", 127), ("x87", 128),
    ("xop", 129), ("xsave", 130), ("xsavec", 131), ("xsaveopt", 132), ("xsaves", 133), ("zu", 134),
];

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(Dialect, Arch); 3] =
        [(Dialect::R, Arch::X86_64), (Dialect::R, Arch::Aarch64), (Dialect::M, Arch::X86_64)];

    #[test]
    fn numbers_ascend_and_names_are_unique() {
        for (dialect, arch) in ALL {
            let numbering = Numbering::of(dialect, arch).unwrap();
            assert!(numbering.bits.windows(2).all(|pair| pair[0].1 < pair[1].1), "{dialect:?} {arch:?}");
            let names: std::collections::HashSet<_> = numbering.bits.iter().map(|(name, _)| name).collect();
            assert_eq!(names.len(), numbering.bits.len());
            assert!(numbering.bits.iter().all(|(_, bit)| usize::from(*bit) < 32 * numbering.words));
        }
    }

    /// R's numbers follow CPUID, and so does our table, with other names for the registers.
    #[test]
    fn cpuid_agrees_with_r() {
        use crate::cpu::x86_64::{FEATURES, Leaf, Register};
        let blocks = [
            (0, Leaf::new(1, 0), Register::Ecx),
            (2, Leaf::new(7, 0), Register::Ebx),
            (3, Leaf::new(7, 0), Register::Ecx),
            (4, Leaf::new(7, 0), Register::Edx),
            (5, Leaf::new(0x8000_0001, 0), Register::Ecx),
            (7, Leaf::new(0xd, 1), Register::Eax),
            (8, Leaf::new(0x8000_0008, 0), Register::Ebx),
            (9, Leaf::new(7, 1), Register::Eax),
            (10, Leaf::new(0x14, 0), Register::Ebx),
        ];
        let mut compared = 0;
        for (name, bit) in R_X86_64 {
            let Some(feature) = FEATURES.iter().find(|feature| feature.name == *name) else { continue };
            let (_, leaf, register) = blocks.iter().find(|(block, ..)| *block == bit / 32).unwrap();
            assert_eq!((feature.probe.leaf, feature.probe.register), (*leaf, *register), "{name}");
            assert_eq!(u16::from(feature.probe.bit), bit % 32, "{name}");
            compared += 1;
        }
        assert!(compared > 60, "{compared}");
    }

    /// The features of `haswell` in LLVM 20's table, as the words that stand there.
    #[test]
    fn m_is_the_order_of_llvm_20() {
        let words: [u64; 4] = [0x1414_d1d0_0c00_3000, 0x8000_0b70_0040_2607, 0x15, 0];
        let enabled = words.iter().flat_map(|w| [*w as u32, (*w >> 32) as u32]).collect();
        let target = Target { enabled, ..Target::default() };
        let numbering = Numbering::of(Dialect::M, Arch::X86_64).unwrap();
        assert!(numbering.fits(&target));
        let haswell = Arch::X86_64.model("haswell").unwrap();
        let known = numbering.names(&target).filter_map(|name| Some((name, Arch::X86_64.feature(name)?)));
        let known: Vec<_> = known.collect();
        assert!(known.len() > 25, "{known:?}");
        for (name, id) in known {
            // Our models leave it out: an x86-64 CPU has it.
            assert!(haswell.contains(id) || name == "64bit", "{name}");
        }
        let mut other = target.clone();
        other.enabled[3] = 0;
        assert!(!numbering.fits(&other), "no 64bit: another LLVM's order");
    }
}
