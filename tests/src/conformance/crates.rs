//! Well-known Rust crates through `cargo jl`: their own test suites, and openh264 (C++ at size) in a program of
//! ours. Built once with all functions cloned, run at every target; what plain cargo's build passes must pass.

use super::case::clones_of_program;
use super::findings::{Failure, Findings, Outcome, Tally};
use super::platform::{Place, Platform};
use super::{Context, Suite, shorten};
use crate::command::{Ran, run, run_ok, run_within, shell_text};
use crate::tools::in_tests;
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Crates whose package holds their tests, with the version that `tests/conformance/crates/Cargo.lock` is for.
const CRATES: [(&str, &str); 4] =
    [("aho-corasick", "1.1.5"), ("num-bigint", "0.4.8"), ("rustfft", "6.4.1"), ("serde_json", "1.0.154")];
/// A program of ours in the same workspace.
const PROGRAM: &str = "video";
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// The only way in which the crates are built.
const LEVEL: &str = "release";
/// A busy machine with few cores needs minutes for all that a crate depends on.
const BUILD_LIMIT: Duration = Duration::from_secs(3600);
/// What a test program may take, in seconds of CPU.
const CPU_SECONDS: u32 = 280;

pub struct Crates;

impl Suite for Crates {
    fn name(&self) -> &'static str {
        "rust-crates"
    }

    fn about(&self) -> &'static str {
        "the tests of aho-corasick, num-bigint, rustfft and serde_json, and openh264 (C++), by cargo jl"
    }

    /// Crates are built for minutes.
    fn has_selection(&self) -> bool {
        false
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        // rustc's target for aarch64 is not part of a usual installation.
        if context.platform != Platform::X86_64 {
            return Ok(Findings::default());
        }
        let folder = workspace(context)?;
        let mut findings = Findings::default();
        let names = CRATES.iter().map(|c| c.0).chain([PROGRAM]);
        for name in names.filter(|name| context.wants(name)) {
            let member = Member { name, folder: folder.join(name), workspace: folder.clone() };
            findings.extend(member.judge(context).with_context(|| format!("crate {name}"))?);
        }
        Ok(findings)
    }
}

/// The workspace with the crates' sources in it, unpacked when it is not there yet.
fn workspace(context: &Context) -> Result<PathBuf> {
    let folder = context.folder.join("crates");
    let from = in_tests("conformance/crates");
    fs::create_dir_all(&folder)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(from.join(file), folder.join(file))?;
    }
    run_ok(Command::new("cp").arg("-RT").arg(from.join(PROGRAM)).arg(folder.join(PROGRAM)))?;
    let missing: Vec<_> = CRATES.iter().filter(|c| !folder.join(c.0).join("Cargo.toml").exists()).collect();
    if missing.is_empty() {
        return Ok(folder);
    }
    let sources = fetch(&folder)?;
    for (name, version) in missing {
        // To the side and renamed: an interrupted run leaves nothing that looks complete.
        let aside = tempfile::Builder::new().prefix("unpack-").tempdir_in(&folder)?;
        let source = sources.get(*name).with_context(|| format!("cargo fetched no {name} {version}"))?;
        run_ok(Command::new("cp").arg("-RT").arg(source).arg(aside.path()))?;
        fs::rename(aside.path(), folder.join(name))?;
    }
    Ok(folder)
}

/// Where cargo keeps the sources of the crates, after it has fetched them.
fn fetch(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let aside = tempfile::Builder::new().prefix("fetch-").tempdir_in(folder)?;
    let mut manifest = String::from(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n[lib]\npath = \"none.rs\"\n[workspace]\n[dependencies]\n",
    );
    for (name, version) in CRATES {
        manifest += &format!("{name} = {{ version = \"={version}\", default-features = false }}\n");
    }
    fs::write(aside.path().join("Cargo.toml"), manifest)?;
    fs::write(aside.path().join("none.rs"), "")?;
    let mut command = Command::new("cargo");
    let metadata = run_ok(command.args(["metadata", "--format-version", "1"]).current_dir(aside.path()))
        .context(
            "cannot fetch the crates: this suite needs crates.io, or a cache of cargo's that has them",
        )?;
    let metadata: serde_json::Value = serde_json::from_str(&metadata.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let folder = |package: &serde_json::Value| {
        let manifest = PathBuf::from(package["manifest_path"].as_str()?);
        Some((package["name"].as_str()?.to_string(), manifest.parent()?.to_path_buf()))
    };
    Ok(packages.iter().filter_map(folder).collect())
}

/// A member of the workspace.
struct Member<'a> {
    name: &'a str,
    folder: PathBuf,
    workspace: PathBuf,
}

