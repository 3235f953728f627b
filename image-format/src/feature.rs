//! A set of CPU features, by the ids that [`crate::cpu`] gives them.

use crate::pod::Pod;

/// Number of 64-bit words in a [`FeatureSet`].
pub const FEATURE_WORDS: usize = 4;

/// A CPU feature's id: its position in the table of its architecture (see [`crate::cpu`]).
///
/// Ids are part of the image format: a table only ever grows at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Hash)]
pub struct FeatureId(pub u8);

/// A set of up to 256 CPU features. The on-disk form is four little-endian 64-bit words.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct FeatureSet(pub [u64; FEATURE_WORDS]);

// SAFETY: `repr(C)`, an array of u64 only: no padding, every bit pattern is a value.
unsafe impl Pod for FeatureSet {}

impl FeatureSet {
    pub const EMPTY: FeatureSet = FeatureSet([0; FEATURE_WORDS]);

    pub const fn with(mut self, id: FeatureId) -> Self {
        // The mask keeps the index below FEATURE_WORDS for every u8, so no bounds check remains.
        self.0[(id.0 as usize / 64) & (FEATURE_WORDS - 1)] |= 1 << (id.0 % 64);
        self
    }

    pub const fn without(mut self, id: FeatureId) -> Self {
        self.0[(id.0 as usize / 64) & (FEATURE_WORDS - 1)] &= !(1 << (id.0 % 64));
        self
    }

    pub const fn contains(&self, id: FeatureId) -> bool {
        self.0[(id.0 as usize / 64) & (FEATURE_WORDS - 1)] >> (id.0 % 64) & 1 == 1
    }

    pub fn union(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    pub fn intersection(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// The features in `self` that `other` lacks.
    pub fn difference(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    pub fn is_subset(self, other: Self) -> bool {
        self.difference(other).is_empty()
    }

    pub fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    pub fn iter(self) -> impl Iterator<Item = FeatureId> {
        (0..=255u8).map(FeatureId).filter(move |id| self.contains(*id))
    }

    fn zip(mut self, other: Self, op: impl Fn(u64, u64) -> u64) -> Self {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = op(*a, b);
        }
        self
    }
}

impl FromIterator<FeatureId> for FeatureSet {
    fn from_iter<T: IntoIterator<Item = FeatureId>>(iter: T) -> Self {
        iter.into_iter().fold(Self::EMPTY, Self::with)
    }
}
