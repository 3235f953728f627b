//! Threads, memory, timings and traces: what is asked for, and what is written.

use jl_pass_plugin::emit::memory;
use jl_pass_plugin::emit::place::{Place, Stage};
use jl_pass_plugin::emit::threads::{Defaults, Module, choose, cores};
use jl_pass_plugin::emit::timings::{self, Recorder, Span, table};
use jl_pass_plugin::emit::trace;
use jl_pass_plugin::partition::plan::ShardId;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::time::Duration;

#[test]
fn threads_by_default() {
    let count = |weight, globals, defaults, cores| {
        let (threads, warning) = choose(Module { weight, globals }, defaults, cores, None);
        assert_eq!(warning, None);
        threads
    };
    use Defaults::{AllCores, Julia};
    // (weight, globals, cores) -> Julia's number, ours.
    let cases = [
        ((999, 100_000, 64), 1, 1),
        ((1000, 100_000, 64), 32, 64),
        ((1000, 100_000, 3), 1, 3),
        ((1000, 100_000, 1), 1, 1),
        ((1000, 799, 64), 7, 64),
        ((1000, 99, 64), 1, 64),
    ];
    for ((weight, globals, cores), julia, ours) in cases {
        assert_eq!(count(weight, globals, Julia, cores), julia, "{weight} {globals} {cores}");
        assert_eq!(count(weight, globals, AllCores, cores), ours, "{weight} {globals} {cores}");
    }
    assert!(cores() >= 1);
}

#[test]
fn threads_as_asked() {
    let ask = |value: &str, weight| {
        choose(Module { weight, globals: 1 }, Defaults::AllCores, 2, Some(OsStr::new(value)))
    };
    for (value, threads) in [("1", 1), ("7", 7), (" +3", 3), ("128", 128)] {
        assert_eq!(ask(value, 5000), (threads, None), "{value}");
    }
    for bad in ["", "0", "-1", "two", "3x", "3 ", "1.5", "99999999999999999999999"] {
        let warning = format!("WARNING: invalid value '{bad}' for JULIA_IMAGE_THREADS");
        assert_eq!(ask(bad, 5000), (2, Some(warning)));
    }
    // As in Julia a small module is not asked about.
    assert_eq!(ask("8", 999), (1, None));
}

#[test]
fn memory_as_asked() {
    let ask = |value: &str| memory::budget(Some(OsStr::new(value)), Some(1000));
    for (value, bytes) in
        [("0", 0), ("123", 123), ("2K", 2048), ("3G", 3 << 30), ("75%", 750), ("100 %", 1000)]
    {
        assert_eq!(ask(value), (bytes, None), "{value}");
    }
    for bad in ["", "%", "101%", "-5", "lots", "5X", "1.5%"] {
        let (bytes, warning) = ask(bad);
        assert_eq!(bytes, 500, "{bad}");
        assert!(warning.unwrap().starts_with(&format!("WARNING: invalid value '{bad}' for JL_IMAGE_MEMORY")));
    }
    assert_eq!(memory::budget(None, Some(u64::MAX)), (u64::MAX / 2, None));
    assert_eq!(memory::budget(None, None), (512 << 20, None));
}

/// A root directory with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const MEMINFO: (&str, &str) =
    ("proc/meminfo", "MemTotal:  9000 kB\nMemFree: 10 kB\nMemAvailable:    1000 kB\n");

#[test]
fn free_memory_of_the_machine() {
    assert_eq!(memory::free(root(&[MEMINFO]).path()), Some(1000 << 10));
    assert_eq!(memory::free(root(&[]).path()), None);
    assert_eq!(memory::free(root(&[("proc/meminfo", "MemAvailable: many\n")]).path()), None);
    let here = memory::free(Path::new("/")).expect("Linux tells");
    assert!(here > 1 << 20, "{here}");
}

#[test]
fn free_memory_of_a_group_and_those_around_it() {
    let group = |dir: &str, limit: &str| {
        [("memory.max", limit), ("memory.current", "5000"), ("memory.stat", "file 9\ninactive_file 1000\n")]
            .map(|(file, text)| (format!("sys/fs/cgroup/{dir}{file}"), text.to_string()))
    };
    let free = |list: &str, groups: &[(String, String)]| {
        let mut files = vec![MEMINFO, ("proc/self/cgroup", list)];
        files.extend(groups.iter().map(|(p, t)| (p.as_str(), t.as_str())));
        memory::free(root(&files).path())
    };
    // 5000 are used, and 1000 of these can be had back.
    assert_eq!(free("0::/a/b\n", &group("a/b/", "10000\n")), Some(6000));
    assert_eq!(free("0::/a/b\n", &group("a/", "9000\n")), Some(5000));
    let nested = [group("a/b/", "10000\n"), group("a/", "8000\n"), group("", "max\n")].concat();
    assert_eq!(free("0::/a/b\n", &nested), Some(4000));
    assert_eq!(free("0::/a/b\n", &group("a/b/", "max\n")), Some(1000 << 10));
    assert_eq!(free("0::/a/b\n", &group("a/b/", "3000\n")), Some(0));
    // Beside ours.
    assert_eq!(free("0::/a/b\n", &group("a/c/", "10000\n")), Some(1000 << 10));
    // A container whose view begins at its own group.
    assert_eq!(free("0::/kubepods/pod7\n", &group("", "7000\n")), Some(3000));
    assert_eq!(free("0::/../x\n", &group("", "7000\n")), Some(3000));
    let throttled = [("sys/fs/cgroup/memory.high".to_string(), "6000".to_string())];
    assert_eq!(free("0::/\n", &[&group("", "9000")[..], &throttled].concat()), Some(2000));
}

