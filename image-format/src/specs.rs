//! The specs blob: the list of targets that an object or image was built for.
//!
//! [`SpecsHead`], then [`TargetEntry`] per target, then zero-terminated strings. Offsets of strings are
//! from the first byte of the blob. Equal lists give equal bytes, so that linkers fold the blobs of all
//! objects by their COMDAT name.

use crate::choose::Needs;
use crate::feature::FeatureSet;
use crate::image::xxh64_around;
use crate::layout::{FORMAT_VERSION, LAYOUT_HASH, MAX_TARGETS};
use crate::pod::{Pod, read_at};
use core::mem::{offset_of, size_of};

pub const SPECS_MAGIC: [u8; 4] = *b"JLTS";

/// Start of a specs blob.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecsHead {
    pub magic: [u8; 4],
    pub version: u32,
    pub layout_hash: u64,
    /// xxh64 (seed 0) of the blob with this field zero.
    pub checksum: u64,
    /// Of the whole blob, in bytes.
    pub size: u32,
    /// ELF machine number.
    pub machine: u32,
    pub targets: u32,
    /// `SPECS_*` bits; unknown bits are an error.
    pub flags: u32,
}

/// Floating-point contraction was left to each target (`jl.fp=fast`): results may differ in the last bits.
pub const SPECS_FP_FAST: u32 = 1 << 0;
/// `-march` or the like raised target 0 above what its name says.
pub const SPECS_RAISED: u32 = 1 << 1;
/// `jl-link` has read the finished code: `required` of each target is what its bodies really use.
pub const SPECS_DECODED: u32 = 1 << 2;
pub const SPECS_FLAGS_KNOWN: u32 = SPECS_FP_FAST | SPECS_RAISED | SPECS_DECODED;

/// One target.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetEntry {
    /// Julia's flags, dialect R ([`target_flags`]).
    pub flags: u32,
    /// Index of the base target (0 for target 0 itself).
    pub base: u32,
    /// Offsets of zero-terminated strings: the CPU name as given, LLVM's feature string as it stands on
    /// the clones, and the tuning model.
    pub name: u32,
    pub features: u32,
    pub tune: u32,
    /// Width in bits of the largest vector register that the features allow.
    pub vector_bits: u32,
    /// What a CPU must have: in objects all declared features without those that never reject; with
    /// [`SPECS_DECODED`] what the code that this target runs was found to use.
    pub required: FeatureSet,
    /// All features of the target, for the order of preference.
    pub declared: FeatureSet,
}

/// Bits of [`TargetEntry::flags`]: Julia's, dialect R (julia-protocol, section 2).
pub mod target_flags {
    pub const VEC_CALL: u32 = 1 << 0;
    pub const CLONE_ALL: u32 = 1 << 1;
    pub const CLONE_MATH: u32 = 1 << 2;
    pub const CLONE_LOOP: u32 = 1 << 3;
    pub const CLONE_SIMD: u32 = 1 << 4;
    pub const UNKNOWN_NAME: u32 = 1 << 5;
    pub const OPT_SIZE: u32 = 1 << 6;
    pub const MIN_SIZE: u32 = 1 << 7;
    pub const CLONE_CPU: u32 = 1 << 8;
    pub const CLONE_FLOAT16: u32 = 1 << 9;
    pub const CLONE_BFLOAT16: u32 = 1 << 10;
}

// SAFETY: both are `repr(C)`, integers and byte arrays only, without padding (sizes checked by a test).
unsafe impl Pod for SpecsHead {}
// SAFETY: see above.
unsafe impl Pod for TargetEntry {}

/// Why a specs blob is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecsError {
    /// Fewer bytes than the head or than `size` says.
    Truncated {
        size: usize,
        needed: usize,
    },
    Magic {
        found: [u8; 4],
    },
    Version {
        found: u32,
    },
    LayoutHash {
        found: u64,
    },
    Checksum {
        found: u64,
        expected: u64,
    },
    TargetCount {
        found: u32,
    },
    Flags {
        found: u32,
    },
    /// A string lies outside the blob or has no end.
    String {
        target: u32,
    },
    /// A base is not an earlier target.
    Base {
        target: u32,
        base: u32,
    },
}

impl core::fmt::Display for SpecsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            SpecsError::Truncated { size, needed } => {
                write!(f, "target list is truncated: {size} bytes found, {needed} expected")
            }
            SpecsError::Magic { found } => {
                write!(f, "not a target list: magic is {found:02x?}, expected {SPECS_MAGIC:02x?}")
            }
            SpecsError::Version { found } => write!(
                f,
                "target list has format version {found}, but this tool reads version {FORMAT_VERSION}: \
                 rebuild with one release of Julienne"
            ),
            SpecsError::LayoutHash { found } => write!(
                f,
                "target list has layout hash {found:016x}, but this tool has {LAYOUT_HASH:016x}: \
                 rebuild with one release of Julienne"
            ),
            SpecsError::Checksum { found, expected } => write!(
                f,
                "target list is damaged: its checksum is {found:016x}, its bytes give {expected:016x}"
            ),
            SpecsError::TargetCount { found } => {
                write!(f, "target list has {found} targets, expected 1 to {MAX_TARGETS}")
            }
            SpecsError::Flags { found } => write!(f, "target list has unknown flags {found:#x}"),
            SpecsError::String { target } => {
                write!(f, "target {target}: a string lies outside the target list")
            }
            SpecsError::Base { target, base } => {
                write!(f, "target {target}: base {base} is not an earlier target")
            }
        }
    }
}

