//! What the cache's tests share: keys that tell their payloads.

use image_format::cache::{Key, KeyBuilder, Kind};
use std::fs;
use std::path::{Path, PathBuf};

pub fn key(n: usize) -> Key {
    KeyBuilder::new(Kind::Part).number("n", n as u64).finish()
}

/// `n` bytes that nobody would make by chance, and that no other key's payload begins with.
pub fn payload(n: usize) -> Vec<u8> {
    key(n).hash().iter().copied().cycle().take(n).collect()
}

/// All files below the version's folders.
pub fn entries(dir: &Path) -> Vec<PathBuf> {
    let folders = fs::read_dir(image_format::cache::directory::version(dir)).unwrap().flatten();
    folders.filter_map(|f| fs::read_dir(f.path()).ok()).flatten().flatten().map(|f| f.path()).collect()
}
