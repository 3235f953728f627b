//! The objects of this process, as the dynamic linker lists them, and bounded access to their memory.
//!
//! Nothing that an object holds is believed here but its program headers, and those only after they were found to be the
//! object's own.

use crate::arguments::Arguments;
use crate::memory::Image;
use crate::start::{
    DT_NEEDED, LinkMap, PT_DYNAMIC, PT_GNU_RELRO, PT_LOAD, ProgramHeader, RDebug, Strings, linker_debug,
    soname, symbols,
};
use crate::sys;
use core::ffi::CStr;
use core::mem::size_of;
use core::ops::Range;
use core::slice;
use image_format::image::ImageError;
use image_format::layout::{FORMAT_VERSION, ImageHeader, ImageNote, NOTE_NAME, NOTE_TYPE_IMAGE};
use image_format::notes::notes;
use image_format::pod::read_at;

const PT_NOTE: u32 = 4;
const EXECUTABLE: u32 = 1;
const WRITABLE: u32 = 2;
const READABLE: u32 = 4;

/// Of the smallest page, in bytes: what is mapped at its start is mapped to its end.
const PAGE: usize = 4096;

/// The segments of a loaded object.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    bias: usize,
    headers: &'a [ProgramHeader],
}

impl<'a> Object<'a> {
    /// # Safety
    /// `headers` are the program headers of an object that is mapped with this load bias and stays loaded as long as what
    /// is returned is used. What is relocated of it is read only when that is over.
    pub unsafe fn new(bias: usize, headers: &'a [ProgramHeader]) -> Object<'a> {
        Object { bias, headers }
    }

    /// The object with its ELF header at `header` and its dynamic section at `dynamic`; `None` where that is not so, and
    /// where nothing is mapped there, which the kernel is asked for where it is not known (`is_mapped`).
    ///
    /// # Safety
    /// The object with this dynamic section is loaded, and stays so as long as what is returned is used; as in [`Object::new`].
    /// If `is_mapped`, the page at `header` is readable.
    unsafe fn at(header: *const u8, dynamic: *const u8, is_mapped: bool) -> Option<Object<'a>> {
        if !(header as usize).is_multiple_of(PAGE) || !is_mapped && !sys::is_readable(header as usize) {
            return None;
        }
        // SAFETY: the page is readable. Its segments are believed because its dynamic section is the one that the caller
        // vouches for.
        let object = unsafe { Object::with_header(header)? };
        let owns = object.ranges(PT_DYNAMIC, 0, 0).any(|range| range.start == dynamic as usize);
        owns.then_some(object)
    }

