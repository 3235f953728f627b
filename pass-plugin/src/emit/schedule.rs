//! Which job starts next: heaviest first, within a budget of memory. Pure.

use crate::emit::queue::Job;

/// Jobs by their index in the list that they came in.
#[derive(Debug)]
pub struct Schedule {
    /// Heaviest first; of equal weight in the order of the list.
    pending: Vec<usize>,
    needs: Vec<u64>,
    budget: u64,
    in_flight: u64,
    running: usize,
    /// How often in a row a job started before the first pending one, which needs more memory.
    overtaken: usize,
    patience: usize,
}

impl Schedule {
    /// `budget` is in bytes. With `threads` threads a job that needs more memory than is left is overtaken by
    /// at most as many others, and then waited for: it would otherwise come last, and alone.
    pub fn new(jobs: &[Job], budget: u64, threads: usize) -> Schedule {
        let mut pending: Vec<usize> = (0..jobs.len()).collect();
        pending.sort_by_key(|job| std::cmp::Reverse(jobs[*job].weight));
        let needs = jobs.iter().map(|j| j.memory).collect();
        Schedule { pending, needs, budget, in_flight: 0, running: 0, overtaken: 0, patience: threads }
    }

    /// Starts the heaviest job that fits; any job does where none runs.
    pub fn start(&mut self) -> Option<usize> {
        let at = self.next()?;
        self.overtaken = if at == 0 { 0 } else { self.overtaken + 1 };
        let job = self.pending.remove(at);
        self.in_flight = self.in_flight.saturating_add(self.needs[job]);
        self.running += 1;
        Some(job)
    }

    pub fn can_start(&self) -> bool {
        self.next().is_some()
    }

    /// Position in `pending`.
    fn next(&self) -> Option<usize> {
        if self.running == 0 {
            return (!self.pending.is_empty()).then_some(0);
        }
        let left = self.budget.checked_sub(self.in_flight)?;
        let candidates = if self.overtaken < self.patience { self.pending.len() } else { 1 };
        self.pending.iter().take(candidates).position(|job| self.needs[*job] <= left)
    }

    /// `job` has ended, well or not.
    pub fn finish(&mut self, job: usize) {
        self.running -= 1;
        // Saturated sums cannot be taken apart; that many bytes run one after the other anyway.
        self.in_flight = if self.running == 0 { 0 } else { self.in_flight.saturating_sub(self.needs[job]) };
    }

    /// From here on no job starts.
    pub fn stop(&mut self) {
        self.pending.clear();
    }

    /// No job will start any more; some may still run.
    pub fn has_started_all(&self) -> bool {
        self.pending.is_empty()
    }

    pub fn is_over(&self) -> bool {
        self.pending.is_empty() && self.running == 0
    }

    /// Bytes that the running jobs need by their estimates.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }
}
