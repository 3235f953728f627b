//! Random programs by csmith: valid C that prints a checksum of all that it computed.

use super::case::{Case, Expected};
use super::cases::{Listing, judge_all};
use super::findings::Findings;
use super::level::Level;
use super::platform::Platform;
use super::split::{HEADER, split};
use super::{Context, Suite};
use crate::command::run_ok;
use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Csmith {
    /// As they are: one source, all functions static.
    Whole,
    /// Over two objects, with all functions and globals external.
    Split,
}

/// Seeds begin here and are consecutive: every run has the same programs.
const FIRST_SEED: u64 = 1;

/// What is varied from program to program, besides the seed.
const VARIANTS: [&[&str]; 8] = [
    &[],
    &["--no-volatiles", "--no-volatile-pointers"],
    &["--packed-struct", "--bitfields", "--max-struct-fields", "20"],
    &["--no-bitfields", "--no-packed-struct", "--max-pointer-depth", "4"],
    &["--no-structs", "--no-unions", "--max-array-dim", "4"],
    &["--float"],
    &["--max-funcs", "12", "--inline-function", "--inline-function-prob", "80"],
    &["--strict-volatile-rule", "--no-const-pointers"],
];

/// Where Debian's libcsmith-dev puts csmith.h.
const INCLUDE: &str = "-I/usr/include/csmith";

impl Suite for Csmith {
    fn name(&self) -> &'static str {
        match self {
            Csmith::Whole => "csmith",
            Csmith::Split => "csmith-split",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Csmith::Whole => "random C programs by csmith: the checksum is that of clang -O0",
            Csmith::Split => "the same over two objects, half of them with calls between the two by pointer",
        }
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        let short = context.options.short;
        let mut indices = self.indices(short, context.platform);
        indices.retain(|index| context.wants(&name(*index)));
        let cases = self.cases(context, &indices)?;
        let mut work = Vec::new();
        for level in context.levels(&Level::ALL) {
            let here =
                indices.iter().zip(&cases).filter(|(index, _)| self.levels(**index, short).contains(&level));
            work.extend(here.map(|(_, case)| (case, level)));
        }
        let mut findings = judge_all(context, self.name(), &work, Listing::Unlisted)?;
        for failure in &mut findings.failures {
            failure.what += &advice(&failure.test);
        }
        Ok(findings)
    }
}

impl Csmith {
    /// Which programs to make: every 8 have all variants, and every 64 of them all ways to build.
    fn indices(self, short: bool, platform: Platform) -> Vec<u64> {
        match (self, short, platform) {
            // Of seven one takes longer than plain clang's build may: more than 1,000 are left to compare.
            (_, false, Platform::X86_64) => (0..1200).collect(),
            (_, false, Platform::Aarch64) => (0..128).collect(),
            (Csmith::Whole, true, _) => (0..50).collect(),
            // Of those, so that no more need to be made.
            (Csmith::Split, true, _) => (0..50).step_by(3).collect(),
        }
    }

    /// The levels of one program: -O2 for all that are whole, and of the other levels one in turn.
    fn levels(self, index: u64, short: bool) -> Vec<Level> {
        const WHOLE: [Level; 4] = [Level::O3, Level::Lto, Level::O3, Level::ThinLto];
        const SPLIT: [Level; 4] = [Level::O2, Level::Lto, Level::O3, Level::ThinLto];
        let turn = |by: u64| (index / by % 4) as usize;
        match self {
            Csmith::Whole if short || turn(8) != 0 => vec![Level::O2],
            Csmith::Whole => vec![Level::O2, WHOLE[turn(32)]],
            Csmith::Split => vec![SPLIT[turn(8)]],
        }
    }

    /// Every variant and level both ways.
    fn by_pointer(index: u64) -> bool {
        (index / 32).is_multiple_of(2)
    }

    fn cases(self, context: &Context, indices: &[u64]) -> Result<Vec<Case>> {
        let folder = context.folder.join("csmith");
        let progress = context.progress(indices.len());
        let case = |index: &u64| {
            progress.step("making programs by csmith");
            self.case(&folder, *index).with_context(|| format!("csmith program {index}"))
        };
        context.pool.install(|| indices.par_iter().map(case).collect())
    }

