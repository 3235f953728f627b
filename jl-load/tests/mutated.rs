//! Ten thousand package images with changed headers and lists: each is read in this process and loaded in another one. An error
//! or a right load, never a crash, never a call into the wrong code.
//!
//! With a fixed seed; `JL_FUZZ_SECONDS` and `JL_FUZZ_SEED` (scripts/fuzz) run it longer and from elsewhere.

mod support;

use image_format::cpu::Arch;
use image_format::image::header_checksum;
use image_format::layout::{
    Dependency, Export, Extent, IDENTITY_SIZE, ImageHeader, Import, Reference, Referent,
};
use image_format::pod::{bytes_of, read_at};
use jl_load::check::check;
use jl_load::cpu::Cpu;
use jl_load::deps;
use jl_load::elf::ElfFile;
use jl_load::explain::explain;
use std::fs;
use std::mem::offset_of;
use std::ops::Range;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use support::packages::{PackageSample, Use, host, list_checksums, merged_header};
use support::{Machine, text};

const TARGETS: [&str; 2] = ["x86-64", "x86-64-v2"];
const SEED: u64 = 6;
const MUTATIONS: u64 = 10_000;

/// What a right load prints at target 1, call by call; the last ones are data of the other image.
const CALLS: [&str; 6] = ["guse0=201", "guse1=1001", "guse2=1", "g1=101", "gdatum0=5002", "gdatum1=5000"];

/// xorshift64* (Vigna 2016): short, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n.max(1)
    }

    fn one_of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }
}

/// An image's bytes, and where in them what is changed stands.
struct Subject {
    path: PathBuf,
    bytes: Vec<u8>,
    header_at: usize,
    /// Header, image table, target list, package lists.
    parts: Vec<Range<usize>>,
    /// Those whose change can be given right checksums and must be found out all the same: what leads to bodies of the
    /// image itself is believed then.
    sealable: Vec<Range<usize>>,
}

impl Subject {
    fn new(path: PathBuf) -> Subject {
        let file = ElfFile::open(&path).unwrap();
        let (address, header, _) = merged_header(&file);
        let header_at = file.file_offset(address).unwrap();
        let range = |extent: Extent, item: usize| {
            let start = header_at.wrapping_add_signed(extent.offset as isize);
            start..start + extent.count as usize * item
        };
        let references = range(header.references, size_of::<Reference>());
        let lists = [
            range(header.exports, size_of::<Export>()),
            range(header.imports, size_of::<Import>()),
            references.clone(),
            range(header.dependencies, size_of::<Dependency>()),
            // Those that tools read and no load does.
            range(header.export_identities, IDENTITY_SIZE),
            range(header.import_identities, IDENTITY_SIZE),
            range(header.referents, size_of::<Referent>()),
        ];
        let extents = header_at + offset_of!(ImageHeader, dependencies);
        let extents = extents..header_at + offset_of!(ImageHeader, references);
        let lists = lists.into_iter().filter(|list| !list.is_empty());
        // References have nothing on the other side to be compared with: what is right with them is left to the checksums.
        let is_compared = |list: &Range<usize>| *list != references;
        let sealable: Vec<_> = lists.clone().filter(is_compared).chain([extents]).collect();
        let whole = header_at..header_at + size_of::<ImageHeader>();
        let others = [whole, range(header.table, 1), range(header.specs, 1)];
        let parts = lists.chain(others).collect();
        Subject { path, bytes: file.bytes().to_vec(), header_at, parts, sealable }
    }

    fn mutated(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let is_sealed = random.below(2) == 0;
        let parts = if is_sealed { &self.sealable } else { &self.parts };
        for _ in 0..=random.below(3) {
            let part = &parts[random.below(parts.len())];
            mutate(&mut bytes[part.clone()], random);
        }
        if is_sealed {
            self.seal(&mut bytes);
        }
        bytes
    }

    /// Right checksums of what the header says now.
    fn seal(&self, bytes: &mut [u8]) {
        let mut header: ImageHeader = read_at(bytes, self.header_at).unwrap();
        [header.package_checksum, header.details_checksum] = list_checksums(bytes, self.header_at, &header);
        header.header_checksum = header_checksum(&header);
        bytes[self.header_at..][..size_of::<ImageHeader>()].copy_from_slice(bytes_of(&header));
    }
}

fn mutate(part: &mut [u8], random: &mut Random) {
    let at = random.below(part.len());
    let word = at & !3;
    match random.below(5) {
        0 => part[at] ^= 1 << random.below(8),
        1 => part[at] = random.next() as u8,
        2 => {
            let edges = [0, 1, 2, 7, 255, 256, i32::MAX, i32::MIN, -1, -8, 0x1000, 0x0100_0000];
            let value = random.one_of(&edges);
            part[word..][..4].copy_from_slice(&value.to_le_bytes());
        }
        3 => {
            let old: i32 = read_at(part, word).unwrap_or(0);
            let value = old.wrapping_add(random.one_of(&[1, -1, 4, -4, 8, -8, 64]));
            part[word..][..4].copy_from_slice(&value.to_le_bytes());
        }
        _ => {
            // Two entries, or parts of them, change places.
            let size = random.one_of(&[4, 8, 12, 16]).min(part.len());
            let (from, to) = (random.below(part.len() - size + 1), random.below(part.len() - size + 1));
            for i in 0..size {
                part.swap(from + i, to + i);
            }
        }
    }
}

