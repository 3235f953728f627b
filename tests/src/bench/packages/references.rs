//! References to data of another image, against pointers that the dynamic linker looks up by name.

use super::object::{lender, pointers};
use super::{DRIVER, link, load_time, plain_linker, program};
use crate::bench::measure::{interleave, median, paired};
use crate::bench::table::Table;
use crate::tools::Tools;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Objects of the image that is referred to.
const OBJECTS: usize = 1000;
const COUNTS: [usize; 3] = [1_000, 10_000, 100_000];
/// What is taken off: an image that differs only in that its pointers but one are numbers.
const ONE: usize = 1;
const ROUNDS: usize = 31;

pub const LEGEND: &str = "\
dlopen with RTLD_NOW, in a fresh process each, of a library with so many pointers in RELRO to 1000 objects of a library that is loaded \
already; the same object file linked plainly, with a relocation by name for each, and with --jl-dep. `per pointer` is what an image with \
them takes above one with a single reference in a file of the same size, page faults and all: medians of differences within \
one round, with quartiles.";

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let folder = folder.join("references");
    let driver = program(&folder, DRIVER)?;
    let mut table = Table::new(&[
        "pointers to data",
        "by name, us",
        "references, us",
        "by name, ns per pointer",
        "references, ns per pointer",
        "at most",
    ]);
    for count in COUNTS {
        let variants = [
            plain(&folder.join(format!("plain-{count}")), count, count)?,
            plain(&folder.join(format!("plain-{count}-1")), count, ONE)?,
            image(tools, &folder.join(format!("image-{count}")), count, count)?,
            image(tools, &folder.join(format!("image-{count}-1")), count, ONE)?,
        ];
        let samples = interleave(&format!("{count} references"), ROUNDS, &variants, |variant| {
            load_time(Command::new(&driver).arg(variant).args(["2", "1"]))
        })?;
        let each = |all: usize| {
            paired(&samples[all], &samples[all + 1], |all, one| all - one).scaled(1.0 / (count - ONE) as f64)
        };
        table.row(vec![
            count.to_string(),
            format!("{:.0}", median(&samples[0]) / 1e3),
            format!("{:.0}", median(&samples[2]) / 1e3),
            each(0).show(1),
            each(2).show(1),
            "10.0".into(),
        ]);
    }
    Ok(table)
}

/// A folder with the library that has the data, and one with `count` words, of which `used` are pointers to it.
fn plain(folder: &Path, count: usize, used: usize) -> Result<PathBuf> {
    write_sources(folder, count, used)?;
    link(&mut plain_linker(), &folder.join("p0.s"), 0, &[])?;
    link(&mut plain_linker(), &folder.join("p1.s"), 1, &[folder.join("libp0.so")])?;
    Ok(folder.to_owned())
}

fn image(tools: &Tools, folder: &Path, count: usize, used: usize) -> Result<PathBuf> {
    write_sources(folder, count, used)?;
    link(&mut Command::new(tools.jl_cc()), &folder.join("p0.s"), 0, &[])?;
    let library = folder.join("libp0.so");
    let mut command = Command::new(tools.jl_cc());
    link(command.arg(format!("--jl-dep={}", library.display())), &folder.join("p1.s"), 1, &[])?;
    Ok(folder.to_owned())
}

fn write_sources(folder: &Path, count: usize, used: usize) -> Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("p0.s"), lender(0, OBJECTS))?;
    // Not in the order in which they stand there, as nobody's pointers are.
    let objects = (0..count).map(|i| (i < used).then_some(i * 7 % OBJECTS));
    fs::write(folder.join("p1.s"), pointers(1, 0, objects))?;
    Ok(())
}
