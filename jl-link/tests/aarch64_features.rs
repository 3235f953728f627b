//! What aarch64's instructions need, as the reader tells it, against LLVM.

use disarm64::decoder;
use disarm64_defn::defn::InsnOpcode;
use image_format::cpu::Arch;
use jl_link::arch::{Decoded, feature_reader};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::process::Command;

/// What needs `lse2` is not told by any instruction, so all code does.
const SILENT: &str = "lse2";

fn read(word: u32) -> Decoded {
    let reader = feature_reader(Arch::Aarch64).expect("a reader for aarch64");
    (reader.decode)(&word.to_le_bytes(), 0x1_0000)
}

/// LLVM's names of the features that an instruction needs, and whether it could be read.
fn told(word: u32) -> (Vec<String>, bool) {
    let decoded = read(word);
    let names = Arch::Aarch64.feature_names(decoded.features).into_iter().filter(|name| name != SILENT);
    (names.collect(), decoded.is_understood)
}

/// LLVM's assembly text of words, without those that it does not know under these features.
fn disassemble(features: &str, words: &[u32]) -> HashMap<u32, String> {
    let mut text = String::new();
    for word in words {
        let [a, b, c, d] = word.to_le_bytes();
        let _ = writeln!(text, "0x{a:02x} 0x{b:02x} 0x{c:02x} 0x{d:02x}");
    }
    llvm_mc(&["-disassemble"], features, &text).into_iter().collect()
}

/// Runs llvm-mc; the words and texts that it prints.
fn llvm_mc(mode: &[&str], features: &str, text: &str) -> Vec<(u32, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new("llvm-mc-22");
    command.args(["-triple=aarch64", "--show-encoding"]).arg(format!("-mattr={features}")).args(mode);
    let output = command.arg(&file).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let mut found = Vec::new();
    for line in printed.lines() {
        let Some((text, encoding)) = line.split_once("encoding: [") else { continue };
        let bytes = encoding.trim_end_matches(']').split(',').map(|b| b.trim_start_matches("0x"));
        let bytes: Vec<u8> = bytes.map(|b| u8::from_str_radix(b, 16).expect(line)).collect();
        let word = u32::from_le_bytes(bytes.try_into().expect("four bytes"));
        found.push((word, text.trim_end_matches("// ").trim().replace('\t', " ")));
    }
    found
}

/// Numbers without pattern, the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as u32
    }
}

/// Instructions of every definition that the decoder has, with all kinds of operands.
fn samples(each: usize) -> Vec<u32> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut definitions = BTreeSet::new();
    for high in 0..1u32 << 22 {
        // Fixed bits among the lowest ten are those of unused registers and conditions.
        for low in [0, 0x3ff, random.next() & 0x3e0, random.next() & 0x3e0 | 0x10, random.next() & 0x3ff] {
            if let Some(found) = decoder::decode(high << 10 | low) {
                definitions.insert((found.definition().opcode, found.definition().mask));
            }
        }
    }
    assert!(definitions.len() > 3000, "only {} definitions", definitions.len());
    let mut words = BTreeSet::new();
    for (opcode, mask) in definitions {
        words.extend((0..each).map(|_| opcode | random.next() & !mask));
    }
    words.into_iter().collect()
}

/// Under the features that the reader tells, LLVM knows every instruction that it knows at all: the reader never
/// tells too little.
#[test]
fn llvm_wants_no_more_than_is_told() {
    let each = std::env::var("JL_SAMPLES").ok().and_then(|n| n.parse().ok()).unwrap_or(8);
    let words = samples(each);
    let known = disassemble("+all", &words);
    assert!(known.len() > words.len() / 2, "LLVM knows only {} of {}", known.len(), words.len());
    let mut groups: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for word in words.iter().filter(|word| known.contains_key(word)) {
        let (names, is_understood) = told(*word);
        // Who declares SME requires all that it declares.
        if is_understood && !names.iter().any(|name| name == "sme") {
            groups.entry(names.iter().map(|n| format!("+{n},")).collect()).or_default().push(*word);
        }
    }
    assert!(groups.len() > 60, "only {} kinds of instructions", groups.len());
    let mut wrong = Vec::new();
    for (features, words) in &groups {
        let accepted = disassemble(features, words);
        let rejected = words.iter().filter(|word| !accepted.contains_key(word));
        wrong.extend(rejected.map(|word| format!("{word:#010x} {}: told {features}", known[word])));
    }
    assert!(wrong.is_empty(), "{} too little:\n{}", wrong.len(), wrong.join("\n"));
}

