//! Images in Julia's own format: jl-link makes one shard of many, and a loader sees the same; jl-load tells
//! what Julia would do with them.

mod work;

use anyhow::{Context, Result, ensure};
use image_format::cpu::Arch;
use image_format::julia::features::Numbering;
use image_format::julia::targets::Target;
use image_format::julia::{Dialect, TableName};
use std::fs;
use std::process::Command;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::golden;
use tests::julia::{Kind, Sample, plugin_shard};
use tests::tools::{CLANG, LLVM_READELF, in_tests};
use work::Work;

impl Work {
    fn clang(&self, arguments: &[&str]) -> Result<Ran> {
        run_ok(Command::new(CLANG).args(arguments).current_dir(self.folder.path()))
    }

    /// Objects of an image: one per shard, and the root.
    fn objects(&self, sample: &Sample, flags: &[&str]) -> Result<Vec<String>> {
        let shards = (0..sample.shards.len()).map(|shard| (format!("shard{shard}"), sample.shard(shard)));
        let mut objects = Vec::new();
        for (name, source) in shards.chain([("root".into(), sample.root())]) {
            let (c, object) = (format!("{name}.c"), format!("{name}.o"));
            fs::write(self.path(&c), source)?;
            self.clang(&[&["-O1", "-fPIC", "-c", &c, "-o", &object], flags].concat())?;
            objects.push(object);
        }
        Ok(objects)
    }

    /// Links with lld alone and with jl-link.
    fn link_both(&self, arguments: &[&str], name: &str) -> Result<()> {
        let jl_link = format!("--ld-path={}", self.tools.jl_link().display());
        let (apart, merged) = (format!("{name}.apart"), format!("{name}.merged"));
        self.clang(&[arguments, &["-fuse-ld=lld", "-o", &apart]].concat())?;
        self.clang(&[arguments, &[jl_link.as_str(), "-o", &merged]].concat())?;
        Ok(())
    }

    fn walk(&self, program: &str, arguments: &[&str]) -> Result<Ran> {
        run_ok(Command::new(self.path(program)).args(arguments).current_dir(self.folder.path()))
    }
}

#[test]
fn shards_that_the_plugin_makes() -> Result<()> {
    let work = Work::new()?;
    let walk = in_tests("julia/walk.c").display().to_string();
    work.clang(&["-O1", &walk, "-o", "walk"])?;
    let list = [("x86-64", Kind::All), ("x86-64", Kind::All), ("x86-64", Kind::All), ("x86-64", Kind::All)];
    let root = Sample {
        dialect: Dialect::R,
        shards: vec![4, 1],
        targets: targets(Dialect::R, &list)?,
        exported: Vec::new(),
    };
    fs::write(work.path("root.c"), root.root_with_data(0))?;
    work.clang(&["-O1", "-fPIC", "-c", "root.c", "-o", "root.o"])?;
    for shard in ["near", "far"] {
        plugin_shard(&work.tools, work.folder.path(), shard, "0")?;
    }
    work.link_both(&["-shared", "near.o", "far.o", "root.o"], "image.so")?;
    let apart = work.walk("walk", &[TARGETS, "./image.so.apart"])?;
    let merged = work.walk("walk", &[TARGETS, "./image.so.merged"])?;
    ensure!(apart.stderr == "2 shards\n" && merged.stderr == "1 shards\n", "{}", merged.describe());
    ensure!(apart.stdout == merged.stdout, "before {}after {}", apart.describe(), merged.describe());
    // What `level` is for each target, three times that, and 200, 100 and 300 more.
    for (target, level) in [0, 1, 3, 7].into_iter().enumerate() {
        let values = [level, 3 * level, 200 + level, 100 + level, 300 + level];
        let line = merged.stdout.lines().find(|line| line.starts_with(&format!("target {target}:")));
        let line = line.with_context(|| merged.describe())?;
        let found: Vec<&str> = line.split(' ').skip(2).map(|word| word.trim_end_matches('*')).collect();
        ensure!(found == values.map(|value| value.to_string()), "{line}");
    }
    Ok(())
}

/// What jl-load says in a folder.
fn jl_load(work: &Work, arguments: &[&str]) -> Result<Ran> {
    run(Command::new(work.tools.jl_load()).args(arguments).current_dir(work.folder.path()))
}

