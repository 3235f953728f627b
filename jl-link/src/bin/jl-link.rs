//! `jl-link`: see `jl_link::driver`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match jl_link::driver::run(std::env::args_os().skip(1).collect()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jl-link: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
