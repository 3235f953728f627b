//! The eight tables of a shard: functions, data, slots, and what each target has instead of them.
//!
//! * `fvar_count`: a pointer-sized number; `fvar_ptrs`: that many bodies for target 0; `fvar_idxs`: their numbers in
//!   the image.
//! * `gvar_offsets`: a count, then `i32` distances from the table itself; `gvar_idxs`: numbers in the image.
//! * `clone_slots`: a count, then pairs of a function (its index in the shard) and the `i32` distance of
//!   one of its slots from the table; sorted by function, several slots per function are allowed.
//! * `clone_idxs`, for one target after the other: a tagged length and that many functions whose slots are
//!   written (everything is cloned, or it is target 0); or a length, the base target, and that many functions,
//!   tagged where their slots are written.
//! * `clone_ptrs`: nothing for target 0; as many bodies as functions for a tagged length; `length` bodies otherwise.

use super::memory::{Memory, Pointer};
use super::{TAG, TableError, TableName};

/// A shard with its tables resolved; functions are counted from 0 within it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shard {
    /// Bodies for target 0.
    pub fvars: Vec<Pointer>,
    /// Number in the image of each.
    pub fvar_idxs: Vec<u32>,
    /// Addresses.
    pub gvars: Vec<u64>,
    pub gvar_idxs: Vec<u32>,
    /// Function and address of a slot, sorted by function.
    pub slots: Vec<(u32, u64)>,
    /// What each target has, the first being target 0.
    pub clones: Vec<Clones>,
}

/// What one target has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clones {
    /// A body for every function (target 0: the shard's own), and the functions whose slots are written.
    All { with_slots: Vec<u32>, bodies: Vec<Pointer> },
    /// Bodies for some functions; the others are the base target's.
    Some { base: u32, clones: Vec<FunctionClone> },
}

/// One function's body for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FunctionClone {
    pub function: u32,
    /// Its slots are written.
    pub with_slots: bool,
    pub body: Pointer,
}

/// Where the tables of a shard are, in the order of [`TableName::ALL`].
pub type Addresses = [u64; 8];

/// Reads the tables of shard `number` for `targets` targets.
///
/// # Errors
/// A table outside of the image, or one that the rules above do not allow; nothing in it is trusted.
pub fn read(
    memory: &impl Memory,
    addresses: &Addresses,
    number: usize,
    targets: usize,
) -> Result<Shard, TableError> {
    let reader = Reader { memory, addresses, number };
    let count = reader.words(TableName::FvarCount, 0, 2)?;
    let functions = match (count[0], count[1]) {
        (low, 0) => low as usize,
        (low, high) => {
            let found = u64::from(high) << 32 | u64::from(low);
            return Err(reader.wrong(TableName::FvarCount, found.to_string(), "a number of functions"));
        }
    };
    let fvars = reader.pointers(TableName::FvarPtrs, 0, functions)?;
    let fvar_idxs = reader.words(TableName::FvarIdxs, 0, functions)?;
    let data = reader.words(TableName::GvarOffsets, 0, 1)?[0] as usize;
    let gvars = reader.words(TableName::GvarOffsets, 1, data)?;
    let gvars = gvars.iter().map(|offset| reader.at(TableName::GvarOffsets, *offset)).collect();
    let gvar_idxs = reader.words(TableName::GvarIdxs, 0, data)?;
    let slots = reader.slots(functions)?;
    let clones = reader.clones(functions, &slots, targets)?;
    Ok(Shard { fvars, fvar_idxs, gvars, gvar_idxs, slots, clones })
}

struct Reader<'a, M> {
    memory: &'a M,
    addresses: &'a Addresses,
    number: usize,
}

