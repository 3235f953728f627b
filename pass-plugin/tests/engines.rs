//! Engines, as far as they are text and processes: what is asked for, what jobs look like, whose output is taken.

use jl_pass_plugin::emit::engine::formats::{Archive, Files, json, ninja};
use jl_pass_plugin::emit::engine::request::{Kind, Request};
use jl_pass_plugin::emit::engine::runner::{self, Ended, Work};
use jl_pass_plugin::emit::engine::stamp::{Broken, open, stamp};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn request(variables: &[(&str, &str)]) -> Result<Request, String> {
    let map: BTreeMap<&str, &str> = variables.iter().copied().collect();
    Request::parse(|name| map.get(name).map(Into::into))
}

#[test]
fn engines_by_the_environment() {
    assert_eq!(request(&[]).unwrap(), Request::default());
    assert_eq!(
        request(&[("JL_IMAGE_ENGINE", ""), ("JL_IMAGE_DISTRIBUTOR", " ")]).unwrap().kind,
        Kind::Threads
    );
    assert_eq!(request(&[("JL_IMAGE_ENGINE", "distcc")]).unwrap().kind, Kind::Distcc);
    let words = request(&[("JL_IMAGE_DISTRIBUTOR", "python3 '/a b/local.py' --farm=\"x y\"")]).unwrap();
    assert_eq!(words.kind, Kind::Distributor);
    assert_eq!(words.distributor, ["python3", "/a b/local.py", "--farm=x y"]);
    let here = request(&[("JL_IMAGE_DISTRIBUTOR", "x"), ("JL_IMAGE_ENGINE", "threads")]).unwrap();
    assert_eq!(here.kind, Kind::Threads);
    for (variables, words) in [
        (&[("JL_IMAGE_ENGINE", "cloud")][..], "known are threads, distcc, ninja, distributor"),
        (&[("JL_IMAGE_ENGINE", "distributor")], "set JL_IMAGE_DISTRIBUTOR"),
        (&[("JL_IMAGE_ENGINE", "distcc"), ("JL_IMAGE_DISTRIBUTOR", "x")], "both set"),
        (&[("JL_IMAGE_DISTRIBUTOR", "a 'b")], "a quote is open"),
        (&[("JL_IMAGE_JOB_TIMEOUT", "0")], "expected seconds"),
        (&[("JL_IMAGE_JOB_TIMEOUT", "5m")], "JL_IMAGE_JOB_TIMEOUT=5m"),
    ] {
        let error = request(variables).unwrap_err();
        assert!(error.contains(words), "{variables:?}: {error}");
    }
}

#[test]
fn large_jobs_may_take_longer() {
    let default = request(&[]).unwrap();
    assert_eq!(default.limit(0), Duration::from_secs(300));
    assert!(default.limit(8 << 20) > default.limit(1 << 20));
    let asked = request(&[("JL_IMAGE_JOB_TIMEOUT", "1.5")]).unwrap();
    assert_eq!(asked.limit(8 << 20), Duration::from_millis(1500));
}

fn files() -> Vec<Files> {
    let files = |input: &str, output: &str| Files { input: input.into(), output: output.into() };
    vec![files("/a b/0.bc", "/a b/0.o"), files("c:$1.bc", "1.o")]
}

#[test]
fn jobs_as_distributors_read_them() {
    let text = json(Path::new("/x.a"), Path::new("/bin/jl-cc"), "--jl-shard", &files()).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!({
        "common": {"linker_output": "/x.a", "args": ["/bin/jl-cc", "--jl-shard", "-c"], "inputs": []},
        "jobs": [
            {"args": ["/a b/0.bc", "-o", "/a b/0.o"], "inputs": ["/a b/0.bc"], "outputs": ["/a b/0.o"]},
            {"args": ["c:$1.bc", "-o", "1.o"], "inputs": ["c:$1.bc"], "outputs": ["1.o"]},
        ],
    });
    assert_eq!(read, expected);
}

