//! Package images: the time to load many of them, and one that offers much; references to data, and calls through import slots.

mod base;
mod calls;
mod object;
mod references;

use super::measure::{interleave, median, paired};
use super::table::Table;
use crate::command::run_ok;
use crate::tools::{CLANG, Tools, workspace};
use anyhow::{Context, Result};
use object::{Export, Import, Object};
use rayon::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const IMAGES: usize = 300;
const IMPORTS: usize = 100_000;
/// Functions that an image has of its own.
const OWN: usize = 334;
/// Of the one that all others take functions from.
const COMMON: usize = 1000;
const LEVELS: usize = 5;
/// Images in a level.
const LEVEL: usize = IMAGES / LEVELS;
const LOAD_ROUNDS: usize = 31;
/// Loads libraries and times that.
const DRIVER: &str = "packages";

/// Who takes functions from whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shape {
    /// All from one common image.
    Star,
    /// Five levels, each image from two of the level below.
    Levels,
    /// As `Levels`, above a base that all take functions from as well.
    Based,
}

impl Shape {
    const ALL: [Shape; 3] = [Shape::Star, Shape::Levels, Shape::Based];

    fn words(self) -> &'static str {
        match self {
            Shape::Star => "299 images above a common one",
            Shape::Levels => "five levels of 60 images, each above two",
            Shape::Based => "a base and, above it, five such levels",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Shape::Star => "star",
            Shape::Levels => "levels",
            Shape::Based => "based",
        }
    }

    /// Images of which none takes functions from another, by turns.
    fn turns(self) -> Vec<Vec<usize>> {
        if self == Shape::Star {
            return vec![vec![0], (1..IMAGES).collect()];
        }
        let base = self.bases();
        let levels = (0..LEVELS).map(|level| base + level * LEVEL..(base + (level + 1) * LEVEL).min(IMAGES));
        (base > 0).then_some(0..base).into_iter().chain(levels).map(Iterator::collect).collect()
    }

    /// How many there are at the bottom that all others are above.
    fn bases(self) -> usize {
        match self {
            Shape::Star | Shape::Based => 1,
            Shape::Levels => 0,
        }
    }

    fn own(self, image: usize) -> usize {
        if image < self.bases() { COMMON } else { OWN }
    }

    /// The image and the function of each import.
    fn imports(self, image: usize) -> Vec<(usize, usize)> {
        let users = match self {
            Shape::Star | Shape::Based => 1..IMAGES,
            Shape::Levels => LEVEL..IMAGES,
        };
        if !users.contains(&image) {
            return Vec::new();
        }
        // The rest of the division falls on the first ones.
        let (share, rest) = (IMPORTS / users.len(), IMPORTS % users.len());
        let count = share + usize::from(image - users.start < rest);
        let of_base = |k: usize| (0, (image + 7 * k) % COMMON);
        let below = |which: usize, function: usize| {
            let number = image - self.bases();
            let level = self.bases() + (number / LEVEL - 1) * LEVEL;
            (level + (number + 7 * which) % LEVEL, function)
        };
        let from = |k: usize| match self {
            Shape::Star => of_base(k),
            Shape::Levels => below(k % 2, k / 2),
            Shape::Based if image <= LEVEL || k.is_multiple_of(3) => of_base(k),
            Shape::Based => below(k % 3 - 1, k / 3),
        };
        (0..count).map(from).collect()
    }
}

/// What a function returns.
fn value(image: usize, function: usize) -> usize {
    1000 * image + function
}

pub fn measure(tools: &Tools, folder: &Path) -> Result<String> {
    let folder = folder.join("packages");
    let loads = measure_loads(tools, &folder)?;
    let bases = base::measure(tools, &folder)?;
    let references = references::measure(tools, &folder)?;
    let calls = calls::measure(tools, &folder)?;
    let tables = [
        (loads, LOAD_LEGEND),
        (bases, base::LEGEND),
        (references, references::LEGEND),
        (calls, calls::LEGEND),
    ];
    let text: Vec<String> = tables.iter().map(|(table, legend)| format!("{table}\n{legend}\n")).collect();
    Ok(text.join("\n"))
}

