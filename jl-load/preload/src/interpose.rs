//! dlopen, dlmopen and dlerror in front of the real ones.
//!
//! glibc's dlopen takes RUNPATH, $ORIGIN and the namespace from the object that its return address lies
//! in. So the real one is called with a return address in the caller's object: a `ret` found there, below
//! which stands the address where we go on (`interpose_x86_64.rs`, `interpose_aarch64.rs`).

use crate::closure::Member;
use crate::objects::{self, Object, each, each_in_namespace};
use crate::plain::{Context, Refused, fill};
use crate::{closure, errors, interpose_arch, linker_lock, precheck, process, search};
use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use image_format::specs::Specs;
use runtime_shim::arguments::Arguments;
use runtime_shim::message::Subject;
use runtime_shim::text::Line;
use runtime_shim::{init, maps, message, sys};

static STARTING: AtomicBool = AtomicBool::new(false);
/// Number of objects ever loaded when we last looked: those are filled.
static SEEN: AtomicU64 = AtomicU64::new(0);

/// A function of the C library behind ours, looked up once.
struct Real {
    name: &'static CStr,
    address: AtomicPtr<c_void>,
}

impl Real {
    const fn new(name: &'static CStr) -> Real {
        Real { name, address: AtomicPtr::new(core::ptr::null_mut()) }
    }

