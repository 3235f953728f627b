//! What package images tell each other: exports, imports, references and dependencies, checked.
//!
//! [`Package::new`] compares sizes and, where asked, the checksum of references and dependencies; what it gives can be read without
//! panics whatever the bytes are, and every index is checked where it is used. An import and its export vouch for each other by
//! their tags. What no load reads is in [`crate::details`], and the checksum of exports and imports with it.

use crate::image::xxh64;
use crate::layout::{
    DEPENDENCY_FLAGS_KNOWN, Dependency, Export, Extent, ImageHeader, Import, MAX_BUILD_ID_SIZE, Reference,
};
use crate::pod::{Pod, item_at, item_in, items_in, read_at};
use core::mem::{offset_of, size_of};
use core::ops::Range;

/// Why bytes are not a package's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackageError {
    /// A list is shorter than the header says, or records are not whole; in bytes.
    Size { what: &'static str, found: usize, expected: usize },
    /// Two lists that belong together are not as long as each other, or a list is not as long as dependencies say.
    Count { what: &'static str, found: usize, expected: usize },
    /// `what` is lists that have one checksum.
    Checksum { what: &'static str, found: u64, expected: u64 },
    /// A dependency's flags, the size of its build id, or the end of the imports from it or the references to it.
    Dependency { index: usize, what: &'static str, found: u32 },
}

impl core::fmt::Display for PackageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            PackageError::Size { what, found, expected } => {
                write!(f, "image {what} take {found} bytes, expected {expected}")
            }
            PackageError::Count { what, found, expected } => {
                write!(f, "image has {found} {what}, expected {expected}")
            }
            PackageError::Checksum { what, found, expected } => write!(
                f,
                "image lists of {what} are damaged: their checksum is {found:016x}, their bytes give {expected:016x}"
            ),
            PackageError::Dependency { index, what, found } => {
                write!(f, "dependency {index} of the image has an impossible {what}: {found:#x}")
            }
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for PackageError {}

/// The lists of a package image.
#[derive(Clone, Copy, Debug)]
pub struct Package<'a> {
    pub exports: List<'a, Export>,
    pub imports: List<'a, Import>,
    pub references: List<'a, Reference>,
    pub dependencies: List<'a, Dependency>,
}

impl<'a> Package<'a> {
    /// `bytes` gives what stands at an extent, whose size is in bytes. The checksum is compared when `verify` is set.
    pub fn new(
        header: &ImageHeader,
        bytes: impl Fn(Extent) -> &'a [u8],
        verify: bool,
    ) -> Result<Package<'a>, PackageError> {
        let package = Package {
            exports: Package::exports_of(header, &bytes)?,
            imports: List::new("imports", header.imports, &bytes)?,
            references: List::new("references", header.references, &bytes)?,
            dependencies: List::new("dependencies", header.dependencies, &bytes)?,
        };
        if verify {
            let (found, expected) = (header.package_checksum, package.checksum());
            if found != expected {
                let what = "references and dependencies";
                return Err(PackageError::Checksum { what, found, expected });
            }
        }
        let mut ends = [0; 2];
        for (index, record) in package.dependencies.bytes.chunks_exact(size_of::<Dependency>()).enumerate() {
            let wrong = |what, found| Err(PackageError::Dependency { index, what, found });
            // Not the whole of one is read: that would be a copy of its name, too.
            let field = |place| read_at::<u32>(record, place).unwrap_or(0);
            let unknown = field(offset_of!(Dependency, flags)) & !DEPENDENCY_FLAGS_KNOWN;
            if unknown != 0 {
                return wrong("flag", unknown);
            }
            let size = field(offset_of!(Dependency, build_id_size));
            if size as usize > MAX_BUILD_ID_SIZE {
                return wrong("size of its build id", size);
            }
            let [imports, references] = ends;
            ends = [offset_of!(Dependency, imports_end), offset_of!(Dependency, references_end)].map(field);
            if ends[0] < imports || ends[1] < references {
                return wrong("end of what is taken from it", ends[0].min(ends[1]));
            }
        }
        let [imports, references] = ends.map(|end| end as usize);
        let lists = [
            ("imports by dependency", imports, package.imports.len()),
            ("references by dependency", references, package.references.len()),
        ];
        match lists.into_iter().find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => Err(PackageError::Count { what, found, expected }),
            None => Ok(package),
        }
    }

    /// The exports alone; `bytes` as in [`Package::new`].
    pub fn exports_of(
        header: &ImageHeader,
        bytes: impl Fn(Extent) -> &'a [u8],
    ) -> Result<List<'a, Export>, PackageError> {
        List::new("exports", header.exports, &bytes)
    }

    /// The numbers of the imports from a dependency, which is given by its index.
    pub fn imports_from(&self, dependency: usize) -> Range<usize> {
        self.part_of(dependency, offset_of!(Dependency, imports_end))
    }

    /// The numbers of the references to a dependency, which is given by its index.
    pub fn references_to(&self, dependency: usize) -> Range<usize> {
        self.part_of(dependency, offset_of!(Dependency, references_end))
    }

    /// `end` is the place of a number in a [`Dependency`], of which no more is read.
    fn part_of(&self, dependency: usize, end: usize) -> Range<usize> {
        let place = |index: usize| index.saturating_mul(size_of::<Dependency>()).saturating_add(end);
        let end = |index| read_at::<u32>(self.dependencies.bytes, place(index)).unwrap_or(0) as usize;
        dependency.checked_sub(1).map_or(0, end)..end(dependency)
    }

    /// What stands in the header.
    pub fn checksum(&self) -> u64 {
        checksum([self.references.bytes, self.dependencies.bytes])
    }
}

