//! Links with real tools: outputs of every kind, what they print for each target, and what is left in them.

mod support;

use support::{Bench, Function, Linkage, main_c, p, plain, target_list, two_objects, words};

#[test]
fn executables_of_every_kind() {
    for kind in [&["-pie"][..], &["-no-pie"], &["-static"], &["-static-pie"]] {
        let bench = Bench::new();
        let objects = two_objects(&bench);
        bench.link_ok(&[kind, &["-o", "prog"], &words(&objects)].concat());
        let prog = bench.path("prog");
        assert_eq!(bench.callees(&prog, "f.0"), ["g.0"], "{kind:?}");
        assert_eq!(bench.callees(&prog, "f.1"), ["g.1"], "{kind:?}");
        assert_eq!(bench.at_target(&prog, 0), "110100\n", "{kind:?}");
        assert_eq!(bench.at_target(&prog, 1), "112101\n", "{kind:?}");
    }
}

#[test]
fn shared_object() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let a = bench.object("a", &list, &[Function::new("f", 2, 10, &["g", "h"])], "");
    let hidden = Function::new("g", 2, 100, &[]).linkage(Linkage::Hidden);
    let exported = Function::new("h", 2, 1000, &[]);
    let b = bench.object("b", &list, &[hidden, exported], "");
    bench.link_ok(&["-shared", "-o", "libx.so", &p(&a), &p(&b)]);
    let lib = bench.path("libx.so");
    assert_eq!(bench.callees(&lib, "f.1")[0], "g.1");
    assert!(bench.callees(&lib, "f.1")[1].contains("plt"), "exported: may be replaced");
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), "-L.", "-lx"]);
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "1113\n");

    for bound in ["-Wl,--jl-bind-local", "-Wl,-Bsymbolic-functions"] {
        bench.link_ok(&["-shared", "-o", "libx.so", &p(&a), &p(&b), bound]);
        assert_eq!(bench.callees(&lib, "f.1"), ["g.1", "h.1"]);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "1110\n");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "1113\n");
    }
}

#[test]
fn hardening_and_leftovers() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    // The C library's start files have no protection notes everywhere.
    bench.link_ok(
        &[&["-shared", "-nostdlib", "-o", "libx.so", "-Wl,-z,lazy"], &words(&objects)[1..]].concat(),
    );
    let text = bench.ok("readelf", &["-lSdnsW", "libx.so"]);
    for wanted in ["BIND_NOW", "GNU_RELRO", "IBT, SHSTK", "Build ID"] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    for unwanted in ["TEXTREL", ".rela.text", ".jl_report", "RWE", "IFUNC"] {
        assert!(!text.contains(unwanted), "{unwanted}\n{text}");
    }
    assert!(text.contains(" f.1\n") && text.contains(" g.0\n"), "clones are named for debuggers\n{text}");
    bench.ok("llvm-objdump-22", &["-x", "libx.so"]);
    assert!(!bench.files().iter().any(|f| f.starts_with(".jl")), "{:?}", bench.files());
}

#[test]
fn stripping() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let a =
        bench.object("a", &list, &[Function::new("f", 2, 10, &[])], &plain("local", Linkage::Local, "ret\n"));
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &["-g"]);
    let symbols = |options: &[&str]| {
        bench.link_ok(&[&["-o", "prog", &p(&main), &p(&a)], options].concat());
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "11\n", "{options:?}");
        let text = bench.ok("readelf", &["-SsW", "prog"]);
        let symtab = text.contains(".symtab");
        (text.contains(".debug_info"), symtab, text.contains(" f.1\n"), text.contains(" main\n"))
    };
    assert_eq!(symbols(&[]), (true, true, true, true));
    assert_eq!(symbols(&["-Wl,-S"]), (false, true, true, true));
    assert_eq!(symbols(&["-Wl,-x"]), (true, true, false, true));
    assert_eq!(symbols(&["-s"]), (false, false, false, false));
    assert_eq!(symbols(&["-Wl,--strip-all,--strip-debug"]), (false, false, false, false));
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-g"]);
    bench.ok("llvm-dwarfdump-22", &["--verify", "prog"]);
    let where_main = bench.ok("gdb", &["-batch", "-ex", "info line main", "prog"]);
    assert!(where_main.contains("main.c"), "{where_main}");
    // Other tools still understand the file.
    bench.ok("strip", &["prog", "-o", "stripped"]);
    assert_eq!(bench.at_target(&bench.path("stripped"), 1), "11\n");
}