fn explained(work: &Work, file: &str, arguments: &[&str]) -> Result<serde_json::Value> {
    let ran = jl_load(work, &[&["explain", file, "--json"], arguments].concat())?.success()?;
    Ok(serde_json::from_str(&ran.stdout)?)
}

#[test]
fn jl_load_says_what_julia_would_take() -> Result<()> {
    for (dialect, rules) in [(Dialect::R, "Julia 1.9 to 1.13"), (Dialect::M, "Julia's master of 2026")] {
        let work = Work::new()?;
        let objects = work.objects(&sample(dialect)?, &[])?;
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        work.link_both(&[&["-shared", "-Wl,-z,pack-relative-relocs"], &objects[..]].concat(), "image.so")?;
        for (file, shards, words) in [("image.so.apart", 4, "4 shards"), ("image.so.merged", 1, "1 shard")] {
            let checked = jl_load(&work, &["check", file])?.success()?;
            let words = format!(
                "{file}: right: image from Julia, 21 functions and 6 data for 4 targets in {words}\n"
            );
            ensure!(checked.stdout == words, "{}", checked.describe());
            for (cpu, chosen) in [("core2", 0), ("sandybridge", 1), ("skylake", 2), ("icelake-server", 3)] {
                let found = explained(&work, file, &["--cpu", cpu])?;
                ensure!(found["rules"] == rules && found["shards"] == shards, "{found}");
                ensure!(found["chosen"] == chosen, "{rules} on {cpu}: {found}");
            }
            let found = explained(&work, file, &["--cpu", "skylake-avx512"])?;
            let verdicts: Vec<&str> = found["targets"]
                .as_array()
                .context("no targets")?
                .iter()
                .filter_map(|t| t["verdict"].as_str())
                .collect();
            let larger = "Updating best match to this target due to larger vector register size";
            ensure!(
                verdicts == [larger, "Updating best match to this target", larger, larger],
                "{verdicts:?}"
            );
            let bodies: Vec<_> =
                found["targets"].as_array().into_iter().flatten().map(|t| t["clones"].as_u64()).collect();
            ensure!(bodies == [Some(21), Some(14), Some(21), Some(14)], "{bodies:?}");
        }
        // The name of the CPU goes first in R only.
        let found = explained(&work, "image.so.merged", &["--cpu", "nehalem"])?;
        ensure!(found["chosen"] == 1, "{found}");
        let refused = explained(&work, "image.so.merged", &["--cpu", "haswell", "--rules", "julia-r"])?;
        ensure!(refused["chosen"] == 2 && refused["rules"] == "Julia 1.9 to 1.13", "{refused}");
    }
    Ok(())
}

#[test]
fn jl_load_gives_julias_messages() -> Result<()> {
    let work = Work::new()?;
    let list = [("znver4", Kind::All), ("haswell", Kind::Some { base: 0 })];
    for (dialect, name) in [(Dialect::R, "r.so"), (Dialect::M, "m.so")] {
        let image =
            Sample { dialect, shards: vec![3], targets: targets(dialect, &list)?, exported: Vec::new() };
        let objects = work.objects(&image, &[])?;
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        work.clang(
            &[&["-shared", "-fuse-ld=lld", "-Wl,--build-id=none", "-o", name], &objects[..]].concat(),
        )?;
    }
    let mut text = String::new();
    for arguments in [
        &["r.so", "--cpu", "sandybridge"][..],
        &["r.so", "--cpu", "haswell"],
        &["m.so", "--cpu", "sandybridge"],
    ] {
        let ran = jl_load(&work, &[&["explain"], arguments].concat())?.success()?;
        text += &format!("$ jl-load explain {}\n{}\n", arguments.join(" "), ran.stdout);
    }
    golden::check("explain_julia.txt", &text)
}

