//! Which file glibc's dynamic linker takes for a name, where that can be known without asking it: ld.so(8),
//! and `_dl_map_object` in glibc's elf/dl-load.c.
//!
//! Whatever is not followed here (directories for CPU levels, $LIB and $PLATFORM, loaders of loaders that
//! are long done) makes the answer "unknown", never a guess.

use crate::dynamic::Dynamic;
use crate::file::ObjectFile;
use image_format::pod::read_at;
use runtime_shim::arguments::Arguments;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Nothing can be said about the name.
#[derive(Debug)]
pub struct Unknown;

/// An object that asks for others, as far as the search depends on it.
#[derive(Debug, Default)]
pub struct Requester {
    pub dynamic: Dynamic,
    /// What $ORIGIN stands for.
    pub origin: Option<PathBuf>,
    /// The objects on whose behalf this one was loaded are not known, and some object has a DT_RPATH.
    pub has_unknown_loaders: bool,
}

/// What the search found at start, before the program could change it.
pub struct Settings {
    library_path: Vec<u8>,
    usable: bool,
}

static SETTINGS: OnceLock<Settings> = OnceLock::new();

/// Called once, at start: the dynamic linker has read the environment by then, and the C library has not, as
/// this object is initialised before it.
pub fn read_settings(arguments: Option<Arguments>) {
    const AT_SECURE: usize = 23;
    let Some(arguments) = arguments else { return };
    let variable = |name: &[u8]| arguments.variable(name).unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let program = program.file_name().unwrap_or_default().as_bytes();
    // For privileged programs other rules hold. An auditor may send every search elsewhere, and so may the
    // options of a dynamic linker that was called as a program.
    let is_linker = program.starts_with(b"ld") && program.windows(3).any(|part| part == b".so");
    let is_secure = arguments.value(AT_SECURE) != Some(0);
    let usable = !is_secure && !is_linker && variable(b"LD_AUDIT").is_empty();
    let _ = SETTINGS.set(Settings { library_path: variable(b"LD_LIBRARY_PATH").to_vec(), usable });
}

/// The file for `name`, asked for by `chain[0]`, which was loaded for `chain[1]` and so on up to the program.
pub fn find(name: &[u8], chain: &[&Requester]) -> Result<Option<PathBuf>, Unknown> {
    let settings = SETTINGS.get().filter(|settings| settings.usable).ok_or(Unknown)?;
    let (requester, program) = (chain.first().ok_or(Unknown)?, chain.last().ok_or(Unknown)?);
    if name.contains(&b'/') {
        return expand(name, requester.origin.as_deref()).map(Some);
    }
    let rpath_chain = if requester.dynamic.runpath.is_some() { &[] } else { chain };
    for link in rpath_chain {
        if let Some(found) = in_list(link.dynamic.rpath.as_deref(), b":", link, name)? {
            return Ok(Some(found));
        }
        if link.has_unknown_loaders {
            return Err(Unknown);
        }
    }
    if let Some(found) = in_list(Some(&settings.library_path), b":;", program, name)? {
        return Ok(Some(found));
    }
    if let Some(found) = in_list(requester.dynamic.runpath.as_deref(), b":", requester, name)? {
        return Ok(Some(found));
    }
    if requester.dynamic.no_default {
        return Err(Unknown);
    }
    if let Some(found) = in_cache(&std::fs::read("/etc/ld.so.cache").map_err(|_| Unknown)?, name)? {
        return Ok(Some(found).filter(|path| ObjectFile::open(path).is_some()));
    }
    in_default_directories(name)
}

/// Every distribution has others, in another order: an answer where they all agree.
fn in_default_directories(name: &[u8]) -> Result<Option<PathBuf>, Unknown> {
    const DIRECTORIES: [&str; 6] =
        ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
    let mut found: Option<PathBuf> = None;
    for directory in DIRECTORIES {
        let Some(path) = in_directory(Path::new(directory), name)? else { continue };
        let path = path.canonicalize().map_err(|_| Unknown)?;
        if found.replace(path.clone()).is_some_and(|other| other != path) {
            return Err(Unknown);
        }
    }
    Ok(found)
}

