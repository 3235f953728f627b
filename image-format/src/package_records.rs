//! The records of exports, imports and references that objects bring, with their fields as addresses.

use crate::layout::{ExportRecord, IDENTITY_SIZE, ImportRecord, ReferenceRecord};
use crate::package::PackageError;
use crate::pod::{Pod, read_at};
use core::mem::{offset_of, size_of};

/// An [`ExportRecord`], its field resolved to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedFunction {
    pub identity: [u8; IDENTITY_SIZE],
    /// Of the function, or of the trampoline of a cloned one.
    pub function: u64,
}

/// An [`ImportRecord`], its fields resolved to addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportedFunction {
    pub identity: [u8; IDENTITY_SIZE],
    pub slot: u64,
    pub dependency: u64,
}

/// A [`ReferenceRecord`], its fields resolved to addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReferredPlace {
    pub cell: u64,
    pub dependency: u64,
    pub offset: u32,
}

/// The records in `bytes`, an export section whose first byte is at `address`.
pub fn export_records(
    bytes: &[u8],
    address: u64,
) -> Result<impl Iterator<Item = ExportedFunction> + '_, PackageError> {
    let records = whole_records::<ExportRecord>("export records", bytes, address)?;
    Ok(records.map(|(at, record)| ExportedFunction {
        identity: record.identity,
        function: relative(at, offset_of!(ExportRecord, function), record.function),
    }))
}

/// The records in `bytes`, an import section whose first byte is at `address`.
pub fn import_records(
    bytes: &[u8],
    address: u64,
) -> Result<impl Iterator<Item = ImportedFunction> + '_, PackageError> {
    let records = whole_records::<ImportRecord>("import records", bytes, address)?;
    Ok(records.map(|(at, record)| ImportedFunction {
        identity: record.identity,
        slot: relative(at, offset_of!(ImportRecord, slot), record.slot),
        dependency: relative(at, offset_of!(ImportRecord, dependency), record.dependency),
    }))
}

/// The records in `bytes`, a reference section whose first byte is at `address`, without those that only keep room: they are
/// empty.
pub fn reference_records(
    bytes: &[u8],
    address: u64,
) -> Result<impl Iterator<Item = ReferredPlace> + '_, PackageError> {
    let records = whole_records::<ReferenceRecord>("reference records", bytes, address)?;
    let used = records.filter(|(_, record)| (record.cell, record.dependency) != (0, 0));
    Ok(used.map(|(at, record)| ReferredPlace {
        cell: relative(at, offset_of!(ReferenceRecord, cell), record.cell),
        dependency: relative(at, offset_of!(ReferenceRecord, dependency), record.dependency),
        offset: record.offset,
    }))
}

fn whole_records<'a, T: Pod + 'a>(
    what: &'static str,
    bytes: &'a [u8],
    address: u64,
) -> Result<impl Iterator<Item = (u64, T)> + 'a, PackageError> {
    let size = size_of::<T>();
    if !bytes.len().is_multiple_of(size) {
        let expected = bytes.len().next_multiple_of(size);
        return Err(PackageError::Size { what, found: bytes.len(), expected });
    }
    let place = move |index: usize| address.wrapping_add((index * size) as u64);
    Ok(bytes
        .chunks_exact(size)
        .enumerate()
        .filter_map(move |(index, record)| Some((place(index), read_at(record, 0)?))))
}

fn relative(record: u64, field: usize, delta: i32) -> u64 {
    record.wrapping_add(field as u64).wrapping_add_signed(i64::from(delta))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::bytes_of;

    #[test]
    fn fields_of_records_are_relative_to_themselves() {
        let export = ExportRecord { identity: [7; 16], function: -16, reserved: [0; 2] };
        let found = export_records(bytes_of(&export), 0x1000).unwrap().next().unwrap();
        assert_eq!(found, ExportedFunction { identity: [7; 16], function: 0x1000 });
        let import = ImportRecord { identity: [7; 16], slot: 4, dependency: -20, reserved: [0; 2] };
        let found = import_records(bytes_of(&import), 0x1000).unwrap().next().unwrap();
        assert_eq!(found, ImportedFunction { identity: [7; 16], slot: 0x1014, dependency: 0x1000 });
        assert!(import_records(&bytes_of(&import)[1..], 0).is_err());
        let reference = ReferenceRecord { cell: -4, dependency: -16, offset: 3, reserved: [0; 2] };
        let room = [0; size_of::<ReferenceRecord>()];
        let bytes = [&room[..], bytes_of(&reference)].concat();
        let found: Vec<_> = reference_records(&bytes, 0x1000).unwrap().collect();
        assert_eq!(found, [ReferredPlace { cell: 0x1010, dependency: 0x1008, offset: 3 }]);
    }
}
