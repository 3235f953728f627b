//! Which of an image's targets Julia takes, and its words for what became of the others.
//!
//! R takes one target after the other and keeps the best so far: a target that enables what the host
//! disables is out; once one has the host's CPU name, all that have another are out; of the others the larger
//! vector register counts, then more features, then the later place. M is the same without the name, and
//! says nothing of the single targets.

use super::Dialect;

/// What Julia says when no target can be used.
pub const NO_TARGET: &str = "Unable to find compatible target in cached code image.";

/// What the choice asks of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub name: &'a str,
    /// It enables a feature that the host has not.
    pub is_disabled: bool,
    /// Size in bytes of its largest vector register, as Julia counts it.
    pub vector_bytes: u32,
    /// Number of enabled features, of those that Julia knows.
    pub features: u32,
}

/// What became of a target when its turn came; a later one may still have replaced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Disabled,
    OtherName,
    SmallerVectors,
    FewerFeatures,
    BestByVectors,
    Best,
}

impl Step {
    /// Julia's own words.
    pub fn words(self) -> &'static str {
        match self {
            Step::Disabled => "Rejecting this target due to use of runtime-disabled features",
            Step::OtherName => "Rejecting this target since another target has a cpu name match",
            Step::SmallerVectors => {
                "Rejecting this target since another target has a larger vector register size"
            }
            Step::FewerFeatures => "Rejecting this target since another target has a larger feature set",
            Step::BestByVectors => "Updating best match to this target due to larger vector register size",
            Step::Best => "Updating best match to this target",
        }
    }
}

/// How a choice went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    pub best: Option<usize>,
    /// One per target.
    pub steps: Vec<Step>,
}

impl Match {
    /// Nobody could be asked.
    pub fn none() -> Match {
        Match { best: None, steps: Vec::new() }
    }

    /// Julia's message when there is no target; `names` are the targets'.
    pub fn message<'a>(&self, rules: Dialect, names: impl Iterator<Item = &'a str>) -> Option<String> {
        if self.best.is_some() {
            return None;
        }
        let mut text = NO_TARGET.to_owned();
        if rules == Dialect::R {
            for (index, (name, step)) in names.zip(&self.steps).enumerate() {
                text += &format!("\nTarget {index} ({name}): {}", step.words());
            }
        }
        Some(text)
    }
}

/// Chooses by the rules of a dialect. `host_name` is LLVM's name of the host's CPU where it is known; only R
/// asks for it.
pub fn choose(rules: Dialect, targets: &[Candidate], host_name: Option<&str>) -> Match {
    let mut found = Match { best: None, steps: Vec::with_capacity(targets.len()) };
    let (mut name_matched, mut vectors, mut features) = (false, 0, 0);
    for (index, target) in targets.iter().enumerate() {
        let is_host = rules == Dialect::R && host_name == Some(target.name);
        let step = if target.is_disabled {
            Step::Disabled
        } else if name_matched && !is_host {
            Step::OtherName
        } else {
            if is_host && !name_matched {
                (name_matched, vectors, features) = (true, 0, 0);
            }
            if vectors > target.vector_bytes {
                Step::SmallerVectors
            } else if vectors < target.vector_bytes {
                Step::BestByVectors
            } else if target.features < features {
                Step::FewerFeatures
            } else {
                Step::Best
            }
        };
        if matches!(step, Step::BestByVectors | Step::Best) {
            (found.best, vectors, features) = (Some(index), target.vector_bytes, target.features);
        }
        found.steps.push(step);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target(name: &str, is_disabled: bool, vector_bytes: u32, features: u32) -> Candidate<'_> {
        Candidate { name, is_disabled, vector_bytes, features }
    }

    #[test]
    fn larger_vectors_then_more_features_then_the_later() {
        let list = [
            target("generic", false, 16, 2),
            target("sandybridge", false, 32, 10),
            target("other", false, 32, 9),
            target("same", false, 32, 10),
            target("skx", true, 64, 30),
            target("old", false, 16, 50),
        ];
        for rules in [Dialect::R, Dialect::M] {
            let found = choose(rules, &list, None);
            assert_eq!(found.best, Some(3));
            let steps = [
                Step::BestByVectors,
                Step::BestByVectors,
                Step::FewerFeatures,
                Step::Best,
                Step::Disabled,
                Step::SmallerVectors,
            ];
            assert_eq!(found.steps, steps);
        }
    }

    #[test]
    fn a_name_counts_in_r_only() {
        let list =
            [target("haswell", false, 32, 30), target("znver1", false, 32, 20), target("a", false, 32, 40)];
        assert_eq!(choose(Dialect::R, &list, Some("znver1")).best, Some(1));
        assert_eq!(choose(Dialect::R, &list, Some("znver1")).steps[2], Step::OtherName);
        assert_eq!(choose(Dialect::M, &list, Some("znver1")).best, Some(2));
        // A name does not help a target that cannot run.
        let list = [target("znver4", true, 64, 60), target("generic", false, 16, 1)];
        assert_eq!(choose(Dialect::R, &list, Some("znver4")).best, Some(1));
    }

    #[test]
    fn messages_are_julias() {
        let list = [target("znver4", true, 64, 60), target("haswell", true, 32, 30)];
        let found = choose(Dialect::R, &list, None);
        let names = || list.iter().map(|target| target.name);
        assert_eq!(
            found.message(Dialect::R, names()).unwrap(),
            "Unable to find compatible target in cached code image.\n\
             Target 0 (znver4): Rejecting this target due to use of runtime-disabled features\n\
             Target 1 (haswell): Rejecting this target due to use of runtime-disabled features"
        );
        assert_eq!(found.message(Dialect::M, names()).unwrap(), NO_TARGET);
        assert_eq!(choose(Dialect::M, &[], None).message(Dialect::M, names()).unwrap(), NO_TARGET);
    }

    proptest! {
        #[test]
        fn what_is_chosen_can_run_and_nothing_better_can(
            list in proptest::collection::vec((any::<bool>(), 0u32..3, 0u32..4), 0..8)
        ) {
            let list: Vec<_> = list.iter().map(|(off, v, f)| target("x", *off, 16 << v, *f)).collect();
            let key = |i: usize| (list[i].vector_bytes, list[i].features, i);
            let best = (0..list.len()).filter(|i| !list[*i].is_disabled).max_by_key(|i| key(*i));
            prop_assert_eq!(choose(Dialect::M, &list, None).best, best);
            prop_assert_eq!(choose(Dialect::R, &list, None).best, best);
        }
    }
}
