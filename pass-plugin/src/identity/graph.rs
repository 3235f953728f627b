//! Hashes along references; pure.

use image_format::identity::{Hash, Member, Reference, hash_component, hash_symbol};
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::HashMap;

/// A symbol: the hash of its canonical bytes, and the symbols that these name, in the order of their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    pub bytes: Hash,
    /// Places in the list of nodes.
    pub references: Vec<usize>,
}

/// The symbols in groups that refer to each other in circles; a group comes after those that it refers to.
pub struct Components(Vec<Vec<usize>>);

impl Components {
    /// # Panics
    /// When a reference is to no node.
    pub fn of(nodes: &[Node]) -> Components {
        let mut graph: DiGraph<(), (), usize> = DiGraph::default();
        for _ in nodes {
            graph.add_node(());
        }
        for (from, node) in nodes.iter().enumerate() {
            for to in &node.references {
                assert!(*to < nodes.len(), "a reference to node {to} of {}", nodes.len());
                graph.add_edge(NodeIndex::new(from), NodeIndex::new(*to), ());
            }
        }
        let groups = kosaraju_scc(&graph);
        Components(groups.into_iter().map(|g| g.into_iter().map(NodeIndex::index).collect()).collect())
    }

    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.0.iter().map(Vec::as_slice)
    }

    /// The hash of every symbol, in the order of the nodes.
    pub fn hashes(&self, nodes: &[Node]) -> Vec<Hash> {
        let mut hashes: Vec<Hash> = vec![[0; 32]; nodes.len()];
        for group in self.iter() {
            let own = hash_group(group, nodes, &hashes);
            for (place, hash) in group.iter().zip(own) {
                hashes[*place] = hash;
            }
        }
        hashes
    }
}

/// The hashes of a group, where those of all that it refers to are known.
fn hash_group(group: &[usize], nodes: &[Node], known: &[Hash]) -> Vec<Hash> {
    let places: HashMap<usize, usize> = group.iter().enumerate().map(|(i, place)| (*place, i)).collect();
    if let [only] = group
        && !nodes[*only].references.contains(only)
    {
        let references: Vec<Hash> = nodes[*only].references.iter().map(|r| known[*r]).collect();
        return vec![hash_symbol(&nodes[*only].bytes, &references)];
    }
    let reference = |to: &usize| match places.get(to) {
        Some(member) => Reference::Member(*member),
        None => Reference::Outside(known[*to]),
    };
    let member = |place: &usize| Member {
        bytes: nodes[*place].bytes,
        references: nodes[*place].references.iter().map(reference).collect(),
    };
    hash_component(&group.iter().map(member).collect::<Vec<_>>())
}
