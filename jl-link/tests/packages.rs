//! Images that lend functions to others and borrow from them, of hand-made objects.

mod support;

use image_format::dependency::DependencyImage;
use image_format::layout::NOT_CLONED;
use std::path::PathBuf;
use support::packages::{dependency, export, identity, import, lender, number, object, record_of};
use support::{Bench, Function, Linkage, main_c, p, target_list};

/// An object without clones whose `uf` and `ug` use the lender's functions.
fn borrower(bench: &Bench, name: &str, lender: &std::path::Path) -> PathBuf {
    let record = record_of(lender);
    let parts = [import("uf", "f", "f", &record, 1), import("ug", "g", "g", &record, 2), dependency(&record)];
    bench.assemble(name, &object(&parts))
}

#[test]
fn exports_are_sorted_and_say_what_is_cloned() {
    let bench = Bench::new();
    let image = DependencyImage::open(&lender(&bench)).unwrap();
    let package = image.package();
    assert_eq!(package.exports.len(), 2);
    let details = image.details();
    let (f, g) = (details.find(&identity("f")).unwrap(), details.find(&identity("g")).unwrap());
    let function = |index: u32| package.exports.get(index as usize).unwrap().function;
    assert_eq!((function(f), function(g)), (0, NOT_CLONED));
    assert!(details.find(&identity("h")).is_none());
}

#[test]
fn functions_of_another_image_run_at_every_target() {
    for options in [&[][..], &["-Wl,-s"], &["-Wl,--gc-sections"], &["-Wl,--jl-no-relr"], &["-Wl,-z,norelro"]]
    {
        let bench = Bench::new();
        let a = lender(&bench);
        let b = borrower(&bench, "b", &a);
        let dep = format!("-Wl,--jl-dep={}", p(&a));
        let args = ["-shared", "-o", "libb.so", "-Wl,--jl-report=r.json", "-Wl,--as-needed", &dep, &p(&b)];
        bench.link_ok(&[&args[..], options].concat());
        let main =
            bench.compile("main", &main_c("int uf(void); int ug(void);", "uf() * 1000 + ug()"), &["-fPIE"]);
        bench.ok("clang-22", &[&p(&main), "-L.", "-lb", "-o", "prog", "-Wl,-rpath-link,."]);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "11102\n", "{options:?}");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "12102\n", "{options:?}");
        let report = &bench.report("r.json")["package"]["dependencies"];
        assert_eq!(report[0]["name"], "liba.so");
        assert_eq!(report[0]["imports"], 2);
        assert_eq!(report[0]["functions"], serde_json::json!(["f", "g"]));
        assert_eq!(report.as_array().unwrap().len(), 1);
    }
}

#[test]
fn executables_borrow_and_clone() {
    for kind in ["-pie", "-no-pie"] {
        let bench = Bench::new();
        let a = lender(&bench);
        let record = record_of(&a);
        let list = target_list(support::TWO);
        let own = Function::new("own", 2, 500, &["uf"]).linkage(Linkage::Hidden);
        let imports = import("uf", "f", "f", &record, 1) + &dependency(&record);
        let b = bench.object("b", &list, &[own], &imports);
        let main = bench.compile("main", &main_c("int own(void);", "own()"), &["-fPIE"]);
        // The library is found among those that are linked.
        bench.link_ok(&[kind, "-o", "prog", &p(&main), &p(&b), "-L.", "-Wl,--as-needed", "-la"]);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "511\n", "{kind}");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "513\n", "{kind}");
    }
}

#[test]
fn what_is_collected_as_garbage_needs_no_dependency() {
    let bench = Bench::new();
    let a = lender(&bench);
    let unused =
        object(
            &[import("uf", "f", "f", &record_of(&a), 1).replace(".globl uf\n", ".globl uf\n.hidden uf\n")],
        );
    let b = bench.assemble("b", &unused);
    let list = target_list(support::TWO);
    let c = bench.object("c", &list, &[Function::new("c", 2, 1, &[])], "");
    let dep = format!("-Wl,--jl-dep={}", p(&a));
    bench.link_ok(&["-shared", "-o", "libb.so", "-Wl,--gc-sections", &dep, &p(&b), &p(&c)]);
    let image = DependencyImage::open(&bench.path("libb.so")).unwrap();
    assert_eq!((image.package().imports.len(), image.package().dependencies.len()), (0, 0));
}

