//! x86-64: which CPU features the instructions of a piece of code need, and where it leads.

use super::{Decoded, FeatureReader};
use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, Instruction};
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use std::sync::LazyLock;

/// The decoder's names and the features that an instruction under them needs, by LLVM's names. CRC32 is a part
/// of SSE4.2 to the decoder and a feature of its own to LLVM, told by the same bit.
const NAMES: [(CpuidFeature, &[&str]); 102] = [
    (CpuidFeature::ADX, &["adx"]),
    (CpuidFeature::AES, &["aes"]),
    (CpuidFeature::AESKLE, &["kl"]),
    (CpuidFeature::AMX_BF16, &["amx-bf16"]),
    (CpuidFeature::AMX_COMPLEX, &["amx-complex"]),
    (CpuidFeature::AMX_FP16, &["amx-fp16"]),
    (CpuidFeature::AMX_INT8, &["amx-int8"]),
    (CpuidFeature::AMX_TILE, &["amx-tile"]),
    (CpuidFeature::AVX, &["avx"]),
    (CpuidFeature::AVX2, &["avx2"]),
    (CpuidFeature::AVX512_4FMAPS, &["avx5124fmaps"]),
    (CpuidFeature::AVX512_4VNNIW, &["avx5124vnniw"]),
    (CpuidFeature::AVX512_BF16, &["avx512bf16"]),
    (CpuidFeature::AVX512_BITALG, &["avx512bitalg"]),
    (CpuidFeature::AVX512_FP16, &["avx512fp16"]),
    (CpuidFeature::AVX512_IFMA, &["avx512ifma"]),
    (CpuidFeature::AVX512_VBMI, &["avx512vbmi"]),
    (CpuidFeature::AVX512_VBMI2, &["avx512vbmi2"]),
    (CpuidFeature::AVX512_VNNI, &["avx512vnni"]),
    (CpuidFeature::AVX512_VP2INTERSECT, &["avx512vp2intersect"]),
    (CpuidFeature::AVX512_VPOPCNTDQ, &["avx512vpopcntdq"]),
    (CpuidFeature::AVX512BW, &["avx512bw"]),
    (CpuidFeature::AVX512CD, &["avx512cd"]),
    (CpuidFeature::AVX512DQ, &["avx512dq"]),
    (CpuidFeature::AVX512F, &["avx512f"]),
    (CpuidFeature::AVX512VL, &["avx512vl"]),
    (CpuidFeature::AVX_IFMA, &["avxifma"]),
    (CpuidFeature::AVX_NE_CONVERT, &["avxneconvert"]),
    (CpuidFeature::AVX_VNNI, &["avxvnni"]),
    (CpuidFeature::AVX_VNNI_INT16, &["avxvnniint16"]),
    (CpuidFeature::AVX_VNNI_INT8, &["avxvnniint8"]),
    (CpuidFeature::BMI1, &["bmi"]),
    (CpuidFeature::BMI2, &["bmi2"]),
    (CpuidFeature::CET_SS, &["shstk"]),
    (CpuidFeature::CLDEMOTE, &["cldemote"]),
    (CpuidFeature::CLFLUSHOPT, &["clflushopt"]),
    (CpuidFeature::CLWB, &["clwb"]),
    (CpuidFeature::CLZERO, &["clzero"]),
    (CpuidFeature::CMOV, &["cmov"]),
    (CpuidFeature::CMPCCXADD, &["cmpccxadd"]),
    (CpuidFeature::CMPXCHG16B, &["cx16"]),
    (CpuidFeature::CX8, &["cx8"]),
    (CpuidFeature::ENQCMD, &["enqcmd"]),
    (CpuidFeature::F16C, &["f16c"]),
    (CpuidFeature::FMA, &["fma"]),
    (CpuidFeature::FMA4, &["fma4"]),
    (CpuidFeature::FPU, &["x87"]),
    (CpuidFeature::FPU287, &["x87"]),
    (CpuidFeature::FPU387, &["x87"]),
    (CpuidFeature::FSGSBASE, &["fsgsbase"]),
    (CpuidFeature::FXSR, &["fxsr"]),
    (CpuidFeature::GFNI, &["gfni"]),
    (CpuidFeature::HLE_or_RTM, &["rtm"]),
    (CpuidFeature::HRESET, &["hreset"]),
    (CpuidFeature::INVPCID, &["invpcid"]),
    (CpuidFeature::KL, &["kl"]),
    (CpuidFeature::LWP, &["lwp"]),
    (CpuidFeature::LZCNT, &["lzcnt"]),
    (CpuidFeature::MMX, &["mmx"]),
    (CpuidFeature::MONITORX, &["mwaitx"]),
    (CpuidFeature::MOVBE, &["movbe"]),
    (CpuidFeature::MOVDIR64B, &["movdir64b"]),
    (CpuidFeature::MOVDIRI, &["movdiri"]),
    (CpuidFeature::PCLMULQDQ, &["pclmul"]),
    (CpuidFeature::PCONFIG, &["pconfig"]),
    (CpuidFeature::PKU, &["pku"]),
    (CpuidFeature::POPCNT, &["popcnt"]),
    (CpuidFeature::PREFETCHITI, &["prefetchi"]),
    (CpuidFeature::PREFETCHW, &["prfchw"]),
    (CpuidFeature::PTWRITE, &["ptwrite"]),
    (CpuidFeature::RAO_INT, &["raoint"]),
    (CpuidFeature::RDPID, &["rdpid"]),
    (CpuidFeature::RDPRU, &["rdpru"]),
    (CpuidFeature::RDRAND, &["rdrnd"]),
    (CpuidFeature::RDSEED, &["rdseed"]),
    (CpuidFeature::RTM, &["rtm"]),
    (CpuidFeature::SERIALIZE, &["serialize"]),
    (CpuidFeature::SGX1, &["sgx"]),
    (CpuidFeature::SHA, &["sha"]),
    (CpuidFeature::SHA512, &["sha512"]),
    (CpuidFeature::SM3, &["sm3"]),
    (CpuidFeature::SM4, &["sm4"]),
    (CpuidFeature::SSE, &["sse"]),
    (CpuidFeature::SSE2, &["sse2"]),
    (CpuidFeature::SSE3, &["sse3"]),
    (CpuidFeature::SSE4A, &["sse4a"]),
    (CpuidFeature::SSE4_1, &["sse4.1"]),
    (CpuidFeature::SSE4_2, &["sse4.2", "crc32"]),
    (CpuidFeature::SSSE3, &["ssse3"]),
    (CpuidFeature::TBM, &["tbm"]),
    (CpuidFeature::TSXLDTRK, &["tsxldtrk"]),
    (CpuidFeature::UINTR, &["uintr"]),
    (CpuidFeature::VAES, &["vaes"]),
    (CpuidFeature::VPCLMULQDQ, &["vpclmulqdq"]),
    (CpuidFeature::WAITPKG, &["waitpkg"]),
    (CpuidFeature::WBNOINVD, &["wbnoinvd"]),
    (CpuidFeature::WIDE_KL, &["widekl"]),
    (CpuidFeature::XOP, &["xop"]),
    (CpuidFeature::XSAVE, &["xsave"]),
    (CpuidFeature::XSAVEC, &["xsavec"]),
    (CpuidFeature::XSAVEOPT, &["xsaveopt"]),
    (CpuidFeature::XSAVES, &["xsaves"]),
];

