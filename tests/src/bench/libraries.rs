//! Real C libraries: one image against one build per CPU level.

use super::build::{Unit, Variant, build, our_source, strings};
use super::corpus;
use super::measure::{interleave, median, paired};
use super::sources::{Sources, fetch};
use super::table::Table;
use crate::command::run_ok;
use crate::host;
use crate::tools::Tools;
use anyhow::{Context, Result, bail};
use image_format::grammar::DEFAULT_TARGETS_X86_64;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A library as its maintainer would build it.
struct Library {
    name: &'static str,
    /// The crate that ships the sources.
    package: &'static str,
    /// Folders with the sources, in the crate: every `.c` file is built, except those named.
    folders: &'static [&'static str],
    without: &'static [&'static str],
    include: &'static str,
    flags: &'static [&'static str],
    driver: &'static str,
    /// The target list of the image; `None` is jl-cc's default.
    targets: Option<&'static str>,
}

const LIBRARIES: [Library; 4] = [
    Library {
        name: "xxHash",
        package: "xxhash-c-sys",
        folders: &["src/c"],
        without: &[],
        include: "src/c",
        // The portable C code, not the hand-written vectors.
        flags: &["-DXXH_VECTOR=0"],
        driver: "xxhash.c",
        targets: Some("x86-64;x86-64-v3;x86-64-v4"),
    },
    Library {
        name: "mozjpeg",
        package: "mozjpeg-sys",
        folders: &["vendor"],
        // Programs, their readers and writers, and files that others include.
        without: &[
            "cdjpeg.c",
            "cjpeg.c",
            "djpeg.c",
            "jpegtran.c",
            "rdjpgcom.c",
            "wrjpgcom.c",
            "yuvjpeg.c",
            "jpegyuv.c",
            "tjbench.c",
            "tjexample.c",
            "tjunittest.c",
            "tjutil.c",
            "turbojpeg.c",
            "turbojpeg-jni.c",
            "strtest.c",
            "jcstest.c",
            "transupp.c",
            "rdbmp.c",
            "rdcolmap.c",
            "rdgif.c",
            "rdjpeg.c",
            "rdpng.c",
            "rdppm.c",
            "rdswitch.c",
            "rdtarga.c",
            "wrbmp.c",
            "wrgif.c",
            "wrppm.c",
            "wrtarga.c",
            "jdatadst-tj.c",
            "jdatasrc-tj.c",
            "jccolext.c",
            "jdcol565.c",
            "jdcolext.c",
            "jdmrg565.c",
            "jdmrgext.c",
            "jstdhuff.c",
            "jaricom.c",
            "jcarith.c",
            "jdarith.c",
            "jcicc.c",
            "jdicc.c",
        ],
        include: "vendor",
        flags: &[],
        driver: "mozjpeg.c",
        targets: Some("x86-64;x86-64-v3;x86-64-v4"),
    },
    Library {
        name: "SQLite",
        package: "libsqlite3-sys",
        folders: &["sqlite3"],
        without: &["wasm32-wasi-vfs.c"],
        include: "sqlite3",
        flags: &[
            "-DSQLITE_THREADSAFE=1",
            "-DSQLITE_ENABLE_FTS5",
            "-DSQLITE_ENABLE_RTREE",
            "-DSQLITE_ENABLE_STAT4",
        ],
        driver: "sqlite.c",
        targets: None,
    },
    Library {
        name: "zstd",
        package: "zstd-sys",
        folders: &["zstd/lib/common", "zstd/lib/compress", "zstd/lib/decompress"],
        without: &[],
        include: "zstd/lib",
        // C only: no assembly, no intrinsics.
        flags: &["-DZSTD_DISABLE_ASM", "-DZSTD_NO_INTRINSICS"],
        driver: "zstd.c",
        targets: None,
    },
];

/// What mozjpeg's own configuration would write for a build without SIMD.
const MOZJPEG_CONFIGURATION: [(&str, &str); 3] = [
    (
        "jconfig.h",
        "#define JPEG_LIB_VERSION 62\n#define LIBJPEG_TURBO_VERSION 0\n#define BITS_IN_JSAMPLE 8\n\
         #define STDC_HEADERS 1\n#define HAVE_STDLIB_H 1\n#define HAVE_UNSIGNED_CHAR 1\n\
         #define HAVE_UNSIGNED_SHORT 1\n#define MEM_SRCDST_SUPPORTED 1\n#define NO_GETENV 1\n#define NO_PUTENV 1\n",
    ),
    (
        "jconfigint.h",
        "#define BUILD \"demo\"\n#define INLINE inline __attribute__((always_inline))\n\
         #define HIDDEN __attribute__((visibility(\"hidden\")))\n#define THREAD_LOCAL __thread\n\
         #define SIZEOF_SIZE_T 8\n#define HAVE_BUILTIN_CTZL 1\n#define FALLTHROUGH\n\
         #define PACKAGE_NAME \"mozjpeg\"\n#define VERSION \"demo\"\n",
    ),
    (
        "jversion.h",
        "#define JVERSION \"demo\"\n#define JCOPYRIGHT \"\"\n#define JCOPYRIGHT_SHORT JCOPYRIGHT\n",
    ),
];

