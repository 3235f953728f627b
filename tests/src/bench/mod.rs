//! `jl-bench`: the demo's table and the numbers of BENCHMARKS.md, always as ratios within one run.

pub mod build;
pub mod calls;
pub mod corpus;
pub mod entry;
pub mod libraries;
pub mod load;
pub mod machine;
pub mod measure;
pub mod progress;
pub mod sources;
pub mod table;

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
}

const ALL: [Part; 4] = [Part::Libraries, Part::Calls, Part::Load, Part::Entry];

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

/// All numbers, or the parts asked for; `write` puts them into BENCHMARKS.md.
pub fn numbers(parts: &[Part], write: bool) -> Result<()> {
    let parts = if parts.is_empty() { &ALL } else { parts };
    if write && parts.len() < ALL.len() {
        bail!("--write needs all parts, but --only names {}", parts.len());
    }
    let tools = Tools::find()?;
    let folder = work_folder()?;
    let mut text = machine::describe();
    let mut section = |title: &str, table: Table, legend: &str| {
        text += &format!("\n### {title}\n\n{table}\n{legend}\n");
    };
    for part in ALL.iter().filter(|p| parts.contains(p)) {
        match part {
            Part::Libraries => {
                const ROUNDS: usize = 15;
                let outcome = libraries::measure(&tools, &folder, ROUNDS)?;
                section("Real libraries", outcome.table, &outcome.legend);
            }
            Part::Calls => section("Calls between clones", calls::measure(&tools, &folder)?, calls::LEGEND),
            Part::Load => section("Loading", load::measure(&tools, &folder)?, load::LEGEND),
            Part::Entry => section("Calls into an image", entry::measure(&tools, &folder)?, entry::LEGEND),
        }
    }
    println!("{text}");
    if write {
        write_benchmarks(&text)?;
    }
    Ok(())
}

const BEGIN: &str = "<!-- scripts/bench --write replaces what stands between these two lines -->\n";
const END: &str = "<!-- end of what scripts/bench writes -->\n";

fn write_benchmarks(text: &str) -> Result<()> {
    let path = workspace().join("BENCHMARKS.md");
    let old = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let new = replace_between(&old, BEGIN, END, text)
        .with_context(|| format!("{} lacks the lines\n{BEGIN}{END}", path.display()))?;
    std::fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))
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
