//! The plan of shards, tested without LLVM.

use jl_pass_plugin::partition::plan::{Node, Placement, Plan, ROOT, ShardId, plan, shard_weight};
use proptest::prelude::*;
use std::collections::BTreeSet;

const WEIGHT: u64 = 1000;

fn node(name: &str, weight: u64, placement: Placement) -> Node {
    Node { name: name.to_string(), weight, placement, ..Node::default() }
}

fn functions(weights: &[u64]) -> Vec<Node> {
    weights.iter().enumerate().map(|(i, w)| node(&format!("f{i}"), *w, Placement::Cut)).collect()
}

/// The names in each shard.
fn contents(nodes: &[Node], plan: &Plan) -> BTreeSet<Vec<String>> {
    let members = |shard| {
        let own = nodes.iter().zip(&plan.shards).filter(|(_, s)| **s == Some(ShardId(shard)));
        own.map(|(n, _)| n.name.clone()).collect()
    };
    (0..plan.count).map(members).collect()
}

#[test]
fn a_small_module_is_one_shard() {
    let nodes = functions(&[10; 20]);
    let plan = plan(&nodes, WEIGHT);
    assert_eq!(plan.count, 1);
    assert!(plan.shards.iter().all(|s| *s == Some(ROOT)));
    assert!(plan.shared.is_empty());
}

#[test]
fn a_heavy_function_has_a_shard_of_its_own() {
    let mut nodes = functions(&[100; 30]);
    nodes.insert(7, node("heavy", 50 * WEIGHT, Placement::Cut));
    let plan = plan(&nodes, WEIGHT);
    let heavy = plan.shards[7];
    assert_eq!(plan.shards.iter().filter(|s| **s == heavy).count(), 1);
}

#[test]
fn local_data_follows_its_only_users_and_goes_to_the_root_between_shards() {
    let mut nodes = functions(&[WEIGHT; 4]);
    let table = Node { discardable: true, ..node("table", 1, Placement::Follow) };
    let inner = Node { discardable: true, ..node("inner", 1, Placement::Follow) };
    nodes.extend([Node { uses: vec![5], ..table.clone() }, inner, Node { discardable: true, ..table }]);
    nodes[0].uses = vec![4];
    nodes[1].uses = vec![6];
    nodes[3].uses = vec![6];
    let plan = plan(&nodes, WEIGHT);
    assert_eq!(plan.shards[4], plan.shards[0]);
    assert_eq!(plan.shards[5], plan.shards[0], "what is used by data follows the data");
    assert_eq!(plan.shards[6], Some(ROOT));
    assert_eq!(plan.shared, [6]);
}

#[test]
fn copies_have_no_shard_and_are_never_shared() {
    let mut nodes = functions(&[WEIGHT; 3]);
    nodes.push(Node { discardable: true, ..node("", 1, Placement::Copy) });
    nodes[0].uses = vec![3];
    nodes[2].uses = vec![3];
    let plan = plan(&nodes, WEIGHT);
    assert_eq!(plan.shards[3], None);
    assert!(plan.shared.is_empty());
}

#[test]
fn tied_nodes_stay_together_and_with_the_root() {
    let mut nodes = functions(&[WEIGHT; 6]);
    nodes[5].ties = vec![1];
    nodes[4].ties = vec![6];
    nodes.push(node("constructors", 1, Placement::Root));
    let plan = plan(&nodes, WEIGHT);
    assert_eq!(plan.shards[5], plan.shards[1]);
    assert_eq!(plan.shards[4], Some(ROOT));
}

#[test]
fn shards_of_a_huge_module_are_heavier_and_their_weight_stays_while_it_grows() {
    assert_eq!(shard_weight(1), shard_weight(1_000_000));
    assert!(shard_weight(1 << 30) > shard_weight(1_000_000));
    assert_eq!(shard_weight(1 << 30), shard_weight((1 << 30) - 1_000_000));
}

