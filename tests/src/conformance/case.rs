//! One test of somebody else's: built by plain clang and by the tools under test, run at every target.

use super::kept::any_output;
use super::level::Level;
use super::platform::{Language, Platform};
use super::reference::Reference;
use super::{Context, shorten};
use crate::command::{Ran, run, shell_text};
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What makes a test pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// That it compiles to an object.
    Compile,
    /// That it links, runs and ends with status 0.
    Run,
    /// That it links, runs and does not end with status 0.
    RunToFailure,
}

/// A test and how it is built.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique within the suite.
    pub name: String,
    pub language: Language,
    pub kind: Kind,
    pub sources: Vec<PathBuf>,
    /// Before the level's own flags, to compile and link.
    pub flags: Vec<String>,
    /// For runs.
    pub env: Vec<(String, String)>,
    /// CPU time that plain clang's build may take, in seconds; ours may take some times as much.
    pub cpu_seconds: u32,
    /// What our build takes functions from, and plain clang's does not.
    pub above: Option<Above>,
    /// What plain clang builds to compare with; the same sources at the same level when absent.
    pub expected: Option<Expected>,
}

/// An image that a program takes functions from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Above {
    pub image: PathBuf,
    /// Known to the linker alone, or to the compiler, too.
    pub by_linker: bool,
}

/// Another build to compare with.
#[derive(Clone, Debug)]
pub struct Expected {
    pub sources: Vec<PathBuf>,
    pub level: Level,
}

/// How a case came out at one level.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What plain clang's build did; an error is the reason why nothing is asked of us.
    pub reference: Result<(), String>,
    /// For each place, or for the object of a case that is only compiled.
    pub places: Vec<PlaceResult>,
}

/// How a case came out at one place.
#[derive(Clone, Debug)]
pub struct PlaceResult {
    pub name: String,
    /// An error holds what was found and the commands.
    pub result: Result<(), String>,
    /// Whether the image has a body for this place's target alone; of a program above an image, whether it takes functions from that.
    pub with_clones: bool,
}

/// A test program that was built.
struct Program {
    path: PathBuf,
    /// How many bodies of its own each target has; not asked of a program above an image.
    clones: Vec<u64>,
    /// How many functions it takes from an image that it is above.
    imports: u64,
    build: String,
}

impl Case {
    /// A C program that is to run and to end with status 0.
    pub fn of_source(name: &str, source: PathBuf) -> Case {
        Case {
            name: name.into(),
            language: Language::C,
            kind: Kind::Run,
            sources: vec![source],
            flags: Vec::new(),
            env: Vec::new(),
            cpu_seconds: 10,
            above: None,
            expected: None,
        }
    }

    /// Builds and runs it; what shows a failure goes to a folder in `failures`. An error is one of this machine's,
    /// not of the test.
    pub fn judge(&self, context: &Context, level: Level, failures: &Path) -> Result<Judged> {
        let reference = Reference::of(self, context, level)?;
        let key = context.passed.key(&self.our_build(context, level, any_output()), self, &self.sources)?;
        if let (Ok(()), Some(places)) = (&reference.passed, self.passed_before(context, &key)) {
            return Ok(Judged { reference: Ok(()), places });
        }
        let folder = context.work_folder()?;
        let places = match &reference.passed {
            Err(_) => self.nowhere(context),
            Ok(()) => self.try_ours(context, level, &reference, folder.path())?,
        };
        if places.iter().any(|p| p.result.is_err()) {
            if let Some(reason) = self.second_opinion(context, level, &reference)? {
                return Ok(Judged { reference: Err(reason), places: self.nowhere(context) });
            }
            self.keep(&failures.join(self.folder_name(level)), folder.path(), &places)?;
        } else if reference.passed.is_ok() {
            let clones: Vec<&str> = places.iter().map(|p| if p.with_clones { "1" } else { "0" }).collect();
            context.passed.put(&key, &clones.join(" "))?;
        }
        Ok(Judged { reference: reference.passed, places })
    }

    /// With `--resume`, what came out of an earlier run with the same tools, when everything passed.
    fn passed_before(&self, context: &Context, key: &str) -> Option<Vec<PlaceResult>> {
        let text = context.options.resume.then(|| context.passed.get(key))??;
        let mut places = self.nowhere(context);
        let clones: Vec<&str> = text.split(' ').collect();
        if clones.len() != places.len() {
            return None;
        }
        for (place, clones) in places.iter_mut().zip(clones) {
            place.with_clones = clones == "1";
        }
        Some(places)
    }

