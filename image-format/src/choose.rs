//! Which target runs: one pure decision for the embedded shim, the preload shim and `explain`.
//!
//! Julia's order (julia-protocol, section 5): a target that needs a feature the host lacks is rejected;
//! of the others the one with the larger vector register wins, then the one with more features, then the
//! later one.

use crate::feature::FeatureSet;

/// What the choice asks of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub required: FeatureSet,
    pub vector_bits: u32,
    /// Number of declared features.
    pub features: u32,
}

impl Needs {
    fn preference(&self) -> (u32, u32) {
        (self.vector_bits, self.features)
    }
}

/// Why a target was not chosen, or that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Chosen,
    /// The host lacks these.
    Lacks(FeatureSet),
    /// `winner` has a larger vector register.
    SmallerVectors {
        winner: usize,
    },
    /// `winner` has as large a vector register and more features.
    FewerFeatures {
        winner: usize,
    },
    /// `winner` is as good and stands later in the list.
    Earlier {
        winner: usize,
    },
    /// The user forced another target.
    Forced {
        winner: usize,
    },
}

/// Why nothing was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTarget {
    /// The host lacks something for every target; these are missing for target 0.
    Incompatible { baseline_lacks: FeatureSet },
    /// The forced target does not exist.
    ForcedUnknown { forced: usize, targets: usize },
    /// The host lacks these for the forced target.
    ForcedIncompatible { forced: usize, lacks: FeatureSet },
}

/// The target to run out of `targets` on a CPU with `host`.
///
/// The baseline's requirements hold for every target: code that is not cloned is baseline code.
pub fn choose(
    targets: impl Iterator<Item = Needs> + Clone,
    host: FeatureSet,
    forced: Option<usize>,
) -> Result<usize, NoTarget> {
    let baseline = targets.clone().next().map_or(FeatureSet::EMPTY, |t| t.required);
    let baseline_lacks = baseline.difference(host);
    if let Some(forced) = forced {
        let Some(target) = targets.clone().nth(forced) else {
            return Err(NoTarget::ForcedUnknown { forced, targets: targets.count() });
        };
        let lacks = target.required.union(baseline).difference(host);
        return if lacks.is_empty() {
            Ok(forced)
        } else {
            Err(NoTarget::ForcedIncompatible { forced, lacks })
        };
    }
    if !baseline_lacks.is_empty() {
        return Err(NoTarget::Incompatible { baseline_lacks });
    }
    let mut best: Option<(usize, (u32, u32))> = None;
    for (i, target) in targets.enumerate() {
        let better = best.is_none_or(|(_, preference)| target.preference() >= preference);
        if better && target.required.is_subset(host) {
            best = Some((i, target.preference()));
        }
    }
    best.map(|(i, _)| i).ok_or(NoTarget::Incompatible { baseline_lacks })
}

/// What became of target `index` when `winner` was chosen.
pub fn verdict(
    targets: impl Iterator<Item = Needs> + Clone,
    host: FeatureSet,
    forced: bool,
    winner: usize,
    index: usize,
) -> Verdict {
    let at = |i| targets.clone().nth(i);
    let (Some(this), Some(best)) = (at(index), at(winner)) else {
        return Verdict::Forced { winner };
    };
    let lacks = this.required.difference(host);
    if index == winner {
        Verdict::Chosen
    } else if !lacks.is_empty() {
        Verdict::Lacks(lacks)
    } else if forced {
        Verdict::Forced { winner }
    } else if this.vector_bits < best.vector_bits {
        Verdict::SmallerVectors { winner }
    } else if this.features < best.features {
        Verdict::FewerFeatures { winner }
    } else {
        Verdict::Earlier { winner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn needs(required: u64, vector_bits: u32) -> Needs {
        let required = FeatureSet([required, 0, 0, 0]);
        Needs { required, vector_bits, features: required.len() }
    }

    #[test]
    fn julia_order() {
        let targets = [needs(1, 128), needs(0b111, 256), needs(0b1011, 256), needs(0b11111, 512)];
        let pick = |host| choose(targets.into_iter(), FeatureSet([host, 0, 0, 0]), None);
        assert_eq!(pick(0b1), Ok(0));
        assert_eq!(pick(0b111), Ok(1));
        assert_eq!(pick(0b1111), Ok(2), "equal targets: the later one");
        assert_eq!(pick(0b11111), Ok(3));
        assert_eq!(pick(0b10), Err(NoTarget::Incompatible { baseline_lacks: FeatureSet([1, 0, 0, 0]) }));
    }

    #[test]
    fn forced() {
        let targets = [needs(1, 128), needs(3, 256)];
        let pick = |host, forced| choose(targets.into_iter(), FeatureSet([host, 0, 0, 0]), Some(forced));
        assert_eq!(pick(3, 0), Ok(0));
        assert_eq!(
            pick(1, 1),
            Err(NoTarget::ForcedIncompatible { forced: 1, lacks: FeatureSet([2, 0, 0, 0]) })
        );
        assert_eq!(pick(3, 2), Err(NoTarget::ForcedUnknown { forced: 2, targets: 2 }));
    }

    proptest! {
        #[test]
        fn the_choice_runs_here_and_nothing_better_does(
            list in proptest::collection::vec((0u64..256, 0u32..3), 1..8), host in 0u64..256
        ) {
            let targets: Vec<Needs> = list.iter().map(|(r, v)| needs(*r, 128 << v)).collect();
            let host = FeatureSet([host, 0, 0, 0]);
            match choose(targets.iter().copied(), host, None) {
                Ok(winner) => {
                    prop_assert!(targets[winner].required.union(targets[0].required).is_subset(host));
                    for (i, t) in targets.iter().enumerate() {
                        if t.required.is_subset(host) && i != winner {
                            prop_assert!((t.preference(), i) < (targets[winner].preference(), winner));
                        }
                        let v = verdict(targets.iter().copied(), host, false, winner, i);
                        prop_assert_eq!(matches!(v, Verdict::Lacks(_)), !t.required.is_subset(host));
                    }
                }
                Err(_) => prop_assert!(!targets[0].required.is_subset(host)),
            }
        }
    }
}
