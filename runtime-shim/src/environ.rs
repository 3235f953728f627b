//! `JL_LOAD_CPU`, `JL_LOAD_TARGET` and `JL_LOAD_LOG`, from wherever the environment comes in pieces.

use crate::text::Bytes;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;

const PREFIX: &[u8] = b"JL_LOAD_";

/// The variables as they stand in the environment.
#[derive(Clone, Copy)]
pub struct Variables {
    pub cpu: Bytes<64>,
    pub target: Bytes<16>,
    /// A path, or `stderr`.
    pub log: Bytes<1024>,
}

impl Variables {
    pub const EMPTY: Variables = Variables { cpu: Bytes::EMPTY, target: Bytes::EMPTY, log: Bytes::EMPTY };

    /// Whether none is set; an empty value counts as not set.
    pub fn is_empty(&self) -> bool {
        self.cpu.is_empty() && self.target.is_empty() && self.log.is_empty()
    }
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    pub cap: Cap,
    pub forced: Forced,
    pub log: Log,
}

/// `JL_LOAD_CPU`: no more than this model's features.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    None,
    Model(FeatureSet),
    /// No model has the name.
    Unknown,
}

/// `JL_LOAD_TARGET`: this target and no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forced {
    No,
    Target(u16),
    /// Not a number.
    Malformed,
}

/// `JL_LOAD_LOG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Log {
    Off,
    Stderr,
    File,
}

impl Settings {
    pub const DEFAULT: Settings = Settings { cap: Cap::None, forced: Forced::No, log: Log::Off };

    pub fn from_variables(variables: &Variables) -> Settings {
        let cap = match variables.cpu.as_slice() {
            b"" => Cap::None,
            _ if variables.cpu.overflowed() => Cap::Unknown,
            name => Arch::HOST.model_by_bytes(name).map_or(Cap::Unknown, Cap::Model),
        };
        let forced = match variables.target.as_slice() {
            b"" => Forced::No,
            _ if variables.target.overflowed() => Forced::Malformed,
            digits => number(digits).map_or(Forced::Malformed, Forced::Target),
        };
        let log = match variables.log.as_slice() {
            b"" => Log::Off,
            b"stderr" => Log::Stderr,
            _ => Log::File,
        };
        Settings { cap, forced, log }
    }
}

fn number(digits: &[u8]) -> Option<u16> {
    let mut value: u16 = 0;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|d| *d < 10)?;
        value = value.checked_mul(10)?.checked_add(u16::from(digit))?;
    }
    Some(value)
}

/// Finds the variables in an environment block (`NAME=VALUE\0` one behind the other) that comes in
/// pieces of any size.
pub struct Scanner {
    state: State,
    entry: Bytes<1040>,
    pub variables: Variables,
}

enum State {
    /// So many bytes of the prefix matched.
    Prefix(usize),
    /// Behind the prefix: the entry is collected.
    Collecting,
    /// Another variable, up to its zero.
    Skipping,
}

impl Scanner {
    pub const NEW: Scanner =
        Scanner { state: State::Prefix(0), entry: Bytes::EMPTY, variables: Variables::EMPTY };

    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = rest;
            match self.state {
                State::Prefix(_) if *first == 0 => self.state = State::Prefix(0),
                State::Prefix(n) if PREFIX.get(n) == Some(first) => {
                    self.state = if n + 1 == PREFIX.len() { State::Collecting } else { State::Prefix(n + 1) };
                }
                State::Collecting if *first == 0 => self.entry_ends(),
                State::Collecting => self.entry.push(*first),
                State::Prefix(_) | State::Skipping if *first == 0 => self.state = State::Prefix(0),
                State::Prefix(_) | State::Skipping => {
                    bytes = after_zero(bytes);
                    self.state = State::Skipping;
                    if let Some((0, rest)) = bytes.split_first() {
                        bytes = rest;
                        self.state = State::Prefix(0);
                    }
                }
            }
        }
    }

    /// The variables, after the last piece.
    pub fn finish(mut self) -> Variables {
        if let State::Collecting = self.state {
            self.entry_ends();
        }
        self.variables
    }

    fn entry_ends(&mut self) {
        self.state = State::Prefix(0);
        let entry = self.entry.as_slice();
        // As getenv does: the first of several counts.
        if let Some(value) = entry.strip_prefix(b"CPU=") {
            if self.variables.cpu.is_empty() {
                self.variables.cpu.text(value);
            }
        } else if let Some(value) = entry.strip_prefix(b"TARGET=") {
            if self.variables.target.is_empty() {
                self.variables.target.text(value);
            }
        } else if let Some(value) = entry.strip_prefix(b"LOG=")
            && self.variables.log.is_empty()
        {
            self.variables.log.text(value);
        }
        self.entry.clear();
    }
}

