//! `jl-conformance`: programs that others wrote, or that a generator wrote, do the same with us as without us,
//! at every target.
//!
//! A suite yields rows of the one table: suite, level, target, and how many tests were run, passed, failed
//! and are not passed by plain clang either. To add one, implement [`Suite`] in a file of its own and name it in
//! [`suites`].

pub mod case;
pub mod cases;
pub mod crates;
pub mod csmith;
pub mod dg;
pub mod document;
pub mod effective;
pub mod findings;
pub mod fortran;
pub mod julia;
pub mod kept;
pub mod level;
pub mod list;
pub mod packages;
pub mod platform;
pub mod reference;
pub mod sources;
pub mod split;
pub mod torture;
pub mod zig;

use crate::bench::progress::Progress;
use crate::tools::{CLANG, Tools, workspace};
use anyhow::{Context as _, Result, bail};
use findings::Findings;
use kept::Kept;
use level::Level;
use list::List;
use platform::{Place, Platform};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A suite of tests that others wrote.
pub trait Suite: Sync {
    /// One word, for `--only` and the table.
    fn name(&self) -> &'static str;

    /// One line: what it is and where it comes from.
    fn about(&self) -> &'static str;

    /// Whether a selection of it is small enough for `scripts/test`.
    fn has_selection(&self) -> bool {
        true
    }

    /// Whether it is run only where it is asked for by name, and has a table of its own.
    fn is_separate(&self) -> bool {
        false
    }

    /// Runs it. Failures of ours are findings; an error means that it could not be run.
    fn run(&self, context: &Context) -> Result<Findings>;
}

/// All suites, in the table's order.
pub fn suites() -> Vec<Box<dyn Suite + Send>> {
    use csmith::Csmith;
    use packages::Packages;
    use torture::Torture;
    vec![
        Box::new(Torture::Execute),
        Box::new(Torture::Compile),
        Box::new(Torture::Cxx),
        Box::new(Csmith::Whole),
        Box::new(Csmith::Split),
        Box::new(fortran::Fortran),
        Box::new(crates::Crates),
        Box::new(zig::Zig),
        Box::new(Torture::Library),
        Box::new(Packages::Compiler),
        Box::new(Packages::Linker),
        Box::new(julia::JuliaTests),
    ]
}

/// What is asked for on the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Suites by name; all when empty.
    pub only: Vec<String>,
    /// Levels; each suite's own choice when empty.
    pub levels: Vec<Level>,
    /// Only tests whose name contains this.
    pub filter: Option<String>,
    /// The selection of `scripts/test`.
    pub short: bool,
    /// Tests at a time; all CPUs when absent.
    pub jobs: Option<usize>,
    pub platform: Platform,
    /// Whether to say on standard error how far it is.
    pub progress: bool,
    /// Whether what passed before with the same tools counts as run.
    pub resume: bool,
}

/// What suites share.
pub struct Context {
    pub tools: Tools,
    pub options: Options,
    pub platform: Platform,
    /// Where programs are run.
    pub places: Vec<Place>,
    /// What plain clang's builds do.
    pub references: Kept,
    /// What passed with the very tools under test.
    pub passed: Kept,
    pub list: List,
    /// Kept between runs: unpacked sources, references, failures.
    pub folder: PathBuf,
    /// The state of the sources when the run began.
    pub commit: String,
    pub pool: rayon::ThreadPool,
}

