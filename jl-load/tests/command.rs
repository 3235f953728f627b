//! The command: explain, check and run, on images of both kinds and on files that are none.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{LINKERS, PROGRAM, Sample, compile_c, copy_program, run, text};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

fn jl_load(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_jl-load")).args(arguments).output().unwrap()
}

fn merged(folder: &Path) -> PathBuf {
    Sample::new("f", 3, &LEVELS).merged(folder, "libf.so", &["-shared"], &[])
}

fn explain(file: &Path, more: &[&str]) -> serde_json::Value {
    let arguments = [&["explain", file.to_str().unwrap(), "--json"], more].concat();
    let output = jl_load(&arguments);
    assert!(output.status.success(), "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn explains_the_choice_and_every_rejection() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path());
    let plain = Sample::new("g", 3, &LEVELS).plain(folder.path(), "-fuse-ld=bfd", "libg.so");
    for (file, kind) in [(&merged, "merged"), (&plain, "plain")] {
        for (cpu, chosen) in [("x86-64", 0), ("nehalem", 1), ("haswell", 2), ("znver4", 2)] {
            let found = explain(file, &["--cpu", cpu]);
            assert_eq!(found["kind"], kind);
            assert_eq!(found["lists"][0]["chosen"], chosen, "{kind} on {cpu}");
            assert_eq!(found["lists"][0]["functions"], 3);
        }
        let nehalem = explain(file, &["--cpu", "nehalem"]);
        let v3 = &nehalem["lists"][0]["targets"][2];
        assert!(v3["lacks"].as_array().unwrap().iter().any(|f| f == "avx2"), "{v3}");
        assert!(v3["verdict"].as_str().unwrap().starts_with("rejected: lacks"), "{v3}");
        assert_eq!(v3["own_bodies"], 3);
        let first = &explain(file, &["--cpu", "haswell"])["lists"][0]["targets"][0];
        assert_eq!(first["verdict"], "could run, but target 2 has larger vector registers");
    }
    let output =
        text(&jl_load(&["explain", merged.to_str().unwrap(), "--cpu", "nehalem", "--function", "f1"]));
    assert!(output.lines().skip(1).all(|line| line.len() <= 100), "{output}");
    for line in [
        "merged by jl-link",
        "* target 1   x86-64-v2 (tuned for generic)",
        "  runs       target 1 (x86-64-v2)",
        "*     target 1  f1.1 at 0x",
    ] {
        assert!(output.contains(line), "{line}:\n{output}");
    }
}

#[test]
fn a_function_is_found_without_symbols() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path());
    run(Command::new("llvm-objcopy-22").arg("--strip-all").arg(&merged));
    let found = explain(&merged, &["--cpu", "haswell", "--function", "f2"]);
    assert_eq!(found["functions"].as_array().unwrap().len(), 1);
    assert_eq!(found["functions"][0]["runs"], 2);
}

#[test]
fn a_refused_image_and_a_forced_target() {
    let folder = tempfile::tempdir().unwrap();
    let v3 = Sample::new("f", 3, &["x86-64-v3"]).merged(folder.path(), "libf.so", &["-shared"], &[]);
    let found = explain(&v3, &["--cpu", "nehalem"]);
    assert_eq!(found["lists"][0]["chosen"], serde_json::Value::Null);
    assert!(found["lists"][0]["refusal"].as_str().unwrap().contains("avx2"));
    let merged = merged(folder.path());
    assert_eq!(explain(&merged, &["--target", "0", "--cpu", "haswell"])["lists"][0]["chosen"], 0);
    let output = jl_load(&["explain", merged.to_str().unwrap(), "--cpu", "i486"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("unknown CPU \"i486\": expected one of") && text(&output).contains("znver5")
    );
}

#[test]
fn checks_right_files() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![merged(folder.path())];
    for (i, linker) in LINKERS.iter().enumerate() {
        let name = format!("libg{i}.so");
        files.push(Sample::new("g", 3, &LEVELS).plain(folder.path(), linker, &name));
    }
    files.push(compile_c(folder.path(), "none", "int main(void) { return 0; }", &[]));
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let output = jl_load(&[&["check"], &names[..]].concat());
    assert!(output.status.success(), "{}", text(&output));
    let lines = text(&output);
    assert!(lines.contains("libf.so: right: merged image, 3 functions\n"), "{lines}");
    assert_eq!(
        lines.matches(": right: plainly linked image, 3 functions from 1 object\n").count(),
        3,
        "{lines}"
    );
    assert!(lines.contains("none: no code image\n"), "{lines}");
}

