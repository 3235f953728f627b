//! Finished images are compared: what several of them hold.

mod support;

use serde_json::{Value, json};
use support::packages::{export, number, object};
use support::{Bench, Function, Linkage, p, target_list};

const JL_LINK: &str = env!("CARGO_BIN_EXE_jl-link");

/// A library with `f`, cloned, and the functions `plain`; each has the content of its name.
fn library(bench: &Bench, name: &str, plain: &[&str], options: &[&str]) -> String {
    let f = Function::new("f", 2, 10, &[]).linkage(Linkage::Hidden);
    let extra: String = plain.iter().map(|g| number(g, Linkage::Hidden, 7) + &export(g, g)).collect();
    let extra = export("f", "f") + &extra;
    let object = p(&bench.object(name, &target_list(support::TWO), &[f], &extra));
    let file = format!("{name}.so");
    bench.link_ok(&[&["-shared", "-o", &file, "-Wl,--icf=none", &object], options].concat());
    file
}

fn compared(bench: &Bench, files: &[&str]) -> Value {
    let text = bench.ok(JL_LINK, &[&["--jl-dedup-set=json"], files].concat());
    serde_json::from_str(&text).unwrap()
}

/// Bytes of symbols of a file by name.
fn sizes(bench: &Bench, file: &str, names: &[&str]) -> u64 {
    let text = bench.ok("llvm-nm-22", &["-S", file]);
    let of = |name: &&str| {
        let line =
            text.lines().find(|l| l.split(' ').nth(3) == Some(name)).unwrap_or_else(|| panic!("{name}"));
        u64::from_str_radix(line.split(' ').nth(1).unwrap(), 16).unwrap()
    };
    names.iter().map(of).sum()
}

#[test]
fn what_several_images_hold_is_named_and_counted() {
    let bench = Bench::new();
    let a = library(&bench, "a", &["g", "only_a"], &[]);
    let b = library(&bench, "b", &["g", "only_b"], &[]);
    let c = library(&bench, "c", &[], &[]);
    let set = compared(&bench, &[&a, &b, &c]);
    let (f, g) = (sizes(&bench, &a, &["f", "f.0", "f.1"]), sizes(&bench, &a, &["g"]));
    let functions = set["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 2);
    assert_eq!((&functions[0]["name"], &functions[0]["images"]), (&json!("f"), &json!([0, 1, 2])));
    assert_eq!(functions[0]["bytes"], json!([f, f, f]));
    assert_eq!((&functions[1]["name"], &functions[1]["images"]), (&json!("g"), &json!([0, 1])));
    assert_eq!(set["shared_bytes"], json!(3 * f + 2 * g));
    assert_eq!(set["saved_bytes"], json!(2 * f + g));
    assert_eq!(set["bytes"], json!(3 * f + 2 * g + 2 * sizes(&bench, &a, &["only_a"])));
    assert_eq!((&set["images"][0]["exports"], &set["images"][0]["shared"]), (&json!(3), &json!(2)));
    let text = bench.ok(JL_LINK, &["--jl-dedup-set", &a, &b, &c]);
    assert!(text.contains("2 functions are in more than one image"), "{text}");
    assert!(text.contains(&format!("{} bytes would go", 2 * f + g)), "{text}");
}

#[test]
fn where_symbols_are_gone_bytes_are_not_known() {
    let bench = Bench::new();
    let a = library(&bench, "a", &["g"], &[]);
    let b = library(&bench, "b", &["g"], &["-Wl,-s"]);
    let set = compared(&bench, &[&b, &a]);
    assert_eq!(set["functions"].as_array().unwrap().len(), 2);
    assert_eq!((&set["saved_bytes"], &set["images"][0]["bytes"]), (&Value::Null, &Value::Null));
    assert!(set["images"][1]["shared_bytes"].as_u64().is_some_and(|bytes| bytes > 0));
    let named: Vec<_> = set["functions"].as_array().unwrap().iter().map(|f| f["name"].clone()).collect();
    assert!(named.contains(&json!("f")) && named.contains(&json!("g")), "{named:?}");
    let text = bench.ok(JL_LINK, &["--jl-dedup-set", &a, &b]);
    assert!(text.contains("not known") && text.contains("? bytes"), "{text}");
}

#[test]
fn folded_functions_count_once() {
    let bench = Bench::new();
    let twins = ["g", "h"].map(|name| number(name, Linkage::Hidden, 7) + &export(name, name));
    let plain = object(&twins);
    for (file, fold) in [("a", "all"), ("b", "none")] {
        let object = p(&bench.assemble(file, &plain));
        let fold = format!("-Wl,--icf={fold}");
        bench.link_ok(&["-shared", "-o", &format!("{file}.so"), &fold, &object]);
    }
    let set = compared(&bench, &["a.so", "b.so"]);
    // Of folded sections one record is there, so that the image exports one of them.
    assert_eq!(set["images"][1]["exports"], json!(2));
    assert_eq!(
        set["functions"].as_array().unwrap().len(),
        set["images"][0]["exports"].as_u64().unwrap() as usize
    );
}

#[test]
fn sets_that_cannot_be_compared() {
    let bench = Bench::new();
    let a = library(&bench, "a", &["g"], &[]);
    let refused = |args: &[&str], words: &[&str]| {
        let output = bench.run(JL_LINK, &[&["--jl-dedup-set"], args].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
        assert!(words.iter().all(|w| errors.contains(w)), "{args:?}: expected {words:?} in\n{errors}");
    };
    refused(&[], &["at least two"]);
    refused(&[&a], &["at least two"]);
    refused(&[&a, "none.so"], &["none.so", "cannot be read"]);
    std::fs::copy(bench.path(&a), bench.path("same.so")).unwrap();
    refused(&[&a, "same.so"], &["same.so", "given before", "a.so"]);
    bench.write("text.so", "text");
    refused(&[&a, "text.so"], &["text.so", "ELF"]);
    refused(&[&a, "-lb"], &["-l"]);
    let plain = bench.compile("plain", "int x(void) { return 1; }", &["-fPIC"]);
    bench.ok("clang-22", &["-shared", &p(&plain), "-o", "plain.so"]);
    refused(&[&a, "plain.so"], &["plain.so", "no code image"]);
    let errors = bench.run(JL_LINK, &["--jl-dedup-set=yaml", &a]).stderr;
    assert!(String::from_utf8_lossy(&errors).contains("unknown form"));
}
