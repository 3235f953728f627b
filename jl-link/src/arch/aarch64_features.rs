//! aarch64: which CPU features the instructions of a piece of code need, and where it leads.

use super::aarch64::{Reach, page_of_adrp, sign_extend};
use super::aarch64_system;
use super::{Decoded, FeatureReader};
use disarm64::decoder;
use disarm64_defn::InsnFeatureSet;
use disarm64_defn::defn::InsnOpcode;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Code for one of these cannot be read. In its streaming mode SME runs instructions of SVE on CPUs without SVE,
/// so these do not tell which of the two they need; and the decoder does not know `pauth-lr`.
const BEYOND_THE_DECODER: [&str; 22] = [
    "pauth-lr",
    "sme",
    "sme-b16b16",
    "sme-f16f16",
    "sme-f64f64",
    "sme-f8f16",
    "sme-f8f32",
    "sme-fa64",
    "sme-i16i64",
    "sme-lutv2",
    "sme-mop4",
    "sme-tmop",
    "sme2",
    "sme2p1",
    "sme2p2",
    "sme2p3",
    "ssve-aes",
    "ssve-bitperm",
    "ssve-fexpa",
    "ssve-fp8dot2",
    "ssve-fp8dot4",
    "ssve-fp8fma",
];

/// What no instruction tells of: with `lse2` a plain load or store of a pair of registers is atomic, and the
/// compiler relies on that.
const SILENT: &str = "lse2";

/// The features that instructions under a name of the decoder need, by LLVM's names; `None` for what no target's
/// feature stands for: such code is taken for code that cannot be read.
fn needs(set: InsnFeatureSet) -> Option<&'static [&'static str]> {
    use InsnFeatureSet as F;
    Some(match set {
        F::V8 => &[],
        F::AES => &["aes"],
        F::BFLOAT16 => &["bf16"],
        F::BFLOAT16_SVE => &["bf16", "sve"],
        F::CMPBR => &["cmpbr"],
        F::COMPNUM => &["complxnum"],
        F::CPA => &["cpa"],
        F::CPA_SVE => &["cpa", "sve"],
        F::CRC => &["crc"],
        F::CSSC => &["cssc"],
        F::D128 => &["d128"],
        F::D128_THE => &["d128", "the"],
        F::DOTPROD => &["dotprod"],
        F::F16F32DOT => &["f16f32dot"],
        F::F16F32MM => &["f16f32mm"],
        F::F16MM => &["f16mm"],
        F::F32MM_SVE => &["f32mm", "sve"],
        F::F64MM_SVE => &["f64mm", "sve"],
        F::F8F16MM => &["f8f16mm"],
        F::F8F16MM_SVE2 => &["f8f16mm", "sve2"],
        F::F8F32MM => &["f8f32mm"],
        F::F8F32MM_SVE2 => &["f8f32mm", "sve2"],
        F::FAMINMAX => &["faminmax"],
        F::FAMINMAX_SVE2 => &["faminmax", "sve2"],
        F::FLAGM => &["flagm"],
        F::FLAGMANIP => &["altnzcv"],
        F::FP => &["fp-armv8"],
        F::FP8 => &["fp8"],
        F::FP8_SVE2 => &["fp8", "sve2"],
        F::FP8DOT2 => &["fp8dot2"],
        F::FP8DOT2_SVE => &["fp8dot2", "sve2"],
        F::FP8DOT4 => &["fp8dot4"],
        F::FP8DOT4_SVE => &["fp8dot4", "sve2"],
        F::FP8FMA => &["fp8fma"],
        F::FP8FMA_SVE => &["fp8fma", "sve2"],
        F::FP_16_V8_2A => &["fp16fml"],
        F::FP_F16 | F::SIMD_F16 => &["fullfp16"],
        F::FPRCVT => &["fprcvt"],
        F::FRINTTS => &["fptoint"],
        F::GCS => &["gcs"],
        F::HBC => &["hbc"],
        F::I8MM => &["i8mm"],
        F::I8MM_SVE => &["i8mm", "sve"],
        F::JSCVT => &["jsconv"],
        F::LS64 => &["ls64"],
        F::LSCP => &["lscp"],
        F::LSE => &["lse"],
        F::LSE128 => &["lse128"],
        F::LSFE => &["lsfe"],
        F::LSUI | F::LSUI_FP => &["lsui"],
        F::LUT => &["lut"],
        F::LUT_SVE2 => &["lut", "sve2"],
        F::MEMTAG => &["mte"],
        F::MOPS => &["mops"],
        F::MOPS_GO => &["mops-go"],
        F::MOPS_MEMTAG => &["mops", "mte"],
        F::PAUTH => &["pauth"],
        F::RCPC => &["rcpc"],
        F::RCPC2 => &["rcpc-immo"],
        F::RCPC3 => &["rcpc3"],
        F::RDMA => &["rdm"],
        F::SB => &["sb"],
        F::SHA2 => &["sha2"],
        F::SHA3 => &["sha3"],
        F::SIMD => &["neon"],
        F::SM4 => &["sm4"],
        F::SVE | F::SVE_SSVE_FEXPA | F::SVE_SME2P2 => &["sve"],
        F::SVE2 => &["sve2"],
        F::SVE2AES => &["sve-aes", "sve2"],
        F::SVE2BITPERM => &["sve-bitperm", "sve2"],
        F::SVE2P1 | F::SVE2P1_SME | F::SVE2P1_SME2 | F::SVE2P1_SME2P1 => &["sve2p1"],
        F::SVE2P2_SME2P2 => &["sve2p2"],
        F::SVE2P3 | F::SVE2P3_SME2P3 => &["sve2p3"],
        F::SVE2SHA3 => &["sve-sha3", "sve2"],
        F::SVE2SM4 => &["sve-sm4", "sve2"],
        F::SVE_AES2 => &["sve-aes2", "sve2"],
        F::SVE_B16B16_SVE2 => &["sve-b16b16", "sve2"],
        F::SVE_B16MM => &["sve-b16mm"],
        F::SVE_BFSCALE => &["sve-bfscale"],
        F::SVE_F16F32MM => &["sve-f16f32mm"],
        F::TEV => &["tev"],
        F::THE => &["the"],
        F::WFXT => &["wfxt"],
        // Whoever declares SME requires all that it declares; for others it is the program's own business.
        F::FAMINMAX_SME2
        | F::FP8_SME2
        | F::LUTV2_SME2
        | F::LUTV2_SME2P1
        | F::SME
        | F::SME2
        | F::SME2P1
        | F::SME2_F64F64
        | F::SME2_I16I64
        | F::SME2P2
        | F::SME2P3
        | F::SME_B16B16
        | F::SME_F16F16
        | F::SME_F16F16_F8F16
        | F::SME_F64F64
        | F::SME_F8F16
        | F::SME_F8F32
        | F::SME_I16I64
        | F::SME_MOP4
        | F::SME_MOP4_B16B16
        | F::SME_MOP4_F16F16
        | F::SME_MOP4_F64F64
        | F::SME_MOP4_F8F16
        | F::SME_MOP4_F8F32
        | F::SME_MOP4_I16I64
        | F::SME_TMOP
        | F::SME_TMOP_B16B16
        | F::SME_TMOP_F16F16
        | F::SME_TMOP_F8F16
        | F::SME_TMOP_F8F32
        | F::SVE_B16B16_SME2
        | F::SVE_BFSCALE_SME2 => &["sme"],
        // Not in LLVM's tables any more, other profiles of the architecture, and what is for systems only.
        F::BRBE
        | F::CHK
        | F::GCIE
        | F::ITE
        | F::LOR
        | F::MPAMV2
        | F::POE2
        | F::PREDRES
        | F::PREDRES2
        | F::D128_TLBID
        | F::TME
        | F::V8R
        | F::XS => return None,
    })
}

