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
use image_format::layout::{Dependency, ImageHeader, Import, Reference, Referent};
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
    let header = fitted.write(&mut elf, &image, &package)?;
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
        let named = |d: &Dependency| lenders.iter().find(|lender| lender.name == d.name());
        let old: Vec<Dependency> = package.dependencies.iter().collect();
        for lender in lenders {
            if !old.iter().any(|d| d.name() == lender.name) {
                let names: Vec<_> = old.iter().map(|d| String::from_utf8_lossy(d.name())).collect();
                return Err(Error::Image {
                    file: lender.path.clone(),
                    what: format!("dependency of {}", image.path.display()),
                    found: String::from_utf8_lossy(&lender.name).into_owned(),
                    expected: if names.is_empty() { "none at all".into() } else { names.join(" or ") },
                    advice: "give --jl-dep the rebuilt file of one of its dependencies",
                });
            }
        }
        let mut counts = Relinked { dependencies: 0, imports: 0, references: 0 };
        let mut dependencies = Vec::new();
        for dependency in &old {
            let new = named(dependency).map(|lender| lender.record(dependency.flags));
            counts.dependencies += usize::from(new.is_some());
            let references_end = dependency.references_end;
            dependencies.push(Dependency { references_end, ..new.unwrap_or(*dependency) });
        }
        let names = slot_names(elf);
        let mut gone: Vec<String> = Vec::new();
        let mut imports = Vec::new();
        let exports: HashMap<usize, Package> =
            (0..old.len()).filter_map(|index| Some((index, named(&old[index])?.package()))).collect();
        for (import, identity) in package.imports.iter().zip(package.import_identities.iter()) {
            let Some(lender) = exports.get(&(import.dependency as usize)) else {
                imports.push(import);
                continue;
            };
            match lender.find(&identity) {
                Some(export) => imports.push(Import { export, ..import }),
                None => {
                    let slot = image.header_address.wrapping_add_signed(import.slot.into());
                    gone.push(names.get(&slot).map_or_else(|| hex(&identity), |name| name.to_string()));
                }
            }
            counts.imports += 1;
        }
        let mut references = Vec::new();
        let referents = image.referents().map_err(|cause| Error::Dependency { cause })?;
        let objects = objects_of(&old, lenders)?;
        for (index, dependency) in old.iter().enumerate() {
            let numbers = package.references_to(index);
            let list = package.references.part(numbers.clone());
            let Some((lender, objects)) = objects.get(&index) else {
                references.extend(list.iter());
                continue;
            };
            counts.references += numbers.len();
            for (reference, referent) in list.iter().zip(referents.part(numbers).iter()) {
                let name = name_of(elf, image, &referent);
                let place = new_place(&reference, &referent, name.as_deref(), objects, dependency, lender);
                match place {
                    Some(place) => references.push(Reference { place, ..reference }),
                    None => gone.push(name.map_or_else(
                        || format!("data at {:#x} of its linkage blob", reference.place),
                        |name| format!("data {name}"),
                    )),
                }
            }
        }
        if gone.is_empty() {
            return Ok(Fitted { dependencies, imports, references, counts });
        }
        let files: Vec<_> = lenders.iter().map(|lender| lender.path.display().to_string()).collect();
        Err(Error::Image {
            file: image.path.clone(),
            what: format!("functions and data taken from {}", files.join(", ")),
            found: format!(
                "{} of {} that it no longer has: {}",
                gone.len(),
                counts.imports + counts.references,
                gone.join(", ")
            ),
            expected: "the same functions, with the same content, and data of the same names and sizes"
                .into(),
            advice: "compile and link this image again with the new dependency",
        })
    }

    fn write(&self, elf: &mut Elf, image: &DependencyImage, package: &Package) -> Result<ImageHeader> {
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
        let identities = package.import_identities.bytes();
        let lists = [
            package.exports.bytes(),
            package.export_values.bytes(),
            &imports,
            identities,
            &references,
            &dependencies,
        ];
        header.package_checksum = checksum(lists);
        Ok(header)
    }
}

/// Data by name.
type Objects = HashMap<Vec<u8>, LinkageObject>;

/// The new files by index of the dependency, with their data.
fn objects_of<'a>(
    old: &[Dependency],
    lenders: &'a [DependencyImage],
) -> Result<HashMap<usize, (&'a DependencyImage, Objects)>> {
    let mut found = HashMap::new();
    for (index, dependency) in old.iter().enumerate() {
        if let Some(lender) = lenders.iter().find(|lender| lender.name == dependency.name()) {
            let objects = lender.objects().map_err(|cause| Error::Dependency { cause })?;
            found.insert(index, (lender, objects));
        }
    }
    Ok(found)
}

/// The name by which an image refers to data.
fn name_of(elf: &Elf, image: &DependencyImage, referent: &Referent) -> Option<String> {
    let address = image.header_address.wrapping_add_signed(referent.name.into());
    (referent.name != 0).then(|| elf.string_at(address)).flatten()
}

/// The place of the same data in a new dependency: `None` where that has not got it.
fn new_place(
    reference: &Reference,
    referent: &Referent,
    name: Option<&str>,
    objects: &Objects,
    old: &Dependency,
    new: &DependencyImage,
) -> Option<u32> {
    let Some(name) = name else {
        return (old.linkage_checksum == new.header().linkage_checksum).then_some(reference.place);
    };
    let object = objects.get(name.as_bytes())?;
    // Of an object of another size nobody knows where its parts are.
    (object.size == referent.size && referent.inner <= object.size).then_some(object.offset + referent.inner)
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
