//! Bad input: a clear error with file, symbol and what to do, a status that is not zero, and no output file.
//!
//! The messages are golden files, so that a change of their words is a reviewable one.

mod work;

use anyhow::{Context, Result, bail, ensure};
use image_format::layout::{HEADER_SECTION, ImageHeader, RECORD_SECTION, SPECS_SECTION};
use std::fs;
use std::mem::offset_of;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::golden;
use tests::tools::CLANG;
use work::Work;

const LEVELS: &str = "--jl-targets=x86-64;x86-64-v3;x86-64-v4";
const SUM: &str =
    "int sum(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i]; return s; }\n";
const MAIN: &str = "int sum(const int *, int);\n\
                    int main(int c, char **v) { int d[4] = {1, 2, 3, c}; (void)v; return sum(d, 4) - 7; }\n";

/// A folder with `sum.c` and `main.c` in it, and the tools.
impl Work {
    /// With the sources of a library and a program.
    fn with_sources() -> Result<Work> {
        let work = Work::new()?;
        fs::write(work.path("sum.c"), SUM)?;
        fs::write(work.path("main.c"), MAIN)?;
        Ok(work)
    }

    /// jl-cc in the folder; the file names in its messages are then always the same.
    fn cc(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tools.jl_cc());
        command.arg("-O2").args(arguments).current_dir(self.folder.path());
        command
    }

    fn load(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tools.jl_load());
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    /// Compiles `sum.c` and `main.c` for the levels.
    fn objects(&self) -> Result<()> {
        for name in ["sum", "main"] {
            let (source, object) = (format!("{name}.c"), format!("{name}.o"));
            run_ok(&mut self.cc(&[LEVELS, "-fPIC", "-c", &source, "-o", &object]))?;
        }
        Ok(())
    }

    /// A good shared object of `sum.c`.
    fn library(&self) -> Result<()> {
        run_ok(&mut self.cc(&[LEVELS, "-fPIC", "-shared", "sum.c", "-o", "libsum.so"])).map(drop)
    }

    /// Changes the bytes of a file.
    fn patch(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
        let path = self.path(name);
        let mut bytes = fs::read(&path)?;
        change(&mut bytes);
        fs::write(&path, bytes)?;
        Ok(())
    }

    /// Changes a byte of a section of a file.
    fn flip(&self, name: &str, section: &str, offset: usize) -> Result<()> {
        let range = Elf::read(&self.path(name))?.section_range(section)?;
        ensure!(offset < range.len(), "{name}: {section} has only {} bytes", range.len());
        self.patch(name, |bytes| bytes[range.start + offset] ^= 0x10)
    }

    /// The command fails, leaves no file of that name, says each of the words, and says it as it always does.
    fn refused(&self, golden_name: &str, command: &mut Command, output: &str, words: &[&str]) -> Result<()> {
        let before: Vec<PathBuf> = self.listing()?;
        let ran = run(command)?;
        ensure!(!ran.status.success() && ran.status.signal().is_none(), "{}", ran.describe());
        ensure!(!self.path(output).exists(), "{output} was left behind: {}", ran.describe());
        ensure!(self.listing()? == before, "files were left behind: {:?}", self.listing()?);
        for word in words {
            ensure!(ran.stderr.contains(word), "no {word:?} in {}", ran.describe());
        }
        golden::check(&format!("bad_input/{golden_name}.txt"), &self.neutral(&ran))
    }

    fn listing(&self) -> Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> =
            fs::read_dir(self.folder.path())?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
        files.sort();
        Ok(files)
    }

    /// What was said, without paths of this machine and hashes of this build.
    fn neutral(&self, ran: &Ran) -> String {
        let bin = self.tools.jl_cc();
        let bin = bin.parent().unwrap_or(Path::new("")).display().to_string();
        let text =
            ran.all_output().replace(&self.folder.path().display().to_string(), "DIR").replace(&bin, "BIN");
        let mut lines = String::new();
        for line in text.lines() {
            // clang names its temporary objects with random characters, LLVM prints where it was built from.
            let words = line.split(' ').map(neutral_word).collect::<Vec<_>>();
            lines += &words.join(" ");
            lines.push('\n');
        }
        lines
    }
}

