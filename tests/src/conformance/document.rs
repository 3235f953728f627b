//! CONFORMANCE.md: the table with its date and versions.

use super::findings::{Findings, table};
use super::{Context, first_line, julia, packages};
use crate::bench::{machine, replace_between};
use crate::tools::workspace;
use anyhow::{Context as _, Result};
use clap::ValueEnum;
use std::fs;

const END: &str = "<!-- end of what scripts/conformance writes -->\n";

/// The line before a platform's table.
fn begin(context: &Context) -> String {
    let platform = context.platform.to_possible_value();
    let name = platform.as_ref().map_or("?", |value| value.get_name());
    format!("<!-- scripts/conformance --arch {name} --write replaces what stands here -->\n")
}

/// The line before the table of Julia's tests.
const BEGIN_JULIA: &str = "<!-- scripts/conformance --only julia --write replaces what stands here -->\n";

/// The line before the table of programs above common images.
const BEGIN_PACKAGES: &str = "<!-- scripts/conformance --only packages-opt --only packages-link --write replaces what stands here -->\n";

/// Puts a run's table between the marks.
pub fn write(findings: &Findings, context: &Context) -> Result<()> {
    replace(&begin(context), &text(findings, context))
}

/// The same for a run of Julia's tests.
pub fn write_julia(findings: &Findings, context: &Context) -> Result<()> {
    replace(BEGIN_JULIA, &julia_text(findings, context))
}

/// The same for a run of both suites of packages.
pub fn write_packages(findings: &Findings, context: &Context) -> Result<()> {
    replace(BEGIN_PACKAGES, &packages_text(findings, context))
}

fn replace(begin: &str, text: &str) -> Result<()> {
    let path = workspace().join("CONFORMANCE.md");
    let old = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = replace_between(&old, begin, END, text)
        .with_context(|| format!("{} lacks the lines\n{begin}{END}", path.display()))?;
    let aside = path.with_extension("new");
    fs::write(&aside, new).with_context(|| format!("cannot write {}", aside.display()))?;
    fs::rename(&aside, &path).with_context(|| format!("cannot write {}", path.display()))
}

fn text(findings: &Findings, context: &Context) -> String {
    let tools = format!(
        "- {}; Debian {}\n- gcc-12-source {}; csmith {}\n",
        first_line("rustc", &["--version"]),
        fs::read_to_string("/etc/debian_version").unwrap_or_default().trim(),
        version("gcc-12-source"),
        version("csmith"),
    );
    report(findings, context, context.platform.targets(), &tools, &table(&findings.rows).to_string())
}

fn packages_text(findings: &Findings, context: &Context) -> String {
    let tools = format!("- gcc-12-source {}\n", version("gcc-12-source"));
    let table = packages::table(&findings.rows).to_string();
    report(findings, context, context.platform.targets(), &tools, &table)
}

fn julia_text(findings: &Findings, context: &Context) -> String {
    let unsupported = match findings.unlisted_text() {
        text if text.is_empty() => text,
        text => format!("\nNot from Julia's own image either:\n\n```text\n{text}```\n"),
    };
    let table = format!("{}{unsupported}", julia::table(&findings.rows));
    report(findings, context, crate::bench::julia::PARTIAL, "", &table)
}

/// Of a Debian package.
fn version(package: &str) -> String {
    first_line("dpkg-query", &["-W", "-f", "${Version}", package])
}

/// When, where and with what a run was, and what came of it.
fn report(findings: &Findings, context: &Context, targets: &str, tools: &str, table: &str) -> String {
    let failed: usize = findings.rows.iter().map(|r| r.counts.failed).sum();
    format!(
        "Run on {} at {}; targets `{targets}`.\n\n{}{tools}\n{table}\nFailures of ours: {failed}.\n",
        first_line("date", &["-u", "+%Y-%m-%d"]),
        context.commit,
        machine::describe(),
    )
}
