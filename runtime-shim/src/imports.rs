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

    /// The dependency, ready to be used; `hold` is asked to keep an object loaded that the dynamic linker does not keep for
    /// the image's sake.
    fn find(
        &self,
        dependency: &Dependency,
        hold: impl Fn(&Entry) -> bool,
    ) -> Result<Provider<'static>, Fault> {
        let (name, mut first) = (dependency.name(), None);
        for entry in self.objects.iter().flat_map(Objects::iter) {
            let is_own = self.own.is_some_and(|own| entry.is(own.dynamic()));
            if is_own || !entry.has_file_name(name) && !entry.has_soname(name) {
                continue;
            }
            match entry.object().ok_or(Fault::NoImage).and_then(|object| Provider::of(object, dependency)) {
                Ok(provider) => {
                    // Of several of one name the dynamic linker takes the first.
                    let is_kept = first.is_none() && self.own.is_some_and(|own| own.needs(name));
                    return if is_kept || hold(&entry) { Ok(provider) } else { Err(Fault::Unheld) };
                }
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        Err(first.unwrap_or(Fault::Missing))
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

/// Whether all dependencies can be used that the image cannot do without.
pub fn check(package: &Package, surroundings: &Surroundings) -> Result<(), Unusable> {
    for (index, dependency) in package.dependencies.iter().enumerate() {
        if dependency.flags & DEPENDENCY_FALLBACK == 0 {
            let found = surroundings.find(&dependency, |_| true);
            found.map_err(|fault| Unusable { index: index as u32, fault })?;
        }
    }
    Ok(())
}

/// Dependencies that are looked at in one pass over the imports.
const BATCH: usize = 16;

/// Fills the import slots; those of a dependency that cannot be used, and that the image can do without, stay as they
/// are, and `without` is told of it.
pub fn fill(
    package: &Package,
    surroundings: &Surroundings,
    slots: &mut ImportSlots,
    hold: impl Fn(&Entry) -> bool,
    mut without: impl FnMut(&Dependency, Fault),
) -> Result<(), Unusable> {
    let mut first = 0;
    while first < package.dependencies.len() {
        let mut batch: [Option<Provider>; BATCH] = [const { None }; BATCH];
        for (index, place) in (first..package.dependencies.len()).zip(&mut batch) {
            let Some(dependency) = package.dependencies.get(index) else { break };
            match surroundings.find(&dependency, &hold) {
                Ok(provider) => *place = Some(provider),
                Err(fault) if dependency.flags & DEPENDENCY_FALLBACK != 0 => without(&dependency, fault),
                Err(fault) => return Err(Unusable { index: index as u32, fault }),
            }
        }
        fill_from(package, first, &mut batch, slots)?;
        first += BATCH;
    }
    // Checked for images without any dependency as well.
    fill_from(package, package.dependencies.len(), &mut [], slots)
}

/// Fills the slots of imports from the dependencies that stand in `batch`, whose first has the index `first`. An import from
/// none of the image's dependencies is an error.
fn fill_from(
    package: &Package,
    first: usize,
    batch: &mut [Option<Provider>],
    slots: &mut ImportSlots,
) -> Result<(), Unusable> {
    for (number, import) in package.imports.iter().enumerate() {
        let Import { slot, dependency, export } = import;
        let wrong = Unusable { index: dependency, fault: Fault::Export { import: number as u32 } };
        if dependency as usize >= package.dependencies.len() {
            return Err(wrong);
        }
        let place = (dependency as usize).checked_sub(first).and_then(|index| batch.get_mut(index));
        let Some(Some(provider)) = place else { continue };
        let identity = package.import_identities.get(number);
        let function = identity.and_then(|identity| provider.function(export, &identity));
        if !function.is_some_and(|function| slots.fill(slot, function)) {
            return Err(wrong);
        }
    }
    Ok(())
}