/// A word without what changes from run to run.
fn neutral_word(word: &str) -> String {
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '/');
    let is_hexadecimal = |digits: &str| digits.chars().all(|c| c.is_ascii_hexdigit());
    // jl-link's temporary folder has six random characters.
    if let Some((before, after)) = word.split_once(".jl-link-") {
        format!("{before}.jl-link-RANDOM{}", after.get(6..).unwrap_or_default())
    } else if bare.starts_with("/tmp/") || bare.starts_with("/usr/") {
        word.replace(bare, "PATH")
    } else if bare.len() >= 8 && is_hexadecimal(bare) {
        word.replace(bare, "HASH")
    } else if bare.strip_prefix("0x").is_some_and(|digits| digits.len() >= 3 && is_hexadecimal(digits)) {
        word.replace(bare, "ADDRESS")
    } else {
        word.to_string()
    }
}

// Target lists.

fn wrong_targets(golden_name: &str, list: &str, words: &[&str]) -> Result<()> {
    let work = Work::with_sources()?;
    let flag = format!("--jl-targets={list}");
    let mut command = work.cc(&[&flag, "-c", "sum.c", "-o", "sum.o"]);
    work.refused(golden_name, &mut command, "sum.o", words)?;
    // The plugin finds it out as well when jl-cc is not there to do so.
    let mut command = Command::new(CLANG);
    command.arg(format!("-fpass-plugin={}", work.tools.plugin().display())).current_dir(work.folder.path());
    command.args(["-O2", "-c", "sum.c", "-o", "sum.o"]).env("JULIA_CPU_TARGET", list);
    work.refused(&format!("{golden_name}-plugin"), &mut command, "sum.o", words)
}

#[test]
fn unknown_cpu() -> Result<()> {
    wrong_targets("unknown-cpu", "x86-64;x86-64-v9", &["x86-64-v9"])
}

#[test]
fn unknown_feature() -> Result<()> {
    wrong_targets("unknown-feature", "x86-64;x86-64-v3,+avx3000", &["avx3000"])
}

#[test]
fn empty_cpu() -> Result<()> {
    wrong_targets("empty-cpu", "x86-64;,clone_all", &["Invalid target option: empty CPU name"])
}

#[test]
fn disabled_opt_size() -> Result<()> {
    wrong_targets("disabled-opt-size", "x86-64,-opt_size", &["Invalid target option: disabled opt_size."])
}

#[test]
fn disabled_min_size() -> Result<()> {
    wrong_targets("disabled-min-size", "x86-64,-min_size", &["Invalid target option: disabled min_size."])
}

#[test]
fn disabled_base() -> Result<()> {
    wrong_targets(
        "disabled-base",
        "x86-64;haswell,-base(0)",
        &["Invalid target option: disabled base index."],
    )
}

#[test]
fn both_sizes() -> Result<()> {
    wrong_targets(
        "both-sizes",
        "x86-64,opt_size,min_size",
        &["Conflicting target option: both opt_size and min_size are specified."],
    )
}

#[test]
fn base_is_not_earlier() -> Result<()> {
    wrong_targets(
        "base-not-earlier",
        "x86-64;haswell,base(1)",
        &["Invalid target option: base index must refer to a previous target."],
    )
}

#[test]
fn base_is_not_clone_all() -> Result<()> {
    wrong_targets(
        "base-not-clone-all",
        "x86-64;haswell;skylake,base(1)",
        &["Invalid target option: base target must be clone_all."],
    )
}

#[test]
fn malformed_base() -> Result<()> {
    wrong_targets("malformed-base", "x86-64;haswell,base(x)", &["base(x)"])
}

#[test]
fn too_many_targets() -> Result<()> {
    wrong_targets("too-many-targets", &["x86-64"; 40].join(";"), &["40 targets"])
}

#[test]
fn objects_with_different_target_lists() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    run_ok(&mut work.cc(&["--jl-targets=x86-64;haswell", "-fPIC", "-c", "sum.c", "-o", "sum.o"]))?;
    // The object without clones has a list too only if something in it is cloned.
    fs::write(work.path("more.c"), SUM.replace("sum", "more"))?;
    run_ok(&mut work.cc(&[LEVELS, "-fPIC", "-c", "more.c", "-o", "more.o"]))?;
    let mut command = work.cc(&["main.o", "sum.o", "more.o", "-o", "program"]);
    work.refused("different-lists", &mut command, "program", &["sum.o", "more.o", "haswell"])
}

// Objects.