    /// Where our build is compared with another build than its own counterpart: why that counterpart, by plain
    /// clang, does not do the same either.
    fn second_opinion(
        &self,
        context: &Context,
        level: Level,
        expected: &Reference,
    ) -> Result<Option<String>> {
        if self.expected.is_none() {
            return Ok(None);
        }
        let counterpart = Case { expected: None, ..self.clone() };
        let found = Reference::of(&counterpart, context, level)?;
        Ok(match &found.passed {
            Err(reason) => Some(reason.clone()),
            Ok(()) if found != *expected => Some("plain clang's output differs from level to level".into()),
            Ok(()) => None,
        })
    }

    /// The places' names when there is nothing to run.
    fn nowhere(&self, context: &Context) -> Vec<PlaceResult> {
        let place = |name: &str| PlaceResult { name: name.into(), result: Ok(()), with_clones: false };
        match self.kind {
            Kind::Compile => vec![place(OBJECT)],
            Kind::Run | Kind::RunToFailure => context.places.iter().map(|p| place(&p.name)).collect(),
        }
    }

    fn try_ours(
        &self,
        context: &Context,
        level: Level,
        reference: &Reference,
        folder: &Path,
    ) -> Result<Vec<PlaceResult>> {
        let mut places = self.nowhere(context);
        match self.build_ours(context, level, folder)? {
            Err(what) => places.iter_mut().for_each(|p| p.result = Err(what.clone())),
            Ok(program) if self.kind == Kind::Compile => {
                places.iter_mut().for_each(|p| p.with_clones = program.clones.iter().any(|n| *n > 0));
            }
            Ok(program) => {
                for (result, place) in places.iter_mut().zip(&context.places) {
                    result.with_clones = program.imports > 0
                        || place.target > 0 && program.clones.get(place.target).is_some_and(|n| *n > 0);
                    let mut command = place.run(&program.path, self.cpu_seconds * PATIENCE);
                    result.result = self
                        .run(&mut command, folder)
                        .map_err(|error| format!("{error:#}"))
                        .and_then(|ran| self.passes(&ran).and_then(|()| reference.same_output(&ran)))
                        .map_err(|what| format!("{what}\n{}\n{}", program.build, shell_text(&command)));
                }
            }
        }
        Ok(places)
    }

    /// Our build, or what went wrong.
    fn build_ours(&self, context: &Context, level: Level, folder: &Path) -> Result<Result<Program, String>> {
        let output = folder.join(if self.kind == Kind::Compile { "object.o" } else { "program" });
        let mut command = self.our_build(context, level, &output);
        let ran = match run(&mut command) {
            Ok(ran) => ran,
            Err(error) => return Ok(Err(format!("{error:#}"))),
        };
        if !ran.status.success() {
            return Ok(Err(format!("does not build: {}", shorten(&ran.describe()))));
        }
        let (clones, imports) = match (self.kind, &self.above) {
            (Kind::Compile, _) => (clones_of_object(&output)?, 0),
            (_, None) => (clones_of_program(context, &output)?, 0),
            (_, Some(_)) => (Vec::new(), imports_of_program(context, &output)?),
        };
        Ok(Ok(Program { path: output, clones, imports, build: shell_text(&command) }))
    }

    fn our_build(&self, context: &Context, level: Level, output: &Path) -> Command {
        let mut command = context.platform.compiler(&context.tools, self.language);
        self.arguments(&mut command, level, output);
        if let Some(Above { image, by_linker }) = &self.above {
            let dependency = format!("--jl-dep={}", image.display());
            match by_linker {
                true => command.arg("--jl-package").arg(format!("-Wl,{dependency}")),
                false => command.arg(dependency),
            };
            let folder = image.parent().unwrap_or(Path::new("."));
            command.arg(image).arg(format!("-Wl,-rpath,{}", folder.display()));
        }
        command
    }

    /// What follows the compiler and its own options.
    pub fn arguments(&self, command: &mut Command, level: Level, output: &Path) {
        command.args(&self.flags).args(level.flags());
        if self.kind == Kind::Compile {
            command.arg("-c");
        }
        command.args(&self.sources).arg("-o").arg(output);
        if self.kind != Kind::Compile {
            command.arg("-lm");
        }
    }

    /// Runs a command that runs the program.
    pub fn run(&self, command: &mut Command, folder: &Path) -> Result<Ran> {
        command.envs(self.env.iter().map(|(n, v)| (n, v))).current_dir(folder);
        run(command)
    }

    /// Whether a run's status is the one that was asked for.
    pub fn passes(&self, ran: &Ran) -> Result<(), String> {
        match (self.kind, ran.status.success()) {
            (Kind::RunToFailure, true) => Err("ended with status 0, expected another one".into()),
            (Kind::Run, false) => Err(how_it_ended(ran)),
            _ => Ok(()),
        }
    }

