//! Objects that do not know a dependency, linked with it: what it has leaves, with all copies, and nothing else does.

mod support;

use image_format::dependency::DependencyImage;
use support::packages::{
    dependency, export, grouped_export, identity, import, lender, number, object, record_of,
};
use support::{Bench, Function, Linkage, main_c, p, plain, target_list};

/// A copy of `f`, cloned, whose identity is that of `content`. It returns 80 or 81, which tells it from the lender's.
fn copy(content: Option<&str>) -> (Function, String) {
    let f = Function::new("f", 2, 80, &[]).linkage(Linkage::Comdat);
    (f, content.map_or(String::new(), |content| grouped_export("f", content, "f")))
}

/// An object with a copy of `f`, and a function `name` that returns what that returns, and `value`.
fn user(bench: &Bench, name: &str, content: Option<&str>, value: u32) -> String {
    let (f, records) = copy(content);
    let calls = format!("  pushq %rbx\n  callq f@PLT\n  addl ${value}, %eax\n  popq %rbx\n  ret\n");
    p(&bench.object(
        name,
        &target_list(support::TWO),
        &[f],
        &(plain(name, Linkage::Global, &calls) + &records),
    ))
}

/// What a program prints that adds up what `one` and `two` return, at each target.
fn sums(bench: &Bench) -> [String; 2] {
    let main =
        bench.compile("main", &main_c("int one(void); int two(void);", "one() * 1000 + two()"), &["-fPIE"]);
    bench.ok("clang-22", &[&p(&main), "-L.", "-lb", "-o", "prog", "-Wl,-rpath-link,."]);
    [0, 1].map(|target| bench.at_target(&bench.path("prog"), target))
}

fn dep(bench: &Bench) -> String {
    format!("-Wl,--jl-dep={}", p(&bench.path("liba.so")))
}

/// `r.json` says that the copies of `f` stayed, for this reason.
fn assert_f_is_kept(bench: &Bench, reason: &str) {
    let report = bench.report("r.json");
    assert_eq!(report["kept"]["liba.so"][reason]["functions"], serde_json::json!(["f"]), "{report}");
}

fn names(bench: &Bench, file: &str) -> Vec<String> {
    let text = bench.ok("llvm-nm-22", &["--format=just-symbols", &p(&bench.path(file))]);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_dependency_runs_in_place_of_all_copies() {
    for options in [&[][..], &["-Wl,-s"], &["-Wl,--gc-sections"], &["-Wl,-Bsymbolic"], &["-Wl,--icf=all"]] {
        let bench = Bench::new();
        lender(&bench);
        let objects = [user(&bench, "one", Some("f"), 1), user(&bench, "two", Some("f"), 2)];
        let args = ["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json,--jl-summary"];
        let summary = bench.link_ok(&[&args[..], options, &[&objects[0], &objects[1]]].concat());
        assert_eq!(sums(&bench), ["11012\n", "12013\n"], "{options:?}");
        let image = DependencyImage::open(&bench.path("libb.so")).unwrap();
        let package = image.package();
        assert_eq!((package.imports.len(), package.exports.len(), image.table().functions()), (1, 0, 0));
        if options.is_empty() {
            let names = names(&bench, "libb.so");
            assert!(names.contains(&"f".into()) && !names.iter().any(|n| n.starts_with("f.0")), "{names:?}");
            let report = bench.report("r.json");
            let dependency = &report["package"]["dependencies"][0];
            assert_eq!(dependency["functions"], serde_json::json!(["f"]));
            assert!(dependency["bytes"].as_u64().is_some_and(|bytes| bytes > 20), "{dependency}");
            assert_eq!(report["kept"], serde_json::json!({}));
            assert!(
                summary.contains("from liba.so") && summary.contains("1 import, of 1 function"),
                "{summary}"
            );
            let needed = bench.ok("llvm-readelf-22", &["-d", "libb.so"]);
            assert!(needed.contains("[liba.so]"), "{needed}");
        }
    }
}

#[test]
fn the_symbol_stays_what_it_was() {
    let bench = Bench::new();
    lender(&bench);
    let visible = user(&bench, "one", Some("f"), 1);
    let (f, records) = copy(Some("f"));
    let hidden = f.clone();
    let two = bench.object("two", &target_list(support::TWO), &[hidden], &(records + ".hidden f\n"));
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), &visible]);
    let symbols = |file: &str| bench.ok("llvm-nm-22", &["-D", "--defined-only", &p(&bench.path(file))]);
    assert!(symbols("libb.so").contains(" W f\n"), "{}", symbols("libb.so"));
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), &visible, &p(&two)]);
    assert!(!symbols("libb.so").contains(" f\n"), "{}", symbols("libb.so"));
}

