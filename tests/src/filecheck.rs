//! Tests of one pass on one file of IR: `RUN` lines in its comments, checked by LLVM's FileCheck.
//!
//! `; RUN: [NAME=VALUE] [not] opt OPTIONS %s [2>&1] [| llc OPTIONS] | FileCheck OPTIONS %s`, where `%s` is the file,
//! `opt` loads the plugin under test, and `not` expects it to fail. No shell: words are separated by blanks, and
//! single quotes keep blanks in a word.
//!
//! `; DEPENDENCY: NAME FUNCTION ...` makes a dependency, and the next ones more; `%d` in the environment is their list. It
//! exports these functions with the identities that they have in this very file: `f` has a symbol, too, `~f` has none,
//! and of `=f` the dependency has nothing but a symbol.

use crate::command::{run, run_ok};
use crate::dependency::{self, Exported};
use crate::tools::{FILECHECK, Tools};
use anyhow::{Context, Result, bail, ensure};
use image_format::layout::IDENTITY_SIZE;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One `RUN` line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunLine {
    environment: Vec<(String, String)>,
    must_fail: bool,
    options: Vec<String>,
    /// FileCheck reads standard error behind standard output.
    with_errors: bool,
    /// Options of llc, which makes code of what opt printed.
    generate: Option<Vec<String>>,
    check_options: Vec<String>,
}

impl RunLine {
    /// The `RUN` lines of a file.
    ///
    /// # Errors
    /// When there is none, or one is not of the form above.
    pub fn parse_all(text: &str) -> Result<Vec<RunLine>> {
        let lines = text.lines().filter_map(|l| l.trim_start().strip_prefix("; RUN:"));
        let lines: Vec<RunLine> =
            lines.map(|l| RunLine::parse(l).with_context(|| format!("RUN:{l}"))).collect::<Result<_>>()?;
        ensure!(!lines.is_empty(), "no line '; RUN: opt ... | FileCheck ...'");
        Ok(lines)
    }

    fn parse(line: &str) -> Result<RunLine> {
        let words = split_words(line)?;
        let commands: Vec<&[String]> = words.split(|w| w == "|").collect();
        let (left, generate, right) = match commands[..] {
            [left, right] => (left, None, right),
            [left, [llc, options @ ..], right] if llc == "llc" => (left, Some(options.to_vec()), right),
            _ => bail!("expected 'opt ... [| llc ...] | FileCheck ...'"),
        };
        let mut left = left.iter().cloned().peekable();
        let mut environment = Vec::new();
        while let Some((name, value)) = left.peek().and_then(|w| w.split_once('=')) {
            environment.push((name.to_string(), value.to_string()));
            left.next();
        }
        let must_fail = left.next_if(|w| w == "not").is_some();
        ensure!(left.next().as_deref() == Some("opt"), "expected 'opt' before the pipe");
        let mut options: Vec<String> = left.collect();
        let with_errors = options.last().is_some_and(|w| w == "2>&1");
        options.truncate(options.len() - usize::from(with_errors));
        let [check, check_options @ ..] = right else { bail!("expected 'FileCheck' behind the pipe") };
        ensure!(check == "FileCheck", "expected 'FileCheck' behind the pipe, found '{check}'");
        let check_options = check_options.to_vec();
        Ok(RunLine { environment, must_fail, options, with_errors, generate, check_options })
    }

    /// Runs the line for `file`, with a folder to write to. `dependencies` is for `%d`.
    ///
    /// # Errors
    /// When opt's status is not the expected one, or FileCheck is not satisfied: with all that was printed.
    pub fn execute(&self, tools: &Tools, file: &Path, folder: &Path, dependencies: &str) -> Result<()> {
        let words = |list: &[String]| -> Vec<String> {
            list.iter().map(|w| w.replace("%s", &file.to_string_lossy())).collect()
        };
        let mut opt = Command::new(tools.llvm.tool("opt"));
        // What the tests' own environment says must not decide.
        for decides in DECIDES {
            opt.env_remove(decides);
        }
        opt.envs(self.environment.iter().map(|(name, value)| (name, value.replace("%d", dependencies))));
        opt.arg(format!("-load-pass-plugin={}", tools.plugin().display())).args(words(&self.options));
        let ran = run(&mut opt)?;
        // A status of its own: a crash is no way to fail.
        ensure!(ran.status.success() != self.must_fail && ran.status.code().is_some(), "{}", ran.describe());
        let printed = folder.join("printed");
        fs::write(&printed, if self.with_errors { ran.all_output() } else { ran.stdout.clone() })?;
        if let Some(options) = &self.generate {
            let mut llc = Command::new(tools.llvm.tool("llc"));
            let code = run_ok(llc.args(words(options)).arg("-o=-").arg(&printed))?.stdout;
            fs::write(&printed, code)?;
        }
        let mut check = Command::new(FILECHECK);
        check.arg("--dump-input=never").arg(format!("--input-file={}", printed.display()));
        run_ok(check.args(words(&self.check_options))).with_context(|| ran.describe())?;
        Ok(())
    }
}

