//! Two C++ libraries above a common one: what that has compiled they do not hold again, and all do the same.

mod work;

use anyhow::{Context, Result, ensure};
use image_format::layout::{IMAGE_NOTE_SECTION, IMPORT_SLOT_SUFFIX};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{run, run_ok};
use tests::elf::{Elf, Symbol};
use tests::tools::{CLANG, in_tests};
use work::Work;

const TARGETS: &str = "--jl-targets=x86-64;x86-64-v3,clone_all";

impl Work {
    fn jl_cxx(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cxx());
        command.args([TARGETS, "-O2", "-fPIC"]).env("JL_CACHE", "0").current_dir(self.folder.path());
        command
    }

    /// `libbase.so`, which others may use functions of.
    fn base(&self, options: &[&str]) -> Result<()> {
        let mut command = self.jl_cxx();
        command.args(["--jl-package", "-shared", "-Wl,-soname,libbase.so"]).args(options);
        run_ok(command.arg(in_tests("packages/base.cpp")).args(["-o", "libbase.so"]))?;
        Ok(())
    }

    /// `libNAME.so` above it; `options` are for the compilation.
    fn user(&self, name: &str, value: u32, options: &[&str]) -> Result<()> {
        self.compile(name, value, options)?;
        self.link(name, &[])
    }

    fn compile(&self, name: &str, value: u32, options: &[&str]) -> Result<()> {
        let object = format!("{name}.o");
        let mut compile = self.jl_cxx();
        compile.arg("-c").arg(in_tests("packages/user.cpp")).args(options);
        compile.arg(format!("-DFUNCTION={name}")).arg(format!("-DVALUE={value}"));
        run_ok(compile.args(["-o", &object]))?;
        Ok(())
    }

    fn link(&self, name: &str, options: &[&str]) -> Result<()> {
        let mut link = self.jl_cxx();
        let report = format!("--jl-report={name}.json");
        link.args(["-shared", &format!("{name}.o"), "-L.", "-lbase", "-Wl,-rpath,$ORIGIN", &report])
            .args(options);
        run_ok(link.args(["-o", &format!("lib{name}.so")]))?;
        Ok(())
    }

    fn users(&self, options: &[&str]) -> Result<()> {
        self.user("one", 5, options)?;
        self.user("two", 6, options)
    }

    fn program(&self) -> Result<Command> {
        let mut link = self.jl_cxx();
        link.arg(in_tests("packages/main.cpp")).args(["-L.", "-lone", "-ltwo", "-lbase"]);
        link.arg(format!("-Wl,-rpath,{}", self.folder.path().display()));
        run_ok(link.args(["-o", "program"]))?;
        Ok(Command::new(self.path("program")))
    }

    fn explained(&self, library: &str) -> Result<serde_json::Value> {
        let mut command = Command::new(self.tools.jl_load());
        command.args(["explain", "--deps", "--json"]).arg(self.path(library));
        Ok(serde_json::from_str(&run_ok(&mut command)?.stdout)?)
    }
}

/// 100 times 3 times 4, then 1, 2 and 1; for the others 2, 1 or 2 by the order of calls, and 7 for the exception.
const EXPECTED: &str = "1204 3011 42012\n";

