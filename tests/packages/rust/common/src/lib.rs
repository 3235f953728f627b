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

/// A library above this one: what this one does as well, with numbers of its own.
#[macro_export]
macro_rules! library {
    ($name:ident, $factor:literal, $share:literal) => {
        $crate::counting!();

        #[unsafe(no_mangle)]
        pub extern "C" fn $name(count: u64) -> u64 {
            let mut names: std::collections::BTreeMap<String, u64> = std::collections::BTreeMap::new();
            for number in 0..count {
                names.insert(format!("number {}", number * $factor % 1000), number);
            }
            names.extend($crate::names(count / $share));
            let list: Vec<(String, u64)> = names.into_iter().collect();
            let found = $crate::picked(&list, 3);
            // Thrown in the other image, if that has the function, and caught here.
            let caught = std::panic::catch_unwind(|| $crate::picked(&list, list.len() / 2)).is_err();
            let sum = list.iter().map(|(name, number)| name.len() as u64 * number).sum::<u64>();
            let tallied = (0..3).map(tally::<u64>).sum::<u64>() + $crate::counted(count);
            let calls = $crate::CALLS.load(std::sync::atomic::Ordering::Relaxed);
            sum + found.len() as u64 + found[2].1 + u64::from(caught) + 1000 * tallied + calls
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
