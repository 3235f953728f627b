//! The objects of the process as the dynamic linker tells of them, and bounded access to their memory.

use crate::dynamic::Dynamic;
use core::ffi::{CStr, c_int, c_void};
use core::ops::Range;
use core::slice;
use image_format::layout::{NOTE_NAME, NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD};

/// A loaded object; valid as long as the object stays loaded.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    bias: usize,
    headers: &'a [libc::Elf64_Phdr],
    name: &'a CStr,
}

/// One of our notes in memory.
pub struct Note<'a> {
    pub address: usize,
    pub kind: u32,
    pub bytes: &'a [u8],
}

impl<'a> Object<'a> {
    /// # Safety
    /// `headers` are the program headers of an object that is mapped with this load bias and
    /// stays loaded, as does `name`, as long as what is returned is used.
    pub unsafe fn new(bias: usize, headers: &'a [libc::Elf64_Phdr], name: &'a CStr) -> Object<'a> {
        Object { bias, headers, name }
    }

    /// By which an object of a process is told from the others of its namespace.
    pub fn bias(&self) -> usize {
        self.bias
    }

    /// The path that it was loaded by; empty for the program.
    pub fn name(&self) -> &'a CStr {
        self.name
    }

    /// Where its dynamic section is.
    pub fn dynamic_address(&self) -> Option<usize> {
        self.ranges(libc::PT_DYNAMIC, 0).next().map(|section| section.start)
    }

    pub fn dynamic(&self) -> Option<Dynamic> {
        let section = self.ranges(libc::PT_DYNAMIC, 0).next()?;
        // The dynamic linker turns the string table's address into one in memory, but not for all objects.
        let string = |table: u64, offset: u64| {
            let places = [table, table.wrapping_add(self.bias as u64)];
            let string =
                |place: u64| self.tail(place.wrapping_add(offset) as usize)?.split(|b| *b == 0).next();
            Some(places.into_iter().find_map(string)?.to_vec())
        };
        Dynamic::parse(self.bytes(section.start, section.len())?, string)
    }

    fn ranges(&self, kind: u32, flags: u32) -> impl Iterator<Item = Range<usize>> + '_ {
        let of_kind = self.headers.iter().filter(move |h| h.p_type == kind && h.p_flags & flags == flags);
        of_kind.map(|h| {
            let start = self.bias.wrapping_add(h.p_vaddr as usize);
            start..start.saturating_add(h.p_memsz as usize)
        })
    }

    /// `size` bytes at `address`; `None` when no readable segment holds them all.
    pub fn bytes(&self, address: usize, size: usize) -> Option<&'a [u8]> {
        if size > self.rest(address)? {
            return None;
        }
        // SAFETY: the range is part of a segment that is mapped for reading (by the contract of `new`), and
        // what we read there (notes, records, target lists, code, names, dynamic sections) nobody writes to
        // once the object is in the dynamic linker's list: relocations are elsewhere.
        Some(unsafe { slice::from_raw_parts(address as *const u8, size) })
    }

    /// The bytes from `address`, which is in read-only data, to the end of its segment.
    pub fn tail(&self, address: usize) -> Option<&'a [u8]> {
        self.bytes(address, self.rest(address)?)
    }

    /// How many bytes follow in the readable segment of `address`.
    fn rest(&self, address: usize) -> Option<usize> {
        let segment = self.ranges(libc::PT_LOAD, libc::PF_R).find(|range| range.contains(&address))?;
        Some(segment.end - address)
    }

    /// Where code may stand.
    pub fn code_ranges(&self) -> Vec<Range<usize>> {
        self.ranges(libc::PT_LOAD, libc::PF_X).collect()
    }

    /// Where slots may stand: writable segments, sealed by RELRO or not.
    pub fn data_ranges(&self) -> Vec<Range<usize>> {
        self.ranges(libc::PT_LOAD, libc::PF_W).collect()
    }

    pub fn holds_code(&self, address: usize) -> bool {
        self.ranges(libc::PT_LOAD, libc::PF_X).any(|range| range.contains(&address))
    }

    /// The parts that the dynamic linker made read-only after relocation.
    pub fn relro(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.ranges(libc::PT_GNU_RELRO, 0)
    }

    /// Code segments that can be read, as bytes with their address.
    pub fn code(&self) -> impl Iterator<Item = (usize, &'a [u8])> + '_ {
        let readable = self.ranges(libc::PT_LOAD, libc::PF_X | libc::PF_R);
        readable.filter_map(|range| Some((range.start, self.tail(range.start)?)))
    }

    /// Notes with our name.
    pub fn notes(&self) -> impl Iterator<Item = Note<'a>> + '_ {
        let notes = self.headers.iter().filter(|h| h.p_type == libc::PT_NOTE);
        notes.flat_map(move |h| {
            let start = self.bias.wrapping_add(h.p_vaddr as usize);
            let bytes = self.bytes(start, h.p_memsz as usize).unwrap_or(&[]);
            notes_in(bytes, start, h.p_align)
        })
    }
}