#[test]
fn libraries_above_a_common_one_do_the_same_with_less_code() -> Result<()> {
    let work = Work::new()?;
    work.base(&["-DRING"])?;
    let (mut sizes, mut instantiated) = (Vec::new(), Vec::new());
    for options in [&["-DRING", "--jl-package"], &["-DRING", "--jl-dep=libbase.so"]] {
        work.users(options)?;
        let program = work.program()?;
        for target in ["0", "1"] {
            let mut command = Command::new(program.get_program());
            let ran = run_ok(command.env("JL_LOAD_TARGET", target))?;
            ensure!(ran.stdout == EXPECTED, "{options:?} at target {target}: {}", ran.describe());
        }
        sizes.push(fs::metadata(work.path("one.o"))?.len());
        let symbols = Elf::read(&work.path("libone.so"))?.symbols()?;
        let is_code = |name: &str| name.contains("Ring") && !name.ends_with(IMPORT_SLOT_SUFFIX);
        instantiated.push(symbols.iter().filter(|s| s.defined && is_code(&s.name)).count());
    }
    // The base instantiates the class explicitly, and what that makes is not what a use makes, but means the same.
    ensure!(instantiated[0] >= 3 && instantiated[1] == 0, "{instantiated:?} symbols of the class");
    ensure!(sizes[1] < sizes[0], "objects have {sizes:?} bytes");
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(work.path("one.json"))?)?;
    // Each image has its own counter.
    ensure!(
        report["kept"][""]["own-data"]["functions"].to_string().contains("counted"),
        "{}",
        report["kept"]
    );
    let found = work.explained("libone.so")?;
    ensure!(found.to_string().contains("libbase.so"), "{found}");
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.path("libone.so")))?;
    Ok(())
}

#[test]
fn a_rebuilt_dependency_is_refused_with_both_build_ids() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.users(&["--jl-dep=libbase.so"])?;
    let program = work.program()?;
    let id = || -> Result<String> {
        let notes = run_ok(Command::new("readelf").arg("-n").arg(work.path("libbase.so")))?.stdout;
        let line = notes.lines().find_map(|l| l.trim().strip_prefix("Build ID: ")).context("no build id")?;
        Ok(line.to_string())
    };
    let before = id()?;
    fs::write(work.path("versions"), "V2 { global: *; };")?;
    // Other code, another SONAME, other versions of the symbols.
    for options in [
        &["-DNDEBUG", "-fno-unroll-loops", "-O1"][..],
        &["-Wl,-soname,libbase.so.2"],
        &["-Wl,--version-script=versions"],
    ] {
        work.base(options)?;
        let after = id()?;
        ensure!(before != after, "{options:?}: the dependency is the same as before");
        let ran = run(&mut Command::new(program.get_program()))?;
        let named = ran.stderr.contains(&before) && ran.stderr.contains(&after);
        ensure!(ran.status.code() == Some(127) && named, "{options:?}: {}", ran.describe());
        ensure!(ran.stdout.is_empty(), "{options:?}: code ran: {}", ran.describe());
    }
    work.base(&[])?;
    ensure!(run_ok(&mut Command::new(program.get_program()))?.stdout == EXPECTED);
    Ok(())
}

/// Both libraries, of objects that know nothing of the common one, linked with `options` besides.
fn link_late(work: &Work, options: &[&str]) -> Result<()> {
    for name in ["one", "two"] {
        work.link(name, &[&["--jl-dep=libbase.so"], options].concat())?;
    }
    Ok(())
}

fn at_every_target(work: &Work) -> Result<()> {
    for target in ["0", "1"] {
        let ran = run_ok(Command::new(work.path("program")).env("JL_LOAD_TARGET", target))?;
        ensure!(ran.stdout == EXPECTED, "at target {target}: {}", ran.describe());
    }
    Ok(())
}

#[test]
fn objects_that_do_not_know_the_dependency_lose_what_it_has() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.users(&["--jl-package"])?;
    let size = || -> Result<u64> { Ok(fs::metadata(work.path("libone.so"))?.len()) };
    let before = size()?;
    link_late(&work, &[])?;
    let after = size()?;
    ensure!(after < before, "{after} bytes, {before} before");
    work.program()?;
    at_every_target(&work)?;
    let report: serde_json::Value = serde_json::from_str(&fs::read_to_string(work.path("one.json"))?)?;
    let dependency = &report["package"]["dependencies"][0];
    ensure!(dependency["functions"].as_array().is_some_and(|all| all.len() > 8), "{dependency}");
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.path("libone.so")))?;
    Ok(())
}

