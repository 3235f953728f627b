//! `--jl-dedup-set A.so B.so ...`: what several finished images hold, each for itself.
//!
//! The JSON's keys are stable, as those of the report.

use super::copies::Identity;
use super::dependencies::hex;
use super::sizes::Exports;
use crate::args::{InputArg, InputName, Invocation};
use crate::error::{Error, Result};
use image_format::cpu::Arch;
use image_format::dependency::DependencyImage;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// How the answer is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
}

/// Raised when a key changes its meaning or goes away.
const VERSION: u32 = 1;

#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Set {
    version: u32,
    images: Vec<Image>,
    /// What more than one of them exports, the largest first.
    functions: Vec<Shared>,
    /// Bytes of code of all exports, and of those that are in more than one image; none where an image's symbols do not tell.
    bytes: Option<u64>,
    shared_bytes: Option<u64>,
    /// What would go if one image had each of them.
    saved_bytes: Option<u64>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Image {
    file: String,
    build_id: String,
    exports: usize,
    bytes: Option<u64>,
    /// Of these, what other images have as well.
    shared: usize,
    shared_bytes: Option<u64>,
}

/// A function that several images have.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Shared {
    identity: String,
    /// By the symbols of the first image that has one for it.
    name: Option<String>,
    /// Indices of images, and bytes of code in each.
    images: Vec<usize>,
    bytes: Vec<Option<u64>>,
}

/// What goes to stdout.
///
/// # Errors
/// Fewer than two images, a file that is none or was given twice, or images for different architectures.
pub fn run(invocation: &Invocation, form: Form) -> Result<String> {
    let images = open(&invocation.inputs)?;
    let set = compare(&images);
    Ok(match form {
        Form::Text => set.text(),
        Form::Json => serde_json::to_string_pretty(&set).unwrap_or_default() + "\n",
    })
}

/// The images of a set.
///
/// # Errors
/// As [`run`].
pub fn open(files: &[InputArg]) -> Result<Vec<DependencyImage>> {
    let wrong = |problem| Error::Option { option: "--jl-dedup-set".into(), problem };
    let mut images: Vec<DependencyImage> = Vec::new();
    for input in files {
        let InputName::File(path) = &input.what else {
            return Err(wrong("takes files of images, and no -l"));
        };
        let image = DependencyImage::open(path).map_err(|cause| Error::Dependency { cause })?;
        let input = |problem: &str, found, advice| Error::Input {
            file: path.display().to_string(),
            problem: problem.into(),
            found,
            advice,
        };
        if let Some(other) = images.iter().find(|other| other.record(0).is(image.header())) {
            let found = other.path.display().to_string();
            return Err(input("this image was given before", found, "name each image once"));
        }
        if let Some(other) = images.first().filter(|other| other.machine != image.machine) {
            let name = |image: &DependencyImage| {
                Arch::from_elf_machine(image.machine.into())
                    .map_or("an unknown architecture", |arch| arch.name())
            };
            let found = format!("{}, but {} is for {}", name(&image), other.path.display(), name(other));
            let advice = "compare images for one architecture";
            return Err(input("images for different architectures", found, advice));
        }
        images.push(image);
    }
    if images.len() < 2 {
        return Err(wrong("needs at least two images to compare: --jl-dedup-set A.so B.so"));
    }
    Ok(images)
}

fn compare(images: &[DependencyImage]) -> Set {
    let exports: Vec<Exports> = images.iter().map(Exports::new).collect();
    // Per identity each image that has it, and the index of its export.
    let mut holders: BTreeMap<Identity, Vec<(usize, u32)>> = BTreeMap::new();
    for (number, image) in images.iter().enumerate() {
        for (index, identity) in image.details().exports.iter().enumerate() {
            holders.entry(identity).or_default().push((number, index as u32));
        }
    }
    holders.retain(|_, holders| holders.len() > 1);
    let shared_in = |image: usize| -> BTreeSet<u32> {
        holders.values().flatten().filter(|(holder, _)| *holder == image).map(|(_, export)| *export).collect()
    };
    // Each is counted where the first image has it.
    let first_in = |image: usize| -> BTreeSet<u32> {
        let firsts = holders.values().filter_map(|holders| holders.first());
        firsts.filter(|(holder, _)| *holder == image).map(|(_, export)| *export).collect()
    };
    let described: Vec<Image> = images
        .iter()
        .enumerate()
        .map(|(number, image)| {
            let (count, shared) = (image.package().exports.len(), shared_in(number));
            Image {
                file: image.path.display().to_string(),
                build_id: hex(image.record(0).build_id()),
                exports: count,
                bytes: exports[number].bytes_of_all(0..count as u32),
                shared: shared.len(),
                shared_bytes: exports[number].bytes_of_all(shared),
            }
        })
        .collect();
    let kept: Option<u64> =
        (0..images.len()).map(|number| exports[number].bytes_of_all(first_in(number))).sum();
    let shared_bytes: Option<u64> = described.iter().map(|image| image.shared_bytes).sum();
    let mut functions: Vec<Shared> = holders
        .iter()
        .map(|(identity, holders)| Shared {
            identity: hex(identity),
            name: holders.iter().find_map(|(image, export)| exports[*image].name(*export)).map(str::to_owned),
            images: holders.iter().map(|(image, _)| *image).collect(),
            bytes: holders.iter().map(|(image, export)| exports[*image].bytes(*export)).collect(),
        })
        .collect();
    functions.sort_by_key(|f| std::cmp::Reverse(f.bytes.iter().flatten().sum::<u64>()));
    Set {
        version: VERSION,
        bytes: described.iter().map(|image| image.bytes).sum(),
        images: described,
        functions,
        shared_bytes,
        saved_bytes: shared_bytes.zip(kept).map(|(all, kept)| all.saturating_sub(kept)),
    }
}

/// Functions that the text names; the JSON has all.
const NAMED: usize = 20;

impl Set {
    fn text(&self) -> String {
        let bytes = |bytes: Option<u64>| bytes.map_or("? bytes".into(), |bytes| format!("{bytes} bytes"));
        let mut text = String::new();
        for image in &self.images {
            let Image { file, exports, shared, .. } = image;
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{file}: exports {exports} functions, {}; others have {shared} of them, {}",
                bytes(image.bytes),
                bytes(image.shared_bytes)
            );
        }
        let count = self.functions.len();
        let _ = write!(text, "{count} functions are in more than one image");
        let _ = match (self.bytes, self.saved_bytes) {
            (Some(all), Some(saved)) => {
                let share = 100.0 * saved as f64 / all.max(1) as f64;
                writeln!(text, ": {saved} bytes would go, {share:.1} % of all that is exported")
            }
            _ => writeln!(text, "; how many bytes would go is not known: a file has no symbols of its code"),
        };
        if count > 0 {
            let _ = writeln!(text, "\n   bytes  images  function");
        }
        for Shared { identity, name, images, bytes } in self.functions.iter().take(NAMED) {
            let largest = bytes.iter().flatten().max().map_or("?".into(), u64::to_string);
            let name = name.as_deref().unwrap_or(identity);
            let _ = writeln!(text, "{largest:>8}  {:>6}  {name}", images.len());
        }
        if count > NAMED {
            let _ = writeln!(text, "and {} more; --jl-dedup-set=json names them all", count - NAMED);
        }
        text
    }
}
