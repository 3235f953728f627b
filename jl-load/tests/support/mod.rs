//! Objects as the plugin emits them, written by hand in assembly; plain links of them; and the least that
//! makes a merged image. So the loaders are tested without the plugin and without jl-link.
#![allow(dead_code, reason = "each test binary uses a part")]

#[path = "../../../runtime-shim/build_object.rs"]
mod build_object;
mod code;
pub mod packages;

pub use build_object::Machine;
use image_format::cpu::Arch;
use image_format::image::{header_checksum, table_checksum};
use image_format::layout::{
    Extent, FORMAT_VERSION, IMAGE_EXECUTABLE, IMAGE_MERGED, IMAGE_SLOTS_CONTIGUOUS, ImageHeader, LAYOUT_HASH,
    NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD, Row, record_head,
};
use image_format::pod::{bytes_of, read_at};
use image_format::specs::{self, TargetDescription};
use jl_load::elf::ElfFile;
use jl_load::image::{Content, content};
use object::read::elf::FileHeader;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// An object to be written: functions `PREFIX0`, `PREFIX1`, ...; function `i` of target `t` returns
/// `100 * i + t`. The constructor stores what `PREFIX0` returns to it in
/// `PREFIX_seen`, which is -1 before.
pub struct Sample {
    pub machine: Machine,
    pub prefix: &'static str,
    pub functions: usize,
    /// CPU names; 0 is the baseline.
    pub targets: Vec<&'static str>,
    /// For the constructor: the dynamic linker is not asked to have the image filled while it relocates it.
    pub waits: bool,
}

