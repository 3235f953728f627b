//! Progress on standard error: a bar on a terminal, plain lines in a pipe, or nothing.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

pub struct Progress {
    steps: usize,
    state: Mutex<State>,
    bar: Option<ProgressBar>,
    /// In a pipe no more than one line in this time; no lines at all when absent.
    pause: Option<Duration>,
}

struct State {
    begun: usize,
    last_line: Option<Instant>,
}

impl Progress {
    pub fn new(steps: usize) -> Progress {
        Progress::with_pause(steps, Some(Duration::from_secs(1)))
    }

    /// Without a pause nothing is shown.
    pub fn with_pause(steps: usize, pause: Option<Duration>) -> Progress {
        let bar = (pause.is_some() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(steps as u64);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {wide_msg}") {
                bar.set_style(style);
            }
            bar
        });
        Progress { steps, state: Mutex::new(State { begun: 0, last_line: None }), bar, pause }
    }

    /// A step begins. May be called from several threads.
    pub fn step(&self, what: &str) {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.begun += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(state.begun as u64 - 1);
            bar.set_message(what.to_string());
        } else if let Some(pause) = self.pause
            && state.last_line.is_none_or(|last| last.elapsed() >= pause)
        {
            state.last_line = Some(Instant::now());
            eprintln!("[{}/{}] {what}", state.begun, self.steps);
        }
    }
    /// Says something that does not wait for the end, above the bar.
    pub fn note(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if self.pause.is_some() => eprintln!("{text}"),
            None => {}
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
