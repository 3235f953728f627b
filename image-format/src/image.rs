//! The header and the table of a merged image, checked.

use crate::layout::{
    Distance, FORMAT_VERSION, IMAGE_FLAGS_KNOWN, IMAGE_MAGIC, IMAGE_MERGED, ImageHeader, LAYOUT_HASH,
    MAX_ROWS,
};
use crate::pod::{bytes_of, read_at};
use core::borrow::Borrow;
use core::mem::{offset_of, size_of};
use xxhash_rust::xxh64::Xxh64;

/// Why a header or table is not one that we wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    Truncated {
        size: usize,
        needed: usize,
    },
    Magic {
        found: [u8; 8],
    },
    Version {
        found: u32,
    },
    LayoutHash {
        found: u64,
    },
    /// `what` is "header", "table" or "linkage blob".
    Checksum {
        what: &'static str,
        found: u64,
        expected: u64,
    },
    Flags {
        found: u32,
    },
    /// The embedded shim is there, but `jl-link` never filled the header.
    NotMerged,
    RowCount {
        found: u32,
    },
    /// A row or the slot list does not lie inside the table.
    Extent {
        what: &'static str,
        offset: i32,
        count: u32,
    },
}

impl core::fmt::Display for ImageError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            ImageError::Truncated { size, needed } => {
                write!(f, "image table is truncated: {size} bytes found, {needed} expected")
            }
            ImageError::Magic { found } => {
                write!(f, "not an image header: magic is {found:02x?}, expected {IMAGE_MAGIC:02x?}")
            }
            ImageError::Version { found } => write!(
                f,
                "image has format version {found}, but this tool reads version {FORMAT_VERSION}: \
                 link it again with this release of jl-link"
            ),
            ImageError::LayoutHash { found } => write!(
                f,
                "image has layout hash {found:016x}, but this tool has {LAYOUT_HASH:016x}: \
                 link it again with this release of jl-link"
            ),
            ImageError::Checksum { what, found, expected } => write!(
                f,
                "image {what} is damaged: its checksum is {found:016x}, its bytes give {expected:016x}"
            ),
            ImageError::Flags { found } => write!(f, "image has unknown flags {found:#x}"),
            ImageError::NotMerged => {
                write!(f, "image header was never filled: link with jl-link, not with a plain linker")
            }
            ImageError::RowCount { found } => {
                write!(f, "image has {found} rows, expected 1 to {MAX_ROWS}")
            }
            ImageError::Extent { what, offset, count } => write!(
                f,
                "image {what} (offset {offset:#x}, count {count}) does not lie inside the image table"
            ),
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for ImageError {}

/// The header at the start of `bytes`, checked.
pub fn parse_header(bytes: &[u8]) -> Result<ImageHeader, ImageError> {
    let header = read_at(bytes, 0)
        .ok_or(ImageError::Truncated { size: bytes.len(), needed: size_of::<ImageHeader>() })?;
    check_header(&header).map(|()| header)
}

/// Magic, version, layout hash, checksum and flags: before anything else is believed.
pub fn check_header(header: &ImageHeader) -> Result<(), ImageError> {
    if header.magic != IMAGE_MAGIC {
        return Err(ImageError::Magic { found: header.magic });
    }
    if header.version != FORMAT_VERSION {
        return Err(ImageError::Version { found: header.version });
    }
    if header.layout_hash != LAYOUT_HASH || header.header_size as usize != size_of::<ImageHeader>() {
        return Err(ImageError::LayoutHash { found: header.layout_hash });
    }
    if header.flags & IMAGE_MERGED == 0 {
        return Err(ImageError::NotMerged);
    }
    let expected = header_checksum(header);
    if header.header_checksum != expected {
        let found = header.header_checksum;
        return Err(ImageError::Checksum { what: "header", found, expected });
    }
    if header.flags & !IMAGE_FLAGS_KNOWN != 0 {
        return Err(ImageError::Flags { found: header.flags });
    }
    if header.row_count == 0 || header.row_count as usize > MAX_ROWS {
        return Err(ImageError::RowCount { found: header.row_count });
    }
    Ok(())
}

/// xxh64 of a header as if its checksum field were zero, up to its last row.
pub fn header_checksum(header: &ImageHeader) -> u64 {
    let end = offset_of!(ImageHeader, rows) + size_of_val(header.rows());
    xxh64_around(bytes_of(header).get(..end).unwrap_or(&[]), offset_of!(ImageHeader, header_checksum))
}

