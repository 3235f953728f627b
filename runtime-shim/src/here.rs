//! What only an image's own code can name of the image: so the rest of the constructor's code may be another image's.

use crate::arguments::Arguments;
use crate::memory::{Image, Sealed};
use crate::object_arch as own;
use crate::objects::Object;
use crate::start::relro_end;
use crate::sys;
use image_format::image::ImageError;

/// How far the dynamic linker is with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It has relocated all pointers and resolves IFUNCs; RELRO is not sealed yet. What cannot be filled now, because
    /// something else must come first or is wrong, is the constructor's.
    Relocated,
    /// It has sealed RELRO, and calls constructors.
    Sealed,
}

/// Addresses in an image that is loaded, relocated as far as its [`Stage`] says, and stays so as long as this is used. Images that pass it to
/// each other have the same code, hence the same layout of it.
pub struct Here {
    pub stage: Stage,
    pub header: *const u8,
    /// Its ELF header; null where it is not in memory.
    elf_header: *const u8,
    /// Its dynamic section; null in a static program.
    pub dynamic: *const u8,
    /// Begin and end of `.init_array`, as the linker defines them.
    pub constructors: (*mut usize, *mut usize),
    /// As `constructors`, of `.fini_array`.
    pub destructors: (*mut usize, *mut usize),
    /// What a slot of a refused image leads to.
    pub refused: usize,
    /// What an import slot leads to before it is filled.
    pub unresolved: usize,
    /// A function that does nothing.
    pub nothing: usize,
}

impl Here {
    /// The image that this code is in.
    pub fn own(stage: Stage) -> Here {
        Here {
            stage,
            header: own::header(),
            elf_header: own::elf_header(),
            dynamic: own::dynamic(),
            constructors: own::constructors(),
            destructors: own::destructors(),
            refused: own::refused_entry(),
            unresolved: own::unresolved_entry(),
            nothing: own::nothing_entry(),
        }
    }

    pub fn image(&self) -> Result<Image, ImageError> {
        // SAFETY: the header is in an image that is loaded as a whole; only jl-link gives it a checksum.
        unsafe { Image::at(self.header) }
    }

    pub fn object(&self) -> Option<Object<'static>> {
        // SAFETY: the image is loaded and relocated.
        unsafe { Object::with_header(self.elf_header) }
    }

    /// The sealed pages of the image.
    pub fn sealed(&self, arguments: Option<Arguments>) -> Option<Sealed> {
        // SAFETY: the header is a loaded image's, or null.
        Sealed::new(sys::page_size(arguments)?, || unsafe { relro_end(self.elf_header) })
    }
}
