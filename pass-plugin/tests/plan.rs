//! The plan, tested without LLVM.

use image_format::feature::FeatureSet;
use image_format::report::Reason;
use image_format::specs::target_flags::*;
use jl_pass_plugin::plan::{Decision, FunctionFacts, LoopGain, TargetFacts, bind, plan};
use proptest::prelude::*;

const DERIVED: u32 = CLONE_LOOP | CLONE_CPU | CLONE_MATH | CLONE_SIMD;

fn target(flags: u32, base: usize) -> TargetFacts {
    TargetFacts { flags, base, ..TargetFacts::default() }
}

fn targets(flags: &[u32]) -> Vec<TargetFacts> {
    [0].iter().chain(flags).map(|f| target(*f, 0)).collect()
}

fn calls(list: &[usize]) -> FunctionFacts {
    FunctionFacts { calls: list.to_vec(), ..FunctionFacts::default() }
}

fn pays() -> FunctionFacts {
    FunctionFacts { has_loop: true, loop_pays: true, ..FunctionFacts::default() }
}

#[test]
fn a_loop_that_never_pays_is_cloned_only_without_the_filter() {
    let functions = [FunctionFacts { has_loop: true, ..FunctionFacts::default() }];
    let targets = targets(&[DERIVED]);
    assert_eq!(plan(&functions, &targets, true), [Decision { mask: 1, reason: Reason::NeverPays }]);
    assert_eq!(plan(&functions, &targets, false), [Decision { mask: 3, reason: Reason::Pays }]);
}

#[test]
fn a_loop_is_cloned_for_the_targets_that_it_gains_at() {
    let dot_product = FunctionFacts { dot_product_pays: true, ..pays() };
    let mut targets = targets(&[DERIVED, DERIVED, DERIVED]);
    (targets[1].loops, targets[2].loops) = (LoopGain::None, LoopGain::DotProducts);
    let decisions = plan(&[pays(), dot_product.clone()], &targets, true);
    assert_eq!(decisions[0], Decision { mask: 0b1001, reason: Reason::Pays });
    assert_eq!(decisions[1], Decision { mask: 0b1101, reason: Reason::Pays });
    assert_eq!(plan(&[pays()], &targets[..2], true), [Decision { mask: 1, reason: Reason::NoTargetAsks }]);
    assert_eq!(plan(&[dot_product], &targets, false), [Decision { mask: 0b1111, reason: Reason::Pays }]);
}

#[test]
fn a_question_is_cloned_for_the_targets_that_decide_it() {
    let set = |bits| FeatureSet([bits, 0, 0, 0]);
    let gaining = |flags, bits| TargetFacts { flags, gains: set(bits), ..TargetFacts::default() };
    let targets = [gaining(0, 0), gaining(DERIVED, 1), gaining(DERIVED, 3), gaining(0, 7)];
    let asking = |bits| FunctionFacts { asks: set(bits), ..FunctionFacts::default() };
    let masks: Vec<u32> =
        plan(&[asking(2), asking(4), asking(8)], &targets, true).iter().map(|d| d.mask).collect();
    assert_eq!(masks, [0b0101, 1, 1]);
    assert_eq!(plan(&[asking(1)], &targets, true), [Decision { mask: 0b111, reason: Reason::Pays }]);
}

#[test]
fn clone_all_clones_all_but_obstacles() {
    let naked = FunctionFacts { obstacle: Some(Reason::Naked), ..pays() };
    let decisions = plan(&[calls(&[]), naked], &targets(&[CLONE_ALL, DERIVED]), true);
    assert_eq!(decisions[0], Decision { mask: 0b011, reason: Reason::CloneAll });
    assert_eq!(decisions[1], Decision { mask: 1, reason: Reason::Naked });
}

#[test]
fn what_no_target_asks_for_is_said() {
    let math = FunctionFacts { has_math: true, math_pays: true, ..FunctionFacts::default() };
    let decisions = plan(&[math], &targets(&[CLONE_LOOP]), true);
    assert_eq!(decisions[0], Decision { mask: 1, reason: Reason::NoTargetAsks });
}

#[test]
fn functions_between_clones_are_cloned_too() {
    // 0 (pays) -> 1 -> 2 (pays); 3 -> 0 only calls; 4 is only called.
    let mut first = pays();
    first.calls = vec![1, 4];
    let mut functions = [first, calls(&[2]), pays(), calls(&[0]), calls(&[])];
    let masks = |functions: &[FunctionFacts], filter| -> Vec<u32> {
        plan(functions, &targets(&[DERIVED]), filter).into_iter().map(|d| d.mask).collect()
    };
    assert_eq!(masks(&functions, false), [3, 3, 3, 1, 1]);
    assert_eq!(masks(&functions, true), [3, 3, 3, 1, 1]);
    functions[1].instructions = 1000;
    assert_eq!(masks(&functions, true), [3, 1, 3, 1, 1], "beside so much work a slot is not seen");
}

#[test]
fn bodies_follow_bases() {
    let targets = [target(0, 0), target(CLONE_ALL, 0), target(DERIVED, 1)];
    let partial = Decision { mask: 0b011, reason: Reason::Pays };
    assert_eq!((0..3).map(|t| partial.body(t, &targets)).collect::<Vec<_>>(), [0, 1, 1]);
    let full = Decision { mask: 0b111, reason: Reason::Pays };
    // The body of target 1 runs for rows 1 and 2, which need different bodies of `full`.
    assert_eq!(bind(partial, 1, full, &targets), None);
    assert_eq!(bind(full, 2, partial, &targets), Some(1));
    assert_eq!(bind(full, 0, full, &targets), Some(0));
}

fn any_function(count: usize) -> impl Strategy<Value = FunctionFacts> {
    (any::<[bool; 5]>(), proptest::collection::vec(0..count, 0..4)).prop_map(
        |([has_loop, loop_pays, math, obstacle, has_vectors], calls)| FunctionFacts {
            has_loop,
            loop_pays: has_loop && loop_pays,
            has_math: math,
            has_vectors,
            obstacle: obstacle.then_some(Reason::OptNone),
            calls,
            ..FunctionFacts::default()
        },
    )
}

proptest! {
    #[test]
    fn a_bound_call_reaches_the_right_body_in_every_row(
        functions in proptest::collection::vec(any_function(8), 8),
        flags in proptest::collection::vec(prop_oneof![Just(CLONE_ALL), Just(DERIVED), Just(CLONE_LOOP)], 1..5),
        base in 0usize..5,
        filter: bool,
    ) {
        let mut targets = targets(&flags);
        let last = targets.len() - 1;
        targets[last].base = base.min(last.saturating_sub(1));
        let decisions = plan(&functions, &targets, filter);
        for (function, decision) in functions.iter().zip(&decisions) {
            prop_assert_eq!(decision.mask & 1, 1);
            prop_assert_eq!(decision.is_cloned(), decision.reason.is_cloned());
            prop_assert!(function.obstacle.is_none() || !decision.is_cloned());
            for callee in &decisions {
                for from in (0..targets.len()).filter(|t| decision.mask >> t & 1 == 1) {
                    if let Some(bound) = bind(*decision, from, *callee, &targets) {
                        for row in decision.rows(from, &targets) {
                            prop_assert_eq!(callee.body(row, &targets), bound);
                        }
                    }
                }
            }
        }
    }
}