/// In a list of directories, as it stands in a DT_RUNPATH or LD_LIBRARY_PATH.
fn in_list(
    list: Option<&[u8]>,
    separators: &[u8],
    of: &Requester,
    name: &[u8],
) -> Result<Option<PathBuf>, Unknown> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(None) };
    for directory in list.split(|byte| separators.contains(byte)) {
        let directory = if directory.is_empty() { b"." } else { directory };
        if let Some(found) = in_directory(&expand(directory, of.origin.as_deref())?, name)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Directories in which glibc looks first, on some CPUs: those of 2.33 and later, and those until 2.36.
const LEVELS: [&str; 3] = ["glibc-hwcaps/x86-64-v2", "glibc-hwcaps/x86-64-v3", "glibc-hwcaps/x86-64-v4"];
const OLD_LEVELS: [&str; 4] = ["tls", "haswell", "avx512_1", "x86_64"];

fn in_directory(directory: &Path, name: &[u8]) -> Result<Option<PathBuf>, Unknown> {
    let name = OsStr::from_bytes(name);
    if OLD_LEVELS.iter().any(|level| directory.join(level).is_dir())
        || LEVELS.iter().any(|level| directory.join(level).join(name).exists())
    {
        return Err(Unknown);
    }
    // A file for another machine is passed over.
    Ok(Some(directory.join(name)).filter(|path| ObjectFile::open(path).is_some()))
}

/// Puts in what $ORIGIN stands for.
fn expand(path: &[u8], origin: Option<&Path>) -> Result<PathBuf, Unknown> {
    let mut expanded = Vec::new();
    let mut rest = path;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        let (before, token) = rest.split_at(at);
        let origins: [&[u8]; 2] = [b"$ORIGIN", b"${ORIGIN}"];
        let behind = origins.iter().find_map(|o| token.strip_prefix(*o)).ok_or(Unknown)?;
        expanded.extend(before);
        expanded.extend(origin.ok_or(Unknown)?.as_os_str().as_bytes());
        rest = behind;
    }
    expanded.extend(rest);
    Ok(PathBuf::from(OsStr::from_bytes(&expanded)))
}

/// `struct cache_file_new` of glibc's sysdeps/generic/dl-cache.h: a head of 48 bytes, entries of 24 bytes
/// (flags, key, value, osversion, hwcap), strings by offset from the start of the file.
fn in_cache(cache: &[u8], name: &[u8]) -> Result<Option<PathBuf>, Unknown> {
    const HEAD: usize = 48;
    const ENTRY: usize = 24;
    /// For the C library of this architecture (FLAG_ELF_LIBC6 | FLAG_X8664_LIB64).
    const FLAGS: u32 = 0x0303;
    if !cache.starts_with(b"glibc-ld.so.cache1.1") {
        return Err(Unknown);
    }
    let count = read_at::<u32>(cache, 20).ok_or(Unknown)? as usize;
    let entries = cache.get(HEAD..).and_then(|rest| rest.get(..count.checked_mul(ENTRY)?)).ok_or(Unknown)?;
    let string = |offset: u32| cache.get(offset as usize..)?.split(|byte| *byte == 0).next();
    let mut found = None;
    for entry in entries.chunks_exact(ENTRY) {
        let word = |at| read_at::<u32>(entry, at).ok_or(Unknown);
        if word(0)? != FLAGS || string(word(4)?) != Some(name) {
            continue;
        }
        if read_at::<u64>(entry, 16) != Some(0) {
            return Err(Unknown);
        }
        found = found.or(string(word(8)?));
    }
    Ok(found.map(|path| PathBuf::from(OsStr::from_bytes(path))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_and_nothing_else_is_put_in() {
        let origin = Some(Path::new("/opt/x"));
        for (path, expected) in [
            ("$ORIGIN/../lib", Some("/opt/x/../lib")),
            ("${ORIGIN}", Some("/opt/x")),
            ("/usr/lib", Some("/usr/lib")),
            ("$LIB/x", None),
            ("/a/$PLATFORM", None),
        ] {
            assert_eq!(expand(path.as_bytes(), origin).ok(), expected.map(PathBuf::from), "{path}");
        }
        assert!(expand(b"$ORIGIN", None).is_err());
    }

    #[test]
    fn cache() {
        let mut cache = b"glibc-ld.so.cache1.1".to_vec();
        cache.extend(2_u32.to_le_bytes());
        cache.resize(48, 0);
        for (key, value, hwcap) in [(96_u32, 101_u32, 0_u64), (108, 101, 2)] {
            for word in [0x0303, key, value, 0] {
                cache.extend(word.to_le_bytes());
            }
            cache.extend(hwcap.to_le_bytes());
        }
        cache.extend(b"l.so\0/l.so\0\0k.so\0");
        assert_eq!(in_cache(&cache, b"l.so").unwrap(), Some("/l.so".into()));
        assert_eq!(in_cache(&cache, b"m.so").unwrap(), None);
        assert!(in_cache(&cache, b"k.so").is_err() && in_cache(b"ld.so-1.7.0", b"l.so").is_err());
        assert!(in_cache(&cache[..90], b"l.so").is_err());
    }
}