#[test]
fn names_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let merged = merged(folder.path());
    let bytes = std::fs::read(&merged).unwrap();
    let header = bytes.windows(8).position(|w| w == image_format::layout::IMAGE_MAGIC).unwrap();
    let damaged = folder.path().join("damaged.so");
    let check = |bytes: &[u8]| {
        std::fs::write(&damaged, bytes).unwrap();
        let output = jl_load(&["check", damaged.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(text(&output).starts_with(&format!("jl-load: {}: ", damaged.display())), "{}", text(&output));
        // Both commands say the same, and each cause once.
        let explained = jl_load(&["explain", damaged.to_str().unwrap()]);
        assert_eq!(text(&explained), text(&output));
        text(&output)
    };
    let with = |at: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[at] ^= value;
        check(&changed)
    };
    assert!(with(header, 1).contains("magic is"));
    let version = image_format::layout::FORMAT_VERSION;
    let expected = format!("format version {}, but this tool reads version {version}", version ^ 4);
    assert!(with(header + 8, 4).contains(&expected));
    assert!(with(header + 16, 1).contains("layout hash"));
    assert!(with(header + 100, 1).contains("image header is damaged: its checksum"));
    assert!(with(18, 0xff).contains("machine"));
    assert!(check(b"no ELF").contains("not an ELF file"));
    assert!(check(b"").contains("not an ELF file"));
    assert!(check(&bytes[..bytes.len() / 2]).contains("damaged or truncated"));
    let object = folder.path().join("f.o");
    let output = jl_load(&["check", object.to_str().unwrap(), "missing.so"]);
    assert!(text(&output).contains("relocatable object: link it first"), "{}", text(&output));
    assert!(text(&output).contains("missing.so: cannot be read: No such file"), "{}", text(&output));
}

#[test]
fn runs_under_the_preloaded_shim() {
    let folder = tempfile::tempdir().unwrap();
    let output = jl_load(&["run", "--cpu", "i486", "--", "true"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("unknown CPU \"i486\""), "{}", text(&output));
    // A copy of the command alone does not find the shim and says where it looked.
    let alone = copy_program(env!("CARGO_BIN_EXE_jl-load"), folder.path());
    let output = Command::new(&alone).args(["run", "--", "true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("libjl_load_preload.so was not found: looked for"), "{}", text(&output));
    // Any library stands in for it here: what counts is the environment that the program gets.
    let library = merged(folder.path());
    std::fs::copy(&library, folder.path().join("libjl_load_preload.so")).unwrap();
    let program = compile_c(folder.path(), "program", PROGRAM, &[]);
    let run_with = |options: &[&str]| {
        let output = Command::new(&alone).arg("run").args(options).arg("--").arg(&program).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    assert_eq!(run_with(&["--target", "1"]), "seen=1 f0=1 f1=101 f2=201\n");
    assert_eq!(run_with(&["--cpu", "x86-64"]), "seen=0 f0=0 f1=100 f2=200\n");
    let log = folder.path().join("log");
    run_with(&["--target", "0", "--log", log.to_str().unwrap()]);
    assert!(std::fs::read_to_string(log).unwrap().contains("target 0 (x86-64): chosen by JL_LOAD_TARGET"));
}

#[test]
fn a_target_that_requires_what_it_does_not_declare_is_damaged() {
    use image_format::feature::{FeatureId, FeatureSet};
    use image_format::specs::{SPECS_MAGIC, Specs, set_decoded};
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = std::fs::read(merged(folder.path())).unwrap();
    let lists = bytes.windows(4).enumerate().filter(|(_, window)| **window == SPECS_MAGIC);
    let mut lists = lists.filter_map(|(at, _)| Some((at, Specs::parse(&bytes[at..]).ok()?)));
    let (at, specs) = lists.next().unwrap();
    let size = specs.bytes().len();
    let mut required: Vec<FeatureSet> = specs.entries().map(|entry| entry.required).collect();
    let x86 = image_format::cpu::Arch::X86_64;
    // A feature that no CPU has together with what the sample declares.
    let foreign: FeatureId = x86.feature("xop").unwrap();
    required[0] = required[0].with(foreign);
    set_decoded(&mut bytes[at..at + size], &required);
    let damaged = folder.path().join("damaged.so");
    std::fs::write(&damaged, &bytes).unwrap();
    let output = jl_load(&["check", damaged.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let expected = "requires features that it does not declare (xop): the target list is damaged";
    assert!(text(&output).contains(expected), "{}", text(&output));
    // A list that was changed without its checksum is no list at all.
    bytes[at + size / 2] ^= 1;
    std::fs::write(&damaged, &bytes).unwrap();
    let output = jl_load(&["check", damaged.to_str().unwrap()]);
    assert!(text(&output).contains("target list is damaged: its checksum"), "{}", text(&output));
}
