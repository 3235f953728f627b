//! The object that `jl-link` puts into every image: its entries, and the end of what cannot run.
//!
//! Symbols and sections stand in the assembly of `object_data.rs` and the file of the architecture
//! (`object_x86_64.rs`, `object_aarch64.rs`); everything here is reached from there.

use crate::arguments::{Arguments, registers_at};
use crate::decide::{Refusal, decide};
use crate::here::{Here, Stage};
use crate::imports::{Surroundings, Unusable};
use crate::init::{self, PackageLoad};
use crate::memory::{Image, Opened, Pages, Sealed, Unsealed};
use crate::message::{self, Subject};
use crate::object_arch as own;
use crate::objects::{Entry, Namespaces, Object, Objects};
use crate::process::Process;
use crate::start::is_part_of_startup;
use crate::text::Line;
use crate::{maps, sys};
use image_format::image::ImageError;
use image_format::layout::{IMAGE_EXECUTABLE, IMAGE_SYSTEM, image_state};

/// What the dynamic linker asks where an IFUNC leads, which nobody calls: a moment at which RELRO is not sealed yet, so that it need
/// not be opened and sealed again.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.jl_image_entries")]
extern "C" fn jl_shim_relocated() -> usize {
    load([0; 3], Stage::Relocated);
    own::nothing_entry()
}

/// The constructor, before all others of the image.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".text.jl_image_entries")]
extern "C" fn jl_shim_init(argc: usize, argv: usize, envp: usize) {
    load([argc, argv, envp], Stage::Sealed);
}

/// Fills the image, unless that was done. Where another image in its scope has the same code, that code is run: what many images
/// run is in the caches of the CPU, what each runs once is not.
///
/// It stands with the entries, so that an image for which another's code runs has one part of its own mapped, and no more.
#[unsafe(link_section = ".text.jl_image_entries")]
fn load(vectors: [usize; 3], stage: Stage) {
    // SAFETY: one aligned u32 of this image, always readable.
    if unsafe { own::state().read_volatile() } != image_state::UNFILLED {
        return;
    }
    let here = Here::own(stage);
    let [argc, argv, envp] = vectors;
    match construct_entry_of_another() {
        // SAFETY: the function is `jl_shim_construct` of an image with the same code. It may not be relocated yet, as one is that
        // stands first but whose turn comes later: then the code finds that nobody told it of the first stack, and says that it
        // did nothing.
        Some(entry) if unsafe { own::call(entry, [argc, argv, envp, &raw const here as usize]) } != 0 => {}
        _ => {
            let vectors = match stage {
                Stage::Sealed => vectors,
                // Of an image that relies on the other's the symbol is hidden, and null: then `/proc` is asked.
                Stage::Relocated => first_vectors().unwrap_or([0; 3]),
            };
            construct(vectors, &here);
        }
    }
}

/// What a constructor is called with, from the first stack.
fn first_vectors() -> Option<[usize; 3]> {
    // SAFETY: the symbol is glibc's, and null elsewhere, and in an image that is not relocated itself yet.
    unsafe { registers_at(own::first_stack()) }
}

/// The entry of another image that leads to the same [`jl_shim_construct`] as in this one. That image is in this one's scope: it stays
/// loaded as long.
fn construct_entry_of_another() -> Option<usize> {
    let (own, first) = (own::construct_entry(), own::first_construct_entry());
    if first == 0 || first == own {
        return None;
    }
    // SAFETY: objects that define the symbol have the hash before it, in one section, and are loaded.
    let [own, found] =
        [own, first].map(|entry| unsafe { ((entry - HASH_SIZE) as *const [u8; HASH_SIZE]).read() });
    (found == own).then_some(first)
}

/// Of the hash that stands before the entry, in bytes.
const HASH_SIZE: usize = 8;

/// As [`construct`], for another image with the same code as this one; 0 where it did nothing, because this image is not relocated
/// yet.
#[unsafe(no_mangle)]
extern "C" fn jl_shim_construct(argc: usize, argv: usize, envp: usize, here: &Here) -> usize {
    let vectors = match here.stage {
        Stage::Sealed => Some([argc, argv, envp]),
        Stage::Relocated => first_vectors(),
    };
    let Some(vectors) = vectors else { return 0 };
    construct(vectors, here);
    1
}

