//! Julia's own system image, built for several targets by Julia and by the tools under test.
//!
//! All builds start from the same state and hold the same code, and everything is of one run. Julia generates code on one
//! thread; ours takes two.

pub mod build;
mod speed;

use super::measure::Spread;
use super::progress::Progress;
use super::table::Table;
use crate::command::run_ok;
use crate::tools::{Tools, in_tests};
use anyhow::{Result, ensure};
use build::{Image, Julia};
use std::fmt::Write;
use std::path::Path;

/// Every list in Julia's grammar, for both sides alike.
pub const PARTIAL: &str = "generic;haswell;skylake-avx512";
const WHOLE: &str = "generic;haswell,clone_all;skylake-avx512,clone_all";
const SINGLE: &str = "haswell";
/// The target of ours that the single one is compared with.
const SINGLE_INDEX: usize = 1;

const START_ROUNDS: usize = 15;
const NUMERIC_ROUNDS: usize = 5;

/// What is built, in this order.
struct Images {
    single: Image,
    partial: [Image; 2],
    whole: [Image; 2],
}

/// All numbers, as text in Markdown.
///
/// # Errors
/// Julia is not there, a build fails, or an image of ours does not do what Julia's does at each target.
pub fn measure(tools: &Tools, folder: &Path) -> Result<String> {
    let julia = Julia::find()?;
    let folder = folder.join("julia");
    std::fs::create_dir_all(&folder)?;
    let images = build(&julia, tools, &folder)?;
    let mut text = String::new();
    writeln!(text, "{}\n{BUILD_LEGEND}\n", builds(&images))?;
    for image in [&images.partial[1], &images.whole[1]] {
        check(&julia, &images.single, image)?;
    }
    writeln!(text, "{CHECKED}\n")?;
    let start = speed::start(&julia, &[&images.single, &images.partial[1], &images.whole[1]], START_ROUNDS)?;
    writeln!(text, "{}", starts(&start))?;
    let numeric = speed::numeric(&julia, &images.single, &images.partial[1], SINGLE_INDEX, NUMERIC_ROUNDS)?;
    writeln!(text, "{}\n{NUMERIC_LEGEND}", numerics(&numeric))?;
    Ok(text)
}

const BUILD_LEGEND: &str = "Seconds from Julia's state to an image that boots, of all steps together, with two threads for \
    ours; memory is that of the largest process; code is what the executable sections hold. `own` is Julia's build for \
    the same list; what is below 1 is less than it takes.";
const CHECKED: &str = "At each of its targets each image of ours gives the output of Julia's own for a script with \
    exceptions, stack traces, signals, a profile, tasks, threads and the collector, regular expressions and big numbers \
    (`tests/julia/check.jl`).";
const NUMERIC_LEGEND: &str = "Code compiled into the images (`tests/julia/numeric.jl`); the haswell clones of ours, forced, \
    against Julia's image for haswell alone; above 1 ours is faster. Medians with quartiles.";

fn build(julia: &Julia, tools: &Tools, folder: &Path) -> Result<Images> {
    let progress = Progress::new(5);
    progress.step(&format!("Julia builds for {SINGLE}"));
    let single = julia.own_image(SINGLE, folder, "single")?;
    let pair = |targets: &str, options: &str, name: &str| -> Result<[Image; 2]> {
        progress.step(&format!("Julia builds for {targets}"));
        let own = julia.own_image(targets, folder, &format!("{name}-own"))?;
        progress.step(&format!("our tools build for {targets}"));
        Ok([own, julia.our_image(tools, targets, options, folder, name)?])
    };
    Ok(Images { single, partial: pair(PARTIAL, "", "partial")?, whole: pair(WHOLE, "", "whole")? })
}

fn builds(images: &Images) -> Table {
    let mut table = Table::new(&[
        "targets",
        "built by",
        "wall s",
        "CPU s",
        "peak MiB",
        "code KiB",
        "wall / code / peak : own",
    ]);
    let mut row = |targets: &str, by: &str, image: &Image, own: Option<&Image>| {
        let peak = |image: &Image| image.peak() as f64 / 1024.0;
        let ratios = own.map_or("".into(), |own| {
            let code = image.code as f64 / own.code as f64;
            format!("{:.2} / {code:.2} / {:.2}", image.wall() / own.wall(), peak(image) / peak(own))
        });
        let steps: Vec<String> =
            image.steps.iter().map(|(name, usage)| format!("{name} {:.1}", usage.wall)).collect();
        table.row(vec![
            format!("`{targets}`"),
            by.into(),
            format!("{:.1} ({})", image.wall(), steps.join(", ")),
            format!("{:.1}", image.cpu()),
            format!("{:.0}", peak(image)),
            (image.code / 1024).to_string(),
            ratios,
        ]);
    };
    row(SINGLE, "Julia", &images.single, None);
    for (targets, [own, ours]) in [(PARTIAL, &images.partial), (WHOLE, &images.whole)] {
        row(targets, "Julia", own, None);
        row(targets, "Julienne", ours, Some(own));
    }
    table
}

/// Runs the script at every target and with Julia's own image: the same output.
fn check(julia: &Julia, own: &Image, ours: &Image) -> Result<()> {
    let run = |image: &Image, target: Option<usize>| -> Result<String> {
        let mut command = julia.with_image(&image.file);
        command.arg(in_tests("julia/check.jl")).env("JULIA_NUM_THREADS", "2");
        if let Some(target) = target {
            command.env("JL_LOAD_TARGET", target.to_string());
        }
        Ok(run_ok(&mut command)?.stdout)
    };
    let expected = run(own, None)?;
    for target in 0..PARTIAL.split(';').count() {
        let found = run(ours, Some(target))?;
        ensure!(
            found == expected,
            "{} at target {target} gives\n{found}\nbut Julia's own image\n{expected}",
            ours.file.display()
        );
    }
    Ok(())
}

fn starts(start: &[Spread]) -> String {
    let names = ["Julia's image for one target", "ours, partial clones", "ours, everything cloned"];
    let mut table = Table::new(&["image", "start to the prompt, ms", ": Julia's"]);
    for (name, pair) in names.iter().zip(start.chunks(2)) {
        table.row(vec![(*name).into(), pair[0].scaled(1e3).show(0), pair[1].show(3)]);
    }
    table.to_string()
}

fn numerics(numeric: &[(String, Spread)]) -> Table {
    let mut table = Table::new(&["workload", "speed, ours : Julia's"]);
    for (name, ratio) in numeric {
        table.row(vec![name.clone(), ratio.show(2)]);
    }
    table
}