#[test]
fn a_name_with_several_contents_keeps_its_copies() {
    let others = [(Some("other"), "80 or 81"), (None, "no record")];
    for (content, case) in others {
        let bench = Bench::new();
        lender(&bench);
        let objects = [user(&bench, "one", Some("f"), 1), user(&bench, "two", content, 2)];
        for order in [[0, 1], [1, 0]] {
            let objects = order.map(|index| objects[index].as_str());
            let args = ["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json"];
            bench.link_ok(&[&args[..], &objects].concat());
            assert_eq!(sums(&bench), ["81082\n", "82083\n"], "{case}");
            let report = bench.report("r.json");
            assert_eq!(report["kept"]["liba.so"]["disagreement"]["functions"], serde_json::json!(["f"]));
            assert_eq!(report["package"]["dependencies"], serde_json::json!([]));
        }
    }
}

#[test]
fn a_definition_that_is_no_copy_keeps_them() {
    let bench = Bench::new();
    lender(&bench);
    let one = user(&bench, "one", Some("f"), 1);
    let strong = [number("f", Linkage::Global, 50), number("two", Linkage::Global, 2)];
    let strong = p(&bench.assemble("strong", &object(&strong)));
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json", &one, &strong]);
    assert_eq!(sums(&bench), ["51002\n", "51002\n"]);
    assert_f_is_kept(&bench, "disagreement");
}

#[test]
fn what_has_another_content_than_the_dependency_s_stays() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // Here the dynamic linker finds it as well.
    let f = Function::new("f", 2, 10, &[]);
    let a = bench.object("a", &list, &[f], &export("f", "f"));
    bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &p(&a)]);
    let objects = [user(&bench, "one", Some("other"), 1), user(&bench, "two", Some("other"), 2)];
    let report = "-Wl,--jl-report=r.json";
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), report, &objects[0], &objects[1]]);
    assert_eq!(sums(&bench), ["81082\n", "82083\n"]);
    assert_f_is_kept(&bench, "other-content");
}

#[test]
fn a_group_with_something_else_in_it_stays() {
    let bench = Bench::new();
    lender(&bench);
    let data = ".section .data.own,\"awG\",@progbits,f,comdat\n.weak own\nown:\n  .long 1\n";
    let (f, records) = copy(Some("f"));
    let calls = "  pushq %rbx\n  callq f@PLT\n  popq %rbx\n  ret\n";
    let both = ["one", "two"].map(|name| plain(name, Linkage::Global, calls)).concat();
    let b = bench.object("b", &target_list(support::TWO), &[f], &(records + data + &both));
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json", &p(&b)]);
    assert_eq!(sums(&bench), ["80080\n", "81081\n"]);
    assert_f_is_kept(&bench, "group");
}

#[test]
fn members_of_archives_come_along_as_ever() {
    let bench = Bench::new();
    lender(&bench);
    let one = user(&bench, "one", Some("f"), 1);
    let two = user(&bench, "two", Some("f"), 2);
    let other = user(&bench, "other", Some("other"), 3);
    let archive = |name: &str, members: &[&str]| {
        let file = p(&bench.path(name));
        bench.ok("llvm-ar-22", &[&["rcs", &file], members].concat());
        file
    };
    let wants = bench.compile("wants", "int two(void); int wants(void) { return two(); }", &["-fPIC"]);
    let args = ["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json", &p(&wants), &one];
    // A member that is linked for another symbol has a copy; one that is not linked has another one.
    let linked = archive("l.a", &[&two, &other]);
    bench.link_ok(&[&args[..], &[&linked]].concat());
    assert_eq!(sums(&bench), ["11012\n", "12013\n"]);
    assert_eq!(bench.report("r.json")["kept"], serde_json::json!({}));

    // What a member is linked for stays: without its definition the member would not be there.
    let asks = bench.compile("asks", "int f(void); int one(void) { return f() + 1; }", &["-fPIC"]);
    let args = ["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json", &p(&asks)];
    bench.link_ok(&[&args[..], &[&archive("m.a", &[&two])]].concat());
    assert_eq!(sums(&bench), ["81082\n", "82083\n"]);
    assert_f_is_kept(&bench, "draws-in");
}

