//! What stands in a composed object.

use crate::build::{
    Folder, Linker, composed, demote, expect_same, expect_same_contents, keep, run, try_compose,
};
use jl_pass_plugin::compose::{Symbol, compose};
use object::elf;
use object::read::elf::ElfFile64;
use object::{LittleEndian as LE, Object, ObjectComdat, ObjectSection, ObjectSymbol};

type File<'a> = ElfFile64<'a, LE>;

/// Binding, type, visibility and other bits, size, and the section's name or special index.
fn symbol(file: &File, name: &str) -> (u8, u8, u8, u64, String) {
    let mut all = file.symbols().filter(|s| s.name() == Ok(name) && s.kind() != object::SymbolKind::File);
    let symbol = all.next().unwrap_or_else(|| panic!("no {name}"));
    assert!(all.next().is_none(), "{name} twice");
    let raw = symbol.elf_symbol();
    let section =
        symbol.section_index().map(|s| file.section_by_index(s).unwrap().name().unwrap().to_string());
    let section = section.unwrap_or_else(|| format!("{:#x}", raw.st_shndx.get(LE).0));
    (raw.st_bind().0, raw.st_type().0, raw.st_other.0, symbol.size(), section)
}

fn expect(file: &File, name: &str, bind: elf::SymbolBind, kind: elf::SymbolType, other: u8, section: &str) {
    let (b, k, o, _, s) = symbol(file, name);
    assert_eq!((b, k, o, &*s), (bind.0, kind.0, other, section), "{name}");
}

fn names(file: &File) -> Vec<String> {
    let skip = [".strtab", ".symtab", ".text"];
    let names = file.sections().map(|s| s.name().unwrap().to_string());
    names.filter(|n| !skip.contains(&n.as_str())).collect()
}

/// Signature and the names of the members.
fn groups(file: &File) -> Vec<(String, Vec<String>)> {
    let name = |s| file.section_by_index(s).unwrap().name().unwrap().to_string();
    let of = |c: object::read::elf::ElfComdat64<LE>| {
        (c.name().unwrap().to_string(), c.sections().map(name).collect())
    };
    file.comdats().map(of).collect()
}

#[test]
fn symbols_are_resolved_as_a_linker_does() {
    let folder = Folder::new();
    let first = "
        .file \"first\"
        .data
        .weak over, stays
        .globl both, tls_user
        over: .long 1
        stays: .long 2
        both: .quad p.jl.local, undefined, maybe, guarded
        tls_user: .quad shared@DTPOFF
        .weak maybe
        .hidden p.jl.local
        .protected guarded
        .type shared, @tls_object
        .comm room,16,8
        .comm taken,4,4";
    let second = "
        .file \"second\"
        .section .data.second,\"aw\"
        .globl over, guarded, p.jl.local, taken
        .weak stays, maybe
        .hidden stays, p.jl.local, guarded
        .type p.jl.local, @object
        over: .long 3
        stays: .quad 4
        p.jl.local: .quad local, p.jl.local, maybe
        .size p.jl.local, 8
        local: .long 5
        guarded: taken: .long 6
        .comm room,12,32
        .section .tdata,\"awT\"
        .globl shared
        .type shared, @object
        shared: .long 0";
    let inputs = folder.assemble_all(&[first, second]);
    let bytes = composed(&inputs);
    let file = File::parse(&*bytes).unwrap();
    use elf::*;
    expect(&file, "over", STB_GLOBAL, STT_NOTYPE, 0, ".data.second");
    expect(&file, "stays", STB_WEAK, STT_NOTYPE, STV_HIDDEN.0, ".data");
    expect(&file, "p", STB_LOCAL, STT_OBJECT, 0, ".data.second");
    expect(&file, "guarded", STB_GLOBAL, STT_NOTYPE, STV_HIDDEN.0, ".data.second");
    expect(&file, "taken", STB_GLOBAL, STT_NOTYPE, 0, ".data.second");
    expect(&file, "undefined", STB_GLOBAL, STT_NOTYPE, 0, "0x0");
    expect(&file, "maybe", STB_WEAK, STT_NOTYPE, 0, "0x0");
    expect(&file, "shared", STB_GLOBAL, STT_TLS, 0, ".tdata");
    expect(&file, "room", STB_GLOBAL, STT_OBJECT, 0, "0xfff2");
    let room = file.symbols().find(|s| s.name() == Ok("room")).unwrap().elf_symbol();
    assert_eq!((room.st_size.get(LE), room.st_value.get(LE)), (16, 32), "the largest size and alignment");
    let order: Vec<_> =
        file.symbols().map(|s| s.name().unwrap().to_string()).filter(|n| !n.is_empty()).collect();
    let at = |name: &str| order.iter().position(|n| n == name).unwrap();
    assert!(at("first") < at("second") && at("second") < at("local") && at("local") < at("p"), "{order:?}");
    folder.check_readable(&bytes);
    assert_eq!(composed(&inputs), bytes);
    assert_eq!(composed(std::slice::from_ref(&bytes)), bytes, "nothing is left to do");
}

