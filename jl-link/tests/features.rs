//! What an image requires, from code that no compiler need be talked into: parts elsewhere, outlined code, data.

mod support;

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::specs::{SPECS_DECODED, SPECS_MAGIC, Specs};
use std::path::PathBuf;
use support::{Bench, Function, Linkage, assembly, p, target_list_with};

const FMA: &str = "  vfmadd231pd %xmm2, %xmm1, %xmm0\n";
const BMI2: &str = "  pdepl %ecx, %edx, %eax\n";
const AVX512: &str = "  vpternlogd $0xff, %zmm0, %zmm0, %zmm0\n";

fn features(names: &[&str]) -> FeatureSet {
    names.iter().map(|name| Arch::X86_64.feature(name).unwrap()).collect()
}

/// Targets: the baseline, one with FMA and BMI2 and the like.
fn list() -> Vec<u8> {
    target_list_with(&[
        ("x86-64", features(&["sse", "sse2", "cmov"])),
        ("x86-64-v3", features(&["sse", "sse2", "cmov", "avx", "avx2", "fma", "bmi2"])),
    ])
}

/// A function whose body 1 is `body`, the other a lone return.
fn function(name: &str, body: &str) -> Function {
    let mut function = Function::new(name, 2, 1, &[]);
    function.bodies = vec!["  xorl %eax, %eax\n  ret\n".into(), format!("{body}  ret\n")];
    function
}

/// A local function without a record, in a section of its own.
fn local(name: &str, text: &str) -> String {
    format!(
        ".section .text.elsewhere.{name},\"ax\",@progbits\n.type {name},@function\n{name}:\n{text}  ret\n.size {name}, .-{name}\n"
    )
}

fn required(file: &PathBuf) -> Vec<Vec<String>> {
    let bytes = std::fs::read(file).unwrap();
    let lists = bytes.windows(4).enumerate().filter(|(_, w)| **w == SPECS_MAGIC);
    let mut specs = lists.filter_map(|(at, _)| Specs::parse(&bytes[at..]).ok());
    let specs = specs.find(|s| s.head().flags & SPECS_DECODED != 0).expect("a list that was decoded");
    specs.entries().map(|e| Arch::X86_64.feature_names(e.required)).collect()
}

/// What the targets of a library of these objects require.
fn linked(bench: &Bench, objects: &[(&str, Vec<Function>, String)]) -> Vec<Vec<String>> {
    let made = objects
        .iter()
        .map(|(name, functions, extra)| p(&bench.assemble(name, &assembly(&list(), functions, extra))));
    let made: Vec<String> = made.collect();
    bench.link_ok(&[&["-shared", "-nostdlib", "-o", "libx.so"], &support::words(&made)[..]].concat());
    required(&bench.path("libx.so"))
}

#[test]
fn only_what_is_used() {
    let bench = Bench::new();
    let found = linked(&bench, &[("a", vec![function("f", FMA)], String::new())]);
    assert_eq!(found, [vec![], vec!["fma"]]);
    let wide = format!("{AVX512}{BMI2}");
    let found = linked(&bench, &[("a", vec![function("f", &wide)], String::new())]);
    assert_eq!(found, [vec![], vec!["bmi2"]], "what no target declares is the program's own business");
}

#[test]
fn code_elsewhere_that_a_body_leads_to() {
    let ways = [
        ("jmp", "  testl %edi, %edi\n  je f.1.cold\n", "f.1.cold"),
        ("call", "  call OUTLINED_FUNCTION_0\n", "OUTLINED_FUNCTION_0"),
        ("address", "  leaq helper(%rip), %rax\n", "helper"),
        ("landing pad", "", "f.1.cold"),
    ];
    for (way, body, name) in ways {
        let bench = Bench::new();
        let found = linked(&bench, &[("a", vec![function("f", body)], local(name, FMA))]);
        assert_eq!(found[1], ["fma"], "{way}");
    }
    // By way of another, and from the baseline: there it was compiled for the baseline.
    let bench = Bench::new();
    let chain = local("first", "  call second\n") + &local("second", BMI2);
    let found = linked(&bench, &[("a", vec![function("f", "  call first\n")], chain.clone())]);
    assert_eq!(found[1], ["bmi2"]);
    let mut baseline = function("f", "");
    baseline.bodies[0] = "  call first\n  ret\n".into();
    let found = linked(&bench, &[("a", vec![baseline], chain)]);
    assert_eq!(found, [vec![""; 0], vec![]]);
}

