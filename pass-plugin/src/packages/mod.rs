//! Packages: functions that other images may use, and functions of other images that are used in place of own ones.
//!
//! [`identify`] (before anything is changed: identities, kept with the functions by [`carrier`]; [`naming`] of local ones) ->
//! [`dedup`] of what is too large to be inlined ([`weight`]) -> LLVM simplifies, and inlines what it wants -> [`dedup`] (what a dependency has leaves
//! the module; [`plan`] is the pure decision) -> clones -> [`export`] (a record for each function that others may use).
//!
//! Nothing of this happens under link-time optimisation: what is inlined into what is known only when all objects are
//! merged, and until then identities would have to survive the merge.

pub mod carrier;
mod data;
pub mod dedup;
pub mod dependencies;
pub mod export;
pub mod naming;
pub mod offers;
pub mod plan;
pub mod weight;

use crate::annotate;
use crate::emit::settings::{EmitSettings, Level};
use crate::identity::{self, Identified};
use crate::llvm::Module;
use crate::settings::Settings;
use carrier::Known;
use dependencies::Dependencies;
use image_format::layout::IMPORT_SECTION;
use image_format::sharing::Sharing;

/// `1`: other images may use functions of what is compiled.
const PACKAGE: &str = "JL_PACKAGE";

/// Module flag: the functions carry their identities.
const IDENTIFIED: &str = "jl.identified";

/// Whether the module exports functions, or takes some from other images.
pub fn is_part_of_package(module: Module) -> bool {
    module.has_flag(IDENTIFIED) || module.globals().any(|g| g.section() == Some(IMPORT_SECTION))
}

/// Whether other images may use functions of this module.
pub fn is_package() -> bool {
    std::env::var_os(PACKAGE).is_some_and(|value| !value.is_empty() && value != "0")
}

/// Identifies the functions where the environment asks for a package, or names dependencies; and leaves out what those have
/// and nobody will inline.
///
/// # Errors
/// As [`annotate::compiled_for`] and [`dependencies::Dependencies::open`].
pub fn identify_if_asked(module: Module, settings: &EmitSettings) -> Result<bool, String> {
    let asked = is_package() || !dependencies::paths().is_empty();
    if !asked || is_for_link_time_optimisation(module) {
        return Ok(false);
    }
    let identified = identify(module, settings)?;
    dedup::deduplicate_large(module)?;
    Ok(identified)
}

/// Keeps the identity, or the reason why nobody else may use it, with each function that is not local, or need not be.
///
/// # Errors
/// As [`annotate::compiled_for`].
pub fn identify(module: Module, settings: &EmitSettings) -> Result<bool, String> {
    let Some(arch) = annotate::image_arch(module).filter(|_| !module.has_flag(IDENTIFIED)) else {
        return Ok(false);
    };
    let identified = identities(module, settings)?;
    for found in identified.iter().filter(|found| !found.function.is_local()) {
        let known = match found.content {
            Sharing::Shareable => Known::Identity(found.identity),
            other => Known::Unshareable(other),
        };
        carrier::write(module, found.function, known);
    }
    naming::name(module, &identified, &Dependencies::open(arch)?, is_package());
    module.set_flag(IDENTIFIED, 1);
    Ok(true)
}

/// `jl-identity`: a pass by name. With `print` the identities go to standard output instead.
///
/// # Errors
/// As [`identify`]; and for an unknown parameter.
pub fn run(module: Module, parameters: &str) -> Result<bool, String> {
    let (print, rest): (Vec<&str>, Vec<&str>) = parameters.split(';').partition(|piece| *piece == "print");
    let unknown = |word: &&&str| !word.is_empty() && Level::from_word(word).is_none();
    if let Some(word) = rest.iter().find(unknown) {
        return Err(format!("unknown parameter '{word}' of jl-identity; known is print, and a level (O2)"));
    }
    let settings = EmitSettings::parse(&rest.join(";"))?;
    if print.is_empty() {
        return identify(module, &settings);
    }
    for found in identities(module, &settings)? {
        println!("{} {} {}", found.identity, found.sharing().word(), found.function.name());
    }
    Ok(true)
}

/// The identities of all functions that are defined in the module, in its order.
fn identities(module: Module, settings: &EmitSettings) -> Result<Vec<Identified>, String> {
    let compiled = compiled_for(module, settings)?;
    if settings.level != Level::O0 {
        module.settle();
    }
    Ok(identity::identify(module, &compiled))
}

/// Of two modules the same function is the same one only if it is also compiled alike.
fn compiled_for(module: Module, settings: &EmitSettings) -> Result<String, String> {
    let rest = Settings::parse(&settings.rest, ';')?.with_lists_of_passes();
    Ok(format!("{} {}", settings.level.word(), annotate::compiled_for(module, &rest)?))
}

fn is_for_link_time_optimisation(module: Module) -> bool {
    module.has_flag("EnableSplitLTOUnit") || module.has_flag("ThinLTO")
}

/// Takes the identities out of the module again.
pub fn forget(module: Module) {
    if module.has_flag(IDENTIFIED) {
        module.drop_flag(IDENTIFIED);
        module.functions().for_each(|function| function.remove_string_attribute(carrier::ATTRIBUTE));
    }
}

/// All that decides about exports and imports besides the module: for keys of the cache.
///
/// # Errors
/// As [`dependencies::Dependencies::open`].
pub fn key(module: Module) -> Result<Vec<u8>, String> {
    let mut key = vec![u8::from(is_package())];
    if let Some(arch) = annotate::image_arch(module) {
        key.extend(dependencies::Dependencies::open(arch)?.records());
    }
    Ok(key)
}
