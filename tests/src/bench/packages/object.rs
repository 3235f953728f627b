//! Objects as the plugin emits them for packages, as assembly: a compiler would take minutes for what is measured in
//! milliseconds.

use anyhow::Result;
use image_format::cpu::Arch;
use image_format::dependency::DependencyImage;
use image_format::layout::{Dependency, IDENTITY_SIZE};
use image_format::pod::bytes_of;
use image_format::specs::{self, TargetDescription};
use std::fmt::Write;
use std::path::Path;
use xxhash_rust::xxh64::xxh64;

/// A function of the object's own that returns a number.
#[derive(Clone)]
pub struct Export {
    pub name: String,
    pub value: usize,
}

/// A function that is taken from another image.
#[derive(Clone)]
pub struct Import {
    pub name: String,
    /// Index of one that the object depends on.
    pub dependency: usize,
}

#[derive(Clone)]
pub struct Object {
    exports: Vec<Export>,
    /// Hidden, in place of imports.
    pub copies: Vec<Export>,
    pub imports: Vec<Import>,
    dependencies: Vec<Dependency>,
    /// Functions that add one to what they get.
    callees: Vec<String>,
    /// Prefix of the symbols that the driver looks for, and the function that is called.
    result: Option<(usize, usize, usize)>,
}

impl Object {
    pub fn new(exports: Vec<Export>) -> Object {
        let (copies, imports, dependencies) = (Vec::new(), Vec::new(), Vec::new());
        Object { exports, copies, imports, dependencies, callees: Vec::new(), result: None }
    }

    pub fn depend_on(&mut self, path: &Path) -> Result<()> {
        self.dependencies.push(DependencyImage::open(path)?.record(0));
        Ok(())
    }

    /// `pN_result` shall call a function of some image.
    pub fn result(&mut self, image: usize, (from, function): (usize, usize)) {
        self.result = Some((image, from, function));
    }

    /// With functions that [`callers`] call, exported as others are.
    pub fn with_callees(mut self, names: impl Iterator<Item = String>) -> Object {
        self.callees.extend(names);
        self
    }

    /// For a plain linker: without records.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        for Export { name, value } in &self.exports {
            text += &function(name, "", &returning(*value));
        }
        for Export { name, value } in &self.copies {
            text += &function(name, &format!(".hidden {name}\n"), &returning(*value));
        }
        self.callees.iter().for_each(|name| text += &adding(name));
        text + &self.result_text(|name| format!("jmp {name}")) + END
    }

    /// With records, for jl-link.
    pub fn package(&self) -> String {
        let mut text = target_list();
        for Export { name, value } in &self.exports {
            text += &export_record(name);
            text += &function(name, "", &returning(*value));
        }
        for name in &self.callees {
            text += &export_record(name);
            text += &adding(name);
        }
        for (i, dependency) in self.dependencies.iter().enumerate() {
            let symbol = format!("jl_dependency.{i}");
            let _ = write!(
                text,
                ".section jl_dependencies,\"aG\",@progbits,{symbol},comdat\n.p2align 3\n.weak {symbol}\n.hidden {symbol}\n\
                 {symbol}:\n.byte {}\n",
                numbers(bytes_of(dependency))
            );
        }
        for Import { name, dependency } in &self.imports {
            let _ = write!(
                text,
                ".section .data.rel.ro.jl_import.{name},\"aw\",@progbits\n.p2align 3\n.type {name}.import_slot,@object\n\
                 {name}.import_slot: .quad jl_link_must_link_this\n.size {name}.import_slot, 8\n\
                 .section jl_imports,\"a\",@progbits\n.p2align 2\n.byte {}\n.long {name}.import_slot - .\n\
                 .long jl_dependency.{dependency} - .\n.quad 0\n",
                numbers(&identity(name))
            );
        }
        text += ".hidden jl_link_must_link_this\n";
        let is_import = |name: &str| self.imports.iter().any(|import| import.name == name);
        let jump = |name: String| {
            if is_import(&name) {
                format!("jmp *{name}.import_slot(%rip)")
            } else {
                format!("jmp {name}@PLT")
            }
        };
        text + &self.result_text(jump) + END
    }

    /// What the driver calls, and the number that it expects.
    fn result_text(&self, jump: impl Fn(String) -> String) -> String {
        let Some((image, from, number)) = self.result else { return String::new() };
        let expected = super::value(from, number);
        let jump = jump(super::name(from, number));
        counted(image, &format!("{jump}\n"), expected)
    }
}

const END: &str = ".section .note.GNU-stack,\"\",@progbits\n";

/// Of two targets, as every object of the plugin's has one.
fn target_list() -> String {
    let target = |name: &&str| {
        let declared = Arch::X86_64.model(name).unwrap_or_default();
        TargetDescription {
            name: (*name).into(),
            features: String::new(),
            tune: "generic".into(),
            flags: 0,
            base: 0,
            vector_bits: Arch::X86_64.vector_bits(declared),
            required: declared.difference(Arch::X86_64.never_rejects()),
            declared,
        }
    };
    let list: Vec<TargetDescription> = ["x86-64", "x86-64-v3"].iter().map(target).collect();
    let blob = specs::write(Arch::X86_64.elf_machine(), 0, &list);
    let symbol = specs::symbol_name(&blob);
    format!(
        ".section jl_targets,\"aG\",@progbits,{symbol},comdat\n.p2align 3\n.weak {symbol}\n.hidden {symbol}\n{symbol}:\n\
         .byte {}\n",
        numbers(&blob)
    )
}