#[test]
fn free_memory_of_a_group_of_version_1() {
    let files = [
        MEMINFO,
        ("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/y\n"),
        ("sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes", "20000\n"),
        ("sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes", "6000\n"),
        ("sys/fs/cgroup/memory/docker/1/memory.stat", "inactive_file 1\ntotal_inactive_file 500\n"),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "7000\n"),
    ];
    assert_eq!(memory::free(root(&files).path()), Some(14500));
}

#[test]
fn a_job_is_expected_to_need_what_was_measured() {
    // Bytes of bitcode, and what optimising and emitting it took (clang 22 -O3 on SQLite and on pieces of it).
    let measured = [(2_432_768, 110_068 << 10), (6_920_124, 263_064 << 10), (303_048, 15_132 << 10)];
    for (bitcode, took) in measured {
        let expected = memory::estimate(bitcode);
        assert!(took < expected && expected < 2 * took, "{bitcode}: {expected}, took {took}");
    }
    assert_eq!(memory::estimate(u64::MAX), u64::MAX);
}

#[test]
fn timings_are_wanted_or_not() {
    assert_eq!(timings::wanted(None), (false, None));
    for (value, wanted) in [("1", true), ("true", true), ("TRUE", true), ("0", false), ("", false)] {
        assert_eq!(timings::wanted(Some(OsStr::new(value))), (wanted, None), "{value}");
    }
    let warning = "WARNING: invalid value 'yes' for JULIA_IMAGE_TIMINGS".to_string();
    assert_eq!(timings::wanted(Some(OsStr::new("yes"))), (false, Some(warning)));
}

fn spans() -> Vec<Span> {
    let span = |place: Place, stage, thread, start: u64, wall: u64| {
        let (start, wall) = (Duration::from_millis(start), Duration::from_millis(wall));
        Span { place, stage, thread, start, wall, cpu: wall / 2 }
    };
    let part = |shard, name: &str| Place::part(ShardId(shard), name);
    vec![
        span(Place::module(), Stage::Partition, 0, 0, 4),
        span(Place::shard(ShardId(0)), Stage::Serialise, 0, 4, 10),
        span(part(0, "x86-64"), Stage::Deserialise, 1, 20, 6),
        span(part(0, "x86-64"), Stage::Emit, 1, 26, 12_345),
        span(part(10, "tables"), Stage::Emit, 2, 30, 1000),
    ]
}

#[test]
fn the_table_is_aligned_and_adds_up() {
    let weights = [(Place::part(ShardId(0), "x86-64"), 120_000), (Place::part(ShardId(10), "tables"), 7)];
    let expected = "\
shard  part    weight  partition  serialise  deserialise    emit    cpu
    -  -            -      0.004          -            -       -  0.002
    0  -            -          -      0.010            -       -  0.005
    0  x86-64  120000          -          -        0.006  12.345  6.175
   10  tables       7          -          -            -   1.000  0.500
  all  -       120007      0.004      0.010        0.006  13.345  6.683
";
    assert_eq!(table(&spans(), &weights), expected);
}

#[test]
fn a_recorder_measures_each_thread() {
    let recorder = Recorder::new();
    let place = Place::shard(ShardId(3));
    let slept = recorder.time(&place, Stage::Emit, 2, || {
        std::thread::sleep(Duration::from_millis(20));
        7
    });
    let spans = recorder.spans();
    assert_eq!((slept, spans.len()), (7, 1));
    assert_eq!((&spans[0].place, spans[0].stage, spans[0].thread), (&place, Stage::Emit, 2));
    // Sleep takes time by the clock; what CPU it takes is the scheduler's.
    assert!(spans[0].wall >= Duration::from_millis(20) && spans[0].cpu < spans[0].wall, "{spans:?}");
}

#[test]
fn traces_are_chromes() {
    let trace: serde_json::Value = serde_json::from_str(&trace::json(&spans(), 77)).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let names: Vec<_> = events
        .iter()
        .filter(|e| e["ph"] == "M")
        .map(|e| {
            (e["name"].as_str().unwrap(), e["tid"].as_u64().unwrap(), e["args"]["name"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        names,
        [("thread_name", 0, "host"), ("thread_name", 1, "jl-emit 1"), ("thread_name", 2, "jl-emit 2")]
    );
    let work: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(work.len(), 5);
    let last = work[4];
    assert_eq!(
        (last["name"].as_str(), last["tid"].as_u64(), last["pid"].as_u64()),
        (Some("emit"), Some(2), Some(77))
    );
    assert_eq!((last["ts"].as_f64(), last["dur"].as_f64()), (Some(30_000.0), Some(1_000_000.0)));
    assert_eq!((last["args"]["shard"].as_u64(), last["args"]["part"].as_str()), (Some(10), Some("tables")));
    assert!(work[0]["args"].get("shard").is_none());
}

#[test]
fn traces_are_written_whole() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| trace::file(Some(folder.path().join(name).as_os_str()), 12);
    assert_eq!(trace::file(None, 12), None);
    assert_eq!(trace::file(Some(OsStr::new("")), 12), None);
    let path = file("t-%p-%p.json").unwrap();
    assert_eq!(path, folder.path().join("t-12-12.json"));
    fs::write(&path, "old").unwrap();
    trace::write(&path, &spans()).unwrap();
    serde_json::from_str::<serde_json::Value>(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    let problem = trace::write(&file("no/such/folder.json").unwrap(), &spans()).unwrap_err();
    assert!(problem.contains("no/such/folder.json") && problem.contains("JL_TRACE_JSON"), "{problem}");
}