#[test]
fn one_function_with_two_identities_is_in_doubt_and_of_folded_ones_one_is_exported() {
    let bench = Bench::new();
    let a = bench.assemble(
        "a",
        &object(&[
            number("f", Linkage::Global, 1),
            export("f", "f"),
            export("f", "other"),
            number("g", Linkage::Global, 2),
            export("g", "g"),
        ]),
    );
    bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,--jl-report=r.json", &p(&a)]);
    let package = &bench.report("r.json")["package"];
    assert_eq!((&package["exports"], &package["exports_in_doubt"]), (&1.into(), &2.into()));
    let twins = ["f", "g"].map(|f| number(f, Linkage::Hidden, 1) + &export(f, f));
    let b = bench.assemble("b", &object(&twins));
    bench.link_ok(&["-shared", "-o", "libb.so", "-Wl,--jl-report=r.json", &p(&b)]);
    let package = &bench.report("r.json")["package"];
    assert_eq!((&package["exports"], &package["exports_in_doubt"]), (&1.into(), &0.into()));
}

#[test]
fn dependencies_that_cannot_be_used() {
    let bench = Bench::new();
    let a = lender(&bench);
    let b = p(&borrower(&bench, "b", &a));
    let dep = |file: &str| format!("-Wl,--jl-dep={}", p(&bench.path(file)));
    let refused = |args: &[&str], words: &[&str]| {
        let errors = bench.link_fails(&[&["-shared", "-o", "libb.so"], args].concat());
        assert!(words.iter().all(|w| errors.contains(w)), "{args:?}: expected {words:?} in\n{errors}");
    };
    refused(&[&b], &["dependency liba.so", "build id", "--jl-dep"]);
    refused(&[&b, &dep("none.so")], &["none.so", "cannot be read"]);
    bench.write("text.so", "text");
    refused(&[&b, &dep("text.so")], &["text.so", "ELF"]);
    let plain = bench.compile("plain", "int x(void) { return 1; }", &["-fPIC"]);
    bench.ok("clang-22", &["-shared", &p(&plain), "-o", "plain.so"]);
    refused(&[&b, &dep("plain.so")], &["plain.so", "no code image"]);
    refused(&[&b, &dep("liba.so"), "-static-pie"], &["-static"]);
    refused(&[&b, &dep("liba.so"), "-Wl,-soname,liba.so"], &["liba.so", "the output's name"]);

    let bytes = std::fs::read(&a).unwrap();
    std::fs::write(bench.path("cut.so"), &bytes[..bytes.len() / 8]).unwrap();
    refused(&[&b, &dep("cut.so")], &["cut.so"]);

    // The same name, other code.
    std::fs::create_dir(bench.path("new")).unwrap();
    let list = target_list(support::TWO);
    let f = Function::new("f", 2, 20, &[]).linkage(Linkage::Hidden);
    let rebuilt = bench.object("a2", &list, &[f], &export("f", "f2"));
    bench.link_ok(&["-shared", "-o", "new/liba.so", "-Wl,-soname,liba.so", &p(&rebuilt)]);
    refused(&[&b, &dep("new/liba.so")], &["liba.so", "was rebuilt"]);

    bench.link_ok(&["-shared", "-o", "anonymous.so", "-Wl,--build-id=none", &p(&bench.path("a.o"))]);
    refused(&[&b, &dep("anonymous.so")], &["anonymous.so", "build id"]);
}

#[test]
fn circles_are_refused() {
    let bench = Bench::new();
    let a = lender(&bench);
    let b = borrower(&bench, "b", &a);
    let dep = format!("-Wl,--jl-dep={}", p(&a));
    bench.link_ok(&["-shared", "-o", "libb.so", "-Wl,-soname,libb.so", &dep, &p(&b)]);
    let dep = format!("-Wl,--jl-dep={}", p(&bench.path("libb.so")));
    let errors =
        bench.link_fails(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &dep, &p(&bench.path("a.o"))]);
    assert!(errors.contains("depends on the output itself") && errors.contains("libb.so"), "{errors}");
}

#[test]
fn a_plain_linker_refuses_borrowers() {
    let bench = Bench::new();
    let a = lender(&bench);
    let b = borrower(&bench, "b", &a);
    let output = bench.run("ld.lld-22", &["-shared", "-o", "libb.so", &p(&b)]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("jl_link_must_link_this"));
    assert!(!output.status.success());
}