/// Fills the image `here`, or refuses it, or leaves it to its constructor; `vectors` are what a constructor is called with.
fn construct([argc, argv, envp]: [usize; 3], here: &Here) {
    // SAFETY: these are the constructor's own arguments, as whoever called it left them, or the vectors themselves.
    let arguments = unsafe { Arguments::from_registers(argc, argv, envp) };
    match here.image() {
        Ok(image) => match (fill(here, &image, arguments), here.stage) {
            (Ok(()), _) | (Err(_), Stage::Relocated) => {}
            (Err(refusal), Stage::Sealed) => refuse(here, Some(&image), refusal, arguments),
        },
        // Linked plainly: this is not an image, its slots are for the preloaded shim.
        Err(ImageError::NotMerged) => {}
        Err(_) if here.stage == Stage::Relocated => {}
        Err(_) => refuse(here, None, Refusal::Damaged("header"), arguments),
    }
}

fn fill(here: &Here, image: &Image, arguments: Option<Arguments>) -> Result<(), Refusal> {
    let is_sealed = here.stage == Stage::Sealed;
    let sealed = if is_sealed { here.sealed(arguments) } else { None };
    let open = |new: fn(&Object, Sealed) -> Option<Opened>| match here.stage {
        // SAFETY: so far is the dynamic linker, which will seal it.
        Stage::Relocated => Some(unsafe { Opened::before_sealing() }),
        Stage::Sealed => new(&here.object()?, sealed?),
    };
    // Of a base image only the header is believed to need a check, as of an image that shares nothing.
    if !image.is_package() || image.is_base() {
        let opened = open(Opened::new_if_small);
        let pages = opened.as_ref().map(Pages::Open).or(sealed.map(Pages::Sealed));
        return init::fill(image, process(), arguments, pages);
    }
    let object = here.object().ok_or(Refusal::Damaged("ELF header"))?;
    let surroundings = || {
        // SAFETY: the dynamic linker, whose lock it holds, is at work for this image.
        Surroundings::new(unsafe { Namespaces::around(here.dynamic, arguments) })
    };
    // Before it has sealed RELRO the dynamic linker cannot be called.
    let hold = |entry: &Entry, objects: &Objects| is_sealed && hold(objects, entry, arguments);
    let load = PackageLoad {
        image,
        object: &object,
        process: process(),
        arguments,
        stub: here.unresolved,
        is_last_attempt: is_sealed,
    };
    load.fill(|| open(Opened::new), surroundings, hold)
}

/// Keeps an object loaded until the process ends, whoever closes it; false when that cannot be done.
fn hold(objects: &Objects, entry: &Entry, arguments: Option<Arguments>) -> bool {
    // SAFETY: this is a constructor: the dynamic linker holds its lock.
    if unsafe { is_part_of_startup(entry.dynamic(), arguments) } {
        return true;
    }
    for library in objects.iter() {
        let path = library.path().to_bytes();
        if is_glibc(path) {
            let Some(dlopen) = library.function(c"dlopen") else { continue };
            // SAFETY: the function is glibc's dlopen. It is called from below a dlopen, as the object is no part of
            // start-up: the C library is at work, and its lock may be taken again.
            return unsafe {
                own::call(dlopen, [entry.path().as_ptr() as usize, RTLD_NOW | RTLD_NOLOAD, 0, 0])
            } != 0;
        }
        // musl unloads nothing.
        if path.windows(LD_MUSL.len()).any(|part| part == LD_MUSL) {
            return true;
        }
    }
    false
}

const RTLD_NOW: usize = 2;
const RTLD_NOLOAD: usize = 4;
/// Whether the library has glibc's dlopen; the second before glibc 2.34.
fn is_glibc(path: &[u8]) -> bool {
    path.ends_with(b"/libc.so.6") || path.ends_with(b"/libdl.so.2")
}

const LD_MUSL: &[u8] = b"/ld-musl-";