#[test]
fn kept_relocations_stay_when_asked_for() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    bench.link_ok(&[&["-o", "prog", "-Wl,-q"], &words(&objects)[..]].concat());
    assert!(bench.ok("readelf", &["-SW", "prog"]).contains(".rela.text"));
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "112101\n");
}

#[test]
fn relocatable_links_keep_everything() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    bench.link_ok(&["-r", "-o", "both.o", &objects[1], &objects[2]]);
    bench.link_ok(&["-o", "prog", &objects[0], "both.o"]);
    let prog = bench.path("prog");
    assert_eq!(bench.callees(&prog, "f.1"), ["g.1"]);
    assert_eq!(bench.at_target(&prog, 1), "112101\n");
}

#[test]
fn archives() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let other = target_list(&["x86-64", "x86-64-v4"]);
    let unused = bench.object("unused", &other, &[Function::new("unused", 2, 1, &[])], "");
    for kind in ["rcs", "rcsT"] {
        let archive = format!("lib{kind}.a");
        bench.ok("llvm-ar-22", &[kind, &archive, &objects[1], &objects[2], &p(&unused)]);
        bench.link_ok(&["-o", "prog", &objects[0], &archive, "-Wl,--jl-report=r.json"]);
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "112101\n");
        assert_eq!(bench.report("r.json")["functions"], 2, "the third is not drawn in");
        let by_name = format!("-l:{archive}");
        bench.link_ok(&["-o", "prog", &objects[0], "-L.", &by_name]);

        let whole = format!("-Wl,--whole-archive,{archive},--no-whole-archive");
        let errors = bench.link_fails(&["-o", "prog2", &objects[0], &whole]);
        assert!(errors.contains("unused.o)") && errors.contains("x86-64-v4"), "{errors}");
    }
    let main = bench.compile("main2", &main_c("int f(void); int unused(void);", "f() + unused()"), &[]);
    let errors = bench.link_fails(&["-o", "prog2", &p(&main), "librcs.a"]);
    assert!(errors.contains("unused.o") && errors.contains("--jl-targets"), "{errors}");
    assert!(!bench.files().iter().any(|f| f == "prog2" || f.starts_with(".jl")));
}

#[test]
fn gc_sections_drops_records_with_their_functions() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let list = target_list(support::TWO);
    let unused = bench.object("unused", &list, &[Function::new("unused", 2, 1, &["g"])], "");
    let args = ["-o", "prog", &p(&unused), "-Wl,--gc-sections,--jl-report=r.json"];
    bench.link_ok(&[&args, &words(&objects)[..]].concat());
    assert_eq!(bench.report("r.json")["functions"], 2);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "110100\n");
    // Nothing left at all: then no shim either.
    let main = bench.compile("alone", &main_c("", "7"), &[]);
    bench.link_ok(&["-o", "alone", &p(&main), &p(&unused), &objects[2], "-Wl,--gc-sections"]);
    assert!(!bench.ok("readelf", &["-SW", "alone"]).contains("jl_image"));
    assert_eq!(bench.at_target(&bench.path("alone"), 1), "7\n");
}

