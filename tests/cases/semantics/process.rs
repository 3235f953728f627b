//! What a process may do while images come and go: dlclose and dlopen again, threads and signal handlers in an
//! image while another is loaded, fork. With the embedded shim, with the preloaded one, and with images that
//! only the preloaded one fills.

use crate::{Pair, Shim};
use anyhow::{Result, ensure};
use tests::command::Ran;

/// Program and libraries; `flags` are for the libraries.
fn build(flags: &str) -> Result<Pair> {
    let pair = Pair::new()?;
    for number in 0..4 {
        // The last in the new format for the one reason that both occur in one process.
        let hash = if number == 3 { "-Wl,--hash-style=sysv" } else { "" };
        pair.build(&format!(
            "-O2 -fPIC -shared -DNUMBER={number} work.c -o libwork{number}.so {hash} {flags}"
        ))?;
    }
    pair.build("-O2 process.c -o process -Wl,--export-dynamic -pthread")?;
    pair.cloned("libwork0.so", &["work_sum", "work_mean"])?;
    Ok(pair)
}

/// The ways of `process.c`, each in a process of its own, with the word that its line begins with.
fn everywhere(ways: &[&str]) -> Result<Vec<Ran>> {
    let merged = build("")?;
    let plainly_linked = build("-fuse-ld=mold")?;
    let mut all = Vec::new();
    for way in ways {
        for (pair, shim) in [
            (&merged, Shim::Embedded),
            (&merged, Shim::Preloaded),
            (&plainly_linked, Shim::Embedded),
            (&plainly_linked, Shim::Preloaded),
        ] {
            let ran = pair.same_in(shim, "process", &[way], &[])?;
            ensure!(ran.stdout.contains("wrong 0"), "the reference itself is wrong: {}", ran.describe());
            all.push(ran);
        }
    }
    Ok(all)
}

#[test]
fn libraries_are_closed_and_opened_again() -> Result<()> {
    for ran in everywhere(&["reopen"])? {
        // Each library of each round ended, by its destructor and by atexit.
        ensure!(ran.stdout.contains("ends 240,"), "{}", ran.describe());
    }
    everywhere(&["overlapping"]).map(drop)
}

#[test]
fn threads_run_in_an_image_while_others_are_loaded() -> Result<()> {
    everywhere(&["threads", "loads", "pauses"]).map(drop)
}

#[test]
fn signal_handlers_call_into_images_while_others_are_loaded() -> Result<()> {
    for ran in everywhere(&["signals"])? {
        ensure!(ran.stdout.contains("while loading 1"), "no signal arrived in time: {}", ran.describe());
    }
    Ok(())
}

#[test]
fn children_use_and_load_images() -> Result<()> {
    everywhere(&["forks"]).map(drop)
}

#[test]
fn an_image_in_two_namespaces() -> Result<()> {
    everywhere(&["namespaces"]).map(drop)
}
