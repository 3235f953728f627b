//! How this process was started, from what the kernel and the dynamic linker left in memory: is an
//! object part of start-up?
//!
//! The structures are the System V ABI's (`r_debug`, `link_map`, dynamic sections), the same in glibc and
//! musl. Asked when an image must be refused, and by images with dependencies.

use crate::arguments::Arguments;
use crate::environ::auxiliary;
use crate::sys;
use core::ffi::{CStr, c_char};

const AT_PHDR: usize = 3;
const AT_PHENT: usize = 4;
const AT_PHNUM: usize = 5;
pub(crate) const PT_LOAD: u32 = 1;
pub(crate) const PT_DYNAMIC: u32 = 2;
const PT_PHDR: u32 = 6;
pub(crate) const PT_GNU_RELRO: u32 = 0x6474_e552;
pub(crate) const DT_NEEDED: usize = 1;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_SONAME: usize = 14;
const DT_DEBUG: usize = 21;

#[repr(C)]
pub struct ProgramHeader {
    pub kind: u32,
    pub flags: u32,
    pub offset: u64,
    pub address: usize,
    pub physical: usize,
    pub file_size: usize,
    pub memory_size: usize,
    pub alignment: usize,
}

/// An entry of a dynamic section.
#[repr(C)]
pub(crate) struct Dynamic {
    tag: usize,
    value: usize,
}

#[repr(C)]
pub(crate) struct RDebug {
    version: i32,
    pub map: *const LinkMap,
    breakpoint: usize,
    state: i32,
    linker: usize,
    /// Of the next namespace; there since version 2 (glibc 2.35).
    next: *const RDebug,
}

impl RDebug {
    /// That of the next namespace, or null.
    pub(crate) fn next(&self) -> *const RDebug {
        if self.version >= 2 { self.next } else { core::ptr::null() }
    }
}

#[repr(C)]
pub(crate) struct LinkMap {
    pub bias: usize,
    pub name: *const c_char,
    pub dynamic: *const Dynamic,
    pub next: *const LinkMap,
    previous: *const LinkMap,
}

/// Whether the object with its dynamic section at `dynamic` was loaded with the program, not by dlopen.
/// Where that cannot be found out the answer is yes: a refused image then ends the process, and nothing
/// runs that must not.
///
/// The list of the dynamic linker is in the order of loading: the program, what is preloaded, then what
/// DT_NEEDED asks for, breadth first; dlopen appends. So all up to the last object that start-up needs is
/// part of start-up.
///
/// # Safety
/// `dynamic` is the `_DYNAMIC` of a loaded object or null, and no other thread loads or unloads now (as in
/// a constructor, which runs under the dynamic linker's lock).
pub unsafe fn is_part_of_startup(dynamic: *const u8, arguments: Option<Arguments>) -> bool {
    // SAFETY: as the caller says; the list is the dynamic linker's own and complete while its lock is held.
    unsafe { first_map(arguments).is_none_or(|first| stands_in_startup_prefix(first, dynamic.cast())) }
}

/// # Safety
/// As [`is_part_of_startup`]; `first` heads a valid list.
unsafe fn stands_in_startup_prefix(first: *const LinkMap, dynamic: *const Dynamic) -> bool {
    let mut last = 0;
    let mut map = first;
    let mut index = 0;
    // SAFETY: every `map` comes out of the dynamic linker's list, whose objects are mapped with their
    // dynamic sections and string tables.
    unsafe {
        while !map.is_null() && index <= last {
            if (*map).dynamic == dynamic {
                return true;
            }
            for needed in Strings::of(map, DT_NEEDED) {
                if let Some(found) = position(first, needed) {
                    last = found.max(last);
                }
            }
            map = (*map).next;
            index += 1;
        }
    }
    false
}

/// Index in the list of the object that `needed` (a DT_NEEDED entry) names.
///
/// # Safety
/// `first` heads a valid list.
unsafe fn position(first: *const LinkMap, needed: &[u8]) -> Option<usize> {
    let mut map = first;
    let mut index = 0;
    // SAFETY: as in `stands_in_startup_prefix`; names are C strings.
    unsafe {
        while !map.is_null() {
            let name = if (*map).name.is_null() { b"" } else { CStr::from_ptr((*map).name).to_bytes() };
            if name == needed || base_name(name) == needed || Strings::of(map, DT_SONAME).any(|s| s == needed)
            {
                return Some(index);
            }
            map = (*map).next;
            index += 1;
        }
    }
    None
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Where a table is that a dynamic section tells the address of: glibc adds the load bias in place where the section is writable, musl
/// never does.
fn in_memory(address: usize, bias: usize) -> usize {
    if address < bias { address.wrapping_add(bias) } else { address }
}

/// Where an object's dynamic symbols are.
///
/// # Safety
/// `map` is in the dynamic linker's list.
pub(crate) unsafe fn symbols(map: *const LinkMap) -> Option<usize> {
    // SAFETY: as in `Strings`.
    unsafe {
        let (bias, table) = ((*map).bias, value_of((*map).dynamic, DT_SYMTAB)?);
        Some(in_memory(table, bias))
    }
}

/// What an object calls itself: as [`Strings`], in one walk, for it may be asked of all objects.
///
/// # Safety
/// `map` is in the dynamic linker's list.
pub(crate) unsafe fn soname<'a>(map: *const LinkMap) -> Option<&'a CStr> {
    let (mut table, mut name) = (None, None);
    // SAFETY: as in `Strings`.
    unsafe {
        let (bias, mut entry) = ((*map).bias, (*map).dynamic);
        while (*entry).tag != 0 && (table.is_none() || name.is_none()) {
            match (*entry).tag {
                DT_STRTAB => table = Some((*entry).value),
                DT_SONAME => name = Some((*entry).value),
                _ => {}
            }
            entry = entry.add(1);
        }
        Some(CStr::from_ptr(in_memory(table?, bias).wrapping_add(name?) as *const c_char))
    }
}

/// The strings that a dynamic section gives under a tag.
pub(crate) struct Strings {
    entry: *const Dynamic,
    table: usize,
    tag: usize,
}

impl Strings {
    /// # Safety
    /// `map` is in the dynamic linker's list.
    pub(crate) unsafe fn of(map: *const LinkMap, tag: usize) -> Strings {
        // SAFETY: the object is mapped, and its dynamic section ends with a zero tag.
        unsafe {
            let (bias, dynamic) = ((*map).bias, (*map).dynamic);
            let table = value_of(dynamic, DT_STRTAB).unwrap_or(0);
            let table = if table == 0 { 0 } else { in_memory(table, bias) };
            Strings { entry: if table == 0 { core::ptr::null() } else { dynamic }, table, tag }
        }
    }
}

impl Iterator for Strings {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.entry.is_null() {
            return None;
        }
        // SAFETY: `entry` walks a mapped dynamic section up to its zero tag and no further; values of the
        // string tags are offsets into its string table. The objects stay loaded during the question.
        unsafe {
            while (*self.entry).tag != 0 {
                let entry = self.entry;
                self.entry = entry.add(1);
                if (*entry).tag == self.tag {
                    let string = self.table.wrapping_add((*entry).value) as *const c_char;
                    return Some(CStr::from_ptr(string).to_bytes());
                }
            }
        }
        None
    }
}

