//! Import slots are filled with functions of other images.
//!
//! A dependency is taken only if it is the one that the image was linked against, and had its own turn: then it has verified
//! its lists, and knows which bodies run. What a list says is compared with the other side once more, so that no
//! damage and no mistake of a linker becomes a call into the wrong code.

use crate::memory::ImportSlots;
use crate::objects::{Entry, Object, Objects};
use core::mem::size_of;
use core::ops::Range;
use image_format::layout::{
    DEPENDENCY_FALLBACK, Dependency, ExportValue, Extent, IDENTITY_SIZE, Import, NOT_CLONED, image_state,
};
use image_format::package::{List, Package};
use image_format::pod::read_at;

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
    /// It has no function for an import, or another one.
    Export {
        import: u32,
    },
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
    /// None in a static program.
    objects: Option<Objects>,
    /// The entry of the image that asks.
    own: Option<Entry>,
}

impl Surroundings {
    /// Of the image whose dynamic section is at `dynamic`.
    pub fn new(objects: Option<Objects>, dynamic: *const u8) -> Surroundings {
        Surroundings { objects, own: objects.and_then(|all| all.iter().find(|entry| entry.is(dynamic))) }
    }

    pub fn objects(&self) -> Option<Objects> {
        self.objects
    }

    /// Looks for several dependencies, in one walk over the objects.
    fn find(&self, wanted: &mut Batch) {
        let Some(objects) = self.objects else { return };
        let mut missing = wanted.iter().flatten().count();
        for entry in objects.iter() {
            if missing == 0 {
                return;
            }
            if self.own.is_some_and(|own| entry.is(own.dynamic())) {
                continue;
            }
            let names = entry.names();
            for wanted in wanted.iter_mut().flatten().filter(|wanted| wanted.found.is_none()) {
                if names.contains(&wanted.dependency.name()) {
                    wanted.look_at(&entry);
                    missing -= usize::from(wanted.found.is_some());
                }
            }
        }
    }

    /// Whether the dynamic linker keeps what was found loaded for the image's sake: of several of one name it takes the first.
    fn is_kept(&self, wanted: &Wanted) -> bool {
        wanted.fault == Fault::Missing && self.own.is_some_and(|own| own.needs(wanted.dependency.name()))
    }
}

/// A dependency that is looked for.
struct Wanted {
    index: usize,
    dependency: Dependency,
    found: Option<(Entry, Provider<'static>)>,
    /// What is wrong with the first object of the name.
    fault: Fault,
}

impl Wanted {
    fn new(package: &Package, index: usize) -> Option<Wanted> {
        let dependency = package.dependencies.get(index)?;
        Some(Wanted { index, dependency, found: None, fault: Fault::Missing })
    }

    fn look_at(&mut self, entry: &Entry) {
        let object = entry.object().ok_or(Fault::NoImage);
        match object.and_then(|object| Provider::of(object, &self.dependency)) {
            Ok(provider) => self.found = Some((*entry, provider)),
            Err(fault) if self.fault == Fault::Missing => self.fault = fault,
            Err(_) => {}
        }
    }
}

/// An image that functions are taken from.
#[derive(Clone)]
pub struct Provider<'a> {
    object: Object<'a>,
    /// Address of its header.
    base: usize,
    exports: List<'a, [u8; IDENTITY_SIZE]>,
    values: List<'a, ExportValue>,
    /// The chosen row: `i32` per function.
    bodies: &'a [u8],
    /// The segment of the last function that was taken.
    code: Range<usize>,
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
        let row = header.rows.get(row as usize).ok_or(Fault::Damaged)?;
        let at =
            |extent: Extent| object.bytes(image.address(extent.offset), extent.count as usize).unwrap_or(&[]);
        // It verified them when it had its turn.
        let package = Package::new(header, at, false).map_err(|_| Fault::Damaged)?;
        let bodies = Extent { offset: row.bodies, count: header.slots.count.saturating_mul(4) };
        Ok(Provider {
            object,
            base: image.address(0),
            exports: package.exports,
            values: package.export_values,
            bodies: at(bodies),
            code: 0..0,
        })
    }

    /// The address of the body that runs here for an export; `None` when there is no such export, or it has another
    /// identity.
    pub fn function(&mut self, export: u32, identity: &[u8; IDENTITY_SIZE]) -> Option<usize> {
        let index = export as usize;
        let value = self.values.get(index)?;
        if self.exports.get(index)? != *identity {
            return None;
        }
        let offset = match value.function {
            NOT_CLONED => value.offset,
            function => read_at(self.bodies, (function as usize).checked_mul(size_of::<i32>())?)?,
        };
        let address = self.base.wrapping_add_signed(offset as isize);
        if !self.code.contains(&address) {
            self.code = self.object.code_around(address)?;
        }
        Some(address)
    }
}

