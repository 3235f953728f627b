//! The cache under many processes, and under processes that are killed: this test program, started again.

mod support;

use image_format::cache::stats::Stats;
use image_format::cache::{Cache, Settings};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use support::{entries, key, payload};

/// What the process started by a test does: `SEED ROUNDS LIMIT DIR`.
const BODY: &str = "JL_TEST_BODY";
/// Lengths of payloads, which are their keys.
const LENGTHS: std::ops::Range<usize> = 20_000..20_120;

#[test]
fn body() {
    let Ok(body) = std::env::var(BODY) else { return };
    let mut words = body.splitn(4, ' ');
    let mut number = || words.next().unwrap().parse::<u64>().unwrap();
    let (mut seed, rounds, limit) = (number(), number(), number());
    let dir = PathBuf::from(words.next().unwrap());
    let warn = Box::new(|text: &str| panic!("no warning expected, found: {text}"));
    let cache = Cache::open(&dir, limit, warn).unwrap();
    for _ in 0..rounds {
        // Knuth's linear congruential generator.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let n = LENGTHS.start + (seed >> 33) as usize % LENGTHS.len();
        match cache.get(&key(n)) {
            Some(found) => assert!(found == payload(n), "a wrong payload for {n}"),
            None => cache.put(&key(n), &payload(n)),
        }
    }
}

fn start(dir: &Path, seed: u64, rounds: u64, limit: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "body"])
        .env(BODY, format!("{seed} {rounds} {limit} {}", dir.display()))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn stats(dir: &Path) -> Stats {
    Stats::read(&Settings { dir: dir.into(), max_bytes: 0 }).unwrap()
}

fn journal(dir: &Path) -> String {
    std::fs::read_to_string(dir.join("v1/journal")).unwrap_or_default()
}

/// Every entry that is there is right.
fn check(dir: &Path) -> usize {
    let cache = Cache::open(dir, u64::MAX, Box::new(|text| panic!("{text}"))).unwrap();
    let there = LENGTHS.filter_map(|n| cache.get(&key(n)).map(|found| assert!(found == payload(n)))).count();
    assert_eq!(stats(dir).total().corrupt, 0, "no entry was half written");
    there
}

#[test]
fn processes_put_get_and_evict_at_the_same_time() {
    let folder = tempfile::tempdir().unwrap();
    // Room for a third of them.
    let limit = 40 * 20_150;
    let children: Vec<Child> = (0..6).map(|seed| start(folder.path(), seed, 400, limit)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let total = stats(folder.path()).total();
    assert!(total.bytes <= limit, "{total:?}");
    assert!(total.entries >= 30 && total.evicted > 0 && total.hits > 0, "{total:?}");
    assert_eq!(total.hits + total.misses, 6 * 400, "every process told its counts");
    assert_eq!(check(folder.path()), total.entries as usize);
}

/// Processes that were killed before they made room left them.
#[test]
fn what_is_too_much_goes_even_if_nothing_is_put() {
    let folder = tempfile::tempdir().unwrap();
    assert!(start(folder.path(), 1, 4_000, u64::MAX).wait().unwrap().success());
    assert_eq!(check(folder.path()), LENGTHS.len(), "all are there");
    let limit = 40 * 20_150;
    assert!(start(folder.path(), 2, 10, limit).wait().unwrap().success());
    let total = stats(folder.path()).total();
    assert!(total.bytes <= limit && total.entries > 0, "{total:?}");
}

#[test]
fn a_kill_at_any_moment_leaves_no_wrong_entry() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 40 * 20_150;
    for round in 0..60u64 {
        let children: Vec<Child> =
            (0..2).map(|k| start(folder.path(), round * 2 + k, 100_000, limit)).collect();
        // Long enough to begin, and then at some moment.
        std::thread::sleep(Duration::from_micros(4_000 + round * 7_919 % 20_000));
        for mut child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    // What was counted and not put, or put to the side, is set right by the next eviction.
    let there = check(folder.path());
    assert!(there > 0, "the processes were killed before they did anything");
    assert!(start(folder.path(), 7, 300, limit).wait().unwrap().success());
    let total = stats(folder.path()).total();
    assert!(total.bytes <= limit, "above the limit of {limit}: {total:?}\n{}", journal(folder.path()));
    let staged = |p: &&PathBuf| p.file_name().unwrap().to_string_lossy().starts_with("tmp-");
    assert_eq!(entries(folder.path()).iter().filter(staged).count(), 0, "nothing is left half written");
    check(folder.path());
}
