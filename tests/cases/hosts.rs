//! The plugin in lld and rustc, its parameters in opt, and what it takes from LLVM. (clang and opt by name:
//! `images.rs`.)

mod work;

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::tools::{ALL_LLVMS, DEFAULT_LLVM, Llvm, OPT, workspace};
use work::Work;

/// A loop that pays, called from a program that prints its result.
const C_SOURCE: &str = "
#include <stdio.h>
__attribute__((noinline)) void scale(float *restrict a, const float *restrict b, int n) {
    for (int i = 0; i < n; i++) a[i] = a[i] * 3.0f + b[i];
}
int main(void) {
    float a[100], b[100];
    for (int i = 0; i < 100; i++) a[i] = (float)i, b[i] = 0.5f;
    scale(a, b, 100);
    printf(\"%g\\n\", (double)a[99]);
    return 0;
}
";

const RUST_SOURCE: &str = "
#[inline(never)]
#[unsafe(no_mangle)]
pub fn scale(a: &mut [f32], b: &[f32]) {
    for (x, y) in a.iter_mut().zip(b) { *x = *x * 3.0 + y; }
}
fn main() {
    let mut a: Vec<f32> = (0..100).map(|i| i as f32).collect();
    scale(&mut a, &[0.5; 100]);
    println!(\"{}\", a[99]);
}
";

impl Work {
    /// A tool of LLVM's own, in the plugin's version.
    fn llvm(&self, tool: &str) -> String {
        self.tools.llvm.tool(tool)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs a host; the target list comes by the environment, as Julia's users give it.
    fn host(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("JULIA_CPU_TARGET", "x86-64;x86-64-v3").current_dir(self.folder.path());
        command
    }

    fn plugin_option(&self, option: &str) -> String {
        format!("{option}{}", self.tools.plugin().display())
    }
}

/// Runs a test with each LLVM and its plugin.
fn in_each_llvm(test: impl Fn(&Work) -> Result<()>) -> Result<()> {
    ALL_LLVMS.into_iter().try_for_each(|llvm| {
        test(&Work::with(llvm)?).with_context(|| format!("the plugin for LLVM {}", llvm.0))
    })
}

/// The program prints what it must, and holds both bodies of `scale`.
fn holds_clones(program: &Path) -> Result<()> {
    let ran = run_ok(&mut Command::new(program))?;
    ensure!(ran.stdout.trim() == "297.5", "{}", ran.describe());
    let symbols = Elf::read(program)?.symbols()?;
    for body in ["scale.0", "scale.1"] {
        let there = symbols.iter().any(|s| s.name == body);
        ensure!(there, "{} has no {body}", program.display());
    }
    Ok(())
}

#[test]
fn a_pass_takes_parameters() -> Result<()> {
    in_each_llvm(|work| {
        let ir = work.write(
        "a.ll",
        "target triple = \"x86_64-pc-linux-gnu\"\ndefine i32 @f(i32 %x) {\n  %y = add i32 %x, 1\n  ret i32 %y\n}\n",
    )?;
        let annotate = |parameters: &str| {
            let mut opt = work.host(&work.llvm("opt"));
            opt.arg(work.plugin_option("-load-pass-plugin=")).arg(format!("-passes=jl-annotate{parameters}"));
            run_ok(opt.arg("-S").arg(&ir))
        };
        let ran = annotate("<targets=x86-64|haswell|znver4;fp=fast>")?;
        ensure!(
            ran.stdout.contains("!\"znver4\"") && ran.stdout.contains("jl.fp.fast"),
            "{}",
            ran.describe()
        );
        let ran = annotate("")?;
        ensure!(!ran.stdout.contains("znver4") && ran.stdout.contains("jl.fp.strict"), "{}", ran.describe());
        ensure!(annotate("<nonsense=1>").is_err_and(|e| format!("{e:#}").contains("unknown plugin setting")));
        Ok(())
    })
}

#[test]
fn a_list_of_all_features_asks_for_none() -> Result<()> {
    in_each_llvm(|work| {
        let arch = image_format::cpu::Arch::X86_64;
        let names = (0..=u8::MAX).filter_map(|id| arch.feature_name(image_format::feature::FeatureId(id)));
        let has =
            |name: &str| matches!(name, "64bit" | "cx8" | "cmov" | "fxsr" | "mmx" | "sse" | "sse2" | "x87");
        let spelt_out: Vec<String> =
            names.map(|n| format!("{}{n}", if has(n) { '+' } else { '-' })).collect();
        let clone = |features: &str| -> Result<String> {
            let text = format!(
                "target triple = \"x86_64-pc-linux-gnu\"\n\
             define i32 @f(i32 %x) #0 {{\n  %y = add i32 %x, 1\n  ret i32 %y\n}}\n\
             attributes #0 = {{ \"target-cpu\"=\"x86-64\" \"target-features\"=\"{features}\" }}\n"
            );
            let ir = work.write("a.ll", &text)?;
            let mut opt = work.host(&work.llvm("opt"));
            opt.env("JULIA_CPU_TARGET", "x86-64;haswell,clone_all")
                .arg(work.plugin_option("-load-pass-plugin="));
            let ran = run_ok(opt.args(["-passes=jl-annotate,jl-multiversion", "-S"]).arg(&ir))?;
            let haswell = ran.stdout.lines().find(|l| l.contains("\"target-cpu\"=\"haswell\""));
            Ok(haswell.with_context(|| ran.describe())?.to_string())
        };
        // As Zig writes it for plain x86-64: all that the CPU lacks is off.
        let found = clone(&spelt_out.join(","))?;
        ensure!(found.contains("+avx2") && found.contains("+bmi2") && !found.contains("-avx2"), "{found}");
        // As clang writes it: what the user does without, the clones do without.
        let found = clone("+sse2,-avx2,-avx512f")?;
        ensure!(!found.contains("+avx2") && found.contains("+avx,") && found.contains("+bmi2"), "{found}");
        Ok(())
    })
}

#[test]
fn a_front_end_names_targets_by_module_flag() -> Result<()> {
    in_each_llvm(|work| {
        let ir = work.write(
            "a.ll",
            "target triple = \"x86_64-pc-linux-gnu\"\n\
         define i32 @f(i32 %x) {\n  ret i32 %x\n}\n\
         !llvm.module.flags = !{!0}\n\
         !0 = !{i32 2, !\"julia.mv.specs\", !1}\n\
         !1 = !{!2, !3, !4}\n\
         !2 = !{!\"x86-64\", !\"\", i32 0, i32 0}\n\
         !3 = !{!\"haswell\", !\"-rdrnd\", i32 0, i32 2}\n\
         !4 = !{!\"znver4\", !\"\", i32 1, i32 2}\n",
        )?;
        // The flag counts more than the environment, which `host` sets.
        let mut opt = work.host(&work.llvm("opt"));
        opt.arg(work.plugin_option("-load-pass-plugin=")).arg("-passes=jl-annotate,jl-multiversion,verify");
        let ran = run_ok(opt.arg("-S").arg(&ir))?;
        for name in ["@f.0", "@f.1", "@f.2", "\"target-cpu\"=\"haswell\"", "\"target-cpu\"=\"znver4\""] {
            ensure!(ran.stdout.contains(name), "no {name}: {}", ran.describe());
        }
        Ok(())
    })
}

#[test]
fn march_raises_the_baseline_and_says_so() -> Result<()> {
    in_each_llvm(|work| {
        let source = work.write("a.c", C_SOURCE)?;
        let compile = |option: &str| {
            let mut command = work.tools.compiler(false);
            command.args(["-O2", "-S", "-emit-llvm", "-o", "-", option]).arg(&source);
            run_ok(&mut command)
        };
        let ran = compile("-march=haswell")?;
        ensure!(ran.stderr.lines().count() == 1, "{}", ran.describe());
        ensure!(
            ran.stderr.contains("-march raises the baseline (target 0, x86-64) to haswell"),
            "{}",
            ran.describe()
        );
        ensure!(ran.stdout.contains("@scale.1"), "{}", ran.describe());
        // For a dispatch of its own: left alone, and nothing is said.
        let ran = compile("-mavx2")?;
        ensure!(ran.stderr.is_empty() && !ran.stdout.contains("@scale.1"), "{}", ran.describe());
        ensure!(ran.stdout.contains("own-target"), "{}", ran.describe());
        Ok(())
    })
}

#[test]
fn hardened_code_gets_no_jump_through_memory() -> Result<()> {
    in_each_llvm(|work| {
        let source = work.write("a.c", C_SOURCE)?;
        for option in ["-mretpoline", "-mharden-sls=all"] {
            let mut command = work.tools.compiler(false);
            command.args(["-O2", "-S", "-emit-llvm", "-o", "-", option]).arg(&source);
            let ran = run_ok(&mut command)?;
            ensure!(!ran.stdout.contains("@scale.1"), "cloned under {option}: {}", ran.describe());
            ensure!(ran.stdout.contains("hardened"), "{option}: {}", ran.describe());
        }
        Ok(())
    })
}

#[test]
fn lld_clones_in_link_time_optimisation_only() -> Result<()> {
    in_each_llvm(|work| {
        let source = work.write("a.c", C_SOURCE)?;
        for mode in ["full", "thin"] {
            let (object, program) = (work.path(&format!("{mode}.o")), work.path(mode));
            let lto = format!("-flto={mode}");
            let mut compile = work.host(&work.llvm("clang"));
            compile.args(["-O2", &lto]).arg(work.plugin_option("-fpass-plugin="));
            run_ok(compile.arg("-c").arg(&source).arg("-o").arg(&object))?;
            let dump = run_ok(Command::new(work.llvm("llvm-dis")).arg(&object).args(["-o", "-"]))?;
            ensure!(!dump.stdout.contains("@scale.1"), "cloned before {mode} LTO");
            ensure!(dump.stdout.contains("\"jl.settings\""), "{mode} LTO would not know the target list");
            let mut link = Command::new(work.llvm("clang"));
            link.args(["-O2", &lto, "-fuse-ld=lld"]).arg(work.plugin_option("-Wl,--load-pass-plugin="));
            run_ok(link.arg(&object).arg("-o").arg(&program))?;
            holds_clones(&program).with_context(|| format!("{mode} LTO"))?;
        }
        Ok(())
    })
}

#[test]
fn what_an_older_llvm_does_not_know_is_said_with_its_version() -> Result<()> {
    let ir = "target triple = \"x86_64-pc-linux-gnu\"\ndefine i32 @f(i32 %x) {\n  ret i32 %x\n}\n";
    let annotate = |llvm: Llvm, cpu: &str| {
        let work = Work::with(llvm)?;
        let file = work.write("a.ll", ir)?;
        let mut opt = work.host(&work.llvm("opt"));
        opt.env("JULIA_CPU_TARGET", format!("x86-64;{cpu}")).arg("-passes=jl-annotate").arg("-S").arg(&file);
        run(opt.arg(work.plugin_option("-load-pass-plugin=")))
    };
    for (llvm, cpu, unknown) in [
        (16, "znver5", "CPU 'znver5'"),
        (19, "novalake", "CPU 'novalake'"),
        (16, "haswell,+usermsr", "CPU feature 'usermsr'"),
    ] {
        let ran = annotate(Llvm(llvm), cpu)?;
        let message = format!("LLVM {} does not know the {unknown}", version(Llvm(llvm))?);
        ensure!(!ran.status.success() && ran.stderr.contains(&message), "{}", ran.describe());
        annotate(DEFAULT_LLVM, cpu)?.success()?;
    }
    // What is off anyway, and features that LLVM has given up since.
    for cpu in ["haswell,-usermsr", "knl", "k8"] {
        let ran = annotate(Llvm(16), cpu)?.success()?;
        ensure!(ran.stderr.is_empty(), "{}", ran.describe());
    }
    Ok(())
}

#[test]
fn debug_info_changes_no_decision() -> Result<()> {
    in_each_llvm(|work| {
        let source = work.write("a.c", C_SOURCE)?;
        let reports = ["-g0", "-g"].map(|debug| -> Result<_> {
            let object = work.path("a.o");
            run_ok(
                work.tools.compiler(false).args(["-O2", "-c", debug]).arg(&source).arg("-o").arg(&object),
            )?;
            let report = Elf::read(&object)?.section_bytes(image_format::layout::REPORT_SECTION)?;
            Ok(String::from_utf8_lossy(&report.context("no report")?).into_owned())
        });
        let [without, with] = reports;
        let (without, with) = (without?, with?);
        ensure!(without.contains("scale") && with == without, "{without}and with debug info\n{with}");
        Ok(())
    })
}

/// The whole version of an LLVM, as the plugin was told when it was built.
fn version(llvm: Llvm) -> Result<String> {
    let config = run_ok(Command::new(llvm.tool("llvm-config")).arg("--version"))?;
    Ok(config.stdout.trim().to_string())
}

#[test]
fn a_wrong_pairing_is_refused_in_one_line_with_both_versions() -> Result<()> {
    for llvm in ALL_LLVMS {
        let work = Work::with(llvm)?;
        let (ir, source) = (work.write("a.ll", "")?, work.write("a.c", "int main(void) { return 0; }\n")?);
        for host in ALL_LLVMS.into_iter().filter(|host| *host != llvm) {
            let bitcode = work.path("a.bc");
            let mut compile = Command::new(host.tool("clang"));
            run_ok(compile.args(["-O2", "-flto", "-c"]).arg(&source).arg("-o").arg(&bitcode))?;
            let (built_for, found) = (version(llvm)?, version(host)?);
            let refused = |ran: Ran| {
                let message = format!("was built for LLVM {built_for}, but the host runs LLVM {found}: ");
                let lines: Vec<&str> = ran.stderr.lines().collect();
                ensure!(!ran.status.success() && ran.status.code().is_some(), "{}", ran.describe());
                ensure!(lines.len() == 1 && lines[0].contains(&message), "{}", ran.describe());
                ensure!(lines[0].contains(&format!("scripts/build-plugin {}", host.0)), "{}", ran.describe());
                Ok(())
            };
            let mut opt = work.host(&host.tool("opt"));
            opt.arg(work.plugin_option("-load-pass-plugin=")).arg("-passes=jl-annotate");
            refused(run(opt.arg("-disable-output").arg(&ir))?)?;
            let mut clang = work.host(&host.tool("clang"));
            clang.args(["-O2", "-c"]).arg(work.plugin_option("-fpass-plugin="));
            refused(run(clang.arg(&source).arg("-o").arg(work.path("a.o")))?)?;
            let mut lld = work.host(&host.tool("ld.lld"));
            refused(run(lld.arg(work.plugin_option("--load-pass-plugin=")).arg(&bitcode))?)?;
        }
    }
    Ok(())
}

#[test]
fn rustc_by_the_nightly_switch_and_by_link_time_optimisation() -> Result<()> {
    let work = Work::new()?;
    let source = work.write("a.rs", RUST_SOURCE)?;
    let version = run_ok(Command::new("rustc").arg("-vV"))?.stdout;
    // The plugin fits the LLVM that rustc is built with, or there is nothing to test here.
    if version.contains("LLVM version: 22.") {
        let program = work.path("by-plugin");
        let mut rustc = work.host("rustc");
        rustc.env("RUSTC_BOOTSTRAP", "1").arg("-O").arg(work.plugin_option("-Zllvm-plugins="));
        run_ok(rustc.arg(&source).arg("-o").arg(&program))?;
        holds_clones(&program)?;
    }
    let program = work.path("by-lto");
    let mut rustc = work.host("rustc");
    rustc.args(["-O", "-Clinker-plugin-lto", "-Clink-arg=-fuse-ld=lld"]);
    rustc.arg(format!("-Clinker={}", work.tools.jl_cc().display()));
    run_ok(rustc.arg(&source).arg("-o").arg(&program))?;
    holds_clones(&program)
}

/// A program that asks before it calls a function with features of its own.
const RUST_QUESTION: &str = r#"
#[target_feature(enable = "avx2")]
#[inline(never)]
unsafe fn wide(data: &[i32]) -> i64 { data.iter().map(|x| *x as i64 * 3).sum() }
#[inline(never)]
fn plain(data: &[i32]) -> i64 { data.iter().map(|x| *x as i64 * 3).sum() }
#[unsafe(no_mangle)]
#[inline(never)]
pub fn pick(data: &[i32]) -> i64 {
    if is_x86_feature_detected!("avx2") { unsafe { wide(data) } } else { plain(data) }
}
fn main() {
    let data: Vec<i32> = (0..std::env::args().count() as i32 * 100).collect();
    println!("{}", pick(&data));
}
"#;

#[test]
fn rusts_questions_are_answered_by_link_time_optimisation() -> Result<()> {
    let version = run_ok(Command::new("rustc").arg("-V"))?.stdout;
    if !version.starts_with("rustc 1.95.") {
        eprintln!("{version}: its bits are not known, and its questions stay");
        return Ok(());
    }
    let work = Work::new()?;
    let (source, program) = (work.write("ask.rs", RUST_QUESTION)?, work.path("ask"));
    let mut rustc = work.host("rustc");
    rustc.env("JULIA_CPU_TARGET", "x86-64;x86-64-v3");
    rustc.args(["--edition=2024", "-O", "-Clinker-plugin-lto", "-Clink-arg=-fuse-ld=lld"]);
    rustc.arg(format!("-Clinker={}", work.tools.jl_cc().display()));
    run_ok(rustc.arg(&source).arg("-o").arg(&program))?;
    let body = |number: u32| -> Result<String> {
        let mut objdump = Command::new("llvm-objdump-22");
        objdump.arg("-d").arg(format!("--disassemble-symbols=pick.{number}"));
        Ok(run_ok(objdump.arg(&program))?.stdout)
    };
    let (asks, answers) = (body(0)?, body(1)?);
    ensure!(asks.contains("detect_and_initialize") && asks.contains("4wide"), "{asks}");
    ensure!(answers.contains("4wide") && !answers.contains("std_detect"), "{answers}");
    for cpu in ["Nehalem", "Haswell"] {
        let ran = run_ok(Command::new("qemu-x86_64").args(["-cpu", cpu]).arg(&program))?;
        ensure!(ran.stdout == "14850\n", "{cpu}: {}", ran.describe());
    }
    Ok(())
}

#[test]
fn the_cpu_models_are_llvms() -> Result<()> {
    let work = Work::new()?;
    for (arch, table) in [("x86_64", "x86_64_models.rs"), ("aarch64", "aarch64_models.rs")] {
        let triple = format!("target triple = \"{arch}-unknown-linux-gnu\"\n");
        let module = work.write("empty.ll", &triple)?;
        let mut opt = work.host(OPT);
        opt.arg(work.plugin_option("-load-pass-plugin=")).arg("-passes=jl-print-cpu-models");
        let llvm = run_ok(opt.arg("-disable-output").arg(&module))?.stdout;
        let path = workspace().join("image-format/src/cpu").join(table);
        if std::env::var_os("JL_BLESS").is_some() {
            fs::write(&path, &llvm)?;
        }
        let ours = fs::read_to_string(&path)?;
        ensure!(ours == llvm, "{} is not what LLVM says: JL_BLESS=1 writes it anew", path.display());
    }
    Ok(())
}
