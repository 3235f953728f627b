//! Questions about the CPU: the bits' way through shifts and masks, and the tables against the compilers.

use image_format::cpu::{Arch, x86_64};
use image_format::feature::FeatureSet;
use jl_pass_plugin::questions::bits::Bits;
use jl_pass_plugin::questions::words::{self, COMPILER_BITS, RUST_1_95_BITS, Word};
use jl_pass_plugin::target;
use proptest::prelude::*;
use std::fmt::Write as _;
use std::process::Command;

proptest! {
    /// What is said to be known of a value holds for every word that has the known bits set.
    #[test]
    fn what_is_known_holds(word: u128, set: u128, width in prop_oneof![Just(32u32), Just(64), Just(128)],
                           steps in proptest::collection::vec((0u8..4, any::<u128>(), 0u32..130), 0..5)) {
        let ones = |width: u32| if width == 128 { !0 } else { (1u128 << width) - 1 };
        let set = set & ones(width);
        let mut value = (word | set) & ones(width);
        let (mut bits, mut now) = (Bits::word(width), width);
        for (kind, mask, amount) in steps {
            let next = match kind {
                0 => Some((bits.and(mask), value & mask, now)),
                1 => bits.shifted_right(amount).map(|b| (b, value >> amount, now)),
                2 => bits.shifted_left(amount).map(|b| (b, value << amount & ones(now), now)),
                _ => {
                    let new = (amount % 128) + 1;
                    Some((bits.resized(new), value & ones(new), new))
                }
            };
            let Some(next) = next else { continue };
            (bits, value, now) = next;
        }
        let (known, is_all) = bits.known(|i| i < 128 && set >> i & 1 == 1);
        prop_assert_eq!(value & known, known);
        prop_assert!(!is_all || value == known);
        prop_assert_eq!(bits.sign().count() <= 1, true);
    }
}

fn named(name: &str) -> FeatureSet {
    Arch::X86_64.feature(name).map_or(FeatureSet::EMPTY, |id| FeatureSet::EMPTY.with(id))
}

#[test]
fn words_tell_features() {
    let word = words::compiler_word("__cpu_model", 12).unwrap();
    assert_eq!((word.features(10), word.features(24)), (named("avx2"), FeatureSet::EMPTY));
    assert_eq!(words::compiler_word("__cpu_model", 0), None, "the vendor is no feature");
    let level = words::compiler_word("__cpu_features2", 8).unwrap().features(1);
    assert!(named("avx2").is_subset(level) && named("fma").is_subset(level), "x86-64-v3");
    assert!(level.intersection(Arch::X86_64.never_rejects()).is_empty());
    let rust = words::rust_word(0).unwrap();
    assert_eq!((rust.features(15), rust.features(63)), (named("avx2"), FeatureSet::EMPTY));
    assert_eq!(words::RUST_INIT_WORD.features(61), named("popcnt"));
    assert!(words::is_rust_cache("_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE"));
    assert!(words::is_rust_init("_ZN10std_detect6detect5cache21detect_and_initialize17h0E"));
    assert!(!words::is_rust_cache("_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache6CACHE2"));
    let rust = "rustc version 1.95.0 (59807616e 2026-04-14)";
    let clang = "Debian clang version 22.1.8";
    assert!(words::is_known_rust([clang, rust].into_iter()));
    assert!(!words::is_known_rust([clang].into_iter()));
    assert!(!words::is_known_rust([rust, "rustc version 1.96.0 (abc 2026-05-28)"].into_iter()));
}

