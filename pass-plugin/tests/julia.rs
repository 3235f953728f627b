//! What the passes under Julia's names decide, tested without LLVM.

use jl_pass_plugin::julia::question::{Isa, Question};

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
