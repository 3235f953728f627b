//! Emission by ourselves: what comes out depends on the module alone, and is what a whole compilation gives.

mod work;

use anyhow::{Context, Result, ensure};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tests::command::{Ran, run, run_ok};
use tests::tools::{CLANG, CLANGXX, LLVM_AR, LLVM_DIS, LLVM_DWARFDUMP, LLVM_OBJCOPY, OPT, in_tests};
use work::Work;

impl Work {
    /// A test program as a front end leaves it, for three targets.
    fn bitcode(&self, program: &str) -> Result<PathBuf> {
        let output = self.path("input.bc");
        let mut command = Command::new(self.tools.jl_cxx());
        command.args(["--jl-targets=x86-64;x86-64-v3;x86-64-v4", "-O2", "-fPIC", "-g", "-c", "-emit-llvm"]);
        command.args(["-Xclang", "-disable-llvm-passes"]);
        run_ok(command.arg(in_tests("programs").join(program)).arg("-o").arg(&output))?;
        Ok(output)
    }

    fn opt(&self, passes: &str) -> Command {
        let mut command = Command::new(OPT);
        command.arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        command.arg(format!("-passes={passes}")).arg("-disable-output").env("JL_CACHE", "0");
        command
    }

    /// `jl-emit` on many small shards.
    fn emit(&self, input: &Path, output: &Path, options: &str) -> Command {
        let mut command = self.opt(&format!("jl-emit<O2;shard-weight=40;out={}{options}>", output.display()));
        command.arg(input);
        command
    }

    /// The members of an archive, unpacked.
    fn members(&self, archive: &Path, folder: &str) -> Result<Vec<PathBuf>> {
        let folder = self.path(folder);
        fs::create_dir_all(&folder)?;
        run_ok(Command::new(LLVM_AR).arg("x").arg(archive).current_dir(&folder))?;
        let mut list: Vec<PathBuf> = fs::read_dir(&folder)?.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
        list.sort();
        Ok(list)
    }

    fn jl_cc(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cc());
        command.args(["--jl-targets=x86-64;x86-64-v3;x86-64-v4", "-O2", "-fPIC"]);
        command
    }
}

/// C++ with templates, exceptions and static data: a dozen shards and more.
const PROGRAM: &str = "virtual.cpp";

#[test]
fn the_archive_depends_neither_on_threads_nor_on_the_folder() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let mut archives = Vec::new();
    for (threads, folder) in [("1", "a"), ("2", "b"), ("5", "other/folder")] {
        fs::create_dir_all(work.path(folder))?;
        let output = work.path(folder).join("shards.a");
        run_ok(work.emit(&input, &output, "").env("JULIA_IMAGE_THREADS", threads))?;
        archives.push(fs::read(&output)?);
    }
    let members = work.members(&work.path("a/shards.a"), "members")?;
    ensure!(members.len() > 5, "only {} shards: nothing to emit in another order", members.len());
    ensure!(archives.iter().all(|a| *a == archives[0]), "archives differ");
    Ok(())
}

#[test]
fn a_shard_compiled_by_clang_is_what_opt_makes_of_it() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let (objects, jobs) = (work.path("objects.a"), work.path("jobs.a"));
    run_ok(&mut work.emit(&input, &objects, ""))?;
    run_ok(&mut work.emit(&input, &jobs, ";form=unopt-bc"))?;
    let objects = work.members(&objects, "objects")?;
    let jobs = work.members(&jobs, "jobs")?;
    ensure!(objects.len() == jobs.len(), "{} objects of {} shards", objects.len(), jobs.len());
    for job in jobs.iter().filter(|job| job.extension().is_some_and(|e| e == "bc")) {
        let name = job.file_stem().context("no name")?.to_string_lossy().replace("unopt", "shard");
        let output = work.path("job.o");
        let mut clang = Command::new(CLANG);
        clang.args(["-c", "-x", "ir", "-Xclang", "-disable-llvm-passes"]);
        clang.arg(format!("-fpass-plugin={}", work.tools.plugin().display())).env("JL_CACHE", "0");
        run_ok(clang.arg(job).arg("-o").arg(&output))?;
        let expected = objects.iter().find(|o| o.file_stem().is_some_and(|s| s.to_string_lossy() == name));
        let expected = expected.with_context(|| format!("no member {name}.o"))?;
        ensure!(fs::read(&output)? == fs::read(expected)?, "{name} differs");
    }
    Ok(())
}

