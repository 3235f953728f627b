//! ELF notes: the sequence {namesz, descsz, type, name, descriptor}, padded.
//!
//! A segment's alignment does not tell how its notes are padded: our notes and the usual GNU ones are
//! padded to 4, and mold 1.10 puts them into one segment with a property note, which asks for 8. So each
//! note's successor is looked for at both distances, the near one first.

use crate::pod::read_at;

/// A note and where its parts are, as offsets into the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note<'a> {
    pub kind: u32,
    pub offset: usize,
    pub name: &'a [u8],
    pub descriptor: &'a [u8],
    pub descriptor_offset: usize,
}

impl Note<'_> {
    /// Behind the descriptor, before any padding.
    pub fn end(&self) -> usize {
        self.descriptor_offset + self.descriptor.len()
    }
}

/// The notes in a section or segment; ends at the first that is not well-formed. `align` is that of the
/// section or segment.
pub fn notes(bytes: &[u8], align: u64) -> impl Iterator<Item = Note<'_>> {
    let paddings: &'static [usize] = if align == 8 { &[4, 8] } else { &[4] };
    let mut next = note_at(bytes, 0, 4).map(|_| 0);
    core::iter::from_fn(move || {
        let offset = next.take()?;
        let mut last = None;
        for padding in paddings {
            let Some(note) = note_at(bytes, offset, *padding) else { continue };
            let Some(end) = note.end().checked_next_multiple_of(*padding) else { continue };
            if end >= bytes.len() {
                last = last.or(Some(note));
            } else if note_at(bytes, end, *padding).is_some() {
                next = Some(end);
                return Some(note);
            }
        }
        // Nothing follows, or nothing that could be told from garbage.
        last.or_else(|| note_at(bytes, offset, 4))
    })
}

/// A note without a name is padding: no tool writes one.
fn note_at(bytes: &[u8], offset: usize, padding: usize) -> Option<Note<'_>> {
    let word = |at: usize| read_at::<u32>(bytes, offset.checked_add(at)?);
    let (name_size, size, kind) = (word(0)? as usize, word(4)? as usize, word(8)?);
    let name_end = offset.checked_add(12)?.checked_add(name_size)?;
    let name = bytes.get(offset + 12..name_end).filter(|name| !name.is_empty())?;
    let descriptor_offset = name_end.checked_next_multiple_of(padding)?;
    let descriptor = bytes.get(descriptor_offset..descriptor_offset.checked_add(size)?)?;
    Some(Note { kind, offset, name, descriptor, descriptor_offset })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn note(name: &[u8], size: usize, kind: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> =
            [name.len() as u32, size as u32, kind].iter().flat_map(|w| w.to_le_bytes()).collect();
        bytes.extend(name);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.resize(bytes.len() + size, 0xee);
        bytes
    }

    fn found(bytes: &[u8], align: u64) -> Vec<(u32, usize, usize)> {
        notes(bytes, align).map(|n| (n.kind, n.offset, n.descriptor.len())).collect()
    }

    #[test]
    fn padded_to_4_in_a_segment_that_asks_for_8() {
        let all = [note(b"GNU\0", 16, 5), note(b"GNU\0", 20, 3), note(b"Julienne\0", 16, 2)].concat();
        for align in [4, 8] {
            assert_eq!(found(&all, align), [(5, 0, 16), (3, 32, 20), (2, 68, 16)]);
        }
    }

    #[test]
    fn padded_to_8() {
        let mut all = note(b"GNU\0", 20, 3);
        all.resize(40, 0);
        all.extend(note(b"GNU\0", 16, 5));
        assert_eq!(found(&all, 8), [(3, 0, 20), (5, 40, 16)]);
        // Padding of the last one need not be there, and zeros may follow.
        all.extend([0; 8]);
        assert_eq!(found(&all, 8), [(3, 0, 20), (5, 40, 16)]);
        assert_eq!(found(all.get(..36).unwrap(), 8), [(3, 0, 20)]);
    }

    #[test]
    fn hostile() {
        assert!(
            found(&[], 8).is_empty() && found(&[0xff; 40], 8).is_empty() && found(&[0; 40], 4).is_empty()
        );
        let mut cut = note(b"Julienne\0", 16, 2);
        cut.pop();
        assert!(found(&cut, 4).is_empty());
    }
}
