//! Calls through import slots, against calls through the procedure linkage table.

use super::object::{self, Import, Object};
use super::{link, plain_linker, program};
use crate::bench::calls::parse;
use crate::bench::measure::{interleave, median, paired};
use crate::bench::table::Table;
use crate::command::run_ok;
use crate::tools::Tools;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROUNDS: usize = 21;
/// How many callees are called in turn: few, what the processor's tables for branches and its first cache hold no more, and far more. Each divides
/// the number of calls that the driver makes.
const CALLEES: [usize; 4] = [1, 100, 500, 2000];

pub const LEGEND: &str = "\
ns per call, by a loop in a library to functions of another library that add one and return: through the procedure linkage table of a \
plain shared object, bound at load; through one with landing pads for indirect branches (-z force-ibt), as distributions have that \
compile with -fcf-protection; through import slots; and directly, to functions of the same library, which no call into another can beat. One callee: each call waits for the last one's result, or none does. \
Several: each in a line of the cache of its own, one after the other. Ratios are to the plain table.";

/// A kind of caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plt,
    IbtPlt,
    Slot,
    /// Within the library, as nothing between libraries can be: what is left to save.
    Direct,
}

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let driver = program(folder, "slot")?;
    let kinds = [Kind::Plt, Kind::IbtPlt, Kind::Slot, Kind::Direct];
    let mut table = Table::new(&[
        "calls",
        "PLT, ns",
        "PLT for IBT, ns",
        "import slot, ns",
        "direct, ns",
        "PLT for IBT : PLT",
        "direct : PLT",
        "import slot : PLT",
        "at most",
    ]);
    for callees in CALLEES {
        let mut folders = Vec::new();
        for (kind, name) in kinds.into_iter().zip(["plt", "ibt", "slot", "direct"]) {
            folders.push(build(tools, &folder.join(format!("call-{callees}-{name}")), kind, callees)?);
        }
        let loops = match callees {
            1 => vec![
                ("waiting", "one callee, each waits for the last one's result".to_owned()),
                ("independent", "one callee, independent of each other".to_owned()),
            ],
            _ => vec![("in_turn", format!("{callees} callees in turn"))],
        };
        for (loop_name, words) in loops {
            table.row(row(&driver, &folders, loop_name, &words)?);
        }
    }
    Ok(table)
}

fn row(driver: &Path, folders: &[PathBuf], loop_name: &str, words: &str) -> Result<Vec<String>> {
    let samples = interleave(&format!("calls, {words}"), ROUNDS, folders, |folder| {
        let ran = run_ok(Command::new(driver).arg(folder.join("libp1.so")).arg(loop_name))?;
        let measured = parse(&ran.stdout);
        measured.map(|m| m.0).with_context(|| format!("no measurement from {}", ran.describe()))
    })?;
    let ratio = |kind: usize| paired(&samples[kind], &samples[0], |this, plt| this / plt).show(2);
    let time = |kind: usize| format!("{:.2}", median(&samples[kind]));
    Ok(vec![words.into(), time(0), time(1), time(2), time(3), ratio(1), ratio(3), ratio(2), "0.60".into()])
}

fn callee(number: usize) -> String {
    format!("callee{number}")
}

/// `libp0.so` with the callees and `libp1.so` with the loops.
fn build(tools: &Tools, folder: &Path, kind: Kind, callees: usize) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let names = (0..callees).map(callee);
    let [lender, user] = ["p0.s", "p1.s"].map(|name| folder.join(name));
    let callee_text = Object::new(vec![]).with_callees(names);
    if kind == Kind::Direct {
        let hidden: String = (0..callees).map(|n| format!(".hidden {}\n", callee(n))).collect();
        let direct = object::callers(callees, |n| format!("call {}", callee(n)));
        fs::write(&user, hidden + &callee_text.plain() + &direct)?;
        link(&mut plain_linker(), &user, 1, &[])?;
    } else if kind == Kind::Slot {
        fs::write(&lender, callee_text.package())?;
        link(&mut Command::new(tools.jl_cc()), &lender, 0, &[])?;
        let library = folder.join("libp0.so");
        let mut object = Object::new(vec![]);
        object.depend_on(&library)?;
        object.imports = (0..callees).map(|n| Import { name: callee(n), dependency: 0 }).collect();
        let call = |n: usize| format!("call *{}.import_slot(%rip)", callee(n));
        fs::write(&user, object.package() + &object::callers(callees, call))?;
        link(&mut Command::new(tools.jl_cc()), &user, 1, &[library])?;
    } else {
        let linker = || {
            let mut command = plain_linker();
            if kind == Kind::IbtPlt {
                command.arg("-Wl,-z,force-ibt");
            }
            command
        };
        fs::write(&lender, callee_text.plain())?;
        link(&mut linker(), &lender, 0, &[])?;
        fs::write(&user, object::callers(callees, |n| format!("call {}@PLT", callee(n))))?;
        link(&mut linker(), &user, 1, &[folder.join("libp0.so")])?;
    }
    Ok(folder.to_owned())
}
