//! The embedded shim in merged images: choice, refusal, sealing, start in every kind of program.

mod support;

use std::path::Path;
use std::process::Command;
use support::{PROGRAM, Sample, compile_c, on_cpu, run, text};

const LEVELS: [&str; 4] = ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"];

struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new() -> Setup {
        Setup { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program linked to a merged library of `targets`.
    fn linked(&self, targets: &[&'static str]) -> std::path::PathBuf {
        let library = Sample::new("f", 3, targets).merged(self.path(), "libf.so", &["-shared"], &[]);
        let options = ["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
        compile_c(self.path(), "program", PROGRAM, &options)
    }
}

fn line(target: usize) -> String {
    format!("seen={target} f0={target} f1={} f2={}\n", 100 + target, 200 + target)
}

#[test]
fn chooses_before_user_constructors() {
    let setup = Setup::new();
    let program = setup.linked(&LEVELS);
    for (cpu, target) in [("qemu64", 0), ("Nehalem", 1), ("Haswell", 2)] {
        assert_eq!(run(&mut on_cpu(cpu, &program)), line(target), "{cpu}");
    }
    for target in 0..2 {
        let forced = run(Command::new(&program).env("JL_LOAD_TARGET", target.to_string()));
        assert_eq!(forced, line(target));
    }
    assert_eq!(run(Command::new(&program).env("JL_LOAD_CPU", "nehalem")), line(1));
    assert_eq!(run(Command::new(&program).env("JL_LOAD_CPU", "x86-64")), line(0));
}

#[test]
fn logs_on_request() {
    let setup = Setup::new();
    let program = setup.linked(&LEVELS);
    let output =
        Command::new(&program).env("JL_LOAD_LOG", "stderr").env("JL_LOAD_CPU", "nehalem").output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let library = setup.path().canonicalize().unwrap().join("libf.so");
    let expected = format!(
        "julienne: {}: target 1 (x86-64-v2): the best of 4 targets for this CPU, capped by JL_LOAD_CPU\n",
        library.display()
    );
    assert_eq!(log, expected);
    let file = setup.path().join("log");
    for _ in 0..2 {
        run(Command::new(&program).env("JL_LOAD_LOG", &file).env("JL_LOAD_TARGET", "0"));
    }
    let log = std::fs::read_to_string(file).unwrap();
    assert_eq!(log.matches("target 0 (x86-64): chosen by JL_LOAD_TARGET\n").count(), 2, "{log}");
}

#[test]
fn refuses_at_start_with_status_127() {
    let setup = Setup::new();
    let program = setup.linked(&["x86-64-v3", "x86-64-v4"]);
    let check = |command: &mut Command, words: &[&str]| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(127), "{}", text(&output));
        assert_eq!(output.stdout, b"");
        for word in words {
            assert!(text(&output).contains(word), "{word}: {}", text(&output));
        }
    };
    check(&mut on_cpu("Nehalem", &program), &["libf.so: cannot run here", "avx2", "target 0 (x86-64-v3)"]);
    check(Command::new(&program).env("JL_LOAD_CPU", "nehalem"), &["avx2", "JL_LOAD_CPU=nehalem"]);
    check(Command::new(&program).env("JL_LOAD_TARGET", "7"), &["JL_LOAD_TARGET=7", "targets 0 to 1"]);
    check(Command::new(&program).env("JL_LOAD_TARGET", "x"), &["JL_LOAD_TARGET=x is not"]);
    check(Command::new(&program).env("JL_LOAD_CPU", "i486"), &["JL_LOAD_CPU=i486 is not a CPU"]);
}

#[test]
fn an_image_that_dlopen_brought_is_refused_without_ending_the_process() {
    let setup = Setup::new();
    let library = Sample::new("f", 3, &["x86-64-v3"]).merged(setup.path(), "libf.so", &["-shared"], &[]);
    let program = compile_c(setup.path(), "program", PROGRAM, &[]);
    let closing = on_cpu("Nehalem", &program).arg(&library).arg("close").output().unwrap();
    assert!(closing.status.success(), "{}", text(&closing));
    assert!(
        text(&closing).contains("loaded\n")
            && text(&closing).contains("libf.so: cannot run here: the CPU lacks")
    );
    let looking = on_cpu("Nehalem", &program).arg(&library).arg("seen").output().unwrap();
    assert!(text(&looking).contains("seen=-1\n"), "its constructor must not run: {}", text(&looking));
    // A real process, for the signal: the emulator has its own way with it.
    let calling = Command::new(&program).env("JL_LOAD_CPU", "nehalem").arg(&library).output().unwrap();
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(calling.status.signal(), Some(6), "{}", text(&calling));
    assert!(text(&calling).matches("cannot run here").count() == 2, "{}", text(&calling));
}

/// Vectors that are not where the kernel put them.
#[test]
fn unusual_starts() {
    let setup = Setup::new();
    let linked = setup.linked(&LEVELS);
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    assert_eq!(run(Command::new(loader).arg(&linked).env("JL_LOAD_TARGET", "1")), line(1));
    assert_eq!(run(Command::new(&linked).env_clear().env("JL_LOAD_TARGET", "1")), line(1));
    // An environment that was moved before dlopen: what stands where the process was started with it counts. That is what was there
    // then, and what took its place before the move.
    let library = setup.path().join("libf.so");
    for (first, second, expected) in [("MORE", "JL_LOAD_TARGET", "1\n"), ("JL_LOAD_TARGET", "MORE", "0\n")] {
        let main = format!(
            r#"#include <dlfcn.h>
            #include <stdio.h>
            #include <stdlib.h>
            int main(int argc, char **argv) {{
                setenv("{first}", "0", 1); setenv("{second}", "0", 1); setenv("AND_MORE", "1", 1);
                unsetenv("MORE");
                void *library = dlopen(argv[1], RTLD_NOW);
                printf("%d\n", ((int (*)(void)) dlsym(library, "f0"))());
            }}"#
        );
        let moving = compile_c(setup.path(), "moving", &main, &[]);
        assert_eq!(run(Command::new(&moving).arg(&library).env("JL_LOAD_TARGET", "1")), expected);
    }
    // A dynamic linker started as a program still tells start-up from dlopen.
    let v3 = Sample::new("f", 3, &["x86-64-v3"]).merged(setup.path(), "libv3.so", &["-shared"], &[]);
    let program = compile_c(setup.path(), "plain", PROGRAM, &[]);
    let mut command = Command::new(loader);
    let output = command.arg(&program).arg(&v3).arg("seen").env("JL_LOAD_CPU", "nehalem").output().unwrap();
    assert!(output.status.success() && text(&output).contains("seen=-1\n"), "{}", text(&output));
}

#[test]
fn a_dependency_of_a_preloaded_library_is_part_of_startup() {
    let setup = Setup::new();
    let library = Sample::new("f", 3, &["x86-64-v3"]).merged(setup.path(), "libf.so", &["-shared"], &[]);
    let program = compile_c(setup.path(), "program", PROGRAM, &[]);
    let output =
        Command::new(&program).env("LD_PRELOAD", &library).env("JL_LOAD_CPU", "nehalem").output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
}

#[test]
fn every_kind_of_program() {
    let setup = Setup::new();
    let main = r#"#include <stdio.h>
        int f0(void), f1(void), f2(void); extern int f_seen;
        int main(void) { printf("seen=%d f0=%d f1=%d f2=%d\n", f_seen, f0(), f1(), f2()); }"#;
    let object = compile_c(setup.path(), "main.o", main, &["-c", "-O1", "-fPIC"]);
    for kind in [&["-pie"][..], &["-no-pie"], &["-static"], &["-static-pie"]] {
        let program = Sample::new("f", 3, &LEVELS).merged(setup.path(), "program", kind, &[&object]);
        for (cpu, target) in [("qemu64", 0), ("Nehalem", 1), ("Haswell", 2)] {
            assert_eq!(run(&mut on_cpu(cpu, &program)), line(target), "{kind:?} on {cpu}");
        }
        let refused = Sample::new("f", 3, &["x86-64-v3"]).merged(setup.path(), "refused", kind, &[&object]);
        let output = on_cpu("Nehalem", &refused).output().unwrap();
        assert_eq!(output.status.code(), Some(127), "{kind:?}: {}", text(&output));
        assert!(text(&output).contains("cannot run here"), "{kind:?}: {}", text(&output));
    }
}

#[test]
fn nothing_stays_writable_and_marks_are_kept() {
    let setup = Setup::new();
    // Without the C runtime's start files, which are not marked everywhere.
    let options = ["-shared", "-nostartfiles"];
    let library = Sample::new("f", 2000, &LEVELS).merged(setup.path(), "libf.so", &options, &[]);
    let notes = run(Command::new("llvm-readelf-22").arg("-n").arg(&library));
    assert!(notes.contains("IBT, SHSTK"), "{notes}");
    let dynamic = run(Command::new("llvm-nm-22").args(["-D", "--undefined-only"]).arg(&library));
    assert!(dynamic.lines().all(|l| l.contains(" w ") || l.contains(" v ")), "undefined symbols: {dynamic}");
    let program = compile_c(
        setup.path(),
        "program",
        r#"#include <dlfcn.h>
        #include <stdio.h>
        #include <string.h>
        int main(int argc, char **argv) {
            char line[512];
            void *library = dlopen(argv[1], RTLD_NOW);
            int (*f)(void) = dlsym(library, "f1999");
            /* The slot: endbr64, jmp *disp(%rip). */
            unsigned char *code = (unsigned char *)f + 6;
            int disp; memcpy(&disp, code, 4);
            unsigned long slot = (unsigned long)(code + 4 + disp), from, to; char mode[8];
            FILE *maps = fopen("/proc/self/maps", "r");
            while (fgets(line, sizeof line, maps))
                if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && from <= slot && slot < to)
                    printf("%s %d\n", mode, f());
        }"#,
        &[],
    );
    let output = run(Command::new(&program).arg(&library).env("JL_LOAD_TARGET", "1"));
    assert_eq!(output, "r--p 199901\n");
}

