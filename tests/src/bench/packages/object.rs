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
    /// Further text.
    more: String,
    /// Prefix of the symbols that the driver looks for, and the function that is called.
    result: Option<(usize, usize, usize)>,
}

impl Object {
    pub fn new(exports: Vec<Export>) -> Object {
        let (copies, imports, dependencies) = (Vec::new(), Vec::new(), Vec::new());
        Object { exports, copies, imports, dependencies, more: String::new(), result: None }
    }

    pub fn depend_on(&mut self, path: &Path) -> Result<()> {
        self.dependencies.push(DependencyImage::open(path)?.record(0));
        Ok(())
    }

    /// `pN_result` shall call a function of some image.
    pub fn result(&mut self, image: usize, (from, function): (usize, usize)) {
        self.result = Some((image, from, function));
    }

    /// With the function that [`caller`] calls, exported as others are.
    pub fn with_callee(mut self) -> Object {
        self.more = export_record("callee");
        self.more += &function("callee", "", "leal 1(%rdi), %eax\nret\n");
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
        let callee = self.more.find(".section .text").map_or("", |at| &self.more[at..]);
        text + callee + &self.result_text(|name| format!("jmp {name}")) + END
    }

    /// With records, for jl-link.
    pub fn package(&self) -> String {
        let mut text = target_list();
        for Export { name, value } in &self.exports {
            text += &export_record(name);
            text += &function(name, "", &returning(*value));
        }
        text += &self.more;
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
        function(&format!("p{image}_result"), "", &format!("{jump}\n"))
            + &format!(
                ".data\n.p2align 2\n.globl p{image}_expected\n.type p{image}_expected,@object\n\
                 .size p{image}_expected, 4\np{image}_expected: .long {expected}\n"
            )
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
         .set {name}.export, {name}\n.byte {}\n.long {name}.export - .\n.long 0\n",
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

/// `waiting` and `independent`: loops of so many calls as their argument says, by the instruction `call`.
pub fn caller(call: &str) -> String {
    let looped = |name: &str, argument: &str| {
        let body = format!(
            "pushq %rbx\nmovl %edi, %ebx\nxorl %eax, %eax\n.p2align 5\n2: {argument}\n{call}\ndecl %ebx\njne 2b\n\
             popq %rbx\nret\n"
        );
        function(name, "", &body)
    };
    looped("waiting", "movl %eax, %edi") + &looped("independent", "movl %ebx, %edi") + END
}