#[test]
fn julias_rules_about_our_images() -> Result<()> {
    let work = Work::new()?;
    fs::write(
        work.path("sum.c"),
        "int sum(const int *d, int n) { int s = 0; for (int i = 0; i < n; i++) s += d[i] * 3; return s; }\n",
    )?;
    let mut command = Command::new(work.tools.jl_cc());
    command.args(["-O2", "-shared", "-fPIC", "--jl-targets=x86-64-v2;haswell;znver1;x86-64-v4", "sum.c"]);
    run_ok(command.args(["-o", "libsum.so"]).current_dir(work.folder.path()))?;
    for (rules, cpu, chosen) in [
        ("julia-r", "znver1", 2),
        ("julia-r", "haswell", 1),
        ("julia-r", "skylake-avx512", 3),
        ("julia-m", "nehalem", 0),
        // Haswell's features are fewer than those of Zen, which has SHA, CLZERO and more besides.
        ("julia-m", "znver2", 2),
    ] {
        let found = explained(&work, "libsum.so", &["--rules", rules, "--cpu", cpu])?;
        ensure!(found["kind"] == "merged" && found["chosen"] == chosen, "{rules} on {cpu}: {found}");
    }
    let ran = jl_load(&work, &["explain", "libsum.so", "--rules", "julia-r", "--cpu", "core2"])?.success()?;
    let reason = "Rejecting this target due to use of runtime-disabled features";
    for line in [
        "  refused    Unable to find compatible target in cached code image.".to_owned(),
        format!("             Target 0 (x86-64-v2): {reason}"),
        format!("             Target 3 (x86-64-v4): {reason}"),
    ] {
        ensure!(ran.stdout.lines().any(|found| found == line), "{line}: {}", ran.describe());
    }
    // By default an image of ours is asked about by our rules.
    let ours = explained(&work, "libsum.so", &["--cpu", "haswell"])?;
    ensure!(ours["lists"][0]["targets"][1]["verdict"].is_string(), "{ours}");
    Ok(())
}

/// A table that breaks a rule, in the words of both tools; linked with lld, jl-load reads it.
#[test]
fn damaged_tables_are_named() -> Result<()> {
    let mut text = String::new();
    for (what, shard, table, from, to) in DAMAGE {
        let work = Work::new()?;
        let image = sample(Dialect::R)?;
        work.objects(&image, &[])?;
        let changed = replace_in(&image.shard(*shard), &format!("jl_{table}_{shard}"), from, to);
        let changed = changed.with_context(|| format!("{what}: nothing to change"))?;
        let name = format!("shard{shard}");
        fs::write(work.path(&format!("{name}.c")), changed)?;
        work.clang(&["-O1", "-fPIC", "-c", &format!("{name}.c"), "-o", &format!("{name}.o")])?;
        let objects = ["shard0.o", "shard1.o", "shard2.o", "shard3.o", "root.o"];
        let mut command = Command::new(work.tools.jl_link());
        command.args(["-shared", "-o", "image.so"]).args(objects).current_dir(work.folder.path());
        let linked = run(&mut command)?;
        ensure!(!linked.status.success() && !work.path("image.so").exists(), "{what}: {}", linked.describe());
        work.clang(&[&["-shared", "-fuse-ld=lld", "-o", "image.so"], &objects[..]].concat())?;
        let checked = jl_load(&work, &["check", "image.so"])?;
        ensure!(checked.status.code() == Some(1), "{what}: {}", checked.describe());
        text += &format!("{what}\n{}{}\n", linked.stderr, checked.stderr);
    }
    golden::check("julia_tables.txt", &neutral(&text))
}

/// What is changed in which table of which shard: the first line that has the text.
const DAMAGE: &[(&str, usize, &str, &str, &str)] = &[
    ("a function's number that another shard has", 2, "fvar_idxs", ".long 1", ".long 0"),
    ("a function's number beyond all", 0, "fvar_idxs", ".long 3", ".long 99"),
    ("data of a number beyond all", 3, "gvar_idxs", ".long 5", ".long 6"),
    ("more functions than bodies", 2, "fvar_count", ".quad 5", ".quad 5000000"),
    ("a slot of a function that is not there", 3, "clone_slots", ".long 8", ".long 9"),
    ("slots in another order than their functions", 3, "clone_slots", ".long 2", ".long 8"),
    ("a cloned function that is not there", 2, "clone_idxs", ".long 3", ".long 5"),
    ("a function without a slot to be written", 2, "clone_idxs", ".long 1", ".long 0"),
    ("target 0 without a tag", 0, "clone_idxs", ".long 2147483651", ".long 3"),
    (
        "a base that is not there",
        0,
        "clone_idxs",
        ".long 0\\n\"\n    \".long 2147483648",
        ".long 3\\n\"\n    \".long 2147483648",
    ),
    (
        "another base than in the shards before",
        2,
        "clone_idxs",
        ".long 2\\n\"\n    \".long 2",
        ".long 2\\n\"\n    \".long 0",
    ),
];

