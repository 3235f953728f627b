//! Bytes collected on the stack: lines of output, values from the environment.

/// Up to `N` bytes; what does not fit is dropped and remembered as dropped.
#[derive(Clone, Copy)]
pub struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: usize,
    overflowed: bool,
}

/// A message.
pub type Line = Bytes<2048>;

impl<const N: usize> Bytes<N> {
    pub const EMPTY: Self = Bytes { bytes: [0; N], len: 0, overflowed: false };

    pub fn push(&mut self, byte: u8) {
        match self.bytes.get_mut(self.len) {
            Some(place) => {
                *place = byte;
                self.len += 1;
            }
            None => self.overflowed = true,
        }
    }

    pub fn text(&mut self, text: &[u8]) -> &mut Self {
        for byte in text {
            self.push(*byte);
        }
        self
    }

    pub fn decimal(&mut self, number: usize) -> &mut Self {
        let mut digits = [0; 20];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        let first = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len() - 1);
        self.text(digits.get(first..).unwrap_or(&[]))
    }

    /// Ends the line; a line that was cut says so.
    pub fn end(&mut self) -> &[u8] {
        let tail: &[u8] = if self.overflowed { b"...\n" } else { b"\n" };
        self.len = self.len.min(N.saturating_sub(tail.len()));
        self.text(tail);
        self.as_slice()
    }

    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&[])
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether bytes were dropped.
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    pub fn clear(&mut self) {
        self.len = 0;
        self.overflowed = false;
    }

    /// The bytes as a C string; `None` when they were cut or hold a zero.
    pub fn as_c_str(&mut self) -> Option<&core::ffi::CStr> {
        if self.overflowed {
            return None;
        }
        *self.bytes.get_mut(self.len)? = 0;
        core::ffi::CStr::from_bytes_with_nul(self.bytes.get(..=self.len)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_cut_lines() {
        let mut line = Bytes::<16>::EMPTY;
        assert_eq!(line.text(b"n=").decimal(0).text(b",").decimal(1203).end(), b"n=0,1203\n");
        let mut line = Bytes::<8>::EMPTY;
        assert_eq!(line.text(b"0123456789").end(), b"0123...\n");
        let mut path = Bytes::<8>::EMPTY;
        assert_eq!(path.text(b"/x").as_c_str(), Some(c"/x"));
        assert_eq!(path.text(b"0123456789").as_c_str(), None);
    }
}
