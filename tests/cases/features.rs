//! What a CPU must have to run an image: what its code uses, and nothing else.

mod work;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{run, run_ok};
use tests::machine::{AARCH64, HOST, Machine, Setting};
use work::Work;

impl Work {
    /// Builds a program for x86-64 and x86-64-v3, and one that says which target was chosen.
    fn build(&self, name: &str, source: &str, flags: &[&str]) -> Result<PathBuf> {
        let (file, output) =
            (self.folder.path().join(name).with_extension("c"), self.folder.path().join(name));
        fs::write(&file, source)?;
        let mut command = Command::new(self.tools.jl_cc());
        if !flags.iter().any(|f| f.starts_with("--jl-targets=")) {
            command.arg("--jl-targets=x86-64;x86-64-v3");
        }
        run_ok(command.arg("-O2").args(flags).arg(&file).arg("-o").arg(&output))?;
        Ok(output)
    }

    /// What `explain` says of a target.
    fn target(&self, image: &Path, cpu: &str, index: usize) -> Result<Value> {
        let mut command = Command::new(self.tools.jl_load());
        let ran = run_ok(command.args(["explain", "--json", "--cpu", cpu]).arg(image))?;
        let told: Value = serde_json::from_str(&ran.stdout)?;
        Ok(told["lists"][0]["targets"][index].clone())
    }

    /// As [`Work::build`], for aarch64 and all functions cloned for Neoverse N1.
    fn build_aarch64(&self, name: &str, source: &str, flags: &[&str]) -> Result<PathBuf> {
        let own = ["--jl-targets=generic;neoverse-n1,clone_all"];
        self.build(name, source, &[AARCH64.flags, &own, flags].concat())
    }

    /// The features that a target requires beyond the baseline.
    fn needs(&self, image: &Path, index: usize) -> Result<Vec<String>> {
        self.needs_on(image, "haswell", index)
    }

    /// As [`Work::needs`]; `cpu` is any of the image's architecture.
    fn needs_on(&self, image: &Path, cpu: &str, index: usize) -> Result<Vec<String>> {
        let target = self.target(image, cpu, index)?;
        let names = target["needs"].as_array().context("no needs")?;
        Ok(names.iter().filter_map(|n| n.as_str()).map(str::to_string).collect())
    }
}

/// Runs a program for x86-64 on a CPU of QEMU's; the number of the target that it chose, and what it printed.
fn on(cpu: &'static str, program: &Path) -> Result<(String, String)> {
    on_machine(&HOST, cpu, program)
}

fn on_machine(machine: &Machine, cpu: &'static str, program: &Path) -> Result<(String, String)> {
    let words = machine.prefix(&Setting { cpu: Some(cpu), target: None });
    let mut command = Command::new(&words[0]);
    let ran = run_ok(command.args(&words[1..]).args(["-E", "JL_LOAD_LOG=stderr"]).arg(program))?;
    let chosen = ran.stderr.lines().find_map(|l| l.split_once(": target ").map(|(_, rest)| rest));
    let chosen = chosen.with_context(|| ran.describe())?;
    Ok((chosen.chars().take_while(char::is_ascii_digit).collect(), ran.stdout))
}

const SUM: &str = "
    __attribute__((noinline)) int sum(const int *a, const int *b, int n) {
        int sum = 0;
        for (int i = 0; i < n; i++) sum += a[i] * b[i];
        return sum;
    }";

