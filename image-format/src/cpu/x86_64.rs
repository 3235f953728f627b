//! x86-64: features by LLVM's names and where CPUID tells them.
//!
//! Sources: Intel SDM volume 2 (CPUID) and volume 1 chapters 13 and 14 (XCR0 and what must be checked
//! before AVX, AVX-512 and AMX are used), AMD APM volume 3 appendix E.

use super::table;
use super::x86_64_models::MODELS;
use crate::feature::{FeatureId, FeatureSet};

/// A CPUID leaf and sub-leaf.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Leaf {
    pub leaf: u32,
    pub sub: u32,
}

impl Leaf {
    pub const fn new(leaf: u32, sub: u32) -> Leaf {
        Leaf { leaf, sub }
    }
}

/// Where in a leaf's answer a feature's bit is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Register {
    Eax,
    Ebx,
    Ecx,
    Edx,
    /// EBX bits 7:0 are a version; the feature is there from version `bit` on.
    Avx10Version,
}

/// The register state that the kernel must have enabled in XCR0 before a feature may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// None: general registers and XMM, which every 64-bit kernel saves.
    Base,
    Avx,
    Avx512,
    Amx,
    AmxAvx512,
    Apx,
}

impl State {
    pub const fn xcr0(self) -> u64 {
        match self {
            State::Base => 0,
            State::Avx => 0x6,
            State::Avx512 => 0xe6,
            State::Amx => 0x6_0000,
            State::AmxAvx512 => 0x6_00e6,
            State::Apx => 0x8_0000,
        }
    }
}

/// How a feature is probed.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    pub leaf: Leaf,
    pub register: Register,
    pub bit: u8,
    pub state: State,
}

/// A feature: LLVM's name and how it is probed.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    pub name: &'static str,
    pub probe: Probe,
}

const fn f(name: &'static str, leaf: Leaf, register: Register, bit: u8, state: State) -> Feature {
    Feature { name, probe: Probe { leaf, register, bit, state } }
}