/// xxh64 of bytes in which it stands itself, at `field`: as if that were zero.
pub fn xxh64_around(bytes: &[u8], field: usize) -> u64 {
    let part = |bytes: Option<_>| bytes.unwrap_or(&[][..]);
    xxh64([part(bytes.get(..field)), &[0; size_of::<u64>()], part(bytes.get(field + size_of::<u64>()..))])
}

/// xxh64 of an image table.
pub fn table_checksum(table: &[u8]) -> u64 {
    xxh64([table])
}

/// xxh64 (seed 0) of parts, one behind the other. All checksums are made here: of what hashes in one go the crate has a second
/// implementation, and the embedded shim has to be small.
pub fn xxh64<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let mut hash = Xxh64::new(0);
    parts.into_iter().for_each(|part| hash.update(part));
    hash.digest()
}

/// An image table whose extents have been checked against its header (`H`: a copy, or where it stands).
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, H = ImageHeader> {
    head: H,
    bytes: &'a [u8],
}

impl<'a, H: Borrow<ImageHeader>> Table<'a, H> {
    /// `bytes` is what `header.table` describes. The checksum is compared when `verify` is set: it
    /// costs a pass over the table, which a load does not pay.
    pub fn new(head: H, bytes: &'a [u8], verify: bool) -> Result<Table<'a, H>, ImageError> {
        let header = head.borrow();
        let needed = header.table.count as usize;
        let bytes = bytes.get(..needed).ok_or(ImageError::Truncated { size: bytes.len(), needed })?;
        if verify {
            let expected = table_checksum(bytes);
            if header.table_checksum != expected {
                let found = header.table_checksum;
                return Err(ImageError::Checksum { what: "table", found, expected });
            }
        }
        let table = Table { head, bytes };
        let header = table.header();
        table.list(header.slots.offset).ok_or(ImageError::Extent {
            what: "slot list",
            offset: header.slots.offset,
            count: header.slots.count,
        })?;
        table.distance_bytes().ok_or(ImageError::Extent {
            what: "list of distances",
            offset: header.distances.offset,
            count: header.distances.count,
        })?;
        for row in table.rows() {
            table.list(row.bodies).ok_or(ImageError::Extent {
                what: "row",
                offset: row.bodies,
                count: header.slots.count,
            })?;
        }
        Ok(table)
    }

    /// Number of functions.
    pub fn functions(&self) -> usize {
        self.header().slots.count as usize
    }

    pub fn rows(&self) -> impl Iterator<Item = crate::layout::Row> + '_ {
        self.header().rows().iter().copied()
    }

    /// Offset of a function's slot from the header.
    pub fn slot(&self, function: usize) -> Option<i32> {
        read_at(self.list(self.header().slots.offset)?, function.checked_mul(4)?)
    }

    /// Offset from the header of the body that a row gives a function.
    pub fn body(&self, row: usize, function: usize) -> Option<i32> {
        let row = self.header().rows().get(row)?;
        read_at(self.list(row.bodies)?, function.checked_mul(4)?)
    }

    /// Offsets of all slots from the header, by function.
    pub fn slots(&self) -> Option<impl ExactSizeIterator<Item = i32> + use<'a, H>> {
        self.list(self.header().slots.offset).map(offsets)
    }

    /// Offsets from the header of all bodies of a row, by function.
    pub fn bodies(&self, row: usize) -> Option<impl ExactSizeIterator<Item = i32> + use<'a, H>> {
        let row = self.header().rows().get(row)?;
        self.list(row.bodies).map(offsets)
    }

    /// What holds a function's address as a distance, by place.
    pub fn distances(&self) -> impl ExactSizeIterator<Item = Distance> + use<'a, H> {
        const SIZE: usize = size_of::<Distance>();
        let word = |bytes: &[u8], at| read_at(bytes, at).unwrap_or(0i32);
        self.distance_bytes().unwrap_or(&[]).chunks_exact(SIZE).map(move |bytes| Distance {
            place: word(bytes, 0),
            base: word(bytes, 4),
            function: word(bytes, 8).cast_unsigned(),
        })
    }

    /// The first row for a target.
    pub fn row_for(&self, target: usize) -> Option<usize> {
        self.rows().position(|row| row.target as usize == target)
    }

    pub fn header(&self) -> &ImageHeader {
        self.head.borrow()
    }

    /// The `i32` per function at `offset` from the header.
    fn list(&self, offset: i32) -> Option<&'a [u8]> {
        self.part(offset, (self.header().slots.count as usize).checked_mul(4)?)
    }

    fn distance_bytes(&self) -> Option<&'a [u8]> {
        match self.header().distances.count {
            0 => Some(&[]),
            count => self
                .part(self.header().distances.offset, (count as usize).checked_mul(size_of::<Distance>())?),
        }
    }

    /// `size` bytes at `offset` from the header.
    fn part(&self, offset: i32, size: usize) -> Option<&'a [u8]> {
        let start = usize::try_from(i64::from(offset) - i64::from(self.header().table.offset)).ok()?;
        self.bytes.get(start..start.checked_add(size)?)
    }
}