#[test]
fn hidden_symbols_get_other_names() {
    let folder = Folder::new();
    let inputs = folder.assemble_all(&[
        ".globl f\n.hidden f\nf: call g\n.hidden g",
        ".globl g\n.hidden g\ng: call f\n.globl k\nk:",
    ]);
    let inputs: Vec<&[u8]> = inputs.iter().map(Vec::as_slice).collect();
    let renamed = |n: &str| Symbol { name: format!("{n}.unique"), local: false };
    let bytes = compose(&inputs, &renamed, &|name: &str| name.to_string()).unwrap();
    let file = File::parse(&*bytes).unwrap();
    for name in ["f.unique", "g.unique"] {
        expect(&file, name, elf::STB_GLOBAL, elf::STT_NOTYPE, elf::STV_HIDDEN.0, ".text");
    }
    expect(&file, "k", elf::STB_GLOBAL, elf::STT_NOTYPE, 0, ".text");
    let same = |_: &str| Symbol { name: "k".to_string(), local: false };
    let error = compose(&inputs, &same, &|name: &str| name.to_string()).unwrap_err().to_string();
    assert_eq!(error, "two symbols get the name k, one of them is g; expected different names");
    let local = |_: &str| Symbol { name: "k".to_string(), local: true };
    assert!(
        compose(&inputs, &local, &|name: &str| name.to_string()).is_ok(),
        "local symbols may share names"
    );
    let missing = compose(&inputs[..1], &local, &|name: &str| name.to_string()).unwrap_err().to_string();
    assert!(missing.starts_with("g of object 0 becomes a local symbol, but it is undefined;"), "{missing}");
    assert!(compose(&inputs[..1], &keep, &|name: &str| name.to_string()).is_ok());
}

const PART: &str = "
    .section .text.f.NUMBER,\"axG\",@progbits,f,comdat
    .globl f.NUMBER.jl.local
    .hidden f.NUMBER.jl.local
    f.NUMBER.jl.local: .byte NUMBER
        .long f - .";
const TABLES: &str = "
    .section .text.f,\"axG\",@progbits,f,comdat
    .weak f
    .type f, @function
    f: jmp *slot(%rip)
    .section .data.slot,\"awG\",@progbits,f,comdat
    slot: .quad f.1.jl.local
    .section records,\"aGo\",@progbits,.text.f,f,comdat
    .quad f.1.jl.local - ., f.2.jl.local - .";

#[test]
fn parts_of_a_group_are_one_group() {
    let folder = Folder::new();
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let sources = [PART.replace("NUMBER", "1"), PART.replace("NUMBER", "2"), TABLES.to_string()];
        let inputs = folder.assemble_all(&order.map(|i| &*sources[i]));
        let bytes = composed(&inputs);
        folder.check_readable(&bytes);
        let file = File::parse(&*bytes).unwrap();
        let groups = groups(&file);
        assert_eq!(groups.len(), 1);
        assert_eq!(groups[0].0, "f");
        let mut members = groups[0].1.clone();
        members.sort();
        let expected = [
            ".data.slot",
            ".rela.data.slot",
            ".rela.text.f",
            ".rela.text.f.1",
            ".rela.text.f.2",
            ".relarecords",
            ".text.f",
            ".text.f.1",
            ".text.f.2",
            "records",
        ];
        assert_eq!(members, expected);
        expect(&file, "f.1", elf::STB_LOCAL, elf::STT_NOTYPE, 0, ".text.f.1");
        expect(&file, "f", elf::STB_WEAK, elf::STT_FUNC, 0, ".text.f");
        // Whole groups of two objects: a linker takes one, and so do we.
        let more = folder.assemble(".globl main\nmain: call f\nret");
        let twice = [bytes.clone(), bytes.clone(), more];
        for options in [&["-pie"][..], &["-pie", "-Wl,--gc-sections"]] {
            let separate = folder.link(Linker::Lld, &twice, options);
            let together = folder.link(Linker::Lld, &[composed(&twice)], options);
            expect_same_contents(Linker::Lld, &separate, &together);
        }
    }
}

