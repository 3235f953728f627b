//! The objects of the process as the dynamic linker tells of them, and bounded access to their memory.

use core::ffi::{c_int, c_void};
use core::ops::Range;
use core::slice;
use image_format::layout::{NOTE_NAME_PADDED, NOTE_TYPE_IMAGE, NOTE_TYPE_SHARD};
use image_format::pod::read_at;

/// A loaded object; valid as long as the object stays loaded.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    bias: usize,
    headers: &'a [libc::Elf64_Phdr],
}

/// One of our notes in memory.
pub struct Note<'a> {
    pub address: usize,
    pub kind: u32,
    pub bytes: &'a [u8],
}

impl<'a> Object<'a> {
    /// # Safety
    /// `headers` are the program headers of an object that is mapped with this load bias, relocated, and
    /// stays loaded as long as what is returned is used.
    pub unsafe fn new(bias: usize, headers: &'a [libc::Elf64_Phdr]) -> Object<'a> {
        Object { bias, headers }
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
        self.tail(address)?.get(..size)
    }

    /// The bytes from `address` to the end of its readable segment.
    pub fn tail(&self, address: usize) -> Option<&'a [u8]> {
        let segment = self.ranges(libc::PT_LOAD, libc::PF_R).find(|range| range.contains(&address))?;
        // SAFETY: the range is part of a segment that is mapped for reading (by the contract of `new`), and
        // what we read there (notes, records, target lists, code) nobody writes to.
        Some(unsafe { slice::from_raw_parts(address as *const u8, segment.end - address) })
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
            notes_in(bytes, start, if h.p_align == 8 { 8 } else { 4 })
        })
    }
}

fn notes_in(bytes: &[u8], address: usize, alignment: usize) -> impl Iterator<Item = Note<'_>> {
    let mut at = 0_usize;
    core::iter::from_fn(move || {
        loop {
            let start = at;
            let word = |offset| read_at::<i32>(bytes, start + offset).map(|word| word as u32);
            let (name, description, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
            let end = (start + 12).checked_add(name)?.checked_next_multiple_of(alignment)?;
            let end = end.checked_add(description)?;
            let note = bytes.get(start..end)?;
            at = end.checked_next_multiple_of(alignment)?;
            let ours = note.get(12..24) == Some(&NOTE_NAME_PADDED) && name == 9;
            if ours && (kind == NOTE_TYPE_IMAGE || kind == NOTE_TYPE_SHARD) {
                return Some(Note { address: address + start, kind, bytes: note });
            }
        }
    })
}

/// Calls `visit` for each object of this namespace until it says false. `visit` also gets the number of
/// objects that were ever loaded. The dynamic linker's lock is held meanwhile.
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
        (Object::new(info.dlpi_addr as usize, headers), info.dlpi_adds)
    };
    c_int::from(!visit(object, adds))
}

/// Calls `visit` for each object in the namespace of `handle`, which dlmopen gave.
///
/// # Safety
/// `handle` is open, and nobody unloads objects of its namespace meanwhile.
pub unsafe fn each_in_namespace(handle: *mut c_void, visit: &mut dyn FnMut(Object)) {
    #[repr(C)]
    struct LinkMap {
        bias: usize,
        name: *const libc::c_char,
        dynamic: *const c_void,
        next: *const LinkMap,
        previous: *const LinkMap,
    }
    const RTLD_DI_LINKMAP: c_int = 2;
    let mut map: *const LinkMap = core::ptr::null();
    // SAFETY: the handle is open; the answer is written to `map`. The list and its objects are the dynamic
    // linker's and stay as they are (the caller's part). The first page of an object that has its ELF
    // header in memory, as all shared objects have, holds the program headers where the header says.
    unsafe {
        if libc::dlinfo(handle, RTLD_DI_LINKMAP, (&raw mut map).cast()) != 0 {
            return;
        }
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
                    visit(Object::new((*map).bias, headers));
                }
            }
            map = (*map).next;
        }
    }
}
