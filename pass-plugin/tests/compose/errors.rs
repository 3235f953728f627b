//! What cannot be composed, and what is said about it.

use crate::build::{Folder, try_compose};
use jl_pass_plugin::compose::ComposeError;

fn error(inputs: &[Vec<u8>]) -> String {
    try_compose(inputs).unwrap_err().to_string()
}

#[test]
fn two_definitions_are_named() {
    let folder = Folder::new();
    let inputs =
        folder.assemble_all(&["nop", ".globl f\nf: nop", ".weak f\nf: nop", ".globl f\n.data\nf: nop"]);
    let expected = ComposeError::DefinedTwice { symbol: "f".to_string(), first: 1, second: 3 };
    assert_eq!(try_compose(&inputs), Err(expected));
    assert_eq!(error(&inputs), "f is defined in object 1 and in object 3, expected one strong definition");
    assert!(try_compose(&inputs[..3]).is_ok());
}

#[test]
fn groups_that_overlap_are_named() {
    let folder = Folder::new();
    let group = |names: &str| {
        let section = ".section .text.g,\"axG\",@progbits,g,comdat\n".to_string();
        names.chars().fold(section, |s, n| s + &format!(".weak {n}\n{n}: nop\n"))
    };
    let inputs = folder.assemble_all(&[&group("ga"), &group("gb"), &group("ab")]);
    assert_eq!(
        error(&inputs[..2]),
        "COMDAT group g of object 1 defines g, as an earlier object's does, and also what that does not; \
         expected the same symbols or none in common"
    );
    assert!(
        try_compose(&folder.assemble_all(&[&group("ga"), &group("a"), &group("b"), &group("ab")])).is_ok()
    );
    let no_comdat = folder.assemble(".section .text.g,\"axG\",@progbits,g\n.globl g\ng: nop");
    assert_eq!(
        error(&[inputs[0].clone(), no_comdat]),
        "objects 0 and 1 differ in group g: a COMDAT and no COMDAT; compile both with the same options"
    );
}

#[test]
fn objects_of_one_kind_are_expected() {
    let folder = Folder::new();
    let object = folder.assemble("nop");
    let mut changed = object.clone();
    let mut expect = |at: usize, byte: u8, expected: &str| {
        let old = std::mem::replace(&mut changed[at], byte);
        let found = error(&[object.clone(), changed.clone()]);
        assert_eq!(found, format!("object 1: file header: found {expected}"));
        changed[at] = old;
    };
    expect(0, 0, "no ELF file, expected an ELF object");
    expect(4, 1, "class 1, byte order 1, expected class 2 (64 bits), byte order 1 (little endian)");
    expect(7, 9, "OS ABI 9, version 0, expected OS ABI 0 (System V) or 3 (GNU), version 0");
    expect(
        16,
        2,
        "file type 2 with 0 program headers, expected 1 (a relocatable object) without program headers",
    );
    expect(18, 40, "machine 40, expected 62 (x86-64) or 183 (aarch64)");
    assert_eq!(try_compose(&[]), Err(ComposeError::NoInput));
    changed[18] = 183;
    assert_eq!(
        error(&[object.clone(), changed]),
        "objects 0 and 1 differ in the processor: machine 62 with flags 0x0 and machine 183 with flags 0x0; \
         compile both with the same options"
    );
}

#[test]
fn unknown_sections_are_refused() {
    let folder = Folder::new();
    let of = |source: &str| error(&[folder.assemble(source)]);
    let said = of(".section strange,\"\",@0x6abcdef0");
    assert!(
        said.contains("(strange): found type 0x6abcdef0, expected a kind of section that LLVM"),
        "{said}"
    );
    let said = of(".section strange,\"0x40000000\",@progbits");
    assert!(said.contains("(strange): found flags 0x40000000, expected no others than"), "{said}");
    let tls = folder.assemble_all(&[
        ".data\n.globl v\n.type v,@object\nv: .long 1",
        ".type v,@tls_object\n.data\n.quad v@DTPOFF",
    ]);
    let said = error(&tls);
    assert_eq!(
        said,
        "object 1: symbol v: found type 6 here, 1 in object 0, expected thread-local (6) in both or in none"
    );
}
