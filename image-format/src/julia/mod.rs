//! Julia's own image format, as far as code is concerned: what an image from Julia holds for each target,
//! and which target Julia takes.
//!
//! An image exports `jl_image_pointers`, 8-byte pointers to: the header (`u32` version, nshards, nfvars,
//! ngvars), the shard table, the thread-local data, a copy of the small types, the target list ([`targets`]) and,
//! in dialect M, the target string. The shard table has eight pointers per shard ([`shard`]). Functions
//! ("fvars") and data ("gvars") have a number in the whole image; a shard numbers its own and says which
//! they are.
//!
//! There are two dialects: R is Julia 1.9 to 1.13, M is the master of 2026. They differ in the target list
//! and in how a target is chosen ([`matching`]), not in the shards.

pub mod features;
pub mod image;
pub mod matching;
pub mod memory;
pub mod shard;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod walk;

/// The root symbol of an image.
pub const ROOT: &str = "jl_image_pointers";
/// The version in the header that this release reads; it never changed while the layout did.
pub const VERSION: u32 = 1;
/// Bit of a length (everything is cloned) or of a function's number (its slots are to be written).
pub const TAG: u32 = 0x8000_0000;

/// Which of Julia's formats and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Julia 1.9 to 1.13.
    R,
    /// The master of 2026.
    M,
}

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Dialect::R => "Julia 1.9 to 1.13",
            Dialect::M => "Julia's master of 2026",
        }
    }
}

/// The tables of a shard, in the order of the shard table's pointers; the symbols of shard `k` end in `_k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableName {
    FvarCount,
    FvarPtrs,
    FvarIdxs,
    GvarOffsets,
    GvarIdxs,
    CloneSlots,
    ClonePtrs,
    CloneIdxs,
}

impl TableName {
    pub const ALL: [TableName; 8] = [
        TableName::FvarCount,
        TableName::FvarPtrs,
        TableName::FvarIdxs,
        TableName::GvarOffsets,
        TableName::GvarIdxs,
        TableName::CloneSlots,
        TableName::ClonePtrs,
        TableName::CloneIdxs,
    ];

    /// The symbol without its suffix.
    pub fn symbol(self) -> &'static str {
        match self {
            TableName::FvarCount => "jl_fvar_count",
            TableName::FvarPtrs => "jl_fvar_ptrs",
            TableName::FvarIdxs => "jl_fvar_idxs",
            TableName::GvarOffsets => "jl_gvar_offsets",
            TableName::GvarIdxs => "jl_gvar_idxs",
            TableName::CloneSlots => "jl_clone_slots",
            TableName::ClonePtrs => "jl_clone_ptrs",
            TableName::CloneIdxs => "jl_clone_idxs",
        }
    }

    /// The table and the shard that a symbol names.
    pub fn parse(symbol: &str) -> Option<(TableName, u32)> {
        let (name, shard) = symbol.rsplit_once('_')?;
        let table = TableName::ALL.into_iter().find(|table| table.symbol() == name)?;
        let is_number = !shard.is_empty() && shard.bytes().all(|byte| byte.is_ascii_digit());
        Some((table, shard.parse().ok().filter(|_| is_number)?))
    }
}

/// What is wrong with an image's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableError {
    /// The table's symbol, with its shard's number where it belongs to one.
    pub table: String,
    pub found: String,
    pub expected: String,
}

impl TableError {
    pub fn new(
        table: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> TableError {
        TableError { table: table.into(), found: found.into(), expected: expected.into() }
    }

    fn of_shard(
        table: TableName,
        shard: usize,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        TableError::new(format!("{}_{shard}", table.symbol()), found, expected)
    }
}

impl std::fmt::Display for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let TableError { table, found, expected } = self;
        write!(f, "{table}: found {found}, expected {expected}")
    }
}

impl std::error::Error for TableError {}

#[cfg(test)]
mod symbol_tests {
    use super::*;

    #[test]
    fn symbols_of_tables() {
        assert_eq!(TableName::parse("jl_clone_idxs_12"), Some((TableName::CloneIdxs, 12)));
        assert_eq!(TableName::parse("jl_fvar_count_0"), Some((TableName::FvarCount, 0)));
        for other in ["jl_clone_idxs", "jl_clone_idxs_", "jl_clone_idxs_+1", "jl_fvars_1", "f_0"] {
            assert_eq!(TableName::parse(other), None, "{other}");
        }
    }
}