#[test]
fn copies_are_kept_for_when_the_dependency_is_missing_or_rebuilt() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.users(&["--jl-package"])?;
    link_late(&work, &["-Wl,--jl-keep-fallback"])?;
    let explained = work.explained("libone.so")?;
    ensure!(explained["images"][0]["dependencies"][0]["fallback"] == true, "{explained}");
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.path("libone.so")))?;
    work.program()?;
    at_every_target(&work)?;
    work.base(&["-DNDEBUG", "-fno-unroll-loops", "-O1"])?;
    at_every_target(&work)?;
    // The program does without it: `base` comes from elsewhere.
    let header = in_tests("packages/common.h");
    let elsewhere =
        format!("#include \"{}\"\nlong base(long) {{ return 1203 + counted(); }}\n", header.display());
    fs::write(work.path("elsewhere.cpp"), elsewhere)?;
    let mut elsewhere = work.jl_cxx();
    run_ok(elsewhere.args(["-shared", "elsewhere.cpp", "-Wl,-soname,libbase.so", "-o", "libbase.so"]))?;
    at_every_target(&work)
}

#[test]
fn an_image_above_another_runs_the_same_constructor_and_no_other() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.users(&["--jl-dep=libbase.so"])?;
    ensure!(work.lent_constructor("libone.so").is_err(), "an image with a dependency lends its own");
    let mut link = Command::new("g++");
    link.arg(in_tests("packages/main.cpp")).args(["-L.", "-lone", "-ltwo", "-lbase", "-Wl,-rpath,$ORIGIN"]);
    run_ok(link.current_dir(work.folder.path()).args(["-o", "program"]))?;
    let program = || Command::new(work.path("program"));
    let expected = run_ok(&mut program())?.stdout;

    // The image itself gets to its constructor by another way than those above it.
    let mut bytes = fs::read(work.path("libbase.so"))?;
    let entry = work.lent_constructor("libbase.so")?;
    bytes[entry] = BREAKPOINT;
    fs::write(work.path("libbase.so"), &bytes)?;
    let ran = run(&mut program())?;
    ensure!(ran.status.signal() == Some(SIGTRAP), "that of the base did not run: {}", ran.describe());

    bytes[entry - 1] ^= 1;
    fs::write(work.path("libbase.so"), &bytes)?;
    let ran = run_ok(&mut program())?;
    ensure!(ran.stdout == expected, "with a constructor of other code below: {}", ran.describe());

    // Those above would need the version.
    fs::write(work.path("versions"), "V1 { global: *; };")?;
    work.base(&["-Wl,--version-script=versions"])?;
    ensure!(work.lent_constructor("libbase.so").is_err(), "a constructor with a version is lent");
    work.users(&["--jl-dep=libbase.so"])?;
    ensure!(run_ok(&mut program())?.stdout == expected);
    Ok(())
}

/// What an initialiser of the dependency calls is the user's function, which stands before it for the dynamic linker, and
/// is the dependency's again.
const EARLY: &str = r#"
#include "HEADER"
static long early = dot(std::vector<long>(10, 3), std::vector<long>(10, 4));
long base(long n) { return early + n; }
"#;
const EARLY_USER: &str = r#"
#include "HEADER"
long base(long);
long one(long n) { return base(dot(std::vector<long>(n, 1), std::vector<long>(n, 2))); }
"#;
const EARLY_MAIN: &str = r#"
#include <cstdio>
long one(long);
long squares(const long *a) { long sum = 0; for (int i = 0; i < 64; i++) sum += a[i] * a[i]; return sum; }
int main() { long a[64] = {1, 2}; printf("%ld %ld\n", one(10), squares(a)); }
"#;

impl Work {
    fn write_early(&self) -> Result<()> {
        let header = in_tests("packages/common.h").display().to_string();
        for (name, text) in [("base", EARLY), ("one", EARLY_USER), ("main", EARLY_MAIN)] {
            fs::write(self.path(&format!("early_{name}.cpp")), text.replace("HEADER", &header))?;
        }
        Ok(())
    }

    fn early_base(&self, options: &[&str]) -> Result<()> {
        let mut base = self.jl_cxx();
        base.args([
            "--jl-package",
            "-shared",
            "early_base.cpp",
            "-Wl,-soname,libbase.so",
            "-o",
            "libbase.so",
        ]);
        run_ok(base.args(options))?;
        Ok(())
    }