const LEGEND: &str = "\
Times are medians of CPU time in ms, in fresh processes, interleaved. `image : best` and `image : x86-64` \
are ratios of speed (above 1: the image is faster), medians over the rounds with their quartiles; `best` is \
the fastest single-level build. Sizes are of the loaded segments; load is dlopen with RTLD_NOW. `outputs` \
compares the image, at every target that this machine can run, and the single-level builds with the plain \
x86-64 build.";

/// The table, and whether each image gave the plain build's output.
pub struct Outcome {
    pub table: Table,
    /// Where the libraries come from, and what the columns mean.
    pub legend: String,
    pub identical: bool,
}

/// Builds all libraries in all variants and measures them.
pub fn measure(tools: &Tools, folder: &Path, rounds: usize) -> Result<Outcome> {
    let corpus = corpus::collect(folder)?;
    eprintln!("Corpus: {} MiB from this machine's files", corpus::SIZE >> 20);
    let sources = fetch()?;
    write_configuration(folder)?;
    let plans: Vec<Plan> =
        LIBRARIES.iter().map(|l| Plan::new(l, tools, folder, &sources)).collect::<Result<_>>()?;
    let mut units: Vec<Unit> = plans.iter().flat_map(|p| p.builds.clone()).collect();
    units.extend(plans.iter().map(|p| p.driver.clone()));
    build(&units)?;

    let mut table = Table::new(&[
        "library",
        "workload",
        "x86-64",
        "v3",
        "v4",
        "image",
        "image : best",
        "image : x86-64",
        "size x86-64 / image",
        "load x86-64 / image",
        "outputs",
    ]);
    let mut identical = true;
    for plan in &plans {
        identical &= plan.measure(&corpus, rounds, &mut table)?;
    }
    let mut legend = String::from("Sources:");
    for library in &LIBRARIES {
        let (version, _) = sources.package(library.package)?;
        legend += &format!(" {} from {} {version};", library.name, library.package);
    }
    legend = format!("{}. {LEGEND}", legend.trim_end_matches(';'));
    Ok(Outcome { table, legend, identical })
}

/// The folder of generated headers.
fn configuration(folder: &Path) -> PathBuf {
    folder.join("mozjpeg-configuration")
}