#[test]
fn comdat_duplicates_with_different_clone_sets() {
    let list = target_list(support::TWO);
    let both = Function::new("t", 2, 5, &[]).linkage(Linkage::Comdat);
    let mut one = both.clone();
    one.bodies.truncate(1);
    one.rows = vec![0, 0];
    for (first, second, at_1) in [(&both, &one, "12\n"), (&one, &both, "10\n")] {
        let bench = Bench::new();
        let caller = |name: &str| Function::new(name, 2, 0, &["t"]).linkage(Linkage::Hidden);
        let a = bench.object("a", &list, &[first.clone(), caller("a")], "");
        let b = bench.object("b", &list, &[second.clone(), caller("b")], "");
        let main = bench.compile("main", &main_c("int a(void); int b(void);", "a() + b()"), &[]);
        bench.link_ok(&["-o", "prog", &p(&main), &p(&a), &p(&b)]);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "10\n");
        // a and b add their own target number.
        let expected = format!("{}\n", at_1.trim().parse::<u32>().unwrap() + 2);
        assert_eq!(bench.at_target(&bench.path("prog"), 1), expected);
        for linker in ["lld", "bfd", "mold"] {
            if bench.has_linker(linker) {
                let choice = format!("-fuse-ld={linker}");
                bench.ok("clang-22", &[&choice, "-o", "plain", &p(&main), &p(&a), &p(&b)]);
                assert_eq!(bench.at_target(&bench.path("plain"), 1), "10\n", "{linker}: runs the baseline");
            }
        }
    }
}

#[test]
fn equal_links_give_equal_bytes_and_the_build_id_tells_others_apart() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let link = |name: &str, options: &[&str]| {
        bench.link_ok(&[&["-o", name], options, &words(&objects)[..]].concat());
        std::fs::read(bench.path(name)).unwrap()
    };
    assert_eq!(link("one", &[]), link("two", &[]));
    let ids = |options: &[&str]| {
        let options = [options, &["-Wl,--jl-report=r.json"]].concat();
        link("id", &options);
        bench.report("r.json")["build_id"].as_str().unwrap().to_string()
    };
    assert_ne!(ids(&[]), ids(&["-Wl,--jl-tunable"]));
    assert_eq!(ids(&["-Wl,--build-id=0x1234abcd"]), "1234abcd");
    assert_eq!(ids(&["-Wl,--build-id=none"]), "");
    for (style, digits) in [("fast", 16), ("md5", 32), ("sha1", 40), ("uuid", 32)] {
        let id = ids(&[&format!("-Wl,--build-id={style}")]);
        assert_eq!(id.len(), digits, "{style}");
        assert!(bench.ok("readelf", &["-nW", "id"]).contains(&id), "{style}");
    }
}

#[test]
fn objects_without_records_are_linked_as_lld_would() {
    let bench = Bench::new();
    let main = bench.compile("main", &main_c("", "1"), &[]);
    bench.link_ok(&["-o", "ours", &p(&main)]);
    bench.ok("clang-22", &["-fuse-ld=lld", "-o", "theirs", &p(&main)]);
    assert_eq!(std::fs::read(bench.path("ours")).unwrap(), std::fs::read(bench.path("theirs")).unwrap());
    // Bitcode, no plugin: nothing comes out cloned, and no shim stays.
    let bitcode = bench.compile("lto", &main_c("", "2"), &["-flto"]);
    bench.link_ok(&["-flto", "-fuse-ld=lld", "-o", "lto", &p(&bitcode)]);
    assert!(!bench.ok("readelf", &["-SW", "lto"]).contains("jl_image"));
    assert_eq!(bench.at_target(&bench.path("lto"), 0), "2\n");
}

#[test]
fn build_systems_find_a_linker_that_they_know() {
    let bench = Bench::new();
    for option in ["-Wl,--version", "-Wl,-v"] {
        let output = bench.link(&[option]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("LLD 22") && text.contains("GNU"), "{text}");
        assert!(text.contains("jl-link") || option == "-Wl,-v", "{text}");
    }
    let objects = two_objects(&bench);
    let arguments = [&["-o", "prog", "-Wl,--dependency-file=prog.d"], &words(&objects)[..]].concat();
    bench.link_ok(&arguments);
    let dependencies = std::fs::read_to_string(bench.path("prog.d")).unwrap();
    assert!(dependencies.starts_with("prog:") && !dependencies.contains("jl-"), "{dependencies}");
    // Probes link to nowhere.
    bench.link_ok(&["-o", "/dev/null", &objects[0], &objects[1], &objects[2]]);
    assert!(std::fs::metadata("/dev/null").unwrap().len() == 0);
    // A long command line comes in a response file.
    let many =
        std::iter::repeat_n(format!("-L{}", p(&bench.path("x"))), 30_000).collect::<Vec<_>>().join("\n");
    let words =
        format!("{many}\n{}\n{}\n{}\n-o prog -Wl,--jl-report=r.json", objects[0], objects[1], objects[2]);
    bench.write("args", &words);
    bench.link_ok(&["@args"]);
    assert_eq!(bench.report("r.json")["functions"], 2);
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "112101\n");
    let plain = bench.compile("plain", &main_c("", "3"), &[]);
    bench.write("args", &format!("{many}\n{}\n-o plain", p(&plain)));
    bench.link_ok(&["@args"]);
}

