//! The cost of a call through an exported symbol.

use super::build::{Unit, Variant, build, our_source, strings};
use super::calls::parse;
use super::measure::{interleave, median, paired};
use super::table::Table;
use crate::command::run_ok;
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGETS: &str = "x86-64,clone_all;x86-64-v3,clone_all";
const ROUNDS: usize = 21;

pub const LEGEND: &str = "\
ns per call from a loop in a program, each call waiting for the last: the same program with a plain shared object \
and with an image that runs its baseline, so that the function's code is the same. `difference` is the median, \
with quartiles, of the differences within one round.";

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let variants = [Variant::plain("x86-64"), Variant::image(tools, Some(TARGETS))];
    let home = |variant: &Variant| folder.join(format!("entry-{}", variant.label));
    let libraries = variants.each_ref().map(|variant| Unit {
        name: "entry".into(),
        output: home(variant).join("libentry.so"),
        variant: variant.clone(),
        sources: vec![our_source("bench.d/entry.c")],
        compile_flags: strings(&["-O2", "-fPIC"]),
        link_flags: strings(&["-shared", "-fuse-ld=lld", "-Wl,-z,now"]),
    });
    build(&libraries)?;
    let mut table = Table::new(&["the program calls", "callee", "plain, ns", "image, ns", "difference, ns"]);
    let callees = [("nothing", "one shift"), ("some_work", "some 20 instructions")];
    let ways = [("through its PLT", "plt", "-fplt"), ("through its GOT", "got", "-fno-plt")];
    for ((what, way, flag), (function, callee)) in ways.into_iter().flat_map(|w| callees.map(|c| (w, c))) {
        let name = format!("entry-{way}-{function}");
        let program = Unit {
            name: "entry".into(),
            variant: Variant::plain("x86-64"),
            sources: vec![our_source("bench.d/entry-main.c")],
            compile_flags: vec!["-O2".into(), flag.into(), format!("-DFUNCTION={function}")],
            link_flags: vec![
                "-fuse-ld=lld".into(),
                "-Wl,-z,now".into(),
                format!("-L{}", home(&variants[0]).display()),
                "-lentry".into(),
            ],
            output: folder.join(name),
        };
        build(std::slice::from_ref(&program))?;
        let homes: Vec<PathBuf> = variants.iter().map(home).collect();
        let samples = interleave(&format!("calls {what}, {callee}"), ROUNDS, &homes, |home| {
            let mut command = Command::new(&program.output);
            let ran = run_ok(command.env("LD_LIBRARY_PATH", home).env("JL_LOAD_TARGET", "0"))?;
            let measured = parse(&ran.stdout);
            measured.map(|m| m.0).with_context(|| format!("no measurement from {}", ran.describe()))
        })?;
        table.row(vec![
            what.to_string(),
            callee.to_string(),
            format!("{:.2}", median(&samples[0])),
            format!("{:.2}", median(&samples[1])),
            paired(&samples[1], &samples[0], |image, plain| image - plain).show(2),
        ]);
    }
    Ok(table)
}
