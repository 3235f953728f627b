//! `--jl-relink=OLD --jl-dep=NEW -o OUTPUT`: an image is made to fit a dependency that was rebuilt, without its objects.
//!
//! What an image imports is known by identity: whoever still exports it may lend it. Data that it refers to by name must still be
//! there under that name and with that size; for what it knows by its place alone, the whole blob must be the same. Only the
//! numbers change.

use super::dependencies::{check, hex};
use super::lists::slot_names;
use crate::args::Invocation;
use crate::check::check_package;
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::finish;
use image_format::dependency::{DependencyImage, LinkageObject};
use image_format::layout::{Dependency, IDENTITY_SIZE, ImageHeader, Import, Reference, Referent};
use image_format::package::{Package, checksum};
use image_format::pod::bytes_of;
use std::collections::HashMap;
use std::path::Path;

/// What was made to fit.
pub struct Relinked {
    pub dependencies: usize,
    pub imports: usize,
    pub references: usize,
}

/// # Errors
/// A file is no image, no dependency has the name of one that is given, or one lacks functions that are imported.
pub fn relink(old: &Path, invocation: &Invocation) -> Result<Relinked> {
    let own = &invocation.own;
    let option = "--jl-relink".to_string();
    if own.dependencies.is_empty() || !invocation.inputs.is_empty() || invocation.output.is_none() {
        let problem = "needs --jl-dep=FILE, -o FILE and no objects: only lists of the finished image change";
        return Err(Error::Option { option, problem });
    }
    let output = invocation.output();
    let open = |path: &Path| DependencyImage::open(path).map_err(|cause| Error::Dependency { cause });
    let image = open(old)?;
    let bytes = std::fs::read(old).map_err(|cause| Error::Read { path: old.into(), cause })?;
    let mut elf = Elf::parse(old, bytes)?;
    let mut lenders = Vec::new();
    for path in &own.dependencies {
        let lender = open(path)?;
        check(&lender, &image.name, Some(elf.arch))?;
        lenders.push(lender);
    }
    let package = image.package();
    let fitted = Fitted::new(&elf, &image, &package, &lenders)?;
    let header = fitted.write(&mut elf, &image)?;
    finish::seal(&mut elf, header, image.header_address, invocation)?;
    let sealed: ImageHeader =
        elf.read(image.header_address).ok_or_else(|| elf.wrong("image header", "none".into(), "one"))?;
    check_package(&elf, image.header_address, &sealed)?;
    replace(&output, &elf.bytes, old)?;
    Ok(fitted.counts)
}

/// The lists with new numbers.
struct Fitted {
    dependencies: Vec<Dependency>,
    imports: Vec<Import>,
    references: Vec<Reference>,
    counts: Relinked,
}

impl Fitted {
    fn new(
        elf: &Elf,
        image: &DependencyImage,
        package: &Package,
        lenders: &[DependencyImage],
    ) -> Result<Fitted> {
        let old: Vec<Dependency> = package.dependencies.iter().collect();
        if let Some(lender) = lenders.iter().find(|lender| !old.iter().any(|d| d.name() == lender.name)) {
            return Err(is_no_dependency(image, lender, &old));
        }
        let counts = Relinked { dependencies: 0, imports: 0, references: 0 };
        let (dependencies, imports, references) = (Vec::new(), Vec::new(), Vec::new());
        let mut fitted = Fitted { dependencies, imports, references, counts };
        let (details, names) = (image.details(), slot_names(elf));
        let mut gone: Vec<String> = Vec::new();
        for (index, dependency) in old.iter().enumerate() {
            let Some(lender) = lenders.iter().find(|lender| lender.name == dependency.name()) else {
                fitted.dependencies.push(*dependency);
                fitted.imports.extend(package.imports.part(package.imports_from(index)).iter());
                fitted.references.extend(package.references.part(package.references_to(index)).iter());
                continue;
            };
            fitted.take_functions(details.imports_from(package, index), lender, |import, identity| {
                let slot = image.header_address.wrapping_add_signed(import.slot.into());
                gone.push(names.get(&slot).map_or_else(|| hex(identity), |name| name.to_string()));
            });
            let objects = lender.objects().map_err(|cause| Error::Dependency { cause })?;
            let is_same = dependency.linkage_checksum == lender.header().linkage_checksum;
            let named = details
                .references_to(package, index)
                .map(|(_, reference, referent)| (reference, referent, name_of(elf, image, &referent)));
            fitted.take_data(named, &objects, is_same, |reference, name| {
                gone.push(name.map_or_else(
                    || format!("data at {:#x} of its linkage blob", reference.place),
                    |name| format!("data {name}"),
                ));
            });
            let Dependency { imports_end, references_end, flags, .. } = *dependency;
            fitted.dependencies.push(Dependency { imports_end, references_end, ..lender.record(flags) });
            fitted.counts.dependencies += 1;
        }
        if gone.is_empty() { Ok(fitted) } else { Err(no_longer_there(image, lenders, &fitted.counts, &gone)) }
    }

