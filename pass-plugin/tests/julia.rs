//! What the passes under Julia's names decide, tested without LLVM.

use image_format::julia::{Dialect, TAG};
use image_format::specs::target_flags::*;
use jl_pass_plugin::julia::dialect::{Switches, detect, read_flags, write_flags};
use jl_pass_plugin::julia::question::{Isa, Question};
use jl_pass_plugin::julia::targets::Targets;
use jl_pass_plugin::julia::words::{CloneTables, clone_tables};

#[test]
fn a_question_is_told_by_its_name() {
    assert_eq!(Question::parse("julia.cpu.have_fma.f32"), Some(Question::HaveFma("f32")));
    assert_eq!(Question::parse("julia.cpu.supports.avx2,fma"), Some(Question::Supports("avx2,fma")));
    for name in ["julia.cpu.brand", "julia.cpu.have_fma", "llvm.fma.f32", "xjulia.cpu.supports.fma"] {
        assert_eq!(Question::parse(name), None, "{name}");
    }
}

#[test]
fn fused_multiply_add_follows_the_instruction_set() {
    let answer = |ty, isa, features: &[&str]| Question::HaveFma(ty).answer(isa, |f| features.contains(&f));
    for (ty, isa, features, expected) in [
        ("f64", Isa::X86, &["fma"] as &[&str], true),
        ("f64", Isa::X86, &["fma4"], true),
        ("f64", Isa::X86, &["avx2"], false),
        ("f16", Isa::X86, &["fma"], false),
        ("f32", Isa::Aarch64, &[], true),
        ("f16", Isa::Aarch64, &["fullfp16"], false),
        ("f32", Isa::Arm, &["vfp4sp"], true),
        ("f64", Isa::Arm, &["vfp4sp"], false),
        ("f64", Isa::Riscv64, &["f"], false),
        ("f64", Isa::Riscv64, &["f", "d"], true),
        ("f16", Isa::Riscv64, &["zfh"], true),
        ("f64", Isa::Other, &["fma"], false),
    ] {
        assert_eq!(answer(ty, isa, features), expected, "{ty} {isa:?} {features:?}");
    }
}

#[test]
fn what_every_cpu_answers_alike_is_settled() {
    assert_eq!(Question::HaveFma("f32").settled(Isa::Aarch64), Some(true));
    assert_eq!(Question::HaveFma("f16").settled(Isa::Aarch64), Some(false));
    assert_eq!(Question::HaveFma("f32").settled(Isa::X86), None);
    assert_eq!(Question::Supports("sve").settled(Isa::Aarch64), None);
}

#[test]
fn a_triple_names_its_instruction_set() {
    for (triple, isa) in [
        ("x86_64-linux-gnu", Isa::X86),
        ("i686-pc-windows-msvc", Isa::X86),
        ("aarch64-unknown-linux-gnu", Isa::Aarch64),
        ("arm64-apple-darwin", Isa::Aarch64),
        ("armv7l-linux-gnueabihf", Isa::Arm),
        ("riscv64-unknown-linux-gnu", Isa::Riscv64),
        ("riscv32-unknown-elf", Isa::Other),
        ("", Isa::Other),
    ] {
        assert_eq!(Isa::from_triple(triple), isa, "{triple}");
    }
}

/// Dialect R's flags of a partial target as Julia derives them.
const R_PARTIAL: u32 = CLONE_LOOP | CLONE_CPU | CLONE_MATH | CLONE_SIMD;

#[test]
fn the_dialect_is_told_by_the_flags() {
    for (flags, dialect) in [
        // What Julia 1.10 to 1.13 writes: clone_all bases, partial targets with CLONE_CPU.
        (&[0, CLONE_ALL, R_PARTIAL] as &[u32], Dialect::R),
        (&[CLONE_ALL, R_PARTIAL], Dialect::R),
        (&[0, CLONE_ALL], Dialect::R),
        (&[0, CLONE_ALL | OPT_SIZE], Dialect::R),
        // By hand, in Julia's tests of these versions.
        (&[2, 2, 4, 8, 16], Dialect::R),
        // What the master of 2026 writes.
        (&[0, 1, 8 | 16], Dialect::M),
        (&[0, 8 | 16], Dialect::M),
        (&[0, 2 | 8 | 16], Dialect::M),
        (&[0, 1, 8, 0, 16], Dialect::M),
        (&[0], Dialect::M),
    ] {
        assert_eq!(detect(flags), dialect, "{flags:?}");
    }
}

#[test]
fn both_dialects_say_the_same() {
    let always = CLONE_LOOP | CLONE_CPU;
    assert_eq!(read_flags(Dialect::M, 0), Some(always));
    assert_eq!(read_flags(Dialect::M, 1 | 2 | 8), Some(always | CLONE_ALL | OPT_SIZE | CLONE_MATH));
    assert_eq!(read_flags(Dialect::M, 4 | 32 | 64), Some(always | MIN_SIZE | CLONE_FLOAT16 | CLONE_BFLOAT16));
    assert_eq!(read_flags(Dialect::M, 128), None);
    assert_eq!(read_flags(Dialect::R, R_PARTIAL), Some(R_PARTIAL));
    assert_eq!(read_flags(Dialect::R, 1 << 11), None);
    for raw in 0..128 {
        assert_eq!(read_flags(Dialect::M, raw).map(|f| write_flags(Dialect::M, f)), Some(raw));
    }
}

