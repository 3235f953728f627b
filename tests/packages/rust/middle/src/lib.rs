//! An image that takes functions from the common one, and others take functions from it.

use std::collections::BTreeMap;

common::library!(middle, 23, 4);

/// The values of each length, in descending order; panics if all have the same.
pub fn by_length<T: Ord + Clone + ToString>(values: &[T]) -> Vec<(usize, Vec<T>)> {
    let mut lengths: BTreeMap<usize, Vec<T>> = BTreeMap::new();
    for value in values {
        let same = lengths.entry(value.to_string().len()).or_default();
        let place = same.binary_search_by(|other| value.cmp(other)).unwrap_or_else(|place| place);
        same.insert(place, value.clone());
    }
    let list: Vec<(usize, Vec<T>)> = lengths.into_iter().rev().collect();
    assert!(list[0].0 != list[list.len() - 1].0, "{} values of one length", values.len());
    list
}

pub fn numbers_by_length(numbers: &[u64]) -> Vec<(usize, Vec<u64>)> {
    by_length(numbers)
}
