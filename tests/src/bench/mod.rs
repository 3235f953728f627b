//! `jl-bench`: the demo's table and the numbers of BENCHMARKS.md, always as ratios within one run.

pub mod build;
pub mod calls;
pub mod corpus;
pub mod emission;
pub mod entry;
pub mod julia;
pub mod libraries;
pub mod load;
pub mod machine;
pub mod measure;
pub mod packages;
pub mod progress;
pub mod siblings;
pub mod sources;
pub mod table;
pub mod usage;

use crate::tools::{Tools, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use table::Table;

/// A part of the numbers that can be asked for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// Image against single-level builds of real libraries.
    Libraries,
    /// A callee cloned with its caller.
    Calls,
    /// Time to load an image.
    Load,
    /// A call into an image.
    Entry,
    /// Package images: the load of many, references and calls between them.
    Packages,
    /// Real libraries above a common image: what they leave out, and what that saves.
    Siblings,
    /// Emission in shards: four targets, rebuilds, more cores.
    Emission,
    /// Julia's system image, against Julia's own build; only where it is asked for, as Julia has to be fetched.
    Julia,
}

/// What is measured when no part is named.
const ALL: [Part; 7] =
    [Part::Libraries, Part::Calls, Part::Load, Part::Entry, Part::Packages, Part::Siblings, Part::Emission];

/// Stands beside BENCHMARKS.md.
const EMISSION_PLOT: &str = "BENCHMARKS-emission.svg";

impl Part {
    /// Its name in the marks of BENCHMARKS.md.
    fn name(self) -> &'static str {
        match self {
            Part::Libraries => "libraries",
            Part::Calls => "calls",
            Part::Load => "load",
            Part::Entry => "entry",
            Part::Packages => "packages",
            Part::Siblings => "siblings",
            Part::Emission => "emission",
            Part::Julia => "julia",
        }
    }

    /// Its section of BENCHMARKS.md; `plots` is the folder that plots go to.
    fn measure(self, tools: &Tools, folder: &Path, plots: &Path) -> Result<String> {
        let section = |title: &str, table: Table, legend: &str| format!("### {title}\n\n{table}\n{legend}\n");
        Ok(match self {
            Part::Libraries => {
                const ROUNDS: usize = 15;
                let outcome = libraries::measure(tools, folder, ROUNDS)?;
                section("Real libraries", outcome.table, &outcome.legend)
            }
            Part::Calls => section("Calls between clones", calls::measure(tools, folder)?, calls::LEGEND),
            Part::Load => section("Loading", load::measure(tools, folder)?, load::LEGEND),
            Part::Entry => section("Calls into an image", entry::measure(tools, folder)?, entry::LEGEND),
            Part::Packages => format!("### Package images\n\n{}", packages::measure(tools, folder)?),
            Part::Siblings => {
                const ORDERS: u32 = 25;
                let above = siblings::measure(tools, folder, None, ORDERS)?;
                let notes = above.notes.first().map_or("", String::as_str);
                section(
                    "Libraries above a common image",
                    above.table,
                    &format!("{} {notes}", siblings::LEGEND),
                )
            }
            Part::Emission => {
                let text = emission::measure(tools, folder, &plots.join(EMISSION_PLOT))?;
                format!("### Emission in shards\n\n{text}")
            }
            Part::Julia => format!("### Julia's system image\n\n{}", julia::measure(tools, folder)?),
        })
    }
}

/// Where builds and the corpus are kept between runs: beside the tools' folder.
fn work_folder() -> Result<PathBuf> {
    let exe = std::env::current_exe()?;
    let target = exe.parent().and_then(Path::parent).context("this program stands in no folder")?;
    let folder = target.join("jl-bench");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

/// The main job: real libraries, one table. Fails when an output differs.
pub fn demo() -> Result<()> {
    const ROUNDS: usize = 7;
    let tools = Tools::find()?;
    let folder = work_folder()?;
    let outcome = libraries::measure(&tools, &folder, ROUNDS)?;
    println!("{}", machine::describe());
    println!("{}", outcome.table);
    println!("{}", outcome.legend);
    if !outcome.identical {
        bail!("an image's output differs from the plain build's: see the table");
    }
    println!("Every image gave the plain build's output at every target that this machine can run.");
    Ok(())
}

/// Real libraries above a common image. Fails when a result differs.
pub fn demo_packages(only: Option<siblings::Language>) -> Result<()> {
    const ORDERS: u32 = 5;
    let tools = Tools::find()?;
    let outcome = siblings::measure(&tools, &work_folder()?, only, ORDERS)?;
    println!("{}", machine::describe());
    println!("{}\n{}\n", outcome.table, siblings::LEGEND);
    outcome.notes.iter().for_each(|note| println!("{note}\n"));
    if !outcome.identical {
        bail!("a library's result above the common image differs: see the table");
    }
    println!(
        "Every library gave the same with dedup and without, at every target that this machine can run."
    );
    Ok(())
}

/// All numbers, or the parts asked for; `write` puts them into BENCHMARKS.md, each with the machine that it is of: a part can be
/// measured again without the others, wherever.
pub fn numbers(parts: &[Part], write: bool) -> Result<()> {
    let parts = if parts.is_empty() { &ALL } else { parts };
    let machine = machine::describe();
    let tools = Tools::find()?;
    let folder = work_folder()?;
    let plots = if write { workspace() } else { folder.clone() };
    println!("{machine}");
    let mut sections = Vec::new();
    for part in ALL.iter().chain(&[Part::Julia]).filter(|p| parts.contains(p)) {
        let text = part.measure(&tools, &folder, &plots)?;
        println!("{text}");
        sections.push((
            part.name(),
            format!("{}\n\n{MEASURED_ON} {}", text.trim(), machine::in_a_line(&machine)),
        ));
    }
    if write {
        write_benchmarks(&sections)?;
    }
    Ok(())
}

/// How the line begins that ends each part.
const MEASURED_ON: &str = "Measured on:";

/// The lines of BENCHMARKS.md around what is written into it under a name.
fn marks(name: &str) -> [String; 2] {
    [format!("<!-- scripts/bench --write: {name} -->\n"), format!("<!-- end of {name} -->\n")]
}

fn write_benchmarks(sections: &[(&str, String)]) -> Result<()> {
    let path = workspace().join("BENCHMARKS.md");
    let mut text =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for (name, new) in sections {
        let [begin, end] = marks(name);
        text = replace_between(&text, &begin, &end, new)
            .with_context(|| format!("{} lacks the lines\n{begin}{end}", path.display()))?;
    }
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// `old` with `new` in place of what stands between two marks; nothing if it lacks them.
pub fn replace_between(old: &str, begin: &str, end: &str, new: &str) -> Option<String> {
    let (head, rest) = old.split_once(begin)?;
    let (_, tail) = rest.split_once(end)?;
    Some(format!("{head}{begin}\n{}\n\n{end}{tail}", new.trim()))
}

#[cfg(test)]
mod tests {
    use super::replace_between;

    #[test]
    fn only_the_marked_part_is_replaced() {
        assert_eq!(
            replace_between("a\n<\nold\n>\nb\n", "<\n", ">\n", "new\n").unwrap(),
            "a\n<\n\nnew\n\n>\nb\n"
        );
        assert_eq!(replace_between("a\n", "<\n", ">\n", "new"), None);
    }
}
