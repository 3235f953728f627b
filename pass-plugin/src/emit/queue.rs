//! Runs jobs on threads. What comes out depends on the jobs alone; what is running when does not.
//!
//! The thread that calls [`run`] supervises: it asks make for tokens and draws the progress. The workers
//! take jobs as [`Schedule`] says. All state is in one [`Mutex`], which nobody holds while working or
//! waiting; when [`run`] returns, well or not, all threads have ended and all tokens are back.

use crate::emit::jobserver::{Jobserver, Token, Tokens};
use crate::emit::place::{Place, Stage};
use crate::emit::progress::Progress;
use crate::emit::schedule::Schedule;
use crate::emit::threads::STACK_BYTES;
use crate::emit::timings::Recorder;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How soon a token that make has again is seen. Asking costs one system call.
const TOKEN_INTERVAL: Duration = Duration::from_millis(25);

/// One unit of work, by what the queue must know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub place: Place,
    pub weight: u64,
    /// Bytes that it is expected to need at its peak ([`memory::estimate`](crate::emit::memory::estimate)).
    pub memory: u64,
}

/// What the jobs may use.
#[derive(Debug)]
pub struct Resources {
    pub threads: usize,
    /// Bytes for all jobs that run at the same time. One runs even if it needs more.
    pub memory: u64,
    pub jobserver: Jobserver,
}

/// Why there are no results.
#[derive(Debug)]
pub struct Failure<E> {
    pub place: Place,
    /// The last stage that began.
    pub stage: Option<Stage>,
    /// The function that was worked on last, where the job told ([`Task::function`]).
    pub function: Option<String>,
    pub cause: Cause<E>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Cause<E> {
    Error(E),
    /// A panic, with its message.
    Panic(String),
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.place)?;
        if let Some(function) = &self.function {
            write!(f, ", function {function}")?;
        }
        if let Some(stage) = self.stage {
            write!(f, " (stage {})", stage.word())?;
        }
        match &self.cause {
            Cause::Error(error) => write!(f, ": {error}"),
            Cause::Panic(message) => write!(f, ": panicked: {message}; this is a bug, please report it"),
        }
    }
}

impl<E: fmt::Debug + Display> std::error::Error for Failure<E> {}

/// What a job tells while it runs. Belongs to the thread of the job.
pub struct Task<'a> {
    place: &'a Place,
    recorder: &'a Recorder,
    thread: usize,
    stage: Cell<Option<Stage>>,
    function: RefCell<Option<String>>,
}

impl Task<'_> {
    /// Does a stage of the job and notes its time.
    pub fn stage<R>(&self, stage: Stage, work: impl FnOnce() -> R) -> R {
        self.stage.set(Some(stage));
        self.recorder.time(self.place, stage, self.thread, work)
    }

    pub fn place(&self) -> &Place {
        self.place
    }

    /// Says which function is worked on from now on, for the message if the job fails.
    pub fn function(&self, name: &str) {
        *self.function.borrow_mut() = Some(name.to_string());
    }

    fn failure<E>(self, cause: Cause<E>) -> Failure<E> {
        let (place, stage) = (self.place.clone(), self.stage.get());
        Failure { place, stage, function: self.function.into_inner(), cause }
    }
}

/// Runs `work` for the index of each job, and gives the results in the order of `jobs`.
///
/// Warnings (a jobserver that breaks) go to `warn`.
///
/// # Errors
/// The failure of the first job of the list among those that failed. When one fails no other starts, and
/// those that run are waited for.
pub fn run<T: Send, E: Send>(
    jobs: &[Job],
    resources: Resources,
    recorder: &Recorder,
    progress: &mut Progress,
    warn: &dyn Fn(&str),
    work: impl Fn(usize, &Task) -> Result<T, E> + Sync,
) -> Result<Vec<T>, Failure<E>> {
    let Resources { threads, memory, jobserver } = resources;
    let (wanted, tokens) = match jobserver {
        Jobserver::None => (threads, None),
        Jobserver::Tokens(tokens) => (threads, Some(tokens)),
        Jobserver::Unusable(reason) => {
            if let Some(reason) = reason.filter(|_| threads > 1) {
                warn(&format!("make's jobserver cannot be used, so one thread emits: {reason}"));
            }
            (1, None)
        }
    };
    let threads = wanted.clamp(1, jobs.len().max(1));
    let shared = Shared::new(jobs, memory, threads, tokens);
    progress.begin(jobs.iter().map(|j| j.weight).sum(), jobs.len());
    thread::scope(|scope| {
        let mut started = 0;
        for number in 1..=threads {
            let (shared, work) = (&shared, &work);
            let builder = thread::Builder::new().name(format!("jl-emit {number}")).stack_size(STACK_BYTES);
            let body = move || shared.work(number, recorder, work);
            started += usize::from(builder.spawn_scoped(scope, body).is_ok());
        }
        // A host that can start no thread at all still has this one.
        if started == 0 {
            shared.work(0, recorder, &work);
        }
        shared.supervise(progress, warn);
    });
    progress.end();
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.failure {
        Some((_, failure)) => Err(failure),
        // Every job has run: none is left out but after a failure.
        None => Ok(state.results.into_iter().flatten().collect()),
    }
}

/// What lets a worker run a job.
enum Permit {
    /// Without a jobserver.
    Free,
    /// The token that make spent on this process.
    Implicit,
    Lent(Token),
}

