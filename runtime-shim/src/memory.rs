//! The memory of a loaded image: bytes become tables, slots are filled, RELRO is opened and sealed.

use crate::objects::Object;
use crate::sys::protect;
use core::ops::Range;
use core::slice;
use image_format::image::{ImageError, Table, check_header};
use image_format::layout::{
    Dependency, Extent, IMAGE_BASE, IMAGE_SLOTS_CONTIGUOUS, ImageHeader, image_state,
};
use image_format::package::Package;
use image_format::pod::read_at;
use image_format::specs::Specs;

/// Which pages of an image's RELRO the dynamic linker has sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    page_size: usize,
    /// End of the last sealed page.
    end: usize,
}

impl Sealed {
    /// What linkers pad RELRO to, in bytes. (It is lld's "common" page size; the segments are as far apart as the
    /// largest page asks.)
    pub const PADDING: usize = 4096;

    /// The pages of RELRO that ends at the address `relro_end`; where the pages are no larger than the padding
    /// the end is not needed. Dynamic linkers round it down to a page: behind it may be data that
    /// stays writable.
    pub fn new(page_size: usize, relro_end: impl FnOnce() -> Option<usize>) -> Option<Sealed> {
        let end = if page_size == Self::PADDING { usize::MAX } else { relro_end()? };
        Some(Sealed { page_size, end: end & !(page_size - 1) })
    }

    /// Start and size of the sealed ones among the pages of `start..end`; the size may be 0.
    fn pages(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let first = start & !(self.page_size - 1);
        let last = end.checked_add(self.page_size - 1)? & !(self.page_size - 1);
        Some((first, last.min(self.end).saturating_sub(first)))
    }
}

/// RELRO pages that are writable for now; sealed again on drop.
pub struct Unsealed {
    start: usize,
    size: usize,
}

impl Unsealed {
    /// Opens the pages of the addresses `start..end`; `None` when the kernel does not let us.
    ///
    /// # Safety
    /// The range lies in the RELRO part of one loaded image, that is: relocation is over, and nothing
    /// else writes there from now on. `sealed` describes that image.
    pub unsafe fn new(start: usize, end: usize, sealed: Sealed) -> Option<Unsealed> {
        let (start, size) = sealed.pages(start, end)?;
        // SAFETY: RELRO is data, and these are whole pages of it. Making them writable takes nothing from
        // anybody.
        (size == 0 || unsafe { protect(start, size, true) }).then_some(Unsealed { start, size })
    }
}

/// The sealed pages of an object, open for writing.
///
/// As a whole: a part would split the kernel's mapping in three, and put it together again.
pub struct Opened {
    #[allow(dead_code, reason = "kept for what happens when it is dropped")]
    parts: Option<Unsealed>,
}

impl Opened {
    /// Opens the RELRO of an image that runs no code of its own yet; `None` when the kernel does not let us.
    pub fn new(object: &Object, sealed: Sealed) -> Option<Opened> {
        let parts = match object.relro() {
            // SAFETY: the RELRO of a loaded object, to which only we write in a constructor before all others.
            Some(relro) => Some(unsafe { Unsealed::new(relro.start, relro.end, sealed) }?),
            None => None,
        };
        Some(Opened { parts })
    }

    /// That of an image whose RELRO the dynamic linker has not sealed yet, and will.
    ///
    /// # Safety
    /// So it is, as long as what is returned is used.
    pub unsafe fn before_sealing() -> Opened {
        Opened { parts: None }
    }

    /// As [`Opened::new`]; `None` also where the object has no RELRO, or one of so many pages that those with slots, which may be
    /// few, are better opened alone.
    pub fn new_if_small(object: &Object, sealed: Sealed) -> Option<Opened> {
        let size = object.relro()?.len();
        if size <= Self::SMALL { Opened::new(object, sealed) } else { None }
    }

    /// In bytes. To open and seal 8 pages of 4 KiB takes 4.4 us, 16 take 6.3, and one among them, which splits the mapping and puts
    /// it together again, 6.
    const SMALL: usize = 8 * Sealed::PADDING;
}

impl Drop for Unsealed {
    fn drop(&mut self) {
        if self.size > 0 {
            // SAFETY: the pages that `new` opened; by its contract nobody else writes to them. When it fails
            // they stay writable, which is weaker but not wrong.
            unsafe { protect(self.start, self.size, false) };
        }
    }
}

/// The pages that slots are in.
#[derive(Clone, Copy)]
pub enum Pages<'a> {
    Sealed(Sealed),
    /// All of the image's RELRO is open, and somebody sees to its being sealed.
    Open(&'a Opened),
}

/// A merged image in memory whose header was checked.
pub struct Image {
    base: *const u8,
}

impl Image {
    /// The image with its header at `base`.
    ///
    /// # Safety
    /// `base` leads to `size_of::<ImageHeader>()` readable bytes, aligned as a header is, that nobody writes to and that
    /// stay as long as what is returned is used. If they are a header with a right checksum, it is the header that
    /// `jl-link` wrote for an image that is loaded as a whole around it and stays loaded as long.
    pub unsafe fn at(base: *const u8) -> Result<Image, ImageError> {
        let image = Image { base };
        check_header(image.header())?;
        Ok(image)
    }