#[test]
fn what_refers_to_a_repeated_group_is_kept_in_tables_only() {
    let folder = Folder::new();
    let group = "
        .section .text.f,\"axG\",@progbits,f,comdat
        .weak f
        f: .cfi_startproc
        inner: ret
        .cfi_endproc
        .section .debug_ranges,\"\",@progbits
        .quad inner, f, f + 1, inner + 1";
    let inputs =
        folder.assemble_all(&[group, group, ".globl main\nmain: .cfi_startproc\ncall f\nret\n.cfi_endproc"]);
    folder.check_readable(&composed(&inputs));
    for linker in crate::build::LINKERS {
        let [separate, together] =
            [&inputs[..], &[composed(&inputs)]].map(|o| folder.link(linker, o, &["-pie"]));
        expect_same_contents(linker, &separate, &together);
    }
    let reaching = format!("{group}\n.data\n.quad inner");
    let error = try_compose(&folder.assemble_all(&[group, &reaching])).unwrap_err().to_string();
    assert!(error.starts_with("object 1: section "), "{error}");
    assert!(error.contains("which is in a group that is left out"), "{error}");
}

#[test]
fn what_is_said_about_an_object_is_said_once() {
    let folder = Folder::new();
    let note =
        "\n.section .note.GNU-stack,\"\",@progbits\n.section .comment,\"MS\",@progbits,1\n.asciz \"one\"";
    let assemble = |source: &str| folder.compile("source.s", source, &[]);
    let inputs = [note, note, &note.replace("one", "other")].map(assemble);
    let bytes = composed(&inputs);
    let file = File::parse(&*bytes).unwrap();
    assert_eq!(names(&file), [".note.GNU-stack", ".comment"]);
    assert_eq!(file.section_by_name(".comment").unwrap().data().unwrap(), b"one\0other\0");
    let flags = |bytes: &[u8]| {
        let note = File::parse(bytes).unwrap().section_by_name(".note.GNU-stack")?.elf_section_header();
        Some(note.sh_flags.get(LE).0)
    };
    let executable = assemble(&note.replace("GNU-stack,\"\"", "GNU-stack,\"x\""));
    assert_eq!(flags(&composed(&[inputs[0].clone(), executable])), Some(elf::SHF_EXECINSTR.0));
    // Without the note the stack is executable: so is the whole.
    let without = assemble(".section .comment,\"MS\",@progbits,1");
    assert_eq!(flags(&composed(&[inputs[0].clone(), without])), None);
}

#[test]
fn sections_may_be_many() {
    const EACH: usize = 36_000;
    let folder = Folder::new();
    // All to be kept: each refers to the next.
    let source = |from: usize| {
        let section = |i: usize| {
            format!(
                ".section .text.f{i},\"ax\",@progbits\n.globl f{i}\nf{i}: .long f{} - .\n",
                (i + 1) % (2 * EACH)
            )
        };
        (from..from + EACH).map(section).collect::<String>()
    };
    let start = ".globl main\nmain: xor %eax,%eax\nret\n.data\n.quad f0";
    let inputs = folder.assemble_all(&[&source(0), &source(EACH), start]);
    let bytes = composed(&inputs);
    let file = File::parse(&*bytes).unwrap();
    assert!(file.sections().count() > 2 * EACH && file.section_by_name(".symtab_shndx").is_some());
    let last = format!("f{}", 2 * EACH - 1);
    expect(&file, &last, elf::STB_GLOBAL, elf::STT_NOTYPE, 0, &format!(".text.{last}"));
    expect_same(&folder, Linker::Lld, &inputs, &["-pie", "-Wl,--gc-sections"]);
    folder.write("many.o", &bytes);
    run(folder.command("ld").args(["-r", "-o", "out.o", "many.o"]));
    let said = run(folder.command("llvm-readobj-22").args(["-h", "--symbols", "--section-groups", "many.o"]));
    assert!(!said.contains("arning:"));
}