fn set(names: &[&str]) -> FeatureSet {
    names.iter().filter_map(|name| Arch::Aarch64.feature(name)).collect()
}

static SILENT_SET: LazyLock<FeatureSet> = LazyLock::new(|| set(&[SILENT]));

pub fn reader() -> FeatureReader {
    FeatureReader { decode, unreadable: set(&BEYOND_THE_DECODER) }
}

/// What an instruction needs; `None` for one that cannot be read.
fn features_of(word: u32) -> Option<&'static [&'static str]> {
    if aarch64_system::is_system(word) {
        return aarch64_system::needs(word);
    }
    let is_sve = word & 0x1e00_0000 == 0x0400_0000;
    let is_half = word >> 22 & 3 == 1;
    // The decoder's table has one name for all widths and both kinds of registers; LLVM asks for more.
    match decoder::decode(word)?.definition().feature_set {
        InsnFeatureSet::COMPNUM if is_half => Some(&["complxnum", "fullfp16"]),
        InsnFeatureSet::F16MM if is_sve => Some(&["f16mm", "sve2p2"]),
        set => needs(set),
    }
}

/// What the instructions in `bytes`, which stand at `address`, need. There is no data in them: that is told by
/// mapping symbols.
fn decode(bytes: &[u8], address: u64) -> Decoded {
    let end = address.wrapping_add(bytes.len() as u64);
    let inside = |target: &u64| *target >= address && *target < end;
    let (words, rest) = bytes.as_chunks::<4>();
    let mut decoded = Decoded { features: *SILENT_SET, is_understood: rest.is_empty(), ..Decoded::default() };
    // Few definitions make most of any code.
    let mut known: HashMap<&'static [&'static str], FeatureSet> = HashMap::new();
    for (place, word) in (address..).step_by(4).zip(words.iter().map(|word| u32::from_le_bytes(*word))) {
        match features_of(word) {
            Some([]) => {}
            Some(names) => {
                let features = known.entry(names).or_insert_with(|| set(names));
                decoded.features = decoded.features.union(*features);
            }
            None => decoded.is_understood = false,
        }
        decoded.references.extend(reference(word, place).filter(|target| !inside(target)));
        decoded.pages.extend(page_of_adrp(word, place));
    }
    decoded.goes_on = words.last().is_none_or(|word| goes_on(u32::from_le_bytes(*word)));
    for list in [&mut decoded.references, &mut decoded.pages] {
        list.sort_unstable();
        list.dedup();
    }
    decoded
}