/// Dependencies that are looked for in one walk, and filled from in one pass over the imports.
const BATCH: usize = 8;
type Batch = [Option<Wanted>; BATCH];

/// Fills the import slots; those of a dependency that cannot be used, and that the image can do without, stay as they
/// are, and `without` is told of it. `hold` is asked to keep an object loaded that the dynamic linker does not keep for the
/// image's sake.
pub fn fill(
    package: &Package,
    surroundings: &Surroundings,
    slots: &mut ImportSlots,
    hold: impl Fn(&Entry) -> bool,
    mut without: impl FnMut(&Dependency, Fault),
) -> Result<(), Unusable> {
    each_batch(package, surroundings, |first, batch| {
        for place in batch.iter_mut().flatten() {
            let fault = match &place.found {
                Some((entry, _)) if surroundings.is_kept(place) || hold(entry) => continue,
                Some(_) => Fault::Unheld,
                None => place.fault,
            };
            place.found = None;
            if place.dependency.flags & DEPENDENCY_FALLBACK == 0 {
                return Err(Unusable { index: place.index as u32, fault });
            }
            without(&place.dependency, fault);
        }
        fill_from(package, first, batch, slots)
    })
}

/// Whether all dependencies can be used that the image cannot do without.
pub fn check(package: &Package, surroundings: &Surroundings) -> Result<(), Unusable> {
    each_batch(package, surroundings, |_, batch| {
        let is_bad = |w: &&Wanted| w.found.is_none() && w.dependency.flags & DEPENDENCY_FALLBACK == 0;
        let bad = batch.iter().flatten().find(is_bad);
        bad.map_or(Ok(()), |w| Err(Unusable { index: w.index as u32, fault: w.fault }))
    })
}

/// Calls `work` with the dependencies by [`BATCH`], and the index of the first of them; once for none.
fn each_batch(
    package: &Package,
    surroundings: &Surroundings,
    mut work: impl FnMut(usize, &mut Batch) -> Result<(), Unusable>,
) -> Result<(), Unusable> {
    let count = package.dependencies.len();
    let mut first = 0;
    loop {
        let mut batch: Batch = [const { None }; BATCH];
        for (index, place) in (first..count).zip(&mut batch) {
            *place = Wanted::new(package, index);
        }
        surroundings.find(&mut batch);
        work(first, &mut batch)?;
        first += BATCH;
        if first >= count {
            return Ok(());
        }
    }
}

/// Fills the slots of imports from the dependencies that stand in `batch`, whose first has the index `first`. An import from
/// none of the image's dependencies is an error.
fn fill_from(
    package: &Package,
    first: usize,
    batch: &mut Batch,
    slots: &mut ImportSlots,
) -> Result<(), Unusable> {
    for (number, import) in package.imports.iter().enumerate() {
        let Import { slot, dependency, export } = import;
        let wrong = Unusable { index: dependency, fault: Fault::Export { import: number as u32 } };
        if dependency as usize >= package.dependencies.len() {
            return Err(wrong);
        }
        let place = (dependency as usize).checked_sub(first).and_then(|index| batch.get_mut(index));
        let Some(Some(Wanted { found: Some((_, provider)), dependency, .. })) = place else { continue };
        let is_own = dependency.flags & DEPENDENCY_FALLBACK != 0;
        let identity = package.import_identities.get(number);
        let function = identity.and_then(|identity| provider.function(export, &identity));
        if !function.is_some_and(|function| slots.fill(slot, is_own, function)) {
            return Err(wrong);
        }
    }
    Ok(())
}
