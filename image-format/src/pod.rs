//! Bytes become structs here, and only here; everything above is safe code.

use core::mem::size_of;

/// A type that may be read from and written to bytes.
///
/// # Safety
/// `repr(C)`, no padding, no pointers, and every bit pattern is a value.
pub unsafe trait Pod: Copy + Sized {}

// SAFETY: primitive integers have no padding and every bit pattern is a value.
unsafe impl Pod for u8 {}
// SAFETY: as above.
unsafe impl Pod for u32 {}
// SAFETY: as above.
unsafe impl Pod for i32 {}
// SAFETY: as above.
unsafe impl Pod for u64 {}
// SAFETY: an array of bytes has no padding either.
unsafe impl<const N: usize> Pod for [u8; N] {}

/// Copies a `T` out of `bytes` at `offset`; `None` when it does not lie inside. No alignment is needed.
pub fn read_at<T: Pod>(bytes: &[u8], offset: usize) -> Option<T> {
    let end = offset.checked_add(size_of::<T>())?;
    let slice = bytes.get(offset..end)?;
    // SAFETY: `slice` holds exactly size_of::<T>() readable bytes, the read is unaligned, and
    // `T: Pod` makes every bit pattern a value.
    Some(unsafe { core::ptr::read_unaligned(slice.as_ptr().cast::<T>()) })
}

/// Copies the `T` with this index out of values that stand back to back in `bytes`; `None` behind the last whole one.
pub fn item_at<T: Pod>(bytes: &[u8], index: usize) -> Option<T> {
    if index >= bytes.len() / size_of::<T>() {
        return None;
    }
    // SAFETY: as in `read_at`: item `index` ends at or before the last byte, as there are more items than `index`.
    Some(unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast::<T>().add(index)) })
}

/// As [`item_at`], where it stands; `None` also where that is not aligned for a `T`.
pub fn item_in<T: Pod>(bytes: &[u8], index: usize) -> Option<&T> {
    let items = bytes.as_ptr().cast::<T>();
    if index >= bytes.len() / size_of::<T>() || !items.is_aligned() {
        return None;
    }
    // SAFETY: item `index` ends at or before the last byte and is aligned as the first one is, `T: Pod` makes every bit pattern a
    // value, and the lifetime is that of `bytes`.
    Some(unsafe { &*items.add(index) })
}

/// The whole values that stand back to back in `bytes`; `None` where there are some that are not aligned for a `T`.
pub fn items_in<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    let items = bytes.as_ptr().cast::<T>();
    if bytes.len() < size_of::<T>() {
        return Some(&[]);
    }
    if !items.is_aligned() {
        return None;
    }
    // SAFETY: as in `item_in`: that many items lie in `bytes`, and the first one is aligned.
    Some(unsafe { core::slice::from_raw_parts(items, bytes.len() / size_of::<T>()) })
}

/// The bytes of `value`, in this machine's order (images are little-endian, as are all hosts we support).
pub fn bytes_of<T: Pod>(value: &T) -> &[u8] {
    // SAFETY: `T: Pod` has no padding, so all size_of::<T>() bytes are initialised; the lifetime
    // is that of `value`.
    unsafe { core::slice::from_raw_parts((value as *const T).cast::<u8>(), size_of::<T>()) }
}

#[cfg(target_endian = "big")]
compile_error!("the image format is little-endian and is read in place: big-endian hosts are not supported");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_where_they_stand() {
        let bytes = bytes_of(&0x0000_0002_0000_0001_u64);
        assert_eq!(items_in::<u32>(bytes), Some(&[1, 2][..]));
        assert_eq!(items_in::<u32>(&bytes[..7]), Some(&[1][..]), "whole ones only");
        assert_eq!(items_in::<u32>(&bytes[1..]), None);
        assert_eq!(items_in::<u32>(&bytes[5..]), Some(&[][..]), "where there is none, none must be aligned");
    }
}