#[cfg(feature = "std")]
impl std::error::Error for SpecsError {}

/// A specs blob that has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Specs<'a> {
    bytes: &'a [u8],
    head: SpecsHead,
}

impl<'a> Specs<'a> {
    /// The blob at the start of `bytes`; more bytes may follow.
    pub fn parse(bytes: &'a [u8]) -> Result<Specs<'a>, SpecsError> {
        let specs = Self::parse_head(bytes)?;
        let expected = checksum(specs.bytes);
        if specs.head.checksum != expected {
            return Err(SpecsError::Checksum { found: specs.head.checksum, expected });
        }
        for (i, entry) in specs.entries().enumerate() {
            let target = i as u32;
            if i > 0 && entry.base >= target || i == 0 && entry.base != 0 {
                return Err(SpecsError::Base { target, base: entry.base });
            }
            for offset in [entry.name, entry.features, entry.tune] {
                specs.string(offset).ok_or(SpecsError::String { target })?;
            }
        }
        Ok(specs)
    }

    /// Checks the head and the sizes only: what the embedded shim, part of the same image, needs.
    pub fn parse_head(bytes: &'a [u8]) -> Result<Specs<'a>, SpecsError> {
        let size = bytes.len();
        let head: SpecsHead =
            read_at(bytes, 0).ok_or(SpecsError::Truncated { size, needed: size_of::<SpecsHead>() })?;
        if head.magic != SPECS_MAGIC {
            return Err(SpecsError::Magic { found: head.magic });
        }
        if head.version != FORMAT_VERSION {
            return Err(SpecsError::Version { found: head.version });
        }
        if head.layout_hash != LAYOUT_HASH {
            return Err(SpecsError::LayoutHash { found: head.layout_hash });
        }
        if head.targets == 0 || head.targets as usize > MAX_TARGETS {
            return Err(SpecsError::TargetCount { found: head.targets });
        }
        if head.flags & !SPECS_FLAGS_KNOWN != 0 {
            return Err(SpecsError::Flags { found: head.flags });
        }
        let needed = entry_offset(head.targets as usize).max(head.size as usize);
        match bytes.get(..head.size as usize) {
            Some(bytes) if needed == head.size as usize => Ok(Specs { bytes, head }),
            _ => Err(SpecsError::Truncated { size, needed }),
        }
    }

    pub fn head(&self) -> &SpecsHead {
        &self.head
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Number of targets, at least 1.
    pub fn len(&self) -> usize {
        self.head.targets as usize
    }

    /// Always false: a list has a baseline.
    pub fn is_empty(&self) -> bool {
        false
    }

    pub fn entry(&self, target: usize) -> Option<TargetEntry> {
        if target < self.len() { read_at(self.bytes, entry_offset(target)) } else { None }
    }

    pub fn entries(&self) -> impl Iterator<Item = TargetEntry> + 'a {
        let specs = *self;
        (0..self.len()).filter_map(move |i| specs.entry(i))
    }

    /// What `choose` asks of each target.
    pub fn needs(&self, target: usize) -> Option<Needs> {
        self.entry(target).map(|e| Needs {
            required: e.required,
            vector_bits: e.vector_bits,
            features: e.declared.len(),
        })
    }

    /// A string of an entry, without its terminating zero.
    pub fn string(&self, offset: u32) -> Option<&'a [u8]> {
        let tail = self.bytes.get(offset as usize..)?;
        let end = tail.iter().position(|b| *b == 0)?;
        tail.get(..end)
    }

    /// The name of a target as it was given.
    pub fn name(&self, target: usize) -> &'a str {
        self.entry(target)
            .and_then(|e| self.string(e.name))
            .and_then(|s| core::str::from_utf8(s).ok())
            .unwrap_or("?")
    }
}

const fn entry_offset(target: usize) -> usize {
    size_of::<SpecsHead>() + target * size_of::<TargetEntry>()
}

/// xxh64 of a blob as if its checksum field were zero.
pub fn checksum(bytes: &[u8]) -> u64 {
    xxh64_around(bytes, offset_of!(SpecsHead, checksum))
}

/// A target to be written.
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetDescription {
    pub name: String,
    pub features: String,
    pub tune: String,
    pub flags: u32,
    pub base: u32,
    pub vector_bits: u32,
    pub required: FeatureSet,
    pub declared: FeatureSet,
}