/// Two functions with a compile unit each, the second inlined into the first; a third unit has neither code nor data.
const UNITS: &str = r#"target triple = "x86_64-unknown-linux-gnu"
define i32 @first(i32 %a) !dbg !6 {
  %b = mul i32 %a, 3, !dbg !8
  %c = add i32 %b, 1, !dbg !9
  ret i32 %c, !dbg !8
}
define i32 @second(i32 %a) !dbg !7 {
  %c = add i32 %a, 1, !dbg !10
  ret i32 %c, !dbg !10
}
!llvm.dbg.cu = !{!0, !1, !2}
!llvm.module.flags = !{!4}
!0 = distinct !DICompileUnit(language: DW_LANG_C, file: !3, producer: "first", emissionKind: FullDebug)
!1 = distinct !DICompileUnit(language: DW_LANG_C, file: !3, producer: "second", emissionKind: FullDebug)
!2 = distinct !DICompileUnit(language: DW_LANG_C, file: !3, producer: "nothing", emissionKind: FullDebug)
!3 = !DIFile(filename: "units.c", directory: "/")
!4 = !{i32 2, !"Debug Info Version", i32 3}
!5 = !DISubroutineType(types: !{})
!6 = distinct !DISubprogram(name: "first", scope: !3, file: !3, line: 1, type: !5, unit: !0, spFlags: DISPFlagDefinition)
!7 = distinct !DISubprogram(name: "second", scope: !3, file: !3, line: 9, type: !5, unit: !1, spFlags: DISPFlagDefinition)
!8 = !DILocation(line: 2, scope: !6)
!9 = !DILocation(line: 10, scope: !7, inlinedAt: !8)
!10 = !DILocation(line: 10, scope: !7)
"#;

#[test]
fn a_shard_has_the_compile_units_of_its_own_code() -> Result<()> {
    let work = Work::new()?;
    let (input, output) = (work.path("units.ll"), work.path("units.a"));
    fs::write(&input, UNITS)?;
    run_ok(&mut work.emit(&input, &output, ";form=unopt-bc;shard-weight=1"))?;
    let mut seen = Vec::new();
    for shard in work.members(&output, "units")?.iter().filter(|m| m.extension().is_some_and(|e| e == "bc")) {
        let text = run_ok(Command::new(LLVM_DIS).arg(shard).args(["-o", "-"]))?.stdout;
        let has = |word: &str| text.contains(word);
        let units = ["first", "second", "nothing"].map(|unit| has(&format!("producer: \"{unit}\"")));
        seen.push((has("define i32 @first"), has("define i32 @second"), units));
    }
    seen.sort_unstable();
    let expected = [
        (false, false, [false, false, false]),
        (false, true, [false, true, false]),
        (true, false, [true, true, false]),
    ];
    ensure!(seen == expected, "code and units of the shards: {seen:?}");
    Ok(())
}

