//! Emission in shards: what four targets cost, what is saved when little changed, and how it would go on more cores.

mod edit;
mod inputs;
mod plot;
mod profile;
mod quality;
mod runs;
mod scale;
mod simulate;

use super::corpus;
use super::libraries::Plan;
use super::measure::{Spread, interleave, median, paired, spread};
use super::sources::fetch;
use super::table::Table;
use super::usage::Usage;
use crate::tools::Tools;
use anyhow::Result;
use inputs::{Input, LEVELS};
use runs::{Builder, Emission, Warm};
use std::fmt::Write;
use std::path::Path;

const ROUNDS: usize = 3;

const LEGEND: &str = "\
All from bitcode as the front end leaves it, at -O3. A single-target build is `clang -O3 -c` of bitcode for that level, \
in one process; the one that others are compared with is x86-64's. Four targets are `opt -passes='jl-emit<O3;out=...>'` \
for `x86-64;x86-64-v2;x86-64-v3;x86-64-v4`, without the cache but in the rows of rebuilds. CPU time is user and system time of the \
process tree, peak memory the resident set of its largest process. A rebuild is compared with the full emission, both \
on two threads; a change is one constant in one function of middling length, and medians, quartiles and worst are over five \
functions. Run time is CPU time of the demo's queries: an image linked from \
`jl-emit`'s archive against one from an object that was compiled whole, both forced to one target; as linked, and over images of each whose functions stand in random orders (sums of the times), because where code comes to lie is worth some percent by itself. Ratios of one run, \
builds taking turns; medians with quartiles.";

/// The tables and the plot; the plot is written to `plot` and named in the text by its file name.
pub fn measure(tools: &Tools, folder: &Path, plot: &Path) -> Result<String> {
    let sources = fetch()?;
    let plan = Plan::named("SQLite", tools, folder, &sources)?;
    let corpus = corpus::collect(folder)?;
    let folder = folder.join("emission");
    std::fs::create_dir_all(&folder)?;
    let builder = Builder { tools, folder: &folder };
    let inputs = [inputs::sqlite(&plan, &folder)?, inputs::rust(&sources, &folder)?];

    let mut costs = Vec::new();
    for input in &inputs {
        let measured = Costs::measure(&builder, input)?;
        eprintln!("{}", measured.describe(input)?);
        costs.push(measured);
    }
    let quality = quality::measure(&builder, &plan, &inputs[0], &corpus)?;
    let scale = scale::measure(&builder, &inputs[0])?;

    let mut head = vec!["what".to_string(), "at most".into()];
    head.extend(inputs.iter().map(|i| i.name.clone()));
    let mut table = Table::new(&head.iter().map(String::as_str).collect::<Vec<_>>());
    for row in &ROWS {
        let mut cells = vec![row.what.to_string(), row.bound.map_or("-".into(), |b| format!("{b:.2}"))];
        cells.extend(costs.iter().map(|c| (row.value)(c)));
        table.row(cells);
    }
    for (what, spread) in &quality {
        table.row(vec![what.clone(), "1.01".into(), spread.show(3), "-".into()]);
    }
    let mut text = format!("{table}\n{LEGEND}\n\n");
    for (input, costs) in inputs.iter().zip(&costs) {
        writeln!(text, "{}\n", costs.describe(input)?)?;
    }
    text += &scale.write(plot)?;
    Ok(text)
}

/// The builds, each as often as there are rounds.
struct Costs {
    /// By level.
    singles: Vec<Vec<Usage>>,
    one_thread: Vec<Usage>,
    two_threads: Vec<Usage>,
    unchanged: Vec<Usage>,
    /// By round: a share of the functions.
    changed: Vec<Vec<Usage>>,
}

enum Build<'a> {
    Single(&'a Path),
    Full {
        threads: usize,
    },
    Unchanged,
    /// Each function in one of the rounds.
    Changed,
}

impl Costs {
    fn measure(builder: &Builder, input: &Input) -> Result<Costs> {
        let warm = Warm::new(builder, input)?;
        let again = |bitcode: &Path| {
            let cache = Some(warm.copy()?);
            builder.emit(bitcode, &Emission { threads: 2, cache, ..Emission::default() })
        };
        let mut builds: Vec<Build> = input.levels.iter().map(|level| Build::Single(level)).collect();
        builds.extend([1, 2].map(|threads| Build::Full { threads }));
        builds.extend([Build::Unchanged, Build::Changed]);
        let mut round = 0;
        let mut samples = interleave(&input.name, ROUNDS, &builds, |build| match build {
            Build::Single(bitcode) => Ok(vec![builder.single(bitcode)?]),
            Build::Full { threads } => {
                let emission = Emission { threads: *threads, ..Emission::default() };
                Ok(vec![builder.emit(input.baseline(), &emission)?])
            }
            Build::Unchanged => Ok(vec![again(input.baseline())?]),
            Build::Changed => {
                round += 1;
                input.edited.iter().skip(round - 1).step_by(ROUNDS).map(|(_, path)| again(path)).collect()
            }
        })?;
        let changed = samples.pop().unwrap_or_default();
        let mut samples = samples.into_iter().map(|rounds| rounds.concat());
        let mut next = || samples.next().unwrap_or_default();
        let singles = LEVELS.iter().map(|_| next()).collect();
        Ok(Costs { singles, one_thread: next(), two_threads: next(), unchanged: next(), changed })
    }

