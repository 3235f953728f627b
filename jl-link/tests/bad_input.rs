//! What cannot be linked is refused with file, place and what to do, and leaves nothing behind.

mod support;

use image_format::layout::{FORMAT_VERSION, RECORD_MAGIC};
use support::{Bench, Function, LD_PATH, assembly, clean_command, p, target_list, two_objects, words};

/// Links `objects`, which must fail with all of `wanted` in the message and no file left.
fn refused(bench: &Bench, objects: &[&str], wanted: &[&str]) {
    let before = bench.files();
    let errors = bench.link_fails(&[&["-o", "out", "-shared"], objects].concat());
    for word in wanted {
        assert!(errors.contains(word), "\"{word}\" is not in\n{errors}");
    }
    assert_eq!(before, bench.files(), "left behind");
}

#[test]
fn different_target_lists() {
    let bench = Bench::new();
    let object = |name: &str, list: &[&str]| {
        p(&bench.object(name, &target_list(list), &[Function::new(name, list.len(), 1, &[])], ""))
    };
    let (a, b) = (object("a", support::TWO), object("b", &["x86-64", "x86-64-v4", "haswell"]));
    let wanted = ["a.o: x86-64;x86-64-v3", "b.o: x86-64;x86-64-v4;haswell", "--jl-targets"];
    refused(&bench, &[&a, &b], &wanted);
}

#[test]
fn damaged_tables() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let good = assembly(&list, &[Function::new("f", 2, 1, &[])], "");
    let head = format!(".long {:#x}\n", image_format::layout::record_head(2));
    let damage = |name: &str, from: &str, to: &str| {
        assert!(good.contains(from), "{name}");
        p(&bench.assemble(name, &good.replacen(from, to, 1)))
    };
    let other_version = format!(".long {:#x}\n", RECORD_MAGIC << 16 | (FORMAT_VERSION + 6) << 8 | 2);
    let version = damage("version", &head, &other_version);
    refused(
        &bench,
        &[&version],
        &["version.o", &format!("format version {}", FORMAT_VERSION + 6), "rebuild"],
    );
    refused(&bench, &[&damage("magic", &head, ".long 0x12345678\n")], &["magic.o", "jl_records"]);
    refused(
        &bench,
        &[&damage("short", "  .long f.1 - .\n", "")],
        &["short.o", "truncated", "compile it again"],
    );
    refused(&bench, &[&damage("flags", "  .long 0\n", "  .long 64\n")], &["flags.o", "unknown flags 0x40"]);
    let flipped = damage("flipped", "  .byte 74, 76, 84, 83", "  .byte 74, 76, 84, 83, 66");
    refused(&bench, &[&flipped], &["flipped.o", "jl_targets", "compile it again"]);
    let three = target_list(&["a", "b", "c"]);
    let count = bench.object("count", &three, &[Function::new("f", 2, 1, &[])], "");
    refused(&bench, &[&p(&count)], &["count.o", "records for 2 targets, a list of 3"]);
}

#[test]
fn each_cause_is_told_once() {
    let bench = Bench::new();
    let text = assembly(&target_list(support::TWO), &[Function::new("f", 2, 1, &[])], "");
    let object = p(&bench.assemble("flags", &text.replacen("  .long 0\n", "  .long 64\n", 1)));
    let output = p(&bench.path("missing/out"));
    for (args, cause) in [
        (&["-shared", "-o", "out", &object][..], "has unknown flags"),
        (&["-shared", "-o", &output, &two_objects(&bench)[1]], "No such file"),
        (&["-shared", "-o", "out", "-Wl,@missing.rsp"], "No such file"),
    ] {
        let errors = bench.link_fails(args);
        assert_eq!(errors.matches(cause).count(), 1, "{cause}:\n{errors}");
    }
}

#[test]
fn every_flipped_bit_of_a_target_list_is_noticed() {
    let bench = Bench::new();
    let object = bench.object("f", &target_list(&["a"]), &[Function::new("f", 1, 1, &[])], "");
    let bytes = std::fs::read(&object).unwrap();
    let start = bytes.windows(4).position(|w| w == b"JLTS").unwrap();
    for bit in (0..40 * 8).step_by(7) {
        let mut bad = bytes.clone();
        bad[start + bit / 8] ^= 1 << (bit % 8);
        std::fs::write(bench.path("bad.o"), bad).unwrap();
        let errors = bench.link_fails(&["-shared", "-o", "out", "bad.o"]);
        assert!(errors.contains("bad.o"), "bit {bit}: {errors}");
    }
}

#[test]
fn truncated_files() {
    let bench = Bench::new();
    let object = bench.object("f", &target_list(support::TWO), &[Function::new("f", 2, 1, &[])], "");
    let bytes = std::fs::read(&object).unwrap();
    for part in [1, 10, 17, 19] {
        std::fs::write(bench.path("cut.o"), &bytes[..bytes.len() * part / 20]).unwrap();
        refused(&bench, &["cut.o"], &["cut.o"]);
    }
    bench.ok("llvm-ar-22", &["rcs", "lib.a", &p(&object)]);
    let archive = std::fs::read(bench.path("lib.a")).unwrap();
    std::fs::write(bench.path("cut.a"), &archive[..archive.len() / 2]).unwrap();
    refused(&bench, &["-Wl,--whole-archive", "cut.a"], &["cut.a"]);
}