#[test]
fn jobs_as_ninja_reads_them() {
    let archive =
        Archive { path: Path::new("/out x.a"), members: vec!["0.o", "1.o"], archiver: "llvm-ar-22" };
    let text = ninja(Path::new("/my $bin/jl-cc"), "--jl-shard", &files(), Some(&archive)).unwrap();
    for line in [
        "  command = '/my $$bin/jl-cc' --jl-shard -c $in -o $out\n",
        "build /a$ b/0.o: shard /a$ b/0.bc\n",
        "build 1.o: shard c$:$$1.bc\n",
        "build /out$ x.a: archive 0.o 1.o\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let broken = [Files { input: "a\nb".into(), output: "c".into() }];
    assert!(ninja(Path::new("jl-cc"), "", &broken, None).unwrap_err().contains("line breaks"));
}

#[test]
fn an_output_is_taken_from_its_own_job_only() {
    let (shard, object) = (b"shard".as_slice(), b"\x7fELF object".as_slice());
    let mut stamped = object.to_vec();
    stamp(&mut stamped, shard, true, "julienne 1 with LLVM 22.1.8");
    assert_eq!(open(&stamped, shard, "julienne 1 with LLVM 22.1.8"), Ok((object, true)));
    assert_eq!(open(&stamped, b"another", "julienne 1 with LLVM 22.1.8"), Err(Broken::OtherShard));
    let other = open(&stamped, shard, "julienne 1 with LLVM 22.1.9").unwrap_err().to_string();
    assert!(
        other.contains("compiled by julienne 1 with LLVM 22.1.8, expected julienne 1 with LLVM 22.1.9"),
        "{other}"
    );
    let other_flag = String::from_utf8_lossy(&stamped).replace("warned=1", "warned=0");
    assert_eq!(open(other_flag.as_bytes(), shard, "julienne 1 with LLVM 22.1.8"), Err(Broken::Damaged));
    assert_eq!(open(object, shard, "x"), Err(Broken::NoStamp));
    assert_eq!(open(b"", shard, "x"), Err(Broken::NoStamp));
    let twice = [stamped.as_slice(), stamped.as_slice()].concat();
    assert_eq!(open(&twice, shard, "julienne 1 with LLVM 22.1.8"), Err(Broken::Damaged));
}

proptest! {
    #[test]
    fn no_damaged_output_is_taken(
        object in prop::collection::vec(any::<u8>(), 0..200),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8u32,
    ) {
        let (shard, by) = (b"shard", "julienne");
        let mut stamped = object.clone();
        stamp(&mut stamped, shard, false, by);
        prop_assert_eq!(open(&stamped, shard, by), Ok((object.as_slice(), false)));
        prop_assert!(open(&stamped[..cut.index(stamped.len())], shard, by).is_err());
        let mut damaged = stamped.clone();
        damaged[flip.index(stamped.len())] ^= 1 << bit;
        prop_assert!(open(&damaged, shard, by).is_err());
    }
}

/// Shell commands, each tried up to twice.
struct Shell {
    commands: Vec<&'static str>,
    ends: Vec<Vec<String>>,
}

impl Work for Shell {
    fn command(&self, job: usize) -> Command {
        let mut command = Command::new(if self.commands[job].is_empty() { "/no/such/program" } else { "sh" });
        command.args(["-c", self.commands[job]]);
        command
    }

    fn limit(&self, _: usize) -> Duration {
        Duration::from_millis(300)
    }

    fn sign(&self, _: usize) -> u64 {
        0
    }

    fn ended(&mut self, job: usize, end: Ended) -> bool {
        let again = !matches!(&end, Ended::Exit(status) if status.success()) && self.ends[job].is_empty();
        self.ends[job].push(end.to_string());
        again
    }
}

#[test]
fn processes_end_fail_hang_and_are_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let marker = folder.path().join("alive");
    // The second hangs in a process that it has started, which may not outlive it.
    let hangs = format!("(sleep 1; touch '{}') & wait", marker.display()).leak();
    let commands = vec!["exit 0", hangs, "exit 3", ""];
    let mut work = Shell { ends: vec![Vec::new(); commands.len()], commands };
    runner::run(4, 2, &mut work);
    assert_eq!(work.ends[0], ["exit status: 0"]);
    assert_eq!(work.ends[1], ["killed after 0.3 s without a result"; 2]);
    assert_eq!(work.ends[2], ["exit status: 3"; 2]);
    assert!(work.ends[3].len() == 2 && work.ends[3][0].contains("cannot be started"), "{:?}", work.ends[3]);
    std::thread::sleep(Duration::from_millis(1200));
    assert!(!marker.exists(), "a process of a killed job went on");
}
