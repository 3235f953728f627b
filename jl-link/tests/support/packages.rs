//! Records of exports and imports as the plugin makes them.

use super::{Bench, Function, Linkage, TWO, p, plain, target_list};
use image_format::dependency::DependencyImage;
use image_format::layout::{
    DEPENDENCY_SECTION, DEPENDENCY_SYMBOL_PREFIX, Dependency, EXPORT_SECTION, IMPORT_SECTION,
    IMPORT_SLOT_SECTION, UNRESOLVED_SYMBOL,
};
use image_format::pod::bytes_of;
use std::path::{Path, PathBuf};

/// Some identity of its own for each text.
pub fn identity(text: &str) -> [u8; 16] {
    let mut identity = [0; 16];
    identity.copy_from_slice(&blake3::hash(text.as_bytes()).as_bytes()[..16]);
    identity
}

fn bytes(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

/// The export record of a function of the same object, whose identity is that of `content`.
pub fn export(function: &str, content: &str) -> String {
    export_in(function, content, "")
}

/// The same of a function in the COMDAT group `signature`.
pub fn grouped_export(function: &str, content: &str, signature: &str) -> String {
    export_in(function, content, &format!(",{signature},comdat"))
}

fn export_in(function: &str, content: &str, group: &str) -> String {
    let g = if group.is_empty() { "" } else { "G" };
    // By a name of the object's own: the function's may lead to another object.
    let here = format!(".L{function}.jl_here");
    format!(
        ".section {EXPORT_SECTION},\"ao{g}\",@progbits,{function}{group}\n.p2align 2\n.set {here}, {function}\n  .byte {}\n  \
         .long {here} - .\n  .long 0, 0\n",
        bytes(&identity(content))
    )
}

pub fn record_of(file: &Path) -> Dependency {
    DependencyImage::open(file).unwrap().record(0)
}

/// A function that returns what `function` of the dependency returns, and `more`.
pub fn import(caller: &str, function: &str, content: &str, dependency: &Dependency, more: u32) -> String {
    let slot = format!("{function}.import_slot");
    let blob = blob(dependency);
    let text = format!("  pushq %rbx\n  callq *{slot}(%rip)\n  addl ${more}, %eax\n  popq %rbx\n  ret\n");
    format!(
        "{}.section {IMPORT_SLOT_SECTION}.{function},\"aw\",@progbits\n.p2align 3\n.type {slot},@object\n{slot}:\n  \
         .quad {UNRESOLVED_SYMBOL}\n.size {slot}, 8\n.hidden {UNRESOLVED_SYMBOL}\n.addrsig_sym {slot}\n\
         .section {IMPORT_SECTION},\"ao\",@progbits,{slot}\n.p2align 2\n  .byte {}\n  .long {slot} - .\n  \
         .long {blob} - .\n  .quad 0\n",
        plain(caller, Linkage::Global, &text),
        bytes(&identity(content)),
    )
}

/// The record of a dependency, once per object.
pub fn dependency(record: &Dependency) -> String {
    let blob = blob(record);
    format!(
        ".section {DEPENDENCY_SECTION},\"aG\",@progbits,{blob},comdat\n.p2align 3\n.weak {blob}\n.hidden {blob}\n\
         {blob}:\n  .byte {}\n.size {blob}, 256\n",
        bytes(bytes_of(record)),
    )
}

fn blob(record: &Dependency) -> String {
    format!("{DEPENDENCY_SYMBOL_PREFIX}{}", blake3::hash(bytes_of(record)).to_hex())
}

/// The assembly of an object without cloned functions.
pub fn object(parts: &[String]) -> String {
    format!(".addrsig\n{}.section .note.GNU-stack,\"\",@progbits\n", parts.concat())
}

/// A function that returns a number.
pub fn number(name: &str, linkage: Linkage, value: u32) -> String {
    plain(name, linkage, &format!("  movl ${value}, %eax\n  ret\n"))
}

/// liba.so: `f`, which is cloned and returns 10 or 11, and `g`, which is not and returns 100.
pub fn lender(bench: &Bench) -> PathBuf {
    let list = target_list(TWO);
    let f = Function::new("f", 2, 10, &[]).linkage(Linkage::Hidden);
    let extra = [export("f", "f"), number("g", Linkage::Hidden, 100), export("g", "g")].concat();
    let a = bench.object("a", &list, &[f], &extra);
    bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &p(&a)]);
    bench.path("liba.so")
}
