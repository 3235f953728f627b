//! The plan of units and what they know of each other, tested without LLVM.

use jl_pass_plugin::simplify::interface::{Interface, Interfaces, decode, encode};
use jl_pass_plugin::simplify::plan::{Member, Node, Unit, plan};
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};

const WEIGHT: u64 = 1000;

fn node(name: &str, weight: u64, uses: &[usize]) -> Node {
    Node { name: name.to_string(), weight, uses: uses.to_vec(), ..Node::default() }
}

fn small(name: &str, uses: &[usize]) -> Node {
    Node { importable: true, ..node(name, 50, uses) }
}

fn private(node: Node) -> Node {
    Node { private: true, ..node }
}

fn unit_of(units: &[Unit], function: usize) -> &Unit {
    units.iter().find(|u| u.members.iter().any(|m| m.function == function)).expect("each function has a unit")
}

fn inner(units: &[Unit]) -> Vec<usize> {
    units.iter().flat_map(|u| &u.members).filter(|m| m.inner).map(|m| m.function).collect()
}

#[test]
fn what_is_inlined_comes_first() {
    let nodes = [small("top", &[1]), small("middle", &[2]), small("leaf", &[]), node("large", 900, &[])];
    let units = plan(&nodes, WEIGHT);
    let levels = [0, 1, 2, 3].map(|f| unit_of(&units, f).level);
    assert_eq!(levels, [2, 1, 0, 0]);
}

#[test]
fn calls_of_large_functions_order_nothing() {
    let nodes = [node("a", 900, &[1]), node("b", 900, &[0])];
    assert_eq!(plan(&nodes, WEIGHT).iter().map(|u| u.level).collect::<Vec<_>>(), [0, 0]);
}

#[test]
fn small_functions_that_call_each_other_stay_together() {
    let nodes = [small("a", &[2]), node("between", WEIGHT, &[]), small("b", &[2, 3]), small("c", &[0])];
    let units = plan(&nodes, 1);
    assert_eq!(unit_of(&units, 0), unit_of(&units, 2));
    assert_eq!(unit_of(&units, 0), unit_of(&units, 3));
    assert!(inner(&units).is_empty());
}

#[test]
fn a_private_function_goes_with_those_that_reach_it() {
    let nodes = [
        node("a", 500, &[1, 2]),
        private(node("only a's", 500, &[2, 1])),
        private(node("by way of a only", 500, &[])),
        private(small("two users", &[])),
        node("b", 500, &[3]),
        node("c", 500, &[3, 6]),
        private(node("too heavy", 9000, &[])),
    ];
    let units = plan(&nodes, 1);
    assert_eq!(inner(&units), [1, 2]);
    assert_eq!(unit_of(&units, 0), unit_of(&units, 2));
    assert!(unit_of(&units, 3).level < unit_of(&units, 4).level);
}

#[test]
fn a_subtree_that_is_too_heavy_as_a_whole_stays_outside() {
    let part = |name: &str, uses: &[usize]| private(node(name, 3000, uses));
    let nodes = [node("top", 10, &[1]), part("upper", &[2]), part("lower", &[])];
    // LLVM would have inlined the lower one, and the upper one would be too large then.
    assert_eq!(inner(&plan(&nodes, 1)), [2]);
}

#[test]
fn an_edit_of_a_weight_changes_few_units() {
    let weight = |i: u64| 5 + (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 60;
    let nodes: Vec<Node> = (0..3000u64)
        .map(|i| Node { importable: true, ..node(&format!("f{i}"), weight(i), &[(i / 10 * 10) as usize]) })
        .collect();
    let contents = |nodes: &[Node]| -> BTreeSet<Vec<Member>> {
        plan(nodes, WEIGHT).into_iter().map(|u| u.members).collect()
    };
    let old = contents(&nodes);
    assert!(old.len() > 50, "{} units", old.len());
    let mut changed = 0;
    for index in (0..nodes.len()).step_by(10) {
        let mut after = nodes.clone();
        after[index].weight += after[index].weight / 10 + 2;
        changed += old.difference(&contents(&after)).count();
    }
    assert!(changed <= 60, "{changed} units changed in 300 edits");
}

fn any_module() -> impl Strategy<Value = Vec<Node>> {
    let node = (1..3000u64, any::<bool>(), any::<bool>(), prop::collection::vec(0..60usize, 0..4));
    prop::collection::vec(node, 1..60).prop_map(|list| {
        let count = list.len();
        let make =
            |(index, (weight, importable, private, uses)): (usize, (u64, bool, bool, Vec<usize>))| Node {
                name: format!("f{index}"),
                weight,
                importable,
                private,
                uses: uses.into_iter().filter(|used| *used < count).collect(),
            };
        list.into_iter().enumerate().map(make).collect()
    })
}

proptest! {
    #[test]
    fn every_function_has_one_unit_and_what_it_may_inline_is_below(nodes in any_module()) {
        let units = plan(&nodes, WEIGHT);
        let mut places: HashMap<usize, (usize, bool)> = HashMap::new();
        for (number, unit) in units.iter().enumerate() {
            for member in &unit.members {
                prop_assert_eq!(places.insert(member.function, (number, member.inner)), None);
            }
        }
        prop_assert_eq!(places.len(), nodes.len());
        prop_assert!(units.windows(2).all(|pair| pair[0].level <= pair[1].level));
        for (user, node) in nodes.iter().enumerate() {
            let (own, _) = places[&user];
            for used in &node.uses {
                let (other, inner) = places[used];
                prop_assert!(!inner || (other == own && nodes[*used].private));
                let below = units[other].level < units[own].level;
                prop_assert!(!nodes[*used].importable || other == own || below);
            }
        }
    }

    #[test]
    fn a_unit_is_read_as_it_was_written(bodies: Vec<u8>, list: Vec<(String, Vec<u8>, Vec<String>)>, cut: prop::sample::Index) {
        let make = |(name, bitcode, uses)| Interface { name, bitcode, uses };
        let interfaces: Vec<Interface> = list.into_iter().map(make).collect();
        let bytes = encode(&bodies, &interfaces);
        prop_assert_eq!(decode(&bytes), Some((bodies, interfaces.clone())));
        // What was cut off is refused, or has lost whole interfaces.
        if let Some((_, left)) = decode(&bytes[..cut.index(bytes.len())]) {
            prop_assert!(left.len() < interfaces.len());
        }
    }
}

#[test]
fn a_unit_sees_what_its_calls_call_up_to_the_third() {
    let interface = |name: &str, uses: &[&str]| Interface {
        name: name.into(),
        uses: uses.iter().map(|u| u.to_string()).collect(),
        ..Interface::default()
    };
    let mut known = Interfaces::default();
    known.add(vec![interface("a", &["b", "unknown"]), interface("b", &["c", "a"])]);
    known.add(vec![interface("c", &["d"]), interface("d", &[]), interface("e", &[])]);
    let calls = ["printf", "e", "a"].map(str::to_string);
    let seen: Vec<&str> = known.seen_from(&calls).iter().map(|i| i.name.as_str()).collect();
    assert_eq!(seen, ["e", "a", "b", "c"]);
}