#[test]
fn plugin_in_another_llvm() -> Result<()> {
    let work = Work::with_sources()?;
    let symbols = Elf::read(&work.tools.plugin())?.dynamic_symbols()?;
    let mut stand_ins = String::from(
        "void LLVMGetVersion(unsigned *a, unsigned *b, unsigned *c) { *a = 19; *b = 1; *c = 7; }\n",
    );
    let of_llvm = |name: &str| name.starts_with("LLVM") || name.contains("4llvm");
    let names = symbols.iter().filter(|s| !s.defined && of_llvm(&s.name) && s.name != "LLVMGetVersion");
    for (i, symbol) in names.enumerate() {
        stand_ins +=
            &format!("void stand_in_{i}(void) __asm__(\"{}\"); void stand_in_{i}(void) {{}}\n", symbol.name);
    }
    fs::write(work.path("stand-ins.c"), stand_ins)?;
    let library = work.path("libstand-ins.so");
    run_ok(
        Command::new(CLANG).args(["-shared", "-fPIC"]).arg(work.path("stand-ins.c")).arg("-o").arg(&library),
    )?;
    let host = work.path("host");
    let source = tests::tools::in_tests("images/wrong-host.c");
    run_ok(Command::new(CLANG).arg(source).arg("-o").arg(&host))?;
    let mut command = Command::new(&host);
    command.arg(&library).arg(work.tools.plugin());
    work.refused("wrong-llvm", &mut command, "none", &["built for LLVM 22", "19.1.7"])
}

#[test]
fn missing_input() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    let mut command = work.cc(&["main.o", "no-such.o", "-o", "program"]);
    work.refused("missing-input", &mut command, "program", &["no-such.o"])?;
    // The linker by itself, without a compiler that looks first.
    let mut command = Command::new(work.tools.jl_link());
    command.args(["main.o", "no-such.o", "-o", "program"]).current_dir(work.folder.path());
    work.refused("missing-input-link", &mut command, "program", &["no-such.o"])?;
    work.refused(
        "missing-file-explain",
        &mut work.load(&["explain", "no-such.so"]),
        "none",
        &["no-such.so"],
    )?;
    work.refused("missing-file-check", &mut work.load(&["check", "no-such.so"]), "none", &["no-such.so"])
}

#[test]
fn undefined_symbol() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    let mut command = work.cc(&["main.o", "-o", "program"]);
    work.refused("undefined-symbol", &mut command, "program", &["sum", "main.o"])
}

fn damaged_object(golden_name: &str, words: &[&str], damage: impl FnOnce(&Work) -> Result<()>) -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    damage(&work)?;
    let mut command = work.cc(&["main.o", "sum.o", "-o", "program"]);
    work.refused(golden_name, &mut command, "program", words)
}

#[test]
fn foreign_record() -> Result<()> {
    damaged_object("foreign-record", &["sum.o"], |work| work.flip("sum.o", RECORD_SECTION, 3))
}

#[test]
fn record_of_another_version() -> Result<()> {
    damaged_object("record-version", &["sum.o", "version"], |work| work.flip("sum.o", RECORD_SECTION, 1))
}

#[test]
fn truncated_record() -> Result<()> {
    // More targets than the section has room for.
    damaged_object("truncated-record", &["sum.o"], |work| work.flip("sum.o", RECORD_SECTION, 0))
}

#[test]
fn record_with_unknown_flags() -> Result<()> {
    damaged_object("record-flags", &["sum.o"], |work| work.flip("sum.o", RECORD_SECTION, 13))
}

#[test]
fn damaged_target_list() -> Result<()> {
    damaged_object("damaged-list", &["sum.o"], |work| work.flip("sum.o", SPECS_SECTION, 70))
}

#[test]
fn target_list_of_another_version() -> Result<()> {
    damaged_object("list-version", &["sum.o", "version"], |work| work.flip("sum.o", SPECS_SECTION, 4))
}

#[test]
fn truncated_object() -> Result<()> {
    damaged_object("truncated-object", &["sum.o"], |work| {
        work.patch("sum.o", |bytes| bytes.truncate(bytes.len() / 2))
    })
}

#[test]
fn object_for_another_architecture() -> Result<()> {
    damaged_object("other-architecture-object", &["sum.o"], |work| {
        let mut command = Command::new(CLANG);
        command.args(["--target=aarch64-linux-gnu", "-c", "sum.c", "-o", "sum.o"]);
        run_ok(command.current_dir(work.folder.path())).map(drop)
    })
}

#[test]
fn unknown_option() -> Result<()> {
    let work = Work::with_sources()?;
    let mut command = work.cc(&["--jl-no-such-option", "main.c", "sum.c", "-o", "program"]);
    work.refused("unknown-option", &mut command, "program", &["--jl-no-such-option"])
}

// Outputs.

