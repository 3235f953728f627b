//! A progress bar while jobs run: on a terminal, and only where it takes long enough to wonder.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// Work that is done sooner shows no bar.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar, or nothing. Advances by weights, so that it moves evenly.
#[derive(Debug)]
pub struct Progress {
    begun: Instant,
    /// Hidden until [`PATIENCE`] is over.
    bar: Option<ProgressBar>,
    shown: bool,
    total: u64,
    done: u64,
    jobs_left: usize,
}

impl Progress {
    /// A bar on stderr if that is a terminal. Not below a jobserver: there many programs would draw at once.
    pub fn on_terminal(under_jobserver: bool) -> Progress {
        let visible = !under_jobserver && std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bar = visible.then(ProgressBar::hidden);
        Progress { begun: Instant::now(), bar, shown: false, total: 0, done: 0, jobs_left: 0 }
    }

    /// Nothing is ever shown.
    pub fn none() -> Progress {
        Progress { begun: Instant::now(), bar: None, shown: false, total: 0, done: 0, jobs_left: 0 }
    }

    pub(crate) fn begin(&mut self, total: u64, jobs: usize) {
        (self.begun, self.total, self.jobs_left) = (Instant::now(), total, jobs);
    }

    pub(crate) fn advance(&mut self, weight: u64) {
        self.done += weight;
        self.jobs_left = self.jobs_left.saturating_sub(1);
        self.draw();
    }

    /// Draws if it is time to. `Some` is how long until the next call is worthwhile.
    pub(crate) fn draw(&mut self) -> Option<Duration> {
        let bar = self.bar.as_ref()?;
        let elapsed = self.begun.elapsed();
        if elapsed < PATIENCE {
            return Some(PATIENCE - elapsed);
        }
        if !self.shown {
            self.shown = true;
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar.set_style(style());
            bar.set_length(self.total);
            bar.set_elapsed(elapsed);
        }
        bar.set_message(format!("{} jobs left", self.jobs_left));
        bar.set_position(self.done);
        bar.tick();
        Some(Duration::from_millis(500))
    }

    pub(crate) fn end(&self) {
        if let Some(bar) = self.bar.as_ref().filter(|_| self.shown) {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    // The template is a constant of ours; were it wrong, the plain bar would do.
    ProgressStyle::with_template("emitting {wide_bar} {percent:>3}%  {msg}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
