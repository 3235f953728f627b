//! `--jl-cache-stats` and `--jl-cache-clear`.

use image_format::cache::{Cache, KeyBuilder, Kind};
use std::path::Path;
use std::process::{Command, Output};

fn jl_link(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jl-link"));
    command.args(args).env_clear().envs(variables.iter().copied()).output().unwrap()
}

fn stdout(dir: &Path, args: &[&str]) -> String {
    let output = jl_link(args, &[("JL_CACHE_DIR", dir.to_str().unwrap()), ("JL_CACHE_SIZE", "1M")]);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A cache with a history.
fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path(), 1 << 20, Box::new(|text| panic!("{text}"))).unwrap();
    let key = |kind, n| KeyBuilder::new(kind).number("n", n).finish();
    for n in 0..3 {
        assert_eq!(cache.get(&key(Kind::Part, n)), None);
        cache.put(&key(Kind::Part, n), &[0; 20_000]);
    }
    cache.put(&key(Kind::Image, 9), &[0; 40_000]);
    assert!(cache.get(&key(Kind::Part, 1)).is_some());
    folder
}

#[test]
fn the_table() {
    let folder = filled();
    let expected = format!(
        "\
directory  {}
entries    4
bytes      98 KiB, 9.6 % of the limit
limit      1.0 MiB

kind    entries      bytes       hits     misses  hit rate  corrupt   evicted
image         1     39 KiB          0          0         -        0         0
shard         0        0 B          0          0         -        0         0
part          3     59 KiB          1          3    25.0 %        0         0
unit          0        0 B          0          0         -        0         0
all           4     98 KiB          1          3    25.0 %        0         0
",
        folder.path().display()
    );
    assert_eq!(stdout(folder.path(), &["--jl-cache-stats"]), expected);
}

#[test]
fn the_document() {
    let folder = filled();
    let document: serde_json::Value =
        serde_json::from_str(&stdout(folder.path(), &["--jl-cache-stats=json"])).unwrap();
    assert_eq!(document["directory"], folder.path().to_str().unwrap());
    assert_eq!((&document["limit"], &document["entries"]), (&(1 << 20).into(), &4.into()));
    assert_eq!(document["bytes"], 100_000 + 4 * 88);
    let part = serde_json::json!({
        "entries": 3, "bytes": 60_000 + 3 * 88, "hits": 1, "misses": 3, "corrupt": 0, "evicted": 0
    });
    assert_eq!(document["kinds"]["part"], part);
}

#[test]
fn clearing() {
    let folder = filled();
    let told = stdout(folder.path(), &["--jl-cache-clear"]);
    assert_eq!(told, format!("removed 4 entries, 98 KiB, from {}\n", folder.path().display()));
    let document: serde_json::Value =
        serde_json::from_str(&stdout(folder.path(), &["--jl-cache-stats=json"])).unwrap();
    assert_eq!((&document["entries"], &document["misses"]), (&0.into(), &0.into()));
}

#[test]
fn no_cache_is_an_error_that_says_why() {
    for variables in [&[("JL_CACHE", "0"), ("HOME", "/root")][..], &[]] {
        let output = jl_link(&["--jl-cache-stats"], variables);
        assert!(!output.status.success());
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "jl-link: error: there is no cache: JL_CACHE=0 turns it off, or nothing says where it is; \
             set JL_CACHE_DIR\n"
        );
    }
    let output = jl_link(&["--jl-cache-stats"], &[("JL_CACHE_DIR", "/proc/no/such")]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.starts_with("jl-link: error: cannot use the cache /proc/no/such: "), "{text}");
    let help = jl_link(&["--jl-help"], &[]);
    assert!(
        String::from_utf8_lossy(&help.stdout).contains("JL_CACHE_DIR=/var/cache/ci jl-link --jl-cache-stats")
    );
}