/// A program that cargo built, by the name of its source, and how its output is read.
struct Built {
    name: String,
    path: PathBuf,
    is_test: bool,
}

/// What a run says of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Passed,
    /// With everything that the program said.
    Failed(String),
    /// A program that is no test: its output and status.
    Printed(String),
}

type Outcomes = BTreeMap<String, Said>;

impl Member<'_> {
    fn judge(&self, context: &Context) -> Result<Findings> {
        let progress = context.progress(2);
        progress.step(&format!("{}: by cargo", self.name));
        let plain = self.build(context, false)?;
        progress.step(&format!("{}: by cargo jl", self.name));
        let ours = self.build(context, true)?;
        drop(progress);
        ensure!(!plain.is_empty(), "cargo built no program");
        let suite = format!("{}/{}", Crates.name(), self.name);
        let mut tally = Tally::new(&suite);
        let mut findings = Findings::default();
        for reference in &plain {
            let Some(image) = ours.iter().find(|b| b.name == reference.name) else {
                bail!("cargo jl did not build {}, which cargo did", reference.name);
            };
            let expected = self.run(Command::new(&reference.path), reference)?;
            let clones = clones_of_program(context, &image.path)?;
            // One after the other: some tests take a network port for themselves.
            for place in &context.places {
                let (found, command) = self.run_at(place, image)?;
                let with_clones = place.target > 0 && clones.get(place.target).is_some_and(|n| *n > 0);
                for (test, plain) in &expected {
                    let outcome = judge(plain, found.get(test));
                    tally.add(LEVEL, &place.name, outcome, with_clones);
                    if outcome == Outcome::Failed {
                        let what = match found.get(test) {
                            Some(Said::Failed(what) | Said::Printed(what)) => what.as_str(),
                            Some(Said::Passed) | None => "did not run",
                        };
                        findings.failures.push(Failure {
                            suite: suite.clone(),
                            test: format!("{} {test}", image.name),
                            level: LEVEL.into(),
                            target: place.name.clone(),
                            what: format!("{}\n{command}", shorten(what)),
                        });
                    }
                }
            }
        }
        findings.rows = tally.rows();
        if findings.rows.iter().skip(1).all(|row| row.counts.with_clones == 0) {
            findings.complaints.push(format!("{suite}: nothing was cloned, so nothing was tested"));
        }
        Ok(findings)
    }

    /// Builds the tests, or the program, with cargo or with cargo jl.
    fn build(&self, context: &Context, ours: bool) -> Result<Vec<Built>> {
        let mut command = match ours {
            false => Command::new("cargo"),
            true => Command::new(context.tools.cargo_jl()),
        };
        if ours {
            command.arg("jl");
        }
        if self.name == PROGRAM {
            command.args(["build", "--bins"]);
        } else {
            command.args(["test", "--no-run", "--lib", "--tests"]);
        }
        command.args(["--release", "--locked", "--quiet", "--message-format=json", "--target", TRIPLE]);
        command.arg("--manifest-path").arg(self.folder.join("Cargo.toml"));
        command.arg("--target-dir").arg(self.workspace.join(if ours { "image" } else { "plain" }));
        if ours {
            command.arg(format!("--jl-targets={}", context.platform.targets()));
        }
        for variable in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "JULIA_CPU_TARGET", "CARGO"]
        {
            command.env_remove(variable);
        }
        let ran = run_within(command.current_dir(&self.workspace), BUILD_LIMIT)?;
        // Not all of it: cargo's messages fill screens.
        ensure!(ran.status.success(), "does not build: {}\n{}", shell_text(&command), shorten(&ran.stderr));
        Ok(ran.stdout.lines().filter_map(built).collect())
    }

    fn run(&self, mut command: Command, built: &Built) -> Result<Outcomes> {
        let ran = run(command.current_dir(&self.folder))?;
        Ok(outcomes(&ran, built))
    }

    fn run_at(&self, place: &Place, built: &Built) -> Result<(Outcomes, String)> {
        let mut command = place.run(&built.path, CPU_SECONDS);
        let text = shell_text(command.current_dir(&self.folder));
        Ok((self.run(command, built)?, text))
    }
}

