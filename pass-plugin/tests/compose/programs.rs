//! Programs out of two or three objects, linked separately and composed.

use crate::build::{Folder, LINKERS, Linker, composed, composed_as_is, expect_same, run};
use std::collections::BTreeMap;

const FIRST: &str = r#"
    #include <stdio.h>
    struct Error { int code; };
    extern thread_local int counter;
    thread_local int counter = 5;
    inline int shared(int x) { static int sum; return sum += x; }
    extern "C" __attribute__((visibility("hidden"))) int helper(int) __asm__("helper.jl.local");
    int later(int);
    __attribute__((weak)) int chosen() { return 1; }
    __attribute__((weak)) int missing();
    struct Base { virtual ~Base() {} virtual int f(int); };
    int Base::f(int x) { return x + 1; }
    __attribute__((constructor)) static void first() { puts("first"); }
    static int local(int x) { return x * 2; }
    int (*pointer)(int) = local;
    int unused_in_first(int x) { return x / 7; }
    int main() {
        try { later(7); } catch (Error &e) { printf("caught %d\n", e.code); }
        Base b;
        printf("%d %d %d %d %d %d\n", helper(2), counter, shared(3), b.f(2), chosen(), pointer(4));
        return missing ? missing() : 0;
    }
"#;
const SECOND: &str = r#"
    #include <stdio.h>
    struct Error { int code; };
    extern thread_local int counter;
    inline int shared(int x) { static int sum; return sum += x; }
    extern "C" __attribute__((visibility("hidden"))) int helper(int) __asm__("helper.jl.local");
    extern "C" int helper(int x) { counter++; return x * 3 + shared(x); }
    int chosen() { return 2; }
    struct Guard { ~Guard() { puts("unwound"); } };
    __attribute__((constructor)) static void second() { puts("second"); }
    static int local(int x) { return x * 20; }
    int (*other_pointer)(int) = local;
    int later(int x) { Guard g; throw Error{other_pointer(x)}; }
    int unused_in_second(int x) { return x / 9; }
"#;
const PRINTED: &str = "first\nsecond\nunwound\ncaught 140\n8 6 5 3 2 8\n";

const SECTIONS: [&str; 3] = ["-ffunction-sections", "-fdata-sections", "-fPIE"];

fn objects(folder: &Folder, options: &[&str]) -> Vec<Vec<u8>> {
    let all: Vec<&str> = SECTIONS.iter().chain(options).copied().collect();
    [("first.cpp", FIRST), ("second.cpp", SECOND)].map(|(n, s)| folder.compile(n, s, &all)).to_vec()
}

#[test]
fn a_program_is_the_same_byte_for_byte() {
    let folder = Folder::new();
    for options in [&["-O2", "-g"][..], &["-O0", "-gdwarf-4", "-fcf-protection"]] {
        let objects = objects(&folder, options);
        folder.check_readable(&composed(&objects));
        for linker in LINKERS {
            assert_eq!(expect_same(&folder, linker, &objects, &["-pie"]), PRINTED);
            expect_same(&folder, linker, &objects, &["-pie", "-Wl,--gc-sections"]);
        }
        expect_same(&folder, Linker::Lld, &objects, &["-pie", "-Wl,--icf=all"]);
    }
}

#[test]
fn debug_information_stays_whole() {
    let folder = Folder::new();
    let plain = ["-O2", "-g", "-ggnu-pubnames"];
    let types = ["-O1", "-gdwarf-5", "-fdebug-types-section"];
    let old = ["-O1", "-gdwarf-4", "-fdebug-types-section", "-ggnu-pubnames"];
    let compressed = ["-O2", "-g", "-gz=zlib"];
    for options in [&plain[..], &types, &old, &compressed] {
        let objects = objects(&folder, options);
        let index = options.contains(&"-ggnu-pubnames");
        let more: &[&str] = if index { &["-pie", "-Wl,--gdb-index"] } else { &["-pie"] };
        // Type units have sections of their own beside the one of all compile units: their order differs.
        if !options.contains(&"-fdebug-types-section") {
            expect_same(&folder, Linker::Lld, &objects, more);
        }
        let [separate, together] = [&objects[..], &[composed(&objects)]].map(|o| {
            folder.write("debug", &folder.link(Linker::Lld, o, more));
            run(folder.command("llvm-dwarfdump-22").args(["--verify", "debug"]));
            gdb_index(&run(folder.command("llvm-dwarfdump-22").args(["--gdb-index", "debug"])))
        });
        assert_eq!(separate.contains_key("unused_in_second"), index);
        assert_eq!(separate, together);
    }
}