    fn early_user(&self, options: &[&str]) -> Result<()> {
        let mut compile = self.jl_cxx();
        run_ok(compile.args(["--jl-package", "-c", "early_one.cpp", "-o", "early_one.o"]))?;
        let mut link = self.jl_cxx();
        link.args(["-shared", "early_one.o", "--jl-dep=libbase.so", "-L.", "-lbase", "-Wl,-rpath,$ORIGIN"]);
        run_ok(link.args(options).args(["-o", "libone.so"]))?;
        Ok(())
    }

    /// A program that is an image, without dependencies.
    fn early_program(&self, options: &[&str]) -> Result<Command> {
        let mut link = self.jl_cxx();
        link.args(["early_main.cpp", "-L."]).args(options).args(["-lone", "-lbase", "-Wl,-rpath,$ORIGIN"]);
        run_ok(link.args(["-o", "program"]))?;
        Ok(Command::new(self.path("program")))
    }
}

#[test]
fn initialisers_of_a_dependency_call_what_images_above_it_take() -> Result<()> {
    let work = Work::new()?;
    work.write_early()?;
    work.early_base(&[])?;
    // Between the program and the two another image that lends its constructor, and is relocated after them.
    let mut other = work.jl_cxx();
    fs::write(
        work.path("other.c"),
        "long other(long *a) { long s = 0; for (int i = 0; i < 99; i++) s += a[i]; return s; }",
    )?;
    run_ok(other.args(["-shared", "-x", "c", "other.c", "-o", "libother.so"]))?;
    let before = ["-Wl,--no-as-needed", "-lother"];
    for (what, user, program) in [
        ("", &[][..], &[][..]),
        ("other", &[], &before),
        // Asks for no version of glibc's.
        ("no libc", &["-nostdlib", "-lstdc++"], &[]),
        ("no libc, other", &["-nostdlib", "-lstdc++"], &before),
    ] {
        work.early_user(user)?;
        let ran = run_ok(&mut work.early_program(program)?).context(what)?;
        ensure!(ran.stdout == "140 5\n", "{what}: {}", ran.describe());
    }
    Ok(())
}

#[test]
fn an_initialiser_that_calls_into_a_refused_image_ends_with_the_reason() -> Result<()> {
    let work = Work::new()?;
    work.write_early()?;
    work.early_base(&[])?;
    work.early_user(&[])?;
    let mut program = work.early_program(&[])?;
    work.early_base(&["-O1"])?;
    let ran = run(&mut program)?;
    let is_told = ["libone.so: cannot run here", "libbase.so", "build the image again"];
    ensure!(is_told.iter().all(|words| ran.stderr.contains(words)), "{}", ran.describe());
    ensure!(ran.status.code() == Some(127), "{}", ran.describe());
    Ok(())
}

/// What needs more room at the front of a file moves the notes that stand there.
#[test]
fn images_stay_images_when_tools_move_their_notes() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    work.users(&["--jl-dep=libbase.so"])?;
    let mut program = work.program()?;
    let note = || Elf::read(&work.path("libbase.so"))?.section_range(IMAGE_NOTE_SECTION);
    let before = note()?;
    let path = format!("$ORIGIN:/{}", "path/".repeat(100));
    for file in ["libbase.so", "libone.so", "libtwo.so", "program"] {
        let mut change = Command::new("patchelf");
        let path = path.replace("$ORIGIN", &work.folder.path().display().to_string());
        run_ok(change.args(["--set-rpath", &path]).arg(work.path(file)))?;
        run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.path(file)))?;
    }
    ensure!(note()? != before, "the note stands where it stood");
    ensure!(run_ok(&mut program)?.stdout == EXPECTED);
    let found = work.explained("libone.so")?;
    ensure!(found["images"][0]["imports"].as_u64().is_some_and(|imports| imports >= 8), "{found}");
    // It can be built against and fitted, too.
    work.user("two", 6, &["--jl-dep=libbase.so"])?;
    let mut fit = Command::new(work.tools.jl_link());
    fit.args(["--jl-relink=libone.so", "--jl-dep=libbase.so", "-o", "libone.so"]);
    run_ok(fit.current_dir(work.folder.path()))?;
    ensure!(run_ok(&mut program)?.stdout == EXPECTED);
    Ok(())
}