const MAIN: &str = "
    #include <stdio.h>
    int main(void) {
        int a[64];
        for (int i = 0; i < 64; i++) a[i] = i - 7;
        printf(\"%d\\n\", sum(a, a, 64) + more(a));
    }";

const NOTHING_MORE: &str = "static int more(const int *a) { return a[0]; }";

#[test]
fn a_feature_that_no_code_uses_rejects_nothing() -> Result<()> {
    let work = Work::new()?;
    let without = work.build("without", &format!("{SUM}{NOTHING_MORE}{MAIN}"), &[])?;
    let fused = "
        __attribute__((noinline)) double fused(const int *a) {
            double x = a[3];
            for (int i = 0; i < 64; i++) x = __builtin_fma(x, 0.5, a[i]);
            return x;
        }
        static int more(const int *a) { return (int)fused(a); }";
    let with = work.build("with", &format!("{SUM}{fused}{MAIN}"), &["-lm"])?;
    for flags in ["Haswell", "Haswell,-fma", "Haswell,-bmi1,-bmi2,-movbe,-abm,-f16c", "Haswell,-avx2"] {
        let expected = if flags.contains("avx2") { "0" } else { "1" };
        let (chosen, printed) = on(flags, &without)?;
        ensure!((chosen.as_str(), printed.as_str()) == (expected, "60249\n"), "{flags}: {chosen}, {printed}");
    }
    ensure!(on("Haswell", &with)?.0 == "1" && on("Haswell,-fma", &with)?.0 == "0", "fma is used");
    ensure!(work.needs(&without, 1)?.iter().all(|n| n.starts_with("avx")), "{:?}", work.needs(&without, 1)?);
    ensure!(work.needs(&with, 1)?.contains(&"fma".to_string()), "{:?}", work.needs(&with, 1)?);
    // A CPU without FMA, as explain sees it; both sets are told.
    let told = work.target(&without, "x86-64-v2", 1)?;
    ensure!(told["declares"].to_string().contains("\"fma\""), "{told}");
    ensure!(told["lacks"] == json!(["avx", "avx2"]), "{told}");
    let told = work.target(&without, "ivybridge", 1)?;
    ensure!(told["lacks"] == json!(["avx2"]), "{told}");
    Ok(())
}

#[test]
fn a_question_that_was_answered_counts_as_used() -> Result<()> {
    let work = Work::new()?;
    let asks = "
        __attribute__((target(\"bmi2\"), noinline)) static unsigned deposit(unsigned a) {
            return __builtin_ia32_pdep_si(a, 0x0f0f0f0f);
        }
        __attribute__((noinline)) int more(const int *a) {
            return __builtin_cpu_supports(\"bmi2\") ? deposit(a[9]) : 2;
        }";
    for flags in [&["-O2"][..], &["-flto"], &["-flto=thin"]] {
        let program = work.build("asks", &format!("{SUM}{asks}{MAIN}"), flags)?;
        ensure!(work.needs(&program, 1)?.contains(&"bmi2".to_string()), "{flags:?}");
        let (chosen, printed) = on("Haswell", &program)?;
        ensure!(chosen == "1" && printed == "60258\n", "{flags:?}: {printed}");
        // Without it the same program asks, and gets a no.
        let (chosen, printed) = on("Haswell,-bmi2", &program)?;
        ensure!(chosen == "0" && printed == "60258\n", "{flags:?}: {printed}");
    }
    Ok(())
}

#[test]
fn wider_instructions_of_the_programs_own_require_nothing() -> Result<()> {
    let work = Work::new()?;
    let by_hand = "
        __attribute__((noinline)) int more(const int *a) {
            int x = 0;
            for (int i = 0; i < 64; i++) x += a[i] * a[i];
            if (x == 1) __asm__ volatile(\"vpternlogd $0xff, %%zmm0, %%zmm0, %%zmm0\" ::: \"xmm0\");
            return x & 1;
        }";
    let program = work.build("by-hand", &format!("{SUM}{by_hand}{MAIN}"), &[])?;
    ensure!(!work.needs(&program, 1)?.iter().any(|n| n.contains("512")), "{:?}", work.needs(&program, 1)?);
    ensure!(on("Haswell", &program)?.0 == "1");
    Ok(())
}

#[test]
fn code_that_cannot_be_read_requires_what_is_declared() -> Result<()> {
    let work = Work::new()?;
    let data = "
        __attribute__((noinline)) int more(const int *a) {
            int x = 0;
            for (int i = 0; i < 64; i++) x += a[i] * a[i];
            __asm__ volatile(\"jmp 1f\\n .byte 0x48, 0xb8\\n 1:\");
            return x & 1;
        }";
    let report = work.folder.path().join("report.json");
    let flag = format!("--jl-report={}", report.display());
    let program = work.build("data", &format!("{SUM}{data}{MAIN}"), &[&flag])?;
    ensure!(work.needs(&program, 1)?.contains(&"fma".to_string()), "{:?}", work.needs(&program, 1)?);
    let report: Value = serde_json::from_str(&fs::read_to_string(report)?)?;
    ensure!(report["targets"][1]["code_was_read"] == false, "{report}");
    ensure!(on("Haswell,-fma", &program)?.0 == "0");
    Ok(())
}

#[test]
fn a_raised_baseline_requires_what_all_code_uses() -> Result<()> {
    let work = Work::new()?;
    // `more` has nothing that is worth a clone, but is compiled for the baseline as well.
    let shifts = "__attribute__((noinline)) int more(const int *a) { return (a[1] << (a[2] & 31)) & 2; }";
    let flags = ["-march=haswell", "--jl-targets=x86-64;x86-64-v4"];
    let program = work.build("raised", &format!("{SUM}{shifts}{MAIN}"), &flags)?;
    let needs = work.needs(&program, 0)?;
    ensure!(needs.contains(&"bmi2".to_string()) && !needs.contains(&"fma".to_string()), "{needs:?}");
    ensure!(on("Haswell,-fma,-movbe", &program)?.1.ends_with('\n'), "runs without what nothing uses");
    let refused = run(Command::new("qemu-x86_64").args(["-cpu", "Haswell,-bmi2"]).arg(&program))?;
    ensure!(refused.status.code() == Some(127) && refused.stderr.contains("bmi2"), "{}", refused.describe());
    Ok(())
}

const BYTES: &str = "
    #include <stdint.h>
    __attribute__((noinline)) static int bytes(const uint8_t *a, int n) {
        int sum = 0;
        for (int i = 0; i < n; i++) sum += a[i] * a[i];
        return sum;
    }
    static int more(const int *a) { return bytes((const uint8_t *)a, 64); }";

#[test]
fn on_aarch64_a_feature_that_no_code_uses_rejects_nothing() -> Result<()> {
    let work = Work::new()?;
    let without = work.build_aarch64("without", &format!("{SUM}{NOTHING_MORE}{MAIN}"), &[])?;
    let with = work.build_aarch64("with", &format!("{SUM}{BYTES}{MAIN}"), &[])?;
    let needs = work.needs_on(&without, "neoverse-n1", 1)?;
    ensure!(needs.iter().all(|n| ["fp-armv8", "neon"].contains(&n.as_str())), "{needs:?}");
    let needs = work.needs_on(&with, "neoverse-n1", 1)?;
    ensure!(needs.contains(&"dotprod".to_string()) && !needs.contains(&"crc".to_string()), "{needs:?}");
    let told = work.target(&without, "cortex-a53", 1)?;
    ensure!(told["declares"].to_string().contains("\"dotprod\"") && told["lacks"] == json!([]), "{told}");
    for (program, cpu, expected) in [
        (&without, "cortex-a53", "1"),
        (&with, "cortex-a53", "0"),
        (&with, "neoverse-n1", "1"),
        (&with, "max", "1"),
    ] {
        let (chosen, printed) = on_machine(&AARCH64, cpu, program)?;
        let sum = if program == &with { "1870541\n" } else { "60249\n" };
        ensure!(chosen == expected && printed == sum, "{cpu}: target {chosen}, {printed}");
    }
    Ok(())
}

/// As [`BYTES`], so that bodies differ from target to target, with `first` before it.
fn bytes_after(first: &str) -> String {
    let call = "int more(const int *a) { return";
    BYTES.replace(&format!("static {call}"), &format!("__attribute__((noinline)) {call} {first}"))
}

#[test]
fn on_aarch64_code_is_told_from_data() -> Result<()> {
    let work = Work::new()?;
    // Jumped over, and marked as data by the assembler; the same without the mark; and data that is run into.
    for (name, assembly, all) in [
        ("data", "b 1f\\n .word 0xffffffff\\n 1:", false),
        ("code", "b 1f\\n .inst 0xffffffff\\n 1:", true),
        ("entered", "nop\\n .word 0xd503201f\\n nop", true),
    ] {
        let report = work.folder.path().join("report.json");
        let flag = format!("--jl-report={}", report.display());
        let bytes = BYTES.replace("int sum = 0;", &format!("int sum = 0; __asm__ volatile(\"{assembly}\");"));
        let program = work.build_aarch64(name, &format!("{SUM}{bytes}{MAIN}"), &[&flag])?;
        let needs = work.needs_on(&program, "neoverse-n1", 1)?;
        ensure!(needs.contains(&"dotprod".to_string()), "{name}: {needs:?}");
        ensure!(needs.contains(&"lse".to_string()) == all, "{name}: {needs:?}");
        let report: Value = serde_json::from_str(&fs::read_to_string(report)?)?;
        ensure!(report["targets"][1]["code_was_read"] == !all, "{name}: {report}");
        let (chosen, printed) = on_machine(&AARCH64, "neoverse-n1", &program)?;
        ensure!(chosen == "1" && printed == "1870541\n", "{name}: target {chosen}, {printed}");
    }
    Ok(())
}

#[test]
fn on_aarch64_code_elsewhere_that_a_body_leads_to() -> Result<()> {
    let work = Work::new()?;
    // crc32b w0, w0, w0, in a local function without clones and in a section of its own.
    let helper = "
        __asm__(\".pushsection .text.helper,\\\"ax\\\",%progbits\\n.type helper,%function\\nhelper:\\n\"
                \" .inst 0x1ac04000\\n ret\\n.size helper, . - helper\\n.popsection\");
        __attribute__((visibility(\"hidden\"))) int helper(int);
        int (*volatile called)(int) = helper;";
    for (name, first, expected) in [
        ("taken", "(called = helper, 0) +", true),
        ("called", "(a[0] == 7 ? helper(3) : 0) +", true),
        ("neither", "", false),
    ] {
        let program = work.build_aarch64(name, &format!("{SUM}{helper}{}{MAIN}", bytes_after(first)), &[])?;
        let needs = work.needs_on(&program, "neoverse-n1", 1)?;
        ensure!(needs.contains(&"dotprod".to_string()), "{name}: {needs:?}");
        ensure!(needs.contains(&"crc".to_string()) == expected, "{name}: {needs:?}");
    }
    Ok(())
}
