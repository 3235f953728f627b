//! `jl-cc` and, by that name, `jl-c++`: see `jl_link::cc`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    match jl_link::cc::run(std::env::args_os().collect()) {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("jl-cc: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