    /// A program, made when it is not there from an earlier run.
    fn case(self, folder: &Path, index: u64) -> Result<Case> {
        let seed = FIRST_SEED + index;
        let variant = variant(index);
        // Another list of variants makes other programs.
        let folder = folder.join(format!("{seed}{}", variant.concat()));
        let whole = folder.join("program.c");
        if !whole.exists() {
            generate(&folder, seed, variant)?;
        }
        let sources = match self {
            Csmith::Whole => vec![whole.clone()],
            Csmith::Split => split_sources(&folder, &whole, Csmith::by_pointer(index))?,
        };
        // csmith keeps to C's aliasing rules but for --float.
        let flags = ["-w", INCLUDE, "-fno-strict-aliasing", "-Wno-incompatible-pointer-types"];
        Ok(Case {
            sources,
            flags: flags.map(str::to_string).to_vec(),
            // Most take milliseconds; one in ten never ends.
            cpu_seconds: 2,
            expected: Some(Expected { sources: vec![whole.clone()], level: Level::O0 }),
            ..Case::of_source(&name(index), whole)
        })
    }
}

/// How a failure's program is made again and made small.
fn advice(test: &str) -> String {
    let seed: u64 = test.trim_start_matches("seed-").parse().unwrap_or(FIRST_SEED);
    format!(
        "\nThe program: csmith --seed {seed} {}\nTo reduce it: creduce, with a script that succeeds when the command \
         above and `clang-22 -O0` print different checksums, and fails when `clang-22 -O0 -fsanitize=address,undefined` \
         finds something.",
        variant(seed - FIRST_SEED).join(" "),
    )
}

/// A test's name.
fn name(index: u64) -> String {
    format!("seed-{}", FIRST_SEED + index)
}

/// The options for the program with this index.
fn variant(index: u64) -> &'static [&'static str] {
    VARIANTS[(index % VARIANTS.len() as u64) as usize]
}

/// Lets csmith make a program.
fn generate(folder: &Path, seed: u64, variant: &[&str]) -> Result<()> {
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    // To the side and renamed; csmith also writes into the folder it is run in.
    let aside = tempfile::Builder::new().prefix("new-").tempdir_in(parent)?;
    let mut command = Command::new("csmith");
    command.args(["--seed", &seed.to_string()]).args(variant).args(["--output", "program.c"]);
    run_ok(command.current_dir(aside.path()))
        .context("csmith failed: scripts/setup installs it where it is missing")?;
    let size = fs::metadata(aside.path().join("program.c"))?.len();
    ensure!(size > 0, "csmith made an empty program for seed {seed}");
    if fs::rename(aside.path(), folder).is_err() {
        // Another process was quicker, with the same program.
        ensure!(folder.join("program.c").exists(), "cannot make {}", folder.display());
    }
    Ok(())
}

fn split_sources(folder: &Path, whole: &Path, by_pointer: bool) -> Result<Vec<PathBuf>> {
    let parts = split(&fs::read_to_string(whole)?, by_pointer)?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(path)
    };
    write(HEADER, &parts.header)?;
    Ok(vec![write("first.c", &parts.sources[0])?, write("second.c", &parts.sources[1])?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_short_selection_has_every_variant_and_every_way_to_build() {
        let indices = Csmith::Split.indices(true, Platform::X86_64);
        let variants: BTreeSet<u64> = indices.iter().map(|i| i % VARIANTS.len() as u64).collect();
        let levels: BTreeSet<Level> = indices.iter().flat_map(|i| Csmith::Split.levels(*i, true)).collect();
        let ways: BTreeSet<bool> = indices.iter().map(|i| Csmith::by_pointer(*i)).collect();
        assert_eq!((variants.len(), levels.len(), ways.len()), (VARIANTS.len(), 4, 2));
    }

    #[test]
    fn every_whole_program_is_built_at_o2_and_some_at_other_levels() {
        let levels = |index| Csmith::Whole.levels(index, false);
        assert!((0..1200).all(|i| levels(i).contains(&Level::O2)));
        let others: BTreeSet<Level> = (0..1200).flat_map(levels).collect();
        assert!(
            others.contains(&Level::O3) && others.contains(&Level::Lto) && others.contains(&Level::ThinLto)
        );
    }
}