#[test]
fn a_plain_link_of_the_shim_does_nothing() {
    let setup = Setup::new();
    let object = Sample::new("f", 3, &LEVELS).object(setup.path());
    let shim = support::shim_object();
    let library = support::link(setup.path(), "libf.so", &[&object, &shim], &["-shared", "-fuse-ld=lld"]);
    let program = compile_c(setup.path(), "program", PROGRAM, &[]);
    assert_eq!(run(Command::new(&program).arg(&library)), line(0));
}

#[test]
fn a_damaged_header_is_refused() {
    let setup = Setup::new();
    let library = Sample::new("f", 3, &LEVELS).merged(setup.path(), "libf.so", &["-shared"], &[]);
    let mut bytes = std::fs::read(&library).unwrap();
    let at = bytes.windows(8).position(|w| w == image_format::layout::IMAGE_MAGIC).unwrap();
    bytes[at + 200] ^= 1;
    std::fs::write(&library, bytes).unwrap();
    let program = compile_c(setup.path(), "program", PROGRAM, &[]);
    let output = Command::new(&program).env("LD_PRELOAD", &library).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    assert!(text(&output).contains("header of this code image is damaged"), "{}", text(&output));
}

#[test]
fn proc_is_read_once_at_most() {
    let setup = Setup::new();
    let first = Sample::new("f", 3, &LEVELS).merged(setup.path(), "libf.so", &["-shared"], &[]);
    let second = Sample::new("g", 3, &LEVELS).merged(setup.path(), "libg.so", &["-shared"], &[]);
    let options = ["-Wl,--no-as-needed", first.to_str().unwrap(), second.to_str().unwrap()];
    let options = [&options[..], &["-Wl,-rpath,$ORIGIN"]].concat();
    let program = compile_c(setup.path(), "program", PROGRAM, &options);
    let trace = Command::new("strace").args(["-e", "trace=open,openat"]).arg(&program).output();
    let Ok(trace) = trace else {
        eprintln!("skipped: strace is not installed");
        return;
    };
    assert!(text(&trace).matches("/proc/self/environ").count() <= 1, "{}", text(&trace));
}

