//! Random images: what is written is what is read, merging changes nothing that a loader sees, and damage
//! is an error.

use super::image::{self, Image, SHARD_ROW};
use super::memory::{Memory, Pointer};
use super::shard::{Addresses, Clones, FunctionClone, Shard, merge};
use super::targets::{Target, write};
use super::walk::walk;
use super::{Dialect, TAG, TableName};
use crate::cpu::Arch;
use crate::pod::read_at;
use proptest::prelude::*;

/// An absolute image in one piece, from address [`BASE`] on.
struct Flat(Vec<u8>);

const BASE: u64 = 0x1_0000;
/// Code, slots and data: outside of the tables and never read.
const ELSEWHERE: u64 = 0x80_0000;

impl Memory for Flat {
    fn bytes(&self, address: u64) -> Option<&[u8]> {
        self.0.get(usize::try_from(address.checked_sub(BASE)?).ok()?..)
    }

    fn pointer(&self, address: u64) -> Option<Pointer> {
        read_at(self.bytes(address)?, 0).map(Pointer::Address)
    }
}

impl Flat {
    fn end(&self) -> u64 {
        BASE + self.0.len() as u64
    }

    fn append(&mut self, bytes: &[u8]) -> u64 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = self.end();
        self.0.extend_from_slice(bytes);
        address
    }

    fn words(&mut self, words: &[u32]) -> u64 {
        self.append(&words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>())
    }

    fn pointers(&mut self, pointers: &[Pointer]) -> u64 {
        let address = |pointer: &Pointer| match *pointer {
            Pointer::Address(address) => address.to_le_bytes(),
            Pointer::Symbolic { .. } => [0; 8],
        };
        self.append(&pointers.iter().flat_map(address).collect::<Vec<u8>>())
    }

    /// The tables of a shard, each where there is room next: sizes do not depend on addresses.
    fn shard(&mut self, shard: &Shard) -> Addresses {
        let near = [self.end(); 8];
        let sizes = shard.tables(&near).unwrap();
        let mut addresses = [0; 8];
        for table in TableName::ALL {
            addresses[table as usize] = match (sizes.words(table), sizes.pointers(table)) {
                (Some(words), _) => self.words(&words),
                (_, Some(pointers)) => self.pointers(pointers),
                _ => unreachable!(),
            };
        }
        let tables = shard.tables(&addresses).unwrap();
        for table in [TableName::GvarOffsets, TableName::CloneSlots] {
            let at = (addresses[table as usize] - BASE) as usize;
            let bytes: Vec<u8> = tables.words(table).unwrap().iter().flat_map(|w| w.to_le_bytes()).collect();
            self.0[at..at + bytes.len()].copy_from_slice(&bytes);
        }
        addresses
    }

    /// The whole image; its root comes first.
    fn image(shards: &[Shard], targets: &[Target]) -> Flat {
        let mut flat = Flat(vec![0; 48]);
        let rows: Vec<Addresses> = shards.iter().map(|shard| flat.shard(shard)).collect();
        let rows: Vec<u8> = rows.iter().flatten().flat_map(|address| address.to_le_bytes()).collect();
        let table = flat.append(&rows);
        let count = |each: fn(&Shard) -> usize| shards.iter().map(each).sum::<usize>() as u32;
        let header = [1, shards.len() as u32, count(|s| s.fvars.len()), count(|s| s.gvars.len())];
        let header = flat.words(&header);
        let list = flat.append(&write(Dialect::R, targets));
        for (index, address) in [(0, header), (1, table), (4, list)] {
            flat.0[8 * index..8 * index + 8].copy_from_slice(&address.to_le_bytes());
        }
        flat
    }
}

fn read(flat: &Flat) -> Result<Image, super::TableError> {
    image::read(flat, Arch::X86_64, BASE)
}

/// Random bits that are the same for the same seed.
struct Bits(u64);

impl Bits {
    fn next(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % below
    }
}

