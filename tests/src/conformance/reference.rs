//! What plain clang's builds do, kept between runs: they change only with the compiler and the tests.

use super::Context;
use super::case::{Case, Kind};
use super::level::Level;
use crate::command::{Ran, run, shell_text};
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh64::Xxh64;

/// Bytes of a program's output that are compared; more are not kept.
const OUTPUT_LIMIT: usize = 1 << 16;

/// What plain clang's build of a case does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// An error is a short reason: the compiler's first error, or how the program ended.
    pub passed: Result<(), String>,
    /// What it prints; `None` if two runs print different things.
    stdout: Option<String>,
}

/// All references of one compiler.
#[derive(Debug)]
pub struct References {
    folder: PathBuf,
    /// What the results depend on besides the test.
    compiler: String,
}

impl References {
    pub fn new(folder: &Path, compiler: String) -> Result<References> {
        let folder = folder.join("reference");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(References { folder, compiler })
    }

    /// Looks a case up, or builds and runs it.
    pub fn of(&self, case: &Case, context: &Context, level: Level) -> Result<Reference> {
        let path = self.folder.join(self.key(case, context, level)?);
        if let Some(known) = fs::read_to_string(&path).ok().and_then(|text| Reference::parse(&text)) {
            return Ok(known);
        }
        let found = Reference::find(case, context, level)?;
        // Several processes may share the folder: a file is there whole or not at all.
        let aside = tempfile::NamedTempFile::new_in(&self.folder)?;
        fs::write(&aside, found.to_text())?;
        aside.persist(&path)?;
        Ok(found)
    }

    /// A file name that is different for whatever can change the outcome. Headers of the system are not in
    /// it; they come with other versions of packages than the compiler's rarely enough.
    fn key(&self, case: &Case, context: &Context, level: Level) -> Result<String> {
        let mut hash = Xxh64::new(0);
        let command = context.platform.plain_build(case, level, Path::new("program"));
        let mut text = |part: &str| {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        };
        text(&self.compiler);
        text(&shell_text(&command));
        text(&format!("{:?} {:?} {}", case.kind, case.env, case.cpu_seconds));
        for source in case.expected.as_ref().map_or(&case.sources, |expected| &expected.sources) {
            let bytes = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
            hash.update(&(bytes.len() as u64).to_le_bytes());
            hash.update(&bytes);
        }
        Ok(format!("{:016x}.json", hash.digest()))
    }
}

impl Reference {
    fn find(case: &Case, context: &Context, level: Level) -> Result<Reference> {
        let folder = context.work_folder()?;
        let output = folder.path().join("program");
        let failed = |reason: String| Reference { passed: Err(reason), stdout: None };
        let built = match run(&mut context.platform.plain_build(case, level, &output)) {
            Ok(built) => built,
            Err(_) => return Ok(failed("the compiler does not come to an end".into())),
        };
        if !built.status.success() {
            return Ok(failed(first_error(&built.stderr)));
        }
        if case.kind == Kind::Compile {
            return Ok(Reference { passed: Ok(()), stdout: None });
        }
        let once = || case.run(&mut context.platform.run_plain(&output, case.cpu_seconds), folder.path());
        let ran = match once() {
            Ok(ran) => ran,
            Err(_) => return Ok(failed("does not come to an end".into())),
        };
        let mut stdout = Some(ran.stdout.clone());
        // Only where there is something to compare.
        if !ran.stdout.is_empty() && once()?.stdout != ran.stdout || ran.stdout.len() > OUTPUT_LIMIT {
            stdout = None;
        }
        Ok(Reference { passed: case.passes(&ran), stdout })
    }

    /// Whether our build prints the same, where that can be asked.
    pub fn same_output(&self, ran: &Ran) -> Result<(), String> {
        match &self.stdout {
            Some(expected) if *expected != ran.stdout => Err(format!(
                "prints something else than plain clang's build:\n{}",
                crate::golden::difference(expected, &ran.stdout)
            )),
            _ => Ok(()),
        }
    }

    fn to_text(&self) -> String {
        json!({ "reason": self.passed.as_ref().err(), "stdout": self.stdout }).to_string()
    }

    fn parse(text: &str) -> Option<Reference> {
        let value: Value = serde_json::from_str(text).ok()?;
        let string = |name: &str| value.get(name)?.as_str().map(str::to_string);
        value.get("reason")?;
        Some(Reference { passed: string("reason").map_or(Ok(()), Err), stdout: string("stdout") })
    }
}

/// The first error that a compiler or linker reports, without places in files and folders.
pub fn first_error(stderr: &str) -> String {
    let line = stderr
        .lines()
        .find(|l| l.contains("error:"))
        .or_else(|| stderr.lines().find(|l| l.contains("PLEASE submit a bug report")))
        .or_else(|| stderr.lines().next())
        .unwrap_or("fails without a message");
    let message = match line.split_once("error:") {
        Some((place, message)) if place.contains("ld.lld") => format!("link error: {}", message.trim()),
        Some((_, message)) => format!("error: {}", message.trim()),
        None if line.contains("PLEASE submit") => "the compiler crashes".into(),
        None => line.trim().into(),
    };
    // Names of temporary files differ from run to run.
    message
        .split_whitespace()
        .map(|w| if w.contains("/tmp") { "..." } else { w })
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_survive_writing_and_reading() {
        for reference in [
            Reference { passed: Ok(()), stdout: Some("a\n".into()) },
            Reference { passed: Err("aborts".into()), stdout: None },
        ] {
            assert_eq!(Reference::parse(&reference.to_text()), Some(reference));
        }
        assert_eq!(Reference::parse("{\"reason\""), None);
    }

    #[test]
    fn the_first_error_names_no_place() {
        assert_eq!(
            first_error("/a/b.c:1:2: warning: w\n/a/b.c:3:4: error: no such thing\n"),
            "error: no such thing"
        );
        assert_eq!(first_error("ld.lld-22: error: undefined symbol: f\n"), "link error: undefined symbol: f");
        assert_eq!(first_error(""), "fails without a message");
    }
}
