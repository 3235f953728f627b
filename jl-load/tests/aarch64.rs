//! The embedded shim for aarch64, cross-linked and run by qemu-aarch64; and the commands on its images. Skipped where
//! the compiler has no core library for aarch64.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Machine, PROGRAM, Sample, compile_c_for, on_aarch64, run, text};

const TARGETS: [&str; 3] = ["generic", "neoverse-n1", "a64fx"];
/// Models of qemu 7.2 and the target that each must choose. `max` has SVE and all that a64fx has besides.
const MODELS: [(&str, usize); 5] =
    [("cortex-a53", 0), ("cortex-a72", 0), ("neoverse-n1", 1), ("a64fx", 2), ("max", 2)];

struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    /// `None`, and a line that says so, where no object can be made.
    fn new() -> Option<Setup> {
        if let Err(missing) = Machine::Aarch64.triple() {
            eprintln!("skipped: {missing}");
            return None;
        }
        Some(Setup { folder: tempfile::tempdir().unwrap() })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn library(&self, name: &str, targets: &[&'static str]) -> PathBuf {
        Sample::aarch64("f", 3, targets).merged(self.path(), name, &["-shared"], &[])
    }

    fn program(&self, options: &[&str]) -> PathBuf {
        compile_c_for(Machine::Aarch64, self.path(), "program", PROGRAM, options)
    }

    /// A program linked to a merged library of `targets`.
    fn linked(&self, targets: &[&'static str]) -> PathBuf {
        let library = self.library("libf.so", targets);
        self.program(&["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"])
    }
}

fn line(target: usize) -> String {
    format!("seen={target} f0={target} f1={} f2={}\n", 100 + target, 200 + target)
}

#[test]
fn chooses_before_user_constructors() {
    let Some(setup) = Setup::new() else { return };
    let program = setup.linked(&TARGETS);
    for (cpu, target) in MODELS {
        assert_eq!(run(&mut on_aarch64(cpu, &program)), line(target), "{cpu}");
    }
    let with =
        |name: &str, value: &str| run(on_aarch64("max", &program).args::<[&str; 0], _>([]).env(name, value));
    for target in 0..3 {
        assert_eq!(with("JL_LOAD_TARGET", &target.to_string()), line(target));
    }
    assert_eq!(with("JL_LOAD_CPU", "neoverse-n1"), line(1));
    assert_eq!(with("JL_LOAD_CPU", "grace"), line(2));
    assert_eq!(with("JL_LOAD_CPU", "armv8-a"), line(0));
    let log = on_aarch64("cortex-a53", &program).env("JL_LOAD_LOG", "stderr").output().unwrap();
    assert!(text(&log).contains("libf.so: target 0 (generic): the best of 3 targets"), "{}", text(&log));
}

#[test]
fn refuses_at_start_with_status_127() {
    let Some(setup) = Setup::new() else { return };
    let program = setup.linked(&["neoverse-n1", "a64fx"]);
    let check = |command: &mut Command, words: &[&str]| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(127), "{}", text(&output));
        assert_eq!(output.stdout, b"");
        for word in words {
            assert!(text(&output).contains(word), "{word}: {}", text(&output));
        }
    };
    let on = |cpu| on_aarch64(cpu, &program);
    check(&mut on("cortex-a53"), &["libf.so: cannot run here", "lse", "target 0 (neoverse-n1)"]);
    check(
        on("max").env("JL_LOAD_CPU", "haswell"),
        &["JL_LOAD_CPU=haswell is not a CPU", "neoverse-n1 or a64fx"],
    );
    check(on("max").env("JL_LOAD_TARGET", "7"), &["JL_LOAD_TARGET=7", "targets 0 to 1"]);
    assert_eq!(run(&mut on("neoverse-n1")), line(0), "SSBS, which qemu hides, is no reason");
}

#[test]
fn an_image_that_dlopen_brought_is_refused_without_ending_the_process() {
    let Some(setup) = Setup::new() else { return };
    let library = setup.library("libf.so", &["a64fx"]);
    let program = setup.program(&[]);
    let on = |cpu: &str, word: &str| on_aarch64(cpu, &program).arg(&library).arg(word).output().unwrap();
    let closing = on("neoverse-n1", "close");
    assert!(closing.status.success(), "{}", text(&closing));
    assert!(text(&closing).contains("libf.so: cannot run here: the CPU lacks"), "{}", text(&closing));
    let looking = on("neoverse-n1", "seen");
    assert!(text(&looking).contains("seen=-1\n"), "its constructor must not run: {}", text(&looking));
    let calling = on("neoverse-n1", "call");
    assert!(!calling.status.success(), "{}", text(&calling));
    assert!(text(&calling).contains("a code image that was refused was called: abort"), "{}", text(&calling));
    assert!(text(&on("a64fx", "seen")).contains("seen=0\n"));
}

#[test]
fn every_kind_of_program_and_page() {
    let Some(setup) = Setup::new() else { return };
    let main = r#"#include <stdio.h>
        int f0(void), f1(void), f2(void); extern int f_seen;
        int main(void) { printf("seen=%d f0=%d f1=%d f2=%d\n", f_seen, f0(), f1(), f2()); }"#;
    let object = compile_c_for(Machine::Aarch64, setup.path(), "main.o", main, &["-c", "-O1", "-fPIC"]);
    for kind in [&["-pie"][..], &["-no-pie"], &["-static"], &["-static-pie"]] {
        let program = Sample::aarch64("f", 3, &TARGETS).merged(setup.path(), "program", kind, &[&object]);
        for page in ["4096", "16384", "65536"] {
            let mut command = on_aarch64("neoverse-n1", &program);
            assert_eq!(run(command.env("QEMU_PAGESIZE", page)), line(1), "{kind:?}, pages of {page} bytes");
        }
        let refused = Sample::aarch64("f", 3, &["a64fx"]).merged(setup.path(), "refused", kind, &[&object]);
        let output = on_aarch64("cortex-a53", &refused).output().unwrap();
        assert_eq!(output.status.code(), Some(127), "{kind:?}: {}", text(&output));
        assert!(text(&output).contains("cannot run here"), "{kind:?}: {}", text(&output));
    }
}