/// A program in a line of cargo's messages.
fn built(line: &str) -> Option<Built> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let path = PathBuf::from(message["executable"].as_str()?);
    let target = &message["target"];
    let kind = target["kind"][0].as_str()?;
    let name = format!("{} {}", kind, target["name"].as_str()?);
    Some(Built { name, path, is_test: message["profile"]["test"].as_bool().unwrap_or(false) })
}

/// What a run says of each of its tests; a program of ours is one test, whose output is its outcome.
fn outcomes(ran: &Ran, built: &Built) -> Outcomes {
    if !built.is_test {
        let said = Said::Printed(format!("{}{}", ran.stdout, ran.status));
        return Outcomes::from([(built.name.clone(), said)]);
    }
    let said = |passed: bool| if passed { Said::Passed } else { Said::Failed(ran.describe()) };
    let lines = ran.stdout.lines().filter_map(test_line);
    let mut all: Outcomes = lines.map(|(name, passed)| (name.into(), said(passed))).collect();
    // A crash takes along the lines of the tests behind it.
    let ended = ran.stdout.lines().any(|l| l.starts_with("test result: "));
    all.insert("comes to its end".into(), said(ended));
    all
}

/// `test NAME ... ok`: the name, and whether it passed.
fn test_line(line: &str) -> Option<(&str, bool)> {
    let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    match outcome {
        "ok" => Some((name, true)),
        "FAILED" => Some((name, false)),
        _ => None,
    }
}

/// How a test came out, by what the plain build said and what ours said; a test that is missing in ours failed.
fn judge(plain: &Said, ours: Option<&Said>) -> Outcome {
    match (plain, ours) {
        (Said::Failed(_), _) => Outcome::Unsupported,
        (plain, Some(ours)) if plain == ours => Outcome::Passed,
        _ => Outcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_libtest() {
        assert_eq!(test_line("test a::b ... ok"), Some(("a::b", true)));
        assert_eq!(test_line("test a ... FAILED"), Some(("a", false)));
        assert_eq!(test_line("test a ... ignored"), None);
        assert_eq!(test_line("test result: ok. 1 passed"), None);
    }

    #[test]
    fn what_plain_passes_must_pass() {
        let failed = |text: &str| Said::Failed(text.into());
        let printed = |text: &str| Said::Printed(text.into());
        assert_eq!(judge(&Said::Passed, Some(&Said::Passed)), Outcome::Passed);
        assert_eq!(judge(&Said::Passed, Some(&failed("so"))), Outcome::Failed);
        assert_eq!(judge(&Said::Passed, None), Outcome::Failed);
        assert_eq!(judge(&failed("so"), None), Outcome::Unsupported);
        assert_eq!(judge(&printed("1"), Some(&printed("1"))), Outcome::Passed);
        assert_eq!(judge(&printed("1"), Some(&printed("2"))), Outcome::Failed);
    }

    #[test]
    fn programs_in_cargos_messages() {
        let line = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"suite"},"profile":{"test":true},"executable":"/t/suite-1"}"#;
        let found = built(line).unwrap();
        assert_eq!((found.name.as_str(), found.is_test), ("test suite", true));
        assert!(built(r#"{"reason":"compiler-artifact","executable":null}"#).is_none());
    }
}
