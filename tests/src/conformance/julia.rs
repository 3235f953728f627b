//! Julia's own tests, from its own system image and from ours at every target. What passes from its own must pass from
//! ours, with as many tests.

use super::findings::{Failure, Findings, Outcome, Row, Tally};
use super::{Context, Suite, shorten};
use crate::bench::julia::PARTIAL;
use crate::bench::julia::build::Julia;
use crate::bench::progress::Progress;
use crate::bench::table::Table;
use crate::command::{run_within, shell_text};
use crate::tools::in_tests;
use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Which of Julia's files of tests are run, and why the others are not.
const LIST: &str = "conformance/julia.txt";
/// Images are built in one way: Julia simplifies at -O2, the rest is ours.
const LEVEL: &str = "O2";
/// The column of Julia's own image.
const OWN: &str = "Julia's own";
/// The same random numbers in every run.
const SEED: &str = "--seed=5";
/// Of processes that compile most of what they test, several at a time.
const LIMIT: Duration = Duration::from_secs(600);

pub struct JuliaTests;

impl Suite for JuliaTests {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Julia 1.5's own tests, run by Julia from a system image of ours; only where it is asked for"
    }

    /// The image alone takes minutes.
    fn has_selection(&self) -> bool {
        false
    }

    fn is_separate(&self) -> bool {
        true
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        let julia = Julia::find()?;
        let list = fs::read_to_string(in_tests(LIST)).with_context(|| format!("cannot read tests/{LIST}"))?;
        let files: Vec<&str> = files(&list)?.into_iter().filter(|file| context.wants(file)).collect();
        let image = image(&julia, context)?;
        let mut runs = vec![Run { name: OWN.into(), image: None }];
        let names = PARTIAL.split(';').enumerate();
        runs.extend(
            names.map(|(target, name)| Run { name: name.into(), image: Some((image.clone(), target)) }),
        );
        let progress = context.progress(files.len());
        let judged: Vec<Result<Findings>> = context.pool.install(|| {
            let judge = |file: &&str| judge(&julia, context, &runs, file, &progress);
            files.par_iter().map(judge).collect()
        });
        let mut findings = Findings::default();
        for found in judged {
            findings.extend(found?);
        }
        Ok(findings)
    }
}

pub const NAME: &str = "julia";

/// Julia with an image.
struct Run {
    name: String,
    /// Our image and the target; its own when absent.
    image: Option<(PathBuf, usize)>,
}

/// What a run of a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// The number of tests that passed, and of those that are known to fail.
    Passed {
        passed: usize,
        broken: usize,
    },
    Failed(String),
}

/// The files that are run, of lines `FILE` or `FILE: why it is not run`.
fn files(list: &str) -> Result<Vec<&str>> {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let files: Vec<&str> = lines.filter(|line| !line.contains(": ")).collect();
    let odd = files.iter().find(|file| file.contains(char::is_whitespace));
    ensure!(odd.is_none(), "tests/{LIST}: expected a file or 'FILE: REASON', found '{}'", odd.unwrap_or(&""));
    Ok(files)
}

/// The image under test, kept until the tools or what it is made of change.
fn image(julia: &Julia, context: &Context) -> Result<PathBuf> {
    let folder = context.folder.join(NAME);
    fs::create_dir_all(&folder)?;
    let state = fs::canonicalize(julia.state())?;
    let key = context.passed.key_of(&[state.to_string_lossy().as_bytes(), PARTIAL.as_bytes()]);
    let name = format!("image-{key}");
    let file = folder.join(format!("{name}.so"));
    if file.exists() {
        return Ok(file);
    }
    let progress = context.progress(1);
    progress.step("a system image for Julia");
    let aside = tempfile::Builder::new().prefix("build-").tempdir_in(&folder)?;
    let image = julia.our_image(&context.tools, PARTIAL, "", aside.path(), &name)?;
    fs::rename(&image.file, &file)?;
    Ok(file)
}