    pub fn header(&self) -> &ImageHeader {
        // SAFETY: by the contract of `at` a header's bytes are there, aligned and unchanged; any bytes are one.
        unsafe { &*self.base.cast::<ImageHeader>() }
    }

    /// The target list, with its head and sizes checked.
    pub fn specs(&self) -> Option<Specs<'_>> {
        Specs::parse_head(self.bytes(self.header().specs)).ok()
    }

    /// The image table, with its extents checked; its checksum is not: that costs a pass over it.
    pub fn table(&self) -> Option<Table<'_, &ImageHeader>> {
        Table::new(self.header(), self.bytes(self.header().table), false).ok()
    }

    /// A dependency of the image that lies in `object`.
    pub fn dependency(&self, object: &Object, index: u32) -> Option<Dependency> {
        let list = self.header().dependencies;
        let at = (index as usize).checked_mul(size_of::<Dependency>())?;
        let first = self.address(list.offset);
        let bytes = object.bytes(first.checked_add(at)?, size_of::<Dependency>())?;
        if index < list.count { read_at(bytes, 0) } else { None }
    }

    /// The address of the image's state word.
    pub fn state(&self) -> *mut u32 {
        self.base.wrapping_offset(self.header().state.offset as isize).cast_mut().cast()
    }

    /// The address that an offset of the header or the image table stands for.
    pub fn address(&self, offset: i32) -> usize {
        self.base.wrapping_offset(offset as isize) as usize
    }

    /// Whether the image takes functions or data from other images or lets them take its own.
    pub fn is_package(&self) -> bool {
        let ImageHeader { exports, imports, references, linkage, dependencies, .. } = self.header();
        [exports, imports, references, linkage, dependencies].iter().any(|list| list.count > 0)
    }

    /// Whether the image says that it takes nothing from others, and that is so.
    pub fn is_base(&self) -> bool {
        let ImageHeader { imports, references, dependencies, .. } = self.header();
        self.header().flags & IMAGE_BASE != 0
            && [imports, references, dependencies].iter().all(|list| list.count == 0)
    }

    /// The lists of a package image that lies in `object`; `None` when they, or anything else that a fill relies on, are not
    /// what the header says. Of images that others rely on all is verified but exports and imports, which vouch for each other
    /// when they are used.
    pub fn verified<'a>(&self, object: &Object<'a>) -> Option<Package<'a>> {
        let header = self.header();
        let at =
            |extent: Extent| object.bytes(self.address(extent.offset), extent.count as usize).unwrap_or(&[]);
        let is_sealed = |offset: i32, size: usize, alignment: usize| {
            let start = self.address(offset);
            let end = start.checked_add(size);
            start.is_multiple_of(alignment) && end.is_some_and(|end| object.is_relro(start, end))
        };
        let is_span = |span: Extent| {
            span.count >= 8 && is_sealed(span.offset, span.count as usize, align_of::<usize>())
        };
        let table = Table::new(header, at(header.table), true).ok()?;
        let is_right = is_sealed(header.state.offset, size_of::<u32>(), align_of::<u32>())
            && (header.specs.count == 0 || Specs::parse(at(header.specs)).is_ok())
            && (header.slots.count == 0 || is_span(header.slot_span))
            && (header.imports.count == 0 || is_span(header.import_span))
            && (header.linkage.count == 0 || self.linkage(object).is_some())
            && table
                .distances()
                .all(|distance| is_sealed(distance.place, size_of::<i32>(), align_of::<i32>()));
        if is_right { Package::new(header, at, true).ok() } else { None }
    }

    /// Where the linkage blob of the image in `object` is; `None` where it would not lie in one segment.
    pub fn linkage(&self, object: &Object) -> Option<Range<usize>> {
        let start = self.address(self.header().linkage.offset);
        let end = start.checked_add(self.header().linkage.count as usize)?;
        let around = object.segment_around(start)?;
        (around.start <= start && end <= around.end).then_some(start..end)
    }

    fn bytes(&self, extent: Extent) -> &[u8] {
        // SAFETY: by the contract of `at` the header, whose checksum was right, is jl-link's, which
        // puts only extents into it that lie in the read-only part of the image.
        unsafe {
            slice::from_raw_parts(self.base.wrapping_offset(extent.offset as isize), extent.count as usize)
        }
    }

    /// Lets every slot and every distance lead to the body that `row` gives its function and sets the state; false, with
    /// nothing changed, when the row is not there or the slots cannot be opened.
    pub fn fill(&self, row: usize, state: u32, pages: Pages) -> bool {
        let Some(table) = self.table() else { return false };
        let Some(bodies) = table.bodies(row) else { return false };
        let base = self.base as usize;
        let address = |body: i32| base.wrapping_add_signed(body as isize);
        let of = |function: usize| table.body(row, function).map(address);
        self.write(bodies.map(address), of, state, pages)
    }

    /// Sets the state back of an image that was verified, so that it counts as one that nobody has filled yet.
    pub fn unfill(&self, _open: &Opened) {
        // SAFETY: the state is an aligned u32 in RELRO (`Image::verified`), which is open.
        unsafe { self.state().write_volatile(image_state::UNFILLED) };
    }

    /// Lets every slot lead to `address` and sets the state; as [`Image::fill`].
    pub fn fill_with(&self, address: usize, state: u32, sealed: Sealed) -> bool {
        self.write(core::iter::repeat(address), |_| Some(address), state, Pages::Sealed(sealed))
    }

    /// Writes slots, distances and the state. `addresses` by function, as `of` tells one by one.
    fn write(
        &self,
        addresses: impl Iterator<Item = usize>,
        of: impl Fn(usize) -> Option<usize>,
        state: u32,
        pages: Pages,
    ) -> bool {
        let span = self.header().slot_span;
        let functions = self.header().slots.count as usize;
        let first = self.base.wrapping_offset(span.offset as isize) as usize;
        let (Some(end), state_at) = (first.checked_add(span.count as usize), self.state() as usize) else {
            return false;
        };
        let (from, to) = if functions == 0 {
            (state_at, state_at + size_of::<u32>())
        } else {
            (first.min(state_at), end.max(state_at + size_of::<u32>()))
        };
        let contiguous = self.header().flags & IMAGE_SLOTS_CONTIGUOUS != 0;
        if contiguous && (span.count as usize) / size_of::<usize>() < functions {
            return false;
        }
        let Some(table) = self.table() else { return false };
        let Some(slots) = table.slots() else { return false };
        let base = self.base as usize;
        let at = |offset: i32| base.wrapping_add_signed(offset as isize);
        // Distances are sorted by place.
        let places = || table.distances().map(|distance| at(distance.place));
        let from = places().next().map_or(from, |first| first.min(from));
        let to = places().last().map_or(to, |last| to.max(last.wrapping_add(size_of::<i32>())));
        // Slots, distances and state lie in the RELRO of this image, which jl-link checks, hence so does all between them.
        let unsealed = match pages {
            // As a whole.
            Pages::Open(_) => None,
            Pages::Sealed(sealed) => {
                // SAFETY: RELRO, as said above; the image runs no code of its own yet.
                let Some(unsealed) = (unsafe { Unsealed::new(from, to, sealed) }) else { return false };
                Some(unsealed)
            }
        };
        if contiguous {
            for (i, address) in (0..functions).zip(addresses) {
                // SAFETY: `functions` slots stand from `first` on (the flag, and the span's size was
                // compared above), in pages that are open.
                unsafe { write_slot((first as *mut usize).wrapping_add(i), address) };
            }
        } else {
            for (slot, address) in slots.zip(addresses) {
                let slot = at(slot);
                if slot < first || slot > end - size_of::<usize>() {
                    continue;
                }
                // SAFETY: the slot lies in the span, hence in pages that are open; jl-link aligns slots.
                unsafe { write_slot(slot as *mut usize, address) };
            }
        }
        for distance in table.distances() {
            let (place, Some(body)) = (at(distance.place), of(distance.function as usize)) else { continue };
            let value = body.wrapping_sub(at(distance.base)) as isize;
            if place < from || place > to - size_of::<i32>() || value != value as i32 as isize {
                continue;
            }
            // SAFETY: the place lies in pages that are open; jl-link takes aligned ones only.
            unsafe { write_slot(place as *mut i32, value as i32) };
        }
        // SAFETY: one aligned u32 in pages that are open.
        unsafe { (state_at as *mut u32).write_volatile(state) };
        drop(unsealed);
        true
    }
}