/// Our notes among those at `address`.
pub fn notes_in(bytes: &[u8], address: usize, alignment: u64) -> impl Iterator<Item = Note<'_>> {
    image_format::notes::notes(bytes, alignment).filter_map(move |note| {
        let is_ours = note.name == NOTE_NAME && matches!(note.kind, NOTE_TYPE_IMAGE | NOTE_TYPE_SHARD);
        let whole = bytes.get(note.offset..note.end()).filter(|_| is_ours)?;
        Some(Note { address: address + note.offset, kind: note.kind, bytes: whole })
    })
}

/// Calls `visit` for each object of this namespace until it says false. `visit` also gets the number of
/// objects that were ever loaded. None is unmapped meanwhile, but another thread may be relocating one, or run its
/// constructors, unless the caller holds the dynamic linker's lock ([`crate::linker_lock`]).
pub fn each(visit: &mut dyn FnMut(Object, u64) -> bool) {
    let mut visit = visit;
    let data = (&raw mut visit).cast::<c_void>();
    // SAFETY: `call` gets `data` back, which is valid during this call.
    unsafe { libc::dl_iterate_phdr(Some(call), data) };
}

unsafe extern "C" fn call(info: *mut libc::dl_phdr_info, _size: usize, data: *mut c_void) -> c_int {
    // SAFETY: `data` is what `each` passed: a `&mut dyn FnMut` in its frame.
    let visit = unsafe { &mut *data.cast::<&mut dyn FnMut(Object, u64) -> bool>() };
    // SAFETY: the dynamic linker passes a valid description of an object that is mapped and, while its
    // lock is held, stays so; `dlpi_adds` is there since glibc 2.4.
    let (object, adds) = unsafe {
        let info = &*info;
        if info.dlpi_phdr.is_null() {
            return 0;
        }
        let headers = slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum));
        let name = if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) };
        (Object::new(info.dlpi_addr as usize, headers, name), info.dlpi_adds)
    };
    c_int::from(!visit(object, adds))
}

/// glibc's `struct link_map`, as far as it is public.
#[repr(C)]
struct LinkMap {
    bias: usize,
    name: *const libc::c_char,
    dynamic: *const c_void,
    next: *const LinkMap,
    previous: *const LinkMap,
}

/// The dynamic linker's entry for the object that `handle` stands for; null when there is none.
///
/// # Safety
/// `handle` is open.
unsafe fn link_map(handle: *mut c_void) -> *const LinkMap {
    const RTLD_DI_LINKMAP: c_int = 2;
    let mut map: *const LinkMap = core::ptr::null();
    // SAFETY: the handle is open; the answer, a pointer, is written to `map`.
    let status = unsafe { libc::dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) };
    if status == 0 { map } else { core::ptr::null() }
}

/// [`Object::bias`] of the object that `handle` stands for.
///
/// # Safety
/// `handle` is open, and is not closed meanwhile.
pub unsafe fn bias_of(handle: *mut c_void) -> Option<usize> {
    // SAFETY: by the contract of this function; an entry stays while its handle is open.
    unsafe { link_map(handle).as_ref().map(|map| map.bias) }
}

/// Calls `visit` for each object in the namespace of `handle`, which dlmopen gave.
///
/// # Safety
/// `handle` is open, and nobody unloads objects of its namespace meanwhile.
pub unsafe fn each_in_namespace(handle: *mut c_void, visit: &mut dyn FnMut(Object)) {
    // SAFETY: the handle is open. The list and its objects are the dynamic linker's and stay as they are
    // (the caller's part). The first page of an object that has its ELF header in memory, as all shared
    // objects have, holds the program headers where the header says.
    unsafe {
        let mut map = link_map(handle);
        while !map.is_null() && !(*map).previous.is_null() {
            map = (*map).previous;
        }
        while !map.is_null() {
            let mut info: libc::Dl_info = core::mem::zeroed();
            if libc::dladdr((*map).dynamic, &raw mut info) != 0 && !info.dli_fbase.is_null() {
                let header = info.dli_fbase.cast::<libc::Elf64_Ehdr>().cast_const();
                if (*header).e_ident.starts_with(b"\x7fELF")
                    && usize::from((*header).e_phentsize) == size_of::<libc::Elf64_Phdr>()
                {
                    let first = info.dli_fbase.cast_const().byte_add((*header).e_phoff as usize);
                    let headers = slice::from_raw_parts(first.cast(), usize::from((*header).e_phnum));
                    let name = if (*map).name.is_null() { c"" } else { CStr::from_ptr((*map).name) };
                    visit(Object::new((*map).bias, headers, name));
                }
            }
            map = (*map).next;
        }
    }
}
