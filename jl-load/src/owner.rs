//! Whose data an address of a running process is: what a serialiser writes in place of a pointer into another image, which is the
//! image, by its build id, and the offset in its linkage blob.
//!
//! A table of all blobs is made once and looked up as often as wanted; it is made anew when images were loaded or unloaded.
//! What a process holds is read as a file would be, and nothing of it is believed unchecked.

use goblin::container::{Container, Ctx, Endian};
use goblin::elf::program_header::{PT_LOAD, PT_NOTE, ProgramHeader};
use image_format::dependency::{DependencyError, DependencyImage};
use image_format::image::parse_header;
use image_format::layout::{Dependency, FORMAT_VERSION, ImageHeader, ImageNote, NOTE_NAME, NOTE_TYPE_IMAGE};
use image_format::notes::notes;
use image_format::pod::read_at;
use std::fs::File;
use std::mem::size_of;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Why there is no answer about a process or an image.
#[derive(Debug, thiserror::Error)]
pub enum OwnerError {
    #[error("{path}: cannot be read: {cause}; the process must run, and be one's own", path = path.display())]
    Process { path: PathBuf, cause: std::io::Error },
    #[error(transparent)]
    File(#[from] DependencyError),
    #[error(
        "{path}: the file is not the one that the process has loaded: it was replaced; load it again",
        path = path.display()
    )]
    Replaced { path: PathBuf },
}

/// An image in a process, with a linkage blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    pub path: PathBuf,
    pub build_id: Vec<u8>,
    /// Address of the blob, and its size in bytes.
    pub begin: u64,
    pub size: u32,
    header_checksum: u64,
}

impl LoadedImage {
    /// What an object that refers to the image holds of it (section `jl_dependencies`).
    ///
    /// # Errors
    /// Its file is damaged, or no longer the one that was loaded.
    pub fn record(&self) -> Result<Dependency, OwnerError> {
        let file = DependencyImage::open(&self.path)?;
        if file.header().header_checksum != self.header_checksum {
            return Err(OwnerError::Replaced { path: self.path.clone() });
        }
        Ok(file.record(0))
    }
}

/// The linkage blobs of a process.
#[derive(Clone, Debug)]
pub struct Owners {
    /// By address.
    images: Vec<LoadedImage>,
    search: Eytzinger,
}

/// Data of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned<'a> {
    pub image: &'a LoadedImage,
    /// In its linkage blob, in bytes.
    pub offset: u32,
}

impl Owners {
    /// Of the process that asks.
    ///
    /// # Errors
    /// Without `/proc`.
    pub fn here() -> Result<Owners, OwnerError> {
        Self::of(Path::new("/proc/self"))
    }

    /// # Errors
    /// The process has ended, or is another user's.
    pub fn of_process(number: u32) -> Result<Owners, OwnerError> {
        Self::of(&Path::new("/proc").join(number.to_string()))
    }

    fn of(process: &Path) -> Result<Owners, OwnerError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |cause| OwnerError::Process { path, cause }
        };
        let [maps, memory] = ["maps", "mem"].map(|name| process.join(name));
        let text = std::fs::read_to_string(&maps).map_err(failed(&maps))?;
        let memory = Memory(File::open(&memory).map_err(failed(&memory))?);
        let images = starts(&text).filter_map(|(start, path)| loaded_image(&memory, start, path));
        Ok(Owners::new(images.collect()))
    }

    fn new(mut images: Vec<LoadedImage>) -> Owners {
        images.sort_by_key(|image| image.begin);
        let begins: Vec<u64> = images.iter().map(|image| image.begin).collect();
        Owners { images, search: Eytzinger::new(&begins) }
    }

    /// All images with a linkage blob, by address.
    pub fn images(&self) -> &[LoadedImage] {
        &self.images
    }

    /// The image whose blob holds `address`.
    pub fn find(&self, address: u64) -> Option<Owned<'_>> {
        let image = self.images.get(self.search.last_not_above(address)?)?;
        let offset = u32::try_from(address - image.begin).ok().filter(|offset| *offset < image.size)?;
        Some(Owned { image, offset })
    }
}

/// Sorted numbers in the order of a search: the middle one, then the middles of both halves, and so on. What a search looks at
/// first lies together in the cache, and no branch depends on what it finds.
#[derive(Clone, Debug)]
struct Eytzinger {
    /// From index 1 on: below `k` stand `2k` (smaller) and `2k + 1` (larger).
    tree: Vec<u64>,
    /// What number of the sorted ones stands at an index.
    ranks: Vec<usize>,
}

impl Eytzinger {
    fn new(sorted: &[u64]) -> Eytzinger {
        let size = sorted.len() + 1;
        let mut made = Eytzinger { tree: vec![0; size], ranks: vec![0; size] };
        made.place(sorted, 1, &mut 0);
        made
    }

    fn place(&mut self, sorted: &[u64], at: usize, next: &mut usize) {
        if at < self.tree.len() {
            self.place(sorted, 2 * at, next);
            (self.tree[at], self.ranks[at]) = (sorted[*next], *next);
            *next += 1;
            self.place(sorted, 2 * at + 1, next);
        }
    }