#[test]
fn every_form_is_what_it_says() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    for (form, member, start) in [
        ("asm", "shard_1.0.s", &b"\t.file"[..]),
        ("opt-bc", "opt_1.0.bc", b"BC"),
        ("obj", "shard_1.o", b"\x7fELF"),
    ] {
        let output = work.path(form);
        run_ok(&mut work.emit(&input, &output, &format!(";form={form}")))?;
        let members = work.members(&output, &format!("{form}.members"))?;
        let found = members.iter().find(|m| m.ends_with(member));
        let found = found.with_context(|| format!("no {member} among {members:?}"))?;
        ensure!(fs::read(found)?.starts_with(start), "{member} begins otherwise");
        let metadata = members.iter().find(|m| m.ends_with("metadata.o")).context("no metadata")?;
        let text = work.path("metadata.json");
        let dump = format!("--dump-section=.jl_metadata={}", text.display());
        run_ok(Command::new(LLVM_OBJCOPY).arg(dump).arg(metadata).arg("/dev/null"))?;
        let facts: serde_json::Value = serde_json::from_slice(&fs::read(&text)?)?;
        let named = facts["members"].as_array().context("no members")?.len();
        ensure!(named + 1 == members.len(), "{named} members named of {}", members.len());
        ensure!(facts["targets"].as_array().is_some_and(|t| t.len() == 3), "{facts}");
        let functions: u64 =
            facts["shards"].as_array().into_iter().flatten().filter_map(|s| s["functions"].as_u64()).sum();
        ensure!(functions > 10, "{functions} functions");
    }
    Ok(())
}

/// C code that is large enough to be taken apart: static functions that call each other, a static table, strings.
fn large_unit() -> String {
    let mut text = String::from("#include <stdio.h>\nstatic int table[64];\nstatic int calls;\n");
    for i in 0..420 {
        let _ = writeln!(
            text,
            "static __attribute__((noinline)) int f{i}(const int *a, int n) {{\n\
             \x20 int s = {i};\n\
             \x20 for (int j = 0; j < n; j++) s += a[j] * (j ^ {i});\n\
             \x20 for (int j = 1; j < n; j++) s ^= a[j] + a[j - 1] * s;\n\
             \x20 table[s & 63] += s; calls++;\n\
             \x20 if (s == {i}7) puts(\"at {}\");\n\
             \x20 return s;\n}}",
            i % 50
        );
    }
    let calls: String = (0..420).map(|i| format!("  s = s * 3 + f{i}(table, {});\n", 1 + i % 60)).collect();
    let _ = write!(
        text,
        "int main(void) {{\n  int s = 1;\n{calls}  printf(\"%d %d %d\\n\", s, calls, table[5]);\n}}\n"
    );
    text
}

#[test]
fn clang_emits_a_large_unit_on_threads_as_one_ordinary_object() -> Result<()> {
    let work = Work::new()?;
    let source = work.path("large.c");
    fs::write(&source, large_unit())?;
    let mut objects = Vec::new();
    let trace = work.path("trace.json");
    for threads in ["1", "3"] {
        let output = work.path(&format!("large{threads}.o"));
        let mut command = work.jl_cc();
        command.env("JULIA_IMAGE_THREADS", threads).arg(format!("--jl-trace-json={}", trace.display()));
        run_ok(command.args(["-g", "-c"]).arg(&source).arg("-o").arg(&output))?;
        objects.push(output);
    }
    ensure!(fs::read(&objects[0])? == fs::read(&objects[1])?, "the number of threads shows in the object");
    let trace: serde_json::Value = serde_json::from_slice(&fs::read(&trace)?)?;
    let emitted = trace["traceEvents"].as_array().context("no events")?;
    let emitted = emitted.iter().filter(|e| e["name"].as_str().is_some_and(|n| n.contains("emit"))).count();
    ensure!(emitted > 2, "{emitted} pieces: the unit was not taken apart");

    let program = work.path("large");
    run_ok(work.jl_cc().arg(&objects[0]).arg("-o").arg(&program))?;
    let plain = work.path("plain");
    run_ok(Command::new(CLANG).arg("-O2").arg(&source).arg("-o").arg(&plain))?;
    let expected = run_ok(&mut Command::new(&plain))?.stdout;
    for target in ["0", "1"] {
        let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", target))?;
        ensure!(ran.stdout == expected, "{} at target {target}, expected {expected}", ran.stdout);
    }
    let symbols = run_ok(Command::new("readelf").arg("-sW").arg(&objects[0]))?.stdout;
    ensure!(!symbols.contains(".jl."), "names of pieces are left");
    let verified = run_ok(Command::new(LLVM_DWARFDUMP).arg("--verify").arg(&program))?;
    ensure!(verified.stdout.contains("No errors"), "{}", verified.describe());
    Ok(())
}