/// Writes a slot, or a distance, if that changes it: an unchanged page stays shared with other processes.
///
/// # Safety
/// `slot` is an aligned slot or distance in writable memory.
pub unsafe fn write_slot<T: Copy + PartialEq>(slot: *mut T, value: T) {
    // SAFETY: the caller says that the place is aligned and writable; all access to such places is by address,
    // no Rust reference to one exists.
    unsafe {
        if slot.read() != value {
            slot.write(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_pages_are_sealed() {
        let padded = Sealed::new(4096, || unreachable!()).unwrap();
        assert_eq!(padded.pages(0x1008, 0x1010), Some((0x1000, 0x1000)));
        assert_eq!(padded.pages(0x1ff8, 0x2008), Some((0x1000, 0x2000)));
        let large = Sealed::new(0x1_0000, || Some(0x3_5000)).unwrap();
        assert_eq!(large.pages(0x2_0008, 0x2_0010), Some((0x2_0000, 0x1_0000)));
        assert_eq!(
            large.pages(0x2_fff8, 0x3_0008),
            Some((0x2_0000, 0x1_0000)),
            "the last page is not sealed"
        );
        assert_eq!(large.pages(0x3_1000, 0x3_2000), Some((0x3_0000, 0)), "nothing there is");
        assert_eq!(Sealed::new(0x4000, || None), None);
    }
}