/// Instructions that the decoder does not know, or encodings that it would take for others: code that was
/// compiled for one of these cannot be read.
const BEYOND_THE_DECODER: [&str; 16] = [
    "amx-avx512",
    "amx-fp8",
    "amx-movrs",
    "amx-tf32",
    "apxf",
    "avx10.2",
    "ccmp",
    "cf",
    "egpr",
    "movrs",
    "ndd",
    "nf",
    "ppx",
    "push2pop2",
    "usermsr",
    "zu",
];

/// No instruction needs them by themselves: every CPU here has 64-bit mode, and AVX10.1 is a name for
/// features that are told one by one.
#[cfg(test)]
const WITHOUT_INSTRUCTIONS: [&str; 2] = ["64bit", "avx10.1"];

fn set(names: &[&str]) -> FeatureSet {
    names.iter().filter_map(|name| Arch::X86_64.feature(name)).collect()
}

/// By the decoder's number.
static FEATURES: LazyLock<Vec<FeatureSet>> = LazyLock::new(|| {
    let of = |feature| {
        NAMES.iter().find(|(f, _)| *f == feature).map_or(FeatureSet::EMPTY, |(_, names)| set(names))
    };
    CpuidFeature::values().map(of).collect()
});

/// LAHF and SAHF were there before the feature that says so for 64-bit mode.
static SAHF: LazyLock<FeatureSet> = LazyLock::new(|| set(&["sahf"]));