#[test]
fn other_architectures() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let good = bench.object("good", &list, &[Function::new("f", 2, 1, &[])], "");
    let text = ".section jl_targets,\"a\",@progbits\n.long 0\n.section jl_records,\"a\",@progbits\n.long 0\n";
    let source = bench.write("arm.s", text);
    bench.ok("clang-22", &["--target=aarch64-linux-gnu", "-c", &p(&source), "-o", "arm.o"]);
    refused(&bench, &[&p(&good), "arm.o"], &["arm.o", "another architecture", "aarch64", "183", "x86_64"]);
    bench.ok("clang-22", &["--target=riscv64-linux-gnu", "-c", &p(&source), "-o", "riscv.o"]);
    refused(&bench, &[&p(&good), "riscv.o"], &["riscv.o", "does not know", "243"]);
    let plain = bench.write("plain.s", ".globl x\nx: ret\n");
    bench.ok("clang-22", &["--target=aarch64-linux-gnu", "-c", &p(&plain), "-o", "plain.o"]);
    refused(&bench, &[&p(&good), "plain.o"], &["plain.o"]);
    // A list for another architecture in an object of this one.
    let mut foreign = list.clone();
    foreign[28] = 183;
    let sum = image_format::specs::checksum(&foreign);
    foreign[16..24].copy_from_slice(&sum.to_le_bytes());
    let object = bench.object("foreign", &foreign, &[Function::new("f", 2, 1, &[])], "");
    refused(&bench, &[&p(&object)], &["foreign.o", "another architecture", "183"]);
}

#[test]
fn missing_inputs_and_options() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    refused(&bench, &[&objects[1], "missing.o"], &["missing.o"]);
    refused(&bench, &[&objects[1], "-lmissing"], &["-lmissing"]);
    refused(&bench, &[&objects[1], "-Wl,--jl-reprot=x"], &["--jl-reprot", "--jl-help"]);
    refused(&bench, &[&objects[1], "-Wl,--jl-report"], &["--jl-report", "FILE"]);
    let mut command = clean_command("clang-22");
    command
        .args([LD_PATH, "-shared", &objects[1], "-o"])
        .arg(bench.path("out"))
        .env("JL_LLD", "/missing/ld.lld");
    let output = command.output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("/missing/ld.lld"));
}

#[test]
fn errors_of_the_link_itself() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let before = bench.files();
    let errors = bench.link_fails(&["-o", "out", &objects[0], &objects[1]]);
    assert!(errors.contains("undefined symbol: g"), "{errors}");
    assert_eq!(before, bench.files());
    // An output that was there stays as it was.
    bench.write("out", "old");
    // By itself: clang removes the output of a linker that fails.
    let output = bench.run(env!("CARGO_BIN_EXE_jl-link"), &["-o", "out", &objects[0], &objects[1]]);
    assert!(!output.status.success());
    assert_eq!(std::fs::read_to_string(bench.path("out")).unwrap(), "old");
}

#[test]
fn output_directories() {
    let bench = Bench::new();
    let objects = two_objects(&bench);
    let errors = bench.link_fails(&[&["-o", "nowhere/out"], &words(&objects)[..]].concat());
    assert!(errors.contains("nowhere/out"), "{errors}");
    for (options, wanted) in [("size=16k", "out"), ("size=16k,ro", "out")] {
        let dir = bench.path("small");
        std::fs::create_dir_all(&dir).unwrap();
        // In a mount namespace of its own, which needs no privilege on most systems.
        let script = format!(
            "mount -t tmpfs -o {options} tmpfs {0} || exit 99; clang-22 {LD_PATH} -o {0}/out {1}; s=$?; ls -A {0}; exit $s",
            p(&dir),
            objects.join(" ")
        );
        let output = bench.run("unshare", &["-rm", "sh", "-c", &script]);
        if output.status.code() == Some(99)
            || String::from_utf8_lossy(&output.stderr).contains("unshare failed")
        {
            eprintln!("cannot mount here: not tested with {options}");
            continue;
        }
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(wanted), "{options}: {errors}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "left behind with {options}");
    }
}

#[test]
fn slots_outside_of_relro() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let text = assembly(&list, &[Function::new("f", 2, 1, &[])], "")
        .replace(".data.rel.ro.jl_slot", ".data.jl_slot");
    let object = bench.assemble("a", &text);
    refused(&bench, &[&p(&object)], &["slot", "RELRO"]);
    let good = bench.object("good", &list, &[Function::new("f", 2, 1, &[])], "");
    let errors = bench.link_fails(&["-o", "out", "-nostdlib", "-static", &p(&good), "-Wl,-N,-e,f"]);
    assert!(errors.contains("writable and executable") || errors.contains("RELRO"), "{errors}");
}
