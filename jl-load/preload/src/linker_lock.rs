//! The dynamic linker's own lock, for as long as something of ours runs.
//!
//! dl_iterate_phdr shows an object as soon as it is mapped: while another thread still relocates it, and before
//! its sealed pages are sealed. Whoever writes to objects has to keep loads away meanwhile. glibc has no
//! function for that, but dlsym holds the lock (`dl_load_lock`; a thread may take it several times) while it
//! asks the resolver of an indirect function for an address: so our work is done in such a resolver.

use core::cell::Cell;
use core::ffi::{CStr, c_void};

/// The indirect function, a symbol of this object (`interpose_x86_64.rs`, `interpose_aarch64.rs`).
const NAME: &CStr = c"__jl_linker_locked";

type Work<'a> = &'a mut dyn FnMut();

thread_local! {
    /// A `Work` in the frame of [`hold`], while dlsym is under way in this thread.
    static WORK: Cell<*mut c_void> = const { Cell::new(core::ptr::null_mut()) };
}

/// Does `work` while no other thread loads or unloads objects. Where another is about to, its constructors and
/// destructors are waited for, as in dlopen itself. False when the dynamic linker does not find our function, for
/// this object was not loaded with the program; nothing is done then.
pub fn hold(mut work: impl FnMut()) -> bool {
    let mut work: Work = &mut work;
    WORK.set((&raw mut work).cast());
    // SAFETY: the name is a C string; the symbol's resolver does what `resolve` says.
    unsafe { libc::dlsym(libc::RTLD_DEFAULT, NAME.as_ptr()) };
    WORK.replace(core::ptr::null_mut()).is_null()
}

/// The resolver; dlsym returns what it returns.
pub extern "C" fn resolve() -> *const c_void {
    let work = WORK.replace(core::ptr::null_mut()).cast::<Work>();
    if !work.is_null() {
        // SAFETY: only `hold` sets it, to a `Work` of its frame, which is there until dlsym returns to it in
        // this thread; taken out of WORK above, so that it is used once.
        unsafe { (*work)() };
    }
    // Who asks for the symbol without us gets an address that is good for nothing, and not null.
    resolve as *const c_void
}