#[test]
fn a_part_counts_for_every_function_of_its_name() {
    let bench = Bench::new();
    let hidden = |body: &str| vec![function("f", body).linkage(Linkage::Local)];
    let user = |name: &str| {
        let call = format!(".globl use_{name}\nuse_{name}:\n  call f\n  ret\n");
        format!(".section .text.use_{name},\"ax\",@progbits\n{call}")
    };
    let one = ("a", hidden(BMI2), user("a") + &local("f.1.cold", FMA));
    let two = ("b", hidden("  nop\n"), user("b") + &local("f.1.cold", "  nop\n"));
    assert_eq!(linked(&bench, &[one, two])[1], ["fma", "bmi2"]);
}

#[test]
fn a_clone_folded_with_code_of_the_programs_own() {
    let bench = Bench::new();
    // The linker keeps one copy: a function that the baseline calls behind a question of its own.
    let by_hand = local("by_hand", FMA);
    let mut asks = function("f", "  nop\n");
    asks.bodies[0] = "  call by_hand\n  ret\n".into();
    let mut clone = function("g", FMA);
    clone.bodies[1] = format!("{FMA}  ret\n");
    let bodies = assembly(&list(), &[asks, clone], &by_hand).replace("g.1:\n  endbr64\n", "g.1:\n");
    let object = p(&bench.assemble("a", &bodies));
    bench.link_ok(&["-shared", "-nostdlib", "-o", "libx.so", &object]);
    let callees = bench.callees(&bench.path("libx.so"), "f.0");
    assert!(callees == ["g.1"] || callees == ["by_hand"], "{callees:?}");
    assert_eq!(required(&bench.path("libx.so")), [vec![], vec!["fma"]]);
}

#[test]
fn code_of_others_is_not_followed() {
    let bench = Bench::new();
    let global = |name: &str, text: &str| format!(".globl {name}\n{}", local(name, text));
    let found = linked(&bench, &[("a", vec![function("f", "  call by_hand@PLT\n")], global("by_hand", FMA))]);
    assert_eq!(found[1], [""; 0], "a dispatch of its own");
}

#[test]
fn what_cannot_be_read_requires_what_is_declared() {
    let all = ["sse", "sse2", "cmov", "fma", "avx", "avx2", "bmi2"].map(str::to_string);
    let sorted = |list: &[String]| {
        let mut list = list.to_vec();
        list.sort();
        list
    };
    for data in ["  jmp 1f\n  .byte 0x48, 0xb8\n1:\n", "  .byte 0x06\n", "  .byte 0xd5, 0x19, 0x58\n"] {
        let bench = Bench::new();
        let report = "-Wl,--jl-report=report.json";
        let object = bench.object("a", &list(), &[function("f", data)], "");
        bench.link_ok(&["-shared", "-nostdlib", "-o", "libx.so", &p(&object), report]);
        let found = required(&bench.path("libx.so"));
        assert_eq!(sorted(&found[1]), sorted(&all), "{data}");
        let report = bench.report("report.json");
        assert_eq!(report["targets"][1]["code_was_read"], false);
        assert_eq!(report["targets"][0]["code_was_read"], true);
    }
}

#[test]
fn questions_that_were_answered() {
    let bench = Bench::new();
    let mut asks = function("f", "  nop\n");
    asks.asks = features(&["bmi2", "avx512f"]);
    let plain = function("g", FMA);
    assert_eq!(linked(&bench, &[("a", vec![asks, plain], String::new())]), [vec![], vec!["fma", "bmi2"]]);
}