/// Replaces the first line `from`, or lines, behind the label of a table.
fn replace_in(c: &str, table: &str, from: &str, to: &str) -> Option<String> {
    let (before, after) = c.split_at(c.find(&format!("{table}:\\n"))?);
    let (from, to) = (format!("\"{from}\\n\""), format!("\"{to}\\n\""));
    after.contains(&from).then(|| before.to_owned() + &after.replacen(&from, &to, 1))
}

/// Addresses change with the compiler's version.
fn neutral(text: &str) -> String {
    let mut pieces = text.split("0x");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + "ADDRESS" + piece.trim_start_matches(|c: char| c.is_ascii_hexdigit())
    })
}

/// Targets by LLVM's names, in Julia's serialized form.
fn targets(dialect: Dialect, list: &[(&str, Kind)]) -> Result<Vec<(Target, Kind)>> {
    let arch = Arch::X86_64;
    let numbering = Numbering::of(dialect, arch).context("no numbers")?;
    let target = |(index, (name, kind)): (usize, &(&str, Kind))| {
        let features = arch.model(name).with_context(|| format!("no CPU {name}"))?;
        let names: Vec<&str> =
            features.difference(arch.never_rejects()).iter().filter_map(|id| arch.feature_name(id)).collect();
        let all = match dialect {
            Dialect::R => names.clone(),
            Dialect::M => [&names[..], &["64bit"]].concat(),
        };
        let enabled = numbering.set(all.into_iter());
        let every = (0..32 * numbering.words()).filter_map(|bit| numbering.name(bit));
        let disabled = numbering.set(every).iter().zip(&enabled).map(|(all, on)| all & !on).collect();
        let base = match kind {
            _ if dialect == Dialect::R || index == 0 => None,
            Kind::All => Some(0),
            Kind::Some { base } => Some(*base),
        };
        let name = (*name).to_owned();
        Ok((Target { flags: 0, base, enabled, disabled, name, extra: String::new() }, *kind))
    };
    list.iter().enumerate().map(target).collect()
}

fn sample(dialect: Dialect) -> Result<Sample> {
    let list = [
        ("x86-64", Kind::All),
        ("nehalem", Kind::Some { base: 0 }),
        ("haswell", Kind::All),
        ("skylake-avx512", Kind::Some { base: 2 }),
    ];
    Ok(Sample {
        dialect,
        shards: vec![7, 0, 5, 9],
        targets: targets(dialect, &list)?,
        exported: vec![0, 4, 7],
    })
}

const TARGETS: &str = "4";

/// What the walker prints before and after, and that there is one shard after.
fn compare(apart: &Ran, merged: &Ran, what: &str) -> Result<()> {
    ensure!(apart.stderr == "4 shards\n" && merged.stderr == "1 shards\n", "{what}: {}", merged.describe());
    ensure!(apart.stdout == merged.stdout, "{what}: before {}after {}", apart.describe(), merged.describe());
    // Target 3 has clones of some functions, and bodies of its base, target 2, for the others.
    ensure!(apart.stdout.contains("target 3: 3000* 2001 3002* 3003* 3004* 2005 "), "{}", apart.describe());
    Ok(())
}

#[test]
fn one_shard_loads_as_many_did() -> Result<()> {
    for dialect in [Dialect::R, Dialect::M] {
        let work = Work::new()?;
        let objects = work.objects(&sample(dialect)?, &[])?;
        let walk = in_tests("julia/walk.c").display().to_string();
        let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
        work.clang(&["-O1", &walk, "-o", "walk"])?;
        for (flags, name) in [
            (&["-shared"][..], "rela.so"),
            (&["-shared", "-Wl,-z,pack-relative-relocs"], "relr.so"),
            (&["-shared", "-Wl,--gc-sections,--icf=all,-s"], "small.so"),
        ] {
            work.link_both(&[flags, &objects].concat(), name)?;
            let apart = work.walk("walk", &[TARGETS, &format!("./{name}.apart")])?;
            let merged = work.walk("walk", &[TARGETS, &format!("./{name}.merged")])?;
            compare(&apart, &merged, name)?;
        }
        for kind in ["-pie", "-no-pie", "-static", "-static-pie"] {
            work.link_both(&[&[kind, "-O1", "-DLINKED", &walk], &objects[..]].concat(), "linked")?;
            compare(&work.walk("linked.apart", &[TARGETS])?, &work.walk("linked.merged", &[TARGETS])?, kind)?;
        }
    }
    Ok(())
}