impl<M: Memory> Reader<'_, M> {
    fn wrong(&self, table: TableName, found: impl Into<String>, expected: impl Into<String>) -> TableError {
        TableError::of_shard(table, self.number, found, expected)
    }

    fn address(&self, table: TableName) -> u64 {
        self.addresses[table as usize]
    }

    /// An address that is stored as its distance from a table.
    fn at(&self, table: TableName, offset: u32) -> u64 {
        self.address(table).wrapping_add_signed(i64::from(offset.cast_signed()))
    }

    /// `count` words from the `first` on.
    fn words(&self, table: TableName, first: usize, count: usize) -> Result<Vec<u32>, TableError> {
        let address = self.address(table);
        let range =
            first.checked_mul(4).zip(count.checked_mul(4)).and_then(|(a, n)| Some(a..a.checked_add(n)?));
        let bytes = self.memory.bytes(address).unwrap_or(&[]);
        match range.and_then(|range| bytes.get(range)) {
            Some(bytes) => Ok(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect()),
            None => {
                let found = format!("{} bytes at {address:#x}", bytes.len());
                Err(self.wrong(
                    table,
                    found,
                    format!("{} words inside the image", first.saturating_add(count)),
                ))
            }
        }
    }

    fn pointers(&self, table: TableName, first: usize, count: usize) -> Result<Vec<Pointer>, TableError> {
        let start = self.address(table).wrapping_add(8 * first as u64);
        // Their number comes out of the image: what is not there must not be asked for room.
        if count.checked_mul(8).and_then(|size| self.memory.slice(start, size)).is_none() {
            let expected = format!("{count} pointers at {start:#x}");
            return Err(self.wrong(table, "the end of the image before that", expected));
        }
        let place = |i: usize| start.wrapping_add(8 * i as u64);
        let pointer = |i| self.memory.pointer(place(i)).filter(|pointer| *pointer != Pointer::Address(0));
        (0..count)
            .map(|i| {
                pointer(i).ok_or_else(|| self.wrong(table, format!("0 as entry {}", first + i), "a pointer"))
            })
            .collect()
    }

    fn slots(&self, functions: usize) -> Result<Vec<(u32, u64)>, TableError> {
        let table = TableName::CloneSlots;
        let count = self.words(table, 0, 1)?[0] as usize;
        let words = self.words(table, 1, count.saturating_mul(2))?;
        let pairs = words.as_chunks::<2>().0;
        for (i, [function, _]) in pairs.iter().enumerate() {
            if *function as usize >= functions {
                let expected = format!("one below {functions}, the value of jl_fvar_count_{}", self.number);
                return Err(self.wrong(table, format!("function {function} in pair {i}"), expected));
            }
            if i > 0 && pairs[i - 1][0] > *function {
                let found = format!("function {function} behind {} in pair {i}", pairs[i - 1][0]);
                return Err(self.wrong(table, found, "pairs sorted by function"));
            }
        }
        Ok(pairs.iter().map(|[function, offset]| (*function, self.at(table, *offset))).collect())
    }

    fn clones(
        &self,
        functions: usize,
        slots: &[(u32, u64)],
        targets: usize,
    ) -> Result<Vec<Clones>, TableError> {
        let (mut word, mut pointer) = (0, 0);
        let mut found: Vec<Clones> = Vec::new();
        for target in 0..targets {
            let length = self.words(TableName::CloneIdxs, word, 1)?[0];
            let count = (length & !TAG) as usize;
            if length & TAG != 0 {
                let with_slots = self.words(TableName::CloneIdxs, word + 1, count)?;
                self.check_functions(target, functions, &with_slots, |_| true, slots)?;
                let own = if target == 0 { 0 } else { functions };
                let bodies = self.pointers(TableName::ClonePtrs, pointer, own)?;
                found.push(Clones::All { with_slots, bodies });
                (word, pointer) = (word + 1 + count, pointer + own);
                continue;
            }
            let base = self.words(TableName::CloneIdxs, word + 1, 1)?[0];
            if !matches!(found.get(base as usize), Some(Clones::All { .. })) {
                let (found, expected) = match target {
                    0 => ("an untagged length for target 0".into(), "a tagged length"),
                    _ => (
                        format!("base target {base} for target {target}"),
                        "an earlier target with a tagged length",
                    ),
                };
                return Err(self.wrong(TableName::CloneIdxs, found, expected));
            }
            let idxs = self.words(TableName::CloneIdxs, word + 2, count)?;
            let plain: Vec<u32> = idxs.iter().map(|idx| idx & !TAG).collect();
            self.check_functions(target, functions, &plain, |i| idxs[i] & TAG != 0, slots)?;
            let bodies = self.pointers(TableName::ClonePtrs, pointer, count)?;
            let clones = idxs.iter().zip(bodies);
            let clone = |(idx, body): (&u32, Pointer)| FunctionClone {
                function: idx & !TAG,
                with_slots: idx & TAG != 0,
                body,
            };
            found.push(Clones::Some { base, clones: clones.map(clone).collect() });
            (word, pointer) = (word + 2 + count, pointer + count);
        }
        Ok(found)
    }

    /// The functions of a target ascend, exist, and have a slot where one is to be written.
    fn check_functions(
        &self,
        target: usize,
        functions: usize,
        list: &[u32],
        with_slots: impl Fn(usize) -> bool,
        slots: &[(u32, u64)],
    ) -> Result<(), TableError> {
        let table = TableName::CloneIdxs;
        for (i, function) in list.iter().enumerate() {
            let found = || format!("function {function} for target {target}");
            if *function as usize >= functions {
                let expected = format!("one below {functions}, the value of jl_fvar_count_{}", self.number);
                return Err(self.wrong(table, found(), expected));
            }
            if i > 0 && list[i - 1] >= *function {
                return Err(self.wrong(
                    table,
                    format!("{} behind {}", found(), list[i - 1]),
                    "ascending functions",
                ));
            }
            if with_slots(i) && slots.binary_search_by_key(function, |slot| slot.0).is_err() {
                let expected = format!("one with a slot in jl_clone_slots_{}", self.number);
                return Err(self.wrong(
                    table,
                    format!("{} whose slots are to be written", found()),
                    expected,
                ));
            }
        }
        Ok(())
    }
}

