//! The load of one image by how much it offers, with `--jl-base` and without.

use super::object::{Export, Object};
use super::{DRIVER, link, load_time, name, program, value};
use crate::bench::measure::{interleave, median, paired};
use crate::bench::table::Table;
use crate::tools::Tools;
use anyhow::Result;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const COUNTS: [usize; 2] = [1_000, 100_000];
const ROUNDS: usize = 41;

pub const LEGEND: &str = "\
dlopen with RTLD_NOW, in a fresh process each, of an image that offers so many functions to others, and of the same one linked as a \
base (--jl-base). Nothing is cloned.";

pub fn measure(tools: &Tools, folder: &Path) -> Result<Table> {
    let folder = folder.join("base");
    let driver = program(&folder, DRIVER)?;
    let mut table = Table::new(&["functions offered", "image, us", "base, us", "base : image"]);
    for count in COUNTS {
        let build = |kind: &str, options: &[&str]| {
            let mut jl_cc = Command::new(tools.jl_cc());
            image(&folder.join(format!("{kind}-{count}")), count, jl_cc.args(options))
        };
        let variants = [build("image", &[])?, build("base", &["--jl-base"])?];
        let samples = interleave(&format!("{count} functions offered"), ROUNDS, &variants, |variant| {
            load_time(Command::new(&driver).arg(variant).arg("1"))
        })?;
        let time = |kind: usize| format!("{:.0}", median(&samples[kind]) / 1e3);
        let ratio = paired(&samples[1], &samples[0], |base, image| base / image);
        table.row(vec![count.to_string(), time(0), time(1), ratio.show(2)]);
    }
    Ok(table)
}

/// A folder with an image of so many functions.
fn image(folder: &Path, count: usize, jl_cc: &mut Command) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let functions = (0..count).map(|k| Export { name: name(0, k), value: value(0, k) }).collect();
    let mut object = Object::new(functions);
    object.result(0, (0, 0));
    let source = folder.join("p0.s");
    fs::write(&source, object.package())?;
    link(jl_cc, &source, 0, &[])?;
    Ok(folder.to_owned())
}