#[test]
fn what_a_piece_could_not_tell_leaves_the_unit_whole() -> Result<()> {
    let work = Work::new()?;
    let source = work.path("large.c");
    fs::write(&source, large_unit())?;
    let output = work.path("large.o");
    run_ok(work.jl_cc().args(["-g", "-gsplit-dwarf", "-c"]).arg(&source).arg("-o").arg(&output))?;
    ensure!(work.path("large.dwo").exists(), "no .dwo file");
    let remarks = |command: &mut Command| -> Result<Vec<String>> {
        let ran = run_ok(command.args(["-Rpass-missed=regalloc", "-c"]).arg(&source).arg("-o").arg(&output))?;
        Ok(ran.stderr.lines().filter(|l| l.contains("remark")).map(str::to_string).collect())
    };
    let (ours, plain) = (remarks(&mut work.jl_cc())?, remarks(Command::new(CLANG).args(["-O2", "-fPIC"]))?);
    ensure!(!plain.is_empty(), "clang has no remark here: nothing is compared");
    ensure!(ours.len() >= plain.len(), "{} remarks, {} by plain clang", ours.len(), plain.len());
    Ok(())
}

#[test]
fn link_time_optimisation_in_partitions_is_the_same_program() -> Result<()> {
    let work = Work::new()?;
    let (bitcode, program, plain) = (work.path("lto.o"), work.path("program"), work.path("plain"));
    let source = in_tests("programs").join(PROGRAM);
    let jl_cxx = || {
        let mut command = Command::new(work.tools.jl_cxx());
        command.args(["--jl-targets=x86-64;x86-64-v3,clone_all;x86-64-v4,clone_all", "-O2", "-flto=full"]);
        command
    };
    run_ok(jl_cxx().arg("-c").arg(&source).arg("-o").arg(&bitcode))?;
    run_ok(jl_cxx().arg("-Wl,--lto-partitions=3").arg(&bitcode).arg("-o").arg(&program))?;
    run_ok(Command::new(CLANGXX).arg("-O2").arg(&source).arg("-o").arg(&plain))?;
    let expected = run_ok(&mut Command::new(&plain))?.stdout;
    let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", "0"))?;
    ensure!(ran.stdout == expected, "{}", ran.describe());
    let ran = run_ok(&mut Command::new(&program))?;
    ensure!(ran.stdout == expected, "{}", ran.describe());
    let explained = run_ok(Command::new(work.tools.jl_load()).arg("explain").arg(&program))?;
    ensure!(explained.stdout.contains("cloned, for 3 targets"), "{}", explained.stdout);
    Ok(())
}

/// Hits and misses of a kind of entry so far.
fn counts(work: &Work, cache: &Path, kind: &str) -> Result<(u64, u64)> {
    let mut command = Command::new(work.tools.jl_link());
    command.arg("--jl-cache-stats=json").env("JL_CACHE_DIR", cache);
    let stats: serde_json::Value = serde_json::from_str(&run_ok(&mut command)?.stdout)?;
    let of = &stats["kinds"][kind];
    Ok((of["hits"].as_u64().context("no hits")?, of["misses"].as_u64().context("no misses")?))
}