/// A file of tests with Julia's own image, and with ours if it passes there.
fn judge(
    julia: &Julia,
    context: &Context,
    runs: &[Run],
    file: &str,
    progress: &Progress,
) -> Result<Findings> {
    progress.step(file);
    let mut findings = Findings::default();
    let mut tally = Tally::new(&format!("{NAME}/{file}"));
    let mut expected = 0;
    for run in runs {
        let (said, command) = said(julia, context, run, file)?;
        let ours = run.image.is_some();
        match said {
            Said::Passed { passed, broken } if !ours || passed >= expected => {
                expected = if ours { expected } else { passed };
                let with_clones = run.image.as_ref().is_some_and(|(_, target)| *target > 0);
                tally.add_tests(LEVEL, &run.name, passed, broken, with_clones);
            }
            Said::Failed(what) if !ours => {
                let key = (format!("{NAME}/{file}"), file.to_string(), LEVEL.to_string());
                let reason = what.lines().next().unwrap_or("fails").to_string();
                findings.unlisted.push((key, reason));
                tally.add(LEVEL, &run.name, Outcome::Unsupported, false);
                break;
            }
            said => {
                let what = match said {
                    Said::Passed { passed, .. } => format!("{passed} tests pass, expected {expected}"),
                    Said::Failed(what) => what,
                };
                tally.add(LEVEL, &run.name, Outcome::Failed, false);
                findings.failures.push(Failure {
                    suite: NAME.into(),
                    test: file.into(),
                    level: LEVEL.into(),
                    target: run.name.clone(),
                    what: format!("{}\n{command}", shorten(&what)),
                });
            }
        }
    }
    findings.rows = tally.rows();
    Ok(findings)
}

/// What a run says, and its command. That of Julia's own image is kept for good, that of ours as `--resume` says.
fn said(julia: &Julia, context: &Context, run: &Run, file: &str) -> Result<(Said, String)> {
    let tests = julia.tests();
    let mut command = match &run.image {
        None => julia.command(),
        Some((image, target)) => {
            let mut command = julia.with_image(image);
            command.env("JL_LOAD_TARGET", target.to_string());
            command
        }
    };
    command.args(["--check-bounds=yes", "runtests.jl", SEED, file]).current_dir(&tests);
    // One process, but for tests that start more.
    command.env("JULIA_CPU_THREADS", "1").env("JULIA_NUM_THREADS", "1");
    let text = shell_text(&command);
    let source = fs::read(tests.join(format!("{file}.jl"))).unwrap_or_default();
    let (kept, may_use) = match run.image {
        None => (&context.references, true),
        Some(_) => (&context.passed, context.options.resume),
    };
    let key = kept.key_of(&[text.as_bytes(), &source]);
    let known = kept.get(&key).filter(|_| may_use).and_then(|text| Said::parse(&text));
    if let Some(said) = known {
        return Ok((said, text));
    }
    // Depots with compiled packages belong to one image.
    let home = context.work_folder()?;
    let said = match run_within(command.env("HOME", home.path()), LIMIT) {
        Ok(ran) => read(&ran.all_output(), ran.status.success()),
        Err(error) => Said::Failed(error.to_string()),
    };
    if run.image.is_none() || matches!(said, Said::Passed { .. }) {
        kept.put(&key, &said.to_text())?;
    }
    Ok((said, text))
}

impl Said {
    fn to_text(&self) -> String {
        match self {
            Said::Passed { passed, broken } => json!({ "passed": passed, "broken": broken }).to_string(),
            Said::Failed(what) => json!({ "failed": shorten(what) }).to_string(),
        }
    }

    fn parse(text: &str) -> Option<Said> {
        let value: Value = serde_json::from_str(text).ok()?;
        if let Some(what) = value.get("failed") {
            return Some(Said::Failed(what.as_str()?.into()));
        }
        let number = |name: &str| usize::try_from(value.get(name)?.as_u64()?).ok();
        Some(Said::Passed { passed: number("passed")?, broken: number("broken")? })
    }
}

/// Reads what `runtests.jl` prints at its end:
/// ```text
/// Test Summary: | Pass  Broken  Total
///   Overall     |   65       1     66
///     SUCCESS
/// ```
fn read(output: &str, success: bool) -> Said {
    let failed = |why: &str| Said::Failed(format!("{why}\n{}", last_lines(output)));
    if !success || !output.contains("SUCCESS") {
        return failed(&first_failure(output).unwrap_or_else(|| "does not come to its end".into()));
    }
    let lines: Vec<&str> = output.lines().collect();
    let Some(at) = lines.iter().rposition(|line| line.trim_start().starts_with("Overall")) else {
        return failed("has no summary");
    };
    let words = |line: &str| -> Vec<String> {
        line.split_once('|').map_or("", |(_, cells)| cells).split_whitespace().map(str::to_string).collect()
    };
    let heads = lines[..at].iter().rev().find(|line| line.starts_with("Test Summary:"));
    let (heads, cells) = (heads.map_or(Vec::new(), |line| words(line)), words(lines[at]));
    let column = |name: &str| {
        let index = heads.iter().position(|head| head == name);
        index.and_then(|index| cells.get(index)?.parse().ok()).unwrap_or(0)
    };
    Said::Passed { passed: column("Pass"), broken: column("Broken") }
}

