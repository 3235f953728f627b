//! Engines: who compiles the shards of a module, instead of the threads of this process.
//!
//! A job is always one shard: bitcode in, object out, by `jl-cc --jl-shard`. The engine gets jobs as files in a
//! [`folder`], in the form that it reads ([`formats`]), under the supervision of [`runner`]. What it did is told by
//! the outputs alone, not by its exit status: each must end with the [`stamp`] of its job. Shards whose output
//! is missing or broken are compiled here, so that an engine may fail in any way and the result is the same.

pub mod folder;
pub mod formats;
pub mod job;
mod launch;
pub mod leave;
pub mod request;
pub mod runner;
pub mod stamp;

use super::place::{Place, Stage};
use super::producer;
use super::queue::{Cause, Failure};
use super::session::Session;
use super::shards::Shard;
use crate::llvm;
use folder::Folder;
use formats::Files;
use launch::{Batch, JobFile};
use request::{Kind, Request};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// An engine for the shards of one output.
pub struct Engine {
    request: Request,
    /// The jl-cc that jobs call.
    compiler: PathBuf,
    output: PathBuf,
    /// Who compiles here, and must have compiled what jobs return.
    words: String,
}

/// The jl-cc that jobs call.
///
/// # Errors
/// A sentence, when there is none beside the plugin and none was named.
fn compiler(request: &Request) -> Result<PathBuf, String> {
    if let Some(named) = &request.remote_cc {
        return Ok(named.clone());
    }
    let beside = llvm::files_of_code().and_then(|[plugin, _]| Some(plugin.parent()?.join("jl-cc")));
    beside.filter(|file| file.is_file()).ok_or_else(|| {
        format!("found no jl-cc beside the plugin for the jobs: set {} to its path", request::REMOTE_CC)
    })
}

impl Engine {
    /// As the environment says; `None` where the threads of this process compile. `output` is the file that is
    /// made of the objects.
    ///
    /// # Errors
    /// A sentence that names the variable that is wrong.
    pub fn from_environment(output: &Path) -> Result<Option<Engine>, String> {
        let request = Request::parse(|name| std::env::var_os(name))?;
        if request.kind == Kind::Threads {
            return Ok(None);
        }
        let output = std::path::absolute(output).map_err(|error| error.to_string())?;
        let words =
            producer::words().ok_or("the plugin's file cannot be told, by which objects are known")?;
        Ok(Some(Engine { compiler: compiler(&request)?, request, output, words }))
    }

    /// Compiles the shards that have no object yet. Those whose object does not come back whole still have none
    /// afterwards, which it warns about.
    ///
    /// # Errors
    /// When the jobs cannot be written.
    pub fn compile(
        &self,
        shards: &[Shard],
        objects: &mut [Option<Vec<u8>>],
        session: &Session,
    ) -> Result<(), Failure<String>> {
        let missing = objects.iter().zip(shards).enumerate().filter(|(_, (object, _))| object.is_none());
        let (places, missing): (Vec<usize>, Vec<&Shard>) =
            missing.map(|(place, (_, shard))| (place, shard)).unzip();
        if missing.is_empty() {
            return Ok(());
        }
        let made = self.make(&missing, session).map_err(|error| Failure {
            place: Place::module(),
            stage: Some(Stage::Distribute),
            function: None,
            cause: Cause::Error(error),
        })?;
        for (place, object) in places.into_iter().zip(made) {
            objects[place] = object;
        }
        Ok(())
    }

    fn make(&self, shards: &[&Shard], session: &Session) -> Result<Vec<Option<Vec<u8>>>, String> {
        let folder = Folder::beside(&self.output, self.request.keep)?;
        let jobs = self.write(shards, &folder)?;
        let heaviest = shards.iter().map(|s| s.bitcode.len()).max().unwrap_or(0);
        let batch = Batch {
            folder: folder.path(),
            jobs: &jobs,
            request: &self.request,
            compiler: &self.compiler,
            output: &self.output,
            threads: session.at_once(heaviest as u64),
        };
        let reasons = session.stage(Stage::Distribute, || batch.run())?;
        let mut failed: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut objects = Vec::new();
        for (shard, (job, reason)) in shards.iter().zip(jobs.iter().zip(reasons)) {
            let output = fs::read(&job.files.output).map_err(|_| "no output".to_string());
            let whole = output.and_then(|bytes| self.whole(&bytes, shard, session));
            if let Err(broken) = &whole {
                let reason = reason.map_or(broken.clone(), |reason| format!("{broken}; {reason}"));
                failed.entry(reason).or_default().push(shard.id.0.to_string());
            }
            objects.push(whole.ok());
        }
        if !failed.is_empty() {
            session.warn(&self.warning(&failed, shards.len()));
        }
        Ok(objects)
    }

    /// The object in a job's output, which is kept for later builds.
    fn whole(&self, output: &[u8], shard: &Shard, session: &Session) -> Result<Vec<u8>, String> {
        let opened = stamp::open(output, &shard.bitcode, &self.words);
        let (object, warned) = opened.map_err(|broken| broken.to_string())?;
        if !warned {
            session.store.put(&session.store.shard(&shard.bitcode), object);
        }
        Ok(object.to_vec())
    }

    fn write(&self, shards: &[&Shard], folder: &Folder) -> Result<Vec<JobFile>, String> {
        // distcc sends files that are called like preprocessed C as they are.
        let extension = if self.request.kind == Kind::Distcc { "i" } else { "bc" };
        let file = |name: String| {
            let path = folder.path().join(name).into_os_string().into_string();
            path.map_err(|path| format!("{} is not UTF-8, which job files are", path.display()))
        };
        let job = |shard: &&Shard| {
            let number = shard.id.0;
            let files = Files {
                input: file(format!("shard_{number}.{extension}"))?,
                output: file(format!("shard_{number}.o"))?,
            };
            fs::write(&files.input, &shard.bitcode)
                .map_err(|error| format!("cannot write {}: {error}", files.input))?;
            Ok(JobFile { limit: self.request.limit(shard.bitcode.len()), files })
        };
        shards.iter().map(job).collect()
    }

    fn warning(&self, failed: &BTreeMap<String, Vec<String>>, all: usize) -> String {
        let count: usize = failed.values().map(Vec::len).sum();
        let list: Vec<String> =
            failed.iter().map(|(reason, shards)| format!("{} ({reason})", shards.join(", "))).collect();
        format!(
            "engine {}: {count} of {all} shards did not come back whole and were compiled here: {}",
            self.request.kind.word(),
            list.join(", ")
        )
    }
}