/// Deterministic weights as real modules have them: many small functions, a few large ones.
fn module(count: u64) -> Vec<Node> {
    let weight = |i: u64| {
        let random = i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        5 + random % 40 + if random.is_multiple_of(50) { 600 } else { 0 }
    };
    functions(&(0..count).map(weight).collect::<Vec<_>>())
}

#[test]
fn an_edit_in_one_function_leaves_the_other_shards_as_they_were() {
    let before = module(3000);
    let old = contents(&before, &plan(&before, WEIGHT));
    let mut changed = 0;
    for index in (0..before.len()).step_by(10) {
        let mut after = before.clone();
        after[index].weight += after[index].weight / 10 + 2;
        let new = contents(&after, &plan(&after, WEIGHT));
        changed += old.difference(&new).count();
    }
    // 300 edits: without steps in the weights each would move some hundred shards behind it.
    assert!(changed <= 60, "{changed} shards changed in 300 edits");
}

#[test]
fn a_function_more_or_less_moves_few_shards() {
    let before = module(3000);
    let plan_before = plan(&before, WEIGHT);
    let old = contents(&before, &plan_before);
    let mut worst = 0;
    for index in (5..before.len()).step_by(100) {
        let mut after = before.clone();
        after.remove(index);
        worst = worst.max(old.difference(&contents(&after, &plan(&after, WEIGHT))).count());
    }
    assert!(worst <= plan_before.count as usize / 4, "{worst} of {} shards changed", plan_before.count);
}

#[test]
fn shards_weigh_about_what_they_should() {
    let nodes = module(5000);
    let plan = plan(&nodes, WEIGHT);
    let mut weights = vec![0; plan.count as usize];
    for (node, shard) in nodes.iter().zip(&plan.shards) {
        weights[shard.expect("no copies here").0 as usize] += node.weight;
    }
    // The root has nothing here, and the last shard what is left.
    let full = &weights[1..weights.len() - 1];
    assert!(full.iter().all(|w| *w >= WEIGHT / 2 && *w <= 3 * WEIGHT), "{full:?}");
}

fn any_module() -> impl Strategy<Value = Vec<Node>> {
    let placement = prop_oneof![
        6 => Just(Placement::Cut), 2 => Just(Placement::Follow), 1 => Just(Placement::Root), 1 => Just(Placement::Copy)
    ];
    let node = (0..3000u64, placement, any::<bool>(), prop::collection::vec(0..60usize, 0..4), 0..200usize);
    prop::collection::vec(node, 1..60).prop_map(|list| {
        let count = list.len();
        let mut nodes: Vec<Node> = Vec::new();
        for (index, (weight, placement, discardable, uses, tie)) in list.into_iter().enumerate() {
            let copied = placement == Placement::Copy;
            let uses = if copied { Vec::new() } else { uses.into_iter().filter(|u| *u < count).collect() };
            let name = format!("n{index}");
            nodes.push(Node {
                name,
                weight,
                placement,
                discardable: discardable || copied,
                uses,
                ties: Vec::new(),
            });
            if !copied && tie < index && nodes[tie].placement != Placement::Copy {
                nodes[index].ties.push(tie);
            }
        }
        nodes
    })
}

proptest! {
    #[test]
    fn every_definition_has_one_shard_and_what_crosses_is_shared(nodes in any_module()) {
        let plan = plan(&nodes, WEIGHT);
        for (index, node) in nodes.iter().enumerate() {
            prop_assert_eq!(plan.shards[index].is_none(), node.placement == Placement::Copy);
            prop_assert!(plan.shards[index].is_none_or(|s| s.0 < plan.count));
            if node.placement == Placement::Root {
                prop_assert_eq!(plan.shards[index], Some(ROOT));
            }
            for tie in &node.ties {
                prop_assert_eq!(plan.shards[index], plan.shards[*tie]);
            }
            for used in &node.uses {
                let (own, other) = (plan.shards[index], plan.shards[*used]);
                let crosses = other.is_some() && own != other && nodes[*used].discardable;
                prop_assert!(!crosses || plan.shared.contains(used));
            }
        }
        prop_assert!(plan.shared.iter().all(|n| nodes[*n].discardable));
    }
}
