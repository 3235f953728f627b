//! What one run of emission works with: threads, memory, times, progress; and where warnings go.

use super::jobserver::Jobserver;
use super::place::{Place, Stage};
use super::progress::Progress;
use super::queue::{self, Failure, Job, Resources, Task};
use super::store::Store;
use super::timings::{self, Recorder};
use super::{memory, threads, trace};
use crate::llvm::{Landmark, Module, Severity};
use std::any::Any;
use std::cell::RefCell;
use std::env::var_os;
use std::path::Path;

/// One run's resources. Threads and times never change what comes out.
pub struct Session {
    threads: usize,
    /// Bytes for all jobs that run at the same time.
    memory: u64,
    recorder: Recorder,
    /// In the order in which they came up.
    warnings: RefCell<Vec<String>>,
    weights: RefCell<Vec<(Place, u64)>>,
    pub store: Store,
}

impl Session {
    /// Threads and memory as the environment says (`JULIA_IMAGE_THREADS`, `JL_IMAGE_MEMORY`), for such a module.
    pub fn new(module: threads::Module, store: Store) -> Session {
        let variable = var_os(threads::VARIABLE);
        let (threads, warning) =
            threads::choose(module, threads::Defaults::AllCores, threads::cores(), variable.as_deref());
        let free = memory::free(Path::new("/"));
        let (memory, other) = memory::budget(var_os(memory::VARIABLE).as_deref(), free);
        let warnings = RefCell::new(warning.into_iter().chain(other).collect());
        let landmark = |place: &Place, stage: Stage| -> Box<dyn Any> {
            Box::new(Landmark::new(&format!("{} {place}", stage.doing())))
        };
        Session {
            threads,
            memory,
            recorder: Recorder::watched(landmark),
            warnings,
            weights: RefCell::default(),
            store,
        }
    }

    /// Does a stage of the whole module on this thread and notes its time.
    pub fn stage<R>(&self, stage: Stage, work: impl FnOnce() -> R) -> R {
        self.recorder.time(&Place::module(), stage, 0, work)
    }

    pub fn weigh(&self, place: Place, weight: u64) {
        self.weights.borrow_mut().push((place, weight));
    }

    /// Whether anything has been warned about.
    pub fn has_warned(&self) -> bool {
        !self.warnings.borrow().is_empty()
    }

    pub fn warn(&self, text: &str) {
        self.warnings.borrow_mut().push(text.to_string());
    }

    /// How many jobs with so many bytes of bitcode may run at once, by threads and memory; at least 1.
    pub fn at_once(&self, bitcode: u64) -> usize {
        let fit = self.memory / memory::estimate(bitcode);
        self.threads.min(usize::try_from(fit).unwrap_or(usize::MAX)).max(1)
    }

    /// Runs `work` for each job, on the threads of the session; results are in the order of the jobs.
    ///
    /// # Errors
    /// As [`queue::run`].
    pub fn run<T: Send>(
        &self,
        jobs: &[Job],
        work: impl Fn(usize, &Task) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, Failure<String>> {
        let jobserver = Jobserver::from_environment();
        let mut progress = Progress::on_terminal(!matches!(jobserver, Jobserver::None));
        let resources = Resources { threads: self.threads, memory: self.memory, jobserver };
        queue::run(jobs, resources, &self.recorder, &mut progress, &|text| self.warn(text), work)
    }

    /// Hands out the warnings, and keeps the times to itself: a later session of the same build tells of its own, in the
    /// same files.
    pub fn close(self, module: Module) {
        for warning in self.warnings.into_inner().into_iter().chain(self.store.warnings()) {
            module.diagnose(Severity::Warning, &warning);
        }
    }

    /// Says what took how long, where the environment asks for it, and hands out the warnings.
    pub fn finish(self, module: Module) {
        let spans = self.recorder.spans();
        let (wanted, warning) = timings::wanted(var_os(timings::VARIABLE).as_deref());
        let mut warnings = self.warnings.into_inner();
        warnings.extend(warning);
        warnings.extend(self.store.warnings());
        if wanted {
            eprint!("{}", timings::table(&spans, &self.weights.into_inner()));
        }
        if let Some(path) = trace::file(var_os(trace::VARIABLE).as_deref(), std::process::id())
            && let Err(error) = trace::write(&path, &spans)
        {
            warnings.push(error);
        }
        for warning in warnings {
            module.diagnose(Severity::Warning, &warning);
        }
    }
}
