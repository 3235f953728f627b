//! Which bits of a word a value holds, after shifts, masks and truncations. Pure; no LLVM.

/// A value made of bits of a word: its bit `i` is the word's bit `i + shift` where `mask` has `i`, and zero elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    shift: i32,
    mask: u128,
    width: u32,
}

fn ones(width: u32) -> u128 {
    if width >= 128 { !0 } else { (1 << width) - 1 }
}

impl Bits {
    /// The word itself; at most 128 bits.
    pub fn word(width: u32) -> Bits {
        Bits { shift: 0, mask: ones(width), width }
    }

    pub fn and(self, mask: u128) -> Bits {
        Bits { mask: self.mask & mask, ..self }
    }

    /// Shifted towards bit 0; `None` for a shift by the width or more, which means nothing.
    pub fn shifted_right(self, by: u32) -> Option<Bits> {
        (by < self.width).then(|| Bits { shift: self.shift + by as i32, mask: self.mask >> by, ..self })
    }

    pub fn shifted_left(self, by: u32) -> Option<Bits> {
        let mask = || self.mask << by & ones(self.width);
        (by < self.width).then(|| Bits { shift: self.shift - by as i32, mask: mask(), ..self })
    }

    /// Truncated or extended with zeros.
    pub fn resized(self, width: u32) -> Bits {
        Bits { mask: self.mask & ones(width), width, ..self }
    }

    /// Only the highest bit, at its place.
    pub fn sign(self) -> Bits {
        self.and(1 << (self.width - 1))
    }

    pub fn count(self) -> u32 {
        self.mask.count_ones()
    }

    /// The word's bits that are in it.
    pub fn indices(self) -> impl Iterator<Item = u32> {
        (0..128i32).filter(move |i| self.mask >> i & 1 == 1).map(move |i| (i + self.shift) as u32)
    }

    /// What is known of the value when the word's bits that `is_set` names are set: those of its bits, and whether
    /// that is all of it.
    pub fn known(self, is_set: impl Fn(u32) -> bool) -> (u128, bool) {
        let place = |index: u32| 1u128 << (index as i32 - self.shift);
        let known = self.indices().filter(|i| is_set(*i)).map(place).fold(0, |a, b| a | b);
        (known, known == self.mask)
    }
}
