//! `jl-load matrix`: one program on several CPUs.

mod support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use support::{PROGRAM, Sample, compile_c, copy_program, text};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

fn matrix(arguments: &[&str], command: &[&Path]) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_jl-load"));
    process.arg("matrix").args(arguments).arg("--").args(command).output().unwrap()
}

/// The rows, each found by its CPU's name, and the exit status.
fn rows(arguments: &[&str], command: &[&Path]) -> (Vec<Value>, Option<i32>) {
    let output = matrix(&[&["--json"], arguments].concat(), command);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    (found["rows"].as_array().unwrap().clone(), output.status.code())
}

/// A program that is linked to a library of `targets`.
fn linked(folder: &Path, library: &Path) -> PathBuf {
    let options = ["-Wl,--no-as-needed", library.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"];
    compile_c(folder, "program", PROGRAM, &options)
}

#[test]
fn shows_what_every_cpu_chose() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &LEVELS).merged(folder.path(), "libf.so", &["-shared"], &[]);
    let program = linked(folder.path(), &library);
    let models =
        ["--model", "Conroe", "--model", "Nehalem", "--model", "Haswell", "--model", "native:nehalem"];
    let (found, status) = rows(&models, &[&program]);
    // The host itself comes along. What this program prints depends on the target, and so do not all agree.
    assert_eq!(found[0]["cpu"], "native");
    assert_eq!(found[0]["output"], "reference");
    assert_eq!(status, Some(1));
    let real = library.canonicalize().unwrap();
    for (row, (cpu, target, bits)) in found[1..].iter().zip([
        ("Conroe", 0, 128),
        ("Nehalem", 1, 128),
        ("Haswell", 2, 256),
        ("native:nehalem", 1, 128),
    ]) {
        assert_eq!((&row["cpu"], &row["outcome"]["exit"]), (&cpu.into(), &0.into()), "{row}");
        assert_eq!(row["images"][0]["target"], target, "{row}");
        assert_eq!(row["images"][0]["path"], real.to_str().unwrap());
        assert_eq!(row["vector_bits"], bits);
    }
    assert_eq!(found[2]["output_hash"], found[4]["output_hash"], "the same target, the same output");
    assert_eq!(found[1]["output"]["differs"]["line"], 1);
    let shown = text(&matrix(&["--model", "Nehalem"], &[&program]));
    let line = shown.lines().find(|line| line.starts_with("Nehalem ")).unwrap_or_else(|| panic!("{shown}"));
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[..4], ["Nehalem", "x86-64-v2", "exit", "0"]);
    assert!(line.ends_with("1 (x86-64-v2) in libf.so"), "{shown}");
}

#[test]
fn refusals_are_no_failures_and_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &["x86-64-v2"]).merged(folder.path(), "libf.so", &["-shared"], &[]);
    let program = linked(folder.path(), &library);
    let (found, status) = rows(&["--model", "Conroe", "--model", "Nehalem"], &[&program]);
    assert_eq!(status, Some(0), "{found:?}");
    assert_eq!((&found[1]["outcome"], &found[1]["output"]), (&"refused".into(), &"not_compared".into()));
    assert!(found[1]["messages"][0].as_str().unwrap().contains("the CPU lacks"), "{}", found[1]);
    assert_eq!(found[2]["output"], "same");
}

#[test]
fn plainly_linked_images_choose_with_the_shim() {
    let folder = tempfile::tempdir().unwrap();
    let library = Sample::new("f", 3, &LEVELS).plain(folder.path(), "-fuse-ld=lld", "libf.so");
    let program = linked(folder.path(), &library);
    let shown = text(&matrix(&["--model", "Haswell"], &[&program]));
    assert!(shown.contains("No code image chose a target"), "{shown}");
    // The command looks for the shim beside itself; a library that prints what it sees stands in for it.
    let alone = copy_program(env!("CARGO_BIN_EXE_jl-load"), folder.path());
    let shim =
        "#include <unistd.h>\n__attribute__((constructor)) static void f(void) { write(1, \"shim\\n\", 5); }";
    compile_c(folder.path(), "libjl_load_preload.so", shim, &["-shared", "-fPIC"]);
    let arguments = ["matrix", "--preload", "--json", "--model", "Haswell", "--"];
    let output = Command::new(&alone).args(arguments).arg(&program).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let bytes = "shim\n".len() + "seen=0 f0=0 f1=100 f2=200\n".len();
    for row in found["rows"].as_array().unwrap() {
        assert_eq!(row["output_bytes"], bytes, "{row}");
    }
}