    fn folder_name(&self, level: Level) -> String {
        format!("{}@{}", self.name.replace('/', "-"), level.name())
    }

    /// A failure's files and commands stay in a folder of its own.
    fn keep(&self, folder: &Path, from: &Path, places: &[PlaceResult]) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        for entry in fs::read_dir(from)? {
            let path = entry?.path();
            if path.is_file() {
                fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
            }
        }
        let what = |p: &PlaceResult| {
            let error = p.result.as_ref().err()?.replace(&*from.to_string_lossy(), &folder.to_string_lossy());
            Some(format!("== {}\n{error}\n", p.name))
        };
        let text: String = places.iter().filter_map(what).collect();
        fs::write(folder.join("failure.txt"), text)?;
        Ok(())
    }
}

/// How many times plain clang's limit of CPU time our builds have: -O0 code is never faster than that, and a
/// test at the limit must not look like a failure of ours.
const PATIENCE: u32 = 4;

/// The place of a case that is only compiled.
pub const OBJECT: &str = "object";

/// How a program that failed came to its end.
pub fn how_it_ended(ran: &Ran) -> String {
    use std::os::unix::process::ExitStatusExt;
    const SIGABRT: i32 = 6;
    const SIGSEGV: i32 = 11;
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    match (ran.status.code(), ran.status.signal()) {
        (Some(status), _) => format!("exit status {status}"),
        (_, Some(SIGABRT)) => "aborts".into(),
        (_, Some(SIGSEGV)) => "segmentation fault".into(),
        (_, Some(SIGKILL | SIGXCPU)) => "does not come to an end (CPU time limit)".into(),
        (_, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => format!("{}", ran.status),
    }
}

/// For each target, how many of a program's functions run another body than the baseline's, by `jl-load
/// explain`; nothing for a program without clones.
pub(super) fn clones_of_program(context: &Context, program: &Path) -> Result<Vec<u64>> {
    let ran = run(Command::new(context.tools.jl_load()).arg("explain").arg(program))?;
    Ok(bodies_by_target(&ran.stdout))
}

/// How many functions a program takes from images, by `jl-load explain`.
fn imports_of_program(context: &Context, program: &Path) -> Result<u64> {
    let ran = run(Command::new(context.tools.jl_load()).args(["explain", "--deps", "--json"]).arg(program))?;
    let graph: serde_json::Value =
        serde_json::from_str(&ran.stdout).with_context(|| format!("no graph from {}", ran.describe()))?;
    Ok(graph["images"][0]["imports"].as_u64().unwrap_or(0))
}

fn bodies_by_target(explained: &str) -> Vec<u64> {
    let mut found = Vec::new();
    for line in explained.lines() {
        let mut words = line.trim_start_matches(['*', ' ']).split_whitespace();
        match (words.next(), words.next()) {
            (Some("target"), Some(_)) => found.push(0),
            (Some("bodies"), Some(count)) => {
                if let Some(last) = found.last_mut() {
                    *last = count.parse().unwrap_or(0);
                }
            }
            _ => {}
        }
    }
    found
}

/// How many functions an object has clones of, as one number: bitcode has none yet.
fn clones_of_object(object: &Path) -> Result<Vec<u64>> {
    let bytes = fs::read(object)?;
    if !bytes.starts_with(b"\x7fELF") {
        return Ok(vec![]);
    }
    let section = crate::elf::Elf::read(object)?.section_bytes(image_format::layout::REPORT_SECTION)?;
    let text = String::from_utf8_lossy(&section.unwrap_or_default()).into_owned();
    let cloned = image_format::report::parse_lines(&text).filter(|l| l.as_ref().is_ok_and(|l| l.mask != 1));
    Ok(vec![cloned.count() as u64])
}

impl Platform {
    /// The build by plain clang that a case is compared with.
    pub fn plain_build(self, case: &Case, level: Level, output: &Path) -> Command {
        let mut command = self.plain_compiler(case.language);
        match &case.expected {
            None => case.arguments(&mut command, level, output),
            Some(Expected { sources, level }) => {
                let expected = Case { sources: sources.clone(), expected: None, ..case.clone() };
                expected.arguments(&mut command, *level, output);
            }
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use super::bodies_by_target;

    #[test]
    fn explain_tells_how_many_bodies_a_target_has() {
        let text = "a.so: code image\n  target 0   x86-64\n      needs    cx8\n* target 1   x86-64-v3\n      base     target 0\n      \
                    bodies   7 other than the baseline's\n";
        assert_eq!(bodies_by_target(text), [0, 7]);
        assert!(bodies_by_target("jl-load: error: no code image\n").is_empty());
    }
}
