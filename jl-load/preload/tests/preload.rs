//! The preloaded shim with plainly linked images of three linkers, and dlopen as without it.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::packages::{PackageSample, Use, host};
use support::{LINKERS, PROGRAM, Sample, compile_c, link, run, text};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

/// The library under test, beside the folder of this test's binary.
fn preload() -> PathBuf {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    // What is one folder up is as old as the last `cargo build`.
    let found = [deps.join("libjl_load_preload.so"), deps.join("../libjl_load_preload.so")];
    found.into_iter().find(|path| path.is_file()).expect("cargo built the library")
}

fn preloaded(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("LD_PRELOAD", preload());
    command
}

/// On an emulated CPU; the guest's environment only.
fn preloaded_on(cpu: &str, program: &Path) -> Command {
    let mut command = Command::new("qemu-x86_64");
    command.args(["-cpu", cpu, "-E"]).arg(format!("LD_PRELOAD={}", preload().display())).arg(program);
    command
}

fn line(seen: usize, target: usize) -> String {
    format!("seen={seen} f0={target} f1={} f2={}\n", 100 + target, 200 + target)
}

fn linked_program(folder: &Path, library: &Path) -> PathBuf {
    let options = ["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    compile_c(folder, "program", PROGRAM, &options)
}

#[test]
fn plain_images_of_every_linker_choose_before_their_constructors() {
    for linker in LINKERS {
        let folder = tempfile::tempdir().unwrap();
        let library = Sample::new("f", 3, &LEVELS).plain(folder.path(), linker, "libf.so");
        let program = linked_program(folder.path(), &library);
        assert_eq!(run(&mut Command::new(&program)), line(0, 0), "{linker}: the baseline without the shim");
        for (cpu, target) in [("qemu64", 0), ("Nehalem", 1), ("Haswell", 2)] {
            assert_eq!(run(&mut preloaded_on(cpu, &program)), line(target, target), "{linker} on {cpu}");
        }
        assert_eq!(run(preloaded(&program).env("JL_LOAD_TARGET", "1")), line(1, 1), "{linker}");
        assert_eq!(run(preloaded(&program).env("JL_LOAD_CPU", "nehalem")), line(1, 1), "{linker}");
    }
}

#[test]
fn objects_linked_together_and_collected_sections() {
    for linker in LINKERS {
        let folder = tempfile::tempdir().unwrap();
        let objects = [
            Sample::new("f", 3, &LEVELS).object(folder.path()),
            Sample::new("g", 50, &LEVELS[..2]).object(folder.path()),
        ];
        let version = folder.path().join("version");
        std::fs::write(&version, "{ global: f*; local: *; };").unwrap();
        let script = format!("-Wl,--version-script={}", version.display());
        let inputs: Vec<&Path> = objects.iter().map(PathBuf::as_path).collect();
        let options = [linker, "-shared", "-Wl,-z,now,--gc-sections", &script];
        let library = link(folder.path(), "libf.so", &inputs, &options);
        let program = compile_c(folder.path(), "program", PROGRAM, &[]);
        let output = run(preloaded(&program).arg(&library).env("JL_LOAD_TARGET", "1"));
        assert_eq!(output, line(0, 1), "{linker}");
    }
}

#[test]
fn without_relro_and_without_records() {
    for linker in LINKERS {
        let folder = tempfile::tempdir().unwrap();
        let object = Sample::new("f", 3, &LEVELS).object(folder.path());
        let program = compile_c(folder.path(), "program", PROGRAM, &[]);
        let options = [linker, "-shared", "-Wl,-z,norelro"];
        let library = link(folder.path(), "libn.so", &[&object], &options);
        let output = run(preloaded(&program).arg(&library).env("JL_LOAD_TARGET", "1"));
        assert_eq!(output, line(0, 1), "{linker}");
        // Everything is collected but the constructor's function and the note.
        let script = folder.path().join("script");
        std::fs::write(&script, "{ local: *; };").unwrap();
        let script = format!("-Wl,--gc-sections,--version-script={}", script.display());
        let library = link(folder.path(), "libc.so", &[&object], &[linker, "-shared", &script]);
        let output = run(preloaded(&program).arg(&library).arg("close"));
        assert_eq!(output, "loaded\n", "{linker}");
    }
}

#[test]
fn relocatable_output_first() {
    let folder = tempfile::tempdir().unwrap();
    let object = Sample::new("f", 3, &LEVELS).object(folder.path());
    for linker in ["ld.lld-22", "ld", "mold"] {
        let combined = folder.path().join("combined.o");
        run(Command::new(linker).arg("-r").arg(&object).arg("-o").arg(&combined));
        let library =
            link(folder.path(), "libf.so", &[&combined], &["-fuse-ld=lld", "-shared", "-Wl,-z,now"]);
        let program = compile_c(folder.path(), "program", PROGRAM, &[]);
        let output = run(preloaded(&program).arg(&library).env("JL_LOAD_TARGET", "2"));
        assert_eq!(output, line(0, 2), "{linker}");
    }
}

#[test]
fn refused_at_start_and_by_dlopen() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &["x86-64-v3"]).plain(folder.path(), "-fuse-ld=bfd", "libf.so");
    let program = linked_program(folder.path(), &library);
    let output = preloaded_on("Nehalem", &program).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    assert!(text(&output).contains("libf.so: cannot run here: the CPU lacks"), "{}", text(&output));
    let merged = Sample::new("f", 3, &["x86-64-v3"]).merged(folder.path(), "libm.so", &["-shared"], &[]);
    let loader = compile_c(folder.path(), "loader", PROGRAM, &[]);
    for (library, name) in [(library, "libf.so"), (merged, "libm.so")] {
        let output = preloaded_on("Nehalem", &loader).arg(&library).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert_eq!(output.stderr, b"", "{}", text(&output));
        let start = format!("dlopen: julienne: {}", library.canonicalize().unwrap().display());
        assert!(text(&output).starts_with(&start), "{name}: {}", text(&output));
        assert!(text(&output).contains("cannot run here: the CPU lacks"), "{}", text(&output));
    }
}