const LOAD_LEGEND: &str = "\
300 dlopens with RTLD_NOW, dependencies first, in a fresh process each. The images take 100,000 functions in all from each \
other, each through a slot of its own; the plain shared objects export the same functions, and have copies of those in place of \
taking them; those with DT_NEEDED ask the dynamic linker for the same libraries as the images do, which is what that alone costs. Nothing is cloned, as the time per cloned function stands under Loading. Built by the same compiler driver with the \
same options.";

fn measure_loads(tools: &Tools, folder: &Path) -> Result<Table> {
    let driver = program(folder, DRIVER)?;
    let mut table = Table::new(&[
        "300 libraries",
        "plain, ms",
        "plain with DT_NEEDED, ms",
        "images, ms",
        "plain with DT_NEEDED : plain",
        "images : plain",
        "at most",
    ]);
    for shape in Shape::ALL {
        let folder = folder.join(shape.folder());
        let variants = build_libraries(tools, &folder, shape)?;
        let samples = interleave(&format!("load, {}", shape.words()), LOAD_ROUNDS, &variants, |variant| {
            load_time(Command::new(&driver).arg(variant).arg(IMAGES.to_string()))
        })?;
        let ratio = |kind: usize| paired(&samples[kind], &samples[0], |this, plain| this / plain).show(2);
        table.row(vec![
            shape.words().into(),
            format!("{:.1}", median(&samples[0]) / 1e6),
            format!("{:.1}", median(&samples[1]) / 1e6),
            format!("{:.1}", median(&samples[2]) / 1e6),
            ratio(1),
            ratio(2),
            "1.50".into(),
        ]);
    }
    Ok(table)
}

/// Nanoseconds, as the driver prints them.
fn load_time(command: &mut Command) -> Result<f64> {
    let ran = run_ok(command)?;
    ran.stdout.trim().parse::<f64>().with_context(|| format!("no number from {}", ran.describe()))
}

