//! The file that an address is mapped from, out of `/proc/self/maps`; asked only for messages.

use crate::sys::File;
use crate::text::Bytes;

/// A path; what is longer is cut.
pub type Path = Bytes<1024>;

/// The path of the file mapped at `address`; empty when it is not known.
pub fn path_of(address: usize) -> Path {
    let mut finder = Finder { address, line: Bytes::EMPTY, found: Path::EMPTY };
    let mut buffer = [0; 1024];
    if let Some(file) = File::open(c"/proc/self/maps") {
        while let Some(bytes) = file.read(&mut buffer) {
            finder.feed(bytes);
        }
    }
    finder.found
}

struct Finder {
    address: usize,
    line: Bytes<1200>,
    found: Path,
}

impl Finder {
    /// Takes the next piece of the file.
    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte != b'\n' {
                self.line.push(*byte);
                continue;
            }
            if let Some(path) = path_if_inside(self.line.as_slice(), self.address) {
                self.found.clear();
                self.found.text(path);
            }
            self.line.clear();
        }
    }
}

/// `START-END PERM OFFSET DEVICE INODE   PATH`: the path if `address` lies in the range.
fn path_if_inside(line: &[u8], address: usize) -> Option<&[u8]> {
    let (start, rest) = hexadecimal(line)?;
    let (end, _) = hexadecimal(rest.strip_prefix(b"-")?)?;
    if !(start..end).contains(&address) {
        return None;
    }
    let slash = line.iter().position(|byte| *byte == b'/')?;
    line.get(slash..)
}

fn hexadecimal(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut value: usize = 0;
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let digit = match first {
            b'0'..=b'9' => first - b'0',
            b'a'..=b'f' => first - b'a' + 10,
            _ => break,
        };
        value = value << 4 | usize::from(digit);
        rest = tail;
    }
    (rest.len() < text.len()).then_some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_in_pieces() {
        const MAPS: &[u8] = b"00400000-00401000 r-xp 00000000 08:01 1   /bin/a b\n\
            7f00-8000 rw-p 00000000 00:00 0\n9000-a000 r--p 0 08:01 2 /lib/c.so\n";
        for size in 1..40 {
            for (address, path) in
                [(0x400010, &b"/bin/a b"[..]), (0x7f00, b""), (0x9fff, b"/lib/c.so"), (1, b"")]
            {
                let mut finder = Finder { address, line: Bytes::EMPTY, found: Path::EMPTY };
                for piece in MAPS.chunks(size) {
                    finder.feed(piece);
                }
                assert_eq!(finder.found.as_slice(), path);
            }
        }
    }

    #[test]
    fn finds_this_program() {
        let here = path_of(finds_this_program as *const () as usize);
        assert!(here.as_slice().starts_with(b"/"));
    }
}
