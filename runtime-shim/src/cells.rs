//! The pointers of an image that are filled from its dependencies: import slots and the cells of references.

use crate::memory::{Image, Opened};
use crate::objects::Object;
use core::ops::Range;

/// The import slots of an image whose RELRO is open.
pub struct ImportSlots {
    base: usize,
    slots: Range<usize>,
    stub: usize,
}

impl ImportSlots {
    /// Those of an image that was found right, and that lead to `stub` before they are filled.
    pub fn of(image: &Image, stub: usize, _open: &Opened) -> ImportSlots {
        let span = image.header().import_span;
        let start = image.address(span.offset);
        ImportSlots { base: image.address(0), slots: start..start.saturating_add(span.count as usize), stub }
    }

    /// Lets the slot at an offset from the header lead to `function`; false when there is no slot, or one that does not wait
    /// for a function. A function's own slot (`is_own`) never does.
    pub fn fill(&mut self, slot: i32, is_own: bool, function: usize) -> bool {
        let slot = self.base.wrapping_add_signed(slot as isize);
        let is_slot = self.slots.contains(&slot)
            && self.slots.end - slot >= size_of::<usize>()
            && slot.is_multiple_of(align_of::<usize>());
        let slot = slot as *mut usize;
        // SAFETY: an aligned cell of the span of import slots, which lies in RELRO (`Image::verified`), and that is open
        // (`ImportSlots::of`).
        unsafe {
            let waits = is_slot && (is_own || slot.read() == self.stub);
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
    /// The segment of the last cell.
    writable: Range<usize>,
    stub: usize,
}

impl<'a> ReferenceCells<'a> {
    /// Those of the image in `object`, which was found right and runs no code of its own yet; they are null or lead to `stub`
    /// before they are filled.
    pub fn of(image: &Image, object: Object<'a>, stub: usize, _open: &Opened) -> ReferenceCells<'a> {
        ReferenceCells { base: image.address(0), object, writable: 0..0, stub }
    }

    /// Lets the cell at an offset from the header lead to `address`; false when no such pointer waits there.
    pub fn fill(&mut self, cell: i32, address: usize) -> bool {
        let cell = self.base.wrapping_add_signed(cell as isize);
        if !self.writable.contains(&cell) {
            let Some(around) = self.object.writable_around(cell) else { return false };
            self.writable = around;
        }
        if self.writable.end - cell < size_of::<usize>() || !cell.is_multiple_of(align_of::<usize>()) {
            return false;
        }
        let cell = cell as *mut usize;
        // SAFETY: an aligned word of a writable segment of this image, whose RELRO is open (`ReferenceCells::of`), and which runs no
        // code of its own yet that could have a reference to it.
        unsafe {
            let found = cell.read();
            let waits = found == 0 || found == self.stub;
            if waits {
                cell.write(address);
            }
            waits
        }
    }
}