/// The address that an instruction jumps to, calls or takes whole.
fn reference(word: u32, place: u64) -> Option<u64> {
    if let Some(reach) = Reach::of(word) {
        return Some(reach.target(word, place));
    }
    // adr
    if word & 0x9f00_0000 == 0x1000_0000 {
        let distance = (word >> 5 & 0x7_ffff) << 2 | word >> 29 & 3;
        return Some(place.wrapping_add_signed(sign_extend(distance, 21)));
    }
    // cb: compares and branches, by nine bits
    let class = || decoder::decode(word).map(|d| d.definition().feature_set);
    let compares = word & 0x7c00_0000 == 0x7400_0000 && class() == Some(InsnFeatureSet::CMPBR);
    compares.then(|| place.wrapping_add_signed(sign_extend(word >> 5 & 0x1ff, 9) * 4))
}

/// Whether what stands behind an instruction may run after it.
fn goes_on(word: u32) -> bool {
    let jumps = word & 0xfc00_0000 == 0x1400_0000;
    // br, ret and their signed forms, but not blr.
    let through_register = word & 0xfe00_0000 == 0xd600_0000 && word >> 21 & 3 != 1;
    // udf, brk
    let traps = word & 0xffff_0000 == 0 || word & 0xffe0_001f == 0xd420_0000;
    !(jumps || through_register || traps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image_format::cpu::aarch64;
    use std::collections::BTreeSet;
    use strum::IntoEnumIterator;

    /// No instruction needs them by themselves: names for several features, each of which is told; and what has hints
    /// only.
    const WITHOUT_INSTRUCTIONS: [&str; 8] =
        ["bti", "btie", "crypto", "mtetc", "sve2-aes", "sve2-bitperm", "sve2-sha3", "sve2-sm4"];

    /// A feature is told by its instructions, or by none, or makes code that cannot be read: a new one in the
    /// table needs a decision, as a new name of the decoder does in [`needs`].
    #[test]
    fn every_feature_has_its_place() {
        let told = InsnFeatureSet::iter().filter_map(needs).flatten();
        let system = (0..1 << 22).map(|low| 0xd500_0000 | low).filter_map(aarch64_system::needs).flatten();
        let told: BTreeSet<&str> = told.chain(system).copied().filter(|name| *name != "sme").collect();
        let others = BEYOND_THE_DECODER.iter().chain(&WITHOUT_INSTRUCTIONS).chain([&SILENT]).copied();
        let mut all: Vec<&str> = told.into_iter().chain(others).collect();
        all.sort_unstable();
        let mut known: Vec<&str> = aarch64::FEATURES.iter().map(|f| f.name).collect();
        known.sort_unstable();
        assert_eq!(all, known);
    }

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn code_leads_on() {
        // bl .+16; b.ne .-4; adrp x0, .+0x2000; add x0, x0, #8; adr x1, .+12; cbz x1, .-16; ret
        let code =
            [0x9400_0004, 0x54ff_ffe1, 0xd000_0000, 0x9100_2000, 0x1000_0061, 0xb4ff_ff81, 0xd65f_03c0];
        let decoded = decode(&bytes(&code), 0x1000);
        assert!(decoded.is_understood && !decoded.goes_on);
        assert_eq!(decoded.references, [0x1010 + 12]);
        assert_eq!(decoded.pages, [0x3000]);
        let decoded = decode(&bytes(&code[..1]), 0x1000);
        assert!(decoded.goes_on, "a call comes back");
        assert_eq!(decoded.references, [0x1010]);
        // cbgt x0, x1, .-8
        assert_eq!(decode(&bytes(&[0xf401_3fc0]), 0x1000).references, [0xff8]);
    }

    #[test]
    fn what_cannot_be_read_is_noticed() {
        assert!(!decode(&bytes(&[0xffff_ffff]), 0).is_understood, "not an instruction");
        assert!(!decode(&bytes(&[0xd508_831f]), 0).is_understood, "the system's own: tlbi vmalle1is");
        assert!(!decode(&[0, 0], 0).is_understood, "cut short");
        assert!(decode(&[], 0).is_understood);
    }

    #[test]
    fn where_code_ends() {
        // b, br x1, ret, retaa, brk #1, udf
        for end in [0x1400_0001, 0xd61f_0020, 0xd65f_03c0, 0xd65f_0bff, 0xd420_0020, 0] {
            assert!(!goes_on(end), "{end:#x}");
        }
        // bl, blr x1, blraaz x1, cbz, nop
        for other in [0x9400_0001, 0xd63f_0020, 0xd63f_083f, 0xb400_0041, 0xd503_201f] {
            assert!(goes_on(other), "{other:#x}");
        }
    }
}
