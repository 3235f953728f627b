//! Rust libraries above a common one: instances of generic code that it has they do not hold again, and all do the same.

mod work;

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tests::command::{run, run_ok};
use tests::elf::Elf;
use tests::tools::{CLANG, in_tests};
use work::Work;

const TARGETS: &str = "--jl-targets=x86-64;x86-64-v3,clone_all";

impl Work {
    /// With a copy of the crates.
    fn on_crates() -> Result<Work> {
        let work = Work::new()?;
        run_ok(Command::new("cp").arg("-R").arg(in_tests("packages/rust")).arg(work.path("project")))?;
        Ok(work)
    }

    /// `cargo jl build`, with `arguments` besides, into a folder of this name.
    fn build(&self, output: &str, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(self.tools.jl_cc().with_file_name("cargo-jl"));
        command.args(["jl", "build", "--release", "--offline", TARGETS, "--target-dir"]);
        command.arg(self.folder.path().join(output)).args(arguments);
        command.current_dir(self.folder.path().join("project"));
        // What the cargo that runs this test has put there.
        for variable in [
            "CARGO",
            "CARGO_TARGET_DIR",
            "RUSTFLAGS",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_BUILD_TARGET",
            "JL_PACKAGE",
        ] {
            command.env_remove(variable);
        }
        command.env("JL_CACHE_DIR", self.folder.path().join("cache")).env_remove("JL_CACHE");
        Ok(command)
    }

    fn built(&self, output: &str) -> PathBuf {
        let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        self.folder.path().join(output).join(triple).join("release")
    }

    /// What is linked dynamically: the images, and the standard library.
    fn with_libraries(&self, output: &str, mut command: Command) -> Result<Command> {
        let standard = run_ok(Command::new("rustc").args(["--print", "target-libdir"]))?.stdout;
        let paths = [self.built(output), PathBuf::from(standard.trim())];
        command.env("LD_LIBRARY_PATH", std::env::join_paths(paths)?);
        Ok(command)
    }

    /// A C program with both libraries, as it runs at a target.
    fn program(&self, output: &str, target: &str) -> Result<Command> {
        let (program, libraries) = (self.folder.path().join(format!("{output}-program")), self.built(output));
        if !program.exists() {
            let mut link = Command::new(CLANG);
            link.arg(in_tests("packages/rust/main.c")).arg("-fuse-ld=lld").arg("-L").arg(&libraries);
            link.args(["-Wl,--allow-shlib-undefined", "-lone", "-ltwo", "-o"]).arg(&program);
            run_ok(&mut link)?;
        }
        let mut command = self.with_libraries(output, Command::new(program))?;
        command.env("JL_LOAD_TARGET", target);
        Ok(command)
    }

    /// The functions that an image takes, from each other image.
    fn imports(&self, output: &str, image: &str) -> Result<BTreeMap<String, u64>> {
        let mut command = self.with_libraries(output, Command::new(self.tools.jl_load()))?;
        command.args(["explain", "--deps", "--json"]).arg(self.built(output).join(image));
        let found: serde_json::Value = serde_json::from_str(&run_ok(&mut command)?.stdout)?;
        let images = &found["images"];
        let dependencies = images[0]["dependencies"].as_array().context("no list of dependencies")?;
        let imports = dependencies.iter().map(|dependency| {
            ensure!(dependency["verdict"] == "fits", "{dependency}");
            let index = dependency["image"].as_u64().and_then(|index| usize::try_from(index).ok());
            let name = images[index.context("no image")?]["name"].as_str().context("no name")?;
            Ok((name.to_string(), dependency["imports"].as_u64().context("no number of imports")?))
        });
        imports.collect()
    }

    /// Whether an image has code of functions with these in their names.
    fn has_code<const N: usize>(&self, output: &str, image: &str, names: [&str; N]) -> Result<[bool; N]> {
        let symbols = Elf::read(&self.built(output).join(image))?.symbols()?;
        let is_code = |s: &&tests::elf::Symbol| s.defined && s.kind == object::elf::STT_FUNC;
        let code: Vec<_> = symbols.iter().filter(is_code).collect();
        Ok(names.map(|name| code.iter().any(|symbol| symbol.name.contains(name))))
    }
}

#[test]
fn libraries_above_a_common_one_do_the_same_with_less_code() -> Result<()> {
    let work = Work::on_crates()?;
    let packages = ["--jl-package", "-p", "one", "-p", "two"];
    run_ok(&mut work.build("with", &packages)?)?;
    run_ok(work.build("without", &packages)?.env("JL_PACKAGE", "0"))?;
    let mut outputs = Vec::new();
    for (output, target) in [("without", "0"), ("without", "1"), ("with", "0"), ("with", "1")] {
        outputs.push(run_ok(&mut work.program(output, target)?)?.stdout);
    }
    ensure!(outputs[0].lines().count() == 5 && outputs.iter().all(|o| *o == outputs[0]), "{outputs:?}");
    // The instance that throws is in the common image alone, under its name in the source; what counts by itself stays.
    for (output, expected) in [("without", [true, true]), ("with", [false, true])] {
        let found = work.has_code(output, "libone.so", ["6common6picked", "3one5tally"])?;
        ensure!(found == expected, "{output}: {found:?}");
    }
    let taken = [work.imports("with", "libone.so")?, work.imports("with", "libtwo.so")?];
    ensure!(taken.iter().all(|from| from.get("libcommon.so") >= Some(&3)), "{taken:?} functions taken");
    ensure!(work.imports("without", "libone.so")?.is_empty());
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.built("with").join("libone.so")))?;

    // Another common image than the one that was linked against.
    for name in ["libcommon.so", "deps/libcommon.so"] {
        fs::copy(work.built("without").join("libcommon.so"), work.built("with").join(name))?;
    }
    let refused = run(&mut work.program("with", "0")?)?;
    ensure!(refused.status.code() == Some(127), "{}", refused.describe());
    ensure!(refused.stderr.contains("libcommon.so (build id"), "{}", refused.describe());
    Ok(())
}

