//! Import slots are filled with functions of other images, and references with addresses of their data.
//!
//! A dependency is taken only if it is the one that the image was linked against, and had its own turn: then it has verified
//! its table, and knows which bodies run. What a list says is compared with the other side once more, so that no
//! damage and no mistake of a linker becomes a call into the wrong code.

use crate::cells::{ImportSlots, ReferenceCells};
use crate::objects::{Entry, Namespaces, Object, Objects};
use core::ops::Range;
use image_format::layout::{
    DEPENDENCY_FALLBACK, Dependency, Export, Extent, Import, NOT_CLONED, image_state,
};
use image_format::package::Package;
use image_format::pod::items_in;

/// Why a dependency cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No object of this name is loaded.
    Missing,
    /// The object of this name holds no image of this release that jl-link merged.
    NoImage,
    Damaged,
    /// It is not the one that was linked against; with the same build id: it has other content.
    Other {
        build_id: [u8; 32],
        size: u32,
    },
    /// It was refused itself.
    Refused,
    /// Its turn is not over: it depends on the image that depends on it.
    Unready,
    /// It might be unloaded while it is used.
    Unheld,
    /// It has no function or no data for an entry of a list, or another one; or the entry is of no pointer that waits for it.
    Nothing {
        what: Taken,
        number: u32,
    },
}

/// What is taken from a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Import,
    Reference,
}

/// A dependency, by its index, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable {
    pub index: u32,
    pub fault: Fault,
}

/// Where dependencies are looked for.
#[derive(Clone, Copy)]
pub struct Surroundings {
    /// Of the image that asks; none in a static program.
    namespaces: Option<Namespaces>,
}

/// Where an image is.
#[derive(Clone, Copy)]
pub struct Place {
    /// It and the objects beside it.
    pub objects: Objects,
    /// Its own entry among them.
    own: Entry,
}

impl Place {
    /// Whether the dynamic linker keeps what was found loaded for the image's sake: of several of one name it takes the first.
    fn keeps(&self, wanted: &Wanted) -> bool {
        wanted.fault == Fault::Missing && self.own.needs(wanted.name)
    }
}

impl Surroundings {
    pub fn new(namespaces: Option<Namespaces>) -> Surroundings {
        Surroundings { namespaces }
    }

    /// Looks for several dependencies, and for the image itself, in one walk over the objects of its namespace. Nearly all are files
    /// of the name that they are asked for by: what others call themselves, which takes a walk through each one's dynamic section,
    /// is asked after that. None where the image itself is not found.
    fn find(&self, wanted: &mut Batch) -> Option<Place> {
        let namespaces = self.namespaces?;
        namespaces.iter().find_map(|objects| {
            let Some(own) = find_by(&namespaces, objects, wanted, false) else {
                wanted.iter_mut().flatten().for_each(Wanted::forget);
                return None;
            };
            if wanted.iter().flatten().any(|wanted| wanted.found.is_none()) {
                find_by(&namespaces, objects, wanted, true);
            }
            Some(Place { objects, own })
        })
    }
}

/// Looks for what is wanted among `objects`, by what they call themselves, or by their files' names; up to the image that asks, which
/// is returned, and further as long as something is missing. Once in the embedded shim, which has to be small.
#[inline(never)]
fn find_by(namespaces: &Namespaces, objects: Objects, wanted: &mut Batch, by_soname: bool) -> Option<Entry> {
    let mut missing = wanted.iter().flatten().filter(|wanted| wanted.found.is_none()).count();
    let mut own = None;
    for entry in objects.iter() {
        if namespaces.is_own(&entry) {
            own = Some(entry);
        } else if missing > 0 {
            let known = if by_soname { entry.soname() } else { entry.path().to_bytes() };
            let is_called = |name| if by_soname { known == name } else { is_file_name(known, name) };
            for wanted in wanted.iter_mut().flatten().filter(|wanted| wanted.found.is_none()) {
                if is_called(wanted.name) && wanted.look_at(&entry) {
                    missing -= 1;
                }
            }
        }
        if missing == 0 && own.is_some() {
            break;
        }
    }
    own
}

