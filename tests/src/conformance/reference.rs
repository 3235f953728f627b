//! What plain clang's builds do, kept between runs: they change only with the compiler and the tests.

use super::Context;
use super::case::{Case, Kind};
use super::kept::any_output;
use super::level::Level;
use crate::command::{Ran, run};
use anyhow::Result;
use serde_json::{Value, json};

/// Bytes of a program's output that are compared; more are not kept.
const OUTPUT_LIMIT: usize = 1 << 16;

/// Bytes by which the stack of the second run begins lower: no multiple of a page, nor of any alignment.
const SHIFT: usize = 5003;

/// What plain clang's build of a case does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// An error is a short reason: the compiler's first error, or how the program ended.
    pub passed: Result<(), String>,
    /// What it prints; `None` if two runs print different things.
    stdout: Option<String>,
}

impl Reference {
    /// Looks a case up, or builds and runs it.
    pub fn of(case: &Case, context: &Context, level: Level) -> Result<Reference> {
        let build = context.platform.plain_build(case, level, any_output());
        let sources = case.expected.as_ref().map_or(&case.sources, |expected| &expected.sources);
        let key = context.references.key(&build, case, sources)?;
        if let Some(known) = context.references.get(&key).and_then(|text| Reference::parse(&text)) {
            return Ok(known);
        }
        let found = Reference::find(case, context, level)?;
        context.references.put(&key, &found.to_text())?;
        Ok(found)
    }

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
        // The stack begins elsewhere in each run: some tests print addresses, which an emulator does not make random.
        let with_stack = |shift: usize| {
            let mut command = context.platform.run_plain(&output, case.cpu_seconds);
            case.run(command.env("JL_STACK_SHIFT", "x".repeat(shift)), folder.path())
        };
        let ran = match with_stack(1) {
            Ok(ran) => ran,
            Err(_) => return Ok(failed("does not come to an end".into())),
        };
        let mut stdout = Some(ran.stdout.clone());
        // Only where there is something to compare.
        if !ran.stdout.is_empty() && with_stack(SHIFT)?.stdout != ran.stdout
            || ran.stdout.len() > OUTPUT_LIMIT
        {
            stdout = None;
        }
        Ok(Reference { passed: case.passes(&ran), stdout })
    }

    /// Whether our build prints the same, where that can be asked.
    pub fn same_output(&self, ran: &Ran) -> Result<(), String> {
        match &self.stdout {
            Some(expected) if without_addresses(expected) != without_addresses(&ran.stdout) => Err(format!(
                "prints something else than plain clang's build:\n{}",
                crate::golden::difference(expected, &ran.stdout)
            )),
            _ => Ok(()),
        }
    }

    fn to_text(&self) -> String {
        json!({ "reason": self.passed.as_ref().err(), "stdout": self.stdout, "shift": SHIFT }).to_string()
    }

    fn parse(text: &str) -> Option<Reference> {
        let value: Value = serde_json::from_str(text).ok()?;
        let string = |name: &str| value.get(name)?.as_str().map(str::to_string);
        value.get("reason")?;
        // Found in another way: to be found again.
        (value.get("shift")?.as_u64()? == SHIFT as u64).then_some(())?;
        Some(Reference { passed: string("reason").map_or(Ok(()), Err), stdout: string("stdout") })
    }
}

/// A program's output without what `%p` prints of addresses above 4 GiB. Where these are random the output is not
/// compared at all; under an emulator they are not, but depend on the program's size.
fn without_addresses(text: &str) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("0x") {
        let digits = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        result += before;
        result += if digits > 8 { "0x..." } else { &rest[before.len()..before.len() + 2 + digits] };
        rest = &after[digits..];
    }
    result + rest
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
    fn addresses_are_not_compared_and_other_numbers_are() {
        assert_eq!(without_addresses("at 0x55028396bd, 0x1f and 0x"), "at 0x..., 0x1f and 0x");
        assert_eq!(without_addresses("none"), "none");
        let reference = Reference { passed: Ok(()), stdout: Some("0x5500000001 1\n".into()) };
        let ran = |text: &str| run(std::process::Command::new("echo").arg(text)).unwrap();
        assert!(reference.same_output(&ran("0x5500000002 1")).is_ok());
        assert!(reference.same_output(&ran("0x5500000001 2")).is_err());
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