/// One shard out of all, in their order: a function's index grows by the number of functions before.
///
/// # Errors
/// Shards that do not have the same targets.
pub fn merge(shards: &[Shard]) -> Result<Shard, TableError> {
    let mut merged = shards.first().cloned().unwrap_or_default();
    for (number, shard) in shards.iter().enumerate().skip(1) {
        let first = merged.fvars.len() as u32;
        let Shard { fvars, fvar_idxs, gvars, gvar_idxs, slots, clones } = shard;
        for (target, pair) in merged.clones.iter_mut().zip(clones).enumerate() {
            append(pair.0, pair.1, first).map_err(|(found, expected)| {
                let found = format!("{found} for target {target}");
                let expected = format!("{expected} as in jl_clone_idxs_0");
                TableError::of_shard(TableName::CloneIdxs, number, found, expected)
            })?;
        }
        merged.fvars.extend(fvars);
        merged.fvar_idxs.extend(fvar_idxs);
        merged.gvars.extend(gvars);
        merged.gvar_idxs.extend(gvar_idxs);
        merged.slots.extend(slots.iter().map(|(function, slot)| (first + function, *slot)));
    }
    Ok(merged)
}

/// Puts the clones of another shard behind those of one target, or says how they differ.
fn append(to: &mut Clones, from: &Clones, first: u32) -> Result<(), (String, String)> {
    match (to, from) {
        (Clones::All { with_slots, bodies }, Clones::All { with_slots: more_slots, bodies: more }) => {
            with_slots.extend(more_slots.iter().map(|function| first + function));
            bodies.extend(more);
            Ok(())
        }
        (Clones::Some { base, clones }, Clones::Some { base: other, clones: more }) if base == other => {
            clones.extend(
                more.iter().map(|clone| FunctionClone { function: first + clone.function, ..*clone }),
            );
            Ok(())
        }
        (to, from) => {
            let kind = |clones: &Clones| match clones {
                Clones::All { .. } => "a tagged length".to_owned(),
                Clones::Some { base, .. } => format!("an untagged length with base target {base}"),
            };
            Err((kind(from), kind(to)))
        }
    }
}

