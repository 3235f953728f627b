//! Real libraries above a common image: what each does not hold again, what that saves, and whether all do the same.

mod cpp;
mod inputs;
mod rust;
mod sizes;

use super::build::our_source;
use super::libraries::Sample;
use super::measure::{Spread, interleave, paired};
use super::table::Table;
use super::usage::{Usage, measured};
use crate::command::{run, run_ok};
use crate::elf::Elf;
use crate::host;
use crate::tools::{CLANG, Tools};
use anyhow::{Context, Result, ensure};
use cpp::Cpp;
use inputs::Input;
use rust::Rust;
use sizes::Duplicates;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 3] = ["x86-64", "x86-64-v3", "x86-64-v4"];
const COMPILE_ROUNDS: usize = 5;
/// In each order of the functions.
const RUN_ROUNDS: usize = 4;

/// The languages that there are families of libraries in, in the order of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Language {
    Cpp,
    Rust,
}

/// A library, with a front end of ours that does some work on an input.
struct Library {
    name: &'static str,
    input: Input,
    /// How often the input is worked on in one run: about a quarter of a second.
    times: u32,
}

/// A common image, and libraries above it.
trait Family {
    /// What is built, with versions.
    fn sources(&self) -> Result<String>;
    /// In the order of the table.
    fn libraries(&self) -> &[Library];
    fn folder(&self) -> &Path;
    /// The image that functions are taken from.
    fn common(&self) -> PathBuf;
    /// The common image that a build is loaded with, if there is one.
    fn common_of(&self, build: Build) -> Option<PathBuf>;
    /// Links that one again, with its functions in this random order.
    fn shuffle_common(&self, build: Build, order: u32, output: &Path) -> Result<()>;
    fn library(&self, library: &Library, build: Build) -> PathBuf;
    /// The compilation that is measured, from the same bitcode for both builds.
    fn compile(&self, library: &Library, build: Build) -> Result<Command>;
    /// What is left to do then; where an order is given, again, with the functions in that random order.
    fn link(&self, library: &Library, build: Build, order: Option<u32>) -> Result<()>;
    /// Of all libraries, once each is linked in both builds.
    fn duplicates(&self) -> Result<Vec<Duplicates>>;
    /// Links the common image, with objects besides.
    fn link_common(&self, more: &[&Path]) -> Result<()>;
}

pub const LEGEND: &str = "\
Four C++ libraries that are headers only, each compiled to a shared object above one with nlohmann-json's templates, and without it: by plain \
`jl-c++` for the same targets (x86-64, v3, v4). Three Rust libraries above a dylib crate with serde_json's generic code, each linked \
with it once by what it offers, and once where it offers nothing. Functions taken: what `jl-load explain --deps` counts; what only those called is gone as \
well. Code: bytes of all functions in the symbol table, for all targets. Duplicates: those of functions that the common image or another of \
these libraries has as well, in C++ by name, in Rust by identity. Compile: optimisation and code generation from the same bitcode; in Rust with the link. Run: CPU time of the same work, \
over random orders of the functions, of the library and of the common image. Medians of ratios with quartiles, of builds that take turns. Results are compared at every target that this machine can run.";

/// The table, and lines on what was tried on the images afterwards.
pub struct Outcome {
    pub table: Table,
    pub notes: Vec<String>,
    pub identical: bool,
}

/// Builds, measures and compares everything, or what is in one language. Run time is taken over so many orders of the functions,
/// because where code comes to lie is worth some percent by itself.
///
/// # Errors
/// A tool fails, sources are missing, or a check of the images does not hold.
pub fn measure(tools: &Tools, folder: &Path, only: Option<Language>, orders: u32) -> Result<Outcome> {
    let folder = folder.join("siblings");
    let table = Table::new(&[
        "library",
        "functions taken",
        "code, KiB: without / with",
        "of duplicates left out (at least 0.90)",
        "compile, CPU (at most 0.60)",
        "compile, clock",
        "run (at most 1.02)",
        "results",
    ]);
    let mut outcome = Outcome { table, notes: Vec::new(), identical: true };
    let is_asked = |language: &Language| only.is_none_or(|only| only == *language);
    let build = |language: Language| -> Result<Box<dyn Family + '_>> {
        Ok(match language {
            Language::Cpp => Box::new(Cpp::new(tools, &folder)?),
            Language::Rust => Box::new(Rust::new(tools, &folder)?),
        })
    };
    let asked = [Language::Cpp, Language::Rust].into_iter().filter(is_asked);
    let families: Vec<Box<dyn Family + '_>> = asked.map(build).collect::<Result<_>>()?;
    let sources: Vec<String> = families.iter().map(|family| family.sources()).collect::<Result<_>>()?;
    outcome.notes.push(sources.join(" "));
    for family in &families {
        measure_family(&Work::new(tools, &folder, &**family, orders)?, &mut outcome)?;
    }
    Ok(outcome)
}