    fn ratio(&self, a: &[Usage], b: &[Usage], of: fn(&Usage) -> f64) -> Spread {
        let list = |usages: &[Usage]| usages.iter().map(of).collect::<Vec<_>>();
        paired(&list(a), &list(b), |a, b| a / b)
    }

    /// CPU time of a round's single-target builds together.
    fn separate(&self, round: usize) -> f64 {
        self.singles.iter().map(|level| level[round].cpu).sum()
    }

    fn against_separate_builds(&self) -> Spread {
        let ratio = |(round, full): (usize, &Usage)| full.cpu / self.separate(round);
        spread(&self.one_thread.iter().enumerate().map(ratio).collect::<Vec<_>>())
    }

    /// Over all functions, and the worst; `of` is given a rebuild and its round.
    fn changed(&self, of: impl Fn(&Usage, usize) -> f64) -> String {
        let of = &of;
        let ratios: Vec<f64> = self
            .changed
            .iter()
            .enumerate()
            .flat_map(|(r, list)| list.iter().map(move |u| of(u, r)))
            .collect();
        format!("{}, worst {:.2}", spread(&ratios).show(2), ratios.iter().copied().fold(0.0, f64::max))
    }

    /// The seconds behind the ratios.
    fn describe(&self, input: &Input) -> Result<String> {
        let of = |usages: &[Usage], of: fn(&Usage) -> f64| median(&usages.iter().map(of).collect::<Vec<_>>());
        let singles: Vec<String> = self.singles.iter().map(|u| format!("{:.1}", of(u, cpu))).collect();
        let functions: Vec<String> = input.edited.iter().map(|(e, _)| format!("`{}`", e.function)).collect();
        Ok(format!(
            "{} ({:.1} MB of bitcode): single-target builds {} s of CPU time and {:.0} MiB; four targets {:.1} s on one \
             thread, {:.1} s by the clock on two, {:.0} MiB. Changed: {}.",
            input.name,
            std::fs::metadata(input.baseline())?.len() as f64 * 1e-6,
            singles.join(", "),
            of(&self.singles[0], peak) / 1024.0,
            of(&self.one_thread, cpu),
            of(&self.two_threads, wall),
            of(&self.two_threads, peak) / 1024.0,
            functions.join(", "),
        ))
    }
}

fn wall(usage: &Usage) -> f64 {
    usage.wall
}

fn cpu(usage: &Usage) -> f64 {
    usage.cpu
}

fn peak(usage: &Usage) -> f64 {
    usage.peak as f64
}

struct Row {
    what: &'static str,
    /// As asked for; of rows that are only told, none.
    bound: Option<f64>,
    value: fn(&Costs) -> String,
}

const ROWS: [Row; 8] = [
    Row {
        what: "4 targets, CPU time, against 4 separate builds",
        bound: Some(0.70),
        value: |c| c.against_separate_builds().show(2),
    },
    Row {
        what: "4 targets on 2 threads, by the clock, against one single-target build",
        bound: Some(1.6),
        value: |c| c.ratio(&c.two_threads, &c.singles[0], wall).show(2),
    },
    Row {
        what: "4 targets on 2 threads, peak memory, against one single-target build",
        bound: Some(1.8),
        value: |c| c.ratio(&c.two_threads, &c.singles[0], peak).show(2),
    },
    Row {
        what: "rebuild after a change in one function, by the clock, against a full emission",
        bound: Some(0.25),
        value: |c| c.changed(|u, round| u.wall / c.two_threads[round].wall),
    },
    Row {
        what: "the same, CPU time",
        bound: Some(0.25),
        value: |c| c.changed(|u, round| u.cpu / c.two_threads[round].cpu),
    },
    Row {
        what: "rebuild after a change in one function, CPU time, against 4 separate builds",
        bound: None,
        value: |c| c.changed(|u, round| u.cpu / c.separate(round)),
    },
    Row {
        what: "rebuild with nothing changed, by the clock, against a full emission",
        bound: Some(0.05),
        value: |c| c.ratio(&c.unchanged, &c.two_threads, wall).show(3),
    },
    Row {
        what: "the same, CPU time",
        bound: Some(0.05),
        value: |c| c.ratio(&c.unchanged, &c.two_threads, cpu).show(3),
    },
];