/// xxh64 of references and dependencies, one behind the other.
pub fn checksum(lists: [&[u8]; 2]) -> u64 {
    xxh64(lists)
}

impl Dependency {
    /// The build id; empty where the dependency has none.
    pub fn build_id(&self) -> &[u8] {
        self.build_id.get(..self.build_id_size as usize).unwrap_or(&self.build_id)
    }

    /// The name up to its first zero.
    pub fn name(&self) -> &[u8] {
        self.name.split(|byte| *byte == 0).next().unwrap_or(&[])
    }

    /// Whether `header` is that of the image that was linked against: same build id and same content.
    pub fn is(&self, header: &ImageHeader) -> bool {
        self.build_id == header.build_id
            && self.build_id_size == header.build_id_size
            && self.lists_checksum == header.lists_checksum()
            && self.table_checksum == header.table_checksum
            && self.linkage_checksum == header.linkage_checksum
    }
}

/// xxh64 of a linkage blob as a file has it.
pub fn linkage_checksum(blob: &[u8]) -> u64 {
    xxh64([blob])
}

/// Values back to back.
#[derive(Clone, Copy, Debug)]
pub struct List<'a, T> {
    bytes: &'a [u8],
    kind: core::marker::PhantomData<T>,
}

impl<'a, T: Pod> List<'a, T> {
    pub(crate) fn new(
        what: &'static str,
        extent: Extent,
        bytes: &impl Fn(Extent) -> &'a [u8],
    ) -> Result<List<'a, T>, PackageError> {
        let bytes = list_bytes(what, extent, size_of::<T>(), bytes)?;
        Ok(List { bytes, kind: core::marker::PhantomData })
    }

    pub fn len(&self) -> usize {
        self.bytes.len() / size_of::<T>()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<T> {
        item_at(self.bytes, index)
    }

    /// The value itself; `None` also where the list is not aligned for such.
    pub fn view(&self, index: usize) -> Option<&'a T> {
        item_in(self.bytes, index)
    }

    /// The values themselves; `None` where they are not aligned for such.
    pub fn items(&self) -> Option<&'a [T]> {
        items_in(self.bytes)
    }

    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        self.bytes.chunks_exact(size_of::<T>()).filter_map(|value| read_at(value, 0))
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Those with these numbers; none where not all of them are there.
    pub fn part(&self, numbers: Range<usize>) -> List<'a, T> {
        let [start, end] = [numbers.start, numbers.end].map(|number| number.saturating_mul(size_of::<T>()));
        List { bytes: self.bytes.get(start..end).unwrap_or(&[]), kind: self.kind }
    }
}