    /// Imports with their identities, as `lender` has them; `gone` is told of those that it has not got.
    fn take_functions(
        &mut self,
        imports: impl Iterator<Item = (usize, Import, [u8; IDENTITY_SIZE])>,
        lender: &DependencyImage,
        mut gone: impl FnMut(Import, &[u8; IDENTITY_SIZE]),
    ) {
        for (_, import, identity) in imports {
            self.counts.imports += 1;
            match lender.find(&identity) {
                Some((export, lent)) => {
                    self.imports.push(Import { export, tag: Import::tag_of(&lent, import.slot), ..import });
                }
                None => gone(import, &identity),
            }
        }
    }

    /// As [`Fitted::take_functions`], references with the names of what they are to; a new dependency has `objects`, and the same
    /// blob as before or not.
    fn take_data(
        &mut self,
        references: impl Iterator<Item = (Reference, Referent, Option<String>)>,
        objects: &Objects,
        is_same: bool,
        mut gone: impl FnMut(Reference, Option<String>),
    ) {
        for (reference, referent, name) in references {
            self.counts.references += 1;
            let place = match &name {
                Some(name) => place_of(&referent, objects.get(name.as_bytes())),
                None => is_same.then_some(reference.place),
            };
            match place {
                Some(place) => self.references.push(Reference { place, ..reference }),
                None => gone(reference, name),
            }
        }
    }

    fn write(&self, elf: &mut Elf, image: &DependencyImage) -> Result<ImageHeader> {
        let mut header = *image.header();
        let imports: Vec<u8> = self.imports.iter().flat_map(|i| bytes_of(i).to_vec()).collect();
        let references: Vec<u8> = self.references.iter().flat_map(|r| bytes_of(r).to_vec()).collect();
        let dependencies: Vec<u8> = self.dependencies.iter().flat_map(|d| bytes_of(d).to_vec()).collect();
        let at = |offset: i32| image.header_address.wrapping_add_signed(offset.into());
        for (offset, bytes) in [
            (header.imports.offset, &imports),
            (header.references.offset, &references),
            (header.dependencies.offset, &dependencies),
        ] {
            if !bytes.is_empty() {
                elf.write(at(offset), bytes)?;
            }
        }
        header.package_checksum = checksum([&references, &dependencies]);
        // Identities and referents stay as they are: what is taken is the same as before.
        header.details_checksum = image.details().checksum_with(&imports);
        Ok(header)
    }
}

/// Data by name.
type Objects = HashMap<Vec<u8>, LinkageObject>;

/// The name by which an image refers to data.
fn name_of(elf: &Elf, image: &DependencyImage, referent: &Referent) -> Option<String> {
    let address = image.header_address.wrapping_add_signed(referent.name.into());
    (referent.name != 0).then(|| elf.string_at(address)).flatten()
}

/// The place of what a reference leads to in an object of its name.
fn place_of(referent: &Referent, object: Option<&LinkageObject>) -> Option<u32> {
    // Of an object of another size nobody knows where its parts are.
    let object = object.filter(|object| object.size == referent.size && referent.inner <= object.size)?;
    Some(object.offset + referent.inner)
}

fn is_no_dependency(image: &DependencyImage, lender: &DependencyImage, old: &[Dependency]) -> Error {
    let names: Vec<_> = old.iter().map(|d| String::from_utf8_lossy(d.name())).collect();
    Error::Image {
        file: lender.path.clone(),
        what: format!("dependency of {}", image.path.display()),
        found: String::from_utf8_lossy(&lender.name).into_owned(),
        expected: if names.is_empty() { "none at all".into() } else { names.join(" or ") },
        advice: "give --jl-dep the rebuilt file of one of its dependencies",
    }
}

fn no_longer_there(
    image: &DependencyImage,
    lenders: &[DependencyImage],
    counts: &Relinked,
    gone: &[String],
) -> Error {
    let files: Vec<_> = lenders.iter().map(|lender| lender.path.display().to_string()).collect();
    let all = counts.imports + counts.references;
    Error::Image {
        file: image.path.clone(),
        what: format!("functions and data taken from {}", files.join(", ")),
        found: format!("{} of {all} that it no longer has: {}", gone.len(), gone.join(", ")),
        expected: "the same functions, with the same content, and data of the same names and sizes".into(),
        advice: "compile and link this image again with the new dependency",
    }
}

/// Writes aside and renames: the output may be the old file itself.
fn replace(output: &Path, bytes: &[u8], model: &Path) -> Result<()> {
    let write = || {
        let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.as_file().set_permissions(std::fs::metadata(model)?.permissions())?;
        file.persist(output).map_err(std::io::Error::from)
    };
    write().map(drop).map_err(|cause| Error::Write { path: output.into(), cause })
}