#[test]
fn records_of_both_kinds_live_together() {
    let bench = Bench::new();
    let a = lender(&bench);
    let record = record_of(&a);
    let one = user(&bench, "one", Some("f"), 1);
    let knows = [import("two", "g", "g", &record, 2), dependency(&record)];
    let two = p(&bench.assemble("two", &object(&knows)));
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), &one, &two]);
    assert_eq!(sums(&bench), ["11102\n", "12102\n"]);
    let image = DependencyImage::open(&bench.path("libb.so")).unwrap();
    assert_eq!((image.package().imports.len(), image.package().dependencies.len()), (2, 1));
}

#[test]
fn executables_take_functions_too() {
    for kind in ["-pie", "-no-pie"] {
        let bench = Bench::new();
        lender(&bench);
        let objects = [user(&bench, "one", Some("f"), 1), user(&bench, "two", Some("f"), 2)];
        let text = main_c("int one(void); int two(void);", "one() * 1000 + two()");
        let main = p(&bench.compile("main", &text, &["-fPIE"]));
        bench.link_ok(&[kind, "-o", "prog", &dep(&bench), &main, &objects[0], &objects[1]]);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "11012\n", "{kind}");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "12013\n", "{kind}");
    }
}

#[test]
fn bitcode_in_the_link_keeps_all() {
    let bench = Bench::new();
    lender(&bench);
    let one = user(&bench, "one", Some("f"), 1);
    let two = bench.compile("two", "int two(void) { return 2; }", &["-fPIC", "-flto"]);
    bench.link_ok(&["-shared", "-o", "libb.so", &dep(&bench), "-Wl,--jl-report=r.json", &one, &p(&two)]);
    assert_eq!(sums(&bench), ["81002\n", "82002\n"]);
    assert_f_is_kept(&bench, "bitcode");
}

/// libb.so with copies of what liba.so has; programs `with`, which loads both, the dependency first, and `without`.
fn with_copies(bench: &Bench, options: &[&str]) {
    let objects = [user(bench, "one", Some("f"), 1), user(bench, "two", Some("f"), 2)];
    let args = ["-shared", "-o", "libb.so", "-Wl,--jl-keep-fallback,--jl-report=r.json", &dep(bench)];
    bench.link_ok(&[&args[..], options, &[&objects[0], &objects[1]]].concat());
    let text = main_c("int one(void); int two(void);", "one() * 1000 + two()");
    let main = p(&bench.compile("main", &text, &["-fPIE"]));
    let program = ["-L.", "-Wl,--no-as-needed", "-lb"];
    bench.ok("clang-22", &[&[&main, "-o", "without"], &program[..]].concat());
    bench.ok("clang-22", &[&[&main, "-o", "with"], &program[..], &["-la"]].concat());
}

fn at_both_targets(bench: &Bench, program: &str) -> [String; 2] {
    [0, 1].map(|target| bench.at_target(&bench.path(program), target))
}

#[test]
fn kept_copies_run_where_the_dependency_is_missing_or_another_one() {
    for options in [&[][..], &["-Wl,-s"], &["-Wl,--gc-sections"], &["-Wl,--jl-no-relr"], &["-Wl,-Bsymbolic"]]
    {
        let bench = Bench::new();
        lender(&bench);
        with_copies(&bench, options);
        assert_eq!(at_both_targets(&bench, "with"), ["11012\n", "12013\n"], "{options:?}");
        assert_eq!(at_both_targets(&bench, "without"), ["81082\n", "82083\n"], "{options:?}");
        let needed = bench.ok("llvm-readelf-22", &["-d", "libb.so"]);
        assert!(!needed.contains("[liba.so]"), "{needed}");
        let report = bench.report("r.json");
        let dependency = &report["package"]["dependencies"][0];
        assert_eq!((&dependency["fallback"], &dependency["imports"]), (&true.into(), &1.into()));
        assert_eq!(dependency["functions"], serde_json::json!(["f"]));
        let package = DependencyImage::open(&bench.path("libb.so")).unwrap();
        assert_eq!(package.package().exports.len(), 1, "others may still use what is here");

        let list = target_list(support::TWO);
        let f = Function::new("f", 2, 20, &[]).linkage(Linkage::Hidden);
        let a = bench.object("a", &list, &[f], &export("f", "f"));
        bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &p(&a)]);
        assert_eq!(at_both_targets(&bench, "with"), ["81082\n", "82083\n"], "rebuilt, {options:?}");
        let relink = ["--jl-relink=libb.so", "--jl-dep=liba.so", "-o", "libb.so"];
        bench.ok(env!("CARGO_BIN_EXE_jl-link"), &relink);
        assert_eq!(at_both_targets(&bench, "with"), ["21022\n", "22023\n"], "relinked, {options:?}");
    }
}

