//! Functions that the compiler left out, and data that the link keeps from others after all: the function of the dependency would use
//! another variable than the code around it.

use super::bindings::Bindings;
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::scan::Inputs;
use image_format::package_report::Line;
use std::collections::{BTreeMap, BTreeSet};

/// `members`: objects that were drawn in of archives.
///
/// # Errors
/// The output has a variable to itself that a function uses which the compiler left out.
pub fn check(inputs: &Inputs, members: &[String], linked: &Elf) -> Result<()> {
    let objects = inputs.package_lines.iter().filter(|o| o.certain || members.contains(&o.name));
    let mut users: BTreeMap<&str, &Line> = BTreeMap::new();
    for line in objects.flat_map(|object| &object.lines) {
        for name in &line.data {
            users.entry(name).or_insert(line);
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    let names: BTreeSet<String> = users.keys().map(|name| (*name).to_owned()).collect();
    let kept = Bindings::new(linked).own_variables_among(&names);
    let Some((variable, line)) = kept.iter().find_map(|name| users.get_key_value(name.as_str())) else {
        return Ok(());
    };
    Err(Error::Image {
        file: linked.path.clone(),
        what: format!("variable {variable}"),
        found: "one that this image keeps to itself (-Bsymbolic, a version script)".into(),
        expected: format!(
            "the one of all images: {} was left out by the compiler, and that of {} uses it",
            line.function, line.dependency
        ),
        advice: "compile with --jl-package and without --jl-dep, and give --jl-dep to the link alone, which leaves such functions in",
    })
}
