//! Symbols that the dynamic linker and the C library export, by their own hash tables: no symbol of ours
//! is undefined.

#[cfg(target_arch = "x86_64")]
use crate::start::{LinkMap, RDebug};
use core::ffi::{CStr, c_char};

const PT_DYNAMIC: u32 = 2;
const DT_STRTAB: usize = 5;
const DT_SYMTAB: usize = 6;
const DT_GNU_HASH: usize = 0x6fff_fef5;
/// A symbol whose value is a resolver, not the function.
const STT_GNU_IFUNC: u8 = 10;

#[repr(C)]
struct Symbol {
    name: u32,
    info: u8,
    other: u8,
    section: u16,
    value: usize,
    size: usize,
}

/// The address of the function `name` in the dynamic linker at `base` or in glibc's `libc.so.6`.
///
/// # Safety
/// The dynamic linker is mapped at `base`, and no other thread loads or unloads now (as in a constructor,
/// which runs under the dynamic linker's lock).
#[cfg(target_arch = "x86_64")]
pub unsafe fn find(base: usize, name: &CStr) -> Option<usize> {
    // SAFETY: as the caller says. `_r_debug` is the dynamic linker's list of objects; shared objects have
    // their ELF header at their load bias.
    unsafe {
        if let Some(found) = find_in(base, name) {
            return Some(found);
        }
        let debug = find_in(base, c"_r_debug")? as *const RDebug;
        let mut map: *const LinkMap = (*debug).map;
        while !map.is_null() {
            let path = if (*map).name.is_null() { c"" } else { CStr::from_ptr((*map).name) };
            if path.to_bytes().ends_with(b"/libc.so.6") {
                return find_in((*map).bias, name);
            }
            map = (*map).next;
        }
    }
    None
}

/// The address of the symbol `name` in the object whose ELF header is mapped at `base`.
///
/// # Safety
/// A 64-bit shared object is mapped at `base` as a whole, its first segment at its address 0.
pub unsafe fn find_in(base: usize, name: &CStr) -> Option<usize> {
    let at = |offset: usize| base.wrapping_add(offset);
    // SAFETY: the ELF header, the program headers, the dynamic section and the tables it leads to are all
    // mapped; fields are where the ELF specification says, the hash table as the GNU linkers lay it out
    // (header of four words, Bloom filter, buckets, chains that end at an odd value).
    unsafe {
        if (at(0) as *const [u8; 4]).read() != *b"\x7fELF" {
            return None;
        }
        let headers = at((at(32) as *const usize).read());
        let size = usize::from((at(54) as *const u16).read());
        let count = usize::from((at(56) as *const u16).read());
        let dynamic = (0..count).map(|i| headers.wrapping_add(i * size)).find_map(|header| {
            let is_dynamic = (header as *const u32).read() == PT_DYNAMIC;
            is_dynamic.then(|| at((header.wrapping_add(16) as *const usize).read()))
        })?;
        let (mut strings, mut symbols, mut hashes) = (0, 0, 0);
        let mut entry = dynamic as *const [usize; 2];
        loop {
            let [tag, value] = entry.read();
            // The dynamic linker may have added its load bias in place.
            let address = if value < base { at(value) } else { value };
            match tag {
                0 => break,
                DT_STRTAB => strings = address,
                DT_SYMTAB => symbols = address,
                DT_GNU_HASH => hashes = address,
                _ => {}
            }
            entry = entry.add(1);
        }
        if strings == 0 || symbols == 0 || hashes == 0 {
            return None;
        }
        let [buckets, first, bloom, _] = (hashes as *const [u32; 4]).read();
        if buckets == 0 {
            return None;
        }
        let bucket_list = hashes + 16 + bloom as usize * size_of::<usize>();
        let chains = bucket_list + buckets as usize * 4;
        let wanted = hash(name.to_bytes());
        let mut index = ((bucket_list as *const u32).add((wanted % buckets) as usize)).read();
        if index < first {
            return None;
        }
        loop {
            let found = (chains as *const u32).add((index - first) as usize).read();
            if found | 1 == wanted | 1 {
                let symbol = &*(symbols as *const Symbol).add(index as usize);
                let its_name = CStr::from_ptr((strings + symbol.name as usize) as *const c_char);
                if its_name == name && symbol.section != 0 && symbol.info & 15 != STT_GNU_IFUNC {
                    return Some(at(symbol.value));
                }
            }
            if found & 1 == 1 {
                return None;
            }
            index += 1;
        }
    }
}

/// The hash function of DT_GNU_HASH.
fn hash(name: &[u8]) -> u32 {
    name.iter().fold(5381, |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(*byte)))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_published_hash() {
        assert_eq!(super::hash(b""), 0x1505);
        assert_eq!(super::hash(b"printf"), 0x156b_2bb8);
    }
}