#[test]
fn the_environment_may_name_dialect_and_autoinit() {
    let read = |name: &'static str, value: &'static str| {
        Switches::read(|asked| (asked == name).then(|| value.to_string()))
    };
    assert_eq!(Switches::read(|_| None), Ok(Switches::default()));
    assert_eq!(read("JL_JULIA_DIALECT", "M").map(|s| s.dialect), Ok(Some(Dialect::M)));
    assert_eq!(read("JL_JULIA_DIALECT", "").map(|s| s.dialect), Ok(None));
    assert_eq!(read("JL_JULIA_AUTOINIT", "0").map(|s| s.autoinit), Ok(Some(false)));
    assert!(read("JL_JULIA_DIALECT", "m").is_err_and(|e| e.contains("'m'") && e.contains("expected R")));
    assert!(read("JL_JULIA_AUTOINIT", "yes").is_err_and(|e| e.contains("expected 0 or 1")));
}

fn targets(list: &[(u32, u32)]) -> Result<Targets, String> {
    let raw: Vec<_> = list
        .iter()
        .enumerate()
        .map(|(i, (base, flags))| (format!("cpu{i}"), String::new(), *base, *flags))
        .collect();
    Targets::check(&raw, Some(Dialect::R))
}

#[test]
fn targets_are_bases_or_partial() {
    let targets = targets(&[(0, 0), (0, CLONE_ALL), (1, R_PARTIAL), (0, R_PARTIAL), (1, R_PARTIAL)]).unwrap();
    assert_eq!(targets.bases().collect::<Vec<_>>(), [0, 1]);
    assert_eq!(targets.partial(0).collect::<Vec<_>>(), [3]);
    assert_eq!(targets.partial(1).collect::<Vec<_>>(), [2, 4]);
    assert_eq!((0..5).map(|t| targets.base(t)).collect::<Vec<_>>(), [0, 1, 1, 0, 1]);
}

#[test]
fn what_is_no_target_list_is_said() {
    let error = |list: &[(u32, u32)]| targets(list).unwrap_err();
    assert!(error(&[]).contains("names no target"));
    assert!(error(&[(0, 0); 33]).contains("33 targets, expected at most 32"));
    assert!(error(&[(0, 0), (1, R_PARTIAL)]).contains("must refer to a previous target, found 1"));
    let chain = [(0, 0), (0, R_PARTIAL), (1, R_PARTIAL)];
    assert!(error(&chain).contains("target 2 (cpu2): base target must be clone_all, found target 1"));
    assert!(error(&[(0, 1 << 20)]).contains("flags 0x100000 have bits that dialect R does not know"));
}

#[test]
fn a_clone_mask_names_targets_that_are_there() {
    let two = targets(&[(0, 0), (0, CLONE_ALL)]).unwrap();
    assert_eq!(two.clone_mask("f", "2"), Ok(2));
    for text in ["4", "", "-1", "xyz", "100000000"] {
        let error = two.clone_mask("f", text).unwrap_err();
        assert!(
            error.contains(&format!("is '{text}', expected a hexadecimal mask of the 2 targets")),
            "{error}"
        );
    }
    assert_eq!(targets(&[(0, CLONE_ALL); 32]).unwrap().clone_mask("f", "FFFFFFFE"), Ok(0xFFFF_FFFE));
}

#[test]
fn the_tables_hold_bases_and_what_partial_targets_change() {
    let targets = targets(&[(0, 0), (0, CLONE_ALL), (1, R_PARTIAL), (0, R_PARTIAL)]).unwrap();
    // Function 0 is cloned for all, 1 not for target 3, 2 for bases alone. 1 has a slot.
    let cloned = |target: usize, function: usize| match target {
        0 | 1 => true,
        2 => function < 2,
        _ => function == 0,
    };
    let tables = clone_tables(&targets, &[false, true, false], cloned);
    let lists: [&[u32]; 4] = [&[TAG | 1, 1], &[TAG | 1, 1], &[2, 1, 0, TAG | 1], &[2, 0, 0, TAG | 1]];
    assert_eq!(tables.indices, lists.concat());
    // Target 0 has none here; target 1 has all; where 3 has no body of its own it names its base's.
    assert_eq!(tables.bodies, [(1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (3, 0), (0, 1)]);
}

#[test]
fn a_module_without_functions_has_empty_tables() {
    let targets = targets(&[(0, 0), (0, CLONE_ALL), (0, R_PARTIAL)]).unwrap();
    let tables = clone_tables(&targets, &[], |_, _| true);
    assert_eq!(tables, CloneTables { indices: vec![TAG, TAG, 0, 0], bodies: vec![] });
}