/// Links liba.so anew: what is exported as `f` has the content `content` and returns `value`.
fn rebuild(bench: &Bench, content: &str, value: u32) {
    let list = target_list(support::TWO);
    let f = Function::new("f", 2, value, &[]).linkage(Linkage::Hidden);
    let more = number("more", Linkage::Hidden, 7) + &export("more", "more");
    let extra = [export("f", content), number("g", Linkage::Hidden, 100), export("g", "g"), more].concat();
    let a = bench.object("a2", &list, &[f], &extra);
    bench.link_ok(&["-shared", "-o", "liba.so", "-Wl,-soname,liba.so", &p(&a)]);
}

#[test]
fn a_rebuilt_dependency_is_refused_until_relinked() {
    let bench = Bench::new();
    let a = lender(&bench);
    let b = borrower(&bench, "b", &a);
    let dep = format!("--jl-dep={}", p(&a));
    bench.link_ok(&["-shared", "-o", "libb.so", &format!("-Wl,{dep}"), &p(&b)]);
    let main =
        bench.compile("main", &main_c("int uf(void); int ug(void);", "uf() * 1000 + ug()"), &["-fPIE"]);
    bench.ok("clang-22", &[&p(&main), "-L.", "-lb", "-o", "prog", "-Wl,-rpath-link,."]);
    let before = DependencyImage::open(&bench.path("libb.so")).unwrap().header().build_id;
    rebuild(&bench, "f", 30);
    let prog = bench.path("prog");
    let output = bench.run(&p(&prog), &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("liba.so"), "{errors}");

    let relink = ["--jl-relink=libb.so", &dep, "-o", "libb.so"];
    bench.ok(env!("CARGO_BIN_EXE_jl-link"), &relink);
    assert_eq!(bench.at_target(&prog, 0), "31102\n");
    assert_eq!(bench.at_target(&prog, 1), "32102\n");
    assert_ne!(DependencyImage::open(&bench.path("libb.so")).unwrap().header().build_id, before);

    let kept = std::fs::read(bench.path("libb.so")).unwrap();
    rebuild(&bench, "other", 40);
    let output = bench.run(env!("CARGO_BIN_EXE_jl-link"), &relink);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("no longer has: f"), "{errors}");
    assert_eq!(std::fs::read(bench.path("libb.so")).unwrap(), kept);

    let wrong = ["--jl-relink=liba.so", "--jl-dep=libb.so", "-o", "x.so"];
    let errors = bench.run(env!("CARGO_BIN_EXE_jl-link"), &wrong).stderr;
    let errors = String::from_utf8_lossy(&errors);
    assert!(errors.contains("libb.so"), "{errors}");
    let errors = bench.run(env!("CARGO_BIN_EXE_jl-link"), &relink[..2]).stderr;
    assert!(String::from_utf8_lossy(&errors).contains("-o FILE"));
}

#[test]
fn what_the_compiler_kept_is_reported() {
    let bench = Bench::new();
    let a = lender(&bench);
    let record = record_of(&a);
    let lines = "f\\tdeduplicated\\tliba.so\\nk\\tother-content\\tliba.so\\nm\\town-data\\t\\nnonsense\\n";
    let section =
        |lines: &str| format!(".section .jl_package_report,\"e\",@progbits\n  .ascii \"{lines}\"\n");
    let parts = [import("uf", "f", "f", &record, 1), dependency(&record), section(lines)];
    let b = p(&bench.assemble("b", &object(&parts)));
    // Of another object's copy nobody speaks, where one was left out.
    let other = section("f\\taddress\\tliba.so\\nk\\tother-content\\tliba.so\\n");
    let c = p(&bench.assemble("c", &object(&[number("c", Linkage::Global, 1), other])));
    let dep = format!("-Wl,--jl-dep={}", p(&a));
    let args = ["-shared", "-o", "libb.so", &dep, "-Wl,--jl-report=r.json,--jl-summary", &b, &c];
    let summary = bench.link_ok(&args);
    let kept = &bench.report("r.json")["kept"];
    assert_eq!(kept["liba.so"]["other-content"]["functions"], serde_json::json!(["k"]));
    assert_eq!(kept[""]["own-data"]["functions"], serde_json::json!(["m"]));
    assert_eq!((kept.as_object().unwrap().len(), kept["liba.so"].as_object().unwrap().len()), (2, 1));
    assert!(
        summary.contains("not from liba.so: 1 function") && summary.contains("[other-content]"),
        "{summary}"
    );
    assert!(summary.contains("from liba.so") && summary.contains("1 import, of 1 function, 0."), "{summary}");
}
