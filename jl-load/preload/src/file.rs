//! A shared object that is not loaded: what of its file tells whether it may be.
//!
//! Read piece by piece, not mapped: a mapped file that somebody truncates meanwhile would kill the process.

use crate::dynamic::Dynamic;
use crate::objects::notes_in;
use image_format::layout::{FORMAT_VERSION, LAYOUT_HASH, NOTE_TYPE_SHARD, ShardNote};
use image_format::pod::read_at;
use image_format::record::records;
use image_format::specs::Specs;
use std::fs::File;
use std::mem::offset_of;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// More than any target list or string takes.
const PIECE: usize = 1 << 16;
const EM_HOST: u16 = image_format::cpu::EM_X86_64 as u16;

pub struct ObjectFile {
    file: File,
    size: u64,
    segments: Vec<Segment>,
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
    align: u64,
}

impl ObjectFile {
    /// `None` for everything but a shared object (or position-independent executable) of this machine.
    pub fn open(path: &Path) -> Option<ObjectFile> {
        let file = File::open(path).ok()?;
        let size = file.metadata().ok().filter(|m| m.is_file())?.len();
        let mut object = ObjectFile { file, size, segments: Vec::new() };
        let header = object.read(0, 64)?;
        let half = |at: usize| Some(u16::from_le_bytes(header.get(at..at + 2)?.try_into().ok()?));
        // 64-bit, little-endian, ET_DYN.
        let identified = header.starts_with(b"\x7fELF\x02\x01") && half(16)? == 3 && half(18)? == EM_HOST;
        if !identified || half(54)? != 56 {
            return None;
        }
        let count = usize::from(half(56)?);
        let table = object.read(read_at(&header, 32)?, 56 * count)?;
        let segments = table.chunks_exact(56).map(|entry| {
            let word = |at| read_at::<u64>(entry, at);
            Some(Segment {
                kind: read_at(entry, 0)?,
                offset: word(8)?,
                address: word(16)?,
                size: word(32)?,
                align: word(48)?,
            })
        });
        object.segments = segments.collect::<Option<_>>()?;
        Some(object)
    }

    fn read(&self, offset: u64, size: usize) -> Option<Vec<u8>> {
        if offset.checked_add(size as u64)? > self.size {
            return None;
        }
        let mut bytes = vec![0; size];
        self.file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }

    fn of_kind(&self, kind: u32) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| segment.kind == kind)
    }

    fn segment_bytes(&self, segment: &Segment) -> Option<Vec<u8>> {
        self.read(segment.offset, usize::try_from(segment.size).ok()?)
    }

    /// Where in the file an address is, and how many bytes of its segment follow.
    fn place(&self, address: u64) -> Option<(u64, u64)> {
        self.of_kind(libc::PT_LOAD).find_map(|segment| {
            let delta = address.checked_sub(segment.address).filter(|delta| *delta < segment.size)?;
            Some((segment.offset.checked_add(delta)?, segment.size - delta))
        })
    }

    fn bytes(&self, address: u64, size: u64) -> Option<Vec<u8>> {
        let (offset, rest) = self.place(address)?;
        if size <= rest { self.read(offset, usize::try_from(size).ok()?) } else { None }
    }

    /// The bytes from `address` on, as many as any structure of ours may have.
    fn piece(&self, address: u64) -> Option<Vec<u8>> {
        let (_, rest) = self.place(address)?;
        self.bytes(address, rest.min(PIECE as u64))
    }

    pub fn dynamic(&self) -> Option<Dynamic> {
        let section = self.segment_bytes(self.of_kind(libc::PT_DYNAMIC).next()?)?;
        Dynamic::parse(&section, |table, offset| {
            let piece = self.piece(table.checked_add(offset)?)?;
            Some(piece.split(|byte| *byte == 0).next()?.to_vec())
        })
    }

    /// The target lists of what a plain linker left unmerged. What is damaged is left out: the load finds it.
    pub fn target_lists(&self) -> Vec<Vec<u8>> {
        let (mut ranges, mut lists, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for segment in self.of_kind(libc::PT_NOTE) {
            let bytes = self.segment_bytes(segment).unwrap_or_default();
            for note in notes_in(&bytes, segment.address as usize, segment.align) {
                let range =
                    if note.kind == NOTE_TYPE_SHARD { record_range(note.address, note.bytes) } else { None };
                ranges.extend(range.filter(|range| !ranges.contains(range)));
            }
        }
        for (start, size) in ranges {
            let bytes = self.bytes(start, size).unwrap_or_default();
            for record in records(&bytes, start).map_while(Result::ok) {
                if !lists.contains(&record.specs) {
                    lists.push(record.specs);
                }
            }
        }
        for list in lists {
            let piece = self.piece(list).unwrap_or_default();
            found.extend(Specs::parse(&piece).ok().map(|specs| specs.bytes().to_vec()));
        }
        found
    }
}

/// First address and size of the records.
fn record_range(address: usize, note: &[u8]) -> Option<(u64, u64)> {
    let shard: ShardNote = read_at(note, 0)?;
    if shard.version != FORMAT_VERSION || shard.layout_hash != LAYOUT_HASH as u32 {
        return None;
    }
    let relative =
        |field: usize, delta: i32| (address as u64 + field as u64).wrapping_add_signed(delta.into());
    let start = relative(offset_of!(ShardNote, records_start), shard.records_start);
    let stop = relative(offset_of!(ShardNote, records_stop), shard.records_stop);
    Some((start, stop.checked_sub(start).filter(|size| *size > 0)?))
}