#[test]
fn report_and_summary() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let args = ["-o", "prog", "-Wl,--jl-report=r.json,--jl-summary"];
    let summary = bench.link_ok(&[&args, &words(&objects)[..]].concat());
    assert!(summary.contains(": 2 functions cloned, ") && summary.contains("[never-pays]"), "{summary}");
    let report = bench.report("r.json");
    assert_eq!(report["version"], 1);
    assert_eq!(
        (&report["functions"], &report["slots"], &report["folded"]),
        (&2.into(), &2.into(), &0.into())
    );
    assert_eq!(report["calls"]["direct"], 2);
    assert_eq!(report["calls"]["on_slot"]["caller-not-cloned"], 2, "{report}");
    assert_eq!(report["targets"][1]["name"], "x86-64-v3");
    assert_eq!(report["targets"][1]["clones"], 2);
    assert!(report["targets"][1]["bytes"].as_u64().unwrap() > 20);
    assert_eq!(report["not_cloned"]["never-pays"]["functions"][0], "not_cloned_here");
    assert_eq!(report["cloned"]["f"]["reason"], "clone-all");
    assert_eq!(report["file_size"], std::fs::metadata(bench.path("prog")).unwrap().len());
    // Nothing to clone: that is what the report says then.
    let main = bench.compile("alone", &main_c("", "1"), &[]);
    bench.link_ok(&["-o", "alone", &p(&main), "-Wl,--jl-report=r.json"]);
    assert_eq!(
        (&bench.report("r.json")["functions"], &bench.report("r.json")["build_id"]),
        (&0.into(), &"".into())
    );
}

/// Of folded and dropped functions the debug info stays; their addresses must not all be 0.
#[test]
fn debug_info_of_what_is_gone_overlaps_nothing() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let cloned = bench.object("f", &list, &[Function::new("f", 2, 10, &[])], "");
    let source = "int f(void);
        static int same1(int a) { int b = f(); for (; a > b; a -= b) b ^= a; return b; }
        static int same2(int a) { int b = f(); for (; a > b; a -= b) b ^= a; return b; }
        static int same3(int a) { int b = f(); for (; a > b; a -= b) b ^= a; return b; }
        int dropped1(int a) { return a > 3 ? same1(a) : f(); }
        int dropped2(int a) { return a > 4 ? same2(a) : f(); }
        int main(int argc, char **argv) { return same1(argc) + same2(argc) + same3(argc) == 0; }";
    for version in ["-gdwarf-4", "-gdwarf-5"] {
        let main = bench.compile("main", source, &["-fPIE", "-ffunction-sections", "-fno-inline", version]);
        let objects = [p(&main), p(&cloned)];
        bench.link_ok(&[&["-o", "prog", "-Wl,--gc-sections"], &words(&objects)[..]].concat());
        bench.ok("llvm-dwarfdump-22", &["--verify", "prog"]);
        // What the user says goes before it.
        let own = "-Wl,--gc-sections,-z,dead-reloc-in-nonalloc=.debug_*=0";
        bench.link_ok(&[&["-o", "prog", own], &words(&objects)[..]].concat());
        assert!(!bench.run("llvm-dwarfdump-22", &["--verify", "prog"]).status.success(), "{version}");
    }
}
