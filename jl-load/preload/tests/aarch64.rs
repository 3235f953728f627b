//! The preloaded shim on aarch64: cross-compiled, and run by qemu-aarch64. Skipped where the compiler has no standard
//! library for that; scripts/setup asks rustup for it.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Machine, PROGRAM, Sample, compile_c_for, run, text};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";
const TARGETS: [&str; 3] = ["generic", "neoverse-n1", "a64fx"];

/// The library under test, built by a cargo of its own; `None` where that cannot be.
fn preload() -> Option<PathBuf> {
    let libraries = run(Command::new("rustc").args(["--print", "target-libdir", "--target", TRIPLE]));
    let libraries = std::fs::read_dir(libraries.trim());
    let has_std = libraries.is_ok_and(|files| {
        files.flatten().any(|file| file.file_name().to_string_lossy().starts_with("libstd-"))
    });
    if !has_std {
        eprintln!("skipped: no standard library for {TRIPLE}: rustup target add {TRIPLE}");
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(TRIPLE);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", &target);
    cargo.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    run(cargo.args(["build", "--quiet", "--locked", "--target", TRIPLE]));
    Some(target.join(TRIPLE).join("debug/libjl_load_preload.so"))
}

/// On an emulated CPU; the guest's environment only.
fn preloaded_on(cpu: &str, preload: &Path, program: &Path) -> Command {
    let mut command = Command::new("qemu-aarch64");
    command.args(["-L", "/usr/aarch64-linux-gnu", "-cpu", cpu, "-E"]);
    command.arg(format!("LD_PRELOAD={}", preload.display())).arg(program);
    command
}

fn line(seen: usize, target: usize) -> String {
    format!("seen={seen} f0={target} f1={} f2={}\n", 100 + target, 200 + target)
}

/// One test, because they share the library that is built for them.
#[test]
fn plain_images_choose_and_dlopen_is_as_without_it() {
    let Some(preload) = preload() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let library = Sample::aarch64("f", 3, &TARGETS).plain(folder.path(), "-fuse-ld=lld", "libf.so");
    let program = |name: &str, source: &str, options: &[&str]| {
        compile_c_for(Machine::Aarch64, folder.path(), name, source, options)
    };

    // At start, before constructors.
    let options = ["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    let linked = program("linked", PROGRAM, &options);
    // By dlopen, behind the constructor.
    let loader = program("loader", PROGRAM, &[]);
    for (cpu, target) in [("cortex-a53", 0), ("neoverse-n1", 1), ("a64fx", 2)] {
        assert_eq!(run(&mut preloaded_on(cpu, &preload, &linked)), line(target, target), "linked, {cpu}");
        let output = run(preloaded_on(cpu, &preload, &loader).arg(&library));
        assert_eq!(output, line(0, target), "loaded, {cpu}");
    }

    // The caller's own RUNPATH holds for a name without a slash: the real dlopen must take us for the caller.
    std::fs::create_dir(at("inner")).unwrap();
    std::fs::rename(&library, at("inner/libinner.so")).unwrap();
    let wrapper = r#"#include <dlfcn.h>
        int through(void) {
            void *library = dlopen("libinner.so", RTLD_NOW);
            if (!library) return -1;
            return ((int (*)(void)) dlsym(library, "f1"))();
        }"#;
    program("libouter.so", wrapper, &["-shared", "-fPIC", "-Wl,-rpath,$ORIGIN/inner,--enable-new-dtags"]);
    let main = r#"#include <stdio.h>
        int through(void);
        int main(void) { printf("%d\n", through()); }"#;
    let outer = at("libouter.so");
    let options = [outer.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    let nested = program("nested", main, &options);
    assert_eq!(run(&mut preloaded_on("neoverse-n1", &preload, &nested)), "101\n");

    // What cannot run here: dlopen fails and dlerror says why.
    let refused = Sample::aarch64("g", 3, &["a64fx"]).plain(folder.path(), "-fuse-ld=lld", "libg.so");
    let output = preloaded_on("cortex-a53", &preload, &loader).arg(&refused).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(
        text(&output).contains("dlopen: ") && text(&output).contains("cannot run here"),
        "{}",
        text(&output)
    );
}