/// An instruction of one byte, and the signal that it ends in.
const BREAKPOINT: u8 = 0xcc;
const SIGTRAP: i32 = 5;

#[test]
fn sealed_data_begins_with_a_page() -> Result<()> {
    let work = Work::new()?;
    work.base(&[])?;
    let segments = Elf::read(&work.path("libbase.so"))?.segments()?;
    let sealed = segments.iter().find(|s| s.kind == object::elf::PT_GNU_RELRO).context("no RELRO")?;
    ensure!(sealed.address.is_multiple_of(4096), "{:#x}", sealed.address);

    // Where pages are large, that would be mostly holes.
    work.base(&["-Wl,-z,max-page-size=0x200000"])?;
    let size = fs::metadata(work.path("libbase.so"))?.len();
    ensure!(size < 0x20_0000, "{size} bytes");
    Ok(())
}

#[test]
fn what_libraries_share_moves_into_one_of_its_own() -> Result<()> {
    let work = Work::new()?;
    let names = [("base", 4), ("one", 5), ("two", 6)];
    let link = |name: &str, options: &[&str]| -> Result<()> {
        let (object, file) = (format!("{name}.o"), format!("lib{name}.so"));
        let mut link = work.jl_cxx();
        link.args(["-shared", &object, "-o", &file, &format!("-Wl,-soname,{file}"), "-Wl,-rpath,$ORIGIN"]);
        run_ok(link.args(options))?;
        Ok(())
    };
    for (name, value) in names {
        work.compile(name, value, &["--jl-package"])?;
        link(name, &[])?;
    }
    let program = work.program()?;
    let output = |target: &str| -> Result<String> {
        Ok(run_ok(Command::new(program.get_program()).env("JL_LOAD_TARGET", target))?.stdout)
    };
    let (before, size) = (output("0")?, fs::metadata(work.path("libone.so"))?.len());
    let mut share = work.jl_cxx();
    share.args(["-shared", "--jl-shared-image=libcommon.so", "--jl-dedup-set"]);
    run_ok(share.args(["libbase.so", "libone.so", "libtwo.so", "base.o", "one.o", "two.o"]))?;
    run_ok(Command::new(work.tools.jl_load()).arg("check").arg(work.path("libcommon.so")))?;
    for (name, _) in names {
        link(name, &["--jl-dep=libcommon.so"])?;
    }
    for target in ["0", "1"] {
        let after = output(target)?;
        ensure!(after == before, "at target {target}: {after}, {before} before");
    }
    let after = fs::metadata(work.path("libone.so"))?.len();
    ensure!(after < size, "{after} bytes, {size} before");
    ensure!(work.explained("libone.so")?.to_string().contains("libcommon.so"));
    Ok(())
}

impl Work {
    /// `FOLDER/libbase.so` with what there is one of in a process.
    fn states_library(&self, compiler: &mut Command, folder: &str) -> Result<PathBuf> {
        fs::create_dir_all(self.path(folder))?;
        let library = self.path(folder).join("libbase.so");
        compiler.args(["-O2", "-fPIC", "-shared", "-Wl,-soname,libbase.so"]);
        run_ok(compiler.arg(in_tests("packages/states_base.cpp")).arg("-o").arg(&library))?;
        Ok(library)
    }