/// The bytes of a list of items of `item` bytes. By itself, as every instance of [`List::new`] would bring a copy into the embedded
/// shim.
#[inline(never)]
fn list_bytes<'a>(
    what: &'static str,
    extent: Extent,
    item: usize,
    bytes: &impl Fn(Extent) -> &'a [u8],
) -> Result<&'a [u8], PackageError> {
    let wrong = |found, expected| PackageError::Size { what, found, expected };
    let expected = (extent.count as usize).checked_mul(item).ok_or(wrong(0, usize::MAX))?;
    // Beyond what an extent can say, and beyond what an image's 32-bit offsets can reach.
    let size = u32::try_from(expected).map_err(|_| wrong(0, expected))?;
    let found = if size == 0 { &[] } else { bytes(Extent { offset: extent.offset, count: size }) };
    if found.len() == expected { Ok(found) } else { Err(wrong(found.len(), expected)) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::details;
    use crate::layout::{IDENTITY_SIZE, Referent, tag};
    use crate::pod::bytes_of;
    use proptest::prelude::*;

    const EMPTY: [u8; size_of::<ImageHeader>()] = [0; size_of::<ImageHeader>()];

    /// The bytes of all lists, one behind the other, those that no load reads last, and a header that leads to them.
    pub(crate) fn sample(exports: usize, imports: usize) -> (ImageHeader, Vec<u8>) {
        let mut header: ImageHeader = read_at(&EMPTY, 0).unwrap();
        let mut bytes = Vec::new();
        let identity = |i: usize| [(2 * i) as u8; IDENTITY_SIZE];
        let mut list = |count: usize, item: &dyn Fn(usize) -> Vec<u8>| {
            let extent = Extent { offset: bytes.len() as i32, count: count as u32 };
            bytes.extend((0..count).flat_map(item));
            extent
        };
        header.exports = list(exports, &|i| {
            bytes_of(&Export { tag: tag(&identity(i)), function: i as u32, offset: -4 }).to_vec()
        });
        header.imports = list(imports, &|i| {
            let slot = 8 * i as i32;
            let export = Export { tag: tag(&identity(i)), function: i as u32, offset: -4 };
            let tag = Import::tag_of(&export, slot);
            bytes_of(&Import { slot, export: i as u32, tag }).to_vec()
        });
        header.references =
            list(imports, &|i| bytes_of(&Reference { cell: 8 * i as i32, place: 16 }).to_vec());
        // All but one are of the second; the last one has nothing at all.
        let ends = [imports.min(1), imports, imports].map(|end| end as u32);
        header.dependencies = list(3, &|i| {
            let mut dependency: Dependency = read_at(&[0; size_of::<Dependency>()], 0).unwrap();
            dependency.build_id_size = 20;
            (dependency.imports_end, dependency.references_end) = (ends[i], ends[i]);
            dependency.name[..4].copy_from_slice(&[b'l', b'i', b'b', b'A' + i as u8]);
            bytes_of(&dependency).to_vec()
        });
        header.export_identities = list(exports, &|i| identity(i).to_vec());
        header.import_identities = list(imports, &|i| identity(i).to_vec());
        header.referents =
            list(imports, &|i| bytes_of(&Referent { size: 8, inner: i as u32, name: 0 }).to_vec());
        let (exports_and_imports, rest) = bytes.split_at(header.references.offset as usize);
        let (references_and_dependencies, details) =
            rest.split_at((header.export_identities.offset - header.references.offset) as usize);
        header.package_checksum = checksum([references_and_dependencies, &[]]);
        header.details_checksum = details::checksum([exports_and_imports, details, &[], &[], &[]]);
        (header, bytes)
    }

    pub(crate) fn at<'a>(bytes: &'a [u8]) -> impl Fn(Extent) -> &'a [u8] {
        move |extent| {
            let start = usize::try_from(extent.offset).unwrap_or(usize::MAX);
            start.checked_add(extent.count as usize).and_then(|end| bytes.get(start..end)).unwrap_or(&[])
        }
    }

    #[test]
    fn lists_are_found_and_parts_of_them_by_dependency() {
        let (header, bytes) = sample(5, 3);
        let package = Package::new(&header, at(&bytes), true).unwrap();
        assert_eq!((package.exports.len(), package.imports.len(), package.dependencies.len()), (5, 3, 3));
        assert_eq!(package.imports.iter().map(|i| i.export).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(package.references.iter().map(|r| r.cell).collect::<Vec<_>>(), [0, 8, 16]);
        let dependency = package.dependencies.get(1).unwrap();
        assert_eq!((dependency.name(), dependency.build_id().len()), (&b"libB"[..], 20));
        assert_eq!([0, 1, 2].map(|d| package.references_to(d)), [0..1, 1..3, 3..3]);
        assert_eq!([0, 1, 2].map(|d| package.imports_from(d)), [0..1, 1..3, 3..3]);
        assert!(package.references_to(3).is_empty());
        let part = |numbers| package.references.part(numbers).iter().map(|r| r.cell).collect::<Vec<_>>();
        assert_eq!((part(1..3), part(1..4)), (vec![8, 16], vec![]));
        assert_eq!(part(package.references_to(3)), []);
    }

    #[test]
    fn ends_must_ascend_to_the_number_of_entries() {
        let (header, bytes) = sample(0, 3);
        let fields = [offset_of!(Dependency, imports_end), offset_of!(Dependency, references_end)];
        for (field, list) in fields.into_iter().zip(["imports by dependency", "references by dependency"]) {
            let with = |dependency: usize, end: u32| {
                let record = header.dependencies.offset as usize + dependency * size_of::<Dependency>();
                let mut bytes = bytes.clone();
                bytes[record + field..][..4].copy_from_slice(bytes_of(&end));
                Package::new(&header, at(&bytes), false).map(drop)
            };
            assert_eq!(with(0, 3), Ok(()));
            let what = "end of what is taken from it";
            assert_eq!(with(0, 4), Err(PackageError::Dependency { index: 1, what, found: 3 }));
            assert_eq!(with(2, 2), Err(PackageError::Dependency { index: 2, what, found: 2 }));
            assert_eq!(with(2, 4), Err(PackageError::Count { what: list, found: 4, expected: 3 }));
            assert!(with(2, u32::MAX).is_err());
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (mut header, mut bytes) = sample(2, 2);
        bytes[header.references.offset as usize + 3] ^= 1;
        assert!(matches!(Package::new(&header, at(&bytes), true), Err(PackageError::Checksum { .. })));
        assert!(Package::new(&header, at(&bytes), false).is_ok(), "nobody asked for the checksum");
        header.dependencies.count = u32::MAX;
        assert!(matches!(Package::new(&header, at(&bytes), false), Err(PackageError::Size { .. })));
    }

    #[test]
    fn a_dependency_is_told_from_another_of_its_build_id() {
        let mut header: ImageHeader = read_at(&EMPTY, 0).unwrap();
        let mut dependency: Dependency = read_at(&[0; size_of::<Dependency>()], 0).unwrap();
        assert!(dependency.is(&header));
        header.package_checksum = 1;
        assert!(!dependency.is(&header));
        dependency.lists_checksum = header.lists_checksum();
        assert!(dependency.is(&header));
        header.details_checksum = 1;
        assert!(!dependency.is(&header));
        dependency.lists_checksum = header.lists_checksum();
        header.linkage_checksum = 1;
        assert!(!dependency.is(&header));
        dependency.linkage_checksum = 1;
        assert!(dependency.is(&header));
        dependency.build_id[0] = 1;
        assert!(!dependency.is(&header));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(
            header in proptest::collection::vec(any::<u8>(), size_of::<ImageHeader>()),
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            counts in proptest::array::uniform4(0u32..4),
        ) {
            let mut header: ImageHeader = read_at(&header, 0).unwrap();
            let extents =
                [&mut header.exports, &mut header.imports, &mut header.references, &mut header.dependencies];
            for (extent, count) in extents.into_iter().zip(counts) {
                *extent = Extent { offset: (extent.offset as u32 % 100) as i32, count };
            }
            if let Ok(package) = Package::new(&header, at(&bytes), false) {
                for dependency in package.dependencies.iter() {
                    let _ = (dependency.name(), dependency.build_id(), dependency.is(&header));
                }
                for dependency in 0..package.dependencies.len() {
                    let _ = package.references.part(package.references_to(dependency)).len();
                    for import in package.imports.part(package.imports_from(dependency)).iter() {
                        let _ = package.exports.get(import.export as usize);
                    }
                }
            }
        }
    }
}
