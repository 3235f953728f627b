//! Jobs as text for those who run them: JSON for distributors, a file for Ninja. Pure.

use serde::Serialize;
use std::path::Path;

/// The option that makes `jl-cc` compile a shard.
pub const SHARD_OPTION: &str = "--jl-shard";
/// The same, and the object gets a stamp ([`super::stamp`]).
pub const STAMPED_OPTION: &str = "--jl-shard=stamped";

/// One job's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub input: String,
    pub output: String,
}

/// The input of a distributor of LLVM's distributed ThinLTO (<https://llvm.org/docs/DTLTO.html>): a job's command is
/// the common arguments, then its own.
#[derive(Serialize)]
struct Document<'a> {
    common: Common<'a>,
    jobs: Vec<Job<'a>>,
}

#[derive(Serialize)]
struct Common<'a> {
    linker_output: &'a str,
    args: [&'a str; 3],
    inputs: [&'a str; 0],
}

#[derive(Serialize)]
struct Job<'a> {
    args: [&'a str; 3],
    inputs: [&'a str; 1],
    outputs: [&'a str; 1],
}

/// `archive` is what is made of the jobs' outputs, `compiler` the jl-cc.
///
/// # Errors
/// A sentence, when a path is no UTF-8.
pub fn json(archive: &Path, compiler: &Path, option: &str, jobs: &[Files]) -> Result<String, String> {
    let document = Document {
        common: Common { linker_output: utf8(archive)?, args: [utf8(compiler)?, option, "-c"], inputs: [] },
        jobs: jobs.iter().map(Job::of).collect(),
    };
    serde_json::to_string_pretty(&document).map_err(|error| error.to_string())
}

impl Job<'_> {
    fn of(files: &Files) -> Job<'_> {
        Job { args: [&files.input, "-o", &files.output], inputs: [&files.input], outputs: [&files.output] }
    }
}

/// What Ninja makes of the objects: file and members, and the program that does it.
pub struct Archive<'a> {
    pub path: &'a Path,
    pub members: Vec<&'a str>,
    pub archiver: &'a str,
}

/// A file for Ninja with a rule for shards, and one for the archive where it is wanted.
///
/// # Errors
/// A sentence, when a path cannot be written in it.
pub fn ninja(
    compiler: &Path,
    option: &str,
    jobs: &[Files],
    archive: Option<&Archive>,
) -> Result<String, String> {
    let compiler = shlex::try_quote(utf8(compiler)?).map_err(|e| e.to_string())?.replace('$', "$$");
    let mut text = format!(
        "ninja_required_version = 1.5\n\n\
         rule shard\n  command = {compiler} {option} -c $in -o $out\n  description = $out\n\n"
    );
    for Files { input, output } in jobs {
        text += &format!("build {}: shard {}\n", word(output)?, word(input)?);
    }
    if let Some(Archive { path, members, archiver }) = archive {
        let members: Vec<String> = members.iter().map(|m| word(m)).collect::<Result<_, _>>()?;
        text += &format!(
            "\nrule archive\n  command = rm -f $out.new && {archiver} rcsD $out.new $in && mv $out.new $out\n  \
             description = $out\n\nbuild {}: archive {}\n",
            word(utf8(path)?)?,
            members.join(" ")
        );
    }
    Ok(text)
}

/// A path as Ninja reads it.
fn word(path: &str) -> Result<String, String> {
    if path.contains('\n') {
        return Err(format!("Ninja knows no line breaks in file names: {path:?}"));
    }
    Ok(path.replace('$', "$$").replace(' ', "$ ").replace(':', "$:"))
}

fn utf8(path: &Path) -> Result<&str, String> {
    path.to_str().ok_or_else(|| format!("{} is not UTF-8, which job files are", path.display()))
}
