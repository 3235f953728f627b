//! The embedded shim under musl, dynamic and static; skipped where musl's tools are not installed.

mod support;

use std::path::Path;
use std::process::Command;
use support::packages::{HOST, PackageSample, Use};
use support::{PROGRAM, Sample, on_cpu, run, text, waiting_shim_object};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

/// What is filled in the constructor: musl's dynamic linker resolves no IFUNCs.
fn sample(targets: &[&'static str]) -> Sample {
    Sample { waits: true, ..Sample::new("f", 3, targets) }
}

fn package(prefix: &'static str, functions: usize) -> PackageSample {
    let mut package = PackageSample::new(prefix, functions, &LEVELS);
    package.sample.waits = true;
    package
}

fn musl(folder: &Path, name: &str, inputs: &[&Path], options: &[&str]) -> std::path::PathBuf {
    let output = folder.join(name);
    run(Command::new("musl-gcc").args(inputs).args(options).arg("-o").arg(&output));
    output
}

fn is_installed() -> bool {
    let installed = Command::new("musl-gcc").arg("--version").output().is_ok();
    if !installed {
        eprintln!("skipped: musl-gcc is not installed (package musl-tools)");
    }
    installed
}

#[test]
fn linked_loaded_and_static() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.c");
    std::fs::write(&main, PROGRAM).unwrap();
    // The library needs no libc: the same file serves glibc and musl.
    let options = ["-shared", "-nostdlib", "-Wl,-soname,libf.so"];
    let library = sample(&LEVELS).merged(folder.path(), "libf.so", &options, &[]);
    let linked =
        musl(folder.path(), "linked", &[&main, &library], &["-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN"]);
    let loader = musl(folder.path(), "loader", &[&main], &[]);
    for (cpu, target) in [("qemu64", 0), ("Nehalem", 1), ("Haswell", 2)] {
        let expected = format!("seen={target} f0={target} f1={} f2={}\n", 100 + target, 200 + target);
        assert_eq!(run(&mut on_cpu(cpu, &linked)), expected, "linked, on {cpu}");
        assert_eq!(run(on_cpu(cpu, &loader).arg(&library)), expected, "loaded, on {cpu}");
    }
    assert!(run(Command::new(&linked).env("JL_LOAD_TARGET", "1")).starts_with("seen=1 f0=1 "));

    let refused = sample(&["x86-64-v3"]).merged(folder.path(), "libr.so", &options, &[]);
    std::fs::copy(&refused, &library).unwrap();
    let output = on_cpu("Nehalem", &linked).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    let output = on_cpu("Nehalem", &loader).arg(&library).arg("close").output().unwrap();
    assert!(output.status.success() && text(&output).contains("loaded\n"), "{}", text(&output));
    assert!(text(&output).contains("cannot run here"), "{}", text(&output));

    let main = folder.path().join("static.c");
    let source = r#"#include <stdio.h>
        int f0(void), f1(void), f2(void); extern int f_seen;
        int main(void) { printf("seen=%d f0=%d f1=%d f2=%d\n", f_seen, f0(), f1(), f2()); }"#;
    std::fs::write(&main, source).unwrap();
    let object = Sample::new("f", 3, &LEVELS).object(folder.path());
    for kind in ["-static", "-static-pie"] {
        let options = [kind, "-fPIE", "-Wl,-z,relro,-z,now"];
        let program = musl(folder.path(), "static", &[&main, &object, &waiting_shim_object()], &options);
        support::merge(&program);
        for (cpu, target) in [("qemu64", 0), ("Nehalem", 1), ("Haswell", 2)] {
            let expected = format!("seen={target} f0={target} f1={} f2={}\n", 100 + target, 200 + target);
            assert_eq!(run(&mut on_cpu(cpu, &program)), expected, "{kind} on {cpu}");
        }
    }
}

#[test]
fn functions_of_other_images() {
    if !is_installed() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("host.c");
    std::fs::write(&source, HOST).unwrap();
    let host = musl(folder.path(), "host", &[&source], &[]);
    let f = package("f", 3).build(folder.path());
    package("g", 1).with([Use::of(&f, "f2")]).build(folder.path());
    let said = |arguments: &[&str]| {
        let mut command = Command::new(&host);
        command.args(arguments).current_dir(folder.path()).env("JL_LOAD_TARGET", "1");
        text(&command.output().unwrap())
    };
    assert_eq!(said(&["+./libg.so", "guse0"]), "guse0=201 end\n");
    package("f", 2).build(folder.path());
    assert!(said(&["+./libg.so"]).contains("but what is loaded has build id"), "{}", said(&["+./libg.so"]));
    // musl unloads nothing: what may be closed is kept.
    let f = package("f", 3).build(folder.path());
    let uses = [Use::of(&f, "f2")];
    PackageSample { needed: false, ..package("g", 1) }.with(uses).build(folder.path());
    let said = said(&["+./libf.so", "+./libg.so", "-./libf.so", "guse0"]);
    assert!(said.contains("guse0=201"), "{said}");
}