/// Instructions and what they need, exactly; by spaces and by semicolons.
const TELL: &[(&str, &str)] = &[
    (
        "",
        "add x0, x1, x2; ldp x0, x1, [x2]; bl #8; nop; bti c; paciasp; autiasp; dmb ish; udf #0; dc zva, x0",
    ),
    ("", "mrs x0, tpidr_el0; msr fpcr, x0; mrs x0, fpsr; mrs x0, nzcv; mrs x0, cntvct_el0; mrs x0, midr_el1"),
    ("fp-armv8", "fadd d0, d1, d2; fmadd s0, s1, s2, s3; fcvtzs x0, d1"),
    ("neon", "add v0.4s, v1.4s, v2.4s; fmla v0.2d, v1.2d, v2.2d; cnt v0.16b, v1.16b; ld1 {v0.4s}, [x0]"),
    ("aes", "aese v0.16b, v1.16b; pmull v0.1q, v1.1d, v2.1d; pmull2 v0.1q, v1.2d, v2.2d"),
    ("sha2", "sha256h q0, q1, v2.4s; sha1c q0, s1, v2.4s"),
    ("sha3", "sha512h q0, q1, v2.2d; eor3 v0.16b, v1.16b, v2.16b, v3.16b; rax1 v0.2d, v1.2d, v2.2d"),
    ("sm4", "sm3partw1 v0.4s, v1.4s, v2.4s; sm4e v0.4s, v1.4s"),
    ("crc", "crc32cx w0, w1, x2; crc32b w0, w1, w2"),
    (
        "lse",
        "ldadd x0, x1, [x2]; casal w0, w1, [x2]; swpb w0, w1, [x2]; stclr x0, [x1]; caspal x0, x1, x2, x3, [x4]",
    ),
    ("rdm", "sqrdmlah v0.4s, v1.4s, v2.4s; sqrdmlsh s0, s1, s2"),
    ("fullfp16", "fadd h0, h1, h2; fmla v0.8h, v1.8h, v2.8h; fcvtzs w0, h1; fmov h0, #1.0; scvtf h0, x1"),
    ("fp16fml", "fmlal v0.4s, v1.4h, v2.4h; fmlsl2 v0.2s, v1.2h, v2.h[3]"),
    ("ccpp", "dc cvap, x0"),
    ("ccdp", "dc cvadp, x0"),
    ("jsconv", "fjcvtzs w0, d1"),
    (
        "complxnum",
        "fcadd v0.4s, v1.4s, v2.4s, #90; fcmla v0.2d, v1.2d, v2.2d, #0; fcmla v0.4s, v1.4s, v2.s[1], #90",
    ),
    ("fullfp16 complxnum", "fcadd v0.8h, v1.8h, v2.8h, #90; fcmla v0.4h, v1.4h, v2.h[1], #0"),
    ("rcpc", "ldapr x0, [x1]; ldaprb w0, [x1]"),
    ("rcpc-immo", "ldapur x0, [x1, #8]; stlur w0, [x1, #-4]; ldapursw x0, [x1]"),
    ("rcpc3", "ldiapp x0, x1, [x2]; stilp w0, w1, [x2]; ldap1 {v0.d}[0], [x1]"),
    ("pauth", "retaa; braa x0, x1; pacia x0, x1; ldraa x0, [x1]; xpaci x0; pacga x0, x1, x2"),
    ("dotprod", "sdot v0.4s, v1.16b, v2.16b; udot v0.2s, v1.8b, v2.4b[1]"),
    ("dit", "msr dit, #1; mrs x0, dit"),
    ("flagm", "cfinv; rmif x0, #1, #2; setf8 w0"),
    ("altnzcv", "axflag; xaflag"),
    ("fptoint", "frint32z s0, s1; frint64x v0.2d, v1.2d"),
    ("ssbs", "msr ssbs, #1; mrs x0, ssbs"),
    ("sb", "sb"),
    ("rand", "mrs x0, rndr; mrs x0, rndrrs"),
    ("mte", "irg x0, x1; stg x0, [x1]; ldg x0, [x1]; mrs x0, tco"),
    ("i8mm", "smmla v0.4s, v1.16b, v2.16b; usdot v0.4s, v1.16b, v2.16b"),
    ("bf16", "bfdot v0.4s, v1.8h, v2.8h; bfmmla v0.4s, v1.8h, v2.8h; bfcvt h0, s1"),
    (
        "sve",
        "add z0.d, z1.d, z2.d; ptrue p0.b; whilelo p0.s, x0, x1; ld1w {z0.s}, p0/z, [x0]; cntd x0; fexpa z0.s, z1.s",
    ),
    (
        "sve",
        "movprfx z0, z1; fmla z0.h, p0/m, z1.h, z2.h; sdot z0.s, z1.b, z2.b; ldff1b {z0.b}, p0/z, [x0]; rdvl x0, #1",
    ),
    ("i8mm sve", "smmla z0.s, z1.b, z2.b; usdot z0.s, z1.b, z2.b"),
    ("bf16 sve", "bfdot z0.s, z1.h, z2.h; bfcvt z0.h, p0/m, z1.s"),
    ("sve f32mm", "fmmla z0.s, z1.s, z2.s"),
    ("sve f64mm", "fmmla z0.d, z1.d, z2.d; ld1rob {z0.b}, p0/z, [x0]; zip1 z0.q, z1.q, z2.q"),
    (
        "sve2",
        "sqdmulh z0.s, z1.s, z2.s; match p0.b, p0/z, z1.b, z2.b; histseg z0.b, z1.b, z2.b; whilege p0.s, x0, x1",
    ),
    (
        "sve2",
        "bsl z0.d, z0.d, z1.d, z2.d; smlalb z0.d, z1.s, z2.s; ldnt1b {z0.d}, p0/z, [z1.d]; pmullb z0.h, z1.b, z2.b",
    ),
    ("sve2 sve-aes", "aese z0.b, z0.b, z1.b; pmullb z0.q, z1.d, z2.d"),
    ("sve2 sve-bitperm", "bdep z0.s, z1.s, z2.s; bext z0.d, z1.d, z2.d"),
    ("sve2 sve-sha3", "rax1 z0.d, z1.d, z2.d"),
    ("sve2 sve-sm4", "sm4e z0.s, z0.s, z1.s"),
    ("sve2p1", "sclamp z0.s, z1.s, z2.s; ld1b {z0.b, z1.b}, pn8/z, [x0]; addqv v0.4s, p0, z1.s"),
    ("sve2 sve-b16b16", "bfadd z0.h, z1.h, z2.h; bfmla z0.h, z1.h, z2.h[1]"),
    ("wfxt", "wfet x0; wfit x1"),
    ("ls64", "ld64b x0, [x1]; st64b x0, [x1]"),
    ("hbc", "bc.eq #8"),
    ("mops", "cpyfp [x0]!, [x1]!, x2!; setm [x0]!, x1!, x2"),
    ("cssc", "ctz x0, x1; cnt x0, x1; abs w0, w1; smax x0, x1, #5; umin w0, w1, w2"),
    ("lse128", "ldclrp x0, x1, [x2]; swppal x0, x1, [x2]"),
    ("gcs", "gcspushm x0; gcspopm x0; gcsstr x0, [x1]"),
    ("lut", "luti2 v0.16b, {v1.16b}, v2[0]"),
    ("sve2 lut", "luti2 z0.b, {z1.b}, z2[0]"),
    ("faminmax", "famax v0.4s, v1.4s, v2.4s"),
    ("fp8", "f1cvtl v0.8h, v1.8b; mrs x0, fpmr; fscale v0.4s, v1.4s, v2.4s"),
    ("fp8fma", "fmlalb v0.8h, v1.16b, v2.16b"),
    ("fp8dot4", "fdot v0.4s, v1.16b, v2.16b"),
    ("fp8dot2", "fdot v0.8h, v1.16b, v2.16b"),
    ("cmpbr", "cbgt x0, x1, #8; cbeq w0, #3, #8; cbblo w0, w1, #8"),
    ("fprcvt", "fcvtzs s0, d1; scvtf d0, s1"),
    ("the", "rcwcas x0, x1, [x2]"),
    ("cpa", "addpt x0, x1, x2"),
    ("lsui", "ldtadd x0, x1, [x2]; ldtxr x0, [x1]"),
    ("lsfe", "ldfadd s0, s1, [x2]"),
];

