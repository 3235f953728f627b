//! Which engine compiles the shards, by the environment. Pure text; no LLVM.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// `threads`, `distcc` or `ninja`.
pub const ENGINE: &str = "JL_IMAGE_ENGINE";
/// A program that runs jobs in the format of LLVM's distributed ThinLTO, and its arguments, as a shell would
/// split them. One variable for both, as build systems do it (`CC='ccache clang'`).
pub const DISTRIBUTOR: &str = "JL_IMAGE_DISTRIBUTOR";
/// The jl-cc that jobs call, by a path or name that holds where they run.
pub const REMOTE_CC: &str = "JL_IMAGE_REMOTE_CC";
/// Seconds without a result after which a job is given up.
pub const JOB_TIMEOUT: &str = "JL_IMAGE_JOB_TIMEOUT";
/// `1`: the folder with jobs and results stays.
pub const KEEP: &str = "JL_KEEP";

/// What every job gets without regard to its size: distcc's own limit for a machine that says nothing.
const LEAST_TIME: Duration = Duration::from_secs(300);
/// Bytes of bitcode that get a second more. None of SQLite's 21 shards (up to 494 KiB, -O3, three targets) took more
/// than 2.7 s; by this the largest has 61 s beyond what every job gets.
const BYTES_PER_SECOND: u64 = 8 << 10;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// This process.
    #[default]
    Threads,
    /// A program that is given the jobs as JSON.
    Distributor,
    Distcc,
    Ninja,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Threads, "threads"),
    (Kind::Distcc, "distcc"),
    (Kind::Ninja, "ninja"),
    (Kind::Distributor, "distributor"),
];

impl Kind {
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    pub kind: Kind,
    /// Program and arguments of a distributor.
    pub distributor: Vec<String>,
    /// `None`: the jl-cc beside the plugin.
    pub remote_cc: Option<PathBuf>,
    timeout: Option<Duration>,
    pub keep: bool,
}

impl Request {
    /// `variable` looks up a variable of the environment.
    ///
    /// # Errors
    /// A sentence that names the variable, its value and what is known.
    pub fn parse(variable: impl Fn(&str) -> Option<OsString>) -> Result<Request, String> {
        let text = |name: &str| match variable(name).map(OsString::into_string) {
            Some(Err(value)) => Err(format!("{name}={}: expected UTF-8", value.display())),
            Some(Ok(value)) => Ok(Some(value).filter(|v| !v.trim().is_empty())),
            None => Ok(None),
        };
        let distributor = match text(DISTRIBUTOR)? {
            None => Vec::new(),
            Some(words) => shlex::split(&words).ok_or_else(|| {
                format!("{DISTRIBUTOR}={words}: expected a program and its arguments; a quote is open")
            })?,
        };
        Ok(Request {
            kind: kind(text(ENGINE)?.as_deref(), !distributor.is_empty())?,
            distributor,
            remote_cc: variable(REMOTE_CC).filter(|v| !v.is_empty()).map(PathBuf::from),
            timeout: text(JOB_TIMEOUT)?.map(|t| seconds(&t)).transpose()?,
            keep: variable(KEEP).is_some_and(|v| v == "1"),
        })
    }

    /// How long a job with this many bytes of bitcode may take.
    pub fn limit(&self, bitcode: usize) -> Duration {
        self.timeout.unwrap_or(LEAST_TIME + Duration::from_secs(bitcode as u64 / BYTES_PER_SECOND))
    }
}

fn kind(word: Option<&str>, has_distributor: bool) -> Result<Kind, String> {
    let Some(word) = word else {
        return Ok(if has_distributor { Kind::Distributor } else { Kind::Threads });
    };
    let Some((kind, _)) = KINDS.iter().find(|(_, known)| *known == word) else {
        let known: Vec<&str> = KINDS.iter().map(|(_, word)| *word).collect();
        return Err(format!("{ENGINE}={word}: unknown engine; known are {}", known.join(", ")));
    };
    match kind {
        Kind::Distributor if !has_distributor => {
            Err(format!("{ENGINE}={word} needs the program that runs the jobs: set {DISTRIBUTOR}"))
        }
        Kind::Distcc | Kind::Ninja if has_distributor => Err(format!(
            "{ENGINE}={word} and {DISTRIBUTOR} are both set, but only one can run the jobs: unset one"
        )),
        kind => Ok(*kind),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| *s > 0.0);
    let limit = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    limit.ok_or_else(|| format!("{JOB_TIMEOUT}={text}: expected seconds, more than 0"))
}