    /// The object with its ELF header at `header`; `None` for null, and where its program headers are not in the same page.
    ///
    /// # Safety
    /// `header` is null or the start of a readable page, and if an ELF header is there, then that of an object that is
    /// loaded, and stays so as long as what is returned is used; as in [`Object::new`].
    pub unsafe fn with_header(header: *const u8) -> Option<Object<'a>> {
        if header.is_null() {
            return None;
        }
        // SAFETY: a whole page is readable at `header`, and what is looked at lies in it.
        unsafe {
            let page = slice::from_raw_parts(header, PAGE);
            let offset = usize::try_from(read_at::<u64>(page, 32)?).ok()?;
            let count = usize::from(u16::from_le_bytes([*page.get(56)?, *page.get(57)?]));
            let size = u16::from_le_bytes([*page.get(54)?, *page.get(55)?]);
            let end = offset.checked_add(count.checked_mul(size_of::<ProgramHeader>())?)?;
            let is_object = page.starts_with(b"\x7fELF\x02\x01")
                && usize::from(size) == size_of::<ProgramHeader>()
                && offset.is_multiple_of(align_of::<ProgramHeader>());
            if !is_object || end > PAGE {
                return None;
            }
            let headers = slice::from_raw_parts(header.add(offset).cast::<ProgramHeader>(), count);
            let first = headers.iter().find(|segment| segment.kind == PT_LOAD && segment.offset == 0)?;
            Some(Object { bias: (header as usize).wrapping_sub(first.address), headers })
        }
    }

    /// Segments of a kind with all flags `with` and none of `without`.
    fn ranges(&self, kind: u32, with: u32, without: u32) -> impl Iterator<Item = Range<usize>> + 'a {
        let bias = self.bias;
        let wanted = move |h: &&ProgramHeader| h.kind == kind && h.flags & (with | without) == with;
        self.headers.iter().filter(wanted).map(move |h| {
            let start = bias.wrapping_add(h.address);
            start..start.saturating_add(h.memory_size)
        })
    }

    /// `size` bytes at `address` in a part of the object that nobody writes to.
    pub fn bytes(&self, address: usize, size: usize) -> Option<&'a [u8]> {
        // SAFETY: nobody writes to these segments.
        unsafe { self.bytes_in(address, size, WRITABLE) }
    }

    /// `size` bytes at `address` in segments with none of the flags `without`.
    ///
    /// # Safety
    /// Nobody writes to these bytes as long as 'a.
    unsafe fn bytes_in(&self, address: usize, size: usize, without: u32) -> Option<&'a [u8]> {
        let holds = |range: Range<usize>| range.contains(&address) && range.end - address >= size;
        self.ranges(PT_LOAD, READABLE, without).any(holds).then(|| {
            // SAFETY: by the contract of `new` the segment is mapped for reading as long as 'a, and by the caller's word nobody
            // writes to the bytes.
            unsafe { slice::from_raw_parts(address as *const u8, size) }
        })
    }

    /// The executable segment that `address` lies in.
    pub fn code_around(&self, address: usize) -> Option<Range<usize>> {
        self.around(address, EXECUTABLE, 0)
    }

    #[inline(never)]
    fn around(&self, address: usize, with: u32, without: u32) -> Option<Range<usize>> {
        self.ranges(PT_LOAD, with, without).find(|range| range.contains(&address))
    }

    /// The segment that `address` lies in.
    pub fn segment_around(&self, address: usize) -> Option<Range<usize>> {
        self.around(address, READABLE, 0)
    }

    /// The writable segment that `address` lies in: what is sealed later is in one, too.
    pub fn writable_around(&self, address: usize) -> Option<Range<usize>> {
        self.around(address, READABLE | WRITABLE, EXECUTABLE)
    }

    /// What is read-only after relocation.
    pub fn relro(&self) -> Option<Range<usize>> {
        self.ranges(PT_GNU_RELRO, 0, 0).next()
    }

    /// Whether the addresses `start..end` lie in it.
    pub fn is_relro(&self, start: usize, end: usize) -> bool {
        self.relro().is_some_and(|range| range.start <= start && start <= end && end <= range.end)
    }

    /// The `u32` at `address`, which somebody may write to.
    pub fn word(&self, address: usize) -> Option<u32> {
        let holds = |range: Range<usize>| range.contains(&address) && range.end - address >= 4;
        if !address.is_multiple_of(4) || !self.ranges(PT_LOAD, READABLE, 0).any(holds) {
            return None;
        }
        // SAFETY: an aligned word of a segment that is mapped for reading.
        Some(unsafe { (address as *const u32).read_volatile() })
    }

    /// The merged image in this object; `None` where it has no note of one of this release.
    pub fn image(&self) -> Option<Result<Image, ImageError>> {
        self.headers.iter().filter(|header| header.kind == PT_NOTE).find_map(|header| {
            let start = self.bias.wrapping_add(header.address);
            // SAFETY: these are notes, which nobody writes to, though patchelf moves them to segments that are writable. What is read
            // there leads to the header, and that is believed only elsewhere.
            let bytes = unsafe { self.bytes_in(start, header.memory_size, 0) }?;
            let ours =
                |note: &image_format::notes::Note| note.name == NOTE_NAME && note.kind == NOTE_TYPE_IMAGE;
            let found = notes(bytes, header.alignment as u64).find(ours)?;
            let note: ImageNote = read_at(bytes, found.offset)?;
            if note.version != FORMAT_VERSION {
                return None;
            }
            let own = header.address.wrapping_add(found.offset) as u64;
            let place = self.bias.wrapping_add(note.header_address(own) as usize);
            if !place.is_multiple_of(align_of::<ImageHeader>()) {
                return None;
            }
            self.bytes(place, size_of::<ImageHeader>())?;
            // SAFETY: the header's bytes are readable, aligned and in a part that nobody writes to; what a header with a
            // right checksum says is used by way of this object's bounds.
            Some(unsafe { Image::at(place as *const u8) })
        })
    }
}