/// Whether `name` is the last part of a path. It is asked of all objects, so that what ends otherwise should be told at once.
fn is_file_name(path: &[u8], name: &[u8]) -> bool {
    match (path.last_chunk(), name.last_chunk()) {
        (Some(path), Some(name)) if u64::from_le_bytes(*path) != u64::from_le_bytes(*name) => return false,
        _ => {}
    }
    path.strip_suffix(name).is_some_and(|folder| folder.last().is_none_or(|last| *last == b'/'))
}

/// A dependency that is looked for.
struct Wanted<'a> {
    index: usize,
    dependency: &'a Dependency,
    name: &'a [u8],
    found: Option<(Entry, Provider<'static>)>,
    /// What is wrong with the first object of the name.
    fault: Fault,
}

impl<'a> Wanted<'a> {
    fn new(package: &Package<'a>, index: usize) -> Option<Wanted<'a>> {
        let dependency = package.dependencies.view(index)?;
        Some(Wanted { index, dependency, name: dependency.name(), found: None, fault: Fault::Missing })
    }

    /// What was found is of another namespace.
    fn forget(&mut self) {
        (self.found, self.fault) = (None, Fault::Missing);
    }

    fn can_be_done_without(&self) -> bool {
        self.dependency.flags & DEPENDENCY_FALLBACK != 0
    }

    /// Whether an object of the name is it.
    fn look_at(&mut self, entry: &Entry) -> bool {
        let object = entry.object().ok_or(Fault::NoImage);
        match object.and_then(|object| Provider::of(object, self.dependency)) {
            Ok(provider) => self.found = Some((*entry, provider)),
            Err(fault) if self.fault == Fault::Missing => self.fault = fault,
            Err(_) => {}
        }
        self.found.is_some()
    }
}

/// An image that functions are taken from.
#[derive(Clone)]
pub struct Provider<'a> {
    object: Object<'a>,
    /// Address of its header.
    base: usize,
    exports: &'a [Export],
    /// The chosen row: a body per function.
    bodies: &'a [i32],
    /// The segment of the last function that was taken.
    code: Range<usize>,
    /// Its linkage blob; empty where it has none.
    linkage: Range<usize>,
}

impl<'a> Provider<'a> {
    /// The image in `object`, if it is `dependency` and had its turn.
    pub fn of(object: Object<'a>, dependency: &Dependency) -> Result<Provider<'a>, Fault> {
        let image = match object.image() {
            None => return Err(Fault::NoImage),
            Some(Err(image_format::image::ImageError::NotMerged)) => return Err(Fault::NoImage),
            Some(Err(_)) => return Err(Fault::Damaged),
            Some(Ok(image)) => image,
        };
        let header = image.header();
        if !dependency.is(header) {
            return Err(Fault::Other { build_id: header.build_id, size: header.build_id_size });
        }
        let row = match object.word(image.state() as usize) {
            Some(image_state::UNFILLED) => return Err(Fault::Unready),
            Some(image_state::REFUSED) => return Err(Fault::Refused),
            Some(state) => state.checked_sub(image_state::FILLED).ok_or(Fault::Damaged)?,
            None => return Err(Fault::Damaged),
        };
        let row = header.rows().get(row as usize).ok_or(Fault::Damaged)?;
        let at =
            |extent: Extent| object.bytes(image.address(extent.offset), extent.count as usize).unwrap_or(&[]);
        // Its other lists are its own affair.
        let exports = Package::exports_of(header, at).map_err(|_| Fault::Damaged)?;
        let linkage = if header.linkage.count == 0 { Some(0..0) } else { image.linkage(&object) };
        let bodies = Extent { offset: row.bodies, count: header.slots.count.saturating_mul(4) };
        Ok(Provider {
            object,
            base: image.address(0),
            exports: exports.items().ok_or(Fault::Damaged)?,
            bodies: items_in(at(bodies)).ok_or(Fault::Damaged)?,
            code: 0..0,
            linkage: linkage.ok_or(Fault::Damaged)?,
        })
    }

    /// The address of the body that runs here for an import; `None` when there is no such export, or another one.
    fn function(&mut self, import: &Import) -> Option<usize> {
        let export = self.exports.get(import.export as usize)?;
        if Import::tag_of(export, import.slot) != import.tag {
            return None;
        }
        let offset = match export.function {
            NOT_CLONED => export.offset,
            function => *self.bodies.get(function as usize)?,
        };
        let address = self.base.wrapping_add_signed(offset as isize);
        if !self.code.contains(&address) {
            self.code = self.object.code_around(address)?;
        }
        Some(address)
    }

    /// Its linkage blob.
    pub fn linkage(&self) -> Range<usize> {
        self.linkage.clone()
    }
}

/// At most so many dependencies are looked for in one walk.
const BATCH: usize = 8;
type Batch<'a> = [Option<Wanted<'a>>];

