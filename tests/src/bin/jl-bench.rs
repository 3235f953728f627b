//! The demo and the benchmarks; `scripts/demo` and `scripts/bench` call it.

use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
use tests::bench::{self, Part};

/// Measures images built by jl-cc against plain builds
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    job: Job,
}

#[derive(Subcommand)]
enum Job {
    /// Real libraries: one table of times, sizes and load times
    Demo,
    /// Real libraries above a common image: what is left out, and what that saves
    DemoPackages {
        /// Only the libraries in this language
        #[arg(long, value_enum)]
        only: Option<bench::siblings::Language>,
    },
    /// The numbers of BENCHMARKS.md
    Numbers {
        /// Put the tables of the parts measured into BENCHMARKS.md, each with a line about this machine
        #[arg(long)]
        write: bool,
        /// Measure only this part; may be given more than once
        #[arg(long, value_enum)]
        only: Vec<Part>,
    },
    /// Run a command, and write to a file what it took
    #[command(hide = true)]
    Usage {
        file: PathBuf,
        #[arg(last = true)]
        command: Vec<OsString>,
    },
}

fn main() -> std::process::ExitCode {
    let result = match Arguments::parse().job {
        Job::Demo => bench::demo(),
        Job::DemoPackages { only } => bench::demo_packages(only),
        Job::Numbers { write, only } => bench::numbers(&only, write),
        Job::Usage { file, command } => bench::usage::wait_for(&file, &command),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jl-bench: error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