/// A setuid program, where the test may make one: it must choose as if the variables were not there.
#[test]
fn secure_execution_ignores_the_environment() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
    let setup = Setup::new();
    if std::fs::metadata(setup.path()).unwrap().uid() != 0 {
        eprintln!("skipped: only root can make a program that runs as another user");
        return;
    }
    let main = r#"#include <stdio.h>
        #include <sys/auxv.h>
        int f0(void);
        int main(void) { printf("%lu %d\n", getauxval(AT_SECURE), f0()); }"#;
    let object = compile_c(setup.path(), "main.o", main, &["-c", "-O1"]);
    let program =
        Sample::new("f", 3, &["x86-64", "x86-64"]).merged(setup.path(), "program", &["-static"], &[&object]);
    let run_it = || run(Command::new(&program).env("JL_LOAD_TARGET", "0").env("JL_LOAD_LOG", "stderr"));
    assert_eq!(run_it(), "0 0\n");
    chown(&program, Some(1), Some(1)).unwrap();
    std::fs::set_permissions(setup.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o6755)).unwrap();
    match run_it().as_str() {
        "0 0\n" => eprintln!("skipped: this file system or container does not honour setuid"),
        secure => assert_eq!(secure, "1 1\n", "the later of two equal targets, not the one asked for"),
    }
}
