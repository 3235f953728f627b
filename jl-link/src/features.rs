//! Which CPU features the code of each target really uses: a pure decision without ELF or instructions.
//!
//! Code is taken in *pieces*: bodies of cloned functions, and other code of the image that they lead to (cold
//! parts, outlined sequences, static functions). A target uses what the bodies that its row runs, and all that they
//! lead to, use - but never more of a body than the target that it was compiled for declares: wider
//! instructions stand there in inline assembly or behind a question of the program's own.

use image_format::feature::FeatureSet;
use std::collections::HashSet;

/// A piece of code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The target that it was compiled for; none for code that belongs to whoever leads to it.
    pub made_for: Option<usize>,
    /// What its instructions need.
    pub features: FeatureSet,
    /// Whether all of it could be read as instructions.
    pub is_understood: bool,
    /// Questions that were answered with yes as far as the target that it was compiled for requires them.
    pub asks: FeatureSet,
    /// The pieces that it jumps to, calls or takes the address of.
    pub leads_to: Vec<usize>,
}

/// What the decision is made from.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub pieces: Vec<Piece>,
    /// Per target the bodies that its row runs, by index in `pieces`.
    pub bodies: Vec<Vec<usize>>,
    /// Per target what it declares, without what never rejects.
    pub declared: Vec<FeatureSet>,
    /// Per target its base, an earlier one; 0 for target 0.
    pub bases: Vec<usize>,
    /// All code of the image together, where the baseline is more than what every CPU has: what is not cloned
    /// is compiled for it as well.
    pub everything: Option<Piece>,
    /// Features whose instructions cannot be read.
    pub unreadable: FeatureSet,
}

impl Facts {
    /// A target, its base, that one's base and so on.
    fn chain(&self, target: usize) -> impl Iterator<Item = usize> {
        let next = |target: &usize| Some(self.bases[*target]).filter(|base| base < target);
        std::iter::successors(Some(target), next)
    }
}

/// What a target uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    pub features: FeatureSet,
    /// False where code could not be read: then all that was declared for it counts as used.
    pub is_understood: bool,
}

impl Used {
    fn add(&mut self, piece: &Piece, declared: FeatureSet, unreadable: FeatureSet) {
        let is_understood = piece.is_understood && declared.intersection(unreadable).is_empty();
        let found = if is_understood { piece.features.union(piece.asks) } else { declared };
        self.features = self.features.union(found.intersection(declared));
        self.is_understood &= is_understood;
    }
}

/// What each target uses. The baseline's part holds for every target, for what is not cloned is its code.
pub fn used(facts: &Facts) -> Vec<Used> {
    let mut all: Vec<Used> = (0..facts.bodies.len()).map(|target| used_by(facts, target)).collect();
    let Some(baseline) = all.first_mut() else { return all };
    if let (Some(everything), Some(declared)) = (&facts.everything, facts.declared.first()) {
        baseline.add(everything, *declared, facts.unreadable);
    }
    let baseline = *baseline;
    for target in &mut all {
        target.features = target.features.union(baseline.features);
        target.is_understood &= baseline.is_understood;
    }
    all
}

