//! What the CPU offers, by the kernel's word in the auxiliary vector.

use crate::arguments::Arguments;
use crate::environ::auxiliary;
use crate::sys;
use image_format::cpu::aarch64::{AT_HWCAPS, features};
use image_format::feature::FeatureSet;

/// Those of `wanted` that this CPU has and this kernel lets user code use; none where the vector cannot be
/// read (no `/proc`, and no constructor's arguments).
pub fn host(wanted: FeatureSet, arguments: Option<Arguments>) -> FeatureSet {
    let mut buffer = [0; 1024];
    let copy = if arguments.is_some() { &[][..] } else { sys::read_auxiliary(&mut buffer) };
    let word = |tag| arguments.map_or_else(|| auxiliary(copy, tag), |vectors| vectors.value(tag));
    features(wanted, AT_HWCAPS.map(|tag| word(tag).unwrap_or(0) as u64))
}
