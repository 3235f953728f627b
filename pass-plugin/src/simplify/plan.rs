//! The plan: which functions are simplified together, and after which others. Pure: a graph in, units out.
//!
//! LLVM simplifies bottom-up: a function is done before it may be inlined into another one. So units have levels, and need
//! nothing of units of their own level or above. Only what may be inlined counts: large functions are called from
//! everywhere, and by their calls nearly all of a program hangs together.

use crate::partition::cuts::Cuts;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet};

/// A function's definition.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub name: String,
    /// 1 + instructions + blocks.
    pub weight: u64,
    /// Whether it may be inlined into functions of other units.
    pub importable: bool,
    /// Whether no one but the functions that name it can reach it.
    pub private: bool,
    /// Indices of the functions that it names.
    pub uses: Vec<usize>,
}

/// Functions that are simplified together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    pub level: usize,
    /// In the module's order.
    pub members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Index of the function.
    pub function: usize,
    /// Whether it is named in this unit only, so that it may vanish in its callers.
    pub inner: bool,
}

/// The weight of a unit: SQLite has some hundred of them, of which an edit mostly changes one.
pub const UNIT_WEIGHT: u64 = 2048;
/// LLVM inlines the last call of a local function if it has no more than 3000 instructions; those that are counted here
/// are not simplified yet.
const LAST_CALL_WEIGHT: u64 = 4000;

/// Units by level, and within a level in the module's order. `weight` is what a unit should weigh.
pub fn plan(nodes: &[Node], weight: u64) -> Vec<Unit> {
    let clusters = clusters(nodes);
    let uses = between(nodes, &clusters);
    let groups = components(&uses);
    let levels = levels(&uses, &groups);
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, cluster) in clusters.iter().enumerate() {
        members.entry(groups[*cluster]).or_default().push(node);
    }
    let mut order: Vec<(usize, Vec<usize>)> =
        members.into_iter().map(|(group, members)| (levels[group], members)).collect();
    // Members are in rising order, so this compares first ones.
    order.sort();

    let mut cuts = Cuts::new(weight, 0);
    let mut units: Vec<Unit> = Vec::new();
    for (level, members) in order {
        if units.last().is_some_and(|unit| unit.level != level) {
            cuts.cut();
        }
        let own = members.iter().map(|node| nodes[*node].weight).sum();
        let unit = cuts.place(&nodes[members[0]].name, own) as usize;
        if unit == units.len() {
            units.push(Unit { level, members: Vec::new() });
        }
        let members =
            members.into_iter().map(|node| Member { function: node, inner: clusters[node] != node });
        units[unit].members.extend(members);
    }
    for unit in &mut units {
        unit.members.sort_unstable();
    }
    units
}

/// For each function the one that it belongs to: itself, or another without which it cannot be reached and into which LLVM
/// may inline its last call.
fn clusters(nodes: &[Node]) -> Vec<usize> {
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (user, node) in nodes.iter().enumerate() {
        for used in node.uses.iter().filter(|used| **used != user) {
            users[*used].push(user);
        }
    }
    let mut clusters: Vec<usize> = (0..nodes.len()).collect();
    let mut weights: Vec<u64> = nodes.iter().map(|n| n.weight).collect();
    let mut open: Vec<usize> =
        (0..nodes.len()).filter(|n| nodes[*n].private && !users[*n].is_empty()).collect();
    loop {
        // Those that have one cluster of users.
        let of = |node: usize| {
            let first = find(&clusters, users[node][0]);
            let one = users[node].iter().all(|user| find(&clusters, *user) == first);
            (one && first != node).then_some((node, first))
        };
        let found: Vec<(usize, usize)> = open.iter().filter_map(|node| of(*node)).collect();
        // Those first that nothing is about to join, so that they have their whole weight.
        let joined: BTreeSet<usize> = found.iter().map(|(_, into)| *into).collect();
        let ready: Vec<_> = found.into_iter().filter(|(node, _)| !joined.contains(node)).collect();
        if ready.is_empty() {
            return (0..nodes.len()).map(|node| find(&clusters, node)).collect();
        }
        for (node, into) in &ready {
            if weights[*node] <= LAST_CALL_WEIGHT {
                clusters[*node] = *into;
                weights[*into] += weights[*node];
            }
        }
        let done: BTreeSet<usize> = ready.into_iter().map(|(node, _)| node).collect();
        open.retain(|node| !done.contains(node));
    }
}

fn find(clusters: &[usize], mut node: usize) -> usize {
    while clusters[node] != node {
        node = clusters[node];
    }
    node
}

/// For each cluster those that it may inline from.
fn between(nodes: &[Node], clusters: &[usize]) -> Vec<Vec<usize>> {
    let mut uses: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for (node, cluster) in nodes.iter().zip(clusters) {
        let importable = node.uses.iter().filter(|used| nodes[**used].importable);
        uses[*cluster].extend(importable.map(|used| clusters[*used]).filter(|used| used != cluster));
    }
    for list in &mut uses {
        list.sort_unstable();
        list.dedup();
    }
    uses
}

/// For each node the number of its strongly connected component, which is higher than those of the components that it uses.
fn components(uses: &[Vec<usize>]) -> Vec<usize> {
    let mut graph: DiGraph<(), (), usize> = DiGraph::default();
    for _ in uses {
        graph.add_node(());
    }
    for (user, list) in uses.iter().enumerate() {
        for used in list {
            graph.add_edge(NodeIndex::new(user), NodeIndex::new(*used), ());
        }
    }
    let mut components = vec![0; uses.len()];
    for (number, component) in kosaraju_scc(&graph).into_iter().enumerate() {
        for node in component {
            components[node.index()] = number;
        }
    }
    components
}

/// For each component one more than the highest level that it uses.
fn levels(uses: &[Vec<usize>], components: &[usize]) -> Vec<usize> {
    let mut nodes: Vec<usize> = (0..uses.len()).collect();
    nodes.sort_by_key(|node| components[*node]);
    let mut levels = vec![0; uses.len()];
    for node in nodes {
        let own = components[node];
        let used = uses[node].iter().map(|used| components[*used]).filter(|used| *used != own);
        let least = used.map(|used| levels[used] + 1).max().unwrap_or(0);
        levels[own] = levels[own].max(least);
    }
    levels
}