#[test]
fn what_did_not_change_is_not_compiled_again() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let cache = work.path("cache");
    let emit = |input: &Path, name: &str, options: &str| -> Result<Vec<u8>> {
        let output = work.path(name);
        run_ok(work.emit(input, &output, options).env("JL_CACHE", "1").env("JL_CACHE_DIR", &cache))?;
        Ok(fs::read(output)?)
    };
    let text = run_ok(Command::new(LLVM_DIS).arg(&input).args(["-o", "-"]))?.stdout;
    let input = work.path("input.ll");
    fs::write(&input, &text)?;
    let first = emit(&input, "first.a", "")?;
    let (_, parts) = counts(&work, &cache, "part")?;
    ensure!(parts > 10, "only {parts} parts");
    ensure!(emit(&input, "again.a", "")? == first, "another archive out of the cache");
    ensure!(counts(&work, &cache, "image")? == (1, 1), "{:?}", counts(&work, &cache, "image")?);

    // A constant in one function: the shard of that function, and of those that inline it.
    ensure!(text.contains("i32 noundef 3)"), "the program has changed: choose another constant");
    let edited = work.path("edited.ll");
    fs::write(&edited, text.replacen("i32 noundef 3)", "i32 noundef 2)", 1))?;
    let before = counts(&work, &cache, "shard")?;
    let with_cache = emit(&edited, "edited.a", "")?;
    let after = counts(&work, &cache, "shard")?;
    ensure!(after.0 - before.0 > after.1 - before.1, "more shards changed than stayed: {before:?} {after:?}");
    let plain = work.path("plain.a");
    run_ok(&mut work.emit(&edited, &plain, ""))?;
    ensure!(with_cache == fs::read(&plain)?, "the cache gives another archive");

    // A target more: the bodies for the others are there.
    let (hits, misses) = counts(&work, &cache, "part")?;
    emit(&input, "more.a", ";targets=x86-64|x86-64-v3|x86-64-v4|haswell")?;
    let (more_hits, more_misses) = counts(&work, &cache, "part")?;
    ensure!(more_hits - hits >= parts / 2, "{} hits of {parts} parts", more_hits - hits);
    ensure!(more_misses - misses < parts, "{} misses", more_misses - misses);
    Ok(())
}

/// C code in several units: large functions, small ones that are inlined into some of them, and tables.
fn program_of_units() -> String {
    let mut text = String::from("#include <stdio.h>\nstatic int calls;\n");
    for i in 0..30 {
        let _ = writeln!(
            text,
            "static const short table{i}[8] = {{{i}, 1, 2, 3, 4, 5, 6, 7}};\n\
             static int small{i}(int a) {{ calls++; return a * {} ^ table{i}[2]; }}\n\
             static int only{i}(int a) {{ for (int j = 0; j < a; j++) a ^= small{i}(a + j); return a; }}\n\
             __attribute__((noinline)) int large{i}(const int *a, int n) {{\n\
             \x20 int s = only{i}(n);\n\
             \x20 for (int j = 0; j < n; j++) s += a[j] * (j ^ {}00) + small{i}(s);\n\
             \x20 for (int j = 1; j < n; j++) s ^= a[j] / (a[j - 1] | 1) + small{i}(j);\n\
             \x20 if (s == 77) puts(\"large {i}\");\n\
             \x20 return s;\n}}",
            i + 1000,
            i + 1
        );
    }
    let calls: String =
        (0..30).map(|i| format!("  s = s * 3 + large{i}(a, 5) + small{}(s);\n", i / 2)).collect();
    let _ = write!(
        text,
        "int main(void) {{\n  int a[5] = {{1, 2, 3, 4, 5}}, s = 1;\n{calls}  printf(\"%d %d\\n\", s, calls);\n}}\n"
    );
    text
}