fn measure_family(work: &Work, outcome: &mut Outcome) -> Result<()> {
    let family = work.family;
    let compiled: Vec<Compiled> =
        family.libraries().iter().map(|library| work.compile(library)).collect::<Result<_>>()?;
    let duplicates = family.duplicates()?;
    for ((library, compiled), duplicates) in family.libraries().iter().zip(compiled).zip(duplicates) {
        let row = work.measure(library, &compiled, &duplicates)?;
        outcome.identical &= row.identical;
        outcome.notes.push(format!("{}: {}", library.name, row.explained.trim()));
        outcome.table.row(row.cells);
    }
    if let Some(first) = family.libraries().first() {
        outcome.notes.push(work.rebuild_common(first)?);
    }
    Ok(())
}

/// With dedup or without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Build {
    Without,
    With,
}

/// For the linker.
fn shuffled(order: u32) -> String {
    format!("-Wl,--shuffle-sections=.text*={order}")
}

impl Build {
    fn word(self) -> &'static str {
        match self {
            Build::Without => "without",
            Build::With => "with",
        }
    }
}

const BUILDS: [Build; 2] = [Build::Without, Build::With];

struct Row {
    cells: Vec<String>,
    explained: String,
    identical: bool,
}

/// What compiling takes with dedup, of what it takes without.
struct Compiled {
    cpu: Spread,
    wall: Spread,
}

struct Work<'a> {
    tools: &'a Tools,
    family: &'a dyn Family,
    driver: PathBuf,
    orders: u32,
}

