//! Where a list is cut into pieces of about the same weight, so that an edit moves few cuts: whether a piece ends behind
//! an item is told by the item's name and, in coarse steps, by weights (content-defined chunking, as rsync and backup
//! programs do it). Pure.

use std::hash::Hasher;
use xxhash_rust::xxh64::Xxh64;

/// Gives each item of a list the number of its piece.
pub struct Cuts {
    /// What a piece should weigh.
    weight: u64,
    piece: u32,
    /// Weight of the piece so far, in coarse steps.
    sum: u64,
}

impl Cuts {
    /// The first piece has the number `first`.
    pub fn new(weight: u64, first: u32) -> Cuts {
        Cuts { weight, piece: first, sum: 0 }
    }

    /// The piece that the next item goes to.
    pub fn place(&mut self, name: &str, weight: u64) -> u32 {
        let own = coarse(weight);
        if own >= self.weight {
            self.cut();
        }
        let piece = self.piece;
        self.sum += own;
        let long = 2 * self.sum >= self.weight;
        if self.sum >= 2 * self.weight || (long && ends(hash(name), own, self.weight)) {
            self.cut();
        }
        piece
    }

    /// The next item begins a piece.
    pub fn cut(&mut self) {
        if self.sum > 0 {
            (self.piece, self.sum) = (self.piece + 1, 0);
        }
    }

    /// One more than the last piece's number.
    pub fn end(&self) -> u32 {
        if self.sum > 0 { self.piece + 1 } else { self.piece }
    }
}

/// Whether a piece that is long enough ends behind this item: on average after another half of `weight`.
fn ends(key: u64, own: u64, weight: u64) -> bool {
    // Both sides in units of 2^-32.
    (key >> 32) < ((2 * own) << 32) / weight.max(1)
}

/// A weight in steps of an eighth to a quarter, so that small edits do not show.
fn coarse(weight: u64) -> u64 {
    let shift = (64 - weight.leading_zeros()).saturating_sub(3);
    (weight >> shift) << shift
}

fn hash(name: &str) -> u64 {
    let mut hasher = Xxh64::new(0);
    hasher.write(name.as_bytes());
    hasher.finish()
}