/// Everything that reads files, which may find what it likes but must come back.
fn read(path: &Path, bytes: Vec<u8>) {
    let cpu =
        Cpu { name: "haswell".into(), arch: Arch::X86_64, features: Arch::X86_64.model("haswell").unwrap() };
    let Ok(file) = ElfFile::parse(path, bytes) else { return };
    let _ = check(&file);
    if let Ok(explanation) = explain(&file, &cpu, None, Some("g1")) {
        let _ = explanation.text(Some("g1"));
    }
    if let Ok(graph) = deps::graph(file) {
        let _ = (graph.text(), graph.svg());
    }
}

/// What is wrong with how a load ended.
fn verdict(output: &Output) -> Result<(), String> {
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let calls: Vec<&str> = printed.split_whitespace().filter(|word| word.contains('=')).collect();
    if calls.iter().zip(CALLS).any(|(found, expected)| *found != expected) {
        return Err("a call into the wrong code".into());
    }
    let is_refusal = said.contains("julienne: ");
    match (output.status.code(), output.status.signal()) {
        (Some(0), None) if calls.len() == CALLS.len() => Ok(()),
        // At the first function of an image that was refused.
        (None, Some(6)) if is_refusal => Ok(()),
        (Some(127), None) if is_refusal => Ok(()),
        _ => Err(format!("it ended with {}", output.status)),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{variable}={text}: {e}")))
}

/// What ends the rounds: their number, or a time.
#[derive(Clone, Copy)]
struct Rounds {
    seed: u64,
    end: Option<Instant>,
    /// They are shared out among so many threads.
    threads: u64,
}

impl Rounds {
    fn new() -> Rounds {
        let seconds = number("JL_FUZZ_SECONDS");
        Rounds {
            seed: number("JL_FUZZ_SEED").unwrap_or(SEED),
            end: seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
        }
    }

    fn of(self, thread: u64) -> impl Iterator<Item = u64> {
        let is_over = move |round| self.end.map_or(round >= MUTATIONS, |end| Instant::now() >= end);
        (thread..).step_by(self.threads as usize).take_while(move |round| !is_over(*round))
    }
}

/// Counts of loads that were refused and of right ones.
type Found = [u64; 2];

/// The rounds of one thread, with images and files of its own.
fn run(rounds: Rounds, thread: u64) -> Found {
    let folder = tempfile::tempdir().unwrap();
    let program = host(folder.path(), Machine::X86_64);
    let f = PackageSample { plain: 2, data: 3, ..PackageSample::new("f", 3, &TARGETS) }.build(folder.path());
    let uses = ["f2", "fplain1", "f0"].map(|name| Use::of(&f, name));
    let refers = vec![(f.clone(), 2), (f.clone(), 0)];
    let g = PackageSample { refers, ..PackageSample::new("g", 2, &TARGETS) }.with(uses).build(folder.path());
    let subjects = [Subject::new(f), Subject::new(g)];
    let names: Vec<&str> = CALLS.iter().map(|call| call.split('=').next().unwrap()).collect();
    let load = || {
        let mut command = Command::new(&program);
        command.arg("+./libg.so").args(&names).current_dir(folder.path()).env("JL_LOAD_TARGET", "1");
        command.output().unwrap()
    };
    let unchanged = load();
    assert!(unchanged.status.success(), "{}", text(&unchanged));
    verdict(&unchanged).unwrap();

    let mut found = Found::default();
    for round in rounds.of(thread) {
        // A seed for each: what failed is made again by its number.
        let seed = rounds.seed;
        let mut random = Random((seed << 32 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let subject = &subjects[random.below(2)];
        let bytes = subject.mutated(&mut random);
        fs::write(&subject.path, &bytes).unwrap();
        let output = load();
        if let Err(wrong) = verdict(&output) {
            let kept = std::env::temp_dir().join(format!("mutated-{seed}-{round}.so"));
            fs::write(&kept, &bytes).unwrap();
            panic!("seed {seed}, round {round} ({}): {wrong}\n{}", kept.display(), text(&output));
        }
        found[usize::from(output.status.success())] += 1;
        fs::write(&subject.path, &subject.bytes).unwrap();
        read(&subject.path, bytes);
    }
    found
}

#[test]
fn mutated_images() {
    let rounds = Rounds::new();
    let found = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..rounds.threads).map(|thread| scope.spawn(move || run(rounds, thread))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .fold(Found::default(), |sum, found| [sum[0] + found[0], sum[1] + found[1]])
    });
    println!("seed {}: {} loads were refused, {} were right", rounds.seed, found[0], found[1]);
    assert!(found[0] > 0, "no mutation was noticed");
}