#[test]
fn a_change_simplifies_its_own_unit_and_those_that_inline_it() -> Result<()> {
    let work = Work::new()?;
    let bitcode = |text: &str, options: &[&str]| -> Result<PathBuf> {
        let (source, output) = (work.path("units.c"), work.path("units.bc"));
        fs::write(&source, text)?;
        let mut command = work.jl_cc();
        command.args(["-c", "-emit-llvm", "-Xclang", "-disable-llvm-passes"]).args(options);
        run_ok(command.arg(&source).arg("-o").arg(&output))?;
        Ok(output)
    };
    let cache = work.path("cache");
    let emit = |input: &Path, cached: &str, threads: &str| -> Result<Vec<u8>> {
        let output = work.path("units.a");
        let mut command = work.emit(input, &output, "");
        command.env("JL_CACHE", cached).env("JL_CACHE_DIR", &cache).env("JULIA_IMAGE_THREADS", threads);
        run_ok(&mut command)?;
        Ok(fs::read(&output)?)
    };
    // The bytes, how many units were simplified, and how many the cache had.
    let rebuild = |text: &str| -> Result<(u64, u64)> {
        let (hits, misses) = counts(&work, &cache, "unit")?;
        let input = bitcode(text, &[])?;
        let with_cache = emit(&input, "1", "2")?;
        ensure!(with_cache == emit(&input, "0", "1")?, "the cache or the threads show in the archive");
        let (hits_after, misses_after) = counts(&work, &cache, "unit")?;
        Ok((misses_after - misses, hits_after - hits))
    };
    let text = program_of_units();
    let (units, found) = rebuild(&text)?;
    ensure!(units > 30 && found == 0, "{units} units, {found} of them in an empty cache");

    // Nothing inlines a large function; the loop's constant is in no one else's code.
    let in_large = text.replace("(j ^ 700)", "(j ^ 701)");
    let changed = rebuild(&in_large)?;
    ensure!(changed == (1, units - 1), "{changed:?} of {units} units after a change in a large function");
    // What is inlined changes those that inline it, too: the small function, its large one, and main.
    let in_small = text.replace("a * 1004 ^", "a * 1005 ^");
    let changed = rebuild(&in_small)?;
    ensure!(
        changed.0 > 1 && changed.0 <= 3,
        "{changed:?} of {units} units after a change in a small function"
    );
    // A string more renumbers those that follow, and changes no other function.
    let in_string = text.replacen("large 3", "the third", 1);
    let changed = rebuild(&in_string)?;
    ensure!(changed.0 <= 1, "{changed:?} of {units} units after a change in a string");

    // Debug information is one net through the module, which is therefore simplified whole.
    let (hits, misses) = counts(&work, &cache, "unit")?;
    emit(&bitcode(&text, &["-g"])?, "1", "2")?;
    ensure!(counts(&work, &cache, "unit")? == (hits, misses), "units of a module with debug information");
    Ok(())
}

#[test]
fn units_are_the_same_program() -> Result<()> {
    let work = Work::new()?;
    let (source, input) = (work.path("units.c"), work.path("units.bc"));
    fs::write(&source, program_of_units())?;
    let mut compile = work.jl_cc();
    compile.args(["-c", "-emit-llvm", "-Xclang", "-disable-llvm-passes"]);
    run_ok(compile.arg(&source).arg("-o").arg(&input))?;
    let (archive, program, plain) = (work.path("units.a"), work.path("program"), work.path("plain"));
    run_ok(&mut work.emit(&input, &archive, ""))?;
    let mut link = work.jl_cc();
    link.arg("-Wl,--whole-archive").arg(&archive).arg("-Wl,--no-whole-archive");
    run_ok(link.arg("-o").arg(&program))?;
    run_ok(Command::new(CLANG).arg("-O2").arg(&source).arg("-o").arg(&plain))?;
    let expected = run_ok(&mut Command::new(&plain))?.stdout;
    for target in ["0", "1"] {
        let ran = run_ok(Command::new(&program).env("JL_LOAD_TARGET", target))?;
        ensure!(ran.stdout == expected, "{} at target {target}, expected {expected}", ran.stdout);
    }
    let symbols = run_ok(Command::new("readelf").arg("-sW").arg(&program))?.stdout;
    ensure!(!symbols.contains(".jl.unit"), "names of units are left");
    Ok(())
}

#[test]
fn a_damaged_cache_changes_nothing() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let (cache, output) = (work.path("cache"), work.path("shards.a"));
    let emit = || run_ok(work.emit(&input, &output, "").env("JL_CACHE", "1").env("JL_CACHE_DIR", &cache));
    emit()?;
    let whole = fs::read(&output)?;
    let mut damaged = 0;
    for folder in fs::read_dir(cache.join("v1"))?.flatten().filter(|f| f.path().is_dir()) {
        for entry in fs::read_dir(folder.path())?.flatten() {
            let mut bytes = fs::read(entry.path())?;
            // One byte, elsewhere in each.
            damaged += 1;
            let at = damaged * 7919 % bytes.len();
            bytes[at] ^= 0x40;
            fs::write(entry.path(), bytes)?;
        }
    }
    ensure!(damaged > 10, "only {damaged} entries");
    emit()?;
    ensure!(fs::read(&output)? == whole, "a damaged entry was believed");
    Ok(())
}