/// Variables that decide about what a pass does.
const DECIDES: [&str; 5] =
    ["JULIA_CPU_TARGET", "JL_JULIA_DIALECT", "JL_JULIA_AUTOINIT", "JL_PACKAGE", "JL_DEPS"];

/// Makes the dependencies that a file of IR asks for, and returns their list.
///
/// # Errors
/// When a function is none of the file's, or a dependency cannot be made.
pub fn make_dependencies(text: &str, tools: &Tools, file: &Path, folder: &Path) -> Result<String> {
    let lines: Vec<&str> =
        text.lines().filter_map(|l| l.trim_start().strip_prefix("; DEPENDENCY:")).collect();
    if lines.is_empty() {
        return Ok(String::new());
    }
    let triple = text.lines().find_map(|l| l.strip_prefix("target triple = ")).context("no target triple")?;
    let mut opt = Command::new(tools.llvm.tool("opt"));
    for decides in DECIDES {
        opt.env_remove(decides);
    }
    opt.arg(format!("-load-pass-plugin={}", tools.plugin().display()));
    let printed = run_ok(opt.args(["-passes=jl-identity<print>", "-disable-output"]).arg(file))?.stdout;
    let identity = |name: &str| -> Result<[u8; IDENTITY_SIZE]> {
        let line = printed.lines().find(|l| l.split(' ').nth(2) == Some(name));
        let digits =
            line.and_then(|l| l.get(..2 * IDENTITY_SIZE)).with_context(|| format!("no function {name}"))?;
        Ok(u128::from_str_radix(digits, 16)?.to_be_bytes())
    };
    let mut files = Vec::new();
    for line in lines {
        let mut words = line.split_whitespace();
        let name = words.next().context("a dependency without a name")?;
        let function = |word: &str| {
            let name = word.trim_start_matches(['~', '=']);
            let identity = if word.starts_with('=') { None } else { Some(identity(name)?) };
            Ok(Exported { name: name.to_string(), identity, has_symbol: !word.starts_with('~') })
        };
        let functions: Vec<Exported> = words.map(function).collect::<Result<_>>()?;
        let made = dependency::make(folder, name, triple.trim_matches('"'), &functions)?;
        files.push(made.to_string_lossy().into_owned());
    }
    Ok(files.join(":"))
}

fn split_words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    ensure!(!quoted, "a quote is not closed");
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let text = "; RUN: A=b not opt -passes='x,y' -S %s 2>&1 | FileCheck %s --check-prefix=BAD\n; text\n";
        let lines = RunLine::parse_all(text).unwrap();
        let expected = RunLine {
            environment: vec![("A".into(), "b".into())],
            must_fail: true,
            options: vec!["-passes=x,y".into(), "-S".into(), "%s".into()],
            with_errors: true,
            generate: None,
            check_options: vec!["%s".into(), "--check-prefix=BAD".into()],
        };
        assert_eq!(lines, [expected]);
        let lines = RunLine::parse_all("; RUN: opt -S %s | llc -O3 | FileCheck %s").unwrap();
        assert_eq!(lines[0].generate, Some(vec!["-O3".to_string()]));
    }

    #[test]
    fn what_cannot_be_run_is_an_error() {
        for text in [
            "",
            "; RUN: opt -S %s",
            "; RUN: clang %s | FileCheck %s",
            "; RUN: opt 'x | FileCheck %s",
            "; RUN: opt -S %s | cat | FileCheck %s",
        ] {
            assert!(RunLine::parse_all(text).is_err(), "{text}");
        }
    }
}
