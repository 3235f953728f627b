//! Names of an image's exported functions, and how much code they are.

use image_format::dependency::DependencyImage;
use image_format::image::Table;
use image_format::layout::{Export, NOT_CLONED};
use image_format::package::Package;
use std::collections::{BTreeSet, HashMap};

/// An image's exports with what its symbols say of them.
pub struct Exports<'a> {
    header: u64,
    table: Table<'a>,
    package: Package<'a>,
    /// Name and size in bytes by address.
    symbols: HashMap<u64, (String, u64)>,
}

impl<'a> Exports<'a> {
    pub fn new(image: &'a DependencyImage) -> Exports<'a> {
        let mut symbols: HashMap<u64, (String, u64)> = HashMap::new();
        for (name, address, size) in image.functions().into_iter().filter(|(_, _, size)| *size > 0) {
            // Of names of one place (aliases, or functions that were folded) always the same.
            let known = symbols.entry(address).or_insert_with(|| (name.clone(), size));
            if name < known.0 {
                *known = (name, size);
            }
        }
        Exports { header: image.header_address, table: image.table(), package: image.package(), symbols }
    }

    pub fn name(&self, export: u32) -> Option<&str> {
        let value = self.package.exports.get(export as usize)?;
        self.symbols.get(&self.at(value.offset)).map(|(name, _)| name.as_str())
    }

    /// Bytes of code of an export: of a cloned function all bodies, each once, and the trampoline. None where symbols do not
    /// tell.
    pub fn bytes(&self, export: u32) -> Option<u64> {
        self.bytes_of_all([export])
    }

    /// Bytes of code of several exports; what they share, because it was folded, once.
    pub fn bytes_of_all(&self, exports: impl IntoIterator<Item = u32>) -> Option<u64> {
        let places: BTreeSet<u64> = exports.into_iter().flat_map(|export| self.places(export)).collect();
        places.iter().map(|place| self.symbols.get(place).map(|(_, size)| *size)).sum()
    }

    /// Where an export's code starts.
    fn places(&self, export: u32) -> Vec<u64> {
        let Some(value) = self.package.exports.get(export as usize) else { return Vec::new() };
        let Export { function, offset, .. } = value;
        let mut places = vec![self.at(offset)];
        if function != NOT_CLONED {
            let rows = self.table.rows().count();
            let bodies = (0..rows).filter_map(|row| self.table.body(row, function as usize));
            places.extend(bodies.map(|body| self.at(body)));
        }
        places
    }

    fn at(&self, offset: i32) -> u64 {
        self.header.wrapping_add_signed(i64::from(offset))
    }
}