impl Sample {
    pub fn new(prefix: &'static str, functions: usize, targets: &[&'static str]) -> Sample {
        Sample { machine: Machine::X86_64, prefix, functions, targets: targets.to_vec(), waits: false }
    }

    /// For aarch64.
    pub fn aarch64(prefix: &'static str, functions: usize, targets: &[&'static str]) -> Sample {
        Sample { machine: Machine::Aarch64, ..Sample::new(prefix, functions, targets) }
    }

    fn arch(&self) -> Arch {
        match self.machine {
            Machine::X86_64 => Arch::X86_64,
            Machine::Aarch64 => Arch::Aarch64,
        }
    }

    pub fn specs(&self) -> Vec<u8> {
        let arch = self.arch();
        let list: Vec<TargetDescription> = self
            .targets
            .iter()
            .map(|name| {
                let declared = arch.model(name).expect("a known CPU");
                TargetDescription {
                    name: (*name).into(),
                    features: String::new(),
                    tune: "generic".into(),
                    flags: 0,
                    base: 0,
                    vector_bits: arch.vector_bits(declared),
                    required: declared.difference(arch.never_rejects()),
                    declared,
                }
            })
            .collect();
        specs::write(arch.elf_machine(), 0, &list)
    }

    pub fn assembly(&self) -> String {
        let blob = self.specs();
        let specs = specs::symbol_name(&blob);
        let prefix = self.prefix;
        let mut s = String::new();
        let bytes: Vec<String> = blob.iter().map(u8::to_string).collect();
        let _ = write!(
            s,
            ".section jl_targets,\"aG\",@progbits,{specs},comdat\n.p2align 3\n.weak {specs}\n.hidden {specs}\n\
             {specs}:\n.byte {}\n",
            bytes.join(",")
        );
        let head = record_head(self.targets.len());
        for i in 0..self.functions {
            let f = format!("{prefix}{i}");
            let _ = write!(
                s,
                ".section .text.{f},\"ax\",@progbits\n.p2align 4\n.globl {f}\n.type {f},@function\n{f}:\n\
                 {}.size {f}, . - {f}\n\
                 .section .data.rel.ro.jl_slot.{f},\"aw\",@progbits\n.p2align 3\n.globl {f}.reloc_slot\n\
                 .hidden {f}.reloc_slot\n.type {f}.reloc_slot,@object\n.size {f}.reloc_slot, 8\n\
                 {f}.reloc_slot: .quad {f}.0\n\
                 .section jl_records,\"ao\",@progbits,.text.{f},unique,{i}\n.p2align 2\n\
                 .long {head}\n.long {specs} - .\n.long {f}.reloc_slot - .\n.long 0\n",
                code::trampoline(self.machine, &f)
            );
            for t in 0..self.targets.len() {
                let _ = writeln!(s, ".long {f}.{t} - .");
            }
            for t in 0..self.targets.len() {
                let value = 100 * i + t;
                let _ = write!(
                    s,
                    ".section .text.{f}.{t},\"ax\",@progbits\n.p2align 4\n.type {f}.{t},@function\n{f}.{t}:\n\
                     {}.size {f}.{t}, . - {f}.{t}\n",
                    code::body(self.machine, value)
                );
            }
        }
        let note = format!(
            ".section .note.jl_shard,\"a\",@note\n.p2align 2\n.long 9, 16, {NOTE_TYPE_SHARD}\n.asciz \"Julienne\"\n\
             .p2align 2\n.long {FORMAT_VERSION}\n.long __start_jl_records - .\n.long __stop_jl_records - .\n\
             .long {}\n.weak __start_jl_records\n.hidden __start_jl_records\n.weak __stop_jl_records\n\
             .hidden __stop_jl_records\n",
            LAYOUT_HASH as u32
        );
        s.push_str(&note);
        if self.functions == 0 {
            return s + code::marks(self.machine) + ".section .note.GNU-stack,\"\",@progbits\n";
        }
        let _ = write!(
            s,
            ".section .data.{prefix}_seen,\"aw\",@progbits\n.p2align 2\n.globl {prefix}_seen\n\
             .type {prefix}_seen,@object\n.size {prefix}_seen, 4\n{prefix}_seen: .long -1\n\
             .section .init_array,\"aw\",@init_array\n.p2align 3\n.quad {prefix}_constructor\n\
             .text\n{prefix}_constructor:\n{}{}.section .note.GNU-stack,\"\",@progbits\n",
            code::constructor(self.machine, prefix),
            code::marks(self.machine)
        );
        s
    }

    /// The assembled object, `PREFIX.o` in `folder`.
    pub fn object(&self, folder: &Path) -> PathBuf {
        let source = folder.join(format!("{}.s", self.prefix));
        let object = source.with_extension("o");
        std::fs::write(&source, self.assembly()).expect("the folder is writable");
        run(clang(self.machine).arg("-c").arg(&source).arg("-o").arg(&object));
        object
    }

    /// Linked by `linker` (a path or name that clang takes) alone.
    pub fn plain(&self, folder: &Path, linker: &str, name: &str) -> PathBuf {
        let object = self.object(folder);
        link_for(self.machine, folder, name, &[&object], &[linker, "-shared", "-Wl,-z,now"])
    }

    /// The embedded shim's object.
    fn shim(&self) -> PathBuf {
        if self.waits { waiting_shim_object() } else { shim_object_for(self.machine) }
    }

    /// With the embedded shim, merged. `options` go to clang.
    pub fn merged(&self, folder: &Path, name: &str, options: &[&str], more: &[&Path]) -> PathBuf {
        let object = self.object(folder);
        let shim = self.shim();
        let mut inputs = vec![shim.as_path(), object.as_path()];
        inputs.extend(more);
        let options = [options, &["-fuse-ld=lld", "-Wl,-z,now,-z,relro,--build-id=sha1"]].concat();
        let path = link_for(self.machine, folder, name, &inputs, &options);
        merge(&path);
        path
    }
}

/// clang's spellings of the linkers that must all do.
pub const LINKERS: [&str; 3] = ["-fuse-ld=lld", "-fuse-ld=bfd", "-fuse-ld=mold"];

fn clang(machine: Machine) -> Command {
    let mut clang = Command::new("clang-22");
    if machine == Machine::Aarch64 {
        clang.arg("--target=aarch64-linux-gnu");
    }
    clang
}

pub fn link(folder: &Path, name: &str, inputs: &[&Path], options: &[&str]) -> PathBuf {
    link_for(Machine::X86_64, folder, name, inputs, options)
}

fn link_for(machine: Machine, folder: &Path, name: &str, inputs: &[&Path], options: &[&str]) -> PathBuf {
    let output = folder.join(name);
    run(clang(machine).args(options).args(inputs).arg("-o").arg(&output));
    output
}

/// A C program or library.
pub fn compile_c(folder: &Path, name: &str, source: &str, options: &[&str]) -> PathBuf {
    compile_c_for(Machine::X86_64, folder, name, source, options)
}