/// Shards for the targets that `kinds` says: whether everything is cloned, and for which base otherwise.
fn shards(seed: u64, sizes: &[usize], kinds: &[bool]) -> Vec<Shard> {
    let mut bits = Bits(seed);
    let (mut place, mut number, mut data) = (ELSEWHERE, 0, 0);
    let mut fresh = || {
        place += 16;
        place
    };
    let total = sizes.iter().sum::<usize>() as u32;
    let mut found = Vec::new();
    for size in sizes {
        let functions = *size as u32;
        let mut shard = Shard::default();
        for function in 0..functions {
            shard.fvars.push(Pointer::Address(fresh()));
            // Numbers in another order than the shards'.
            shard.fvar_idxs.push(total - 1 - (number + function));
            for _ in 0..bits.next(3) {
                shard.slots.push((function, fresh()));
            }
        }
        number += functions;
        for _ in 0..bits.next(3) {
            shard.gvars.push(fresh());
            shard.gvar_idxs.push(data);
            data += 1;
        }
        let has_slot = |function: &u32| shard.slots.iter().any(|slot| slot.0 == *function);
        let with_slots: Vec<u32> = (0..functions).filter(has_slot).collect();
        for (target, all) in kinds.iter().enumerate() {
            if target == 0 || *all {
                let own = if target == 0 { 0 } else { functions };
                let bodies = (0..own).map(|_| Pointer::Address(fresh())).collect();
                shard.clones.push(Clones::All { with_slots: with_slots.clone(), bodies });
                continue;
            }
            let bases: Vec<u32> = (0..target as u32).filter(|t| *t == 0 || kinds[*t as usize]).collect();
            let base = bases[target % bases.len()];
            let mut clones = Vec::new();
            for function in 0..functions {
                let with_slots = has_slot(&function);
                if with_slots || bits.next(2) == 0 {
                    clones.push(FunctionClone { function, with_slots, body: Pointer::Address(fresh()) });
                }
            }
            shard.clones.push(Clones::Some { base, clones });
        }
        found.push(shard);
    }
    found
}

fn targets(count: usize) -> Vec<Target> {
    let target = |i: usize| Target {
        enabled: vec![i as u32; 11],
        disabled: vec![0; 11],
        name: format!("cpu{i}"),
        ..Target::default()
    };
    (0..count).map(target).collect()
}

