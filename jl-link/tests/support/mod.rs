//! Makes objects as the plugin makes them, from assembly: the format of `image_format::layout`, by hand.
//! The linker's tests must not depend on the plugin, and must be able to make wrong objects.
#![allow(dead_code)]

pub mod packages;

use image_format::cpu::EM_X86_64;
use image_format::feature::FeatureSet;
use image_format::layout::{RECORD_ASKS, RECORD_SECTION, SHARD_NOTE_SECTION, SPECS_SECTION, record_head};
use image_format::specs::{self, TargetDescription};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Linkage {
    Global,
    Hidden,
    Local,
    /// In a COMDAT group of its own, weak.
    Comdat,
}

/// A cloned function: what it calls, and which target has which body.
#[derive(Clone)]
pub struct Function {
    pub name: String,
    pub linkage: Linkage,
    /// Body number by target.
    pub rows: Vec<usize>,
    /// Assembly of each body.
    pub bodies: Vec<String>,
    pub flags: u32,
    /// Questions that its bodies take as answered.
    pub asks: FeatureSet,
}

impl Function {
    /// One body for each of `targets`; body `t` returns `value + t` plus what the callees return.
    pub fn new(name: &str, targets: usize, value: u32, callees: &[&str]) -> Function {
        let body = |t: usize| body(value + t as u32, callees);
        Function {
            name: name.into(),
            linkage: Linkage::Global,
            rows: (0..targets).collect(),
            bodies: (0..targets).map(body).collect(),
            flags: 0,
            asks: FeatureSet::EMPTY,
        }
    }

    pub fn linkage(mut self, linkage: Linkage) -> Function {
        self.linkage = linkage;
        self
    }
}

/// `return value + sum of callees`.
pub fn body(value: u32, callees: &[&str]) -> String {
    let mut text = format!("  pushq %rbx\n  movl ${value}, %ebx\n");
    for callee in callees {
        let _ = writeln!(text, "  call {callee}\n  addl %eax, %ebx");
    }
    text + "  movl %ebx, %eax\n  popq %rbx\n  ret\n"
}

/// A function that is not cloned, alone in its section.
pub fn plain(name: &str, linkage: Linkage, text: &str) -> String {
    format!(
        "{}{}{name}:\n  endbr64\n{text}.size {name}, .-{name}\n",
        section(name, linkage),
        visibility(name, linkage)
    )
}

fn section(name: &str, linkage: Linkage) -> String {
    match linkage {
        Linkage::Comdat => format!(".section .text.{name},\"axG\",@progbits,{name},comdat\n"),
        _ => format!(".section .text.{name},\"ax\",@progbits\n"),
    }
}

fn visibility(name: &str, linkage: Linkage) -> String {
    let word = match linkage {
        Linkage::Global => format!(".globl {name}\n"),
        Linkage::Hidden => format!(".globl {name}\n.hidden {name}\n"),
        Linkage::Local => String::new(),
        Linkage::Comdat => format!(".weak {name}\n"),
    };
    format!("{word}.p2align 4\n.type {name},@function\n")
}

/// The list of targets, none of which asks anything of the CPU, so that every test machine can run all.
pub fn target_list(names: &[&str]) -> Vec<u8> {
    let targets: Vec<_> = names.iter().map(|name| (*name, FeatureSet::EMPTY)).collect();
    target_list_with(&targets)
}

/// The list of targets with what each declares; bases are target 0.
pub fn target_list_with(targets: &[(&str, FeatureSet)]) -> Vec<u8> {
    let target = |(name, declared): &(&str, FeatureSet)| TargetDescription {
        name: name.to_string(),
        features: String::new(),
        tune: String::new(),
        flags: 0,
        base: 0,
        vector_bits: 128,
        required: *declared,
        declared: *declared,
    };
    specs::write(EM_X86_64, 0, &targets.iter().map(target).collect::<Vec<_>>())
}