pub fn compile_c_for(machine: Machine, folder: &Path, name: &str, source: &str, options: &[&str]) -> PathBuf {
    let file = folder.join(format!("{name}.c"));
    let output = folder.join(name);
    std::fs::write(&file, source).expect("the folder is writable");
    run(clang(machine).arg(&file).arg("-o").arg(&output).args(options));
    output
}

/// The embedded shim's object, built once per test binary.
pub fn shim_object() -> PathBuf {
    shim_object_for(Machine::X86_64)
}

/// As [`shim_object`], without the IFUNC that musl refuses: what jl-link embeds where it does not link with glibc.
pub fn waiting_shim_object() -> PathBuf {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    let make = || {
        let mut bytes = std::fs::read(shim_object()).expect("the shim");
        let at = {
            let elf =
                object::elf::FileHeader64::<object::LittleEndian>::parse(&*bytes).expect("an ELF object");
            let sections = elf.sections(object::LittleEndian, &*bytes).expect("sections");
            let symbols =
                sections.symbols(object::LittleEndian, &*bytes, object::elf::SHT_SYMTAB).expect("symbols");
            let ifunc = symbols.iter().find(|s| s.st_type() == object::elf::STT_GNU_IFUNC).expect("an IFUNC");
            &raw const ifunc.st_info as usize - bytes.as_ptr() as usize
        };
        bytes[at] = bytes[at] & 0xf0 | object::elf::STT_FUNC.0;
        let path = shim_object().with_file_name("waiting.o");
        std::fs::write(&path, bytes).expect("the folder is writable");
        path
    };
    MADE.get_or_init(make).clone()
}

fn shim_object_for(machine: Machine) -> PathBuf {
    static BUILT: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    let build = || {
        let workspace =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().find(|p| p.join("runtime-shim").is_dir());
        let shim = workspace.expect("the workspace").join("runtime-shim");
        let work = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shim").join(machine.name());
        build_object::build(&shim, &work, machine).unwrap_or_else(|e| panic!("{e}"))
    };
    BUILT[machine as usize].get_or_init(build).clone()
}

/// What jl-link does at the least: the records become the table, the header is filled.
pub fn merge(path: &Path) {
    let file = ElfFile::open(path).expect("an ELF file");
    let found = content(&file).expect("a plain image");
    let Content::Plain(plain) = found else { panic!("not a plain image") };
    if plain.functions.is_empty() {
        return merge_without_functions(path, &file);
    }
    let (base, mut header) = empty_header(&file);
    let mut functions: Vec<_> = plain.functions.iter().collect();
    let table_at = functions.iter().map(|f| f.record).min().expect("a function");
    functions.sort_by_key(|f| f.slot);
    let offset = |address: u64| i32::try_from(address.wrapping_sub(base) as i64).expect("a near address");
    let targets = plain.lists[0].specs.len();
    let mut table: Vec<i32> = functions.iter().map(|f| offset(f.slot)).collect();
    for t in 0..targets {
        table.extend(functions.iter().map(|f| offset(f.bodies[t])));
    }
    let bytes: Vec<u8> = table.iter().flat_map(|v| v.to_le_bytes()).collect();
    let n = functions.len() as u32;
    let first = functions[0].slot;
    let end = functions[functions.len() - 1].slot + 8;
    if functions.windows(2).all(|pair| pair[1].slot == pair[0].slot + 8) {
        header.flags |= IMAGE_SLOTS_CONTIGUOUS;
    }
    let list = &plain.lists[0];
    header.specs = Extent { offset: offset(list.address), count: list.specs.bytes().len() as u32 };
    header.table = Extent { offset: offset(table_at), count: bytes.len() as u32 };
    header.slots = Extent { offset: offset(table_at), count: n };
    header.slot_span = Extent { offset: offset(first), count: (end - first) as u32 };
    header.row_count = targets as u32;
    for t in 0..targets {
        header.rows[t] = Row { target: t as u32, bodies: offset(table_at) + (4 * n * (t as u32 + 1)) as i32 };
    }
    header.table_checksum = table_checksum(&bytes);
    header.header_checksum = header_checksum(&header);
    let header_offset = file.file_offset(base).expect("a header in the file");
    let table_offset = file.file_offset(table_at).expect("records in the file");
    let mut image = file.bytes().to_vec();
    image[header_offset..][..size_of::<ImageHeader>()].copy_from_slice(bytes_of(&header));
    image[table_offset..][..bytes.len()].copy_from_slice(&bytes);
    drop(plain);
    std::fs::write(path, image).expect("the image is writable");
}

