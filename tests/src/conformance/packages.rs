//! libstdc++'s tests above images with what they have in common: each takes from there what it can, and must do the same as
//! without.

use super::case::{Above, Case};
use super::cases::{Listing, judge_all};
use super::findings::{Findings, Row};
use super::level::Level;
use super::reference::Reference;
use super::torture::Torture;
use super::{Context, Suite};
use crate::bench::table::Table;
use crate::command::{run, run_ok};
use anyhow::{Context as _, Result, ensure};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who leaves out what the image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packages {
    Compiler,
    Linker,
}

/// The suites that have a table of their own.
pub const NAMES: [&str; 2] = ["packages-opt", "packages-link"];

/// Whether a row of a table is one of theirs, on whatever architecture.
pub fn is_one(suite: &str) -> bool {
    NAMES.iter().any(|name| suite.starts_with(name))
}

/// Of the tests of a folder, so that a run of both suites takes a quarter of an hour on two CPUs.
const EVERY: usize = 3;
/// For `scripts/test`: few tests that share much.
const SELECTED: &str = "28_regex-algorithms";
const SELECTION: usize = 3;
const IMAGE: &str = "libcommon.so";

impl Suite for Packages {
    fn name(&self) -> &'static str {
        match self {
            Packages::Compiler => NAMES[0],
            Packages::Linker => NAMES[1],
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Packages::Compiler => {
                "tests of libstdc++, compiled above an image with what those of a folder share (--jl-dep)"
            }
            Packages::Linker => "the same tests, above the same images, which the linker alone knows",
        }
    }

    fn is_separate(&self) -> bool {
        true
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        let mut folders: BTreeMap<String, Vec<Case>> = BTreeMap::new();
        for case in Torture::Library.cases(context)?.into_iter().filter(|case| context.wants(&case.name)) {
            folders.entry(folder_of(&case.name)).or_default().push(case);
        }
        if context.options.short {
            folders.retain(|folder, _| folder == SELECTED);
            folders.values_mut().for_each(|cases| cases.truncate(SELECTION));
        } else {
            folders.values_mut().for_each(|cases| *cases = cases.drain(..).step_by(EVERY).collect());
        }
        let mut above = Vec::new();
        for level in context.levels(&[Level::O2]) {
            for (folder, cases) in &folders {
                let Some(image) = Common { context, folder, cases, level }.image()? else { continue };
                let by_linker = *self == Packages::Linker;
                let place = Above { image, by_linker };
                above.extend(
                    cases.iter().map(|case| (Case { above: Some(place.clone()), ..case.clone() }, level)),
                );
            }
        }
        let work: Vec<(&Case, Level)> = above.iter().map(|(case, level)| (case, *level)).collect();
        judge_all(context, self.name(), &work, Listing::Unlisted)
    }
}

/// The two folders that a test is in.
fn folder_of(test: &str) -> String {
    test.split('/').take(2).filter(|part| !part.ends_with(".cc")).collect::<Vec<_>>().join("-")
}

/// What tests of a folder share.
struct Common<'a> {
    context: &'a Context,
    folder: &'a str,
    cases: &'a [Case],
    level: Level,
}

impl Common<'_> {
    /// An image of it, kept until tools or tests change; `None` where nothing is shared.
    fn image(&self) -> Result<Option<PathBuf>> {
        let names: Vec<&str> = self.cases.iter().map(|case| case.name.as_str()).collect();
        let key = self
            .context
            .passed
            .key_of(&[names.join(" ").as_bytes(), self.context.platform.targets().as_bytes()]);
        let kept = self.context.folder.join("packages");
        fs::create_dir_all(&kept)?;
        let kept = kept.join(format!("{}-{}-{key}", self.folder, self.level.name()));
        if !kept.is_dir() {
            let aside = tempfile::Builder::new().prefix("build-").tempdir_in(&self.context.folder)?;
            self.build(aside.path())?;
            fs::rename(aside.path(), &kept).with_context(|| format!("cannot make {}", kept.display()))?;
        }
        let image = kept.join(IMAGE);
        Ok(image.exists().then_some(image))
    }

    fn build(&self, folder: &Path) -> Result<()> {
        let progress = self.context.progress(self.cases.len());
        let built: Vec<Result<Option<[PathBuf; 2]>>> = self.context.pool.install(|| {
            let build = |(number, case): (usize, &Case)| {
                progress.step(&format!("image for {}: {}", self.folder, case.name));
                self.object_and_library(case, &folder.join(format!("t{number}")))
            };
            self.cases.par_iter().enumerate().map(build).collect()
        });
        drop(progress);
        let built: Vec<[PathBuf; 2]> =
            built.into_iter().filter_map(Result::transpose).collect::<Result<_>>()?;
        let mut link = self.compiler();
        link.args(["-shared", "-pthread"]).arg(format!("-Wl,-soname,{IMAGE}"));
        link.arg(format!("--jl-shared-image={}", folder.join(IMAGE).display())).arg("--jl-dedup-set");
        link.args(built.iter().map(|[_, library]| library)).args(built.iter().map(|[object, _]| object));
        if built.len() > 1 {
            let ran = run(&mut link)?;
            ensure!(
                ran.status.success() || ran.stderr.contains("finds nothing to move"),
                "the image for {} cannot be linked: {}",
                self.folder,
                ran.describe()
            );
        }
        for file in built.iter().flatten() {
            fs::remove_file(file)?;
        }
        Ok(())
    }

    /// A test as a package, if plain clang's program passes it: what that cannot link would be missing in the image, too.
    fn object_and_library(&self, case: &Case, to: &Path) -> Result<Option<[PathBuf; 2]>> {
        let (object, library) = (to.with_extension("o"), to.with_extension("so"));
        let [source] = &case.sources[..] else { return Ok(None) };
        if Reference::of(case, self.context, self.level)?.passed.is_err() {
            return Ok(None);
        }
        let mut compile = self.compiler();
        compile.args(["--jl-package", "-fPIC", "-c"]).args(&case.flags).args(self.level.flags());
        run_ok(compile.arg(source).arg("-o").arg(&object))
            .with_context(|| format!("{} as a package", case.name))?;
        let mut link = self.compiler();
        link.args(["-shared", "-pthread"]).arg(&object).arg("-o").arg(&library);
        run_ok(&mut link).with_context(|| format!("{} as a library", case.name))?;
        Ok(Some([object, library]))
    }

    fn compiler(&self) -> Command {
        self.context.platform.compiler(&self.context.tools, super::platform::Language::Cxx)
    }
}

/// As the table of all suites, but for what the last column says.
pub fn table(rows: &[Row]) -> Table {
    let mut table = Table::new(&[
        "suite",
        "level",
        "target",
        "run",
        "passed",
        "failed",
        "unsupported",
        "above the image",
    ]);
    for Row { suite, level, target, counts } in rows {
        let numbers = [counts.run(), counts.passed, counts.failed, counts.unsupported, counts.with_clones];
        let words = [suite, level, target].map(String::clone);
        table.row(words.into_iter().chain(numbers.map(|number| number.to_string())).collect());
    }
    table
}

#[cfg(test)]
mod tests {
    use super::folder_of;

    #[test]
    fn tests_of_a_folder_share_an_image() {
        assert_eq!(folder_of("23_containers/vector/modifiers/1.cc"), "23_containers-vector");
        assert_eq!(folder_of("21_strings/1.cc"), "21_strings");
    }
}
