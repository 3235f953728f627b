//! A noinline callee that is cloned with its caller.

use super::build::{Unit, Variant, build, our_source, strings};
use super::measure::{interleave, median, paired};
use super::table::Table;
use crate::command::run_ok;
use crate::tools::Tools;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

const TARGETS: &str = "x86-64,clone_all;x86-64-v3,clone_all";
const NOINLINE: &str = "-DFUNCTION=__attribute__((noinline))";
const TARGET_CLONES: &str = "-DFUNCTION=__attribute__((target_clones(\"default\",\"arch=x86-64-v3\")))";
const ROUNDS: usize = 21;

pub const LEGEND: &str = "\
ns per call, medians. `image : v3` compares the image with the same noinline code built by clang with \
-march=x86-64-v3: a ratio of times (below 1: the image is faster) with its quartiles. clang refuses \
target_clones together with noinline, so its column has plain functions, and so has the x86-64 column that \
it must be compared with.";

/// As in the table's head.
const INLINABLE: usize = 0;
const V3: usize = 2;
const IMAGE: usize = 3;
const CLONES: usize = 4;

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let variants = [
        Variant::plain("x86-64").with_flags("calls-inlinable", &[]),
        Variant::plain("x86-64").with_flags("calls-x86-64", &[NOINLINE]),
        Variant::plain("x86-64-v3").with_flags("calls-x86-64-v3", &[NOINLINE]),
        Variant::image(tools, Some(TARGETS)).with_flags("calls-image", &[NOINLINE]),
        Variant::plain("x86-64").with_flags("calls-target-clones", &[TARGET_CLONES]),
    ];
    let units = variants.map(|variant| Unit {
        name: "calls".into(),
        output: folder.join(&variant.label),
        variant,
        sources: vec![our_source("bench.d/calls.c")],
        compile_flags: strings(&["-O3"]),
        link_flags: strings(&["-fuse-ld=lld"]),
    });
    build(&units)?;

    let mut table = Table::new(&[
        "callee",
        "x86-64, inlinable",
        "x86-64",
        "x86-64-v3",
        "image",
        "target_clones",
        "image : v3",
        "target_clones : x86-64, inlinable",
    ]);
    for (argument, what) in
        [("block", "a loop over 64 elements"), ("element", "one element, no loop of its own")]
    {
        let samples = interleave(what, ROUNDS, &units, |unit| run(unit, argument))?;
        let checksum = &samples[0][0].1;
        for (unit, samples) in units.iter().zip(&samples) {
            if let Some(other) = samples.iter().find(|s| s.1 != *checksum) {
                bail!("{} gives {}, expected {checksum}", unit.variant.label, other.1);
            }
        }
        let times: Vec<Vec<f64>> = samples.iter().map(|s| s.iter().map(|r| r.0).collect()).collect();
        let mut row = vec![what.to_string()];
        row.extend(times.iter().map(|t| format!("{:.3}", median(t))));
        row.push(paired(&times[IMAGE], &times[V3], |a, b| a / b).show(3));
        row.push(paired(&times[CLONES], &times[INLINABLE], |a, b| a / b).show(1));
        table.row(row);
    }
    Ok(table)
}

/// Nanoseconds per call, and the checksum.
fn run(unit: &Unit, argument: &str) -> Result<(f64, String)> {
    let ran = run_ok(Command::new(&unit.output).arg(argument))?;
    parse(&ran.stdout).with_context(|| format!("no measurement in the output of {}", ran.describe()))
}

/// A number and a checksum, as the programs in `scripts/bench.d` print them.
pub fn parse(text: &str) -> Option<(f64, String)> {
    let (number, checksum) = text.trim().split_once(' ')?;
    Some((number.parse().ok()?, checksum.to_string()))
}