/// The header as far as every image has it alike, and where it is.
fn empty_header(file: &ElfFile) -> (u64, ImageHeader) {
    let note = file.our_notes().find(|n| n.kind == NOTE_TYPE_IMAGE).expect("the shim's note");
    let delta: i32 = read_at(file.bytes(), note.file.start + 28).expect("a note");
    let base = (note.address + 28).wrapping_add_signed(i64::from(delta));
    let mut header: ImageHeader = read_at(file.from_address(base).expect("a header"), 0).expect("a header");
    header.flags = IMAGE_MERGED;
    header.package_checksum = image_format::package::checksum([&[]; 2]);
    header.linkage_checksum = image_format::package::linkage_checksum(&[]);
    header.details_checksum = image_format::details::checksum([&[]; 5]);
    if file.is_executable {
        header.flags |= IMAGE_EXECUTABLE;
    }
    let id = file.build_id().unwrap_or(&[]);
    header.build_id[..id.len()].copy_from_slice(id);
    header.build_id_size = id.len() as u32;
    let state = file.symbols().iter().find(|s| s.name == "jl_image_state").expect("the shim's state").address;
    header.state = Extent { offset: state.wrapping_sub(base) as i32, count: 1 };
    (base, header)
}

/// An image that only lends or borrows functions: no target list, one row of nothing.
fn merge_without_functions(path: &Path, file: &ElfFile) {
    let (base, mut header) = empty_header(file);
    header.row_count = 1;
    header.table_checksum = table_checksum(&[]);
    header.header_checksum = header_checksum(&header);
    let at = file.file_offset(base).expect("a header in the file");
    let mut image = file.bytes().to_vec();
    image[at..][..size_of::<ImageHeader>()].copy_from_slice(bytes_of(&header));
    std::fs::write(path, image).expect("the image is writable");
}

/// Runs a tool that must succeed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Copies a program into a folder under its own name, to be run from there. By another process: what this one has open for
/// writing, a child of another test's thread could have open still when the program is started, and that is refused.
pub fn copy_program(program: &str, folder: &Path) -> PathBuf {
    run(Command::new("cp").arg(program).arg(folder));
    folder.join(Path::new(program).file_name().expect("a program has a name"))
}

/// Standard output and standard error.
pub fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `program` on an emulated CPU.
pub fn on_cpu(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("qemu-x86_64");
    command.args(["-cpu", cpu]).arg(program);
    command
}

/// `program` for aarch64 on an emulated CPU, with the cross compiler's C library.
pub fn on_aarch64(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("qemu-aarch64");
    command.args(["-L", "/usr/aarch64-linux-gnu", "-cpu", cpu]).arg(program);
    command
}

/// A program that prints `PREFIX0`..`PREFIX2` and what the constructor saw, from libraries it is linked
/// to or (with an argument: a path) that it loads.
pub const PROGRAM: &str = r#"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void show(void *from) {
    int (*f0)(void) = dlsym(from, "f0"), (*f1)(void) = dlsym(from, "f1"), (*f2)(void) = dlsym(from, "f2");
    int *seen = dlsym(from, "f_seen");
    if (!f0) { printf("no f0: %s\n", dlerror()); exit(3); }
    printf("seen=%d f0=%d f1=%d f2=%d\n", *seen, f0(), f1(), f2());
}
int main(int argc, char **argv) {
    setvbuf(stdout, 0, _IONBF, 0);
    if (argc < 2) { show(RTLD_DEFAULT); return 0; }
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { printf("dlopen: %s\n", dlerror()); return 2; }
    if (argc > 2) { printf("loaded\n"); 
        if (!strcmp(argv[2], "close")) { dlclose(library); return 0; }
        if (!strcmp(argv[2], "seen")) { printf("seen=%d\n", *(int *) dlsym(library, "f_seen")); return 0; } }
    show(library);
    return 0;
}
"#;