/// Runs a command as a user to whom permissions apply; root is above them.
fn as_nobody(command: &Command) -> Result<Command> {
    let root = run_ok(Command::new("id").arg("-u"))?.stdout.trim() == "0";
    let mut wrapped = if root { Command::new("setpriv") } else { Command::new("env") };
    if root {
        wrapped.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    }
    wrapped.arg(command.get_program()).args(command.get_args());
    wrapped.current_dir(command.get_current_dir().context("no folder")?);
    Ok(wrapped)
}

#[test]
fn read_only_output_folder() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    fs::create_dir(work.path("out"))?;
    for (path, mode) in [("out", 0o555), (".", 0o755)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(work.path(path), permissions)?;
    }
    let mut command = Command::new(work.tools.jl_link());
    command.args(["-shared", "sum.o", "-o", "out/libsum.so"]).current_dir(work.folder.path());
    work.refused("read-only-folder", &mut as_nobody(&command)?, "out/libsum.so", &["out"])?;
    ensure!(fs::read_dir(work.path("out"))?.next().is_none(), "something was left in the folder");
    Ok(())
}

#[test]
fn full_output_folder() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    fs::create_dir(work.path("out"))?;
    // A file system of 4 KiB, in a mount namespace of its own.
    let script = "mount -t tmpfs -o size=4k none out && \"$0\" -shared sum.o -o out/libsum.so; \
                  status=$?; ls -A out; exit $status";
    let mut command = Command::new("unshare");
    // Whoever is not root needs a user namespace to mount in; where root works, there may be none.
    if run(Command::new("id").arg("-u"))?.stdout.trim() != "0" {
        command.arg("--map-root-user");
    }
    command.args(["--mount", "sh", "-c", script]).arg(work.tools.jl_link());
    command.current_dir(work.folder.path());
    work.refused("full-folder", &mut command, "out/libsum.so", &["out"])
}

#[test]
fn a_failed_link_leaves_the_old_file() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    fs::write(work.path("program"), "the old one")?;
    let ran = run(&mut work.cc(&["main.o", "-o", "program"]))?;
    ensure!(!ran.status.success(), "{}", ran.describe());
    // ld removes the old output too; what must not be there is half of a new one.
    match fs::read(work.path("program")) {
        Ok(found) => ensure!(found == b"the old one", "half of a new file: {} bytes", found.len()),
        Err(error) => ensure!(error.kind() == std::io::ErrorKind::NotFound, "{error}"),
    }
    Ok(())
}

// Images.

fn damaged_image(golden_name: &str, words: &[&str], damage: impl FnOnce(&Work) -> Result<()>) -> Result<()> {
    let work = Work::with_sources()?;
    work.library()?;
    run_ok(&mut work.load(&["check", "libsum.so"]))?;
    damage(&work)?;
    work.refused(golden_name, &mut work.load(&["check", "libsum.so"]), "none", words)?;
    work.refused(&format!("{golden_name}-explain"), &mut work.load(&["explain", "libsum.so"]), "none", words)
}

#[test]
fn image_of_another_version() -> Result<()> {
    damaged_image("image-version", &["libsum.so", "version"], |work| {
        work.flip("libsum.so", HEADER_SECTION, offset_of!(ImageHeader, version))
    })
}

#[test]
fn image_of_another_layout() -> Result<()> {
    damaged_image("image-layout", &["libsum.so", "layout"], |work| {
        work.flip("libsum.so", HEADER_SECTION, offset_of!(ImageHeader, layout_hash))
    })
}

#[test]
fn image_with_a_damaged_header() -> Result<()> {
    damaged_image("image-header", &["libsum.so", "checksum"], |work| {
        work.flip("libsum.so", HEADER_SECTION, offset_of!(ImageHeader, row_count))
    })
}

#[test]
fn image_with_a_wrong_magic() -> Result<()> {
    damaged_image("image-magic", &["libsum.so"], |work| work.flip("libsum.so", HEADER_SECTION, 0))
}

#[test]
fn image_with_a_damaged_table() -> Result<()> {
    damaged_image("image-table", &["libsum.so", "checksum"], |work| work.flip("libsum.so", RECORD_SECTION, 0))
}

#[test]
fn image_with_a_damaged_target_list() -> Result<()> {
    damaged_image("image-list", &["libsum.so"], |work| work.flip("libsum.so", SPECS_SECTION, 70))
}

#[test]
fn truncated_image() -> Result<()> {
    damaged_image("image-truncated", &["libsum.so"], |work| {
        work.patch("libsum.so", |bytes| bytes.truncate(bytes.len() / 3))
    })
}