#[test]
fn other_tools_take_the_object() {
    let folder = Folder::new();
    let sources = [
        "int g(int); inline static int s(int x) { return x + 1; }\n\
         int main() { return g(s(41)); }",
        "int g(int x) { return x - 42; }",
    ];
    let inputs =
        sources.map(|s| folder.compile("source.c", s, &["-O1", "-g", "-fPIE", "-ffunction-sections"]));
    folder.write("in.o", &composed(&inputs));
    for tool in [
        "ld -r -o out.o in.o",
        "ld.lld-22 -r -o out.o in.o",
        "mold -r -o out.o in.o",
        "strip -g -o out.o in.o",
        "strip --strip-unneeded -o out.o in.o",
        "llvm-strip-22 -g -o out.o in.o",
        "objcopy --localize-symbol=g in.o out.o",
        "llvm-objcopy-22 --prefix-symbols=_ --prefix-symbols= in.o out.o",
    ] {
        let words: Vec<&str> = tool.split(' ').collect();
        let said = run(folder.command(words[0]).args(&words[1..]));
        assert_eq!(said, "", "{tool}");
        let out = std::fs::read(folder.path("out.o")).unwrap();
        folder.check_readable(&out);
        folder.run(&folder.link(Linker::Gnu, &[out], &["-pie"]));
    }
}

#[test]
fn objects_for_aarch64() {
    let folder = Folder::new();
    let options = [
        "--target=aarch64-linux-gnu",
        "-O2",
        "-g",
        "-ffunction-sections",
        "-fPIC",
        "-mbranch-protection=standard",
    ];
    let sources = [
        "extern int h(int) __asm__(\"h.jl.local\") __attribute__((visibility(\"hidden\")));\n\
         __thread int t; __attribute__((aarch64_vector_pcs)) void v(void); void *p = v; int f(int x) { return h(x) + t; }",
        "__attribute__((visibility(\"hidden\"))) int h(int) __asm__(\"h.jl.local\");\n\
         extern __thread int t; int h(int x) { return t += x; } __attribute__((aarch64_vector_pcs)) void v(void) {}",
    ];
    let inputs = sources.map(|s| folder.compile("source.c", s, &options));
    let bytes = composed(&inputs);
    let file = File::parse(&*bytes).unwrap();
    expect(&file, "h", elf::STB_LOCAL, elf::STT_FUNC, 0, ".text.h.jl.local");
    expect(&file, "v", elf::STB_GLOBAL, elf::STT_FUNC, elf::STO_AARCH64_VARIANT_PCS.0, ".text.v");
    folder.write("all.o", &bytes);
    let said = run(folder.command("llvm-readobj-22").args(["-a", "all.o"]));
    assert!(!said.contains("arning:"), "{said}");
    for (index, input) in inputs.iter().enumerate() {
        folder.write(&format!("{index}.o"), input);
    }
    for (linker, options) in
        [("ld.lld-22", "--shared --build-id=none"), ("aarch64-linux-gnu-ld", "-shared --build-id=none")]
    {
        let link = |objects: &[&str]| {
            run(folder.command(linker).args(options.split(' ')).args(["-o", "out.so"]).args(objects));
            std::fs::read(folder.path("out.so")).unwrap()
        };
        expect_same_contents(Linker::Lld, &link(&["0.o", "1.o"]), &link(&["all.o"]));
    }
    let other = folder.compile("source.c", sources[0], &options[..5]);
    let error = try_compose(&[inputs[1].clone(), other]).unwrap_err().to_string();
    assert!(error.starts_with("objects 0 and 1 differ in their property notes"), "{error}");
    assert_eq!(demote("h.jl.local").name, "h");
}
