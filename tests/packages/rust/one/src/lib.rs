//! A library that does what the common one does, with other numbers.

use common::{CALLS, counting, picked};
use std::collections::BTreeMap;
use std::panic::catch_unwind;
use std::sync::atomic::Ordering;

counting!();

#[unsafe(no_mangle)]
pub extern "C" fn one(count: u64) -> u64 {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..count {
        names.insert(format!("number {}", number * 31 % 1000), number);
    }
    names.extend(common::names(count / 3));
    let list: Vec<(String, u64)> = names.into_iter().collect();
    let found = picked(&list, 3);
    // Thrown in the other image, if that has the function, and caught here.
    let caught = catch_unwind(|| picked(&list, list.len() / 2)).is_err();
    let sum = list.iter().map(|(name, number)| name.len() as u64 * number).sum::<u64>();
    let tallied = (0..3).map(tally::<u64>).sum::<u64>() + common::counted(count);
    sum + found.len() as u64 + found[2].1 + u64::from(caught) + 1000 * tallied + CALLS.load(Ordering::Relaxed)
}
