//! What a CPU must have to run an image: what its code uses, and nothing else.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{run, run_ok};
use tests::tools::Tools;

struct Work {
    tools: Tools,
    folder: tempfile::TempDir,
}

impl Work {
    fn new() -> Result<Work> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        Ok(Work { tools: Tools::find()?, folder })
    }

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

    /// The features that a target requires beyond the baseline.
    fn needs(&self, image: &Path, index: usize) -> Result<Vec<String>> {
        let target = self.target(image, "haswell", index)?;
        let names = target["needs"].as_array().context("no needs")?;
        Ok(names.iter().filter_map(|n| n.as_str()).map(str::to_string).collect())
    }
}

/// Runs a program on a CPU of QEMU's; the number of the target that it chose, and what it printed.
fn on(cpu: &str, program: &Path) -> Result<(String, String)> {
    let mut command = Command::new("qemu-x86_64");
    let ran = run_ok(command.args(["-cpu", cpu, "-E", "JL_LOAD_LOG=stderr"]).arg(program))?;
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
