//! The cache in one process: what comes back, what does not, and who is believed.

mod support;

use image_format::cache::stats::{Stats, clear};
use image_format::cache::{Cache, Key, KeyBuilder, Kind, Settings, directory};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use support::{entries, key, payload};

const LIMIT: u64 = 1 << 20;

/// A cache in a directory of its own, and the warnings that it gave.
struct Bench {
    folder: tempfile::TempDir,
    warnings: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap(), warnings: Arc::default() }
    }

    fn dir(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn open(&self, limit: u64) -> Cache {
        let warnings = self.warnings.clone();
        let warn = Box::new(move |text: &str| warnings.lock().unwrap().push(text.to_string()));
        Cache::open(&self.dir(), limit, warn).unwrap()
    }

    fn stats(&self) -> Stats {
        Stats::read(&Settings { dir: self.dir(), max_bytes: LIMIT }).unwrap()
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.lock().unwrap().clone()
    }

    /// The file of an entry.
    fn path(&self, key: &Key) -> PathBuf {
        let name = key.file_name();
        directory::version(&self.dir()).join(&name[..2]).join(name)
    }
}

/// Why the cache in `dir` is not used.
fn refusal(dir: &Path) -> String {
    let warn = Box::new(|text: &str| panic!("an error expected, found the warning: {text}"));
    Cache::open(dir, LIMIT, warn).err().expect("a refusal").to_string()
}

#[test]
fn what_is_put_comes_back() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    for length in [0, 1, 1000, 100_000] {
        assert_eq!(cache.get(&key(length)), None);
        cache.put(&key(length), &payload(length));
        assert_eq!(cache.get(&key(length)), Some(payload(length)));
    }
    cache.put(&key(1), b"another time");
    assert_eq!(cache.get(&key(1)).as_deref(), Some(&b"another time"[..]));
    let other_kind = KeyBuilder::new(Kind::Shard).number("n", 1).finish();
    assert_eq!(cache.get(&other_kind), None);
    drop(cache);
    assert_eq!(bench.open(LIMIT).get(&key(1000)), Some(payload(1000)), "for another process");
    let total = bench.stats().total();
    assert_eq!((total.entries, total.hits, total.misses, total.corrupt, total.evicted), (4, 6, 5, 0, 0));
    assert_eq!(bench.warnings(), [""; 0]);
}

#[test]
fn damage_of_any_byte_is_a_miss_and_the_entry_goes() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    let key = key(60);
    cache.put(&key, &payload(60));
    let path = bench.path(&key);
    let good = fs::read(&path).unwrap();
    let mut corrupt = 0;
    let mut refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        assert_eq!(cache.get(&key), None);
        assert!(!path.exists());
        corrupt += 1;
    };
    for at in 0..good.len() {
        for bit in [1, 0x80] {
            let mut bytes = good.clone();
            bytes[at] ^= bit;
            refused(&bytes);
        }
        refused(&good[..at]);
    }
    refused(&[&good[..], b"x"].concat());
    fs::write(&path, &good).unwrap();
    assert_eq!(cache.get(&key), Some(payload(60)));
    drop(cache);
    let part = bench.stats().kinds[Kind::Part as usize];
    assert_eq!((part.corrupt, part.misses, part.hits), (corrupt, corrupt, 1));
    assert_eq!(bench.warnings(), [""; 0]);
}

#[test]
fn an_entry_under_another_name_is_a_miss() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    cache.put(&key(1), b"one");
    cache.put(&key(2), b"two");
    fs::copy(bench.path(&key(1)), bench.path(&key(2))).unwrap();
    assert_eq!((cache.get(&key(1)), cache.get(&key(2))), (Some(b"one".to_vec()), None));
}