/// # Safety
/// `dynamic` is null or a mapped dynamic section.
unsafe fn value_of(mut dynamic: *const Dynamic, tag: usize) -> Option<usize> {
    if dynamic.is_null() {
        return None;
    }
    // SAFETY: the walk ends at the zero tag that every dynamic section has.
    unsafe {
        while (*dynamic).tag != 0 {
            if (*dynamic).tag == tag {
                return Some((*dynamic).value);
            }
            dynamic = dynamic.add(1);
        }
    }
    None
}

/// Head of the dynamic linker's list of objects; `None` in a static program or without `/proc`.
///
/// # Safety
/// As [`is_part_of_startup`].
unsafe fn first_map(arguments: Option<Arguments>) -> Option<*const LinkMap> {
    // SAFETY: the dynamic linker's own structure.
    unsafe { linker_debug(arguments).map(|debug| (*debug).map).filter(|map| !map.is_null()) }
}

/// What the dynamic linker tells debuggers of its first namespace; as [`first_map`].
///
/// # Safety
/// As [`is_part_of_startup`].
pub(crate) unsafe fn linker_debug(arguments: Option<Arguments>) -> Option<*const RDebug> {
    let [headers, size, count] = program_headers(arguments)?;
    if size != size_of::<ProgramHeader>() {
        return None;
    }
    let headers = headers as *const ProgramHeader;
    let (mut bias, mut dynamic) = (0, None);
    for i in 0..count {
        // SAFETY: AT_PHDR and AT_PHNUM are the kernel's: that many headers of the program are mapped there.
        let header = unsafe { &*headers.add(i) };
        match header.kind {
            PT_PHDR => bias = (headers as usize).wrapping_sub(header.address),
            PT_DYNAMIC => dynamic = Some(header.address),
            _ => {}
        }
    }
    let dynamic = bias.wrapping_add(dynamic?) as *const Dynamic;
    // SAFETY: the program's own dynamic section; the dynamic linker puts the address of its r_debug, or
    // nothing, under DT_DEBUG.
    unsafe {
        let debug = value_of(dynamic, DT_DEBUG)? as *const RDebug;
        (!debug.is_null()).then_some(debug)
    }
}

/// The end of the RELRO part of the object whose ELF header is at `header`; `None` where there is none, and
/// for null, which the linker gives for a header that it did not put into memory.
///
/// # Safety
/// `header` is null or the `__ehdr_start` of a loaded 64-bit object.
pub unsafe fn relro_end(header: *const u8) -> Option<usize> {
    if header.is_null() {
        return None;
    }
    // SAFETY: linkers map the program headers with the ELF header; the fields e_phoff, e_phentsize and e_phnum
    // are where the ELF specification has them.
    unsafe {
        let offset = header.add(32).cast::<usize>().read();
        let size = usize::from(header.add(54).cast::<u16>().read());
        let count = usize::from(header.add(56).cast::<u16>().read());
        if size != size_of::<ProgramHeader>() {
            return None;
        }
        let headers = header.add(offset).cast::<ProgramHeader>();
        let (mut bias, mut end) = (None, None);
        for i in 0..count {
            let segment = &*headers.add(i);
            match segment.kind {
                PT_LOAD if segment.offset == 0 => {
                    bias = Some((header as usize).wrapping_sub(segment.address))
                }
                PT_GNU_RELRO => end = Some(segment.address + segment.memory_size),
                _ => {}
            }
        }
        Some(bias?.wrapping_add(end?))
    }
}

/// AT_PHDR, AT_PHENT and AT_PHNUM. The vector on the stack goes before the kernel's copy: a dynamic linker
/// that was started as a program puts the real program there.
fn program_headers(arguments: Option<Arguments>) -> Option<[usize; 3]> {
    let tags = [AT_PHDR, AT_PHENT, AT_PHNUM];
    let mut values = [0; 3];
    let mut buffer = [0; 1024];
    let copy = if arguments.is_some() { &[][..] } else { sys::read_auxiliary(&mut buffer) };
    for (value, tag) in values.iter_mut().zip(tags) {
        *value = arguments.map_or_else(|| auxiliary(copy, tag), |vectors| vectors.value(tag))?;
    }
    Some(values)
}