fn refused(mut command: Command, words: &[&str]) -> Result<Ran> {
    let ran = run(&mut command)?;
    ensure!(!ran.status.success(), "was not refused: {}", ran.describe());
    for word in words {
        ensure!(ran.stderr.contains(word), "does not say {word:?}: {}", ran.describe());
    }
    Ok(ran)
}

#[test]
fn what_cannot_be_emitted_is_said_and_nothing_is_written() -> Result<()> {
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let output = work.path("kept.a");
    fs::write(&output, "before")?;
    let mut nowhere = work.opt("jl-emit<O2>");
    nowhere.arg(&input);
    refused(nowhere, &["was not told where to write", "jl-emit<O3;out=FILE.a>"])?;
    refused(work.emit(&input, &work.path("no/such/folder.a"), ""), &["cannot write", "no/such/folder.a"])?;
    refused(work.emit(&input, &output, ";form=exe"), &["unknown form 'exe'", "obj, asm, unopt-bc, opt-bc"])?;
    refused(work.emit(&input, &output, ";level=9"), &["unknown plugin setting 'level=9'"])?;
    let broken = work.path("broken.ll");
    fs::write(
        &broken,
        "target triple = \"x86_64-unknown-linux-gnu\"\n\
         define void @fine() {\n  ret void\n}\n\
         define void @broken() {\n  call void asm sideeffect \"no such instruction\", \"\"()\n  ret void\n}\n",
    )?;
    refused(work.emit(&broken, &output, ""), &["shard", "no such instruction"])?;
    // What LLVM does not survive.
    let crashing = work.path("crashing.ll");
    fs::write(
        &crashing,
        "target triple = \"x86_64-unknown-linux-gnu\"\n\
         declare i32 @llvm.aarch64.crc32b(i32, i32)\n\
         define i32 @crashes(i32 %a) {\n  %r = call i32 @llvm.aarch64.crc32b(i32 %a, i32 %a)\n  ret i32 %r\n}\n",
    )?;
    refused(work.emit(&crashing, &output, ""), &["Emitting shard 0", "@crashes"])?;
    ensure!(fs::read(&output)? == b"before", "an error changed the output");
    let left: Vec<_> = fs::read_dir(work.folder.path())?.flatten().map(|e| e.file_name()).collect();
    ensure!(!left.iter().any(|n| n.to_string_lossy().contains(".jl-emit")), "{left:?}");
    Ok(())
}

/// A function that optimisation makes a thousand times as large: loops that must be unrolled.
fn growing() -> Result<String> {
    const LOOPS: usize = 300;
    let mut text = String::from(
        "target triple = \"x86_64-unknown-linux-gnu\"\ndefine void @grows(ptr %p) {\nstart:\n  br label %loop0\n",
    );
    for k in 0..LOOPS {
        let before = k.checked_sub(1).map_or("start".into(), |k| format!("loop{k}"));
        let after = if k + 1 < LOOPS { format!("loop{}", k + 1) } else { "done".into() };
        writeln!(
            text,
            "loop{k}:\n  %i{k} = phi i64 [ 0, %{before} ], [ %n{k}, %loop{k} ]\n  \
             %a{k} = getelementptr i64, ptr %p, i64 %i{k}\n  store volatile i64 %i{k}, ptr %a{k}\n  \
             %n{k} = add i64 %i{k}, 1\n  %e{k} = icmp eq i64 %n{k}, 3000\n  \
             br i1 %e{k}, label %{after}, label %loop{k}, !llvm.loop !{k}"
        )?;
    }
    text.push_str("done:\n  ret void\n}\n");
    for k in 0..LOOPS {
        writeln!(text, "!{k} = distinct !{{!{k}, !{LOOPS}}}")?;
    }
    writeln!(text, "!{LOOPS} = !{{!\"llvm.loop.unroll.full\"}}")?;
    Ok(text)
}