#[test]
fn nothing_stays_writable_and_marks_are_kept() {
    let Some(setup) = Setup::new() else { return };
    // Without the C runtime's start files, which are not marked everywhere.
    let options = ["-shared", "-nostartfiles"];
    let library = Sample::aarch64("f", 2000, &TARGETS).merged(setup.path(), "libf.so", &options, &[]);
    let notes = run(Command::new("llvm-readelf-22").arg("-n").arg(&library));
    assert!(notes.contains("BTI, PAC, GCS"), "{notes}");
    let dynamic = run(Command::new("llvm-nm-22").args(["-D", "--undefined-only"]).arg(&library));
    assert!(dynamic.lines().all(|l| l.contains(" w ") || l.contains(" v ")), "undefined symbols: {dynamic}");
    let main = r#"#include <dlfcn.h>
        #include <stdint.h>
        #include <stdio.h>
        int main(int argc, char **argv) {
            char line[512];
            void *library = dlopen(argv[1], RTLD_NOW);
            int (*f)(void) = dlsym(library, "f1999");
            /* The slot: bti c; adrp x16, page; ldr x16, [x16, offset]; br x16. */
            uint32_t *code = (uint32_t *)f, adrp = code[1], ldr = code[2];
            int32_t pages = (int32_t)(((adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3)) << 11) >> 11;
            unsigned long slot = ((unsigned long)&code[1] & ~0xffful) + pages * 4096l + (ldr >> 10 & 0xfff) * 8;
            unsigned long from, to; char mode[8];
            FILE *maps = fopen("/proc/self/maps", "r");
            while (fgets(line, sizeof line, maps))
                if (sscanf(line, "%lx-%lx %4s", &from, &to, mode) == 3 && from <= slot && slot < to)
                    printf("%s %d\n", mode, f());
        }"#;
    let program = compile_c_for(Machine::Aarch64, setup.path(), "program", main, &[]);
    let output = run(on_aarch64("neoverse-n1", &program).arg(&library));
    assert_eq!(output, "r--p 199901\n");
}

#[test]
fn the_commands_know_images_of_another_architecture() {
    let Some(setup) = Setup::new() else { return };
    setup.library("libf.so", &TARGETS);
    let jl_load = |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_jl-load"))
            .current_dir(setup.path())
            .args(arguments)
            .output()
            .unwrap()
    };
    let checked = jl_load(&["check", "libf.so"]);
    assert_eq!(text(&checked), "libf.so: right: merged image, 3 functions\n");
    for (cpu, target) in [("cortex-a53", 0), ("neoverse-n1", 1), ("a64fx", 2), ("grace", 2)] {
        let found = jl_load(&["explain", "libf.so", "--cpu", cpu, "--function", "f1", "--json"]);
        let found: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
        assert_eq!(found["lists"][0]["chosen"], target, "{cpu}");
        assert_eq!(found["functions"][0]["runs"], target, "{cpu}: through the trampoline");
        assert_eq!(found["functions"][0]["name"], "f1");
        assert_eq!(found["functions"][0]["bodies"][2]["symbol"], "f1.2");
    }
    let lacking = text(&jl_load(&["explain", "libf.so", "--cpu", "cortex-a53"]));
    assert!(lacking.contains("for 3 targets (aarch64)") && lacking.contains("rejected: lacks "), "{lacking}");
    let other = text(&jl_load(&["explain", "libf.so", "--cpu", "haswell"]));
    assert!(other.contains("haswell is a CPU of x86_64, and this is about code for aarch64"), "{other}");
    if cfg!(not(target_arch = "aarch64")) {
        let here = text(&jl_load(&["explain", "libf.so"]));
        assert!(here.contains("this host is x86_64, and this code is for aarch64: --cpu NAME"), "{here}");
        let program = setup.program(&[]);
        let ran = jl_load(&["run", "--cpu", "haswell", "--", program.to_str().unwrap()]);
        // Unless the kernel knows the emulator: then the model is what is wrong.
        assert!(
            text(&ran).contains("program is for aarch64, and this host is x86_64: run it on such a machine")
                || text(&ran).contains("haswell is a CPU of x86_64"),
            "{}",
            text(&ran)
        );
        let model = text(&jl_load(&["cpu", "a64fx"]));
        assert!(
            model.starts_with("a64fx: aarch64, generic +lse +fullfp16 +sve, vectors of its own size"),
            "{model}"
        );
    }
}

#[test]
fn the_matrix_shows_emulated_cpus() {
    let Some(setup) = Setup::new() else { return };
    let program = setup.linked(&TARGETS);
    let arguments = ["matrix", "--json", "--", program.to_str().unwrap()];
    let output = Command::new(env!("CARGO_BIN_EXE_jl-load")).args(arguments).output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = found["rows"].as_array().unwrap();
    for (cpu, target) in [("cortex-a53", 0), ("neoverse-n1", 1), ("a64fx", 2), ("max", 2)] {
        let row = rows.iter().find(|row| row["cpu"] == cpu).unwrap_or_else(|| panic!("no {cpu}: {found}"));
        assert_eq!(row["images"][0]["target"], target, "{row}");
        let has = |feature: &str| row["features"].as_array().unwrap().iter().any(|name| name == feature);
        assert!(has("neon") && has("lse") == (target > 0) && has("sve") == (target > 1), "{row}");
    }
}
