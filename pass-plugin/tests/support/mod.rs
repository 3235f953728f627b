//! What the queue's tests share.

use jl_pass_plugin::emit::place::Place;
use jl_pass_plugin::emit::queue::Job;
use jl_pass_plugin::partition::plan::ShardId;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

/// So long nothing that is expected to happen takes, on whatever machine.
pub const FOREVER: Duration = Duration::from_secs(120);

pub fn jobs(weights_and_needs: &[(u64, u64)]) -> Vec<Job> {
    let place = |k: usize| Place::part(ShardId(k as u32), "x86-64");
    let job = |(k, (weight, memory)): (usize, &(u64, u64))| Job {
        place: place(k),
        weight: *weight,
        memory: *memory,
    };
    weights_and_needs.iter().enumerate().map(job).collect()
}

/// Lets a number of jobs wait for each other.
#[derive(Default)]
pub struct Meeting {
    present: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    pub fn come(&self) {
        *self.present.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    /// Waits until `number` came.
    pub fn wait(&self, number: usize) {
        let present = self.present.lock().unwrap();
        let (_present, waited) = self.changed.wait_timeout_while(present, FOREVER, |p| *p < number).unwrap();
        assert!(!waited.timed_out(), "fewer than {number} jobs ran at the same time");
    }
}

/// How many are inside at once, at most.
#[derive(Default)]
pub struct Gauge {
    pub now: AtomicU64,
    most: AtomicU64,
}

impl Gauge {
    pub fn within<R>(&self, amount: u64, work: impl FnOnce() -> R) -> R {
        let now = self.now.fetch_add(amount, SeqCst) + amount;
        self.most.fetch_max(now, SeqCst);
        let result = work();
        self.now.fetch_sub(amount, SeqCst);
        result
    }

    pub fn most(&self) -> u64 {
        self.most.load(SeqCst)
    }
}