fn returning(value: usize) -> String {
    format!("movl ${value}, %eax\nret\n")
}

fn function(name: &str, more: &str, body: &str) -> String {
    format!(
        ".section .text.{name},\"ax\",@progbits\n.p2align 4\n.globl {name}\n{more}.type {name},@function\n{name}:\n{body}\
         .size {name}, . - {name}\n"
    )
}

/// Stands before the function, by a local name: the function's own may lead to another object.
fn export_record(name: &str) -> String {
    format!(
        ".section .text.{name},\"ax\",@progbits\n.section jl_exports,\"ao\",@progbits,.text.{name}\n.p2align 2\n\
         .set {name}.export, {name}\n.byte {}\n.long {name}.export - .\n.long 0, 0\n",
        numbers(&identity(name))
    )
}

fn identity(name: &str) -> [u8; IDENTITY_SIZE] {
    let mut identity = [0; IDENTITY_SIZE];
    for (half, seed) in identity.chunks_exact_mut(8).zip(0..) {
        half.copy_from_slice(&xxh64(name.as_bytes(), seed).to_be_bytes());
    }
    identity
}

fn numbers(bytes: &[u8]) -> String {
    bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(",")
}

/// As far apart as lines of the cache are, so that no two share an entry of any predictor.
fn adding(name: &str) -> String {
    function(name, ".p2align 6\n", "endbr64\nleal 1(%rdi), %eax\nret\n")
}

/// `waiting` and `independent`: loops of so many calls as their argument says, to the first callee, by the instruction `call`
/// gives for one; and `in_turn`, to all of `callees`, whose number divides the argument.
pub fn callers(callees: usize, call: impl Fn(usize) -> String) -> String {
    let looped = |name: &str, step: usize, calls: &str| {
        let body = format!(
            "pushq %rbx\nmovl %edi, %ebx\nxorl %eax, %eax\n.p2align 5\n2: {calls}\nsubl ${step}, %ebx\njne 2b\n\
             popq %rbx\nret\n"
        );
        function(name, "", &body)
    };
    let all: String = (0..callees).map(|n| format!("movl %eax, %edi\n{}\n", call(n))).collect();
    looped("waiting", 1, &format!("movl %eax, %edi\n{}", call(0)))
        + &looped("independent", 1, &format!("movl %ebx, %edi\n{}", call(0)))
        + &looped("in_turn", callees, &all)
        + END
}

/// Bytes of an object in a linkage blob.
const DATA_SIZE: usize = 16;

fn datum(image: usize, number: usize) -> String {
    format!("p{image}_d{number}")
}

/// Library `image` with objects in its linkage blob that begin with their number.
pub fn lender(image: usize, objects: usize) -> String {
    let mut text = ".section jl_linkage,\"awR\",@progbits\n.p2align 4\n".to_owned();
    for number in 0..objects {
        let name = datum(image, number);
        let _ = write!(
            text,
            ".globl {name}\n.protected {name}\n.type {name},@object\n{name}: .quad {number}, 0\n\
             .size {name}, {DATA_SIZE}\n"
        );
    }
    text += &counted(image, "xorl %eax, %eax\nret\n", 0);
    text + END
}

/// Library `image` with words in RELRO: pointers to these objects of library `from`, or a number where there is none.
pub fn pointers(image: usize, from: usize, objects: impl Iterator<Item = Option<usize>>) -> String {
    let mut text = ".section .data.rel.ro,\"aw\",@progbits\n.p2align 3\n".to_owned();
    let mut last = (0, 0);
    for (index, object) in objects.enumerate() {
        match object {
            Some(number) => {
                let _ = writeln!(text, "cell{index}: .quad {}", datum(from, number));
                last = (index, number);
            }
            None => text += ".quad 1\n",
        }
    }
    let (index, number) = last;
    text += &counted(image, &format!("movq cell{index}(%rip), %rax\nmovl (%rax), %eax\nret\n"), number);
    text + END
}

/// What the driver calls, and what it expects. With it comes a name of another length in each library: how the names of libraries
/// lie in the lines of the cache decides how long the dynamic linker takes to compare them (12 or 14 us of 100 in five levels), and all
/// ways occur so.
fn counted(image: usize, body: &str, expected: usize) -> String {
    let symbol = format!("p{image}_expected");
    let filler = "x".repeat(23 * image % 64);
    function(&format!("p{image}_result"), "", body)
        + &format!(
            ".data\n.p2align 2\n.globl {symbol}\n.type {symbol},@object\n.size {symbol}, 4\n{symbol}: .long {expected}\n\
             .globl p{image}_{filler}\n.type p{image}_{filler},@object\n.size p{image}_{filler}, 1\np{image}_{filler}: .byte 0\n"
        )
}
