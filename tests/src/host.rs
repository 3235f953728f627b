//! What this machine can run.

use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::grammar;

/// Whether code for a target, written as in a target string, runs on this machine. A target with a CPU
/// or feature that is not known does not.
pub fn can_run(target: &str) -> bool {
    let Ok(targets) = grammar::parse(target) else { return false };
    targets.iter().all(|target| {
        let Some(mut needed) = Arch::HOST.model(&target.cpu) else { return false };
        for (feature, enabled) in &target.features {
            match (Arch::HOST.feature(feature), enabled) {
                (Some(id), true) => needed = needed.with(id),
                (Some(id), false) => needed = needed.without(id),
                (None, true) => return false,
                (None, false) => {}
            }
        }
        required(needed).is_subset(Arch::host_features())
    })
}

/// Without the features that never lead to a rejection.
fn required(features: FeatureSet) -> FeatureSet {
    features.difference(Arch::HOST.never_rejects())
}

#[cfg(test)]
mod tests {
    use super::can_run;

    #[test]
    fn every_host_runs_the_baseline_and_no_host_runs_everything() {
        assert!(can_run("x86-64"));
        assert!(can_run("generic,clone_all"));
        assert!(!can_run("no-such-cpu"));
        assert!(!can_run("x86-64,+no-such-feature"));
        // A Xeon Phi feature that no later CPU has.
        assert!(!can_run("sapphirerapids,+prefetchwt1,+avx10.2,+amx-tf32,+xop"));
    }
}