proptest! {
    #[test]
    fn merging_changes_nothing_that_a_loader_sees(
        seed in any::<u64>(),
        sizes in proptest::collection::vec(0usize..6, 1..5),
        kinds in proptest::collection::vec(any::<bool>(), 1..5)
    ) {
        let parts = shards(seed, &sizes, &kinds);
        let list = targets(kinds.len());
        let whole = read(&Flat::image(&parts, &list)).unwrap();
        prop_assert_eq!(&whole.shards, &parts);
        prop_assert_eq!(&whole.targets.targets, &list);
        let merged = merge(&parts).unwrap();
        let one = read(&Flat::image(std::slice::from_ref(&merged), &list)).unwrap();
        prop_assert_eq!(&one.shards, &[merged]);
        for target in 0..kinds.len() {
            let before = walk(&parts, target);
            prop_assert_eq!(&before, &walk(&one.shards, target), "target {}", target);
            prop_assert_eq!(before.fvars.len(), sizes.iter().sum::<usize>());
            let slots: usize = parts.iter().map(|shard| shard.slots.len()).sum();
            prop_assert_eq!(before.slots.len(), slots);
        }
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic(
        seed in any::<u64>(),
        patches in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>()
    ) {
        let mut flat = Flat::image(&shards(seed, &[3, 2], &[false, true, false]), &targets(3));
        for (at, byte) in patches {
            let at = at.index(flat.0.len());
            flat.0[at] = byte;
        }
        if let Ok(image) = read(&flat) {
            for target in 0..image.targets.targets.len() {
                let _ = walk(&image.shards, target);
            }
            let _ = merge(&image.shards);
        }
        flat.0.truncate(end.index(flat.0.len()));
        let _ = read(&flat);
    }
}

fn sample() -> Vec<Shard> {
    let at = |n: u64| Pointer::Address(ELSEWHERE + n);
    let shard = |n: u32| Shard {
        fvars: vec![at(1), at(2)],
        fvar_idxs: vec![2 * n, 2 * n + 1],
        gvars: vec![ELSEWHERE + 3],
        gvar_idxs: vec![n],
        slots: vec![(1, ELSEWHERE + 16)],
        clones: vec![
            Clones::All { with_slots: vec![1], bodies: Vec::new() },
            Clones::Some {
                base: 0,
                clones: vec![FunctionClone { function: 1, with_slots: true, body: at(4) }],
            },
        ],
    };
    vec![shard(0), shard(1)]
}

/// The error after changing word `word` of a table of shard 1.
fn changed(table: TableName, word: usize, value: u32) -> String {
    let mut flat = Flat::image(&sample(), &targets(2));
    let image = read(&flat).unwrap();
    let at = (image.addresses[1][table as usize] - BASE) as usize + 4 * word;
    flat.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    read(&flat).unwrap_err().to_string()
}

#[test]
fn every_rule_has_its_words() {
    use TableName::*;
    for (table, word, value, expected) in [
        (FvarCount, 1, 1, "jl_fvar_count_1: found 4294967298, expected a number of functions"),
        (FvarIdxs, 0, 9, "jl_fvar_idxs_1: found 9, expected one below 4, the nfvars of jl_image_header"),
        (FvarIdxs, 0, 0, "jl_fvar_idxs_1: found 0, which jl_fvar_idxs_0 has too, expected each number once"),
        (FvarPtrs, 0, 0, "jl_fvar_ptrs_1: found 0 as entry 0, expected a pointer"),
        (CloneSlots, 1, 2, "function 2 in pair 0, expected one below 2, the value of jl_fvar_count_1"),
        (CloneSlots, 0, TAG, "jl_clone_slots_1: found "),
        (CloneIdxs, 0, 1, "an untagged length for target 0, expected a tagged length"),
        (
            CloneIdxs,
            1,
            0,
            "function 0 for target 0 whose slots are to be written, expected one with a slot in",
        ),
        (CloneIdxs, 1, 5, "function 5 for target 0, expected one below 2"),
        (CloneIdxs, 3, 1, "base target 1 for target 1, expected an earlier target with a tagged length"),
        (CloneIdxs, 2, 9, "jl_clone_idxs_1: found"),
    ] {
        let found = changed(table, word, value);
        assert!(found.contains(expected), "{table:?} {word}: {found}");
        assert!(found.contains(table.symbol()), "{table:?} {word}: {found}");
    }
}

#[test]
fn the_header_is_checked_first() {
    let flat = Flat::image(&sample(), &targets(2));
    let header = read(&flat).unwrap().header - BASE;
    let with = |word: u64, value: u32| {
        let at = (header + 4 * word) as usize;
        let mut bytes = flat.0.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        read(&Flat(bytes)).unwrap_err().to_string()
    };
    assert_eq!(with(0, 2), "jl_image_header: found version 2, expected 1");
    assert!(with(1, u32::MAX).starts_with("jl_shard_tables: found an end behind"), "{}", with(1, u32::MAX));
    let missing = with(2, 5);
    assert_eq!(
        missing,
        "jl_fvar_idxs: found 4 numbers in all shards, 4 not among them, expected 5, the nfvars of jl_image_header"
    );
    assert_eq!(SHARD_ROW, 64);
}

#[test]
fn shards_for_other_targets_are_not_merged() {
    let mut parts = sample();
    parts[1].clones[1] = Clones::All { with_slots: vec![1], bodies: parts[1].fvars.clone() };
    assert_eq!(
        merge(&parts).unwrap_err().to_string(),
        "jl_clone_idxs_1: found a tagged length for target 1, expected an untagged length with base target 0 as in \
         jl_clone_idxs_0"
    );
}