/// From the first zero on, found eight bytes at a time: environments have many kilobytes.
fn after_zero(mut bytes: &[u8]) -> &[u8] {
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some((word, rest)) = bytes.split_first_chunk::<8>() {
        let word = u64::from_le_bytes(*word);
        if word.wrapping_sub(ONES) & !word & (ONES << 7) != 0 {
            break;
        }
        bytes = rest;
    }
    while let Some((first, rest)) = bytes.split_first() {
        if *first == 0 {
            break;
        }
        bytes = rest;
    }
    bytes
}

/// AT_SECURE out of an auxiliary vector's bytes; a vector without it counts as secure, for then nothing
/// is known.
pub fn is_secure(auxv: &[u8]) -> bool {
    const AT_SECURE: usize = 23;
    auxiliary(auxv, AT_SECURE) != Some(0)
}

/// The value of `tag` in an auxiliary vector's bytes.
pub fn auxiliary(auxv: &[u8], tag: usize) -> Option<usize> {
    let (words, _) = auxv.as_chunks::<{ size_of::<usize>() }>();
    let mut words = words.iter().map(|word| usize::from_ne_bytes(*word));
    while let (Some(found), Some(value)) = (words.next(), words.next()) {
        if found == tag {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    const BLOCK: &[u8] = b"PATH=/bin:/usr/bin\0JL_LOAD_CPU=haswell\0A=\0\0JL_LOA=x\0JL_LOAD_TARGET=3\0\
        XJL_LOAD_TARGET=5\0JL_LOAD_LOG=/tmp/l g\0JL_LOAD_CPU=second\0JL_LOAD_OTHER=1\0";

    #[test]
    fn pieces_of_any_size() {
        for size in 1..BLOCK.len() {
            let mut scanner = Scanner::NEW;
            for piece in BLOCK.chunks(size) {
                scanner.feed(piece);
            }
            let found = scanner.finish();
            assert_eq!(found.cpu.as_slice(), b"haswell", "pieces of {size}");
            assert_eq!(found.target.as_slice(), b"3", "pieces of {size}");
            assert_eq!(found.log.as_slice(), b"/tmp/l g", "pieces of {size}");
        }
    }

    #[test]
    fn values_become_settings() {
        let settings = |block: &[u8]| {
            let mut scanner = Scanner::NEW;
            scanner.feed(block);
            Settings::from_variables(&scanner.finish())
        };
        assert_eq!(settings(b"A=B\0"), Settings::DEFAULT);
        assert_eq!(settings(b"JL_LOAD_CPU=\0JL_LOAD_TARGET=\0"), Settings::DEFAULT);
        assert_eq!(settings(b"JL_LOAD_CPU=i486\0").cap, Cap::Unknown);
        assert!(matches!(settings(b"JL_LOAD_CPU=generic").cap, Cap::Model(_)));
        assert_eq!(settings(b"JL_LOAD_TARGET=2\0").forced, Forced::Target(2));
        for bad in
            [&b"JL_LOAD_TARGET=-1\0"[..], b"JL_LOAD_TARGET=2x\0", b"JL_LOAD_TARGET=99999999999999999\0"]
        {
            assert_eq!(settings(bad).forced, Forced::Malformed);
        }
        let mut long = b"JL_LOAD_CPU=".to_vec();
        long.resize(5000, b'x');
        assert_eq!(settings(&long).cap, Cap::Unknown);
    }

    #[test]
    fn secure_mode() {
        let vector = |pairs: &[usize]| pairs.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        assert!(!is_secure(&vector(&[6, 4096, 23, 0, 0, 0])));
        assert!(is_secure(&vector(&[6, 4096, 23, 1, 0, 0])));
        assert!(is_secure(&[]));
        assert_eq!(auxiliary(&vector(&[6, 4096, 23]), 6), Some(4096));
    }
}