    /// Has `program` compiled above it.
    fn states_program<'c>(
        &self,
        compiler: &'c mut Command,
        library: &Path,
        options: &[&str],
    ) -> &'c mut Command {
        let folder = library.parent().unwrap_or(library);
        compiler
            .args(["-O2", "-pthread"])
            .args(options)
            .arg(in_tests("packages/states_main.cpp"))
            .arg(library);
        compiler.arg(format!("-Wl,-rpath,{}", folder.display())).arg("-o").arg(self.path("program"))
    }

    /// What the program prints that plain clang makes of it, above a plain library.
    fn plain_states(&self, options: &[&str]) -> Result<String> {
        let library = self.states_library(&mut self.tools.plain_compiler(true), "plain")?;
        let mut compiler = self.tools.plain_compiler(true);
        run_ok(self.states_program(compiler.arg("-fuse-ld=lld"), &library, options))?;
        Ok(run_ok(&mut Command::new(self.path("program")))?.stdout)
    }

    /// The program runs at each target as the plain one does.
    fn check_states(&self, what: &str, expected: &str) -> Result<()> {
        for target in ["0", "1"] {
            let ran = run_ok(Command::new(self.path("program")).env("JL_LOAD_TARGET", target))?;
            ensure!(ran.stdout == expected, "{what}, target {target}: {}, expected {expected}", ran.stdout);
        }
        Ok(())
    }
}

/// Libraries are position-independent, programs are so or not: it is the same code all the same, and what there is one of stays one.
#[test]
fn programs_of_every_kind_take_functions_of_a_library() -> Result<()> {
    let work = Work::new()?;
    let library = work.states_library(work.jl_cxx().arg("--jl-package"), "package")?;
    let dependency = format!("--jl-dep={}", library.display());
    for kind in [&["-fPIC"][..], &["-fPIE", "-pie"], &["-fno-pie", "-no-pie"]] {
        let expected = work.plain_states(kind)?;
        for (by, option) in [("compiler", dependency.clone()), ("linker", format!("-Wl,{dependency}"))] {
            let what = format!("{kind:?}, by the {by}");
            let mut compiler = work.jl_cxx();
            run_ok(work.states_program(compiler.arg("--jl-package").arg(option), &library, kind))?;
            let taken = work.explained("program")?["images"][0]["imports"].as_u64();
            ensure!(taken.is_some_and(|taken| taken >= 4), "{what}: takes {taken:?} functions");
            let symbols = Elf::read(&work.path("program"))?.symbols()?;
            // By its name or that of a clone, and more than a trampoline.
            let is_code = |s: &Symbol, name: &str| s.defined && s.name.starts_with(name) && s.size > 16;
            let has_code = |name: &str| symbols.iter().any(|symbol| is_code(symbol, name));
            // What has variables that each image may have a copy of stays, and what the library alone need have is gone.
            let stay = ["_Z4nextv", "_Z9in_threadi", "_ZN8RegistryIlE3addEl"].map(has_code);
            let taken = ["_Z7cornersRK5Shape", "_Z7weighedIsElRKSt6vectorIT_SaIS1_EE"].map(has_code);
            ensure!(stay == [true; 3] && taken == [false; 2], "{what}: {stay:?} stay, {taken:?} are there");
            work.check_states(&what, &expected)?;
        }
    }
    Ok(())
}

/// A program that hides its variables has its own of them: it must not run a library's code that uses the library's.
#[test]
fn what_keeps_variables_to_itself_takes_nothing_that_uses_them() -> Result<()> {
    let work = Work::new()?;
    fs::write(work.path("hidden.map"), "{ local: *; };\n")?;
    let hides = format!("-Wl,--version-script={}", work.path("hidden.map").display());
    let library = work.states_library(work.jl_cxx().arg("--jl-package"), "package")?;
    let dependency = format!("--jl-dep={}", library.display());
    for options in [&[hides.as_str()][..], &["-shared", "-fPIC", "-Wl,-Bsymbolic"]] {
        let mut compiler = work.jl_cxx();
        let refused = run(work.states_program(compiler.arg(&dependency), &library, options))?;
        let words = [
            "keeps to itself",
            "level",
            "was left out by the compiler",
            "libbase.so",
            "give --jl-dep to the link alone",
        ];
        let is_told = words.iter().all(|word| refused.stderr.contains(word));
        ensure!(!refused.status.success() && is_told, "{options:?}: {}", refused.describe());
    }
    let expected = work.plain_states(&[&hides])?;
    ensure!(expected != work.plain_states(&[])?, "hiding makes no difference");
    let mut compiler = work.jl_cxx();
    compiler.arg("--jl-package").arg(format!("-Wl,{dependency}"));
    run_ok(work.states_program(&mut compiler, &library, &[&hides]))?;
    work.check_states("hidden", &expected)
}