/// For each name the units that know it, from dwarfdump's output.
fn gdb_index(dump: &str) -> BTreeMap<String, String> {
    let lists = dump
        .lines()
        .filter_map(|l| l.trim().split_once("): "))
        .filter_map(|(number, units)| Some((number.split_once('(')?.0, units.trim())));
    let lists: BTreeMap<&str, &str> = lists.collect();
    let names = dump
        .lines()
        .filter_map(|l| l.trim().strip_prefix("String name: ")?.split_once(", CU vector index: "));
    names.map(|(name, list)| (name.to_string(), lists[list].to_string())).collect()
}

#[test]
fn composed_objects_share_what_is_inline() {
    let folder = Folder::new();
    let objects = objects(&folder, &["-O1", "-g"]);
    let third = folder.compile(
        "third.cpp",
        "inline int shared(int x) { static int sum; return sum += x; }\n\
         int (*more)(int) = shared;",
        &["-fPIE", "-g"],
    );
    // Each of the two has a group of its own for `shared`.
    let [one, two] = [composed_as_is(&objects[..1]), composed_as_is(&[objects[1].clone(), third])];
    for linker in LINKERS {
        let program = folder.link(linker, &[one.clone(), two.clone()], &["-pie"]);
        assert_eq!(folder.run(&program), PRINTED);
        expect_same(&folder, linker, &[one.clone(), two.clone()], &["-pie"]);
    }
}

#[test]
fn addresses_are_significant_where_they_were() {
    let folder = Folder::new();
    let first = "int f(int x) { return x * 77; } int g(int x) { return x * 77; }\n\
         __attribute__((visibility(\"hidden\"))) int h(int x) __asm__(\"h.jl.local\");\n\
         int h(int x) { return x * 77; } int main() { extern int both(void); return !both(); }";
    let second = "int f(int), g(int); int k(int x) { return x * 77; }\n\
         __attribute__((visibility(\"hidden\"))) int h(int x) __asm__(\"h.jl.local\");\n\
         int (*volatile table[])(int) = {f, h};\n\
         int both(void) { return table[0] != table[1] && table[0](1) == g(1) + k(1) - table[1](1); }";
    let compile = |name, source, more: &[&str]| {
        folder.compile(name, source, &[&["-O1"], &SECTIONS[..], &["-fPIC"], more].concat())
    };
    let one = compile("first.c", first, &[]);
    for (more, folds) in [(&[][..], true), (&["-fno-addrsig"], false)] {
        let objects = [one.clone(), compile("second.c", second, more)];
        expect_same(&folder, Linker::Lld, &objects, &["-pie", "-Wl,--icf=safe"]);
        folder.write("composed.o", &composed(&objects));
        let mut lld = folder.command("ld.lld-22");
        let said = run(lld.args("composed.o -pie -e main -o out --icf=safe --print-icf-sections".split(' ')));
        // Of f, g, h and k the second object takes the addresses of f and h only.
        let of = |name: &str| said.contains(&format!("section composed.o:(.text.{name})"));
        assert_eq!((of("g"), of("k")), (folds, folds), "{said}");
        assert!(!of("f") && !of("h.jl.local"), "{said}");
    }
}

#[test]
fn sections_follow_the_one_that_they_belong_to() {
    let folder = Folder::new();
    let options = ["-O1", "-fpatchable-function-entry=2", "-fPIE", "-ffunction-sections"];
    let sources = [
        "int used(int x) { return x + 1; } int dead(int x) { return x - 1; }",
        "int used(int); int other_dead(int x) { return x; } int main() { return used(-1); }",
    ];
    let objects = sources.map(|s| folder.compile("source.c", s, &options));
    let together = composed(&objects);
    folder.check_readable(&together);
    for linker in LINKERS {
        expect_same(&folder, linker, &objects, &["-pie", "-Wl,--gc-sections"]);
    }
}

#[test]
fn a_call_graph_orders_functions_as_before() {
    let folder = Folder::new();
    let function = |name: &str| {
        format!(".section .text.{name},\"ax\",@progbits\n.globl {name}\n{name}: xor %eax,%eax\nret\n")
    };
    let first = format!("{}{}.cg_profile a, c, 10\n.cg_profile b, d, 500\n", function("b"), function("a"));
    let second = format!(
        "{}{}{}.cg_profile main, d, 800\n.cg_profile d, b, 900\n",
        function("c"),
        function("d"),
        function("main")
    );
    let objects = folder.assemble_all(&[&first, &second]);
    folder.check_readable(&composed(&objects));
    for options in [&["-pie", "-ffunction-sections"][..], &["-pie", "-Wl,--call-graph-profile-sort=none"]] {
        expect_same(&folder, Linker::Lld, &objects, options);
    }
    let link = |options: &[&str]| folder.link(Linker::Lld, &[composed(&objects)], options);
    assert!(link(&["-pie"]) != link(&["-pie", "-Wl,--call-graph-profile-sort=none"]), "the profile is used");
}