/// What an import slot leads to before it is filled, and in an image that was refused. Where the image's turn has not come, because
/// constructors of others call into it first, the reason for which it was not filled while it was relocated is found now.
#[unsafe(no_mangle)]
extern "C" fn jl_shim_unresolved() -> ! {
    load([0; 3], Stage::Sealed);
    let mut line = Line::EMPTY;
    message::unresolved(&mut line, maps::path_of(own::header() as usize).as_slice());
    sys::write_stderr(line.end());
    sys::abort()
}

/// What a slot of a refused image leads to.
#[unsafe(no_mangle)]
extern "C" fn jl_shim_refused() -> ! {
    if let Ok(image) = Here::own(Stage::Sealed).image() {
        let process = process();
        let settings = init::settings(process, None);
        if let Some(specs) = image.specs()
            && let Err(refusal) = decide(&specs, &settings, |wanted| init::host(process, None, wanted))
        {
            let subject = Subject { specs: Some(&specs), dependency: None };
            init::print_refusal(subject, refusal, own::header() as usize);
        }
    }
    sys::write_stderr(b"julienne: a function of a code image that was refused was called: abort\n");
    sys::abort()
}

/// The process's block, or our own where another release's is too short. Code that runs for another image has that of its own image; an
/// image that has its constructor lent has a block to itself, which only its stubs and what runs in place of that constructor use.
fn process() -> &'static Process {
    static OWN: Process = Process::new();
    // SAFETY: the symbol is a `Process` in every object that defines it, which is never unloaded before
    // those that are bound to it; all that changes in it are atomics.
    let shared = unsafe { &*own::process() };
    if shared.is_usable() { shared } else { &OWN }
}

/// Part of start-up, or a system image: says why and ends the process. Loaded by dlopen: no code of the image runs, and its
/// slots lead to the stub; the preloaded shim, if there, makes the dlopen fail and says why.
fn refuse(here: &Here, image: Option<&Image>, refusal: Refusal, arguments: Option<Arguments>) {
    let specs = image.and_then(Image::specs);
    let dependency = match (image, refusal) {
        (Some(image), Refusal::Dependency(Unusable { index, .. })) => {
            here.object().and_then(|object| image.dependency(&object, index))
        }
        _ => None,
    };
    let subject = Subject { specs: specs.as_ref(), dependency: dependency.as_ref() };
    let ends = IMAGE_EXECUTABLE | IMAGE_SYSTEM;
    let ends = image.is_some_and(|image| image.header().flags & ends != 0);
    // SAFETY: this is a constructor: the dynamic linker holds its lock.
    if ends || unsafe { is_part_of_startup(here.dynamic, arguments) } {
        init::print_refusal(subject, refusal, here.header as usize);
        sys::exit(127);
    }
    if !process().is_preloaded() {
        init::print_refusal(subject, refusal, here.header as usize);
    }
    let Some(sealed) = here.sealed(arguments) else {
        // What runs next could be an illegal instruction.
        sys::exit(127);
    };
    for (start, end) in [here.constructors, here.destructors] {
        silence(start, end, here.nothing, sealed);
    }
    if let Some(image) = image {
        image.fill_with(here.refused, image_state::REFUSED, sealed);
    }
}

/// Overwrites the entries of `.init_array` or `.fini_array` by `nothing`: they are code of a baseline that cannot run.
/// The dynamic linkers read each entry when its turn comes; ours, the first, has had its turn.
fn silence(start: *mut usize, end: *mut usize, nothing: usize, sealed: Sealed) {
    if start.is_null() || start >= end {
        return;
    }
    // SAFETY: the arrays are in this image's RELRO, and relocation is over.
    let Some(unsealed) = (unsafe { Unsealed::new(start as usize, end as usize, sealed) }) else {
        // As above.
        sys::exit(127);
    };
    let mut entry = start;
    while entry < end {
        // SAFETY: an aligned entry of the array, in the pages just opened.
        unsafe { entry.write_volatile(nothing) };
        entry = entry.wrapping_add(1);
    }
    drop(unsealed);
}

/// There is nothing to unwind and nobody to catch.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    sys::write_stderr(b"julienne: internal error in the code that chooses an image's target\n");
    sys::exit(127)
}