/// From the image below, and from the one below that, which that takes functions from itself. Without packages everything is built
/// again in the same folder.
#[test]
fn programs_above_two_levels_of_images_do_the_same_with_less_code() -> Result<()> {
    let work = Work::on_crates()?;
    let mut outputs = Vec::new();
    for is_package in [true, false] {
        let mut build = work.build("output", &["--jl-package", "-p", "program"])?;
        if !is_package {
            build.env("JL_PACKAGE", "0");
        }
        run_ok(&mut build)?;
        for target in ["0", "1"] {
            let program = Command::new(work.built("output").join("program"));
            let mut program = work.with_libraries("output", program)?;
            outputs.push(run_ok(program.env("JL_LOAD_TARGET", target))?.stdout);
        }
        let (middle, program) = (work.imports("output", "libmiddle.so")?, work.imports("output", "program")?);
        if is_package {
            ensure!(middle.get("libcommon.so") >= Some(&3), "{middle:?} functions taken");
            ensure!(program.get("libcommon.so") >= Some(&3), "{program:?} functions taken");
            ensure!(program.get("libmiddle.so") >= Some(&1), "{program:?} functions taken");
        } else {
            ensure!(middle.is_empty() && program.is_empty(), "{middle:?} {program:?}");
        }
        let names = ["6common6picked", "6middle9by_length", "3own5tally"];
        let found = work.has_code("output", "program", names)?;
        ensure!(found == [!is_package, !is_package, true], "{found:?}");
    }
    ensure!(outputs[0].lines().count() == 15 && outputs.iter().all(|o| *o == outputs[0]), "{outputs:?}");
    Ok(())
}

/// rustc links both allocators without a word, and memory of one is freed by the other; it has no profile of what it does not optimise.
#[test]
fn what_a_dynamic_standard_library_or_unoptimised_code_cannot_have_is_refused() -> Result<()> {
    let work = Work::on_crates()?;
    for (flags, features, expected) in
        [("", "allocator", "libstd-"), ("-Cprofile-generate", "", "-Cprofile-generate would have no effect")]
    {
        let arguments = ["--jl-package", "-p", "alone", "--features", features];
        let refused = run(work.build("refused", &arguments)?.env("RUSTFLAGS", flags))?;
        ensure!(!refused.status.success() && refused.stderr.contains(expected), "{}", refused.describe());
        ensure!(!work.built("refused").join("libalone.so").exists(), "{}", refused.describe());
    }
    // With the standard library in it, it has one allocator, its own.
    run_ok(&mut work.build("static", &["-p", "alone", "--features", "allocator"])?)?;
    Ok(())
}

#[test]
fn what_needs_an_image_s_own_standard_library_is_not_offered() -> Result<()> {
    let work = Work::on_crates()?;
    let report = work.folder.path().join("report.json");
    let flags =
        ["-Cno-prepopulate-passes", "-Clink-arg=--jl-separately", "-Clink-arg=--jl-package"].join(" ");
    let flags = format!("{flags} -Clink-arg=--jl-report={}", report.display());
    run_ok(work.build("alone", &["-p", "alone"])?.env("RUSTFLAGS", &flags))?;
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(report)?)?;
    let own = report["package"]["exports_with_own_data"].as_object().context("no functions with own data")?;
    ensure!(own.keys().any(|name| name.contains("btree")), "{own:?}");
    ensure!(!own.keys().any(|name| name.contains("mixed")), "needs its arguments only: {own:?}");
    let exports = report["package"]["exports"].as_u64().context("no number of exports")?;
    // It, and the function for C that nobody else can have.
    ensure!((1..=2).contains(&exports), "{exports} exports");

    // What was compiled once comes out of the cache, and is the same.
    run_ok(work.build("again", &["-p", "alone"])?.env("RUSTFLAGS", &flags))?;
    let [first, second] = ["alone", "again"].map(|output| fs::read(work.built(output).join("libalone.so")));
    ensure!(first? == second?, "the library is another one");
    let mut stats = Command::new(work.tools.jl_link());
    stats.arg("--jl-cache-stats=json").env("JL_CACHE_DIR", work.folder.path().join("cache"));
    let stats: serde_json::Value = serde_json::from_str(&run_ok(stats.env_remove("JL_CACHE"))?.stdout)?;
    ensure!(stats["hits"].as_u64().is_some_and(|hits| hits > 0), "{stats}");
    Ok(())
}
