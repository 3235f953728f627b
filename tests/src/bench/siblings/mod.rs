//! Real libraries above a common image: what each does not hold again, what that saves, and whether all do the same.

mod inputs;
mod sizes;

use super::build::our_source;
use super::libraries::Sample;
use super::measure::{Spread, interleave, paired};
use super::table::Table;
use super::usage::measured;
use crate::command::{run, run_ok};
use crate::elf::Elf;
use crate::host;
use crate::tools::{CLANG, Tools};
use anyhow::{Context, Result, ensure};
use inputs::Input;
use sizes::Duplicates;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: [&str; 3] = ["x86-64", "x86-64-v3", "x86-64-v4"];
const COMPILE_ROUNDS: usize = 5;
const RUN_ROUNDS: usize = 15;

/// Sources of others in headers, with a front end in `scripts/demo-packages.d`.
struct Library {
    name: &'static str,
    input: Input,
    /// How often the input is worked on in one run: about a quarter of a second.
    times: u32,
    link: &'static [&'static str],
}

/// The common image, and those above it in the order of the table.
struct Family {
    common: &'static str,
    /// The Debian packages with the headers.
    packages: &'static [&'static str],
    libraries: &'static [Library],
}

const JSON: Family = Family {
    common: "json",
    packages: &[
        "nlohmann-json3-dev",
        "libvalijson-dev",
        "libcpp-jwt-dev",
        "libxtensor-dev",
        "libtinygltf-dev",
    ],
    libraries: &[
        Library { name: "valijson", input: Input::Metadata, times: 4, link: &[] },
        Library { name: "jwt", input: Input::Metadata, times: 8, link: &["-lcrypto"] },
        Library { name: "xtensor", input: Input::Matrix, times: 8, link: &[] },
        Library { name: "gltf", input: Input::Model, times: 8, link: &[] },
    ],
};

pub const LEGEND: &str = "\
Four C++ libraries that are headers only, each compiled to a shared object above one with nlohmann-json's templates, and without it: by plain \
`jl-c++` for the same targets (x86-64, v3, v4). Functions taken: what `jl-load explain --deps` counts; what only those called is gone as \
well. Code: bytes of all functions in the symbol table, for all targets. Duplicates: those of functions that the common image has by \
name. Compile: optimisation and code generation from the same bitcode. Run: CPU time of the same work. Medians of ratios with \
quartiles, of builds that take turns. Results are compared at every target that this machine can run.";

/// The table, and lines on what was tried on the images afterwards.
pub struct Outcome {
    pub table: Table,
    pub notes: Vec<String>,
    pub identical: bool,
}

/// Builds, measures and compares everything.
///
/// # Errors
/// A tool fails, a header is missing, or a check of the images does not hold.
pub fn measure(tools: &Tools, folder: &Path) -> Result<Outcome> {
    let mut table = Table::new(&[
        "library",
        "functions taken",
        "code, KiB: without / with",
        "of duplicates left out (at least 0.90)",
        "compile, CPU (at most 0.60)",
        "compile, clock",
        "run (at most 1.02)",
        "results",
    ]);
    let work = Work::new(tools, &folder.join("siblings"), &JSON)?;
    work.build_common()?;
    let mut notes = vec![format!("Headers: {}.", versions(JSON.packages)?)];
    let mut identical = true;
    for library in JSON.libraries {
        let row = work.measure(library)?;
        identical &= row.identical;
        notes.push(format!("{}: {}", library.name, row.explained.trim()));
        table.row(row.cells);
    }
    notes.push(work.rebuild_common(&JSON.libraries[0])?);
    Ok(Outcome { table, notes, identical })
}

/// `NAME VERSION` of Debian packages.
fn versions(packages: &[&str]) -> Result<String> {
    let ran = run_ok(Command::new("dpkg-query").args(["-W", "-f", "${Package} ${Version}, "]).args(packages));
    let ran = ran.context("the libraries' headers are missing: scripts/setup installs them")?;
    Ok(ran.stdout.trim().trim_end_matches(',').into())
}

/// With dedup or without.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Build {
    Without,
    With,
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