#[test]
fn image_for_another_architecture() -> Result<()> {
    damaged_image("image-architecture", &["libsum.so"], |work| {
        // e_machine: aarch64.
        work.patch("libsum.so", |bytes| bytes[18..20].copy_from_slice(&183u16.to_le_bytes()))
    })
}

#[test]
fn a_damaged_image_never_traps() -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    run_ok(&mut work.cc(&[LEVELS, "main.o", "sum.o", "-o", "good"]))?;
    run_ok(&mut Command::new(work.path("good")))?;
    let header = size_of::<ImageHeader>();
    let table = Elf::read(&work.path("good"))?.section_range(RECORD_SECTION)?.len();
    let list = Elf::read(&work.path("good"))?.section_range(SPECS_SECTION)?.len();
    let cases = [(HEADER_SECTION, header), (RECORD_SECTION, table), (SPECS_SECTION, list)];
    for (section, size) in cases {
        // The table's body offsets are believed at load, as the code itself is; its checksum is for `check`.
        let places = (0..size).step_by(if section == RECORD_SECTION { size } else { 7 });
        for offset in places {
            fs::copy(work.path("good"), work.path("bad"))?;
            work.flip("bad", section, offset)?;
            let ran = run(&mut Command::new(work.path("bad")))?;
            match ran.status.code() {
                // It was not read, or the baseline ran.
                Some(0) => {}
                Some(127) if ran.stderr.contains("bad") => {}
                _ => bail!("{section} + {offset}: {}", ran.describe()),
            }
        }
    }
    Ok(())
}

// jl-load.

#[test]
fn explain_of_an_unknown_cpu() -> Result<()> {
    let work = Work::with_sources()?;
    work.library()?;
    let mut command = work.load(&["explain", "libsum.so", "--cpu", "no-such-cpu"]);
    work.refused("explain-unknown-cpu", &mut command, "none", &["no-such-cpu", "haswell"])
}

#[test]
fn run_with_an_unknown_cpu() -> Result<()> {
    let work = Work::with_sources()?;
    let mut command = work.load(&["run", "--cpu", "no-such-cpu", "--", "true"]);
    work.refused("run-unknown-cpu", &mut command, "none", &["no-such-cpu"])
}

#[test]
fn run_of_a_missing_program() -> Result<()> {
    let work = Work::with_sources()?;
    let mut command = work.load(&["run", "--", "./no-such-program"]);
    work.refused("run-missing", &mut command, "none", &["no-such-program"])
}

fn bad_environment(golden_name: &str, variable: &str, value: &str, words: &[&str]) -> Result<()> {
    let work = Work::with_sources()?;
    work.objects()?;
    run_ok(&mut work.cc(&[LEVELS, "main.o", "sum.o", "-o", "program"]))?;
    let mut command = Command::new(work.path("program"));
    command.env(variable, value).current_dir(work.folder.path());
    work.refused(golden_name, &mut command, "none", words)
}

#[test]
fn environment_with_an_unknown_target() -> Result<()> {
    bad_environment("env-target", "JL_LOAD_TARGET", "9", &["JL_LOAD_TARGET=9", "0 to 2"])
}

#[test]
fn environment_with_a_malformed_target() -> Result<()> {
    bad_environment("env-target-malformed", "JL_LOAD_TARGET", "one", &["JL_LOAD_TARGET=one"])
}

#[test]
fn environment_with_an_unknown_cpu() -> Result<()> {
    bad_environment("env-cpu", "JL_LOAD_CPU", "no-such-cpu", &["JL_LOAD_CPU=no-such-cpu"])
}

/// Where Debian's suite is gone, or a mirror is dead: no network is asked.
#[test]
fn a_suite_that_is_gone_is_named_with_what_to_do() -> Result<()> {
    let cache = tempfile::tempdir()?;
    let script = ". scripts/lib.sh; . scripts/demo-julia.d/get.sh; get_julia";
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(tests::tools::workspace()).env("XDG_CACHE_HOME", cache.path());
    let gone = format!("file://{}/none", cache.path().display());
    let ran = run(bash.env("JL_DEBIAN_MIRROR", &gone))?;
    ensure!(ran.status.code() == Some(1), "{}", ran.describe());
    for expected in [format!("which has Julia 1.5.3, is not at {gone}"), "JL_DEBIAN_MIRROR".into()] {
        ensure!(ran.stderr.contains(&expected), "expected '{expected}': {}", ran.describe());
    }
    ensure!(!cache.path().join("julienne-julia/root").exists(), "something was unpacked");
    Ok(())
}