struct State<T, E> {
    schedule: Schedule,
    results: Vec<Option<T>>,
    failure: Option<(usize, Failure<E>)>,
    /// The implicit token is not in use. Means nothing without a jobserver.
    implicit: bool,
    /// Lent by make and not used yet.
    spare: Vec<Token>,
    /// Workers that could start a job but for a token.
    hungry: usize,
    /// Weights of the jobs that ended since the progress was drawn.
    ended: Vec<u64>,
}

impl<T, E> State<T, E> {
    /// Whether a token more would start a job more. Gives back what came too late.
    fn is_starved(&mut self) -> bool {
        let useful = if self.schedule.can_start() { self.hungry } else { 0 };
        self.spare.truncate(useful);
        self.spare.len() < useful
    }
}

struct Shared<'a, T, E> {
    jobs: &'a [Job],
    tokens: Option<Tokens>,
    state: Mutex<State<T, E>>,
    /// For workers: a job ended, or a token came.
    workers: Condvar,
    /// For the supervisor: a job ended, or a worker is hungry.
    supervisor: Condvar,
}

impl<'a, T: Send, E: Send> Shared<'a, T, E> {
    fn new(jobs: &'a [Job], memory: u64, threads: usize, tokens: Option<Tokens>) -> Self {
        let state = State {
            schedule: Schedule::new(jobs, memory, threads),
            results: jobs.iter().map(|_| None).collect(),
            failure: None,
            implicit: true,
            spare: Vec::new(),
            hungry: 0,
            ended: Vec::new(),
        };
        let (workers, supervisor) = (Condvar::new(), Condvar::new());
        Shared { jobs, tokens, state: Mutex::new(state), workers, supervisor }
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // Nothing that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A worker's life.
    fn work(&self, thread: usize, recorder: &Recorder, work: &impl Fn(usize, &Task) -> Result<T, E>) {
        while let Some((job, permit)) = self.take() {
            let place = &self.jobs[job].place;
            let (stage, function) = (Cell::default(), RefCell::default());
            let task = Task { place, recorder, thread, stage, function };
            // Unwind safety: after a panic the task is only read, and of what `work` shares with other jobs
            // nothing is used but to end them.
            let outcome = match catch_unwind(AssertUnwindSafe(|| work(job, &task))) {
                Ok(Ok(result)) => Ok(result),
                Ok(Err(error)) => Err(task.failure(Cause::Error(error))),
                Err(payload) => Err(task.failure(Cause::Panic(panic_message(payload.as_ref())))),
            };
            self.finish(job, permit, outcome);
        }
    }

    /// Waits for a job that may start; `None` when none will any more.
    fn take(&self) -> Option<(usize, Permit)> {
        let mut state = self.lock();
        loop {
            if state.schedule.has_started_all() {
                return None;
            }
            let mut hungry = false;
            if state.schedule.can_start() {
                if let Some(permit) = self.permit(&mut state) {
                    return state.schedule.start().map(|job| (job, permit));
                }
                hungry = true;
                state.hungry += 1;
                self.supervisor.notify_one();
            }
            state = self.workers.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.hungry -= usize::from(hungry);
        }
    }

    fn permit(&self, state: &mut State<T, E>) -> Option<Permit> {
        if self.tokens.is_none() {
            Some(Permit::Free)
        } else if std::mem::take(&mut state.implicit) {
            Some(Permit::Implicit)
        } else {
            state.spare.pop().map(Permit::Lent)
        }
    }

    fn finish(&self, job: usize, permit: Permit, outcome: Result<T, Failure<E>>) {
        // Back to make before anything else: another program may wait for it.
        let implicit = match permit {
            Permit::Lent(token) => {
                drop(token);
                false
            }
            Permit::Implicit => true,
            Permit::Free => false,
        };
        let mut state = self.lock();
        state.implicit |= implicit;
        state.schedule.finish(job);
        state.ended.push(self.jobs[job].weight);
        match outcome {
            Ok(result) => state.results[job] = Some(result),
            Err(failure) => {
                state.schedule.stop();
                if state.failure.as_ref().is_none_or(|(first, _)| job < *first) {
                    state.failure = Some((job, failure));
                }
            }
        }
        drop(state);
        self.workers.notify_all();
        self.supervisor.notify_one();
    }

    /// Asks make for tokens while workers want some, and draws, until all jobs have ended.
    fn supervise(&self, progress: &mut Progress, warn: &dyn Fn(&str)) {
        let mut tokens = self.tokens.as_ref();
        let mut state = self.lock();
        while !state.schedule.is_over() {
            let starved = state.is_starved();
            let ended = std::mem::take(&mut state.ended);
            drop(state);
            for weight in ended {
                progress.advance(weight);
            }
            let redraw = progress.draw();
            let mut interval = None;
            match tokens.filter(|_| starved).map(Tokens::try_take) {
                Some(Ok(Some(token))) => {
                    state = self.lock();
                    state.spare.push(token);
                    self.workers.notify_all();
                    continue;
                }
                Some(Ok(None)) => interval = Some(TOKEN_INTERVAL),
                Some(Err(cause)) => {
                    tokens = None;
                    warn(&format!("make's jobserver broke, so one thread emits what is left: {cause}"));
                }
                None => {}
            }
            state = self.lock();
            // Whatever changed while the lock was free is looked at before waiting.
            let newly_starved = interval.is_none() && tokens.is_some() && state.is_starved();
            if newly_starved || !state.ended.is_empty() || state.schedule.is_over() {
                continue;
            }
            let interval = [interval, redraw].into_iter().flatten().min();
            state = match interval {
                Some(interval) => {
                    let waited = self.supervisor.wait_timeout(state, interval);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.supervisor.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.spare.clear();
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|s| s.to_string());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".into())
}