struct Work<'a> {
    tools: &'a Tools,
    folder: PathBuf,
    family: &'a Family,
    driver: PathBuf,
}

impl<'a> Work<'a> {
    fn new(tools: &'a Tools, folder: &Path, family: &'a Family) -> Result<Work<'a>> {
        let folder = folder.join(family.common);
        for build in BUILDS {
            fs::create_dir_all(folder.join(build.word()))?;
        }
        let driver = folder.join("driver");
        let source = our_source("demo-packages.d").join("driver.c");
        run_ok(Command::new(CLANG).args(["-O2", "-fuse-ld=lld"]).arg(source).arg("-o").arg(&driver))?;
        Ok(Work { tools, folder, family, driver })
    }

    fn jl_cxx(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cxx());
        command.arg(format!("--jl-targets={}", TARGETS.join(";"))).args(["-O2", "-fPIC"]);
        // The cache would answer the second round.
        command.env("JL_CACHE", "0").current_dir(&self.folder);
        command
    }

    /// What clang's front end makes of a source: the same for all builds.
    fn bitcode(&self, name: &str) -> Result<PathBuf> {
        let output = self.folder.join(format!("{name}.bc"));
        let source = our_source("demo-packages.d").join(format!("{name}.cpp"));
        let mut command = Command::new(CLANG);
        command.args(["--driver-mode=g++", "-O2", "-fPIC", "-std=c++17", "-w", "-emit-llvm"]);
        command.args(["-Xclang", "-disable-llvm-passes", "-c"]).arg(source).arg("-o").arg(&output);
        run_ok(&mut command)?;
        Ok(output)
    }

    fn common(&self) -> String {
        format!("lib{}.so", self.family.common)
    }

    fn build_common(&self) -> Result<()> {
        let (name, bitcode) = (self.family.common, self.bitcode(self.family.common)?);
        run_ok(self.jl_cxx().arg("--jl-package").arg("-c").arg(bitcode).args(["-o", &format!("{name}.o")]))?;
        self.link_common(&[])
    }

    fn link_common(&self, more: &[&str]) -> Result<()> {
        let name = self.family.common;
        let mut link = self.jl_cxx();
        link.arg("-shared").arg(format!("-Wl,-soname,{}", self.common())).arg(format!("{name}.o")).args(more);
        run_ok(link.args(["-o", &self.common()]))?;
        Ok(())
    }

    fn object(&self, library: &Library, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("{}.o", library.name))
    }

    fn library(&self, library: &Library, build: Build) -> PathBuf {
        self.folder.join(build.word()).join(format!("lib{}.so", library.name))
    }

    fn compile(&self, library: &Library, build: Build, bitcode: &Path) -> Command {
        let mut command = self.jl_cxx();
        if build == Build::With {
            command.arg(format!("--jl-dep={}", self.folder.join(self.common()).display()));
        }
        command.arg("-c").arg(bitcode).arg("-o").arg(self.object(library, build));
        command
    }

    fn link(&self, library: &Library, build: Build) -> Result<()> {
        let mut command = self.jl_cxx();
        command.arg("-shared").arg(self.object(library, build)).args(library.link);
        if build == Build::With {
            command.args(["-L.", &format!("-l{}", self.family.common), "-Wl,-rpath,$ORIGIN/.."]);
        }
        run_ok(command.arg("-o").arg(self.library(library, build)))?;
        Ok(())
    }

    fn measure(&self, library: &Library) -> Result<Row> {
        let bitcode = self.bitcode(library.name)?;
        let what = format!("compile {}", library.name);
        let compiled = interleave(&what, COMPILE_ROUNDS, &BUILDS, |build| {
            measured(&mut self.compile(library, *build, &bitcode))
        })?;
        let ratio = |of: fn(&super::usage::Usage) -> f64| -> Spread {
            let times = |build: usize| compiled[build].iter().map(of).collect::<Vec<f64>>();
            paired(&times(1), &times(0), |with, without| with / without)
        };
        for build in BUILDS {
            self.link(library, build)?;
        }
        run_ok(Command::new(self.tools.jl_load()).arg("check").arg(self.library(library, Build::With)))?;
        let [without, with] = BUILDS.map(|build| Elf::read(&self.library(library, build)));
        let (without, with) = (without?, with?);
        let duplicates = Duplicates::of(&Elf::read(&self.folder.join(self.common()))?, &without, &with)?;
        let (results, identical) = self.compare(library)?;
        let explained = self.explain(library)?;
        let run = self.run_times(library)?;
        let kib = |elf: &Elf| Ok::<_, anyhow::Error>(sizes::code(elf)? as f64 / 1024.0);
        let cells = vec![
            library.name.into(),
            explained.functions.to_string(),
            format!("{:.0} / {:.0}", kib(&without)?, kib(&with)?),
            format!("{:.3} of {:.0} KiB", duplicates.share_removed(), duplicates.before as f64 / 1024.0),
            ratio(|usage| usage.cpu).show(2),
            ratio(|usage| usage.wall).show(2),
            run.show(3),
            results,
        ];
        Ok(Row { cells, explained: explained.text, identical })
    }

    fn run(&self, library: &Library, build: Build, target: Option<usize>) -> Result<Sample> {
        let ran = run_ok(&mut self.command(library, &self.library(library, build), target)?)?;
        Sample::parse(&ran.stdout).with_context(|| format!("no measurement in {}", ran.describe()))
    }

    fn command(&self, library: &Library, file: &Path, target: Option<usize>) -> Result<Command> {
        let mut command = Command::new(&self.driver);
        command.arg(file).arg(library.input.write(&self.folder)?).arg(library.times.to_string());
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

    /// With dedup against without.
    fn run_times(&self, library: &Library) -> Result<Spread> {
        let samples = interleave(&format!("run {}", library.name), RUN_ROUNDS, &BUILDS, |build| {
            Ok(self.run(library, *build, None)?.workloads["run"].seconds)
        })?;
        Ok(paired(&samples[1], &samples[0], |with, without| with / without))
    }

    fn explain(&self, library: &Library) -> Result<Explained> {
        let file = self.library(library, Build::With);
        let ask = |json: &[&str]| {
            let mut command = Command::new(self.tools.jl_load());
            run_ok(command.args(["explain", "--deps"]).args(json).arg(&file)).map(|ran| ran.stdout)
        };
        let graph: serde_json::Value = serde_json::from_str(&ask(&["--json"])?)?;
        let functions = graph["images"][0]["imports"].as_u64().context("explain --deps names no imports")?;
        let text = ask(&[])?.replace(&format!("{}/", self.folder.display()), "");
        Ok(Explained { functions, text })
    }

    /// A rebuilt common image is refused by both build ids, and `--jl-relink` makes the library fit it.
    fn rebuild_common(&self, library: &Library) -> Result<String> {
        let id = || -> Result<String> {
            let id = Elf::read(&self.folder.join(self.common()))?.build_id()?.context("no build id")?;
            Ok(id.iter().map(|byte| format!("{byte:02x}")).collect())
        };
        let (before, sum) = (id()?, self.run(library, Build::With, None)?.workloads["run"].checksum.clone());
        let release = self.folder.join("release.c");
        fs::write(&release, "const char json_release[] = \"2\";\n")?;
        run_ok(
            Command::new(CLANG)
                .args(["-fPIC", "-c"])
                .arg(&release)
                .arg("-o")
                .arg(self.folder.join("release.o")),
        )?;
        self.link_common(&["release.o"])?;
        let after = id()?;
        let file = self.library(library, Build::With);
        let refused = run(&mut self.command(library, &file, None)?)?;
        let named = refused.stderr.contains(&before) && refused.stderr.contains(&after);
        ensure!(!refused.status.success() && named, "not refused: {}", refused.describe());
        let fitted = file.with_file_name("fitted.so");
        let mut relink = Command::new(self.tools.jl_link());
        relink.arg(format!("--jl-relink={}", file.display()));
        relink.arg(format!("--jl-dep={}", self.folder.join(self.common()).display())).arg("-o").arg(&fitted);
        run_ok(&mut relink)?;
        let ran = run_ok(&mut self.command(library, &fitted, None)?)?;
        let again = Sample::parse(&ran.stdout)?.workloads["run"].checksum.clone();
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
