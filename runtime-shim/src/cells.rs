//! The pointers of an image that are filled from its dependencies: import slots and the cells of references.

use crate::memory::{Image, Opened};
use crate::objects::Object;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use image_format::layout::Reference;
use image_format::package::List;

/// The import slots of an image whose RELRO is open.
pub struct ImportSlots {
    base: usize,
    /// Address of the first one.
    first: usize,
    /// How far the last one is from it, in bytes.
    last: usize,
    stub: usize,
}

impl ImportSlots {
    /// Those of an image that was found right, and that lead to `stub` before they are filled.
    pub fn of(image: &Image, stub: usize, _open: &Opened) -> ImportSlots {
        let span = image.header().import_span;
        let last = (span.count as usize).saturating_sub(size_of::<usize>());
        ImportSlots { base: image.address(0), first: image.address(span.offset), last, stub }
    }

    /// Whether none waits any more: a list may have lost an entry, and no checksum tells.
    pub fn are_filled(&self) -> bool {
        let mut slot = self.first;
        while slot.wrapping_sub(self.first) <= self.last {
            // SAFETY: a cell of the span, as in `fill`: it begins and ends with one.
            if unsafe { (slot as *const usize).read() } == self.stub {
                return false;
            }
            slot = slot.wrapping_add(size_of::<usize>());
        }
        true
    }

    /// Lets the slot at an offset from the header lead to `function`; false when there is no slot, or one that neither waits
    /// for a function nor has this one from an attempt that was given up. A function's own slot (`is_own`) never does.
    pub fn fill(&mut self, slot: i32, is_own: bool, function: usize) -> bool {
        let slot = self.base.wrapping_add_signed(slot as isize);
        if slot.wrapping_sub(self.first) > self.last || !is_aligned(slot) {
            return false;
        }
        let slot = slot as *mut usize;
        // SAFETY: an aligned cell of the span of import slots, which lies in RELRO (`Image::verified`), and that is open
        // (`ImportSlots::of`).
        unsafe {
            let found = slot.read();
            let waits = is_own || found == self.stub || found == function;
            if waits {
                slot.write(function);
            }
            waits
        }
    }
}

/// The cells of the references of an image whose RELRO is open.
pub struct ReferenceCells<'a> {
    base: usize,
    object: Object<'a>,
    stub: usize,
}

/// Of the smallest page, in bytes.
const PAGE: usize = 4096;

impl<'a> ReferenceCells<'a> {
    /// Those of the image in `object`, which was found right and runs no code of its own yet; they are null or lead to `stub`
    /// before they are filled.
    pub fn of(image: &Image, object: Object<'a>, stub: usize, _open: &Opened) -> ReferenceCells<'a> {
        ReferenceCells { base: image.address(0), object, stub }
    }

    /// Lets cells lead to their places in `blob`, a linkage blob. An error is the number of a reference whose place is not in it, or
    /// which has no pointer that waits.
    pub fn fill(&self, references: List<Reference>, blob: Range<usize>) -> Result<(), usize> {
        let mut rest = references;
        while let Some(page) = self.next_page(&rest) {
            let filled = rest.iter().take_while(|reference| self.fill_one(reference, &page, &blob)).count();
            if filled == 0 {
                break;
            }
            rest = rest.part(filled..rest.len());
        }
        if rest.is_empty() { Ok(()) } else { Err(references.len() - rest.len()) }
    }

    /// Whether the reference is right, and its cell one of `page`.
    fn fill_one(&self, reference: &Reference, page: &Range<usize>, blob: &Range<usize>) -> bool {
        let (cell, place) = (self.address(reference.cell), reference.place as usize);
        if !page.contains(&cell) || !is_aligned(cell) || place > blob.len() {
            return false;
        }
        let cell = cell as *mut usize;
        // SAFETY: an aligned word of a writable segment of this image (`next_page`), whose RELRO is open (`ReferenceCells::of`), and
        // which runs no code of its own yet that could have a reference to it.
        unsafe {
            let (found, address) = (cell.read(), blob.start + place);
            let waits = found == 0 || found == self.stub || found == address;
            if waits {
                cell.write(address);
            }
            waits
        }
    }

    fn address(&self, cell: i32) -> usize {
        self.base.wrapping_add_signed(cell as isize)
    }

    /// The addresses at which cells may begin in the page of the first one; `None` where that is no word of a writable segment.
    #[inline(never)]
    fn next_page(&self, references: &List<Reference>) -> Option<Range<usize>> {
        let cell = self.address(references.get(0)?.cell);
        let segment = self.object.writable_around(cell)?;
        let start = cell & !(PAGE - 1);
        let last = segment.end.saturating_sub(size_of::<usize>() - 1);
        let page = start.max(segment.start)..start.saturating_add(PAGE).min(last);
        if !page.contains(&cell) || !is_aligned(cell) {
            return None;
        }
        // SAFETY: as in `fill_one`.
        let word = unsafe { AtomicUsize::from_ptr(cell as *mut usize) };
        // A write is the first that the page sees: after a read it would cost a second fault to make it the process's own.
        let found = word.swap(0, Ordering::Relaxed);
        word.store(found, Ordering::Relaxed);
        Some(page)
    }
}

fn is_aligned(cell: usize) -> bool {
    cell.is_multiple_of(align_of::<usize>())
}