/// The command, with so many KiB of address space.
fn within(limit: u64, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -v {limit}; exec \"$@\""), "sh"]);
    shell
        .arg(command.get_program())
        .args(command.get_args())
        .envs(command.get_envs().filter_map(|(k, v)| Some((k, v?))));
    shell
}

#[test]
fn lists_of_features_that_another_llvm_wrote_raise_no_complaints() -> Result<()> {
    let work = Work::new()?;
    let mut emit = work.emit(&in_tests("ir/features/described.ll"), &work.path("shards.a"), ";simplified");
    let ran = run_ok(emit.env("JULIA_CPU_TARGET", "x86-64;haswell,clone_all"))?;
    ensure!(ran.stderr.is_empty(), "{}", ran.describe());
    Ok(())
}

#[test]
fn out_of_memory_names_the_shard_and_the_function_and_nothing_is_written() -> Result<()> {
    let work = Work::new()?;
    let (small, large) = (work.path("small.ll"), work.path("large.ll"));
    let (output, other) = (work.path("kept.a"), work.path("other.a"));
    fs::write(&small, "target triple = \"x86_64-unknown-linux-gnu\"\ndefine void @f() {\n  ret void\n}\n")?;
    fs::write(&large, growing()?)?;
    fs::write(&output, "before")?;
    let emit = |input: &Path, output: &Path| {
        let mut command = work.opt(&format!("jl-emit<O2;simplified;out={}>", output.display()));
        command.arg(input).env("JULIA_IMAGE_THREADS", "1");
        command
    };
    // What the tools themselves need depends on the system.
    let mut limits = (100..2000).map(|mib| mib * 1024).step_by(4);
    let least = limits
        .find(|limit| run(&mut within(*limit, &emit(&small, &other))).is_ok_and(|ran| ran.status.success()));
    let least = least.context("opt runs in no amount of memory")?;
    let mut said = Vec::new();
    for more in (4..=32).step_by(4).map(|mib| mib * 1024) {
        let ran = run(&mut within(least + more, &emit(&large, &output)))?;
        ensure!(!ran.status.success(), "{more} KiB are enough: {}", ran.describe());
        ensure!(fs::read(&output)? == b"before", "the output was changed with {more} KiB more");
        said.push(ran.stderr);
    }
    let named =
        |text: &&String| text.contains("out of memory") && text.contains("shard 0") && text.contains("grows");
    ensure!(said.iter().filter(named).count() > 0, "no message names shard and function: {said:#?}");
    Ok(())
}

#[test]
fn a_build_that_is_killed_leaves_what_was_there_or_the_whole() -> Result<()> {
    const KILLS: u32 = 50;
    const ROUNDS: u64 = 400;
    let work = Work::new()?;
    let input = work.bitcode(PROGRAM)?;
    let output = work.path("shards.a");
    run_ok(&mut work.emit(&input, &output, ""))?;
    let whole = fs::read(&output)?;
    let cache = work.path("cache");
    let emit = || {
        let mut command = work.emit(&input, &output, "");
        command.env("JL_CACHE", "1").env("JL_CACHE_DIR", &cache);
        command
    };
    let (mut killed, mut done) = (0, 0);
    for round in 0..ROUNDS {
        fs::write(&output, "before")?;
        let mut child = emit().stderr(Stdio::null()).spawn()?;
        // Spread over the run by a sequence without a pattern.
        std::thread::sleep(Duration::from_micros((round * 7919) % 97 * 2500));
        child.kill()?;
        let status = child.wait()?;
        let found = fs::read(&output)?;
        ensure!(found == b"before" || found == whole, "round {round}: {} bytes of another file", found.len());
        if status.success() {
            done += 1;
            // It filled the cache, with which the others would be too short to be killed.
            fs::remove_dir_all(&cache)?;
        } else {
            killed += 1;
        }
        if killed == KILLS {
            break;
        }
    }
    ensure!(killed == KILLS, "{killed} builds were killed and {done} were not: the delays are too long");
    run_ok(&mut emit())?;
    ensure!(fs::read(&output)? == whole, "other bytes with what killed builds left in the cache");
    Ok(())
}
