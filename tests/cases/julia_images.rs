//! Images in Julia's own format: jl-link makes one shard of many, and a loader sees the same; jl-load tells
//! what Julia would do with them.

use anyhow::{Context, Result, ensure};
use image_format::cpu::Arch;
use image_format::julia::features::Numbering;
use image_format::julia::targets::Target;
use image_format::julia::{Dialect, TableName};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;
use tests::command::{Ran, run_ok};
use tests::elf::Elf;
use tests::julia::{Kind, Sample};
use tests::tools::{CLANG, LLVM_READELF, Tools, in_tests};

struct Work {
    folder: TempDir,
    tools: Tools,
}

impl Work {
    fn new() -> Result<Work> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        Ok(Work { folder, tools: Tools::find()? })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

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
