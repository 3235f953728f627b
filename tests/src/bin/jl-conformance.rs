//! Suites that others wrote; `scripts/conformance` calls it.

use anyhow::Result;
use clap::Parser;
use std::process::ExitCode;
use tests::conformance::findings::{Findings, Row, table};
use tests::conformance::level::Level;
use tests::conformance::list::List;
use tests::conformance::platform::Platform;
use tests::conformance::{self, Context, Options};
use tests::tools::Tools;

/// Runs programs that others wrote, built by jl-cc, at every target; compares with plain clang
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    /// Run only this suite; may be given more than once
    #[arg(long, value_name = "SUITE")]
    only: Vec<String>,
    /// Only these levels, separated by commas
    #[arg(long, value_enum, value_delimiter = ',')]
    levels: Vec<Level>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// The short selection that scripts/test runs
    #[arg(long)]
    short: bool,
    /// Tests at a time [default: one for each CPU]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// What to build for and run on
    #[arg(long, value_enum, default_value = "x86-64")]
    arch: Platform,
    /// Count what passed in an earlier run with the same tools as run: to go on after an interruption
    #[arg(long)]
    resume: bool,
    /// Put the table into CONFORMANCE.md, and what plain clang does not pass into
    /// tests/conformance/unsupported.txt
    #[arg(long)]
    write: bool,
    /// Name the suites and end
    #[arg(long)]
    list: bool,
}

const EXAMPLES: &str = "\
Examples:
  jl-conformance                                         everything: about an hour on two CPUs
  jl-conformance --short                                 what scripts/test runs
  jl-conformance --only gcc-execute --levels O2,LTO
  jl-conformance --only gcc-execute --filter pr3         tests with pr3 in their name

The exit status is 0 when nothing that plain clang passes failed. What shows a failure is kept in
target/conformance/failures until the next run.";

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("jl-conformance: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well.
fn run(arguments: Arguments) -> Result<bool> {
    let Arguments { only, levels, filter, short, jobs, arch, resume, write, list } = arguments;
    if list {
        for suite in conformance::suites() {
            println!("{:12} {}", suite.name(), suite.about());
        }
        return Ok(true);
    }
    let whole = only.is_empty() && filter.is_none() && !short;
    let is_only = |names: &[&str]| only.iter().eq(names) && filter.is_none() && !short;
    let only_julia = is_only(&[conformance::julia::NAME]);
    let only_packages = is_only(&conformance::packages::NAMES);
    let options = Options { only, levels, filter, short, jobs, platform: arch, progress: true, resume };
    let context = Context::new(Tools::find()?, options, &conformance::cache_folder()?)?;
    let findings = conformance::run(&context)?;
    report(&findings, &context);
    if write {
        // Read again: another run may have written it meanwhile.
        let mut list = List::read()?;
        list.update(&findings.ran, &findings.unsupported);
        list.write()?;
        if whole {
            conformance::document::write(&findings, &context)?;
        } else if only_julia {
            conformance::document::write_julia(&findings, &context)?;
        } else if only_packages {
            conformance::document::write_packages(&findings, &context)?;
        } else {
            eprintln!(
                "CONFORMANCE.md is not written: this was not a run of all suites, nor of Julia's tests, nor of both of packages."
            );
        }
    }
    Ok(findings.is_clean())
}

/// The table on standard output, and the generated tests that plain clang does not pass either; what went wrong on standard error, before it.
fn report(findings: &Findings, context: &Context) {
    for failure in &findings.failures {
        let conformance::findings::Failure { suite, test, level, target, what } = failure;
        eprintln!("FAILED {suite} {test} at {level}, {target}: {what}\n");
    }
    for complaint in &findings.complaints {
        eprintln!("WRONG {complaint}");
    }
    let (julia, others): (Vec<Row>, Vec<Row>) =
        findings.rows.iter().cloned().partition(|row| row.suite.starts_with(conformance::julia::NAME));
    let (packages, others): (Vec<Row>, Vec<Row>) =
        others.into_iter().partition(|row| conformance::packages::is_one(&row.suite));
    if !others.is_empty() {
        print!("{}", table(&others));
    }
    if !packages.is_empty() {
        print!("{}", conformance::packages::table(&packages));
    }
    if !julia.is_empty() {
        print!("{}", conformance::julia::table(&julia));
    }
    print!("{}", findings.unlisted_text());
    if !findings.failures.is_empty() {
        eprintln!("What shows the failures: {}", context.folder.join("failures").display());
    }
}
