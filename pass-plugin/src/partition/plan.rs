//! The plan: which shard each definition goes to. Pure: a graph in, shards out.
//!
//! Shards have about the same weight and depend on the module alone, never on the machine. They also stay as they
//! are where the module did not change: the functions are cut into shards in the module's own order, so that after an
//! edit the cuts find back to where they were ([`super::cuts`]); the lightest of several bins, which is Julia's way, would
//! move everything.

use super::cuts::Cuts;
use std::collections::BTreeMap;

/// Number of a shard in its module; 0 is the root, which has what belongs to the module as a whole.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u32);

pub const ROOT: ShardId = ShardId(0);

/// How a definition finds its shard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Placement {
    /// By the cuts.
    #[default]
    Cut,
    /// To those that refer to it if they are all in one shard, otherwise to the root.
    Follow,
    Root,
    /// A copy to each shard that refers to it: a local constant whose address nobody looks at, and which
    /// refers to nothing.
    Copy,
}

/// A definition.
#[derive(Clone, Debug, Default)]
pub struct Node {
    pub name: String,
    /// (1 + instructions + blocks) x bodies of a function; 1 for anything else.
    pub weight: u64,
    pub placement: Placement,
    /// Whether LLVM drops it where its own module does not use it: local symbols, and inline functions' kind.
    pub discardable: bool,
    /// Indices of the definitions that it refers to.
    pub uses: Vec<usize>,
    /// Indices of the definitions that it must share a shard with.
    pub ties: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Of each node; `None` for copies.
    pub shards: Vec<Option<ShardId>>,
    pub count: u32,
    /// The discardable nodes that another shard refers to.
    pub shared: Vec<usize>,
}

/// Weight of a shard in a module of up to [`MOST_SHARDS`] of them. One weighs about as much as 120 functions of
/// SQLite, and takes about half a second for one target.
pub const SHARD_WEIGHT: u64 = 16_384;
/// Above this number shards get heavier: each costs a look at all symbols of the module. With up to 256 shards that was
/// a fifth of the CPU time for Julia's system image (27,000 symbols) cloned whole for three targets.
pub const MOST_SHARDS: u64 = 64;

/// The weight that a shard of a module should have: a power of two, so that it stays while the module grows.
pub fn shard_weight(total: u64) -> u64 {
    (total / MOST_SHARDS).next_power_of_two().max(SHARD_WEIGHT)
}

/// `weight` is what a shard should weigh.
pub fn plan(nodes: &[Node], weight: u64) -> Plan {
    let clusters = clusters(nodes);
    let total: u64 = nodes.iter().map(|n| n.weight).sum();
    let (mut shards, count) = if total <= weight { (whole(nodes), 1) } else { cut(nodes, &clusters, weight) };
    follow(nodes, &clusters, &mut shards);
    let shared = shared(nodes, &shards);
    Plan { shards, count, shared }
}

/// All in the root.
fn whole(nodes: &[Node]) -> Vec<Option<ShardId>> {
    nodes.iter().map(|n| (n.placement != Placement::Copy).then_some(ROOT)).collect()
}

/// For each node the first one that it is tied to, directly or not.
fn clusters(nodes: &[Node]) -> Vec<usize> {
    let mut parents: Vec<usize> = (0..nodes.len()).collect();
    fn find(parents: &mut [usize], mut node: usize) -> usize {
        while parents[node] != node {
            parents[node] = parents[parents[node]];
            node = parents[node];
        }
        node
    }
    for (index, node) in nodes.iter().enumerate() {
        for tie in &node.ties {
            let (a, b) = (find(&mut parents, index), find(&mut parents, *tie));
            parents[a.max(b)] = a.min(b);
        }
    }
    (0..nodes.len()).map(|node| find(&mut parents, node)).collect()
}

/// What is known of a cluster before the cuts.
#[derive(Default)]
struct Cluster<'a> {
    weight: u64,
    root: bool,
    /// Its first function.
    name: Option<&'a str>,
}

/// Cuts the clusters with functions into shards, from 1 on.
fn cut(nodes: &[Node], clusters: &[usize], weight: u64) -> (Vec<Option<ShardId>>, u32) {
    let mut known: BTreeMap<usize, Cluster> = BTreeMap::new();
    for (node, cluster) in nodes.iter().zip(clusters) {
        let entry = known.entry(*cluster).or_default();
        entry.weight += node.weight;
        entry.root |= node.placement == Placement::Root;
        if node.placement == Placement::Cut {
            entry.name.get_or_insert(&node.name);
        }
    }
    let mut cuts = Cuts::new(weight, 1);
    let mut of_cluster: BTreeMap<usize, ShardId> = BTreeMap::new();
    for (index, cluster) in &known {
        match cluster.name {
            _ if cluster.root => {
                of_cluster.insert(*index, ROOT);
            }
            Some(name) => {
                of_cluster.insert(*index, ShardId(cuts.place(name, cluster.weight)));
            }
            None => {}
        }
    }
    let place = |(node, cluster): (&Node, &usize)| {
        if node.placement == Placement::Copy { None } else { of_cluster.get(cluster).copied() }
    };
    (nodes.iter().zip(clusters).map(place).collect(), cuts.end())
}

/// What a cluster's users say of its place, while they are asked.
#[derive(Clone, Copy, PartialEq)]
enum Wish {
    Unknown,
    Shard(ShardId),
}

impl Wish {
    fn meet(self, other: Wish) -> Wish {
        match (self, other) {
            (Wish::Unknown, known) | (known, Wish::Unknown) => known,
            (Wish::Shard(a), Wish::Shard(b)) if a == b => self,
            _ => Wish::Shard(ROOT),
        }
    }
}

/// Places what has no shard yet where its users are.
fn follow(nodes: &[Node], clusters: &[usize], shards: &mut [Option<ShardId>]) {
    let mut wishes = vec![Wish::Unknown; nodes.len()];
    for (index, shard) in shards.iter().enumerate() {
        if let Some(shard) = shard {
            wishes[clusters[index]] = wishes[clusters[index]].meet(Wish::Shard(*shard));
        }
    }
    let fixed: Vec<bool> = wishes.iter().map(|w| *w != Wish::Unknown).collect();
    let mut work: Vec<usize> = (0..nodes.len()).collect();
    let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, cluster) in clusters.iter().enumerate() {
        members.entry(*cluster).or_default().push(index);
    }
    // A wish changes at most twice, so this ends.
    while let Some(user) = work.pop() {
        let wish = wishes[clusters[user]];
        for used in &nodes[user].uses {
            let cluster = clusters[*used];
            let met = wishes[cluster].meet(wish);
            if !fixed[cluster] && met != wishes[cluster] {
                wishes[cluster] = met;
                work.extend(&members[&cluster]);
            }
        }
    }
    for (index, node) in nodes.iter().enumerate() {
        if node.placement != Placement::Copy {
            shards[index] = Some(match wishes[clusters[index]] {
                Wish::Shard(shard) => shard,
                Wish::Unknown => ROOT,
            });
        }
    }
}

/// The discardable nodes that a node of another shard refers to.
fn shared(nodes: &[Node], shards: &[Option<ShardId>]) -> Vec<usize> {
    let mut seen = vec![false; nodes.len()];
    for (user, node) in nodes.iter().enumerate() {
        for used in &node.uses {
            seen[*used] |= shards[*used].is_some() && shards[*used] != shards[user];
        }
    }
    (0..nodes.len()).filter(|n| seen[*n] && nodes[*n].discardable).collect()
}