pub fn reader() -> FeatureReader {
    FeatureReader { decode, unreadable: set(&BEYOND_THE_DECODER) }
}

/// What the instructions in `bytes`, which stand at `address`, need. They are read from the first to the last
/// byte: compilers put no data between instructions on x86-64. Where a branch inside of `bytes` leads
/// between two instructions as they were read, there is some all the same.
fn decode(bytes: &[u8], address: u64) -> Decoded {
    let end = address.wrapping_add(bytes.len() as u64);
    let inside = |target: u64| target >= address && target < end;
    let mut decoded = Decoded { is_understood: true, goes_on: true, ..Decoded::default() };
    let mut starts = Vec::new();
    let mut inner_targets = Vec::new();
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let mut instruction = Instruction::default();
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        decoded.is_understood &= !instruction.is_invalid();
        starts.push(instruction.ip());
        for feature in instruction.cpuid_features() {
            decoded.features = decoded.features.union(FEATURES[*feature as usize]);
        }
        if matches!(instruction.code(), Code::Lahf | Code::Sahf) {
            decoded.features = decoded.features.union(*SAHF);
        }
        match reference(&instruction) {
            Some(target) if !inside(target) => decoded.references.push(target),
            Some(target) if instruction.near_branch_target() != 0 => inner_targets.push(target),
            _ => {}
        }
    }
    decoded.is_understood &= inner_targets.iter().all(|target| starts.binary_search(target).is_ok());
    decoded.references.sort_unstable();
    decoded.references.dedup();
    decoded
}

