//! Run time of what was emitted in shards, against the same code compiled whole.

use super::inputs::Input;
use super::runs::{Builder, Emission, TARGETS};
use crate::bench::build::{Unit, build};
use crate::bench::libraries::Plan;
use crate::bench::measure::{Spread, interleave, paired};
use crate::command::run_ok;
use crate::host;
use crate::tools::CLANG;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: usize = 10;
/// Random orders of the functions, beside the one that linking gives: where code comes to lie is worth some percent by
/// itself, more than what is asked about.
const LAYOUTS: u32 = 6;
/// What this machine probably runs by default, and what all run.
const FORCED: [&str; 2] = ["x86-64", "x86-64-v3"];

/// What is compared, and the ratio of the times: above 1 the shards are slower.
pub fn measure(
    builder: &Builder,
    plan: &Plan,
    input: &Input,
    corpus: &Path,
) -> Result<Vec<(String, Spread)>> {
    build(std::slice::from_ref(&plan.driver))?;
    let whole = layouts(builder, plan, "whole", &whole(builder, plan)?)?;
    builder.emit(input.baseline(), &Emission { threads: 2, ..Emission::default() })?;
    let shards = layouts(builder, plan, "shards", &builder.archive())?;
    let images: Vec<&Unit> = whole.iter().chain(&shards).collect();
    let mut rows = Vec::new();
    for (target, name) in TARGETS.split(';').enumerate() {
        if !FORCED.contains(&name) || !host::can_run(name) {
            continue;
        }
        let what = format!("run time of {} at {name}, against the unsplit build", input.name);
        let samples = interleave(&what, ROUNDS, &images, |image| plan.run(image, corpus, Some(target)))?;
        let workload = samples[0][0].workloads.keys().next().context("no workload")?.clone();
        let expected = &samples[0][0].workloads[&workload].checksum;
        let same = samples.iter().flatten().all(|s| s.workloads[&workload].checksum == *expected);
        ensure!(same, "the image in shards gives other results than the whole one");
        let times: Vec<Vec<f64>> =
            samples.iter().map(|s| s.iter().map(|r| r.workloads[&workload].seconds).collect()).collect();
        let (whole, shards) = times.split_at(whole.len());
        let ratio = |shards, whole| shards / whole;
        rows.push((
            format!("{what}, over {LAYOUTS} layouts"),
            paired(&sums(&shards[1..]), &sums(&whole[1..]), ratio),
        ));
        rows.push((format!("{what}, as linked"), paired(&shards[0], &whole[0], ratio)));
    }
    Ok(rows)
}

/// By round.
fn sums(times: &[Vec<f64>]) -> Vec<f64> {
    (0..ROUNDS).map(|round| times.iter().map(|image| image[round]).sum()).collect()
}

/// The image as it is linked, and then with its functions in each random order.
fn layouts(builder: &Builder, plan: &Plan, name: &str, input: &Path) -> Result<Vec<Unit>> {
    let image = |layout: u32| {
        let unit =
            Unit { output: builder.folder.join(format!("lib{name}-{layout}.so")), ..plan.builds[0].clone() };
        let mut link = Command::new(builder.tools.jl_cc());
        link.arg(format!("--jl-targets={TARGETS}")).arg("-Wl,--whole-archive").arg(input);
        link.arg("-Wl,--no-whole-archive").args(&unit.link_flags);
        if layout > 0 {
            link.arg(format!("-Wl,--shuffle-sections=.text*={layout}"));
        }
        run_ok(link.arg("-o").arg(&unit.output))?;
        Ok(unit)
    };
    (0..=LAYOUTS).map(image).collect()
}

/// By way of assembly, which is written of the module as it is: a large object would be taken apart.
fn whole(builder: &Builder, plan: &Plan) -> Result<PathBuf> {
    let unit = &plan.builds[0];
    let (assembly, object) = (builder.folder.join("whole.s"), builder.folder.join("whole.o"));
    let mut compile = Command::new(builder.tools.jl_cc());
    compile.arg(format!("--jl-targets={TARGETS}")).args(&unit.compile_flags);
    run_ok(compile.arg("-S").arg(&unit.sources[0]).arg("-o").arg(&assembly))?;
    run_ok(Command::new(CLANG).arg("-c").arg(&assembly).arg("-o").arg(&object))?;
    Ok(object)
}
