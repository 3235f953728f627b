//! How fast images start, and how fast code in them is.

use super::build::{Image, Julia};
use crate::bench::measure::{Spread, interleave, paired, spread};
use crate::command::run_ok;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::time::Instant;

/// For each image the time of `julia -e 0` in seconds, and its ratio to the first image's in the same round.
pub fn start(julia: &Julia, images: &[&Image], rounds: usize) -> Result<Vec<Spread>> {
    let times = interleave("start", rounds, images, |image| {
        let mut command = julia.with_image(&image.file);
        command.args(["-e", "0"]);
        let begun = Instant::now();
        run_ok(&mut command)?;
        Ok(begun.elapsed().as_secs_f64())
    })?;
    Ok(times.iter().flat_map(|own| [spread(own), paired(own, &times[0], |a, b| a / b)]).collect())
}

/// For each workload of `Numeric` the speed of `ours` at a target over that of `own`.
pub fn numeric(
    julia: &Julia,
    own: &Image,
    ours: &Image,
    target: usize,
    rounds: usize,
) -> Result<Vec<(String, Spread)>> {
    let variants = [(own, None), (ours, Some(target))];
    let runs = interleave("numeric code", rounds, &variants, |(image, target)| {
        let mut command = julia.with_image(&image.file);
        command.args(["-e", "Numeric.run()"]);
        if let Some(target) = target {
            command.env("JL_LOAD_TARGET", target.to_string());
        }
        times(&run_ok(&mut command)?.stdout)
    })?;
    let column =
        |run: &[BTreeMap<String, f64>], name: &str| -> Vec<f64> { run.iter().map(|r| r[name]).collect() };
    let names: Vec<String> = runs[0][0].keys().cloned().collect();
    Ok(names
        .into_iter()
        .map(|name| {
            let ratio = paired(&column(&runs[0], &name), &column(&runs[1], &name), |own, ours| own / ours);
            (name, ratio)
        })
        .collect())
}

/// Lines `WORKLOAD NANOSECONDS`.
fn times(text: &str) -> Result<BTreeMap<String, f64>> {
    let line = |line: &str| {
        let (name, time) = line.split_once(' ').with_context(|| format!("no time in '{line}'"))?;
        Ok((name.to_string(), time.parse()?))
    };
    let times: BTreeMap<String, f64> = text.lines().map(line).collect::<Result<_>>()?;
    if times.is_empty() {
        bail!("Numeric.run() printed nothing");
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn lines_of_workloads() {
        let found = times("sum-Float64 12\nsort 7\n").unwrap();
        assert_eq!(found["sum-Float64"], 12.0);
        assert_eq!(found.len(), 2);
        assert!(times("").is_err());
        assert!(times("sum\n").is_err());
    }
}