    fn get(&self) -> *mut c_void {
        let known = self.address.load(Ordering::Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string; RTLD_NEXT is what follows this very object.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        if found.is_null() {
            sys::write_stderr(b"julienne: no dlopen behind the preloaded shim: it works with glibc only\n");
            sys::exit(127);
        }
        self.address.store(found, Ordering::Relaxed);
        found
    }
}

static DLOPEN: Real = Real::new(c"dlopen");
static DLMOPEN: Real = Real::new(c"dlmopen");
static DLERROR: Real = Real::new(c"dlerror");

/// Whether the constructor of this object is at work.
pub fn is_starting() -> bool {
    STARTING.load(Ordering::Relaxed)
}

/// Fills what was loaded with the program; ends the process when something of it cannot run.
pub fn fill_at_start(arguments: Option<Arguments>) {
    search::read_settings(arguments);
    STARTING.store(true, Ordering::Relaxed);
    // The dynamic linker itself is at work, in the only thread there is.
    let refused = fill_new(None, arguments);
    STARTING.store(false, Ordering::Relaxed);
    if let Some(first) = refused.first() {
        sys::write_stderr(message_of(&first.refused).end());
        sys::exit(127);
    }
}

/// An object that cannot run here.
struct RefusedObject {
    bias: usize,
    refused: Refused,
}

/// Fills all that is not filled yet. Nobody may load or unload objects meanwhile.
fn fill_new(namespace: Option<*mut c_void>, arguments: Option<Arguments>) -> Vec<RefusedObject> {
    let process = process();
    let context = Context { process, settings: init::settings(process, arguments), arguments };
    let mut refused = Vec::new();
    let newest = each_of(namespace, &mut |object| {
        if let Err(found) = fill(&object, &context) {
            refused.push(RefusedObject { bias: object.bias(), refused: found });
        }
    });
    if let Some(newest) = newest {
        // Not earlier: other threads take it that these are filled.
        SEEN.store(newest, Ordering::Release);
    }
    refused
}

/// Calls `visit` for each object of the namespace that a handle of dlmopen stands for, or else of the program's; of
/// that one also how many objects were ever loaded. Nobody may load or unload objects meanwhile.
fn each_of(namespace: Option<*mut c_void>, visit: &mut dyn FnMut(Object)) -> Option<u64> {
    if let Some(handle) = namespace {
        // SAFETY: `handle` was opened by this thread just now and not handed out yet; nothing is unloaded
        // meanwhile, as our caller sees to.
        unsafe { each_in_namespace(handle, visit) };
        return None;
    }
    let mut newest = None;
    each(&mut |object, adds| {
        newest = Some(adds);
        visit(object);
        true
    });
    newest
}

/// As [`fill_new`], once the program runs: other threads load and unload as they like. Gives the first refusal among what
/// `handle` brought or needs: what else cannot run here is being loaded by another thread, which is told of it.
fn fill_locked(handle: *mut c_void, namespace: Option<*mut c_void>) -> Option<Refused> {
    let mut own = None;
    linker_lock::hold(|| {
        let refused = fill_new(namespace, None);
        if refused.is_empty() {
            return;
        }
        let mut members = Vec::new();
        each_of(namespace, &mut |object| {
            let dynamic = object.dynamic().unwrap_or_default();
            members.push(Member { bias: object.bias(), path: object.name().to_bytes().to_vec(), dynamic });
        });
        // SAFETY: `handle` was opened by this thread just now and not handed out yet.
        let first = unsafe { objects::bias_of(handle) };
        let needed = first.map(|first| closure::of(first, &members)).unwrap_or_default();
        let own_refused = refused.into_iter().filter(|found| needed.contains(&found.bias));
        // Rather the cause than what follows from it.
        own = own_refused.map(|found| found.refused).min_by_key(Refused::follows_from_another);
    });
    own
}

fn message_of(refused: &Refused) -> Line {
    let specs = refused.specs.as_deref().and_then(|bytes| Specs::parse_head(bytes).ok());
    let path = maps::path_of(refused.address);
    let mut line = Line::EMPTY;
    let subject = Subject { specs: specs.as_ref(), dependency: refused.dependency.as_deref() };
    message::refused(&mut line, path.as_slice(), subject, refused.refusal, &init::variables());
    line
}

/// Whether objects were loaded since we last looked, and some object is an image: without any there is
/// nothing to wait for other threads' loads for.
fn has_news() -> bool {
    let seen = SEEN.load(Ordering::Acquire);
    let (mut now, mut has_images) = (seen, false);
    each(&mut |object, adds| {
        now = adds;
        has_images = now != seen && object.notes().next().is_some();
        now != seen && !has_images
    });
    has_images
}

/// How the real function is to be called.
#[repr(C)]
pub struct Plan {
    /// A return instruction in the caller's object; 0: jump to the real function, which then returns to the caller.
    pub landing: usize,
    /// The real function, or [`nothing`].
    pub real: usize,
}

/// Before dlopen, called by a caller that goes on at `return_address`.
///
/// # Safety
/// `file` is null or a C string, as dlopen's caller must see to.
pub unsafe extern "C" fn before_dlopen(
    file: *const c_char,
    mode: c_int,
    _none: usize,
    return_address: usize,
) -> Plan {
    // SAFETY: by the contract of this function.
    let name = unsafe { name_of(file, mode) };
    before(name, true, return_address, &DLOPEN)
}

/// As [`before_dlopen`].
///
/// # Safety
/// As [`before_dlopen`].
pub unsafe extern "C" fn before_dlmopen(
    namespace: i64,
    file: *const c_char,
    mode: c_int,
    return_address: usize,
) -> Plan {
    const LM_ID_BASE: i64 = 0;
    // SAFETY: by the contract of this function.
    let name = unsafe { name_of(file, mode) };
    before(name, namespace == LM_ID_BASE, return_address, &DLMOPEN)
}

/// What is to be loaded; empty when nothing is.
///
/// # Safety
/// `file` is null or a C string that outlives what is returned.
unsafe fn name_of<'a>(file: *const c_char, mode: c_int) -> &'a [u8] {
    if file.is_null() || mode & libc::RTLD_NOLOAD != 0 {
        return b"";
    }
    // SAFETY: not null, and a C string by the contract of this function.
    unsafe { CStr::from_ptr(file) }.to_bytes()
}

/// What is called in place of dlopen when the load is refused before it began.
extern "C" fn nothing() -> *mut c_void {
    core::ptr::null_mut()
}

fn before(name: &[u8], into_base: bool, return_address: usize, real: &Real) -> Plan {
    errors::clear();
    if !name.is_empty() {
        let process = process();
        let context = Context { process, settings: init::settings(process, None), arguments: None };
        let request = precheck::Request { name, into_base, caller: return_address };
        if let Some(message) = precheck::refusal(&request, &context) {
            errors::set(message.as_slice().to_vec());
            return Plan { landing: 0, real: nothing as *const () as usize };
        }
    }
    let real = real.get() as usize;
    if interpose_arch::has_shadow_stack() {
        // A return address that no call put there would end the process. What the call brings is filled
        // when we come by next.
        catch_up();
        return Plan { landing: 0, real };
    }
    Plan { landing: landing(return_address).unwrap_or(0), real }
}

/// After dlopen returned `handle`; the handle that the caller gets.
pub extern "C" fn after_dlopen(handle: *mut c_void) -> *mut c_void {
    if handle.is_null() || !has_news() { handle } else { after(handle, None) }
}

/// As [`after_dlopen`]; the namespace may be a new one.
pub extern "C" fn after_dlmopen(handle: *mut c_void) -> *mut c_void {
    if handle.is_null() { handle } else { after(handle, Some(handle)) }
}

fn after(handle: *mut c_void, namespace: Option<*mut c_void>) -> *mut c_void {
    let Some(refused) = fill_locked(handle, namespace) else { return handle };
    let line = message_of(&refused);
    // SAFETY: the handle is open and nobody else has it yet.
    unsafe { libc::dlclose(handle) };
    errors::set(line.as_slice().to_vec());
    core::ptr::null_mut()
}

/// Fills what came without our noticing. Nobody can be told of a refusal but the user.
fn catch_up() {
    if !has_news() {
        return;
    }
    linker_lock::hold(|| {
        if let Some(first) = fill_new(None, None).first() {
            sys::write_stderr(message_of(&first.refused).end());
        }
    });
}

/// A return instruction in the object that `address` lies in. Code that belongs to no object (made at run time) counts
/// as the program's, as glibc has it.
fn landing(address: usize) -> Option<usize> {
    let (mut found, mut in_program, mut first) = (None, None, true);
    each(&mut |object: objects::Object, _| {
        let is_callers = object.holds_code(address);
        if is_callers || first {
            let here = object.code().find_map(|(start, code)| interpose_arch::find_return(start, code));
            if is_callers {
                found = Some(here);
            }
            if first {
                in_program = here;
            }
        }
        first = false;
        !is_callers
    });
    found.unwrap_or(in_program)
}

/// Our message if there is one, else the C library's.
///
/// # Safety
/// None beyond dlerror's: the result is valid until this thread's next call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn dlerror() -> *mut c_char {
    if let Some(message) = errors::take() {
        return message;
    }
    // SAFETY: the address is dlerror's, which has this type.
    let real = unsafe { core::mem::transmute::<*mut c_void, extern "C" fn() -> *mut c_char>(DLERROR.get()) };
    real()
}

const _: () = assert!(size_of::<c_int>() == 4);
