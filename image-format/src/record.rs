//! Records as they stand, back to back, in a section of an object or a plainly linked image.

use crate::feature::FeatureSet;
use crate::layout::{
    FORMAT_VERSION, MAX_TARGETS, RECORD_ASKS, RECORD_FLAGS_KNOWN, RECORD_MAGIC, RecordHead, record_size,
};
use crate::pod::read_at;
use core::mem::{offset_of, size_of};

/// A record with its fields resolved to offsets in the section's own numbering: the section's address
/// (or 0) plus the offset of the field plus what the field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Address of the record.
    pub address: u64,
    pub specs: u64,
    pub slot: u64,
    pub flags: u32,
    /// The features that [`RECORD_ASKS`] speaks of.
    pub asks: FeatureSet,
    bodies: &'a [u8],
}

impl Record<'_> {
    /// Number of targets, at least 1.
    pub fn targets(&self) -> usize {
        self.bodies.len() / 4
    }

    /// Address of the body that runs for `target`.
    pub fn body(&self, target: usize) -> Option<u64> {
        let delta: i32 = read_at(self.bodies, target.checked_mul(4)?)?;
        let field = self.address.wrapping_add((size_of::<RecordHead>() + 4 * target) as u64);
        Some(field.wrapping_add_signed(i64::from(delta)))
    }

    pub fn bodies(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.targets()).filter_map(|t| self.body(t))
    }
}

/// Why bytes are not a sequence of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The section ends inside a record.
    Truncated {
        offset: usize,
        size: usize,
    },
    Magic {
        offset: usize,
        found: u32,
    },
    Version {
        offset: usize,
        found: u32,
    },
    TargetCount {
        offset: usize,
        found: usize,
    },
    Flags {
        offset: usize,
        found: u32,
    },
}

impl core::fmt::Display for RecordError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            RecordError::Truncated { offset, size } => {
                write!(f, "function record at offset {offset:#x} is truncated: the section ends at {size:#x}")
            }
            RecordError::Magic { offset, found } => write!(
                f,
                "no function record at offset {offset:#x}: found {found:#06x}, expected {RECORD_MAGIC:#06x}"
            ),
            RecordError::Version { offset, found } => write!(
                f,
                "function record at offset {offset:#x} has format version {found}, but this tool reads version \
                 {FORMAT_VERSION}: rebuild with one release of Julienne"
            ),
            RecordError::TargetCount { offset, found } => write!(
                f,
                "function record at offset {offset:#x} has {found} targets, expected 1 to {MAX_TARGETS}"
            ),
            RecordError::Flags { offset, found } => {
                write!(f, "function record at offset {offset:#x} has unknown flags {found:#x}")
            }
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for RecordError {}

/// The records in `bytes`, a section whose first byte is at `address`. Ends after the first error.
pub fn records(bytes: &[u8], address: u64) -> impl Iterator<Item = Result<Record<'_>, RecordError>> {
    let mut offset = 0;
    core::iter::from_fn(move || {
        if offset >= bytes.len() {
            return None;
        }
        let result = record_at(bytes, address, offset);
        match &result {
            Ok(record) => offset += record_size(record.targets(), record.flags),
            Err(_) => offset = bytes.len(),
        }
        Some(result)
    })
}

fn record_at(bytes: &[u8], address: u64, offset: usize) -> Result<Record<'_>, RecordError> {
    let truncated = RecordError::Truncated { offset, size: bytes.len() };
    let head: RecordHead = read_at(bytes, offset).ok_or(truncated)?;
    if head.head >> 16 != RECORD_MAGIC {
        return Err(RecordError::Magic { offset, found: head.head >> 16 });
    }
    if head.head >> 8 & 0xff != FORMAT_VERSION {
        return Err(RecordError::Version { offset, found: head.head >> 8 & 0xff });
    }
    let targets = (head.head & 0xff) as usize;
    if targets == 0 || targets > MAX_TARGETS {
        return Err(RecordError::TargetCount { offset, found: targets });
    }
    if head.flags & !RECORD_FLAGS_KNOWN != 0 {
        return Err(RecordError::Flags { offset, found: head.flags });
    }
    let record = bytes.get(offset..offset + record_size(targets, head.flags)).ok_or(truncated)?;
    let (bodies, rest) = record[size_of::<RecordHead>()..].split_at(4 * targets);
    let asks = if head.flags & RECORD_ASKS != 0 { read_at(rest, 0) } else { Some(FeatureSet::EMPTY) };
    let address = address.wrapping_add(offset as u64);
    let field = |at: usize, delta: i32| address.wrapping_add(at as u64).wrapping_add_signed(i64::from(delta));
    Ok(Record {
        address,
        specs: field(offset_of!(RecordHead, specs), head.specs),
        slot: field(offset_of!(RecordHead, slot), head.slot),
        flags: head.flags,
        asks: asks.ok_or(truncated)?,
        bodies,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::record_head;
    use crate::pod::bytes_of;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..2 {
            let head = RecordHead { head: record_head(2), specs: 100, slot: -4, flags: 0 };
            bytes.extend_from_slice(bytes_of(&head));
            bytes.extend_from_slice(bytes_of(&8i32));
            bytes.extend_from_slice(bytes_of(&-8i32));
        }
        bytes
    }

    #[test]
    fn fields_are_relative_to_themselves() {
        let bytes = sample();
        let list: Vec<Record> = records(&bytes, 0x1000).map(Result::unwrap).collect();
        assert_eq!(list.len(), 2);
        assert_eq!((list[1].address, list[1].specs, list[1].slot), (0x1018, 0x101c + 100, 0x1020 - 4));
        assert_eq!(list[1].bodies().collect::<Vec<_>>(), [0x1028 + 8, 0x102c - 8]);
    }

    #[test]
    fn features_that_were_asked_for_follow_the_bodies() {
        let asks = FeatureSet([5, 0, 1, 0]);
        let head = RecordHead { head: record_head(1), specs: 0, slot: 0, flags: RECORD_ASKS };
        let mut bytes = bytes_of(&head).to_vec();
        bytes.extend_from_slice(bytes_of(&8i32));
        bytes.extend_from_slice(bytes_of(&asks));
        bytes.extend_from_slice(&sample());
        let list: Vec<Record> = records(&bytes, 0).map(Result::unwrap).collect();
        assert_eq!(
            list.iter().map(|r| r.asks).collect::<Vec<_>>(),
            [asks, FeatureSet::EMPTY, FeatureSet::EMPTY]
        );
        assert_eq!((list[0].targets(), list[1].address), (1, record_size(1, RECORD_ASKS) as u64));
        let cut = records(&bytes[..record_size(1, 0)], 0).next();
        assert_eq!(cut, Some(Err(RecordError::Truncated { offset: 0, size: record_size(1, 0) })));
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(patch in proptest::collection::vec(any::<u8>(), 0..48), at in 0usize..48) {
            let mut bytes = sample();
            let n = patch.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&patch[..n]);
            for record in records(&bytes, u64::MAX - 1000).chain(records(&bytes[..at], 0)).flatten() {
                let _ = record.bodies().count();
            }
        }
    }
}