/// Builds of the plugins and of the library that they are above: who leaves out what that has, and the option.
const PLUGINS: [(&str, &str); 2] = [("compiler", "--jl-dep="), ("linker", "-Wl,--jl-dep=")];
/// How a program opens plugins and library; see `packages/plugin_host.c`.
const OPENED: [[&str; 3]; 4] = [
    ["lone", "ltwo", "lbase"],
    ["lbase", "lone", "ltwo"],
    ["gone", "ltwo", "lbase"],
    ["done", "dtwo", "gbase"],
];

impl Work {
    /// `FOLDER/libNAME.so`, linked with what is in `more`.
    fn plugin(&self, mut compiler: Command, folder: &str, name: &str, more: &[String]) -> Result<String> {
        fs::create_dir_all(self.path(folder))?;
        let output = self.path(folder).join(format!("lib{name}.so"));
        compiler.args(["-O2", "-fPIC", "-shared", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN"]);
        compiler.arg(format!("-Wl,-soname,lib{name}.so")).arg(format!("-DPLUGIN={name}"));
        compiler.arg(in_tests("packages/plugin.cpp")).args(more);
        run_ok(compiler.arg("-o").arg(&output))?;
        Ok(output.display().to_string())
    }

    /// The library and two plugins above it.
    fn plugins(&self, folder: &str, compiler: impl Fn() -> Command, option: &str) -> Result<()> {
        let base = self.plugin(compiler(), folder, "base", &[])?;
        for name in ["one", "two"] {
            let takes = (!option.is_empty()).then(|| format!("{option}{base}"));
            let more: Vec<String> = takes.into_iter().chain([base.clone()]).collect();
            self.plugin(compiler(), folder, name, &more)?;
        }
        Ok(())
    }

    /// What the program prints that opens them so.
    fn hosted(&self, folder: &str, opened: [&str; 3], target: &str) -> Result<String> {
        let mut host = Command::new(self.path("host"));
        for (flag, name) in opened.map(|word| word.split_at(1)) {
            host.arg(flag).arg(self.path(folder).join(format!("lib{name}.so"))).arg(name);
        }
        Ok(run_ok(host.env("JL_LOAD_TARGET", target))?.stdout)
    }
}

/// Plugins that do not see each other have variables of their own, and what uses these stays with them; what does not they take.
#[test]
fn plugins_keep_their_own_variables() -> Result<()> {
    let work = Work::new()?;
    let mut host = Command::new(CLANG);
    host.args(["-O2", "-fuse-ld=lld"]).arg(in_tests("packages/plugin_host.c"));
    run_ok(host.arg("-o").arg(work.path("host")))?;
    let plain = || {
        let mut compiler = work.tools.plain_compiler(true);
        compiler.arg("-fuse-ld=lld");
        compiler
    };
    let package = || {
        let mut compiler = work.jl_cxx();
        compiler.arg("--jl-package");
        compiler
    };
    work.plugins("plain", plain, "")?;
    for (folder, option) in PLUGINS {
        work.plugins(folder, package, option)?;
        let taken = work.explained(&format!("{folder}/libone.so"))?["images"][0]["imports"].as_u64();
        ensure!(taken.is_some_and(|taken| taken >= 1), "{folder}: takes {taken:?} functions");
        for opened in OPENED {
            let expected = work.hosted("plain", opened, "0")?;
            for target in ["0", "1"] {
                let found = work.hosted(folder, opened, target)?;
                ensure!(found == expected, "{opened:?}, {folder}, {target}: {found}, expected {expected}");
            }
        }
    }
    Ok(())
}
