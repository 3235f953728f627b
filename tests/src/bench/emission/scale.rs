//! From measured shards to more cores and machines.

use super::inputs::Input;
use super::plot::{self, Series};
use super::profile::Profile;
use super::runs::{Builder, Emission, TARGETS};
use super::simulate::{self, NETWORK};
use crate::bench::progress::Progress;
use crate::bench::table::Table;
use anyhow::{Context, Result};
use plotters::style::RGBColor;
use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The plan's own weight of a shard in the middle.
const WEIGHTS: [u64; 3] = [4096, 16_384, 65_536];
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
const CORES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const MACHINES: [usize; 5] = [1, 2, 4, 8, 16];
const CORES_OF_A_MACHINE: usize = 4;

/// A target set's name and its profiles, by weight.
pub struct Scale {
    input: String,
    sets: Vec<(&'static str, Vec<Profile>)>,
}

/// Runs one emission for each weight and target set.
pub fn measure(builder: &Builder, input: &Input) -> Result<Scale> {
    let sets = [("default clones", ""), ("clone_all", ",clone_all")];
    let progress = Progress::new(sets.len() * WEIGHTS.len());
    // What all of them begin with, once.
    let simplified = builder.folder.join("simplified.bc");
    let simplification = builder.simplify(input.baseline(), &simplified)?;
    let mut measured = Vec::new();
    for (name, flags) in sets {
        let targets: Vec<String> = TARGETS.split(';').map(|t| format!("{t}{flags}")).collect();
        let mut profiles = Vec::new();
        for weight in WEIGHTS {
            progress.step(&format!("shards of {weight}, {name}"));
            let mut profile = profile(builder, &simplified, &targets.join(";"), weight)?;
            profile.serial += simplification.cpu;
            profiles.push(profile);
        }
        measured.push((name, profiles));
    }
    Ok(Scale { input: input.name.clone(), sets: measured })
}

fn profile(builder: &Builder, simplified: &Path, targets: &str, weight: u64) -> Result<Profile> {
    let options = format!(";shard-weight={weight}");
    let as_bitcode = Emission {
        targets: targets.into(),
        options: format!("{options};form=unopt-bc"),
        threads: 2,
        ..Emission::default()
    };
    builder.emit(simplified, &as_bitcode)?;
    let bitcode = builder.member_sizes()?;
    let trace = builder.folder.join("trace.json");
    let whole =
        Emission { targets: targets.into(), options, trace: Some(trace.clone()), ..Emission::default() };
    let usage = builder.emit(simplified, &whole)?;
    let trace = fs::read(&trace).with_context(|| format!("no {}", trace.display()))?;
    Profile::new(&trace, usage.cpu, &bitcode, &builder.member_sizes()?)
}

impl Scale {
    /// The text; draws the plot.
    pub fn write(&self, plot: &Path) -> Result<String> {
        let file = plot.file_name().context("the plot has no file name")?.to_string_lossy();
        let mut text = format!(
            "#### More cores and machines: a simulation\n\n{} for four targets, by the CPU seconds of each shard and part on one \
             thread, scheduled as the queue does it: the longest first, on the core that is free first. `serial` is what one thread \
             does for the whole module (reading, simplifying, annotating, partitioning, writing bitcode and archive). Speed-up \
             is against one core at the same shard weight; `rest` leaves out what is serial.\n\n",
            self.input
        );
        writeln!(text, "{}", self.shards())?;
        writeln!(text, "{}", self.cores())?;
        writeln!(text, "![speed-up against cores]({file})\n")?;
        writeln!(
            text,
            "The same on machines of {CORES_OF_A_MACHINE} cores, each shard one job on one core: {:.0} ms of latency for a job on the machine \
             that distributes, {:.0} ms elsewhere; bitcode goes out and objects come back over its link of {:.0} Gbit/s, one \
             after the other.\n\n{}",
            NETWORK.local_latency * 1e3,
            NETWORK.remote_latency * 1e3,
            NETWORK.bytes_per_second * 8e-9,
            self.machines()
        )?;
        plot::draw(plot, &self.panels())?;
        Ok(text)
    }

    fn each(&self) -> impl Iterator<Item = (&'static str, u64, &Profile)> {
        self.sets.iter().flat_map(|(set, profiles)| {
            profiles.iter().zip(WEIGHTS).map(|(profile, weight)| (*set, weight, profile))
        })
    }

    fn shards(&self) -> Table {
        let mut table = Table::new(&[
            "targets",
            "shard weight",
            "shards",
            "serial, s",
            "rest, s",
            "of it apart and together, s",
            "longest part, s",
            "bitcode out, MB",
            "objects back, MB",
        ]);
        for (set, weight, profile) in self.each() {
            let overhead: f64 = profile.shards.iter().map(|s| s.extract + s.split + s.compose).sum();
            let bytes = |of: fn(&super::profile::Shard) -> u64| profile.shards.iter().map(of).sum::<u64>();
            table.row(vec![
                set.into(),
                weight.to_string(),
                profile.shards.len().to_string(),
                format!("{:.1}", profile.serial),
                format!("{:.1}", profile.parallel()),
                format!("{overhead:.1}"),
                format!("{:.2}", profile.longest_part()),
                format!("{:.1}", bytes(|s| s.bitcode_bytes) as f64 * 1e-6),
                format!("{:.1}", bytes(|s| s.object_bytes) as f64 * 1e-6),
            ]);
        }
        table
    }

    fn cores(&self) -> Table {
        self.speedups(&CORES.map(|n| (n, n.to_string())), simulate::threads)
    }

    fn machines(&self) -> Table {
        let name = |n| format!("{n} machine{}", if n == 1 { "" } else { "s" });
        self.speedups(&MACHINES.map(|n| (n, name(n))), |profile, machines| {
            simulate::machines(profile, machines, CORES_OF_A_MACHINE, NETWORK)
        })
    }

    /// A column for each size, with its name: how many times faster all of it is, and what is not serial. `time` is in
    /// seconds.
    fn speedups(&self, sizes: &[(usize, String)], time: impl Fn(&Profile, usize) -> f64) -> Table {
        let mut head = vec!["targets", "shard weight"];
        head.extend(sizes.iter().map(|(_, name)| name.as_str()));
        let mut table = Table::new(&head);
        for (set, weight, profile) in self.each() {
            let mut row = vec![set.to_string(), weight.to_string()];
            row.extend(sizes.iter().map(|(size, _)| {
                let time = time(profile, *size);
                let (all, rest) = (profile.total() / time, profile.parallel() / (time - profile.serial));
                format!("{all:.2} (rest {rest:.1})")
            }));
            table.row(row);
        }
        table
    }

    /// The whole build in full lines, what is not serial in dashed ones.
    fn panels(&self) -> Vec<(&'static str, Vec<Series>)> {
        let lines = |profiles: &[Profile]| {
            let mut series = Vec::new();
            for ((profile, weight), color) in profiles.iter().zip(WEIGHTS).zip(COLORS) {
                let rest = Profile { serial: 0.0, ..profile.clone() };
                for (profile, what, dashed) in
                    [(profile, "", false), (&rest, ", without the serial part", true)]
                {
                    let speed_up = |cores: usize| profile.total() / simulate::threads(profile, cores);
                    series.push(Series {
                        label: format!("shards of {weight}{what}"),
                        color,
                        dashed,
                        points: (1..=64).map(|cores| (cores as f64, speed_up(cores))).collect(),
                    });
                }
            }
            series
        };
        self.sets.iter().map(|(set, profiles)| (*set, lines(profiles))).collect()
    }
}