/// What answers with yes is what every CPU has that may run the code, and no more.
#[test]
fn certain_is_what_is_compiled_for_but_for_what_never_rejects() {
    let avx2 = words::compiler_word("__cpu_model", 12).unwrap().features(10);
    let required = target::required(Arch::X86_64, ["sse2", "avx2", "rdrnd", "fast-gather"].into_iter());
    assert!(avx2.is_subset(required));
    assert_eq!(required, avx2.union(named("sse2")), "CPUs of one name may lack RDRAND; tuning is no feature");
    assert!(!avx2.is_subset(target::required(Arch::X86_64, ["sse2", "avx"].into_iter())));
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The IR of each function `f_N`.
fn functions(ir: &str, count: usize) -> Vec<&str> {
    let body = |i: usize| {
        let start = ir.find(&format!("@f_{i}()")).unwrap();
        ir[start..].split("\n}\n").next().unwrap()
    };
    (0..count).map(body).collect()
}

/// The number behind `mark`, up to a character that is none.
fn number_after(text: &str, mark: &str) -> Option<i128> {
    let rest = &text[text.find(mark)? + mark.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[test]
fn clangs_bits_are_as_in_the_table() {
    let levels = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];
    let names: Vec<&str> = x86_64::FEATURES.iter().map(|f| f.name).chain(levels).collect();
    let mut source = String::new();
    for (i, name) in names.iter().enumerate() {
        let _ = writeln!(source, "int f_{i}(void) {{ return __builtin_cpu_supports(\"{name}\"); }}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.c");
    std::fs::write(&file, source).unwrap();
    let ir = output(Command::new("clang-22").args(["-O0", "-S", "-emit-llvm", "-o", "-"]).arg(&file));
    for (name, function) in names.iter().zip(functions(&ir, names.len())) {
        let load = function.lines().find(|l| l.contains("load i32") && l.contains("@__cpu_"));
        let found = load.map(|load| {
            let element = number_after(load, ", i32 0, i32 ").unwrap_or(0);
            let (symbol, offset) = match load.contains("@__cpu_model") {
                true => ("__cpu_model", 4 * element),
                false => ("__cpu_features2", 4 * element),
            };
            let word = words::compiler_word(symbol, offset as i64).expect(load);
            let mask = number_after(&function[function.find(" = and i32").unwrap()..], ", ").unwrap() as u32;
            assert_eq!(mask.count_ones(), 1, "{function}");
            word.first + mask.trailing_zeros()
        });
        let expected = COMPILER_BITS.iter().find(|(_, n)| n == name).map(|(bit, _)| *bit);
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn rustcs_bits_are_as_in_the_table() {
    let version = output(Command::new("rustc").arg("-V"));
    if !words::is_known_rust([version.replace("rustc ", "rustc version ").as_str()].into_iter()) {
        eprintln!("no table for {version}: questions in its code stay");
        return;
    }
    let rusts = |name: &'static str| match name {
        "pclmul" => "pclmulqdq",
        "rdrnd" => "rdrand",
        "bmi" => "bmi1",
        "cx16" => "cmpxchg16b",
        other => other,
    };
    let mut source = String::from("#![crate_type = \"lib\"]\nunsafe extern \"C\" { fn h(); }\n");
    for (i, (_, name)) in RUST_1_95_BITS.iter().enumerate() {
        let name = rusts(name);
        let _ = writeln!(
            source,
            "#[unsafe(no_mangle)] pub fn f_{i}() {{ if is_x86_feature_detected!(\"{name}\") {{ unsafe {{ h() }} }} }}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.rs");
    std::fs::write(&file, source).unwrap();
    let mut rustc = Command::new("rustc");
    let ir = output(rustc.args(["--edition=2024", "-O", "--emit=llvm-ir", "-o", "-"]).arg(&file));
    for ((bit, name), function) in RUST_1_95_BITS.iter().zip(functions(&ir, RUST_1_95_BITS.len())) {
        let load = function.lines().find(|l| l.contains("load atomic i64")).expect(name);
        assert!(words::is_rust_cache(load), "{load}");
        let word: Word = words::rust_word(number_after(load, ", i64 ").unwrap_or(0) as i64).expect(load);
        let mask = function.find("and i64 ").and_then(|at| number_after(&function[at..], ", "));
        // The lowest bit is cut off, not masked; the highest is the sign.
        let mask = match mask {
            Some(mask) => mask as u64,
            None if function.contains("trunc i64") => 1,
            None => panic!("{name}: {function}"),
        };
        assert_eq!(mask.count_ones(), 1, "{function}");
        assert_eq!(word.first + mask.trailing_zeros(), *bit, "{name}");
    }
}
