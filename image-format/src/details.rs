//! What tools need to know of a package image's lists, and no load reads: identities, and what references are to.

use crate::image::xxh64;
use crate::layout::{Export, Extent, IDENTITY_SIZE, ImageHeader, Import, Reference, Referent};
use crate::package::{List, Package, PackageError};
use crate::pod::Pod;
use core::ops::Range;

/// Lists beside those of a [`crate::package::Package`], each in the order of the one that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Details<'a> {
    /// Ascending.
    pub exports: List<'a, [u8; IDENTITY_SIZE]>,
    pub imports: List<'a, [u8; IDENTITY_SIZE]>,
    pub references: List<'a, Referent>,
    /// Exports and imports themselves.
    known_by_tags: [&'a [u8]; 2],
}

impl<'a> Details<'a> {
    /// `bytes` gives what stands at an extent, whose size is in bytes. The checksum is compared when `verify` is set.
    ///
    /// # Errors
    /// There is not one for each, or they are damaged.
    pub fn new(
        header: &ImageHeader,
        bytes: impl Fn(Extent) -> &'a [u8],
        verify: bool,
    ) -> Result<Details<'a>, PackageError> {
        let details = Details {
            exports: List::new("export identities", header.export_identities, &bytes)?,
            imports: List::new("import identities", header.import_identities, &bytes)?,
            references: List::new("referents", header.referents, &bytes)?,
            known_by_tags: [
                List::<Export>::new("exports", header.exports, &bytes)?.bytes(),
                List::<Import>::new("imports", header.imports, &bytes)?.bytes(),
            ],
        };
        let pairs = [
            ("export identities", details.exports.len(), header.exports.count),
            ("import identities", details.imports.len(), header.imports.count),
            ("referents", details.references.len(), header.references.count),
        ];
        for (what, found, expected) in pairs {
            let expected = expected as usize;
            if found != expected {
                return Err(PackageError::Count { what, found, expected });
            }
        }
        if verify {
            let (found, expected) = (header.details_checksum, details.checksum());
            if found != expected {
                let what = "exports, imports, identities and referents";
                return Err(PackageError::Checksum { what, found, expected });
            }
        }
        Ok(details)
    }

    /// What stands in the header.
    pub fn checksum(&self) -> u64 {
        let [exports, imports] = self.known_by_tags;
        checksum([exports, imports, self.exports.bytes(), self.imports.bytes(), self.references.bytes()])
    }

    /// As [`Details::checksum`], with other imports of the same identities.
    pub fn checksum_with(&self, imports: &[u8]) -> u64 {
        let known_by_tags = [self.known_by_tags[0], imports];
        Details { known_by_tags, ..*self }.checksum()
    }

    /// The index of the export with this identity.
    pub fn find(&self, identity: &[u8; IDENTITY_SIZE]) -> Option<u32> {
        let (identities, _) = self.exports.bytes().as_chunks();
        identities.binary_search(identity).ok().and_then(|index| u32::try_from(index).ok())
    }

    /// The imports from a dependency, each with its number in the list and its identity.
    pub fn imports_from(
        &self,
        package: &Package<'a>,
        dependency: usize,
    ) -> impl Iterator<Item = (usize, Import, [u8; IDENTITY_SIZE])> + use<'a> {
        part(package.imports_from(dependency), package.imports, self.imports)
    }

    /// The references to a dependency, each with its number in the list and what it is to.
    pub fn references_to(
        &self,
        package: &Package<'a>,
        dependency: usize,
    ) -> impl Iterator<Item = (usize, Reference, Referent)> + use<'a> {
        part(package.references_to(dependency), package.references, self.references)
    }
}

fn part<'a, T: Pod, U: Pod>(
    numbers: Range<usize>,
    list: List<'a, T>,
    details: List<'a, U>,
) -> impl Iterator<Item = (usize, T, U)> + use<'a, T, U> {
    let pairs = list.part(numbers.clone()).iter().zip(details.part(numbers.clone()).iter());
    numbers.zip(pairs).map(|(number, (item, details))| (number, item, details))
}

/// xxh64 of exports, imports, identities of either, and referents, one behind the other.
pub fn checksum(lists: [&[u8]; 5]) -> u64 {
    xxh64(lists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::tests::{at, sample};
    use proptest::prelude::*;

    #[test]
    fn identities_are_searched() {
        let (header, bytes) = sample(5, 3);
        let details = Details::new(&header, at(&bytes), true).unwrap();
        for i in 0..5 {
            assert_eq!(details.find(&[2 * i; IDENTITY_SIZE]), Some(u32::from(i)));
            assert_eq!(details.find(&[2 * i + 1; IDENTITY_SIZE]), None);
        }
        assert_eq!(details.imports.get(2), Some([4; IDENTITY_SIZE]));
        assert_eq!(details.references.iter().map(|r| r.inner).collect::<Vec<_>>(), [0, 1, 2]);
        let package = Package::new(&header, at(&bytes), true).unwrap();
        let imports = details.imports_from(&package, 1).map(|(n, import, id)| (n, import.export, id[0]));
        assert_eq!(imports.collect::<Vec<_>>(), [(1, 1, 2), (2, 2, 4)]);
        let references = details.references_to(&package, 1).map(|(n, r, to)| (n, r.cell, to.inner));
        assert_eq!(references.collect::<Vec<_>>(), [(1, 8, 1), (2, 16, 2)]);
        assert_eq!(details.imports_from(&package, 2).count(), 0);
    }

    #[test]
    fn they_are_no_part_of_what_a_load_takes_as_it_stands() {
        let (mut header, bytes) = sample(1, 2);
        let known_by_tags = 0..header.references.offset as usize;
        for at_byte in known_by_tags.chain(header.export_identities.offset as usize..bytes.len()) {
            let mut bad = bytes.clone();
            bad[at_byte] ^= 1;
            assert!(Package::new(&header, at(&bad), true).is_ok());
            assert!(matches!(Details::new(&header, at(&bad), true), Err(PackageError::Checksum { .. })));
        }
        header.referents.count -= 1;
        let error = Details::new(&header, at(&bytes), true).unwrap_err();
        assert_eq!(error, PackageError::Count { what: "referents", found: 1, expected: 2 });
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            offsets in proptest::array::uniform3(0i32..100),
            count in 0u32..4,
        ) {
            let (mut header, _) = sample(0, 0);
            (header.exports.count, header.imports.count, header.references.count) = (count, count, count);
            header.export_identities = Extent { offset: offsets[0], count };
            header.import_identities = Extent { offset: offsets[1], count };
            header.referents = Extent { offset: offsets[2], count };
            header.details_checksum = checksum([&[]; 5]);
            prop_assert!(Details::new(&header, at(&bytes), true).is_err() || count == 0);
        }
    }
}
