//! Damaged and foreign files: an error or a list of problems, never a panic.

mod support;

use image_format::cpu::Arch;
use image_format::layout::{ImageHeader, Row};
use image_format::pod::read_at;
use jl_load::check::check;
use jl_load::cpu::Cpu;
use jl_load::elf::ElfFile;
use jl_load::explain::explain;
use proptest::prelude::*;
use std::mem::offset_of;
use std::path::Path;
use std::sync::OnceLock;
use support::Sample;

/// A merged and a plain image.
fn images() -> &'static [Vec<u8>; 2] {
    static IMAGES: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    IMAGES.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let sample = Sample::new("f", 3, &["x86-64", "x86-64-v3"]);
        let merged = sample.merged(folder.path(), "libm.so", &["-shared", "-nostdlib"], &[]);
        let object = folder.path().join("f.o");
        let plain =
            support::link(folder.path(), "libp.so", &[&object], &["-fuse-ld=lld", "-shared", "-nostdlib"]);
        [merged, plain].map(|path| std::fs::read(path).unwrap())
    })
}

fn read(bytes: Vec<u8>) {
    if let Ok(file) = ElfFile::parse(Path::new("damaged.so"), bytes) {
        let _ = check(&file);
        let cpu = Cpu {
            name: "haswell".into(),
            arch: Arch::X86_64,
            features: Arch::X86_64.model("haswell").unwrap(),
        };
        if let Ok(explanation) = explain(&file, &cpu, None, Some("f1")) {
            let _ = explanation.text(Some("f1"));
        }
    }
}

#[test]
fn every_truncation() {
    for image in images() {
        for size in (0..image.len()).step_by(37).chain(0..400) {
            read(image[..size.min(image.len())].to_vec());
        }
    }
}

/// Bytes before the first section's content: ELF header, program headers, notes; and the section headers.
#[test]
fn every_bit_of_the_headers() {
    for image in images() {
        for bit in (0..0x400 * 8).chain((image.len() - 0x200) * 8..image.len() * 8) {
            let mut bytes = image.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            read(bytes);
        }
    }
}

/// What a flip in the tables changes is found: they have checksums.
#[test]
fn every_byte_of_the_tables() {
    let merged = &images()[0];
    let header = merged.windows(8).position(|w| w == image_format::layout::IMAGE_MAGIC).unwrap();
    let specs = merged.windows(4).position(|w| w == image_format::specs::SPECS_MAGIC).unwrap();
    // Behind the last of the header's rows is nothing.
    let count: u32 = read_at(merged, header + offset_of!(ImageHeader, row_count)).unwrap();
    let end = header + offset_of!(ImageHeader, rows) + count as usize * size_of::<Row>();
    for range in [header + 8..end, specs..specs + 200] {
        for at in range {
            let mut bytes = merged.clone();
            bytes[at] ^= 0x55;
            let file = ElfFile::parse(Path::new("damaged.so"), bytes).unwrap();
            let found = check(&file);
            assert!(found.as_ref().is_err() || !found.as_ref().unwrap().1.is_empty(), "byte {at:#x}");
        }
    }
}

proptest! {
    #[test]
    fn patches_anywhere(
        which in 0usize..2, at in any::<prop::sample::Index>(), patch in prop::collection::vec(any::<u8>(), 1..16)
    ) {
        let mut bytes = images()[which].clone();
        let at = at.index(bytes.len());
        let n = patch.len().min(bytes.len() - at);
        bytes[at..at + n].copy_from_slice(&patch[..n]);
        read(bytes);
    }

    #[test]
    fn noise_behind_an_elf_header(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = images()[1][..64].to_vec();
        bytes.extend(noise);
        read(bytes);
    }
}
