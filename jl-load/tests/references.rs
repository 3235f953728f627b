//! Images that refer to data of others: what the embedded shim fills, and lists that say what cannot be.

mod support;

use image_format::layout::{Extent, ImageHeader, Reference};
use image_format::pod::{bytes_of, read_at};
use jl_load::elf::ElfFile;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::packages::{PackageSample, Setup, alter, host, lists_checksum, merged_header};
use support::{Machine, on_aarch64, text};

const TARGETS: [&str; 2] = ["x86-64", "x86-64-v2"];

impl Setup {
    /// libf.so with three numbers.
    fn lender(&self) -> PathBuf {
        PackageSample { data: 3, ..PackageSample::new("f", 1, &TARGETS) }.build(self.path())
    }

    /// libg.so, which refers to two of them and calls nothing of it.
    fn user(&self) -> PathBuf {
        let f = self.path().join("libf.so");
        let refers = vec![(f.clone(), 2), (f, 0)];
        PackageSample { refers, ..PackageSample::new("g", 1, &TARGETS) }.build(self.path())
    }

    fn says(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.host);
        text(&command.args(arguments).current_dir(self.path()).output().unwrap())
    }
}

/// Changes a reference of an image, and gives the lists a right checksum.
fn change(path: &Path, number: usize, change: impl Fn(&mut Reference)) {
    alter(path, |bytes, at, header| {
        let list = at.wrapping_add_signed(header.references.offset as isize);
        let place = list + number * size_of::<Reference>();
        let mut reference: Reference = read_at(bytes, place).unwrap();
        change(&mut reference);
        bytes[place..][..size_of::<Reference>()].copy_from_slice(bytes_of(&reference));
        header.package_checksum = lists_checksum(bytes, at, header);
    });
}

#[test]
fn data_of_a_dependency_is_found() {
    let setup = Setup::new();
    setup.lender();
    setup.user();
    assert_eq!(setup.says(&["+./libg.so", "gdatum0", "gdatum1"]), "gdatum0=5002 gdatum1=5000 end\n");
    // In a namespace of its own it is another copy of both.
    assert_eq!(setup.says(&["*./libg.so", "gdatum1"]), "gdatum1=5000 end\n");
}

#[test]
fn on_aarch64_too() {
    let folder = tempfile::tempdir().unwrap();
    let program = host(folder.path(), Machine::Aarch64);
    let sample = |prefix| PackageSample {
        sample: support::Sample::aarch64(prefix, 1, &["generic", "a64fx"]),
        ..PackageSample::new(prefix, 0, &[])
    };
    let f = PackageSample { data: 3, ..sample("f") }.build(folder.path());
    PackageSample { refers: vec![(f, 1)], ..sample("g") }.build(folder.path());
    let mut command = on_aarch64("cortex-a53", &program);
    let output = command.args(["+./libg.so", "gdatum0"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(text(&output), "gdatum0=5001 end\n");
}

#[test]
fn references_that_lead_nowhere() {
    let setup = Setup::new();
    setup.lender();
    type Change = fn(&mut Reference);
    for (what, words) in [
        ((|r: &mut Reference| r.offset = 24) as Change, "its reference 1 is to nothing there"),
        (|r| r.offset = u32::MAX, "its reference 1 is to nothing"),
        (|r| r.size = 17, "its reference 1 is to nothing"),
        (|r| r.size = u32::MAX, "its reference 1 is to nothing"),
        (|r| r.inner = 9, "its reference 1 is to nothing"),
        (|r| r.dependency = 1, "dependency 1, which is not in its list"),
        (|r| r.dependency = u32::MAX, "not in its list"),
        (|r| r.cell += 4, "its reference 1 is to nothing"),
        // Filled a moment before; the header, which is sealed for good; outside.
        (|r| r.cell -= 8, "its reference 1 is to nothing"),
        (|r| r.cell = 0, "its reference 1 is to nothing"),
        (|r| r.cell = i32::MAX - 7, "its reference 1 is to nothing"),
    ] {
        let g = setup.user();
        // The second one: the first is filled before it.
        change(&g, 1, |reference| {
            // At the third number, so that what is too much by a byte is noticed.
            (reference.offset, reference.size) = (8, 8);
            what(reference);
        });
        let said = setup.says(&["+./libg.so"]);
        assert!(said.contains("libg.so: cannot run here") && said.contains(words), "{words}: {said}");
    }
}

#[test]
fn damage_is_refused() {
    let setup = Setup::new();
    let f = setup.lender();
    let g = setup.user();
    let flip = |path: &Path, list: fn(&ImageHeader) -> Extent| {
        alter(path, |bytes, at, header| bytes[at.wrapping_add_signed(list(header).offset as isize)] ^= 1);
    };
    flip(&g, |header| header.references);
    assert!(setup.says(&["+./libg.so"]).contains("is damaged"));
    setup.user();
    alter(&g, |_, _, header| header.references.count += 1);
    assert!(setup.says(&["+./libg.so"]).contains("is damaged"));
    setup.user();
    // The blob itself is data that changes when it is loaded; that it is another one than was linked against is noticed.
    alter(&f, |_, _, header| header.linkage_checksum ^= 1);
    assert!(setup.says(&["+./libg.so"]).contains("other content under the same build id"));
    setup.lender();
    alter(&f, |_, _, header| header.linkage.count = 0x4000_0000);
    assert!(setup.says(&["+./libf.so"]).contains("is damaged"), "a blob that no segment holds");
    let damaged = setup.lender();
    let file = ElfFile::open(&damaged).unwrap();
    let (address, header, _) = merged_header(&file);
    let blob = address.wrapping_add_signed(header.linkage.offset.into());
    let mut bytes = file.bytes().to_vec();
    bytes[file.file_offset(blob).unwrap()] ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_jl-load"));
    let said = text(&check.arg("check").arg(damaged).output().unwrap());
    assert!(said.contains("linkage blob: it is damaged"), "{said}");
}