/// The dynamic linker's namespaces, one of which an object is in.
#[derive(Clone, Copy)]
pub struct Namespaces {
    first: *const RDebug,
    /// The object's dynamic section.
    own: *const u8,
}

impl Namespaces {
    /// Those of the object with its dynamic section at `dynamic`; `None` in a static program.
    ///
    /// # Safety
    /// `dynamic` is the `_DYNAMIC` of a loaded object or null, and no other thread loads or unloads (as in a constructor)
    /// as long as what is returned, or comes out of it, is used.
    pub unsafe fn around(dynamic: *const u8, arguments: Option<Arguments>) -> Option<Namespaces> {
        // SAFETY: as the caller says.
        unsafe { linker_debug(arguments) }.map(|first| Namespaces { first, own: dynamic })
    }

    pub fn iter(&self) -> impl Iterator<Item = Objects> + use<> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            // SAFETY: null, or the dynamic linker's own; by the contract of `around` its list stays as it is.
            let debug = unsafe { next.as_ref()? };
            next = debug.next();
            Some(Objects { first: debug.map })
        })
    }

    pub fn is_own(&self, entry: &Entry) -> bool {
        entry.dynamic() == self.own
    }

    /// The object's entry.
    pub fn own(&self) -> Option<Entry> {
        self.iter().find_map(|objects| objects.iter().find(|entry| self.is_own(entry)))
    }
}

/// The objects of a namespace, in the order of loading.
#[derive(Clone, Copy)]
pub struct Objects {
    first: *const LinkMap,
}

impl Objects {
    pub fn iter(&self) -> impl Iterator<Item = Entry> + use<> {
        let mut next = self.first;
        core::iter::from_fn(move || {
            let map = (!next.is_null()).then_some(next)?;
            // SAFETY: by the contract of `Namespaces::around` the list stays as it is.
            next = unsafe { (*map).next };
            Some(Entry { map })
        })
    }
}

/// An object in the dynamic linker's list.
#[derive(Clone, Copy)]
pub struct Entry {
    map: *const LinkMap,
}

impl Entry {
    /// The path that it was loaded by; empty for the program.
    pub fn path(&self) -> &CStr {
        // SAFETY: an entry of the list, whose names are C strings or null.
        unsafe { if (*self.map).name.is_null() { c"" } else { CStr::from_ptr((*self.map).name) } }
    }

    /// What it calls itself.
    pub fn soname(&self) -> &[u8] {
        // SAFETY: an entry of the list.
        unsafe { soname(self.map) }.map_or(&[], CStr::to_bytes)
    }

    /// Whether it asks the dynamic linker for `name`.
    pub fn needs(&self, name: &[u8]) -> bool {
        // SAFETY: an entry of the list.
        unsafe { Strings::of(self.map, DT_NEEDED) }.any(|needed| needed == name)
    }

    pub fn dynamic(&self) -> *const u8 {
        // SAFETY: an entry of the list.
        unsafe { (*self.map).dynamic.cast() }
    }

    /// The address of a function that it exports.
    #[cfg(jl_object)]
    pub fn function(&self, name: &CStr) -> Option<usize> {
        self.object()?;
        // SAFETY: an ELF header was found at the load bias just now; the object stays loaded.
        unsafe { crate::dynamic_linker::find_in((*self.map).bias, name) }
    }

    /// Its segments, where its ELF header is in memory and its first segment is linked at address 0, as linkers do it.
    pub fn object(&self) -> Option<Object<'static>> {
        // SAFETY: an entry of the list, which stays loaded. It may not be relocated yet: of an image its state, which is written
        // after that, is looked at first.
        unsafe { Object::at((*self.map).bias as *const u8, self.dynamic(), self.begins_with_symbols()) }
    }

    /// Whether the dynamic linker takes symbols of it from the page at its load bias, so that this is mapped. Linkers put them
    /// right behind the headers.
    fn begins_with_symbols(&self) -> bool {
        // SAFETY: an entry of the list.
        unsafe { symbols(self.map).is_some_and(|at| at.wrapping_sub((*self.map).bias) < PAGE) }
    }
}
