//! A library that has Rust's standard library in it.

use std::collections::BTreeMap;

#[cfg(feature = "allocator")]
#[global_allocator]
static ALLOCATOR: std::alloc::System = std::alloc::System;

/// Nothing but its arguments.
#[inline(never)]
fn mixed<T: Copy + Into<u64>>(values: &[T]) -> u64 {
    let mut sum = 1u64;
    for value in values {
        let value: u64 = (*value).into();
        let turned = value.rotate_left(7) ^ sum.rotate_right(11) ^ value.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let folded = (turned ^ (turned >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        sum = sum.wrapping_mul(31).wrapping_add(folded ^ (folded >> 32)) ^ (sum << 13) ^ (sum >> 7) ^ (sum << 17);
        sum ^= sum.wrapping_add(value).rotate_left(23) ^ (sum >> 3).wrapping_mul(5) ^ (value << 9);
        sum = sum.wrapping_add(sum.rotate_left(41) ^ sum.rotate_right(19) ^ (sum << 2));
    }
    sum
}

#[unsafe(no_mangle)]
pub extern "C" fn alone(count: u64) -> u64 {
    let mut names: BTreeMap<String, u64> = BTreeMap::new();
    for number in 0..count {
        names.insert(format!("number {number}"), number);
    }
    let values: Vec<u64> = names.into_values().collect();
    mixed(&values)
}