fn write_configuration(folder: &Path) -> Result<()> {
    let folder = configuration(folder);
    fs::create_dir_all(&folder)?;
    for (name, text) in MOZJPEG_CONFIGURATION {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// All builds of one library, the plain one first and the image last; and its driver.
pub struct Plan {
    library: &'static Library,
    targets: &'static str,
    pub builds: Vec<Unit>,
    pub driver: Unit,
}

impl Plan {
    /// The plan of the library of this name.
    pub fn named(name: &str, tools: &Tools, folder: &Path, sources: &Sources) -> Result<Plan> {
        let library = LIBRARIES.iter().find(|l| l.name == name);
        Plan::new(library.with_context(|| format!("no library {name}"))?, tools, folder, sources)
    }

    fn new(library: &'static Library, tools: &Tools, folder: &Path, sources: &Sources) -> Result<Plan> {
        let (version, package) = sources.package(library.package)?;
        let mut files = Vec::new();
        for folder in library.folders {
            let entries = fs::read_dir(package.join(folder))
                .with_context(|| format!("{} {version} has no folder {folder}", library.package))?;
            files.extend(entries.flatten().map(|e| e.path()));
        }
        files.retain(|f| {
            let name = f.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".c") && !library.without.contains(&name.as_ref())
        });
        files.sort();
        let include =
            [package.join(library.include), configuration(folder)].map(|f| format!("-I{}", f.display()));
        let targets = library.targets.unwrap_or(DEFAULT_TARGETS_X86_64);
        let mut variants: Vec<Variant> =
            targets.split(';').filter(|t| host::can_run(t)).map(Variant::plain).collect();
        variants.push(Variant::image(tools, library.targets));
        let mut compile_flags = strings(&["-O3", "-fPIC", "-w"]);
        compile_flags.extend(strings(library.flags));
        compile_flags.extend(include.clone());
        let unit = |variant: Variant| Unit {
            name: library.name.into(),
            output: folder.join(format!("lib{}-{}.so", library.name, variant.label)),
            variant,
            sources: files.clone(),
            compile_flags: compile_flags.clone(),
            // The same linker for all.
            link_flags: strings(&["-shared", "-fuse-ld=lld", "-Wl,-z,now", "-lm", "-lpthread"]),
        };
        let mut driver_flags = strings(&["-O2"]);
        driver_flags.extend(include);
        Ok(Plan {
            library,
            targets,
            builds: variants.into_iter().map(unit).collect(),
            driver: Unit {
                name: format!("driver of {}", library.name),
                variant: Variant::plain("x86-64"),
                sources: vec![our_source("demo.d").join(library.driver)],
                compile_flags: driver_flags,
                link_flags: strings(&["-fuse-ld=lld"]),
                output: folder.join(format!("{}-driver", library.name)),
            },
        })
    }

    /// Runs the workloads with a build of the library, at one target if given.
    pub fn run(&self, build: &Unit, corpus: &Path, target: Option<usize>) -> Result<Sample> {
        let mut command = Command::new(&self.driver.output);
        for variable in ["JL_LOAD_CPU", "JL_LOAD_TARGET", "JL_LOAD_LOG"] {
            command.env_remove(variable);
        }
        if let Some(target) = target {
            command.env("JL_LOAD_TARGET", target.to_string());
        }
        let ran = run_ok(command.arg(&build.output).arg(corpus))?;
        Sample::parse(&ran.stdout)
            .with_context(|| format!("no measurement in the output of {}", ran.describe()))
    }

    /// Adds a row per workload; true if the image's outputs are the plain build's.
    fn measure(&self, corpus: &Path, rounds: usize, table: &mut Table) -> Result<bool> {
        let samples =
            interleave(self.library.name, rounds, &self.builds, |build| self.run(build, corpus, None))?;
        let (plain, image) = (&samples[0], &samples[samples.len() - 1]);
        let mut image_outputs: Vec<&Sample> = image.iter().collect();
        let mut forced = Vec::new();
        for (target, name) in self.targets.split(';').enumerate() {
            if host::can_run(name) {
                forced.push(self.run(&self.builds[self.builds.len() - 1], corpus, Some(target))?);
            }
        }
        image_outputs.extend(&forced);
        let mut all_identical = true;
        for workload in plain[0].workloads.keys() {
            let times: Vec<Vec<f64>> =
                samples.iter().map(|s| s.iter().map(|r| r.workloads[workload].seconds).collect()).collect();
            let (single, image_times) = (&times[..times.len() - 1], &times[times.len() - 1]);
            let best = (0..single.len())
                .min_by(|a, b| median(&single[*a]).total_cmp(&median(&single[*b])))
                .unwrap_or(0);
            let expected = plain[0].workloads[workload].checksum.as_str();
            let same = |s: &Sample| s.workloads[workload].checksum == expected;
            let identical = plain.iter().all(same) && image_outputs.iter().all(|s| same(s));
            all_identical &= identical;
            let differing: Vec<&str> = (1..single.len())
                .filter(|i| !samples[*i].iter().all(same))
                .map(|i| self.builds[i].variant.label.as_str())
                .collect();
            let level = |label: &str| {
                let at = self.builds.iter().position(|b| b.variant.label == label);
                at.map_or("-".into(), |i| milliseconds(&times[i]))
            };
            let load = |samples: &[Sample]| median(&samples.iter().map(|s| s.load).collect::<Vec<_>>()) * 1e6;
            let size = |build: &Unit| Ok::<_, anyhow::Error>(loaded_size(&build.output)? >> 10);
            table.row(vec![
                self.library.name.into(),
                workload.clone(),
                level("x86-64"),
                level("x86-64-v3"),
                level("x86-64-v4"),
                milliseconds(image_times),
                format!(
                    "{} ({})",
                    paired(&single[best], image_times, |a, b| a / b).show(2),
                    self.builds[best].variant.label
                ),
                paired(&single[0], image_times, |a, b| a / b).show(2),
                format!("{} / {} KiB", size(&self.builds[0])?, size(&self.builds[self.builds.len() - 1])?),
                format!("{:.0} / {:.0} us", load(plain), load(image)),
                match (identical, differing.is_empty()) {
                    (true, true) => "identical".into(),
                    (true, false) => format!("identical (but not of {})", differing.join(", ")),
                    (false, _) => "DIFFER".into(),
                },
            ]);
        }
        Ok(all_identical)
    }
}

fn milliseconds(seconds: &[f64]) -> String {
    format!("{:.0}", median(seconds) * 1e3)
}

/// The bytes of a file that are mapped when it is loaded.
fn loaded_size(path: &Path) -> Result<u64> {
    let file = crate::elf::Elf::read(path)?;
    Ok(file.segments()?.iter().filter(|s| s.kind == object::elf::PT_LOAD).map(|s| s.file_size).sum())
}

/// What a driver printed.
pub struct Sample {
    load: f64,
    pub workloads: BTreeMap<String, Measured>,
}

pub struct Measured {
    /// Of CPU time.
    pub seconds: f64,
    pub checksum: String,
}

impl Sample {
    pub fn parse(text: &str) -> Result<Sample> {
        let mut load = None;
        let mut workloads = BTreeMap::new();
        for line in text.lines() {
            let [name, seconds, checksum] = line.split(' ').collect::<Vec<_>>()[..] else {
                bail!("expected NAME SECONDS CHECKSUM, found {line:?}");
            };
            let seconds: f64 =
                seconds.parse().with_context(|| format!("no number of seconds in {line:?}"))?;
            if name == "load" {
                load = Some(seconds);
            } else {
                workloads.insert(name.to_string(), Measured { seconds, checksum: checksum.into() });
            }
        }
        match load {
            Some(load) if !workloads.is_empty() => Ok(Sample { load, workloads }),
            _ => bail!("expected a load time and workloads"),
        }
    }
}