#[test]
fn the_limit_holds_and_what_was_used_last_stays() {
    let bench = Bench::new();
    let limit = 20_000;
    let cache = bench.open(limit);
    let age = |n: usize, seconds| {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        fs::File::open(bench.path(&key(n))).unwrap().set_modified(time).unwrap();
    };
    for n in 1000..1015 {
        cache.put(&key(n), &payload(n));
        age(n, 10_000 - n as u64);
    }
    // Read, so used.
    assert!(cache.get(&key(1000)).is_some());
    for n in 1015..1030 {
        cache.put(&key(n), &payload(n));
        assert!(bench.stats().total().bytes <= limit, "{:?}", bench.stats());
    }
    assert!(cache.get(&key(1000)).is_some() && cache.get(&key(1029)).is_some());
    assert_eq!(cache.get(&key(1001)), None);
    let total = bench.stats().total();
    assert_eq!(total.entries + total.evicted, 30);
    // Larger than everything together may be.
    cache.put(&key(30_000), &payload(30_000));
    assert_eq!(cache.get(&key(30_000)), None);
    assert_eq!(bench.warnings(), [""; 0]);
}

#[test]
fn clearing_leaves_nothing_but_what_is_not_ours() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    for n in 0..20 {
        cache.put(&key(n), &payload(n));
    }
    let foreign = directory::version(&bench.dir()).join("00");
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    let settings = Settings { dir: bench.dir(), max_bytes: LIMIT };
    let removed = clear(&settings).unwrap().unwrap();
    assert_eq!((removed.count, removed.bytes), (20, (0..20).map(|n| n + 88).sum()));
    assert_eq!(cache.get(&key(3)), None);
    drop(cache);
    let total = bench.stats().total();
    assert_eq!((total.entries, total.bytes, total.misses, total.evicted), (0, 0, 1, 0));
    assert!(foreign.join("notes.txt").exists());
}

#[test]
fn the_directory_is_ours_alone() {
    let bench = Bench::new();
    drop(bench.open(LIMIT));
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o7777;
    let root = directory::version(&bench.dir());
    assert_eq!((mode(&bench.dir()), mode(&root)), (0o700, 0o700));
    assert!(fs::read_to_string(bench.dir().join("CACHEDIR.TAG")).unwrap().starts_with("Signature: 8a477f59"));
    for path in [bench.dir(), root.clone()] {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let problem = refusal(&bench.dir());
        assert!(problem.contains("others may write to it (mode 770)"), "{problem}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        drop(bench.open(LIMIT));
    }
    fs::rename(&root, bench.dir().join("elsewhere")).unwrap();
    symlink(bench.dir().join("elsewhere"), &root).unwrap();
    assert!(refusal(&bench.dir()).contains("not a directory"));
    let file = bench.folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(&file).contains("JL_CACHE_DIR"));
}

#[test]
fn an_entry_that_others_could_have_written_is_not_believed() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    cache.put(&key(5), b"12345");
    let path = bench.path(&key(5));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(cache.get(&key(5)), None);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(cache.get(&key(5)).is_some());
    let aside = bench.folder.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    symlink(&aside, &path).unwrap();
    assert_eq!(cache.get(&key(5)), None);
    let warnings = bench.warnings();
    assert_eq!(warnings.len(), 1, "one warning: {warnings:?}");
    assert!(warnings[0].contains(&path.display().to_string()), "{warnings:?}");
}

#[test]
fn an_entry_of_another_user_is_not_believed() {
    if !nix::unistd::geteuid().is_root() {
        // Only root can make one.
        return;
    }
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    cache.put(&key(5), b"12345");
    std::os::unix::fs::chown(bench.path(&key(5)), Some(65534), None).unwrap();
    assert_eq!((cache.get(&key(5)), bench.warnings().len()), (None, 1));
    std::os::unix::fs::chown(bench.dir(), Some(65534), None).unwrap();
    let problem = refusal(&bench.dir());
    assert!(problem.contains("it belongs to user 65534, expected user 0"), "{problem}");
}

#[test]
fn what_cannot_be_written_is_one_warning() {
    let bench = Bench::new();
    let cache = bench.open(LIMIT);
    cache.put(&key(7), b"before");
    // Files in the way of the folders of entries.
    for n in 0..256 {
        let _ = fs::write(directory::version(&bench.dir()).join(format!("{n:02x}")), "");
    }
    for n in 100..110 {
        cache.put(&key(n), b"after");
        assert_eq!(cache.get(&key(n)), None);
    }
    assert_eq!(cache.get(&key(7)).as_deref(), Some(&b"before"[..]));
    let warnings = bench.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("cannot write to the cache") && warnings[0].contains("JL_CACHE=0"));
    assert!(entries(&bench.dir()).iter().all(|path| !path.to_string_lossy().contains("tmp-")));
}