fn offsets(list: &[u8]) -> impl ExactSizeIterator<Item = i32> + '_ {
    list.chunks_exact(4).map(|bytes| i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{Extent, Row};
    use proptest::prelude::*;

    fn sample() -> (Vec<u8>, Vec<u8>) {
        let table: Vec<u8> =
            [10i32, 18, 100, 200, 101, 201, 30, 40, 1].iter().flat_map(|v| v.to_le_bytes()).collect();
        let mut header: ImageHeader = read_at(&[0; size_of::<ImageHeader>()], 0).unwrap();
        header.magic = IMAGE_MAGIC;
        header.version = FORMAT_VERSION;
        header.header_size = size_of::<ImageHeader>() as u32;
        header.layout_hash = LAYOUT_HASH;
        header.flags = IMAGE_MERGED;
        header.table = Extent { offset: 64, count: table.len() as u32 };
        header.slots = Extent { offset: 64, count: 2 };
        header.distances = Extent { offset: 88, count: 1 };
        header.row_count = 2;
        header.rows[0] = Row { target: 0, bodies: 72 };
        header.rows[1] = Row { target: 1, bodies: 80 };
        header.table_checksum = table_checksum(&table);
        header.header_checksum = header_checksum(&header);
        (bytes_of(&header).to_vec(), table)
    }

    #[test]
    fn reads_what_was_written() {
        let (header, table) = sample();
        let table = Table::new(parse_header(&header).unwrap(), &table, true).unwrap();
        assert_eq!((table.slot(1), table.body(1, 0), table.body(1, 1)), (Some(18), Some(101), Some(201)));
        assert_eq!((table.slot(2), table.body(2, 0)), (None, None));
        assert_eq!(table.slots().unwrap().collect::<Vec<_>>(), [10, 18]);
        assert_eq!(table.bodies(1).unwrap().collect::<Vec<_>>(), [101, 201]);
        assert!(table.bodies(2).is_none());
        assert_eq!(table.distances().collect::<Vec<_>>(), [Distance { place: 30, base: 40, function: 1 }]);
        assert_eq!((table.row_for(1), table.row_for(2)), (Some(1), None));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (header, table) = sample();
        // Behind the last row is nothing.
        let rows = parse_header(&header).unwrap().row_count as usize;
        for bit in 0..(offset_of!(ImageHeader, rows) + rows * size_of::<Row>()) * 8 {
            let mut bad = header.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse_header(&bad).is_err(), "bit {bit} of the header");
        }
        for bit in 0..table.len() * 8 {
            let mut bad = table.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(
                Table::new(parse_header(&header).unwrap(), &bad, true).is_err(),
                "bit {bit} of the table"
            );
        }
    }

    proptest! {
        #[test]
        fn hostile_headers_do_not_panic(patch in proptest::collection::vec(any::<u8>(), 0..64), at in 0usize..700) {
            let (mut bytes, table) = sample();
            let at = at.min(bytes.len());
            let n = patch.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&patch[..n]);
            let mut header: ImageHeader = read_at(&bytes, 0).unwrap();
            header.row_count %= 65;
            header.magic = IMAGE_MAGIC;
            if let Ok(t) = Table::new(header, &table, false) {
                for f in 0..t.functions().min(4) { let _ = (t.slot(f), t.body(1, f)); }
            }
        }
    }
}