/// The assembly of an object. `extra` is appended.
pub fn assembly(specs: &[u8], functions: &[Function], extra: &str) -> String {
    let mut text = String::from(".addrsig\n");
    let list = specs::symbol_name(specs);
    for function in functions {
        function_assembly(&mut text, &list, function);
    }
    let bytes: Vec<_> = specs.iter().map(u8::to_string).collect();
    let _ = write!(
        text,
        ".section {SPECS_SECTION},\"aG\",@progbits,{list},comdat\n.weak {list}\n.hidden {list}\n\
         .p2align 3\n{list}:\n  .byte {}\n.size {list}, .-{list}\n",
        bytes.join(", ")
    );
    let _ = write!(
        text,
        ".section {SHARD_NOTE_SECTION},\"a\",@note\n.p2align 2\n  .long 9, 16, 2\n  \
         .ascii \"Julienne\\0\\0\\0\\0\"\n  .long {}\n\
         .weak __start_jl_records, __stop_jl_records\n.hidden __start_jl_records, __stop_jl_records\n  \
         .long __start_jl_records - .\n  .long __stop_jl_records - .\n  .long {}\n",
        image_format::layout::FORMAT_VERSION,
        image_format::layout::LAYOUT_HASH as u32
    );
    let _ = writeln!(text, ".section .jl_report,\"e\",@progbits");
    for function in functions {
        let mask = (1u64 << function.bodies.len()) - 1;
        let _ = writeln!(text, "  .ascii \"{}\\t{mask:x}\\tclone-all\\t7\\n\"", function.name);
    }
    let _ = writeln!(text, "  .ascii \"not_cloned_here\\t1\\tnever-pays\\t3\\n\"");
    text + extra + PROTECTION + ".section .note.GNU-stack,\"\",@progbits\n"
}

const PROTECTION: &str = ".section .note.gnu.property,\"a\",@note\n.p2align 3\n  .long 4, 16, 5\n  \
    .asciz \"GNU\"\n  .long 0xc0000002, 4, 3, 0\n";

fn function_assembly(text: &mut String, list: &str, function: &Function) {
    let Function { name, linkage, rows, bodies, flags, asks } = function;
    let flags = if asks.is_empty() { *flags } else { flags | RECORD_ASKS };
    let group = if *linkage == Linkage::Comdat { format!(",{name},comdat") } else { String::new() };
    let g = if group.is_empty() { "" } else { "G" };
    *text += &section(name, *linkage);
    *text += &visibility(name, *linkage);
    let _ = write!(
        text,
        "{name}:\n  endbr64\n  jmpq *{name}.reloc_slot(%rip)\n.size {name}, .-{name}\n.addrsig_sym {name}\n"
    );
    for (number, body) in bodies.iter().enumerate() {
        let _ = write!(
            text,
            ".section .text.{name}.{number},\"ax{g}\",@progbits{group}\n.p2align 4\n\
             .type {name}.{number},@function\n{name}.{number}:\n  endbr64\n{body}.size {name}.{number}, .-{name}.{number}\n"
        );
    }
    let slot = format!("{name}.reloc_slot");
    // Address-significant: lld folds equal .data.rel.ro sections, too, and f.0 may be equal to another
    // function's baseline body.
    let _ = write!(text, ".section .data.rel.ro.jl_slot.{name},\"aw{g}\",@progbits{group}\n.p2align 3\n");
    if !matches!(linkage, Linkage::Local | Linkage::Comdat) {
        let _ = write!(text, ".globl {slot}\n.hidden {slot}\n");
    }
    let _ = write!(
        text,
        ".type {slot},@object\n{slot}:\n  .quad {name}.0\n.size {slot}, 8\n.addrsig_sym {slot}\n"
    );
    let _ = write!(
        text,
        ".section {RECORD_SECTION},\"ao{g}\",@progbits,{name}{group}\n.p2align 2\n  .long {:#x}\n  .long {list} - .\n  \
         .long {slot} - .\n  .long {flags}\n",
        record_head(rows.len())
    );
    for body in rows {
        let _ = writeln!(text, "  .long {name}.{body} - .");
    }
    if !asks.is_empty() {
        let _ = writeln!(text, "  .quad {}, {}, {}, {}", asks.0[0], asks.0[1], asks.0[2], asks.0[3]);
    }
}