#[test]
fn a_failed_load_leaves_the_process_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &["x86-64-v3"]).plain(folder.path(), "-fuse-ld=lld", "libf.so");
    let program = compile_c(
        folder.path(),
        "program",
        r#"#include <dlfcn.h>
        #include <stdio.h>
        #include <string.h>
        static int is_mapped(const char *name) {
            char line[1024]; int found = 0; FILE *maps = fopen("/proc/self/maps", "r");
            while (fgets(line, sizeof line, maps)) found |= strstr(line, name) != 0;
            fclose(maps); return found;
        }
        int main(int argc, char **argv) {
            for (int i = 0; i < 3; i++) {
                void *handle = dlopen(argv[1], RTLD_NOW);
                const char *first = dlerror();
                printf("%d %d %d %d\n", !!handle, first && !!strstr(first, "avx2"), !!dlerror(), is_mapped("libf.so"));
            }
            void *missing = dlopen("libmissing-xyz.so", RTLD_NOW);
            const char *error = dlerror();
            printf("%d %d\n", !!missing, error && !!strstr(error, "libmissing-xyz.so: cannot open"));
        }"#,
        &[],
    );
    let output = run(preloaded(&program).arg(&library).env("JL_LOAD_CPU", "nehalem"));
    assert_eq!(output, "0 1 0 0\n0 1 0 0\n0 1 0 0\n0 1\n");
}

/// An image that another thread is about to be refused, or that came without our noticing, is in the process: that
/// concerns only those who need it.
#[test]
fn a_load_is_refused_for_what_it_needs_only() {
    let folder = tempfile::tempdir().unwrap();
    let strict = Sample::new("f", 3, &["x86-64-v3"]).merged(folder.path(), "libstrict.so", &["-shared"], &[]);
    let good = Sample::new("g", 3, &LEVELS).plain(folder.path(), "-fuse-ld=lld", "libgood.so");
    let needs = [strict.to_str().unwrap(), "-shared", "-Wl,--no-as-needed,-rpath,$ORIGIN"];
    let inner = compile_c(folder.path(), "libinner.so", "int inner;", &needs);
    let needs = [inner.to_str().unwrap(), "-shared", "-Wl,--no-as-needed,-rpath,$ORIGIN"];
    let outer = compile_c(folder.path(), "libouter.so", "int outer;", &needs);
    let program = compile_c(
        folder.path(),
        "program",
        r#"#include <dlfcn.h>
        #include <stdio.h>
        int main(int argc, char **argv) {
            void *(*real)(const char *, int) = dlsym(dlopen("libc.so.6", RTLD_NOW), "dlopen");
            if (real == dlopen || !real(argv[1], RTLD_NOW)) return 3;
            for (int i = 2; i < argc; i++) puts(dlopen(argv[i], RTLD_NOW) ? "loaded" : dlerror());
        }"#,
        &[],
    );
    let mut command = preloaded(&program);
    let output = run(command.args([&strict, &good, &outer, &good]).env("JL_LOAD_CPU", "nehalem"));
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines[0], lines[2]), ("loaded", "loaded"), "{output}");
    assert!(lines[1].contains("libstrict.so: cannot run here"), "{output}");
}