/// What of the image is filled.
pub struct Cells<'a> {
    pub slots: ImportSlots,
    pub references: ReferenceCells<'a>,
}

/// Fills the import slots and the references; the slots of a dependency that cannot be used, and that the image can do without, stay as they
/// are, if `without` says so when it is told of it. `hold` is asked to keep an object loaded that the dynamic linker does not keep for the
/// image's sake.
pub fn fill(
    package: &Package,
    surroundings: &Surroundings,
    cells: &mut Cells,
    hold: impl Fn(&Entry, &Objects) -> bool,
    mut without: impl FnMut(&Dependency, Fault) -> bool,
) -> Result<(), Unusable> {
    each_batch(package, surroundings, |batch, place| {
        for wanted in batch.iter_mut().flatten() {
            let is_kept = |entry| place.is_some_and(|at| at.keeps(wanted) || hold(entry, &at.objects));
            let fault = match &wanted.found {
                Some((entry, _)) if is_kept(entry) => continue,
                Some(_) => Fault::Unheld,
                None => wanted.fault,
            };
            wanted.found = None;
            if !wanted.can_be_done_without() || !without(wanted.dependency, fault) {
                return Err(Unusable { index: wanted.index as u32, fault });
            }
        }
        batch.iter_mut().flatten().try_for_each(|wanted| fill_from(wanted, package, cells))
    })
}

/// Whether all dependencies can be used that the image cannot do without.
pub fn check(package: &Package, surroundings: &Surroundings) -> Result<(), Unusable> {
    each_batch(package, surroundings, |batch, _| {
        let bad =
            batch.iter().flatten().find(|wanted| wanted.found.is_none() && !wanted.can_be_done_without());
        bad.map_or(Ok(()), |wanted| Err(Unusable { index: wanted.index as u32, fault: wanted.fault }))
    })
}

/// Calls `work` with the dependencies by [`BATCH`].
fn each_batch<'a>(
    package: &Package<'a>,
    surroundings: &Surroundings,
    mut work: impl FnMut(&mut Batch<'a>, Option<Place>) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let count = package.dependencies.len();
    for first in (0..count).step_by(BATCH) {
        let mut places = [const { None }; BATCH];
        let batch = &mut places[..(count - first).min(BATCH)];
        for (index, place) in (first..).zip(batch.iter_mut()) {
            let wanted = Wanted::new(package, index);
            *place = Some(wanted.ok_or(Unusable { index: index as u32, fault: Fault::Damaged })?);
        }
        let place = surroundings.find(batch);
        work(batch, place)?;
    }
    Ok(())
}

/// Fills what is taken from a dependency: where that cannot be used, the image can do without its functions, but not without
/// its data. By itself, as what its loop needs is in registers then.
#[inline(never)]
fn fill_from(wanted: &mut Wanted, package: &Package, cells: &mut Cells) -> Result<(), Unusable> {
    let index = wanted.index;
    let (imports, references) = (package.imports_from(index), package.references_to(index));
    let nothing = |what, number: usize| Unusable {
        index: index as u32,
        fault: Fault::Nothing { what, number: number as u32 },
    };
    let is_own = wanted.can_be_done_without();
    let Some((_, provider)) = &mut wanted.found else {
        let first = references.start;
        return if references.is_empty() { Ok(()) } else { Err(nothing(Taken::Reference, first)) };
    };
    let taken = package.imports.part(imports.clone());
    let taken = taken.items().ok_or(Unusable { index: index as u32, fault: Fault::Damaged })?;
    for (number, import) in imports.zip(taken) {
        let function = provider.function(import);
        if !function.is_some_and(|function| cells.slots.fill(import.slot, is_own, function)) {
            return Err(nothing(Taken::Import, number));
        }
    }
    let first = references.start;
    let filled = cells.references.fill(package.references.part(references), provider.linkage());
    filled.map_err(|number| nothing(Taken::Reference, first + number))
}
