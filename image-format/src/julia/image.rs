//! An image from Julia, read from its root symbol on.

use super::memory::{Memory, Pointer};
use super::shard::{self, Addresses, Shard};
use super::targets::{self, TargetList};
use super::{ROOT, TableError, TableName, VERSION};
use crate::cpu::Arch;

/// Size in bytes of a shard's row in the shard table: eight pointers.
pub const SHARD_ROW: u64 = 8 * TableName::ALL.len() as u64;

/// Everything about an image's code.
#[derive(Clone, Debug)]
pub struct Image {
    /// Address of the header.
    pub header: u64,
    /// Address of the shard table.
    pub shard_table: u64,
    pub functions: u32,
    pub data: u32,
    pub targets: TargetList,
    pub shards: Vec<Shard>,
    /// Where the tables of each shard are.
    pub addresses: Vec<Addresses>,
}

/// Reads the image whose root symbol is at `root`.
///
/// # Errors
/// Another version, a table outside of the image or one that breaks Julia's rules, and functions or data
/// that no shard has or two have.
pub fn read(memory: &impl Memory, arch: Arch, root: u64) -> Result<Image, TableError> {
    let field = |index: u64, what: &str| match memory.pointer(root.wrapping_add(8 * index)) {
        Some(Pointer::Address(address)) if address != 0 => Ok(address),
        found => {
            let found = format!("{found:?} as its pointer to {what}");
            Err(TableError::new(ROOT, found, "an address in the image"))
        }
    };
    let (header, shard_table, list) =
        (field(0, "the header")?, field(1, "the shards")?, field(4, "the target list")?);
    let word = |index: u64| {
        let place = header.wrapping_add(4 * index);
        memory.u32(place).ok_or_else(|| {
            TableError::new("jl_image_header", format!("an end at {place:#x}"), "four words inside the image")
        })
    };
    let (version, count, functions, data) = (word(0)?, word(1)?, word(2)?, word(3)?);
    if version != VERSION {
        return Err(TableError::new("jl_image_header", format!("version {version}"), VERSION.to_string()));
    }
    let bytes = memory.bytes(list).unwrap_or(&[]);
    let targets = targets::read(bytes, arch)?;
    let rows = memory.bytes(shard_table).unwrap_or(&[]).len() as u64 / SHARD_ROW;
    if u64::from(count) > rows {
        let found = format!("an end behind {rows} shards");
        return Err(TableError::new("jl_shard_tables", found, format!("{count}, as jl_image_header has it")));
    }
    let mut addresses = Vec::new();
    for shard in 0..u64::from(count) {
        let row = shard_table.wrapping_add(SHARD_ROW * shard);
        addresses.push(shard_row(memory, row, shard)?);
    }
    let read_shard = |(number, row)| shard::read(memory, row, number, targets.targets.len());
    let shards: Vec<Shard> = addresses.iter().enumerate().map(read_shard).collect::<Result<_, _>>()?;
    let of_functions = shards.iter().map(|shard| &shard.fvar_idxs[..]);
    check_numbers(TableName::FvarIdxs, of_functions, functions, "nfvars")?;
    check_numbers(TableName::GvarIdxs, shards.iter().map(|shard| &shard.gvar_idxs[..]), data, "ngvars")?;
    Ok(Image { header, shard_table, functions, data, targets, shards, addresses })
}

fn shard_row(memory: &impl Memory, row: u64, shard: u64) -> Result<Addresses, TableError> {
    let mut addresses = [0; TableName::ALL.len()];
    for (index, table) in TableName::ALL.into_iter().enumerate() {
        addresses[index] = match memory.pointer(row.wrapping_add(8 * index as u64)) {
            Some(Pointer::Address(address)) if address != 0 => address,
            found => {
                let found = format!("{found:?} as its pointer to {}_{shard}", table.symbol());
                return Err(TableError::new("jl_shard_tables", found, "an address in the image"));
            }
        };
    }
    Ok(addresses)
}

/// Each number below `count` belongs to one shard.
fn check_numbers<'a>(
    table: TableName,
    shards: impl Iterator<Item = &'a [u32]>,
    count: u32,
    field: &str,
) -> Result<(), TableError> {
    // Numbers are as many as words that were read: a wrong count in the header asks for no room.
    let mut owners = std::collections::HashMap::new();
    for (shard, idxs) in shards.enumerate() {
        for idx in idxs {
            if *idx >= count {
                let expected = format!("one below {count}, the {field} of jl_image_header");
                return Err(TableError::of_shard(table, shard, idx.to_string(), expected));
            }
            if let Some(other) = owners.insert(*idx, shard) {
                let found = format!("{idx}, which {}_{other} has too", table.symbol());
                return Err(TableError::of_shard(table, shard, found, "each number once"));
            }
        }
    }
    if owners.len() != count as usize {
        let missing = (0..count).find(|idx| !owners.contains_key(idx)).unwrap_or(0);
        let found = format!("{} numbers in all shards, {missing} not among them", owners.len());
        return Err(TableError::new(
            table.symbol(),
            found,
            format!("{count}, the {field} of jl_image_header"),
        ));
    }
    Ok(())
}