/// A directory for a test, and the tools in it.
pub struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    pub fn new() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    pub fn object(&self, name: &str, specs: &[u8], functions: &[Function], extra: &str) -> PathBuf {
        self.assemble(name, &assembly(specs, functions, extra))
    }

    pub fn assemble(&self, name: &str, text: &str) -> PathBuf {
        let source = self.write(&format!("{name}.s"), text);
        let object = self.path(&format!("{name}.o"));
        self.ok("clang-22", &["-c", &p(&source), "-o", &p(&object)]);
        object
    }

    pub fn compile(&self, name: &str, text: &str, flags: &[&str]) -> PathBuf {
        let source = self.write(&format!("{name}.c"), text);
        let object = self.path(&format!("{name}.o"));
        let (source, target) = (p(&source), p(&object));
        let args = [&["-O1", "-c", &source, "-o", &target], flags].concat();
        self.ok("clang-22", &args);
        object
    }

    /// Links by clang with jl-link as the linker.
    pub fn link(&self, args: &[&str]) -> Output {
        self.run("clang-22", &[&[LD_PATH], args].concat())
    }

    pub fn link_ok(&self, args: &[&str]) -> String {
        let output = self.link(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}\n{errors}");
        errors
    }

    pub fn link_fails(&self, args: &[&str]) -> String {
        let output = self.link(args);
        assert!(!output.status.success(), "{args:?} succeeded");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    pub fn run(&self, program: &str, args: &[&str]) -> Output {
        let mut command = clean_command(program);
        command.args(args).current_dir(self.dir.path()).env("LD_LIBRARY_PATH", self.dir.path());
        command.output().unwrap_or_else(|e| panic!("{program}: {e}"))
    }

    pub fn ok(&self, program: &str, args: &[&str]) -> String {
        let output = self.run(program, args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {args:?}\n{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the program prints when target `target` is forced.
    pub fn at_target(&self, program: &Path, target: usize) -> String {
        let mut command = clean_command(program);
        command.env("JL_LOAD_TARGET", target.to_string()).env("LD_LIBRARY_PATH", self.dir.path());
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} at {target}: {}\n{errors}", program.display(), output.status);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Calls in each function of a file: (caller, callee as objdump names it).
    pub fn calls(&self, file: &Path) -> Vec<(String, String)> {
        let text = self.ok("llvm-objdump-22", &["-d", "--no-show-raw-insn", &p(file)]);
        let mut caller = String::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_suffix(">:") {
                caller = name.split('<').nth(1).unwrap_or("").into();
            } else if (line.contains("\tcall") || line.contains("\tjmp"))
                && let Some(name) = line.rsplit_once('<').and_then(|(_, n)| n.strip_suffix('>'))
            {
                calls.push((caller.clone(), name.into()));
            }
        }
        calls
    }

    pub fn callees(&self, file: &Path, caller: &str) -> Vec<String> {
        self.calls(file).into_iter().filter(|c| c.0 == caller).map(|c| c.1).collect()
    }

    pub fn has_linker(&self, name: &str) -> bool {
        let program = if name == "lld" { "ld.lld-22".into() } else { format!("ld.{name}") };
        let found = Command::new(&program).arg("--version").output().is_ok();
        if !found {
            eprintln!("{program} is not installed: not tested with it");
        }
        found
    }

    /// A report that a link wrote.
    pub fn report(&self, name: &str) -> serde_json::Value {
        serde_json::from_str(&std::fs::read_to_string(self.path(name)).unwrap()).unwrap()
    }

    pub fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

pub const LD_PATH: &str = concat!("--ld-path=", env!("CARGO_BIN_EXE_jl-link"));

/// A path as an argument.
pub fn p(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

/// A main that prints what `expression` is.
pub fn main_c(declarations: &str, expression: &str) -> String {
    format!(
        "#include <stdio.h>\n{declarations}\nint main(void) {{ printf(\"%d\\n\", {expression}); return 0; }}\n"
    )
}

/// A command that no setting of ours in the environment of the tests reaches.
pub fn clean_command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    let ours = |name: &str| name.starts_with("JL_") || name == "JULIA_CPU_TARGET";
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
        command.env_remove(name);
    }
    command
}

pub const TWO: &[&str] = &["x86-64", "x86-64-v3"];

/// f (a.o) calls g (b.o); main prints f() * 1000 + g().
pub fn two_objects(bench: &Bench) -> Vec<String> {
    let list = target_list(TWO);
    let function = |name: &str, value: u32, callees: &[&str]| {
        Function::new(name, 2, value, callees).linkage(Linkage::Hidden)
    };
    let a = bench.object("a", &list, &[function("f", 10, &["g"])], "");
    let b = bench.object("b", &list, &[function("g", 100, &[])], "");
    let main = bench.compile("main", &main_c("int f(void); int g(void);", "f() * 1000 + g()"), &["-fPIE"]);
    vec![p(&main), p(&a), p(&b)]
}

pub fn words(strings: &[String]) -> Vec<&str> {
    strings.iter().map(String::as_str).collect()
}