/// The folders with plain libraries, with plain ones that ask for others as the images do, and with images.
fn build_libraries(tools: &Tools, folder: &Path, shape: Shape) -> Result<[PathBuf; 3]> {
    let folders = ["plain", "needing", "image"].map(|name| folder.join(name));
    let stamp = stamp(tools)?;
    let stamp_file = folder.join("stamp");
    if fs::read_to_string(&stamp_file).is_ok_and(|found| found == stamp) {
        return Ok(folders);
    }
    for folder in &folders {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    for turn in shape.turns() {
        turn.par_iter().try_for_each(|image| {
            plain_library(&folders[0], shape, *image, false)?;
            plain_library(&folders[1], shape, *image, true)?;
            image_library(tools, &folders[2], shape, *image)
        })?;
    }
    fs::write(&stamp_file, stamp)?;
    Ok(folders)
}

/// Changes when the linker under test or the generator was built anew.
fn stamp(tools: &Tools) -> Result<String> {
    let date = |path: &Path| -> Result<String> { Ok(format!("{:?}", fs::metadata(path)?.modified()?)) };
    Ok(format!("{} {}", date(&tools.jl_link())?, date(&std::env::current_exe()?)?))
}

fn own_functions(shape: Shape, image: usize) -> Vec<Export> {
    (0..shape.own(image)).map(|k| Export { name: name(image, k), value: value(image, k) }).collect()
}

fn name(image: usize, function: usize) -> String {
    format!("p{image}_f{function}")
}

/// The first of what it takes from others, or else of its own.
fn result(shape: Shape, image: usize) -> (usize, usize) {
    shape.imports(image).first().copied().unwrap_or((image, 0))
}

/// With copies of what images take from others; `needs` those others all the same.
fn plain_library(folder: &Path, shape: Shape, image: usize, needs: bool) -> Result<()> {
    let copies = shape.imports(image);
    let mut object = Object::new(own_functions(shape, image));
    object.copies = copies.iter().map(|(i, k)| Export { name: name(*i, *k), value: value(*i, *k) }).collect();
    object.result(image, result(shape, image));
    let source = folder.join(format!("p{image}.s"));
    fs::write(&source, object.plain())?;
    let needed = if needs { lenders(&copies) } else { Vec::new() };
    let libraries: Vec<PathBuf> = needed.into_iter().map(|image| library(folder, image)).collect();
    link(plain_linker().arg("-Wl,--no-as-needed"), &source, image, &libraries)
}

/// The images of imports, each once.
fn lenders(imports: &[(usize, usize)]) -> Vec<usize> {
    let mut from: Vec<usize> = imports.iter().map(|(image, _)| *image).collect();
    from.sort_unstable();
    from.dedup();
    from
}

fn library(folder: &Path, image: usize) -> PathBuf {
    folder.join(format!("libp{image}.so"))
}

fn image_library(tools: &Tools, folder: &Path, shape: Shape, image: usize) -> Result<()> {
    let mut object = Object::new(own_functions(shape, image));
    let wanted = shape.imports(image);
    let from = lenders(&wanted);
    let dependencies: Vec<PathBuf> = from.iter().map(|image| library(folder, *image)).collect();
    for path in &dependencies {
        object.depend_on(path)?;
    }
    let import = |(image, function): &(usize, usize)| Import {
        name: name(*image, *function),
        dependency: from.binary_search(image).unwrap_or(0),
    };
    object.imports = wanted.iter().map(import).collect();
    object.result(image, result(shape, image));
    let source = folder.join(format!("p{image}.s"));
    fs::write(&source, object.package())?;
    link(&mut Command::new(tools.jl_cc()), &source, image, &dependencies)
}

fn plain_linker() -> Command {
    let mut command = Command::new(CLANG);
    command.arg("-fuse-ld=lld");
    command
}

/// Assembles a source and links `libpN.so` of it beside it.
fn link(compiler: &mut Command, source: &Path, image: usize, libraries: &[PathBuf]) -> Result<()> {
    let (object, output) = (source.with_extension("o"), source.with_file_name(format!("libp{image}.so")));
    run_ok(Command::new(CLANG).arg("-c").arg(source).arg("-o").arg(&object))?;
    let soname = format!("-Wl,-soname,libp{image}.so");
    compiler.args(["-shared", "-Wl,-z,now", "-Wl,-rpath,$ORIGIN", &soname]).arg(&object).args(libraries);
    run_ok(compiler.arg("-o").arg(&output))?;
    // Hundreds of megabytes otherwise.
    fs::remove_file(source)?;
    fs::remove_file(&object)?;
    Ok(())
}

/// A program out of `scripts/bench.d`.
fn program(folder: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let output = folder.join(name);
    let source = workspace().join("scripts/bench.d").join(format!("{name}.c"));
    run_ok(Command::new(CLANG).args(["-O2", "-fuse-ld=lld"]).arg(source).arg("-o").arg(&output))?;
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shapes_have_all_imports_and_none_twice() {
        for shape in Shape::ALL {
            let turns = shape.turns();
            assert_eq!(turns.concat(), (0..IMAGES).collect::<Vec<_>>());
            let mut count = 0;
            for image in 0..IMAGES {
                let mut imports = shape.imports(image);
                count += imports.len();
                assert!(imports.iter().all(|(from, k)| *from < image && *k < shape.own(*from)), "{shape:?}");
                let before = imports.len();
                imports.sort_unstable();
                imports.dedup();
                assert_eq!(imports.len(), before, "{shape:?}: image {image}");
            }
            assert_eq!(count, IMPORTS);
        }
    }
}