/// The tables of a shard as words and pointers, `clone_slots` and `gvar_offsets` for where they will stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    pub fvar_count: u64,
    pub fvar_ptrs: Vec<Pointer>,
    pub fvar_idxs: Vec<u32>,
    pub gvar_offsets: Vec<u32>,
    pub gvar_idxs: Vec<u32>,
    pub clone_slots: Vec<u32>,
    pub clone_ptrs: Vec<Pointer>,
    pub clone_idxs: Vec<u32>,
}

impl Shard {
    /// The tables for `addresses`.
    ///
    /// # Errors
    /// Slots or data more than 2 GiB away from their table.
    pub fn tables(&self, addresses: &Addresses) -> Result<Tables, TableError> {
        let near = |table: TableName, address: u64| {
            let origin = addresses[table as usize];
            let distance = i32::try_from(address.wrapping_sub(origin).cast_signed());
            distance.map(i32::cast_unsigned).map_err(|_| {
                let found = format!("{address:#x} with the table at {origin:#x}");
                TableError::of_shard(table, 0, found, "less than 2 GiB between them")
            })
        };
        let mut gvar_offsets = vec![self.gvars.len() as u32];
        for gvar in &self.gvars {
            gvar_offsets.push(near(TableName::GvarOffsets, *gvar)?);
        }
        let mut clone_slots = vec![self.slots.len() as u32];
        for (function, slot) in &self.slots {
            clone_slots.extend([*function, near(TableName::CloneSlots, *slot)?]);
        }
        let (mut clone_idxs, mut clone_ptrs) = (Vec::new(), Vec::new());
        for target in &self.clones {
            match target {
                Clones::All { with_slots, bodies } => {
                    clone_idxs.push(TAG | with_slots.len() as u32);
                    clone_idxs.extend(with_slots);
                    clone_ptrs.extend(bodies);
                }
                Clones::Some { base, clones } => {
                    clone_idxs.extend([clones.len() as u32, *base]);
                    clone_idxs.extend(clones.iter().map(|c| c.function | if c.with_slots { TAG } else { 0 }));
                    clone_ptrs.extend(clones.iter().map(|clone| clone.body));
                }
            }
        }
        Ok(Tables {
            fvar_count: self.fvars.len() as u64,
            fvar_ptrs: self.fvars.clone(),
            fvar_idxs: self.fvar_idxs.clone(),
            gvar_offsets,
            gvar_idxs: self.gvar_idxs.clone(),
            clone_slots,
            clone_ptrs,
            clone_idxs,
        })
    }
}

impl Tables {
    /// The words of a table; `None` for those of pointers.
    pub fn words(&self, table: TableName) -> Option<Vec<u32>> {
        match table {
            TableName::FvarCount => Some(vec![self.fvar_count as u32, (self.fvar_count >> 32) as u32]),
            TableName::FvarIdxs => Some(self.fvar_idxs.clone()),
            TableName::GvarOffsets => Some(self.gvar_offsets.clone()),
            TableName::GvarIdxs => Some(self.gvar_idxs.clone()),
            TableName::CloneSlots => Some(self.clone_slots.clone()),
            TableName::CloneIdxs => Some(self.clone_idxs.clone()),
            TableName::FvarPtrs | TableName::ClonePtrs => None,
        }
    }

    /// The pointers of a table; `None` for those of words.
    pub fn pointers(&self, table: TableName) -> Option<&[Pointer]> {
        match table {
            TableName::FvarPtrs => Some(&self.fvar_ptrs),
            TableName::ClonePtrs => Some(&self.clone_ptrs),
            _ => None,
        }
    }
}