#[test]
fn calls_between_clones_reach_the_dependency_where_copies_are_kept() {
    let bench = Bench::new();
    lender(&bench);
    let list = target_list(support::TWO);
    // A hidden function, so that the linker could bind the calls of its clones.
    let (f, records) = copy(Some("f"));
    let one = Function::new("one", 2, 1, &["f"]).linkage(Linkage::Hidden);
    let calls = |name| plain(name, Linkage::Global, "  pushq %rbx\n  callq one\n  popq %rbx\n  ret\n");
    let extra = records + ".hidden f\n" + &calls("first") + &calls("two");
    let b = p(&bench.object("b", &list, &[f, one], &extra));
    let args = ["-shared", "-o", "libb.so", "-Wl,--jl-keep-fallback,--jl-report=r.json", &dep(&bench), &b];
    bench.link_ok(&args);
    let text = main_c("int first(void); int two(void);", "first() * 1000 + two()");
    let main = p(&bench.compile("main", &text, &["-fPIE"]));
    bench.ok("clang-22", &[&main, "-o", "with", "-L.", "-Wl,--no-as-needed", "-lb", "-la"]);
    assert_eq!(at_both_targets(&bench, "with"), ["11011\n", "13013\n"]);
    assert!(bench.report("r.json")["calls"]["on_slot"]["lent"].as_u64().is_some_and(|calls| calls > 0));
}

#[test]
fn copies_that_cannot_be_kept() {
    let bench = Bench::new();
    let a = lender(&bench);
    let record = record_of(&a);
    let one = user(&bench, "one", Some("f"), 1);
    let knows = [import("two", "g", "g", &record, 2), dependency(&record)];
    let two = p(&bench.assemble("two", &object(&knows)));
    let keep = "-Wl,--jl-keep-fallback";
    let errors = bench.link_fails(&["-shared", "-o", "libb.so", keep, &dep(&bench), &one, &two]);
    assert!(errors.contains("liba.so") && errors.contains("--jl-package and without --jl-dep"), "{errors}");
    let errors = bench.link_fails(&["-shared", "-o", "libb.so", keep, &one]);
    assert!(errors.contains("--jl-keep-fallback needs --jl-dep=FILE"), "{errors}");
    assert!(!bench.path("libb.so").exists());

    // What has no slot stays the image's own.
    let g = [number("one", Linkage::Global, 5), number("two", Linkage::Global, 6), export("one", "g")];
    let g = p(&bench.assemble("g", &object(&g)));
    bench.link_ok(&["-shared", "-o", "libb.so", keep, &dep(&bench), &g]);
    assert_eq!(sums(&bench), ["5006\n", "5006\n"]);
    let package = DependencyImage::open(&bench.path("libb.so")).unwrap();
    assert_eq!((package.package().imports.len(), package.package().dependencies.len()), (0, 0));
}

/// A variable that the dynamic linker makes one of in all images, and code that reads it.
const SHARED_DATA: &str =
    ".section .data.x,\"awG\",@progbits,x,comdat\n.weak x\n.type x,@object\nx:\n  .long 5\n.size x, 4\n";
const READS: &str = "  movq x@GOTPCREL(%rip), %rax\n  movl (%rax), %eax\n  ret\n";

/// liba.so with `u`, which reads `x`, and `h`, which calls `u`; what of them it exports.
fn lender_with_data(bench: &Bench, options: &[&str]) -> Vec<String> {
    let calls = "  pushq %rbx\n  callq u\n  popq %rbx\n  ret\n";
    let parts = [
        plain("u", Linkage::Hidden, READS),
        export("u", "u"),
        plain("h", Linkage::Hidden, calls),
        export("h", "h"),
        number("g", Linkage::Hidden, 100),
        export("g", "g"),
        SHARED_DATA.to_string(),
    ];
    let a = p(&bench.assemble("a", &object(&parts)));
    let args = ["-shared", "-o", "liba.so", "-Wl,-soname,liba.so,--jl-report=a.json,--jl-summary", &a];
    bench.link_ok(&[&args[..], options].concat());
    let image = DependencyImage::open(&bench.path("liba.so")).unwrap();
    let details = image.details();
    let exported = ["u", "h", "g"].into_iter().filter(|name| details.find(&identity(name)).is_some());
    exported.map(str::to_owned).collect()
}