/// What LLVM assembles is told as it is: neither too little nor too much.
#[test]
fn instructions_tell_their_features() {
    let each = |(names, code): &(&'static str, &'static str)| {
        code.split("; ").map(|line| (*names, line)).collect::<Vec<_>>()
    };
    let lines: Vec<(&str, &str)> = TELL.iter().flat_map(each).collect();
    let text: String = lines.iter().map(|(_, line)| format!("{line}\n")).collect();
    let assembled = llvm_mc(&[], "+all", &text);
    assert_eq!(assembled.len(), lines.len(), "llvm-mc did not take every line");
    let mut wrong = Vec::new();
    for ((names, line), (word, _)) in lines.iter().zip(assembled) {
        let mut expected: Vec<&str> = names.split_whitespace().collect();
        let (mut found, is_understood) = told(word);
        expected.sort_unstable();
        found.sort_unstable();
        if found != expected || !is_understood {
            wrong.push(format!(
                "{word:#010x} {line}: told {found:?}, expected {expected:?} ({is_understood})"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing is told of what only systems do, or of registers that are not in the reader's list.
#[test]
fn what_is_not_for_programs_cannot_be_read() {
    let text = "mrs x0, sctlr_el1\nmsr pan, #1\ntlbi vmalle1\nat s1e1r, x0\nldlar x0, [x1]\n\
                mrs x0, s3_3_c9_c12_0\ndsb ishnxs\n";
    let assembled = llvm_mc(&[], "+all", text);
    assert_eq!(assembled.len(), text.lines().count());
    for (word, line) in assembled {
        assert!(!told(word).1, "{line}");
    }
}