impl<'a> Work<'a> {
    fn new(tools: &'a Tools, folder: &Path, family: &'a dyn Family, orders: u32) -> Result<Work<'a>> {
        let driver = folder.join("driver");
        let source = our_source("demo-packages.d").join("driver.c");
        run_ok(Command::new(CLANG).args(["-O2", "-fuse-ld=lld"]).arg(source).arg("-o").arg(&driver))?;
        Ok(Work { tools, family, driver, orders })
    }

    /// Compiles both builds, in turns, and links them.
    fn compile(&self, library: &Library) -> Result<Compiled> {
        let what = format!("compile {}", library.name);
        let compiled = interleave(&what, COMPILE_ROUNDS, &BUILDS, |build| {
            measured(&mut self.family.compile(library, *build)?)
        })?;
        let ratio = |of: fn(&Usage) -> f64| -> Spread {
            let times = |build: usize| compiled[build].iter().map(of).collect::<Vec<f64>>();
            paired(&times(1), &times(0), |with, without| with / without)
        };
        for build in BUILDS {
            self.family.link(library, build, None)?;
        }
        run_ok(
            Command::new(self.tools.jl_load()).arg("check").arg(self.family.library(library, Build::With)),
        )?;
        Ok(Compiled { cpu: ratio(|usage| usage.cpu), wall: ratio(|usage| usage.wall) })
    }

    fn measure(&self, library: &Library, compiled: &Compiled, duplicates: &Duplicates) -> Result<Row> {
        let [without, with] = BUILDS.map(|build| Elf::read(&self.family.library(library, build)));
        let (without, with) = (without?, with?);
        let (results, identical) = self.compare(library)?;
        let explained = self.explain(library)?;
        let run = self.run_times(library)?;
        let kib = |elf: &Elf| Ok::<_, anyhow::Error>(sizes::code(elf)? as f64 / 1024.0);
        let cells = vec![
            library.name.into(),
            explained.functions.to_string(),
            format!("{:.0} / {:.0}", kib(&without)?, kib(&with)?),
            format!("{:.3} of {:.0} KiB", duplicates.share_removed(), duplicates.before as f64 / 1024.0),
            compiled.cpu.show(2),
            compiled.wall.show(2),
            run.show(3),
            results,
        ];
        Ok(Row { cells, explained: explained.text, identical })
    }

    fn run(&self, library: &Library, build: Build, target: Option<usize>) -> Result<Sample> {
        self.run_file(library, &self.family.library(library, build), target)
    }

    fn run_file(&self, library: &Library, file: &Path, target: Option<usize>) -> Result<Sample> {
        let ran = run_ok(&mut self.command(library, file, target)?)?;
        Sample::parse(&ran.stdout).with_context(|| format!("no measurement in {}", ran.describe()))
    }

    fn command(&self, library: &Library, file: &Path, target: Option<usize>) -> Result<Command> {
        let mut command = Command::new(&self.driver);
        command.arg(file).arg(library.input.write(self.family.folder())?).arg(library.times.to_string());
        for variable in ["JL_LOAD_CPU", "JL_LOAD_TARGET", "JL_LOAD_LOG", "LD_LIBRARY_PATH"] {
            command.env_remove(variable);
        }
        if let Some(target) = target {
            command.env("JL_LOAD_TARGET", target.to_string());
        }
        Ok(command)
    }

    /// Whether both builds give the same at each target, in words too.
    fn compare(&self, library: &Library) -> Result<(String, bool)> {
        let runnable: Vec<usize> =
            (0..TARGETS.len()).filter(|target| host::can_run(TARGETS[*target])).collect();
        let mut sums = Vec::new();
        for target in &runnable {
            for build in BUILDS {
                sums.push(self.run(library, build, Some(*target))?.workloads["run"].checksum.clone());
            }
        }
        let identical = sums.iter().all(|sum| *sum == sums[0]);
        let word = if identical { "identical" } else { "DIFFERENT" };
        Ok((format!("{word} at {} targets", runnable.len()), identical))
    }

    /// With dedup against without, in several orders of the functions.
    fn run_times(&self, library: &Library) -> Result<Spread> {
        let mut samples = BUILDS.map(|_| Vec::new());
        for order in 1..=self.orders {
            let files: Vec<PathBuf> =
                BUILDS.iter().map(|build| self.shuffle(library, *build, order)).collect::<Result<_>>()?;
            let what = format!("run {}, order {order} of {}", library.name, self.orders);
            let runs = interleave(&what, RUN_ROUNDS, &files, |file| {
                Ok(self.run_file(library, file, None)?.workloads["run"].seconds)
            })?;
            samples.iter_mut().zip(runs).for_each(|(all, more)| all.extend(more));
        }
        Ok(paired(&samples[1], &samples[0], |with, without| with / without))
    }

    /// A build with its functions in a random order, and those of the common image that it is loaded with: what runs lies in the one
    /// or in the other. Both in a folder that is laid out as theirs.
    fn shuffle(&self, library: &Library, build: Build, order: u32) -> Result<PathBuf> {
        self.family.link(library, build, Some(order))?;
        let linked = self.family.library(library, build);
        let Some(common) = self.family.common_of(build) else { return Ok(linked) };
        let folder = self.family.folder();
        let moved = |file: &Path| -> Result<PathBuf> {
            let file = folder.join("shuffled").join(file.strip_prefix(folder)?);
            file.parent().map_or(Ok(()), fs::create_dir_all)?;
            Ok(file)
        };
        let (file, common) = (moved(&linked)?, moved(&common)?);
        self.family.shuffle_common(build, order, &common)?;
        match build {
            Build::Without => fs::copy(&linked, &file).map(|_| ())?,
            Build::With => self.relink(&linked, &common, &file)?,
        }
        Ok(file)
    }

    /// Fits a library to another common image.
    fn relink(&self, file: &Path, common: &Path, output: &Path) -> Result<()> {
        let mut relink = Command::new(self.tools.jl_link());
        relink.arg(format!("--jl-relink={}", file.display())).arg(format!("--jl-dep={}", common.display()));
        run_ok(relink.arg("-o").arg(output))?;
        Ok(())
    }

    fn explain(&self, library: &Library) -> Result<Explained> {
        let file = self.family.library(library, Build::With);
        let ask = |json: &[&str]| {
            let mut command = Command::new(self.tools.jl_load());
            run_ok(command.args(["explain", "--deps"]).args(json).arg(&file)).map(|ran| ran.stdout)
        };
        let graph: serde_json::Value = serde_json::from_str(&ask(&["--json"])?)?;
        let functions = graph["images"][0]["imports"].as_u64().context("explain --deps names no imports")?;
        let text = ask(&[])?.replace(&format!("{}/", self.family.folder().display()), "");
        Ok(Explained { functions, text })
    }

    /// A rebuilt common image is refused by both build ids, and `--jl-relink` makes the library fit it.
    fn rebuild_common(&self, library: &Library) -> Result<String> {
        let id = || -> Result<String> {
            let id = Elf::read(&self.family.common())?.build_id()?.context("no build id")?;
            Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
        };
        let (before, sum) = (id()?, self.run(library, Build::With, None)?.workloads["run"].checksum.clone());
        let [release, object] = ["release.c", "release.o"].map(|name| self.family.folder().join(name));
        fs::write(&release, "const char json_release[] = \"2\";\n")?;
        run_ok(Command::new(CLANG).args(["-fPIC", "-c"]).arg(&release).arg("-o").arg(&object))?;
        self.family.link_common(&[&object])?;
        let after = id()?;
        let file = self.family.library(library, Build::With);
        let refused = run(&mut self.command(library, &file, None)?)?;
        let named = refused.stderr.contains(&before) && refused.stderr.contains(&after);
        ensure!(!refused.status.success() && named, "not refused: {}", refused.describe());
        let fitted = file.with_file_name("fitted.so");
        self.relink(&file, &self.family.common(), &fitted)?;
        let again = self.run_file(library, &fitted, None)?.workloads["run"].checksum.clone();
        ensure!(again == sum, "the relinked {} gives {again}, expected {sum}", library.name);
        Ok(format!(
            "Common image linked again: {} is refused ({} -> {}), and after jl-link --jl-relink gives the same as before.",
            library.name, before, after
        ))
    }
}

struct Explained {
    functions: u64,
    text: String,
}