    /// Index of the last of the sorted numbers that is not larger than `value`.
    fn last_not_above(&self, value: u64) -> Option<usize> {
        let mut at = 1;
        while let Some(here) = self.tree.get(at) {
            at = 2 * at + usize::from(*here <= value);
        }
        // The way back to where it last went left: to the first that is larger.
        at >>= at.trailing_ones() + 1;
        let above = if at == 0 { self.tree.len() - 1 } else { self.ranks[at] };
        above.checked_sub(1)
    }
}

/// The memory of a process.
struct Memory(File);

impl Memory {
    /// Larger than any header, segment of notes or name that images have.
    const LIMIT: usize = 1 << 20;

    fn bytes(&self, address: u64, size: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; (size <= Self::LIMIT).then_some(size)?];
        self.0.read_exact_at(&mut bytes, address).ok()?;
        Some(bytes)
    }
}

/// Where files are mapped from their first byte on, and their paths.
fn starts(maps: &str) -> impl Iterator<Item = (u64, &str)> {
    maps.lines().filter_map(|line| {
        let mut fields = line.splitn(6, ' ');
        let (start, _) = fields.next()?.split_once('-')?;
        let offset = fields.nth(1)?;
        let path = fields.nth(2)?.trim_start();
        let is_first = offset.bytes().all(|digit| digit == b'0') && path.starts_with('/');
        is_first.then_some((u64::from_str_radix(start, 16).ok()?, path))
    })
}

const CONTEXT: Ctx = Ctx { container: Container::Big, le: Endian::Little };
const PAGE: usize = 4096;

/// The image of the file that is mapped from `start` on; none where that is no image of this release with a blob.
fn loaded_image(memory: &Memory, start: u64, path: &str) -> Option<LoadedImage> {
    let page = memory.bytes(start, PAGE)?;
    if !page.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let elf = goblin::elf::Elf::parse_header(&page).ok()?;
    let offset = usize::try_from(elf.e_phoff).ok()?;
    let program = ProgramHeader::parse(&page, offset, usize::from(elf.e_phnum), CONTEXT).ok()?;
    let first = program.iter().find(|p| p.p_type == PT_LOAD && p.p_offset == 0)?;
    let bias = start.wrapping_sub(first.p_vaddr);
    let (address, header) = program.iter().filter(|p| p.p_type == PT_NOTE).find_map(|p| {
        let bytes = memory.bytes(bias.wrapping_add(p.p_vaddr), usize::try_from(p.p_memsz).ok()?)?;
        let found = notes(&bytes, p.p_align).find(|n| n.name == NOTE_NAME && n.kind == NOTE_TYPE_IMAGE)?;
        let note: ImageNote = read_at(&bytes, found.offset)?;
        let header = bias.wrapping_add(note.header_address(p.p_vaddr + found.offset as u64));
        if note.version != FORMAT_VERSION {
            return None;
        }
        Some((header, parse_header(&memory.bytes(header, size_of::<ImageHeader>())?).ok()?))
    })?;
    (header.linkage.count > 0).then(|| LoadedImage {
        path: PathBuf::from(path),
        build_id: header.build_id[..(header.build_id_size as usize).min(32)].to_vec(),
        begin: address.wrapping_add_signed(i64::from(header.linkage.offset)),
        size: header.linkage.count,
        header_checksum: header.header_checksum,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_search_ends_where_a_sorted_list_says() {
        for count in 0..70u64 {
            let sorted: Vec<u64> = (0..count).map(|i| 10 * i + 10).collect();
            let search = Eytzinger::new(&sorted);
            for value in 0..10 * count + 30 {
                let expected = sorted.partition_point(|begin| *begin <= value).checked_sub(1);
                assert_eq!(search.last_not_above(value), expected, "{value} of {count}");
            }
        }
    }

    #[test]
    fn an_address_behind_a_blob_is_nobodys() {
        let image = |begin, size| LoadedImage {
            path: format!("/lib{begin}.so").into(),
            build_id: vec![1],
            begin,
            size,
            header_checksum: 0,
        };
        let owners = Owners::new(vec![image(0x3000, 0x10), image(0x1000, 0x100)]);
        let found = |address| owners.find(address).map(|owned| (owned.image.begin, owned.offset));
        assert_eq!(found(0xfff), None);
        assert_eq!(found(0x1000), Some((0x1000, 0)));
        assert_eq!(found(0x10ff), Some((0x1000, 0xff)));
        assert_eq!(found(0x1100), None);
        assert_eq!(found(0x300f), Some((0x3000, 15)));
        assert_eq!(found(u64::MAX), None);
    }

    #[test]
    fn files_are_found_at_their_first_byte() {
        let maps = "7f00-7f10 r--p 00000000 fe:00 12     /a b/lib.so\n\
                    7f10-7f20 r-xp 00001000 fe:00 12     /a b/lib.so\n\
                    7f20-7f30 rw-p 00000000 00:00 0 \n\
                    7f40-7f50 rw-p 00000000 00:00 0      [stack]\n";
        assert_eq!(starts(maps).collect::<Vec<_>>(), [(0x7f00, "/a b/lib.so")]);
    }

    #[test]
    fn this_process_can_be_asked() {
        assert_eq!(Owners::here().unwrap().images(), [], "test programs are no images");
    }
}
