//! The image that others take functions from.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// One for all that are linked with this image.
pub static CALLS: AtomicU64 = AtomicU64::new(0);

/// Numbers by their names.
pub fn names(count: u64) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for number in 0..count {
        CALLS.fetch_add(1, Ordering::Relaxed);
        names.insert(format!("number {}", number * 7919 % 1000), number);
    }
    names
}

/// The same source in several crates; each has its own count.
#[macro_export]
macro_rules! counting {
    () => {
        #[inline(never)]
        pub fn tally<T: Into<u64>>(value: T) -> u64 {
            static TALLY: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let value = value.into();
            let parts: Vec<String> = (0..value % 7).map(|part| format!("{part}/{value}")).collect();
            let length: usize = parts.iter().map(String::len).sum();
            TALLY.fetch_add(length as u64, std::sync::atomic::Ordering::Relaxed) + length as u64
        }
    };
}

counting!();

pub fn counted(value: u64) -> u64 {
    tally::<u64>(value)
}

/// Every so manyth value, four of them; panics if there are too few.
pub fn picked<T: Clone + Ord>(values: &[T], step: usize) -> Vec<T> {
    let mut picked = vec![values[step].clone(), values[2 * step].clone(), values[3 * step].clone()];
    if picked[0] < picked[1] && picked[1] < picked[2] {
        picked.insert(1, values[0].clone());
    }
    picked.extend_from_slice(&values[4 * step..4 * step + 1]);
    picked
}

pub fn picked_names(names: &[(String, u64)]) -> Vec<(String, u64)> {
    picked(names, names.len() / 5)
}