/// Lines of a file's symbols and dynamic relocations.
fn readelf(work: &Work, option: &str, file: &str) -> Result<Vec<String>> {
    let mut command = Command::new(LLVM_READELF);
    let ran = run_ok(command.args([option, "--wide", file]).current_dir(work.folder.path()))?;
    Ok(ran.stdout.lines().map(str::to_owned).collect())
}

#[test]
fn what_was_merged_leaves_nothing_behind() -> Result<()> {
    let work = Work::new()?;
    let objects = work.objects(&sample(Dialect::R)?, &[])?;
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    work.link_both(&[&["-shared", "-Wl,--build-id"], &objects[..]].concat(), "image.so")?;
    let relocations = |file| -> Result<usize> {
        Ok(readelf(&work, "--relocs", file)?.iter().filter(|line| line.contains(" R_X86_64_")).count())
    };
    let (apart, merged) = (relocations("image.so.apart")?, relocations("image.so.merged")?);
    // The rows of three shards are gone, eight pointers each.
    ensure!(merged == apart - 24, "{apart} relocations before, {merged} after");
    let symbols = |file| -> Result<Vec<String>> {
        let lines = readelf(&work, "--symbols", file)?;
        let word = |line: &String| line.split_whitespace().nth(7).map(str::to_owned);
        let mut names: Vec<String> =
            lines.iter().filter_map(word).filter(|name| name.starts_with("jl_")).collect();
        names.sort();
        names.dedup();
        Ok(names)
    };
    let names = symbols("image.so.merged")?;
    let of_shards: Vec<&String> = names.iter().filter(|name| TableName::parse(name).is_some()).collect();
    ensure!(of_shards.len() == 8 && of_shards.iter().all(|name| name.ends_with("_0")), "{names:?}");
    ensure!(symbols("image.so.apart")?.len() > names.len() + 20, "{names:?}");
    let id = |file: &str| Elf::read(&work.path(file))?.section_bytes(".note.gnu.build-id");
    ensure!(id("image.so.apart")? != id("image.so.merged")?, "the build id is that of other contents");
    let mut command = Command::new(work.tools.jl_link());
    command.args(["-shared", "--jl-summary", "-o", "image.so"]).args(&objects);
    let ran = run_ok(command.current_dir(work.folder.path()))?;
    let expected = "image.so: 4 Julia shards merged to one: 21 functions and 6 data for 4 targets\n";
    ensure!(ran.stderr.starts_with(expected), "{}", ran.describe());
    Ok(())
}

#[test]
fn shards_come_from_archives_and_from_lto() -> Result<()> {
    let work = Work::new()?;
    let walk = in_tests("julia/walk.c").display().to_string();
    work.clang(&["-O1", &walk, "-o", "walk"])?;
    let objects = work.objects(&sample(Dialect::R)?, &[])?;
    let mut ar = Command::new(tests::tools::LLVM_AR);
    run_ok(ar.args(["rcs", "libimage.a"]).args(&objects).current_dir(work.folder.path()))?;
    let archive = ["-shared", "-Wl,--whole-archive", "libimage.a", "-Wl,--no-whole-archive"];
    work.link_both(&archive, "archive.so")?;
    let bitcode = work.objects(&sample(Dialect::R)?, &["-flto"])?;
    let bitcode: Vec<&str> = bitcode.iter().map(String::as_str).collect();
    work.link_both(&[&["-shared", "-flto"], &bitcode[..]].concat(), "lto.so")?;
    for name in ["archive.so", "lto.so"] {
        let apart = work.walk("walk", &[TARGETS, &format!("./{name}.apart")])?;
        compare(&apart, &work.walk("walk", &[TARGETS, &format!("./{name}.merged")])?, name)?;
    }
    Ok(())
}