/// Writes a specs blob; the symbol that names it is [`symbol_name`] of the result.
#[cfg(feature = "std")]
pub fn write(machine: u32, flags: u32, targets: &[TargetDescription]) -> Vec<u8> {
    use crate::pod::bytes_of;
    let mut strings = Vec::new();
    let strings_at = entry_offset(targets.len());
    let mut string = |text: &str| {
        let offset = (strings_at + strings.len()) as u32;
        strings.extend_from_slice(text.as_bytes());
        strings.push(0);
        offset
    };
    let entries: Vec<TargetEntry> = targets
        .iter()
        .map(|t| TargetEntry {
            flags: t.flags,
            base: t.base,
            name: string(&t.name),
            features: string(&t.features),
            tune: string(&t.tune),
            vector_bits: t.vector_bits,
            required: t.required,
            declared: t.declared,
        })
        .collect();
    while !(strings_at + strings.len()).is_multiple_of(8) {
        strings.push(0);
    }
    let head = SpecsHead {
        magic: SPECS_MAGIC,
        version: FORMAT_VERSION,
        layout_hash: LAYOUT_HASH,
        checksum: 0,
        size: (strings_at + strings.len()) as u32,
        machine,
        targets: targets.len() as u32,
        flags,
    };
    let mut blob = bytes_of(&head).to_vec();
    for entry in &entries {
        blob.extend_from_slice(bytes_of(entry));
    }
    blob.extend_from_slice(&strings);
    let sum = checksum(&blob);
    blob[offset_of!(SpecsHead, checksum)..][..8].copy_from_slice(&sum.to_le_bytes());
    blob
}

/// Replaces what each target requires by what its code was found to use. `blob` is one that
/// [`Specs::parse`] accepts, and `required` has at most a set per target; otherwise it panics.
#[cfg(feature = "std")]
pub fn set_decoded(blob: &mut [u8], required: &[FeatureSet]) {
    use crate::pod::bytes_of;
    let mut put = |at: usize, bytes: &[u8]| blob[at..at + bytes.len()].copy_from_slice(bytes);
    for (target, set) in required.iter().enumerate() {
        put(entry_offset(target) + offset_of!(TargetEntry, required), bytes_of(set));
    }
    let at = offset_of!(SpecsHead, flags);
    let flags = read_at::<u32>(blob, at).unwrap_or(0) | SPECS_DECODED;
    blob[at..at + 4].copy_from_slice(&flags.to_le_bytes());
    let sum = checksum(blob);
    blob[offset_of!(SpecsHead, checksum)..][..8].copy_from_slice(&sum.to_le_bytes());
}

/// The symbol of a blob: equal lists get equal names, and linkers keep one.
#[cfg(feature = "std")]
pub fn symbol_name(blob: &[u8]) -> String {
    format!("{}{:016x}", crate::layout::SPECS_SYMBOL_PREFIX, checksum(blob))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let target = |name: &str, base| TargetDescription {
            name: name.into(),
            features: "+sse2".into(),
            tune: "generic".into(),
            flags: 0,
            base,
            vector_bits: 128,
            required: FeatureSet([1, 0, 0, 0]),
            declared: FeatureSet([3, 0, 0, 0]),
        };
        write(62, 0, &[target("x86-64", 0), target("x86-64-v3", 0)])
    }

    #[test]
    fn sizes() {
        assert_eq!(size_of::<SpecsHead>(), 40);
        assert_eq!(size_of::<TargetEntry>(), 24 + 64);
    }

    #[test]
    fn round_trip() {
        let blob = sample();
        let specs = Specs::parse(&blob).unwrap();
        assert_eq!(specs.len(), 2);
        assert_eq!(specs.name(1), "x86-64-v3");
        assert_eq!(specs.needs(1).unwrap().features, 2);
        assert_eq!(blob.len() % 8, 0);
    }

    #[test]
    fn what_was_found_replaces_what_was_declared() {
        let mut blob = sample();
        let found = [FeatureSet([1, 0, 0, 0]), FeatureSet([0, 0, 0, 1 << 63])];
        set_decoded(&mut blob, &found);
        let specs = Specs::parse(&blob).unwrap();
        assert_eq!(specs.entries().map(|e| e.required).collect::<Vec<_>>(), found);
        assert_eq!(specs.entry(1).unwrap().declared, FeatureSet([3, 0, 0, 0]));
        assert_eq!(specs.head().flags, SPECS_DECODED);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let blob = sample();
        for bit in 0..blob.len() * 8 {
            let mut bad = blob.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Specs::parse(&bad).is_err(), "bit {bit}");
        }
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), start in 0usize..200) {
            let _ = Specs::parse(&bytes);
            let mut blob = sample();
            let n = bytes.len().min(blob.len().saturating_sub(start));
            blob[start..start + n].copy_from_slice(&bytes[..n]);
            let _ = Specs::parse(&blob);
            let _ = Specs::parse(&blob[..start]);
            if let Ok(specs) = Specs::parse_head(&blob) {
                for e in specs.entries() { let _ = specs.string(e.name); }
            }
        }
    }
}
