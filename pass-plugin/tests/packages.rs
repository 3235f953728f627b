//! Who leaves a module for a dependency's function, and how identities are carried; tested without LLVM.

use image_format::identity::Identity;
use image_format::package_report::Fate;
use image_format::sharing::Sharing;
use jl_pass_plugin::packages::carrier::{Known, parse, text};
use jl_pass_plugin::packages::dependencies::Offer;
use jl_pass_plugin::packages::plan::{Candidate, Decision, plan};
use proptest::prelude::*;
use std::collections::HashSet;

const SAME: Offer = Offer::Same { dependency: 1, has_symbol: true };

fn candidate() -> Candidate {
    Candidate {
        known: Known::Identity(Identity([7; 16])),
        offer: SAME,
        inline: true,
        always_inline: false,
        pinned: false,
        address: false,
        hidden: false,
        group: None,
    }
}

fn alone(candidate: Candidate) -> (Fate, Option<usize>) {
    let decisions = plan(&[candidate], &HashSet::new());
    (decisions[0].fate, decisions[0].dependency)
}

#[test]
fn only_what_everybody_has_a_copy_of_leaves() {
    assert_eq!(alone(candidate()), (Fate::Deduplicated, Some(1)));
    assert_eq!(alone(Candidate { inline: false, ..candidate() }), (Fate::Strong, Some(1)));
    assert_eq!(alone(Candidate { pinned: true, ..candidate() }), (Fate::Pinned, Some(1)));
    assert_eq!(alone(Candidate { always_inline: true, ..candidate() }), (Fate::AlwaysInline, Some(1)));
}

#[test]
fn a_name_is_not_enough() {
    assert_eq!(alone(Candidate { offer: Offer::Nothing, ..candidate() }), (Fate::NotExported, None));
    let other = Candidate { offer: Offer::OtherContent(0), ..candidate() };
    assert_eq!(alone(other), (Fate::OtherContent, Some(0)));
    let verdict = Candidate { known: Known::Unshareable(Sharing::OwnData), ..candidate() };
    assert_eq!(alone(verdict), (Fate::Unshareable(Sharing::OwnData), None));
}

#[test]
fn an_address_is_the_symbols() {
    let taken = Candidate { address: true, ..candidate() };
    assert_eq!(alone(taken.clone()).0, Fate::Deduplicated);
    assert_eq!(alone(Candidate { hidden: true, ..taken.clone() }).0, Fate::Address);
    let offer = Offer::Same { dependency: 1, has_symbol: false };
    assert_eq!(alone(Candidate { offer, ..taken }).0, Fate::Address);
    assert_eq!(alone(Candidate { offer, hidden: true, ..candidate() }).0, Fate::Deduplicated);
}

#[test]
fn a_group_stays_whole() {
    let member = |group, offer| Candidate { group: Some(group), offer, ..candidate() };
    let list = [member(1, SAME), member(2, SAME), member(1, Offer::Nothing), member(3, SAME)];
    let fates: Vec<Fate> = plan(&list, &HashSet::from([3])).iter().map(|d| d.fate).collect();
    assert_eq!(fates, [Fate::Group, Fate::Deduplicated, Fate::NotExported, Fate::Group]);
}

fn any_candidate() -> impl Strategy<Value = Candidate> {
    let offer = prop_oneof![
        Just(Offer::Nothing),
        Just(Offer::OtherContent(0)),
        any::<bool>().prop_map(|has_symbol| Offer::Same { dependency: 0, has_symbol }),
    ];
    (offer, any::<[bool; 5]>(), proptest::option::of(0usize..3)).prop_map(|(offer, bits, group)| Candidate {
        offer,
        inline: bits[0],
        always_inline: bits[1],
        pinned: bits[2],
        address: bits[3],
        hidden: bits[4],
        group,
        ..candidate()
    })
}

proptest! {
    #[test]
    fn groups_are_left_out_as_a_whole_or_not_at_all(list in proptest::collection::vec(any_candidate(), 0..12)) {
        let decisions = plan(&list, &HashSet::new());
        let gone = |d: &Decision| d.fate == Fate::Deduplicated;
        for (a, first) in list.iter().zip(&decisions) {
            for (b, second) in list.iter().zip(&decisions) {
                prop_assert!(a.group.is_none() || a.group != b.group || gone(first) == gone(second));
            }
            let may_go = a.inline && !a.pinned && matches!(a.offer, Offer::Same { .. });
            prop_assert!(!gone(first) || may_go);
        }
    }

    #[test]
    fn what_a_function_carries_is_its_own(identity in any::<[u8; 16]>(), a in "[a-z.]{1,9}", b in "[a-z.]{1,9}") {
        for known in [Known::Identity(Identity(identity)), Known::Unshareable(Sharing::Personality)] {
            let carried = text(known, &a);
            prop_assert_eq!(parse(&carried, &a), Some(known));
            prop_assert_eq!(parse(&carried, &b).is_some(), a == b);
        }
    }

    #[test]
    fn other_texts_are_nothing(text in "\\PC{0,60}") {
        prop_assert_eq!(parse(&text, "f"), None);
    }
}