impl Context {
    /// `folder` keeps what is unpacked and found; it is made when it is not there.
    pub fn new(tools: Tools, options: Options, folder: &Path) -> Result<Context> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.jobs.unwrap_or(0)).build()?;
        let under_test = [tools.jl_cc(), tools.jl_link(), tools.plugin()];
        Ok(Context {
            commit: commit(),
            tools,
            platform: options.platform,
            places: options.platform.places(),
            references: Kept::new(folder.join("reference"), first_line(CLANG, &["--version"]))?,
            passed: Kept::new(folder.join("passed"), kept::hash_of_files(&under_test)?)?,
            list: List::read()?,
            folder: folder.into(),
            pool,
            options,
        })
    }

    /// Shows how far a suite is. It runs for long: in a pipe a line now and then is enough.
    pub fn progress(&self, steps: usize) -> Progress {
        Progress::with_pause(steps, self.options.progress.then_some(Duration::from_secs(10)))
    }

    /// A folder for one test, gone when it is dropped.
    pub fn work_folder(&self) -> Result<tempfile::TempDir> {
        let work = self.folder.join("work");
        fs::create_dir_all(&work)?;
        Ok(tempfile::tempdir_in(work)?)
    }

    /// Where a suite's failures are kept until its next run.
    pub fn failures(&self, suite: &str) -> PathBuf {
        self.folder.join("failures").join(suite)
    }

    /// A suite's name in the table and the list: on another architecture it is another suite.
    pub fn label(&self, suite: &str) -> String {
        match self.platform {
            Platform::X86_64 => suite.into(),
            Platform::Aarch64 => format!("{suite}/aarch64"),
        }
    }

    /// The levels to run a suite at, of those that make sense for it: what was asked for; of what is emulated
    /// -O2 alone unless asked.
    pub fn levels(&self, sensible: &[Level]) -> Vec<Level> {
        let asked = match (&self.options.levels[..], self.platform) {
            ([], Platform::X86_64) => &Level::ALL[..],
            ([], Platform::Aarch64) => &[Level::O2],
            (levels, _) => levels,
        };
        sensible.iter().filter(|l| asked.contains(l)).copied().collect()
    }

    /// Whether a test is asked for.
    pub fn wants(&self, test: &str) -> bool {
        self.options.filter.as_ref().is_none_or(|f| test.contains(f.as_str()))
    }
}

/// Runs the suites that are asked for.
pub fn run(context: &Context) -> Result<Findings> {
    let suites = suites();
    let names: BTreeSet<&str> = suites.iter().map(|s| s.name()).collect();
    if let Some(unknown) = context.options.only.iter().find(|name| !names.contains(name.as_str())) {
        let names: Vec<&str> = suites.iter().map(|s| s.name()).collect();
        bail!("unknown suite {unknown:?}, expected one of {}", names.join(", "));
    }
    let only = &context.options.only;
    let asked = |s: &dyn Suite| match &only[..] {
        [] => !s.is_separate(),
        only => only.iter().any(|name| name == s.name()),
    };
    let fits = |s: &dyn Suite| !context.options.short || s.has_selection();
    let mut findings = Findings::default();
    for suite in suites.iter().filter(|s| asked(&***s) && fits(&***s)) {
        findings.extend(suite.run(context).with_context(|| format!("suite {}", suite.name()))?);
    }
    Ok(findings)
}

/// Where unpacked sources, references and failures are kept: beside the tools' folder.
pub fn cache_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let beside = exe.parent().context("this program stands in no folder")?;
    let tools = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    Ok(tools.parent().unwrap_or(tools).join("conformance"))
}

/// The commit that is checked out, marked when files differ from it.
fn commit() -> String {
    let folder = workspace().to_string_lossy().into_owned();
    let changes = first_line("git", &["-C", &folder, "status", "--porcelain", "--untracked-files=no"]);
    let commit = first_line("git", &["-C", &folder, "rev-parse", "--short=12", "HEAD"]);
    if changes == "unknown" { commit } else { format!("{commit} with changes") }
}

/// The first line that a command prints, or `unknown`.
pub fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = std::process::Command::new(program).args(arguments).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_string()
}

/// A text's beginning, for messages.
fn shorten(text: &str) -> String {
    const LINES: usize = 30;
    let mut lines: Vec<&str> = text.lines().take(LINES + 1).collect();
    if lines.len() > LINES {
        lines[LINES] = "...";
    }
    lines.join("\n")
}