#[test]
fn what_uses_data_that_the_image_keeps_to_itself_is_not_offered() {
    let bench = Bench::new();
    let hides = p(&bench.write("hides.map", "{ local: *; };\n"));
    let lists = p(&bench.write("lists.txt", "{ nothing; };\n"));
    assert_eq!(lender_with_data(&bench, &[]), ["u", "h", "g"]);
    assert_eq!(lender_with_data(&bench, &["-Wl,-Bsymbolic-functions"]), ["u", "h", "g"]);
    let hides = format!("-Wl,--version-script={hides}");
    let lists = format!("-Wl,--dynamic-list={lists}");
    for option in ["-Wl,-Bsymbolic", &hides, &lists] {
        assert_eq!(lender_with_data(&bench, &[option]), ["g"], "{option}");
        let report = &bench.report("a.json")["package"];
        assert_eq!(report["exports_with_own_data"], serde_json::json!({ "u": "x", "h": "x" }), "{option}");
        assert_eq!(report["exports"], 1);
    }
    // What a program exports is found by all.
    let main = p(&bench.compile("main", "int main(void) { return 0; }", &["-fPIE"]));
    for (option, exports) in [("-Wl,--export-dynamic", 3), ("-Wl,--no-export-dynamic", 1)] {
        let a = p(&bench.path("a.o"));
        bench.link_ok(&["-pie", "-o", "prog", "-Wl,--jl-report=a.json", option, &a, &main]);
        assert_eq!(bench.report("a.json")["package"]["exports"], exports, "{option}");
    }
}

/// Links `object` with each of the options: whether its copy of `u` then stays, and that the sum is the same.
fn assert_u_stays(bench: &Bench, object: &str, cases: [(&[&str], bool); 3], sum: &str) {
    for (options, stays) in cases {
        let args = ["-shared", "-o", "libb.so", &dep(bench), "-Wl,--jl-report=r.json", object];
        bench.link_ok(&[&args[..], options].concat());
        let report = bench.report("r.json");
        let kept = &report["kept"]["liba.so"]["bound"]["functions"];
        assert_eq!(*kept == serde_json::json!(["u"]), stays, "{options:?}: {report}");
        assert_eq!(sums(bench), [sum, sum], "{options:?}");
    }
}

#[test]
fn what_uses_something_that_the_borrower_keeps_to_itself_stays() {
    let bench = Bench::new();
    let hides = p(&bench.write("hides.map", "{ global: one; two; local: *; };\n"));
    let hides = format!("-Wl,--version-script={hides}");
    assert_eq!(lender_with_data(&bench, &[]), ["u", "h", "g"]);
    // Counts up, and reads by the copy.
    let counts =
        "  pushq %rbx\n  movq x@GOTPCREL(%rip), %rax\n  incl (%rax)\n  callq u@PLT\n  popq %rbx\n  ret\n";
    let parts = [
        plain("u", Linkage::Comdat, READS),
        grouped_export("u", "u", "u"),
        plain("one", Linkage::Global, counts),
        number("two", Linkage::Global, 2),
        SHARED_DATA.to_string(),
    ];
    let b = p(&bench.assemble("b", &object(&parts)));
    let cases = [(&[][..], false), (&["-Wl,-Bsymbolic"], true), (&[hides.as_str()], true)];
    assert_u_stays(&bench, &b, cases, "6002\n");
}

#[test]
fn what_calls_something_that_the_borrower_keeps_to_itself_stays() {
    let bench = Bench::new();
    let hides = p(&bench.write("hides.map", "{ global: one; two; local: *; };\n"));
    let hides = format!("-Wl,--version-script={hides}");
    // Both have a function `strong`, of which the dynamic linker makes one: the first.
    let calls = "  pushq %rbx\n  callq strong@PLT\n  popq %rbx\n  ret\n";
    let a = [plain("u", Linkage::Hidden, calls), export("u", "u"), number("strong", Linkage::Global, 50)];
    let a = p(&bench.assemble("a", &object(&a)));
    bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &a]);
    let uses = "  pushq %rbx\n  callq u@PLT\n  movl %eax, %ebx\n  callq strong@PLT\n  addl %ebx, %eax\n  popq %rbx\n  ret\n";
    let b = [
        plain("u", Linkage::Comdat, calls),
        grouped_export("u", "u", "u"),
        plain("one", Linkage::Global, uses),
        number("two", Linkage::Global, 2),
        number("strong", Linkage::Global, 7),
    ];
    let b = p(&bench.assemble("b", &object(&b)));
    let cases = [(&[][..], false), (&["-Wl,-Bsymbolic-functions"], true), (&[hides.as_str()], true)];
    assert_u_stays(&bench, &b, cases, "14002\n");
}
