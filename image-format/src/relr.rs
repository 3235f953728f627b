//! Packed relative relocations (`.relr.dyn`, gABI): which words of an image are addresses.
//!
//! An even entry is the address of a word that the load bias is added to. An odd entry behind it is a bitmap:
//! bit `n` (from 1 on) stands for the `n`th word behind the last one that the entries before cover, and it
//! covers 63 words.

/// Size in bytes of the words that are relocated.
const WORD: u64 = 8;
/// Words that one bitmap covers.
const COVERED: u64 = 63;

/// The addresses in the order of the entries, which is ascending in what linkers write. A bitmap without an
/// address before it counts from 0, as loaders have it.
pub fn decode(entries: impl IntoIterator<Item = u64>) -> Vec<u64> {
    let mut found = Vec::new();
    let mut next = 0u64;
    for entry in entries {
        if entry & 1 == 0 {
            found.push(entry);
            next = entry.wrapping_add(WORD);
        } else {
            let set = (0..COVERED).filter(|bit| entry >> (bit + 1) & 1 == 1);
            found.extend(set.map(|bit| next.wrapping_add(bit * WORD)));
            next = next.wrapping_add(COVERED * WORD);
        }
    }
    found
}

/// Entries for `addresses`, which are multiples of 8 and ascend.
pub fn encode(addresses: &[u64]) -> Vec<u64> {
    let mut entries = Vec::new();
    let mut rest = addresses;
    while let [first, more @ ..] = rest {
        entries.push(*first);
        rest = more;
        let mut base = first + WORD;
        loop {
            let covered = rest.iter().take_while(|address| (**address - base) / WORD < COVERED).count();
            if covered == 0 {
                break;
            }
            let bits = rest[..covered].iter().map(|address| 1 << ((address - base) / WORD + 1));
            entries.push(bits.fold(1, |map: u64, bit: u64| map | bit));
            rest = &rest[covered..];
            base += COVERED * WORD;
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_become_bitmaps() {
        let run: Vec<u64> = (0..100).map(|i| 0x1000 + 8 * i).collect();
        assert_eq!(encode(&run), [0x1000, !0, (1 << 37) - 1]);
        assert_eq!(encode(&[0x1000, 0x2000]), [0x1000, 0x2000]);
        assert_eq!(decode([0x1000, 0b1011]), [0x1000, 0x1008, 0x1018]);
    }

    proptest! {
        #[test]
        fn round_trip(set in proptest::collection::btree_set(0u64..2000, 0..300)) {
            let addresses: Vec<u64> = set.iter().map(|word| 0x4000 + word * 8).collect();
            let entries = encode(&addresses);
            prop_assert!(entries.len() <= addresses.len());
            prop_assert_eq!(decode(entries), addresses);
        }

        #[test]
        fn any_entries_decode(entries in proptest::collection::vec(any::<u64>(), 0..20)) {
            let _ = decode(entries);
        }
    }
}
