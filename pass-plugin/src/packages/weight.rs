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
}

/// Which functions are too large to be inlined, what they inline themselves included.
pub fn large(bodies: &[Body]) -> Vec<bool> {
    weights(bodies).into_iter().map(|weight| weight >= LARGE).collect()
}

/// Which functions may be left when all is simplified.
pub fn lasting(bodies: &[Body]) -> Vec<bool> {
    weights(bodies).into_iter().map(|weight| weight >= LASTING).collect()
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
    let mut weights: Vec<u32> = vec![LARGE; bodies.len()];
    for group in kosaraju_scc(&graph) {
        for member in group {
            let body = &bodies[member.index()];
            let calls = body.calls.iter().map(|to| if weights[*to] < LARGE { weights[*to] } else { CALL });
            weights[member.index()] = calls.fold(body.own, u32::saturating_add).min(LARGE);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(own: u32, calls: &[usize]) -> Body {
        Body { own, calls: calls.to_vec() }
    }

    #[test]
    fn what_is_inlined_counts_and_what_stays_is_a_call() {
        // 0 inlines 1 twice; 2 calls 0, which is large by then.
        let bodies = [body(10, &[1, 1]), body(40, &[]), body(80, &[0]), body(LARGE - CALL, &[0])];
        assert_eq!(large(&bodies), [true, false, false, true]);
        assert_eq!(lasting(&bodies), [true, false, true, true]);
    }

    #[test]
    fn circles_end() {
        assert_eq!(large(&[body(10, &[1]), body(10, &[0]), body(LARGE, &[2])]), [false, false, true]);
    }

    #[test]
    fn a_long_chain_needs_no_long_stack() {
        let count = 100_000;
        let call = |i: usize| if i + 1 < count { vec![i + 1] } else { vec![] };
        let chain: Vec<Body> = (0..count).map(|i| Body { own: 0, calls: call(i) }).collect();
        assert!(large(&chain).iter().all(|large| !large));
    }
}
