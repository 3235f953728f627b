//! Images that refer to data of others: what the embedded shim fills, and lists that say what cannot be.

mod support;

use image_format::layout::{Dependency, Extent, ImageHeader, Reference, Referent};
use image_format::pod::{Pod, bytes_of, read_at};
use jl_load::elf::ElfFile;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::packages::{PackageSample, Setup, alter, host, list_checksums, merged_header};
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

/// Changes an item of a list of an image, and gives the lists a right checksum.
fn change<T: Pod>(path: &Path, list: fn(&ImageHeader) -> Extent, number: usize, change: impl Fn(&mut T)) {
    alter(path, |bytes, at, header| {
        let place = at.wrapping_add_signed(list(header).offset as isize) + number * size_of::<T>();
        let mut item: T = read_at(bytes, place).unwrap();
        change(&mut item);
        bytes[place..][..size_of::<T>()].copy_from_slice(bytes_of(&item));
        [header.package_checksum, header.details_checksum] = list_checksums(bytes, at, header);
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
    for what in [
        // Behind the end of the blob; what leads to its very end may be the end of an object.
        (|r: &mut Reference| r.place = 25) as Change,
        |r| r.place = u32::MAX,
        |r| r.cell += 4,
        // Filled a moment before; the header, which is sealed for good; outside.
        |r| r.cell -= 8,
        |r| r.cell = 0,
        |r| r.cell = i32::MAX - 7,
        |r| r.cell = i32::MIN,
    ] {
        let g = setup.user();
        // The second one: the first is filled before it.
        change(&g, |header| header.references, 1, what);
        let (said, words) = (setup.says(&["+./libg.so"]), "its reference 1 is to nothing there");
        assert!(said.contains("libg.so: cannot run here") && said.contains(words), "{said}");
    }
    let g = setup.user();
    change(&g, |header| header.references, 1, |reference: &mut Reference| reference.place = 24);
    assert_eq!(setup.says(&["+./libg.so", "gdatum0"]), "gdatum0=5002 end\n");
}

#[test]
fn references_of_no_dependency() {
    let setup = Setup::new();
    setup.lender();
    for end in [0, 1, 3, u32::MAX] {
        let g = setup.user();
        change(&g, |header| header.dependencies, 0, |d: &mut Dependency| d.references_end = end);
        let said = setup.says(&["+./libg.so"]);
        assert!(
            said.contains("libg.so: the list of functions of other images") && said.contains("is damaged"),
            "{end}: {said}"
        );
    }
}

#[test]
fn references_to_several_dependencies() {
    let setup = Setup::new();
    let [f, e] = ["f", "e"].map(|prefix| {
        PackageSample { data: 3, ..PackageSample::new(prefix, 1, &TARGETS) }.build(setup.path())
    });
    // Cells in turns, so that neither has a stretch of them for itself.
    let refers = vec![(f.clone(), 2), (e.clone(), 1), (f, 0), (e, 2)];
    let g = PackageSample { refers, ..PackageSample::new("g", 1, &TARGETS) }.build(setup.path());
    let said = setup.says(&["+./libg.so", "gdatum0", "gdatum1", "gdatum2", "gdatum3"]);
    assert_eq!(said, "gdatum0=5002 gdatum1=5001 gdatum2=5000 gdatum3=5002 end\n");
    // The first one of the second, with the cell of one of the first.
    change(&g, |header| header.references, 2, |reference: &mut Reference| reference.cell -= 8);
    assert!(setup.says(&["+./libg.so"]).contains("its reference 2 is to nothing there"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_jl-load"));
    let checked = text(&command.arg("check").arg(&g).output().unwrap());
    assert!(checked.contains("is another reference's, too"), "{checked}");
}

#[test]
fn what_no_load_reads_is_read_by_check() {
    let setup = Setup::new();
    setup.lender();
    let g = setup.user();
    let check = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_jl-load"));
        text(&command.arg("check").arg(&g).output().unwrap())
    };
    assert!(check().contains("libg.so: right: "), "{}", check());
    // The second one, with a wrong checksum and with a right one.
    let damage = |is_sealed: bool| {
        alter(&g, |bytes, at, header| {
            let list = at.wrapping_add_signed(header.referents.offset as isize);
            bytes[list + size_of::<Referent>() + offset_of!(Referent, inner)] = 9;
            if is_sealed {
                [_, header.details_checksum] = list_checksums(bytes, at, header);
            }
        });
        assert_eq!(setup.says(&["+./libg.so", "gdatum0"]), "gdatum0=5002 end\n");
    };
    damage(false);
    assert!(
        check().contains("image lists of exports, imports, identities and referents are damaged"),
        "{}",
        check()
    );
    setup.user();
    damage(true);
    assert!(check().contains("it leads 9 bytes into an object of 8"), "{}", check());
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
