//! Builds shared objects and programs from C sources, all compilations through one pool of threads.

use super::progress::Progress;
use crate::command::run_ok;
use crate::tools::{CLANG, Tools};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

/// A compiler with the flags that make a variant what it is.
#[derive(Clone, Debug)]
pub struct Variant {
    pub label: String,
    compiler: PathBuf,
    flags: Vec<String>,
    /// Changes when a tool under test was built anew.
    tools: String,
}

impl Variant {
    /// Plain clang for one CPU level.
    pub fn plain(level: &str) -> Variant {
        let flags = vec![format!("-march={level}")];
        Variant { label: level.into(), compiler: CLANG.into(), flags, tools: String::new() }
    }

    /// jl-cc, for a list of targets or its default list.
    pub fn image(tools: &Tools, targets: Option<&str>) -> Variant {
        let stamp = |path: PathBuf| {
            let modified = fs::metadata(&path).and_then(|m| m.modified());
            format!("{} {modified:?}", path.display())
        };
        Variant {
            label: "image".into(),
            compiler: tools.jl_cc(),
            flags: targets.iter().map(|t| format!("--jl-targets={t}")).collect(),
            tools: [tools.jl_cc(), tools.jl_link(), tools.plugin()].map(stamp).join(", "),
        }
    }

    pub fn with_flags(mut self, label: &str, flags: &[&str]) -> Variant {
        self.label = label.into();
        self.flags.extend(flags.iter().map(ToString::to_string));
        self
    }

    /// How much longer a compilation takes than a plain one, roughly: only for the order of work.
    fn weight(&self) -> u64 {
        if self.tools.is_empty() { 1 } else { 2 }
    }
}

/// Something to build.
#[derive(Clone, Debug)]
pub struct Unit {
    pub name: String,
    pub variant: Variant,
    pub sources: Vec<PathBuf>,
    pub compile_flags: Vec<String>,
    pub link_flags: Vec<String>,
    pub output: PathBuf,
}

impl Unit {
    fn object(&self, source: usize) -> PathBuf {
        let mut name = self.output.file_name().unwrap_or_default().to_os_string();
        name.push(format!(".{source}.o"));
        self.output.with_file_name(name)
    }

    fn compile(&self, source: usize) -> Command {
        let mut command = Command::new(&self.variant.compiler);
        command.args(&self.compile_flags).args(&self.variant.flags).arg("-c").arg(&self.sources[source]);
        command.arg("-o").arg(self.object(source));
        command
    }

    fn link(&self) -> Command {
        let mut command = Command::new(&self.variant.compiler);
        command.args(&self.variant.flags).args((0..self.sources.len()).map(|i| self.object(i)));
        command.args(&self.link_flags).arg("-o").arg(&self.output);
        command
    }

    fn stamp_path(&self) -> PathBuf {
        self.output.with_extension("stamp")
    }

    /// All that the output depends on, but for the sources themselves, which are taken by date.
    fn stamp(&self) -> String {
        let date = |s: &PathBuf| format!("{:?}", fs::metadata(s).and_then(|m| m.modified()));
        let dates: Vec<String> = self.sources.iter().map(date).collect();
        let compile: Vec<Command> = (0..self.sources.len()).map(|i| self.compile(i)).collect();
        format!("{compile:?}\n{:?}\n{dates:?}\n{}\n", self.link(), self.variant.tools)
    }

    fn is_built(&self) -> bool {
        self.output.exists() && fs::read_to_string(self.stamp_path()).is_ok_and(|s| s == self.stamp())
    }
}

/// Builds what is not there yet.
pub fn build(units: &[Unit]) -> Result<()> {
    let units: Vec<&Unit> = units.iter().filter(|u| !u.is_built()).collect();
    let mut jobs = Vec::new();
    for unit in &units {
        let folder = unit.output.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for (i, source) in unit.sources.iter().enumerate() {
            let size = fs::metadata(source).with_context(|| format!("no source {}", source.display()))?.len();
            jobs.push((size * unit.variant.weight(), *unit, i));
        }
    }
    // The longest first, so that no thread is left alone with one at the end.
    jobs.sort_by_key(|job| std::cmp::Reverse(job.0));
    let progress = Progress::new(jobs.len() + units.len());
    in_parallel(&jobs, |(_, unit, source)| {
        let name = unit.sources[*source].file_name().unwrap_or_default().to_string_lossy();
        progress.step(&format!("compile {} for {}: {name}", unit.name, unit.variant.label));
        run_ok(&mut unit.compile(*source)).map(drop)
    })?;
    in_parallel(&units, |unit| {
        progress.step(&format!("link {} for {}", unit.name, unit.variant.label));
        run_ok(&mut unit.link())?;
        for i in 0..unit.sources.len() {
            fs::remove_file(unit.object(i))?;
        }
        Ok(fs::write(unit.stamp_path(), unit.stamp())?)
    })
}

/// Calls `work` for every item on as many threads as there are CPUs; the first error ends it.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, |n| n.get());
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let worker = || {
            while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = work(item) {
                    // The others stop after what they are at.
                    next.store(items.len(), Ordering::Relaxed);
                    return Err(error);
                }
            }
            Ok(())
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        workers
            .into_iter()
            .map(|w| w.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    results.into_iter().collect()
}

/// A C source of the benchmarks' own.
pub fn our_source(path: &str) -> PathBuf {
    crate::tools::workspace().join("scripts").join(path)
}

pub fn strings(list: &[&str]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}
