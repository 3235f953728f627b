//! Which file the dynamic linker would take for a name: ld.so(8). Folders for CPU levels (`glibc-hwcaps`) are not looked into,
//! and the RPATH of a loader's loader does not count.

use crate::elf::ElfFile;
use image_format::cpu::Arch;
use image_format::pod::read_at;
use std::path::{Path, PathBuf};

const DT_RPATH: u64 = 15;
const DT_RUNPATH: u64 = 29;

pub struct Search {
    machine: u16,
    /// LD_LIBRARY_PATH.
    library_path: String,
    /// `/etc/ld.so.cache`.
    cache: Vec<u8>,
}

pub enum Searched {
    Found(PathBuf),
    /// And where it was looked for.
    Nowhere(Vec<PathBuf>),
}

impl Search {
    pub fn new(machine: u16) -> Search {
        Search {
            machine,
            library_path: std::env::var("LD_LIBRARY_PATH").unwrap_or_default(),
            // Without one its folders are not searched.
            cache: std::fs::read("/etc/ld.so.cache").unwrap_or_default(),
        }
    }

    /// The file that `asker` gets for `name`.
    pub fn find(&self, name: &str, asker: &ElfFile) -> Searched {
        let path = std::path::absolute(&asker.path).unwrap_or_else(|_| asker.path.clone());
        let origin = path.parent().unwrap_or(Path::new("/"));
        let (rpath, runpath) = (asker.dynamic_strings(DT_RPATH), asker.dynamic_strings(DT_RUNPATH));
        let first = if runpath.is_empty() { rpath } else { Vec::new() };
        let listed = |list: &str, separators: &[char]| -> Vec<PathBuf> {
            list.split(separators).filter(|f| !f.is_empty()).map(|f| expand(f, origin)).collect()
        };
        let mut folders: Vec<PathBuf> = first.iter().flat_map(|list| listed(list, &[':'])).collect();
        folders.extend(listed(&self.library_path, &[':', ';']));
        folders.extend(runpath.iter().flat_map(|list| listed(list, &[':'])));
        if let Some(found) = self.in_folders(&folders, name) {
            return Searched::Found(found);
        }
        if let Some(found) = in_cache(&self.cache, self.machine, name).filter(|path| self.is_ours(path)) {
            return Searched::Found(found);
        }
        let defaults = self.default_folders();
        match self.in_folders(&defaults, name) {
            Some(found) => Searched::Found(found),
            None => Searched::Nowhere([folders, defaults].concat()),
        }
    }

    fn in_folders(&self, folders: &[PathBuf], name: &str) -> Option<PathBuf> {
        folders.iter().map(|folder| folder.join(name)).find(|path| self.is_ours(path))
    }

    /// A file for another machine is passed over; what is no ELF file at all is taken, and refused.
    fn is_ours(&self, path: &Path) -> bool {
        path.is_file() && ElfFile::open(path).map_or(true, |file| file.machine == self.machine)
    }

    fn default_folders(&self) -> Vec<PathBuf> {
        let triple = match Arch::from_elf_machine(u32::from(self.machine)) {
            Some(Arch::Aarch64) => "aarch64-linux-gnu",
            Some(Arch::X86_64) | None => "x86_64-linux-gnu",
        };
        let folders = ["/lib", "/usr/lib"].map(|folder| Path::new(folder).join(triple));
        folders.into_iter().chain(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from)).collect()
    }
}

fn expand(folder: &str, origin: &Path) -> PathBuf {
    let origin = origin.display().to_string();
    PathBuf::from(folder.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin))
}

/// `struct cache_file_new` of glibc's sysdeps/generic/dl-cache.h: a head of 48 bytes, entries of 24 bytes
/// (flags, key, value, osversion, hwcap), strings by offset from the start of the file.
fn in_cache(cache: &[u8], machine: u16, name: &str) -> Option<PathBuf> {
    const HEAD: usize = 48;
    const ENTRY: usize = 24;
    // FLAG_ELF_LIBC6 with FLAG_AARCH64_LIB64 or FLAG_X8664_LIB64.
    let flags = match Arch::from_elf_machine(u32::from(machine))? {
        Arch::X86_64 => 0x0303,
        Arch::Aarch64 => 0x0a03,
    };
    if !cache.starts_with(b"glibc-ld.so.cache1.1") {
        return None;
    }
    let count = read_at::<u32>(cache, 20)? as usize;
    let entries = cache.get(HEAD..)?.get(..count.checked_mul(ENTRY)?)?;
    let string = |offset: u32| cache.get(offset as usize..)?.split(|byte| *byte == 0).next();
    let word = |entry: &[u8], at| read_at::<u32>(entry, at);
    let found = entries.chunks_exact(ENTRY).find(|entry| {
        word(entry, 0) == Some(flags) && word(entry, 4).and_then(string) == Some(name.as_bytes())
    })?;
    let path = string(word(found, 8)?)?;
    Some(PathBuf::from(String::from_utf8_lossy(path).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_put_in() {
        assert_eq!(expand("$ORIGIN/../lib", Path::new("/opt/x")), Path::new("/opt/x/../lib"));
        assert_eq!(expand("${ORIGIN}", Path::new("/opt/x")), Path::new("/opt/x"));
    }

    #[test]
    fn the_cache_is_read_with_bounds() {
        let mut cache = b"glibc-ld.so.cache1.1".to_vec();
        cache.extend(1_u32.to_le_bytes());
        cache.resize(48, 0);
        for word in [0x0303_u32, 72, 77, 0, 0, 0] {
            cache.extend(word.to_le_bytes());
        }
        cache.extend(b"l.so\0/l.so\0");
        let machine = Arch::X86_64.elf_machine() as u16;
        assert_eq!(in_cache(&cache, machine, "l.so"), Some("/l.so".into()));
        assert_eq!(in_cache(&cache, machine, "m.so"), None);
        assert_eq!(in_cache(&cache, Arch::Aarch64.elf_machine() as u16, "l.so"), None);
        for size in 0..cache.len() - 12 {
            assert_eq!(in_cache(&cache[..size], machine, "l.so"), None);
        }
    }
}
