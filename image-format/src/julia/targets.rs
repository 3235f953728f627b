//! The serialized target list of an image from Julia (`jl_dispatch_target_ids`, the pointer `target_data`).
//!
//! A count, then for each target, all `u32` and unaligned: flags; in dialect M the base (-1 for target 0); a number of
//! feature words (of 32 bits in R, of 64 in M); the enabled and then the disabled features as so many
//! words; the length of the CPU's name and its bytes; the length of the features that Julia does not know
//! itself, and their bytes. Nothing in it says which dialect it is.

use super::features::Numbering;
use super::{Dialect, TableError};
use crate::cpu::Arch;
use crate::pod::read_at;

/// The symbol of the pointer to the list, for messages.
const LIST: &str = "target_data";
/// More targets or feature words than that are no list.
const MAX_TARGETS: u32 = 1024;
const MAX_WORDS: u32 = 64;

/// A target as it is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    pub flags: u32,
    /// Dialect M; none for a target without a base.
    pub base: Option<u32>,
    /// Feature bits in words of 32, by the numbering of the dialect and architecture ([`Numbering`]).
    pub enabled: Vec<u32>,
    pub disabled: Vec<u32>,
    pub name: String,
    /// Features that are passed on to LLVM.
    pub extra: String,
}

impl Target {
    /// Whether bit `bit` is among the enabled features.
    pub fn enables(&self, bit: usize) -> bool {
        self.enabled.get(bit / 32).is_some_and(|word| word >> (bit % 32) & 1 == 1)
    }

    /// The number of enabled features.
    pub fn feature_count(&self) -> u32 {
        self.enabled.iter().map(|word| word.count_ones()).sum()
    }
}

/// A list, and how many bytes it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetList {
    pub dialect: Dialect,
    pub targets: Vec<Target>,
    pub size: usize,
}

/// Reads the list at the start of `bytes`, which may go on behind it.
///
/// R has a fixed number of feature words per architecture, and so no list is right in both dialects: what
/// is the number of words in R is the base in M.
///
/// # Errors
/// Bytes that are a list in neither dialect: says what is wrong as R, which is what most images are.
pub fn read(bytes: &[u8], arch: Arch) -> Result<TargetList, TableError> {
    let as_r = read_as(bytes, Dialect::R, Some(Numbering::julia_r(arch).words()));
    as_r.or_else(|cause| read_as(bytes, Dialect::M, None).map_err(|_| cause))
}

fn read_as(bytes: &[u8], dialect: Dialect, words: Option<usize>) -> Result<TargetList, TableError> {
    let mut reader = Reader { bytes, at: 0 };
    let count = reader.word("the number of targets")?;
    if count == 0 || count > MAX_TARGETS {
        return Err(TableError::new(LIST, format!("{count} targets"), format!("1 to {MAX_TARGETS}")));
    }
    let targets = (0..count).map(|index| reader.target(index, dialect, words)).collect::<Result<_, _>>()?;
    Ok(TargetList { dialect, targets, size: reader.at })
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn word(&mut self, what: &str) -> Result<u32, TableError> {
        let word = read_at(self.bytes, self.at);
        self.at += 4;
        word.ok_or_else(|| TableError::new(LIST, format!("an end before {what}"), "a whole list"))
    }

    fn take(&mut self, size: usize, what: &str) -> Result<&'a [u8], TableError> {
        let end = self.at.checked_add(size);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        self.at = self.at.saturating_add(size);
        taken.ok_or_else(|| TableError::new(LIST, format!("an end inside {what}"), "a whole list"))
    }

    fn target(&mut self, index: u32, dialect: Dialect, words: Option<usize>) -> Result<Target, TableError> {
        let of = |what: &str| format!("{what} of target {index}");
        let flags = self.word(&of("the flags"))?;
        let base = match dialect {
            Dialect::R => None,
            Dialect::M => match self.word(&of("the base"))? {
                u32::MAX => None,
                base if base < index.max(1) => Some(base),
                base => {
                    let found = of(&format!("base {base}"));
                    return Err(TableError::new(LIST, found, "an earlier target"));
                }
            },
        };
        let count = self.word(&of("the number of feature words"))?;
        if count > MAX_WORDS || words.is_some_and(|words| words != count as usize) {
            let expected = words.map_or(format!("at most {MAX_WORDS}"), |words| words.to_string());
            return Err(TableError::new(LIST, of(&format!("{count} feature words")), expected));
        }
        let size = count as usize * if dialect == Dialect::R { 4 } else { 8 };
        let mut bits = |what: &str| -> Result<Vec<u32>, TableError> {
            let bytes = self.take(size, &of(what))?;
            Ok(bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word)).collect())
        };
        let enabled = bits("the enabled features")?;
        let disabled = bits("the disabled features")?;
        let name = self.text(&of("the name"))?;
        let extra = self.text(&of("the extra features"))?;
        Ok(Target { flags, base, enabled, disabled, name, extra })
    }

    fn text(&mut self, what: &str) -> Result<String, TableError> {
        let size = self.word(&format!("the length of {what}"))? as usize;
        let bytes = self.take(size, what)?;
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains(char::is_control) => Ok(text.into()),
            _ => {
                let found = format!("bytes {:02x?} in {what}", &bytes[..bytes.len().min(8)]);
                Err(TableError::new(LIST, found, "text"))
            }
        }
    }
}