/// The address that an instruction jumps to, calls or takes.
fn reference(instruction: &Instruction) -> Option<u64> {
    if instruction.is_ip_rel_memory_operand() {
        return Some(instruction.ip_rel_memory_address());
    }
    Some(instruction.near_branch_target()).filter(|target| *target != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_format::cpu::x86_64;
    use std::collections::BTreeSet;

    fn names(features: FeatureSet) -> Vec<&'static str> {
        features.iter().filter_map(|id| Arch::X86_64.feature_name(id)).collect()
    }

    fn features(bytes: &[u8]) -> Vec<&'static str> {
        let decoded = decode(bytes, 0x1000);
        assert!(decoded.is_understood);
        names(decoded.features)
    }

    /// A feature is told by its instructions, or by none, or makes code that cannot be read: a new one in the
    /// table needs a decision.
    #[test]
    fn every_feature_has_its_place() {
        let told = NAMES.iter().flat_map(|(_, names)| *names).copied().chain(["sahf"]);
        let told: BTreeSet<&str> = told.collect();
        let others = BEYOND_THE_DECODER.iter().chain(&WITHOUT_INSTRUCTIONS).copied();
        let mut all: Vec<&str> = told.into_iter().chain(others).collect();
        all.sort_unstable();
        let mut known: Vec<&str> = x86_64::FEATURES.iter().map(|f| f.name).collect();
        known.sort_unstable();
        assert_eq!(all, known);
    }

    /// What the decoder can name and no target declares: other modes of the CPU, other makers' and systems'
    /// instructions, and what runs as no operation where it is not there.
    #[test]
    fn the_decoders_other_names_are_no_targets_features() {
        let named: Vec<CpuidFeature> = NAMES.iter().map(|(f, _)| *f).collect();
        let other = CpuidFeature::values().filter(|f| !named.contains(f));
        let other: Vec<String> = other.map(|f| format!("{f:?}")).collect();
        let expected = "INTEL8086 INTEL8086_ONLY INTEL186 INTEL286 INTEL286_ONLY INTEL386 INTEL386_ONLY \
            INTEL386_A0_ONLY INTEL486 INTEL486_A_ONLY UMOV IA64 X64 AVX512ER AVX512PF CET_IBT CL1INVMB CLFSH CPUID \
            D3NOW D3NOWEXT OSS FPU287XL_ONLY FPU387SL_ONLY CYRIX_D3NOW HLE INVEPT INVVPID MCOMMIT MONITOR MPX MSR \
            MULTIBYTENOP PADLOCK_ACE PADLOCK_PHE PADLOCK_PMM PADLOCK_RNG PAUSE PCOMMIT PREFETCHWT1 RDPMC RDTSCP \
            SEP SKINIT SKINIT_or_SVM SMAP SMX SVM SEV_ES SYSCALL TSC VMX SEV_SNP INVLPGB CYRIX_FPU CYRIX_SMM \
            CYRIX_SMINT CYRIX_SMINT_0F7E CYRIX_SHR CYRIX_DDI CYRIX_EMMI CYRIX_DMI CENTAUR_AIS MOV_TR SMM TDX \
            PADLOCK_GMI FRED LKGS UDBG KNC PADLOCK_UNDOC RMPQUERY MSRLIST WRMSRNS TSE";
        assert_eq!(other.join(" "), expected.split_whitespace().collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn instructions_tell_their_features() {
        assert_eq!(features(&[0xc4, 0xe2, 0xf1, 0xb8, 0xc2]), ["fma"], "vfmadd231pd");
        assert_eq!(features(&[0xc5, 0xf5, 0xfe, 0xc2]), ["avx2"], "vpaddd %ymm");
        assert_eq!(features(&[0xc5, 0xf8, 0x58, 0xc0]), ["avx"], "vaddps %xmm");
        assert_eq!(features(&[0x62, 0xf1, 0x75, 0x28, 0xfe, 0xc2]), ["avx512f", "avx512vl"]);
        assert_eq!(features(&[0xf2, 0x48, 0x0f, 0x38, 0xf1, 0xc1]), ["sse4.2", "crc32"]);
        assert_eq!(features(&[0x9e, 0x9f]), ["sahf"]);
        assert_eq!(features(&[0xf3, 0x0f, 0x1e, 0xfa, 0xc3]), [""; 0], "endbr64, ret");
    }

    #[test]
    fn code_leads_on() {
        // call +0; jmp +16; lea 0x100(%rip); je back to the first byte.
        let code = [0xe8, 0, 0, 0, 0, 0xeb, 0x10, 0x48, 0x8d, 0x05, 0, 1, 0, 0, 0x74, 0xf0];
        let decoded = decode(&code, 0x1000);
        assert!(decoded.is_understood);
        assert_eq!(decoded.references, [0x1000 + 7 + 16, 0x1000 + 14 + 0x100]);
    }

    #[test]
    fn data_among_instructions_is_noticed() {
        assert!(!decode(&[0x06], 0).is_understood, "not an instruction in 64-bit mode");
        // A jump over two bytes that would swallow the four-byte instruction behind them.
        let code = [0xeb, 2, 0x48, 0xb8, 0xc5, 0xf5, 0xfe, 0xc2, 0x90, 0x90, 0x90, 0x90, 0xc3];
        assert!(!decode(&code, 0x1000).is_understood);
        // Cut short.
        assert!(!decode(&[0xe8, 0, 0], 0x1000).is_understood);
    }
}
