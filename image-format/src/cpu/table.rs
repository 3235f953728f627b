//! What the feature tables of all architectures share: names that need no relocation, and sets by name.

use crate::feature::{FeatureId, FeatureSet};

/// Longest feature name in bytes.
pub(super) const NAME_SIZE: usize = 20;

/// Names padded with zeros: no pointer, hence no relocation in the embedded shim.
pub(super) const fn padded<const N: usize>(names: &[&str; N]) -> [[u8; NAME_SIZE]; N] {
    let mut padded = [[0; NAME_SIZE]; N];
    let mut i = 0;
    while i < N {
        let name = names[i].as_bytes();
        let mut at = 0;
        while at < name.len() {
            padded[i][at] = name[at];
            at += 1;
        }
        i += 1;
    }
    padded
}

/// A name of [`padded`].
pub(super) fn name_bytes(padded: &'static [[u8; NAME_SIZE]], id: FeatureId) -> Option<&'static [u8]> {
    padded.get(usize::from(id.0)).map(name_in)
}

/// The name before the zeros.
pub(super) fn name_in(padded: &[u8; NAME_SIZE]) -> &[u8] {
    padded.split(|b| *b == 0).next().unwrap_or(padded)
}

/// The set of the features `wanted` by their positions in `names`; fails to compile when one is not there.
pub(super) const fn set<const N: usize>(names: &[&str; N], wanted: &[&str]) -> FeatureSet {
    let mut set = FeatureSet::EMPTY;
    let mut n = 0;
    while n < wanted.len() {
        let mut i = 0;
        while i < N && !same(names[i], wanted[n]) {
            i += 1;
        }
        assert!(i < N, "a feature named here is not in the table");
        set = set.with(FeatureId(i as u8));
        n += 1;
    }
    set
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut i = 0;
    while i < a.len() {
        if a[i] != b[i] {
            return false;
        }
        i += 1;
    }
    true
}