/// The bytes of a list.
pub fn write(dialect: Dialect, targets: &[Target]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let word = |bytes: &mut Vec<u8>, word: u32| bytes.extend_from_slice(&word.to_le_bytes());
    word(&mut bytes, targets.len() as u32);
    for target in targets {
        word(&mut bytes, target.flags);
        let per_word = match dialect {
            Dialect::R => 1,
            Dialect::M => {
                word(&mut bytes, target.base.unwrap_or(u32::MAX));
                2
            }
        };
        word(&mut bytes, (target.enabled.len() / per_word) as u32);
        for features in target.enabled.iter().chain(&target.disabled) {
            word(&mut bytes, *features);
        }
        for text in [&target.name, &target.extra] {
            word(&mut bytes, text.len() as u32);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(dialect: Dialect) -> Vec<Target> {
        let words = if dialect == Dialect::R { 11 } else { 8 };
        let target = |index: u32, name: &str| Target {
            flags: index << 1,
            base: (dialect == Dialect::M && index > 0).then_some(0),
            enabled: (0..words).map(|word| word << index).collect(),
            disabled: (0..words).map(|word| !(word << index)).collect(),
            name: name.into(),
            extra: "+new".into(),
        };
        vec![target(0, "generic"), target(1, "sandybridge"), target(2, "haswell")]
    }

    #[test]
    fn both_dialects_are_told_apart() {
        for dialect in [Dialect::R, Dialect::M] {
            let mut bytes = write(dialect, &list(dialect));
            let size = bytes.len();
            bytes.extend_from_slice(b"what stands behind");
            let found = read(&bytes, Arch::X86_64).unwrap();
            assert_eq!(found, TargetList { dialect, targets: list(dialect), size });
        }
    }

    #[test]
    fn damage_is_named() {
        let bytes = write(Dialect::R, &list(Dialect::R));
        let error = |bytes: &[u8]| read(bytes, Arch::X86_64).unwrap_err().to_string();
        assert_eq!(
            error(&[]),
            "target_data: found an end before the number of targets, expected a whole list"
        );
        assert_eq!(error(&[0; 8]), "target_data: found 0 targets, expected 1 to 1024");
        let mut wrong = bytes.clone();
        wrong[8] = 9;
        assert_eq!(error(&wrong), "target_data: found 9 feature words of target 0, expected 11");
        let cut = error(&bytes[..bytes.len() - 1]);
        assert_eq!(
            cut,
            "target_data: found an end inside the extra features of target 2, expected a whole list"
        );
    }

    proptest! {
        #[test]
        fn hostile_bytes_do_not_panic(
            dialect in prop_oneof![Just(Dialect::R), Just(Dialect::M)],
            patch in proptest::collection::vec(any::<u8>(), 0..40), at in 0usize..300, end in 0usize..400
        ) {
            let mut bytes = write(dialect, &list(dialect));
            let at = at.min(bytes.len());
            let n = patch.len().min(bytes.len() - at);
            bytes[at..at + n].copy_from_slice(&patch[..n]);
            let _ = read(&bytes, Arch::X86_64);
            let _ = read(&bytes[..end.min(bytes.len())], Arch::Aarch64);
            let _ = read(&patch, Arch::X86_64);
        }
    }
}
