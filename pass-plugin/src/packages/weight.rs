//! How much code a function will be once it is simplified, roughly, before it is; pure.
//!
//! What a dependency has leaves the module late, so that callers may inline it. What is too large for that can leave at
//! once, and need not be simplified. And what is so small that it is inlined wherever it is called need not be offered to others.

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

/// From here on a function is inlined nowhere: four times what LLVM's inliner takes at most without a profile, as it counts
/// (threshold 225, an instruction is 5), because what is counted here is not simplified.
const LARGE: u32 = 180;
/// From here on a function may be too large to be inlined everywhere.
const LASTING: u32 = LARGE / 4;
/// A call that stays, in instructions, as the inliner counts it: 25 for the call, and its arguments.
const CALL: u32 = 6;

/// What is known of a function's definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// Instructions that will be left, without calls of what is defined here.
    pub own: u32,
    /// Calls of functions that are defined here, by place.
    pub calls: Vec<usize>,
    /// It has one use and is local, so that LLVM inlines it there, however large it is.
    pub only_call: bool,
}

/// Which functions are too large to be inlined, what they inline themselves included.
pub fn large(bodies: &[Body]) -> Vec<bool> {
    sizes(bodies).into_iter().map(|size| size == Size::Large).collect()
}

/// How large functions are expected to be.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Size {
    /// Inlined wherever it is called.
    Small,
    /// Something may be left of it when all is simplified.
    Lasting,
    Large,
}

pub fn sizes(bodies: &[Body]) -> Vec<Size> {
    let size = |weight| match weight {
        LARGE.. => Size::Large,
        LASTING.. => Size::Lasting,
        _ => Size::Small,
    };
    weights(bodies).into_iter().map(size).collect()
}

fn weights(bodies: &[Body]) -> Vec<u32> {
    let mut graph: DiGraph<(), (), usize> = DiGraph::default();
    for _ in bodies {
        graph.add_node(());
    }
    for (from, body) in bodies.iter().enumerate() {
        for to in &body.calls {
            graph.add_edge(NodeIndex::new(from), NodeIndex::new(*to), ());
        }
    }
    // Callees come first; of a circle's members none has a weight yet when the first is weighed, and their calls stay.
    let mut weights: Vec<Option<u32>> = vec![None; bodies.len()];
    for group in kosaraju_scc(&graph) {
        for member in group {
            let body = &bodies[member.index()];
            let call = |to: &usize| {
                let is_inlined = |weight: &u32| *weight < LARGE || bodies[*to].only_call;
                weights[*to].filter(is_inlined).unwrap_or(CALL)
            };
            let weight = body.calls.iter().map(call).fold(body.own, u32::saturating_add);
            weights[member.index()] = Some(weight.min(LARGE));
        }
    }
    weights.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(own: u32, calls: &[usize]) -> Body {
        Body { own, calls: calls.to_vec(), only_call: false }
    }

    #[test]
    fn what_is_inlined_counts_and_what_stays_is_a_call() {
        // 0 inlines 1 twice; 2 calls 0, which is large by then.
        let bodies = [
            body(0, &[1, 1]),
            body(LARGE / 2, &[]),
            body(LASTING - CALL - 1, &[0]),
            body(LARGE - CALL, &[0]),
        ];
        assert_eq!(sizes(&bodies), [Size::Large, Size::Lasting, Size::Small, Size::Large]);
        assert_eq!(large(&bodies), [true, false, false, true]);
    }

    #[test]
    fn an_only_call_is_inlined_whatever_its_size() {
        let only = Body { only_call: true, ..body(LARGE, &[]) };
        assert_eq!(large(&[body(10, &[1]), only.clone()]), [true, true]);
        assert_eq!(large(&[body(10, &[1]), Body { only_call: false, ..only }]), [false, true]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(large(&[body(10, &[1]), body(10, &[0]), body(LARGE, &[2])]), [false, false, true]);
    }

    #[test]
    fn a_long_chain_needs_no_long_stack() {
        let count = 100_000;
        let call = |i: usize| if i + 1 < count { vec![i + 1] } else { vec![] };
        let chain: Vec<Body> = (0..count).map(|i| Body { calls: call(i), ..Body::default() }).collect();
        assert!(large(&chain).iter().all(|large| !large));
    }
}
