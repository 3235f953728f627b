//! cargo's command line, as far as `cargo jl` must understand it; cargo parses it again and has the last word.

use crate::options::OwnOptions;
use anyhow::bail;
use std::ffi::{OsStr, OsString};

/// What was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The target list as given.
    pub targets: Option<String>,
    /// Options for jl-link as they were written.
    pub for_linker: Vec<OsString>,
    /// Dylib crates lend functions to what is linked with them.
    pub packages: bool,
    pub help: bool,
    /// `--target`: LLVM's names of the platforms.
    pub triples: Vec<String>,
    /// `--profile`, or what `--release` and the subcommand mean; `None` is cargo's own choice (dev, test).
    pub profile: Option<String>,
    pub subcommand: Option<String>,
    /// cargo's arguments, ours taken out.
    pub rest: Vec<OsString>,
}

impl Request {
    /// `args` are without the program's name, and without the `jl` that cargo puts before them.
    ///
    /// # Errors
    /// A wrong option of ours, and one of cargo's that would be undone without a word.
    pub fn parse(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<Request> {
        let mut request = Request::default();
        let mut own = OwnOptions::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            if arg == "--" {
                // What follows is for the program that is run.
                request.rest.push(arg);
                request.rest.extend(args);
                break;
            }
            let text = arg.to_string_lossy().into_owned();
            if let Some(list) = text.strip_prefix("--jl-targets=") {
                request.targets = Some(list.into());
                continue;
            }
            if text == "--jl-package" {
                request.packages = true;
                continue;
            }
            if text == "--jl-targets" {
                bail!("{text} needs a value: {text}='x86-64;x86-64-v3'");
            }
            if text.starts_with("--jl-") && own.take(&arg)? {
                request.for_linker.push(arg);
                continue;
            }
            request.note(&text);
            request.rest.push(arg);
            if let Some(name) = takes_value(&text) {
                let Some(value) = args.next() else { continue };
                request.note_value(name, &value.to_string_lossy())?;
                request.rest.push(value);
            } else if let Some((name, value)) = text.split_once('=') {
                request.note_value(name, value)?;
            }
        }
        if own.report.is_some() {
            bail!("--jl-report: cargo links many files; name one by RUSTFLAGS='-Clink-arg=--jl-report=FILE'");
        }
        request.help = own.help || (request.subcommand.is_none() && asks_for_help(&request.rest));
        Ok(request)
    }

    fn note(&mut self, arg: &str) {
        if arg == "--release" || arg == "-r" {
            self.profile = Some("release".into());
        } else if self.subcommand.is_none() && !arg.starts_with(['-', '+']) {
            self.subcommand = Some(arg.into());
            if matches!(arg, "bench" | "install") && self.profile.is_none() {
                self.profile = Some("release".into());
            }
        }
    }

    fn note_value(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        match name {
            "--target" => self.triples.push(value.into()),
            "--profile" => self.profile = Some(value.into()),
            "--config" if value.contains("rustflags") || value.contains("linker") => bail!(
                "--config {value}: flags given so are lost, because cargo takes them from one place only, and \
                 cargo jl needs that place; put them into .cargo/config.toml or RUSTFLAGS"
            ),
            _ => {}
        }
        Ok(())
    }

    /// Whether what is built is not optimised, for all that can be told from here.
    pub fn is_unoptimized(&self) -> bool {
        let builds =
            matches!(self.subcommand.as_deref(), Some("build" | "b" | "test" | "t" | "run" | "r" | "rustc"));
        builds && matches!(self.profile.as_deref(), None | Some("dev" | "test"))
    }
}

/// The name of an option whose value is the next word.
fn takes_value(arg: &str) -> Option<&str> {
    // Only those whose value matters here, or could be taken for the subcommand.
    ["--target", "--profile", "--config", "--color", "-Z", "-C", "--manifest-path"]
        .contains(&arg)
        .then_some(arg)
}

fn asks_for_help(rest: &[OsString]) -> bool {
    rest.is_empty() || rest.iter().any(|a| a == OsStr::new("--help") || a == OsStr::new("-h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Request> {
        Request::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn ours_is_taken_and_the_rest_is_cargos() {
        let found = parse(&[
            "test",
            "--release",
            "--jl-targets=x86-64;haswell",
            "--jl-package",
            "--jl-summary",
            "--target",
            "x86_64-unknown-linux-gnu",
            "--",
            "--jl-targets=for-the-test",
        ]);
        let found = found.unwrap();
        assert_eq!(found.targets.as_deref(), Some("x86-64;haswell"));
        assert!(found.packages);
        assert_eq!(found.for_linker, ["--jl-summary"]);
        assert_eq!(found.triples, ["x86_64-unknown-linux-gnu"]);
        assert_eq!(found.profile.as_deref(), Some("release"));
        let rest =
            ["test", "--release", "--target", "x86_64-unknown-linux-gnu", "--", "--jl-targets=for-the-test"];
        assert_eq!(found.rest, rest);
    }

    #[test]
    fn profiles_and_subcommands() {
        let profile = |args: &[&str]| parse(args).unwrap().profile;
        assert_eq!(profile(&["build", "--profile=dist"]).as_deref(), Some("dist"));
        assert_eq!(profile(&["bench"]).as_deref(), Some("release"));
        assert_eq!(profile(&["build"]), None);
        assert!(parse(&["--color", "always", "build"]).unwrap().is_unoptimized());
        assert!(!parse(&["build", "-r"]).unwrap().is_unoptimized());
        assert!(!parse(&["tree"]).unwrap().is_unoptimized());
    }

    #[test]
    fn help_is_ours_only_before_a_subcommand() {
        assert!(parse(&["--help"]).unwrap().help);
        assert!(parse(&[]).unwrap().help);
        assert!(!parse(&["build", "--help"]).unwrap().help);
    }

    #[test]
    fn mistakes_are_errors() {
        for (args, message) in [
            (&["build", "--jl-targets", "x"][..], "needs a value"),
            (&["build", "--jl-target=x"], "--jl-target=x"),
            (&["build", "--jl-report=r.json"], "-Clink-arg"),
            (&["build", "--config", "build.rustflags=['-Cpanic=abort']"], ".cargo/config.toml"),
        ] {
            let error = format!("{:#}", parse(args).unwrap_err());
            assert!(error.contains(message), "{args:?}: {error}");
        }
    }
}