/// The reason is that of the image at the bottom, whichever was asked for.
#[test]
fn a_load_is_refused_for_a_dependency_that_is_another_one() {
    let folder = tempfile::tempdir().unwrap();
    let host = host(folder.path(), support::Machine::X86_64);
    let f = PackageSample::new("f", 3, &LEVELS).build(folder.path());
    let g = PackageSample::new("g", 1, &LEVELS).with([Use::of(&f, "f2")]).build(folder.path());
    PackageSample::new("h", 1, &LEVELS).with([Use::of(&g, "g0")]).build(folder.path());
    let says = |arguments: &[&str]| {
        let mut command = preloaded(&host);
        let output = command.args(arguments).current_dir(folder.path()).output().unwrap();
        text(&output)
    };
    assert!(says(&["+./libh.so", "huse0", "guse0"]).contains("guse0=20"));
    PackageSample::new("f", 4, &LEVELS).build(folder.path());
    for library in ["+./libg.so", "+./libh.so"] {
        let said = says(&[library, "?./libg.so", "?./libh.so", "+./libf.so", "f0"]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            lines[0].starts_with("dlopen: julienne: ") && lines[0].contains("libg.so: cannot run"),
            "{said}"
        );
        assert!(lines[0].contains("depends on libf.so (build id"), "{said}");
        assert!(lines[1].starts_with("gone gone f0="), "{said}");
        assert_eq!(lines.len(), 2, "{said}");
    }
}

/// A library in the plugin's format that a plain linker made, with a constructor that only its baseline can run:
/// it must not be loaded at all where it cannot run, however it is asked for.
#[test]
fn what_cannot_run_is_refused_before_its_constructors() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let inner = at("inner");
    std::fs::create_dir(&inner).unwrap();
    let constructor = r#"#include <stdio.h>
        __attribute__((constructor)) static void first(void) {
            __asm__ volatile("vpaddd %%ymm0, %%ymm0, %%ymm0" ::: "xmm0");
            printf("constructor\n");
        }"#;
    std::fs::write(at("first.c"), constructor).unwrap();
    run(Command::new("clang-22").args(["-c", "-fPIC", "-o"]).arg(at("first.o")).arg(at("first.c")));
    let sample = Sample::new("f", 3, &["x86-64-v3"]).object(folder.path());
    let options = ["-fuse-ld=lld", "-shared", "-Wl,-soname,libf.so"];
    let library = link(&inner, "libf.so", &[&sample, &at("first.o")], &options);
    let needs = [library.to_str().unwrap(), "-shared", "-Wl,--no-as-needed,-rpath,$ORIGIN"];
    let outer = compile_c(&inner, "libouter.so", "int outer;", &needs);
    let main = r#"#include <dlfcn.h>
        #include <stdio.h>
        int main(int argc, char **argv) {
            setvbuf(stdout, 0, _IONBF, 0);
            void *library = dlopen(argv[1], RTLD_NOW);
            puts(library ? "loaded" : dlerror());
        }"#;
    let plain = compile_c(folder.path(), "plain", main, &[]);
    let runpath = compile_c(folder.path(), "runpath", main, &["-Wl,--enable-new-dtags,-rpath,$ORIGIN/inner"]);
    let rpath = compile_c(folder.path(), "rpath", main, &["-Wl,--disable-new-dtags,-rpath,$ORIGIN/inner"]);
    let path = format!("LD_LIBRARY_PATH=/nowhere:{}", inner.display());
    for (program, name, environment) in [
        (&plain, library.to_str().unwrap(), None),
        (&plain, outer.to_str().unwrap(), None),
        (&runpath, "libf.so", None),
        (&runpath, "libouter.so", None),
        (&rpath, "libf.so", None),
        (&plain, "libf.so", Some(&path)),
    ] {
        for cpu in ["Nehalem", "Haswell"] {
            let mut command = Command::new("qemu-x86_64");
            command.args(["-cpu", cpu, "-E"]).arg(format!("LD_PRELOAD={}", preload().display()));
            command.args(environment.iter().flat_map(|e| ["-E", e]));
            let output = run(command.arg(program).arg(name));
            if cpu == "Haswell" {
                assert_eq!(output, "constructor\nloaded\n", "{} {name}", program.display());
            } else {
                let start = format!(
                    "julienne: {}: cannot run here: the CPU lacks",
                    library.canonicalize().unwrap().display()
                );
                assert!(
                    output.starts_with(&start) && output.contains("avx2"),
                    "{} {name}: {output}",
                    program.display()
                );
            }
        }
    }
}

