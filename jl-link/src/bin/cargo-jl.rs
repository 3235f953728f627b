//! `cargo jl`: see `jl_link::cargo`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match jl_link::cargo::run(std::env::args_os().collect()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("cargo-jl: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