#[test]
fn what_goes_wrong_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        #include <stdio.h>
        #include <unistd.h>
        int main(int c, char **v) {
            unsigned long x = c;
            if (c == 2) asm volatile("crc32q %0, %0" : "+r"(x));
            if (c == 3) printf("%d\n", __builtin_cpu_supports("sse4.2") != 0);
            if (c == 4) return 40 + (__builtin_cpu_supports("sse4.2") != 0);
            if (c == 5) pause();
            return 0;
        }"#;
    let program = compile_c(folder.path(), "program", source, &[]);
    let word = Path::new("x");
    let run = |words: usize, more: &[&str]| {
        let command: Vec<&Path> = std::iter::once(program.as_path()).chain([word].repeat(words)).collect();
        rows(&[&["--model", "Conroe"], more].concat(), &command)
    };
    let (found, status) = run(0, &[]);
    assert_eq!((status, &found[1]["output"]), (Some(0), &"same".into()));
    let (found, status) = run(1, &[]);
    assert_eq!((status, &found[1]["outcome"]["signal"]), (Some(1), &4.into()), "{}", found[1]);
    let (found, status) = run(2, &[]);
    assert_eq!((status, &found[1]["output"]["differs"]["line"]), (Some(1), &1.into()), "{}", found[1]);
    let (found, status) = run(3, &[]);
    assert_eq!((status, &found[1]["outcome"]["exit"]), (Some(1), &40.into()), "{}", found[1]);
    let (found, status) = run(4, &["--timeout", "1"]);
    assert_eq!((status, &found[1]["outcome"]["timed_out"]), (Some(1), &1.into()), "{}", found[1]);
    let shown = text(&matrix(&["--model", "Conroe"], &[&program, word]));
    assert!(
        shown.contains("ILLEGAL INSTRUCTION") && shown.ends_with("1 of 2 ran alike, 1 WRONG\n"),
        "{shown}"
    );
}

#[test]
fn an_emulator_that_lacks_features_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile_c(folder.path(), "program", "int main(void) { return 0; }", &[]);
    let (found, _) = rows(&["--model", "Opteron_G5"], &[&program]);
    // No release of QEMU emulates them.
    let lacking = found[1]["not_emulated"].as_array().unwrap();
    assert!(lacking.iter().any(|name| name == "fma4"), "{}", found[1]);
    assert!(!found[1]["features"].as_array().unwrap().iter().any(|name| name == "fma4"), "{}", found[1]);
    assert_eq!(found[1]["vector_bits"], 256);
}

#[test]
fn scripts_run_by_their_interpreter() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let source = r#"
        #include <stdio.h>
        int main(int c, char **v) { for (int i = 1; i < c; i++) printf("%s\n", v[i]); return 0; }"#;
    let program = compile_c(folder.path(), "program", source, &[]);
    let script = folder.path().join("script");
    std::fs::write(&script, format!("#!{} a b\n", program.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (found, status) = rows(&["--model", "Nehalem"], &[&script, Path::new("more")]);
    let printed = format!("a b\n{}\nmore\n", script.display());
    for row in &found {
        assert_eq!(row["output_bytes"], printed.len(), "{row}");
    }
    assert_eq!(status, Some(0));
}

#[test]
fn mistakes_are_said() {
    let folder = tempfile::tempdir().unwrap();
    let program = compile_c(folder.path(), "program", "int main(void) { return 0; }", &[]);
    let missing = folder.path().join("missing");
    for (arguments, command, expected) in [
        (&["--model", "Pentium9"][..], &program, "unknown CPU model \"Pentium9\": expected native"),
        (&["--model", "native:i486"], &program, "\"native:i486\": unknown CPU: expected one of LLVM's names"),
        (&["--model", "486"], &program, "cannot run 64-bit programs on it: "),
        (&["--timeout", "0"], &program, "0 is not in 1.."),
        (&["--sysroot", "/nonexistent"], &program, "there is no /nonexistent"),
        (&[], &missing, "missing: not found: give the path of a program"),
    ] {
        let output = matrix(arguments, &[command]);
        assert!(!output.status.success() && output.stdout.is_empty(), "{}", text(&output));
        assert!(text(&output).contains(expected), "{expected}: {}", text(&output));
    }
    // Without an emulator this host is still there.
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jl-load"));
        command.arg("matrix").args(arguments).arg("--").arg(&program).env("PATH", folder.path());
        command.output().unwrap()
    };
    let output = run(&[]);
    assert!(text(&output).contains("qemu-x86_64: cannot be run: No such file"), "{}", text(&output));
    assert!(run(&["--model", "native"]).status.success());
}