/// A library in a folder of its own that loads another by name, through its own RUNPATH.
#[test]
fn the_callers_runpath_origin_and_namespace_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    Sample::new("f", 3, &LEVELS).plain(&inner, "-fuse-ld=lld", "libx.so");
    let opener = r#"#include <dlfcn.h>
        #include <stdio.h>
        int open_inner(void) {
            void *library = dlopen("libx.so", RTLD_NOW);
            if (!library) { printf("%s\n", dlerror()); return -1; }
            return ((int (*)(void)) dlsym(library, "f2"))();
        }"#;
    let opener = compile_c(
        folder.path(),
        "libopener.so",
        opener,
        &["-shared", "-fPIC", "-O2", "-Wl,-rpath,$ORIGIN/inner", "-Wl,--enable-new-dtags"],
    );
    let main = r#"#define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        int main(int argc, char **argv) {
            void *opener = argc > 2 ? dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW) : dlopen(argv[1], RTLD_NOW);
            if (!opener) { printf("%s\n", dlerror()); return 1; }
            void *outside = dlopen("libx.so", RTLD_NOW);
            if (outside) printf("found without the path\n");
            printf("%d\n", ((int (*)(void)) dlsym(opener, "open_inner"))());
            outside = dlopen("libx.so", RTLD_NOW | RTLD_NOLOAD);
            printf("%s\n", outside ? "in this namespace" : "not in this namespace");
        }"#;
    let program = compile_c(folder.path(), "program", main, &[]);
    let mut plainly = Command::new(&program);
    assert_eq!(run(plainly.arg(&opener)), "200\nin this namespace\n");
    assert_eq!(run(preloaded(&program).arg(&opener).env("JL_LOAD_TARGET", "1")), "201\nin this namespace\n");
    let mut plainly = Command::new(&program);
    assert_eq!(run(plainly.arg(&opener).arg("new")), "200\nnot in this namespace\n");
    // Calls from another namespace do not pass through the shim of this one: the baseline runs there.
    let output = run(preloaded(&program).arg(&opener).arg("new").env("JL_LOAD_TARGET", "1"));
    assert_eq!(output, "200\nnot in this namespace\n");
}

#[test]
fn a_library_loaded_into_a_namespace_of_its_own_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &LEVELS).plain(folder.path(), "-fuse-ld=lld", "libf.so");
    let main = r#"#define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        int main(int argc, char **argv) {
            void *library = dlmopen(LM_ID_NEWLM, argv[1], RTLD_NOW);
            printf("%d\n", ((int (*)(void)) dlsym(library, "f1"))());
        }"#;
    let program = compile_c(folder.path(), "program", main, &[]);
    assert_eq!(run(preloaded(&program).arg(&library).env("JL_LOAD_TARGET", "2")), "102\n");
}

#[test]
fn logs_each_plain_image_once() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &LEVELS).plain(folder.path(), "-fuse-ld=mold", "libf.so");
    let program = linked_program(folder.path(), &library);
    for target in ["0", "2"] {
        let output =
            preloaded(&program).env("JL_LOAD_TARGET", target).env("JL_LOAD_LOG", "stderr").output().unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(log.lines().count(), 1, "{log}");
        assert!(log.contains(&format!("libf.so: target {target} (")), "{log}");
    }
}

#[test]
fn one_block_for_merged_and_plain_images() {
    let folder = tempfile::tempdir().unwrap();
    let merged = Sample::new("g", 3, &LEVELS).merged(folder.path(), "libg.so", &["-shared"], &[]);
    let plain = Sample::new("f", 3, &LEVELS).plain(folder.path(), "-fuse-ld=lld", "libf.so");
    let main = r#"#include <stdio.h>
        int g1(void), f1(void);
        int main(void) { printf("%d %d\n", g1(), f1()); }"#;
    let options = [merged.to_str().unwrap(), plain.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    let program = compile_c(folder.path(), "program", main, &options);
    for target in ["0", "1", "2"] {
        let output = run(preloaded(&program).env("JL_LOAD_TARGET", target));
        assert_eq!(output, format!("10{target} 10{target}\n"));
    }
    let output = run(preloaded(&program).env("JL_LOAD_CPU", "x86-64-v2"));
    assert_eq!(output, "101 101\n");
}

#[test]
fn nothing_stays_writable() {
    for linker in LINKERS {
        let folder = tempfile::tempdir().unwrap();
        let library = Sample::new("f", 2000, &LEVELS).plain(folder.path(), linker, "libf.so");
        let main = r#"#include <dlfcn.h>
            #include <stdio.h>
            #include <string.h>
            int main(int argc, char **argv) {
                char line[512];
                void *library = dlopen(argv[1], RTLD_NOW);
                int (*f)(void) = dlsym(library, "f1000");
                unsigned char *code = (unsigned char *)f + 6;
                int disp; memcpy(&disp, code, 4);
                unsigned long slot = (unsigned long)(code + 4 + disp), from, to; char mode[8];
                FILE *maps = fopen("/proc/self/maps", "r");
                while (fgets(line, sizeof line, maps))
                    if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && from <= slot && slot < to)
                        printf("%s %d\n", mode, f());
            }"#;
        let program = compile_c(folder.path(), "program", main, &[]);
        let output = run(preloaded(&program).arg(&library).env("JL_LOAD_TARGET", "1"));
        assert_eq!(output, "r--p 100001\n", "{linker}");
    }
}
