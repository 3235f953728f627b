//! The demo and the benchmarks; `scripts/demo` and `scripts/bench` call it.

use clap::{Parser, Subcommand};
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
    /// The numbers of BENCHMARKS.md
    Numbers {
        /// Put the tables and the description of this machine into BENCHMARKS.md
        #[arg(long)]
        write: bool,
        /// Measure only this part; may be given more than once
        #[arg(long, value_enum)]
        only: Vec<Part>,
    },
}

fn main() -> std::process::ExitCode {
    let result = match Arguments::parse().job {
        Job::Demo => bench::demo(),
        Job::Numbers { write, only } => bench::numbers(&only, write),
    };
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("jl-bench: error: {error:#}");
            std::process::ExitCode::FAILURE
        }
    }
}
