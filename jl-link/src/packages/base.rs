//! `--jl-base`: an image that others build on, and that takes nothing from others.

use super::PackageCounts;
use crate::args::Invocation;
use crate::error::{Error, Result};
use image_format::layout::{IMAGE_BASE, ImageHeader};
use image_format::report::counted;

const OPTION: &str = "--jl-base";

/// # Errors
/// The command line names images to depend on.
pub fn check_options(invocation: &Invocation) -> Result<()> {
    if !invocation.own.base || invocation.own.dependencies.is_empty() {
        return Ok(());
    }
    let problem =
        "makes no sense with --jl-dep=FILE: a base image takes nothing from others; leave one of them out";
    Err(Error::Option { option: OPTION.into(), problem })
}

/// Marks the image in its header.
///
/// # Errors
/// It takes something from others; the message names all of it.
pub fn mark(header: &mut ImageHeader, counts: &PackageCounts, invocation: &Invocation) -> Result<()> {
    if !invocation.own.base {
        return Ok(());
    }
    let taken = counts.dependencies.iter().map(|of| {
        let names: Vec<&str> = of.functions.iter().chain(&of.data).map(String::as_str).collect();
        let (imports, references) = (counted(of.imports, "import"), counted(of.references, "reference"));
        format!("{imports} and {references} from {} ({})", of.name, names.join(", "))
    });
    let taken: Vec<String> = taken.collect();
    if taken.is_empty() {
        header.flags |= IMAGE_BASE;
        return Ok(());
    }
    Err(Error::Image {
        file: invocation.output(),
        what: format!("base image ({OPTION})"),
        found: taken.join("; "),
        expected: "nothing of other images".into(),
        advice: "compile its objects without --jl-dep, or link it without --jl-base",
    })
}

/// # Errors
/// There is no image.
pub fn no_image(invocation: &Invocation) -> Result<()> {
    if !invocation.own.base {
        return Ok(());
    }
    Err(Error::Image {
        file: invocation.output(),
        what: format!("base image ({OPTION})"),
        found: "objects without clones, exports and data for others".into(),
        expected: "some of these".into(),
        advice: "compile with jl-cc --jl-package, or link without --jl-base",
    })
}