/// All features; the position is the [`FeatureId`]. **Append only**: ids are in images.
#[rustfmt::skip]
pub const FEATURES: [Feature; COUNT] = [
    f("x87", Leaf::new(0x1, 0), Register::Edx, 0, State::Base),
    f("cx8", Leaf::new(0x1, 0), Register::Edx, 8, State::Base),
    f("cmov", Leaf::new(0x1, 0), Register::Edx, 15, State::Base),
    f("mmx", Leaf::new(0x1, 0), Register::Edx, 23, State::Base),
    f("fxsr", Leaf::new(0x1, 0), Register::Edx, 24, State::Base),
    f("sse", Leaf::new(0x1, 0), Register::Edx, 25, State::Base),
    f("sse2", Leaf::new(0x1, 0), Register::Edx, 26, State::Base),
    f("sse3", Leaf::new(0x1, 0), Register::Ecx, 0, State::Base),
    f("pclmul", Leaf::new(0x1, 0), Register::Ecx, 1, State::Base),
    f("ssse3", Leaf::new(0x1, 0), Register::Ecx, 9, State::Base),
    f("fma", Leaf::new(0x1, 0), Register::Ecx, 12, State::Avx),
    f("cx16", Leaf::new(0x1, 0), Register::Ecx, 13, State::Base),
    f("sse4.1", Leaf::new(0x1, 0), Register::Ecx, 19, State::Base),
    f("sse4.2", Leaf::new(0x1, 0), Register::Ecx, 20, State::Base),
    f("crc32", Leaf::new(0x1, 0), Register::Ecx, 20, State::Base),
    f("movbe", Leaf::new(0x1, 0), Register::Ecx, 22, State::Base),
    f("popcnt", Leaf::new(0x1, 0), Register::Ecx, 23, State::Base),
    f("aes", Leaf::new(0x1, 0), Register::Ecx, 25, State::Base),
    f("xsave", Leaf::new(0x1, 0), Register::Ecx, 26, State::Base),
    f("avx", Leaf::new(0x1, 0), Register::Ecx, 28, State::Avx),
    f("f16c", Leaf::new(0x1, 0), Register::Ecx, 29, State::Avx),
    f("rdrnd", Leaf::new(0x1, 0), Register::Ecx, 30, State::Base),
    f("fsgsbase", Leaf::new(0x7, 0), Register::Ebx, 0, State::Base),
    f("sgx", Leaf::new(0x7, 0), Register::Ebx, 2, State::Base),
    f("bmi", Leaf::new(0x7, 0), Register::Ebx, 3, State::Base),
    f("avx2", Leaf::new(0x7, 0), Register::Ebx, 5, State::Avx),
    f("bmi2", Leaf::new(0x7, 0), Register::Ebx, 8, State::Base),
    f("invpcid", Leaf::new(0x7, 0), Register::Ebx, 10, State::Base),
    f("rtm", Leaf::new(0x7, 0), Register::Ebx, 11, State::Base),
    f("avx512f", Leaf::new(0x7, 0), Register::Ebx, 16, State::Avx512),
    f("avx512dq", Leaf::new(0x7, 0), Register::Ebx, 17, State::Avx512),
    f("rdseed", Leaf::new(0x7, 0), Register::Ebx, 18, State::Base),
    f("adx", Leaf::new(0x7, 0), Register::Ebx, 19, State::Base),
    f("avx512ifma", Leaf::new(0x7, 0), Register::Ebx, 21, State::Avx512),
    f("clflushopt", Leaf::new(0x7, 0), Register::Ebx, 23, State::Base),
    f("clwb", Leaf::new(0x7, 0), Register::Ebx, 24, State::Base),
    f("avx512cd", Leaf::new(0x7, 0), Register::Ebx, 28, State::Avx512),
    f("sha", Leaf::new(0x7, 0), Register::Ebx, 29, State::Base),
    f("avx512bw", Leaf::new(0x7, 0), Register::Ebx, 30, State::Avx512),
    f("avx512vl", Leaf::new(0x7, 0), Register::Ebx, 31, State::Avx512),
    f("avx512vbmi", Leaf::new(0x7, 0), Register::Ecx, 1, State::Avx512),
    f("pku", Leaf::new(0x7, 0), Register::Ecx, 4, State::Base),
    f("waitpkg", Leaf::new(0x7, 0), Register::Ecx, 5, State::Base),
    f("avx512vbmi2", Leaf::new(0x7, 0), Register::Ecx, 6, State::Avx512),
    f("shstk", Leaf::new(0x7, 0), Register::Ecx, 7, State::Base),
    f("gfni", Leaf::new(0x7, 0), Register::Ecx, 8, State::Base),
    f("vaes", Leaf::new(0x7, 0), Register::Ecx, 9, State::Avx),
    f("vpclmulqdq", Leaf::new(0x7, 0), Register::Ecx, 10, State::Avx),
    f("avx512vnni", Leaf::new(0x7, 0), Register::Ecx, 11, State::Avx512),
    f("avx512bitalg", Leaf::new(0x7, 0), Register::Ecx, 12, State::Avx512),
    f("avx512vpopcntdq", Leaf::new(0x7, 0), Register::Ecx, 14, State::Avx512),
    f("rdpid", Leaf::new(0x7, 0), Register::Ecx, 22, State::Base),
    f("kl", Leaf::new(0x7, 0), Register::Ecx, 23, State::Base),
    f("cldemote", Leaf::new(0x7, 0), Register::Ecx, 25, State::Base),
    f("movdiri", Leaf::new(0x7, 0), Register::Ecx, 27, State::Base),
    f("movdir64b", Leaf::new(0x7, 0), Register::Ecx, 28, State::Base),
    f("enqcmd", Leaf::new(0x7, 0), Register::Ecx, 29, State::Base),
    f("avx5124vnniw", Leaf::new(0x7, 0), Register::Edx, 2, State::Avx512),
    f("avx5124fmaps", Leaf::new(0x7, 0), Register::Edx, 3, State::Avx512),
    f("uintr", Leaf::new(0x7, 0), Register::Edx, 5, State::Base),
    f("avx512vp2intersect", Leaf::new(0x7, 0), Register::Edx, 8, State::Avx512),
    f("serialize", Leaf::new(0x7, 0), Register::Edx, 14, State::Base),
    f("tsxldtrk", Leaf::new(0x7, 0), Register::Edx, 16, State::Base),
    f("pconfig", Leaf::new(0x7, 0), Register::Edx, 18, State::Base),
    f("amx-bf16", Leaf::new(0x7, 0), Register::Edx, 22, State::Amx),
    f("avx512fp16", Leaf::new(0x7, 0), Register::Edx, 23, State::Avx512),
    f("amx-tile", Leaf::new(0x7, 0), Register::Edx, 24, State::Amx),
    f("amx-int8", Leaf::new(0x7, 0), Register::Edx, 25, State::Amx),
    f("sha512", Leaf::new(0x7, 1), Register::Eax, 0, State::Avx),
    f("sm3", Leaf::new(0x7, 1), Register::Eax, 1, State::Avx),
    f("sm4", Leaf::new(0x7, 1), Register::Eax, 2, State::Avx),
    f("raoint", Leaf::new(0x7, 1), Register::Eax, 3, State::Base),
    f("avxvnni", Leaf::new(0x7, 1), Register::Eax, 4, State::Avx),
    f("avx512bf16", Leaf::new(0x7, 1), Register::Eax, 5, State::Avx512),
    f("cmpccxadd", Leaf::new(0x7, 1), Register::Eax, 7, State::Base),
    f("amx-fp16", Leaf::new(0x7, 1), Register::Eax, 21, State::Amx),
    f("hreset", Leaf::new(0x7, 1), Register::Eax, 22, State::Base),
    f("avxifma", Leaf::new(0x7, 1), Register::Eax, 23, State::Avx),
    f("movrs", Leaf::new(0x7, 1), Register::Eax, 31, State::Base),
    f("avxvnniint8", Leaf::new(0x7, 1), Register::Edx, 4, State::Avx),
    f("avxneconvert", Leaf::new(0x7, 1), Register::Edx, 5, State::Avx),
    f("amx-complex", Leaf::new(0x7, 1), Register::Edx, 8, State::Amx),
    f("avxvnniint16", Leaf::new(0x7, 1), Register::Edx, 10, State::Avx),
    f("prefetchi", Leaf::new(0x7, 1), Register::Edx, 14, State::Base),
    f("usermsr", Leaf::new(0x7, 1), Register::Edx, 15, State::Base),
    f("avx10.1", Leaf::new(0x7, 1), Register::Edx, 19, State::Avx512),
    f("apxf", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("xsaveopt", Leaf::new(0xd, 1), Register::Eax, 0, State::Base),
    f("xsavec", Leaf::new(0xd, 1), Register::Eax, 1, State::Base),
    f("xsaves", Leaf::new(0xd, 1), Register::Eax, 3, State::Base),
    f("ptwrite", Leaf::new(0x14, 0), Register::Ebx, 4, State::Base),
    f("widekl", Leaf::new(0x19, 0), Register::Ebx, 2, State::Base),
    f("amx-fp8", Leaf::new(0x1e, 1), Register::Eax, 4, State::Amx),
    f("amx-tf32", Leaf::new(0x1e, 1), Register::Eax, 6, State::Amx),
    f("amx-avx512", Leaf::new(0x1e, 1), Register::Eax, 7, State::AmxAvx512),
    f("amx-movrs", Leaf::new(0x1e, 1), Register::Eax, 8, State::Amx),
    f("sahf", Leaf::new(0x80000001, 0), Register::Ecx, 0, State::Base),
    f("lzcnt", Leaf::new(0x80000001, 0), Register::Ecx, 5, State::Base),
    f("sse4a", Leaf::new(0x80000001, 0), Register::Ecx, 6, State::Base),
    f("prfchw", Leaf::new(0x80000001, 0), Register::Ecx, 8, State::Base),
    f("xop", Leaf::new(0x80000001, 0), Register::Ecx, 11, State::Avx),
    f("lwp", Leaf::new(0x80000001, 0), Register::Ecx, 15, State::Base),
    f("fma4", Leaf::new(0x80000001, 0), Register::Ecx, 16, State::Avx),
    f("tbm", Leaf::new(0x80000001, 0), Register::Ecx, 21, State::Base),
    f("mwaitx", Leaf::new(0x80000001, 0), Register::Ecx, 29, State::Base),
    f("64bit", Leaf::new(0x80000001, 0), Register::Edx, 29, State::Base),
    f("clzero", Leaf::new(0x80000008, 0), Register::Ebx, 0, State::Base),
    f("rdpru", Leaf::new(0x80000008, 0), Register::Ebx, 4, State::Base),
    f("wbnoinvd", Leaf::new(0x80000008, 0), Register::Ebx, 9, State::Base),
    // AVX10.2 is a version number in leaf 0x24, not a bit: see `Register::Avx10Version`.
    f("avx10.2", Leaf::new(0x24, 0), Register::Avx10Version, 2, State::Avx512),
    // The parts of APX that CPUID does not tell apart.
    f("egpr", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("push2pop2", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("ppx", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("ndd", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("ccmp", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("nf", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("cf", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
    f("zu", Leaf::new(0x7, 1), Register::Edx, 21, State::Apx),
];

const COUNT: usize = 118;

/// [`FEATURES`] without the names: no pointer, hence no relocation in the embedded shim.
pub static PROBES: [Probe; COUNT] = {
    let mut probes = [FEATURES[0].probe; COUNT];
    let mut i = 0;
    while i < COUNT {
        probes[i] = FEATURES[i].probe;
        i += 1;
    }
    probes
};

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

/// LLVM's name of a feature in bytes, for code that carries no text decoding and no relocations.
pub fn feature_name_bytes(id: FeatureId) -> Option<&'static [u8]> {
    table::name_bytes(&PADDED_NAMES, id)
}

/// Rejected for these alone, caches were thrown away on CPUs that could have run the code.
pub const NEVER_REJECTS: FeatureSet =
    named(&["rdrnd", "rdseed", "rtm", "xsave", "xsavec", "xsaveopt", "xsaves"]);

/// Listed by LLVM among features, but nothing that hardware has or lacks.
pub const NOT_HARDWARE: &[&str] = &[
    "evex512",
    "vzeroupper",
    "retpoline",
    "retpoline-external-thunk",
    "retpoline-indirect-branches",
    "retpoline-indirect-calls",
    "lvi-cfi",
    "lvi-load-hardening",
    "harden-sls-ret",
    "harden-sls-ijmp",
    "prefer-no-gather",
    "prefer-no-scatter",
    "prefer-128-bit",
    "prefer-256-bit",
    "branch-hint",
    "idivq-to-divl",
    "fast-gather",
    "soft-float",
    "ssbd",
];

pub fn feature(name: &str) -> Option<FeatureId> {
    FEATURES.iter().position(|f| f.name == name).map(|i| FeatureId(i as u8))
}

const fn named(names: &[&str]) -> FeatureSet {
    table::set(&NAMES, names)
}

const AVX512F: FeatureSet = named(&["avx512f"]);
const AVX: FeatureSet = named(&["avx"]);

pub fn vector_bits(features: FeatureSet) -> u32 {
    if AVX512F.is_subset(features) {
        512
    } else if AVX.is_subset(features) {
        256
    } else {
        128
    }
}

/// Julia's names for CPU models that LLVM calls otherwise (julia-protocol, section 1), and `generic`, each with LLVM's after it.
static ALIASES: [[u8; table::NAME_SIZE]; 18] = table::padded(&[
    "generic",
    "x86-64",
    "atom",
    "bonnell",
    "slm",
    "silvermont",
    "glm",
    "goldmont",
    "corei7",
    "nehalem",
    "corei7-avx",
    "sandybridge",
    "core-avx-i",
    "ivybridge",
    "core-avx2",
    "haswell",
    "skx",
    "skylake-avx512",
]);

/// What every CPU with 64-bit mode has. LLVM's lists of AMD's models leave `cmov` out, which 64-bit mode
/// implies there.
const EVERY_64_BIT: FeatureSet = named(&["x87", "cx8", "cmov", "mmx", "fxsr", "sse", "sse2"]);

pub fn model(name: &str) -> Option<FeatureSet> {
    model_by_bytes(name.as_bytes())
}

/// As [`model`], without text decoding.
pub fn model_by_bytes(name: &[u8]) -> Option<FeatureSet> {
    let name = canonical_model(name);
    MODELS.iter().find(|m| m.is(name)).map(|m| m.features().union(EVERY_64_BIT))
}

/// LLVM's name for a model given by Julia's alias; any other name unchanged.
pub fn canonical_model(name: &[u8]) -> &[u8] {
    let mut pairs = ALIASES.as_chunks().0.iter();
    let known =
        pairs.find_map(|[alias, model]| (table::name_in(alias) == name).then(|| table::name_in(model)));
    known.unwrap_or(name)
}