fn used_by(facts: &Facts, target: usize) -> Used {
    let mut used = Used { features: FeatureSet::EMPTY, is_understood: true };
    // A piece of nobody's own counts once for each target that it is used on behalf of.
    let mut seen = HashSet::new();
    let mut work: Vec<(usize, usize)> = facts.bodies[target].iter().map(|body| (*body, target)).collect();
    while let Some((index, on_behalf_of)) = work.pop() {
        let piece = &facts.pieces[index];
        // Bodies lead to bodies of their own target or its bases only. One of another target is there because the
        // linker folded it with code of the program's own, which it is in this place.
        let made_for = piece.made_for.filter(|target| facts.chain(on_behalf_of).any(|base| base == *target));
        let owner = made_for.unwrap_or(on_behalf_of);
        if seen.insert((index, owner)) {
            let declared = match made_for {
                Some(target) => facts.declared[target],
                None => facts.chain(owner).fold(FeatureSet::EMPTY, |set, t| set.union(facts.declared[t])),
            };
            used.add(piece, declared, facts.unreadable);
            work.extend(piece.leads_to.iter().map(|next| (*next, owner)));
        }
    }
    used
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(bits: u64) -> FeatureSet {
        FeatureSet([bits, 0, 0, 0])
    }

    fn piece(made_for: Option<usize>, features: u64, leads_to: &[usize]) -> Piece {
        Piece {
            made_for,
            features: set(features),
            is_understood: true,
            asks: FeatureSet::EMPTY,
            leads_to: leads_to.to_vec(),
        }
    }

    /// Three targets with the features 1, 3 and 7; the third has a body of the second's.
    fn facts() -> Facts {
        Facts {
            pieces: vec![piece(Some(0), 1, &[]), piece(Some(1), 2, &[2]), piece(None, 4 | 8, &[])],
            bodies: vec![vec![0], vec![1], vec![1]],
            declared: vec![set(1), set(3), set(7)],
            bases: vec![0, 0, 1],
            everything: None,
            unreadable: set(1 << 20),
        }
    }

    fn features(facts: &Facts) -> Vec<u64> {
        used(facts).iter().map(|u| u.features.0[0]).collect()
    }

    #[test]
    fn a_body_needs_no_more_than_it_was_compiled_for() {
        assert_eq!(features(&facts()), [1, 3, 3], "4 and 8 stand in the second target's code by hand");
        let mut facts = facts();
        facts.pieces[2].made_for = Some(2);
        assert_eq!(features(&facts), [1, 3, 3], "folded with code that the second target may not need");
        facts.pieces[1].made_for = Some(2);
        facts.bodies[1] = vec![0];
        assert_eq!(features(&facts), [1, 1, 7]);
    }

    #[test]
    fn a_question_answered_counts() {
        let mut facts = facts();
        facts.pieces[0].features = set(0);
        facts.pieces[1] = Piece { asks: set(2 | 4), ..piece(Some(1), 0, &[]) };
        assert_eq!(features(&facts), [0, 2, 2]);
    }

    #[test]
    fn what_cannot_be_read_needs_all_that_was_declared() {
        let mut facts = facts();
        facts.pieces[2].is_understood = false;
        facts.pieces[1].features = set(0);
        facts.pieces[0].features = set(0);
        assert_eq!(features(&facts), [0, 3, 3]);
        assert_eq!(used(&facts).iter().map(|u| u.is_understood).collect::<Vec<_>>(), [true, false, false]);
        let mut facts = self::facts();
        facts.declared[1] = set(3 | 1 << 20);
        assert_eq!(features(&facts)[1], 3 | 1 << 20, "such code cannot be read");
    }

    #[test]
    fn the_baseline_holds_for_all() {
        let mut facts = facts();
        facts.declared = vec![set(0b1_0001), set(0b1_0011), set(0b1_0111)];
        facts.everything = Some(piece(None, 0b11_0010, &[]));
        assert_eq!(features(&facts), [0b1_0001, 0b1_0011, 0b1_0011]);
        facts.everything.as_mut().unwrap().is_understood = false;
        facts.pieces[0].features = set(0);
        assert_eq!(features(&facts), [0b1_0001, 0b1_0011, 0b1_0011]);
        assert!(used(&facts).iter().all(|u| !u.is_understood));
    }

    proptest! {
        /// Runs each row by hand: everything that is reached finds what it needs of what was declared for it.
        #[test]
        fn nothing_that_runs_lacks_what_it_was_compiled_for(
            shape in proptest::collection::vec(
                (proptest::option::of(0usize..3), 0u64..64, any::<bool>(), 0u64..64,
                 proptest::collection::vec(0usize..6, 0..3)), 6),
            bodies in proptest::collection::vec(proptest::collection::vec(0usize..6, 0..4), 3),
            declared in proptest::collection::vec(0u64..64, 3),
            base in 0usize..2,
        ) {
            let pieces: Vec<Piece> = shape.into_iter().map(|(made_for, features, is_understood, asks, leads_to)| {
                Piece { made_for, features: set(features), is_understood, asks: set(asks), leads_to }
            }).collect();
            let declared = declared.into_iter().map(set).collect();
            let bases = vec![0, 0, base];
            let facts = Facts { pieces, bodies, declared, bases, everything: None, unreadable: FeatureSet::EMPTY };
            let all = used(&facts);
            let declared_by_anyone = facts.declared.iter().fold(FeatureSet::EMPTY, |a, b| a.union(*b));
            for (target, used) in all.iter().enumerate() {
                prop_assert!(used.features.is_subset(declared_by_anyone));
                prop_assert!(all[0].features.is_subset(used.features));
                let allowed = |t| facts.chain(t).fold(FeatureSet::EMPTY, |set, t| set.union(facts.declared[t]));
                prop_assert!(used.features.is_subset(allowed(target).union(all[0].features)));
                for body in &facts.bodies[target] {
                    let piece = &facts.pieces[*body];
                    let own = piece.made_for.filter(|t| facts.chain(target).any(|base| base == *t));
                    let declared = own.map_or(allowed(target), |own| facts.declared[own]);
                    let needs = if piece.is_understood { piece.features.union(piece.asks) } else { declared };
                    prop_assert!(needs.intersection(declared).is_subset(used.features));
                    for next in piece.leads_to.iter().filter(|next| facts.pieces[**next].made_for.is_none()) {
                        let needs = facts.pieces[*next].features.intersection(allowed(own.unwrap_or(target)));
                        prop_assert!(needs.is_subset(used.features) || !facts.pieces[*next].is_understood);
                    }
                }
            }
        }
    }
}
