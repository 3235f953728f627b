//! The time to load an image, against a plain shared object with the same functions.

use super::build::{Unit, Variant, build, our_source, strings};
use super::measure::{interleave, median, paired};
use super::table::Table;
use crate::command::run_ok;
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: &str = "x86-64,clone_all;x86-64-v3,clone_all";
const FUNCTIONS: [usize; 3] = [1_000, 10_000, 100_000];
const PER_FILE: usize = 5_000;

pub const LEGEND: &str = "\
dlopen with RTLD_NOW of a shared object that exports so many functions, each cloned for x86-64 and x86-64-v3, in \
a fresh process each; `difference` is the median, with quartiles, of the differences within one round.";

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let driver = Unit {
        name: "load".into(),
        variant: Variant::plain("x86-64"),
        sources: vec![our_source("bench.d/load.c")],
        compile_flags: strings(&["-O2"]),
        link_flags: strings(&["-fuse-ld=lld"]),
        output: folder.join("load-driver"),
    };
    let mut units = vec![driver];
    for functions in FUNCTIONS {
        let sources = generate(folder, functions)?;
        for variant in [Variant::plain("x86-64"), Variant::image(tools, Some(TARGETS))] {
            units.push(Unit {
                name: format!("{functions} functions"),
                output: folder.join(format!("libload-{functions}-{}.so", variant.label)),
                variant,
                sources: sources.clone(),
                compile_flags: strings(&["-O1", "-fPIC"]),
                link_flags: strings(&["-shared", "-fuse-ld=lld", "-Wl,-z,now"]),
            });
        }
    }
    build(&units)?;

    let mut table = Table::new(&["functions", "plain, us", "image, us", "difference, us", "ns per slot"]);
    for (functions, pair) in FUNCTIONS.into_iter().zip(units[1..].chunks(2)) {
        let rounds = if functions < 100_000 { 101 } else { 51 };
        let samples = interleave(&format!("load {functions} functions"), rounds, pair, |unit| {
            let ran = run_ok(Command::new(&units[0].output).arg(&unit.output))?;
            ran.stdout.trim().parse::<f64>().with_context(|| format!("no number from {}", ran.describe()))
        })?;
        let difference = paired(&samples[1], &samples[0], |image, plain| image - plain);
        table.row(vec![
            functions.to_string(),
            format!("{:.0}", median(&samples[0]) / 1e3),
            format!("{:.0}", median(&samples[1]) / 1e3),
            difference.scaled(1e-3).show(1),
            difference.scaled(1.0 / functions as f64).show(1),
        ]);
    }
    Ok(table)
}

/// Functions whose code differs between the levels (a shift by a variable is `shrx` from v3 on), so that
/// their clones are not folded.
fn generate(folder: &Path, functions: usize) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for first in (0..functions).step_by(PER_FILE) {
        let mut text = String::new();
        for i in first..functions.min(first + PER_FILE) {
            writeln!(text, "unsigned f{i}(unsigned a, unsigned b) {{ return (a >> (b & 31)) + {i}; }}")?;
        }
        let path = folder.join(format!("load-{functions}-{first}.c"));
        // Unchanged files keep their date, and what was built from them stays good.
        if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            fs::write(&path, text)?;
        }
        files.push(path);
    }
    Ok(files)
}