/// The first line that says what went wrong, without places in files and folders.
fn first_failure(output: &str) -> Option<String> {
    let line = output.lines().find(|line| {
        ["Test Failed", "Error During Test", "signal (", "ERROR:", "julienne:"]
            .iter()
            .any(|sign| line.contains(sign))
    })?;
    Some(line.split(" at /").next().unwrap_or(line).trim().into())
}

fn last_lines(text: &str) -> String {
    const LINES: usize = 25;
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// One line for each file: what passes from each image.
pub fn table(rows: &[Row]) -> Table {
    let mut columns = vec![OWN];
    columns.extend(PARTIAL.split(';'));
    let mut heads = vec!["file"];
    heads.extend(&columns);
    let mut files: BTreeMap<&str, BTreeMap<&str, String>> = BTreeMap::new();
    let mut all: BTreeMap<&str, usize> = BTreeMap::new();
    let prefix = format!("{NAME}/");
    for row in rows {
        let Some(file) = row.suite.strip_prefix(&prefix) else { continue };
        let counts = row.counts;
        let cell = match (counts.passed, counts.failed, counts.unsupported) {
            (passed, 0, 0) => passed.to_string(),
            (passed, 0, broken) if passed > 0 => format!("{passed}, {broken} broken"),
            (_, 0, _) => "does not pass".into(),
            _ => "FAILED".into(),
        };
        *all.entry(&row.target).or_default() += counts.passed;
        files.entry(file).or_default().insert(&row.target, cell);
    }
    let mut table = Table::new(&heads);
    for (file, cells) in files {
        let cell = |column: &&str| cells.get(*column).cloned().unwrap_or_default();
        table.row([file.to_string()].into_iter().chain(columns.iter().map(cell)).collect());
    }
    let total = |column: &&str| all.get(*column).copied().unwrap_or(0).to_string();
    table.row(["all".to_string()].into_iter().chain(columns.iter().map(total)).collect());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSES: &str =
        "\nTest Summary: | Pass  Broken  Total\n  Overall     |   65       1     66\n    SUCCESS\n";

    #[test]
    fn summaries_of_julias_tests() {
        assert_eq!(read(PASSES, true), Said::Passed { passed: 65, broken: 1 });
        let none = PASSES.replace("  Broken", "").replace("       1", "");
        assert_eq!(read(&none, true), Said::Passed { passed: 65, broken: 0 });
        assert!(matches!(read(PASSES, false), Said::Failed(_)));
        let failed = "x: Test Failed at /a/b.jl:3\n";
        assert!(matches!(read(failed, true), Said::Failed(what) if what.starts_with("x: Test Failed\n")));
    }

    #[test]
    fn what_is_said_survives_writing_and_reading() {
        for said in [Said::Passed { passed: 2, broken: 1 }, Said::Failed("so".into())] {
            assert_eq!(Said::parse(&said.to_text()), Some(said));
        }
        assert_eq!(Said::parse("{"), None);
    }

    #[test]
    fn files_with_a_reason_are_not_run() {
        assert_eq!(files("# c\ncore\nspawn: takes long\n\nstrings/io\n").unwrap(), ["core", "strings/io"]);
        assert!(files("core worlds\n").is_err());
    }

    #[test]
    fn the_table_has_a_line_for_each_file() {
        let row = |target: &str, passed, failed| Row {
            suite: "julia/core".into(),
            level: LEVEL.into(),
            target: target.into(),
            counts: super::super::findings::Counts { passed, failed, unsupported: 0, with_clones: 0 },
        };
        let text = table(&[row(OWN, 3, 0), row("generic", 3, 0), row("haswell", 0, 1)]).to_string();
        let line: Vec<&str> =
            text.lines().find(|l| l.contains("core")).unwrap().split('|').map(str::trim).collect();
        assert_eq!(line[1..5], ["core", "3", "3", "FAILED"]);
    }
}
