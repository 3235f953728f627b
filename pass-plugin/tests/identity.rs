//! Hashes along references and verdicts, tested without LLVM.

use image_format::identity::hash_bytes;
use image_format::sharing::Sharing;
use jl_pass_plugin::identity::graph::{Components, Node};
use jl_pass_plugin::identity::sharing::{Facts, decide};
use jl_pass_plugin::llvm::{Obstacles, SymbolFacts, Uses};
use proptest::prelude::*;

fn nodes(list: &[(u8, &[usize])]) -> Vec<Node> {
    list.iter().map(|(seed, to)| Node { bytes: hash_bytes(&[&[*seed]]), references: to.to_vec() }).collect()
}

fn hashes(nodes: &[Node]) -> Vec<[u8; 32]> {
    Components::of(nodes).hashes(nodes)
}

#[test]
fn a_change_reaches_all_that_refer_to_it_and_nothing_else() {
    // 0 -> 1 <-> 2 -> 3, 4 -> 3
    let graph = |leaf| nodes(&[(0, &[1]), (1, &[2]), (2, &[1, 3]), (leaf, &[]), (4, &[3]), (5, &[])]);
    let (before, after) = (hashes(&graph(3)), hashes(&graph(9)));
    let changed: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a != b).collect();
    assert_eq!(changed, [true, true, true, true, true, false]);
    // A change in the circle does not reach what it refers to.
    let inner = hashes(&nodes(&[(0, &[1]), (1, &[2]), (7, &[1, 3]), (3, &[]), (4, &[3]), (5, &[])]));
    let changed: Vec<bool> = before.iter().zip(&inner).map(|(a, b)| a != b).collect();
    assert_eq!(changed, [true, true, true, false, false, false]);
}

#[test]
fn a_long_chain_needs_no_long_stack() {
    let chain: Vec<Node> = (0..200_000)
        .map(|i| Node { bytes: [1; 32], references: if i < 199_999 { vec![i + 1] } else { vec![] } })
        .collect();
    assert_eq!(hashes(&chain).len(), chain.len());
}

/// Facts of a function that refers to symbols with these facts in these ways; the symbols are defined here.
fn verdict_on(function: Facts, symbols: &[(SymbolFacts, Uses)]) -> Sharing {
    let mut all = vec![Facts { uses: symbols.iter().map(|s| s.1).collect(), exact: true, ..function }];
    all.extend(symbols.iter().map(|s| Facts { symbol: s.0, exact: true, ..Facts::default() }));
    let mut nodes = nodes(&vec![(0, &[][..]); all.len()]);
    nodes[0].references = (1..all.len()).collect();
    decide(&nodes, &all, &Components::of(&nodes))[0]
}

fn function() -> Facts {
    Facts { symbol: SymbolFacts::FUNCTION, ..Facts::default() }
}

fn bits(list: &[SymbolFacts]) -> SymbolFacts {
    SymbolFacts(list.iter().fold(0, |all, bit| all | bit.0))
}

#[test]
fn verdicts_on_what_a_function_refers_to() {
    use SymbolFacts as S;
    let variable = bits(&[S::VARIABLE, S::LOCAL]);
    let constant = bits(&[S::VARIABLE, S::CONSTANT, S::HIDDEN]);
    let unnamed = bits(&[constant, S::UNNAMED_ADDRESS]);
    let table: [(SymbolFacts, Uses, Sharing); 12] = [
        (variable, Uses::READS, Sharing::OwnData),
        (S::VARIABLE, Uses::WRITES, Sharing::Shareable),
        (bits(&[S::VARIABLE, S::VAGUE]), Uses::READS, Sharing::OwnData),
        (bits(&[S::VARIABLE, S::VAGUE, S::CONSTANT]), Uses::TAKES_ADDRESS, Sharing::Shareable),
        (bits(&[S::FUNCTION, S::VAGUE]), Uses::TAKES_ADDRESS, Sharing::Shareable),
        (bits(&[S::VARIABLE, S::HIDDEN]), Uses::READS, Sharing::OwnData),
        (bits(&[constant, S::THREAD_LOCAL]), Uses::READS, Sharing::OwnData),
        (constant, Uses::READS, Sharing::Shareable),
        (constant, Uses::TAKES_ADDRESS, Sharing::OwnAddress),
        (unnamed, Uses::TAKES_ADDRESS, Sharing::Shareable),
        (bits(&[S::FUNCTION, S::LOCAL]), Uses::CALLS, Sharing::Shareable),
        (bits(&[S::FUNCTION, S::LOCAL]), Uses::UNWINDS, Sharing::Personality),
    ];
    for (symbol, uses, expected) in table {
        assert_eq!(verdict_on(function(), &[(symbol, uses)]), expected, "{symbol:?} {uses:?}");
    }
}

#[test]
fn what_holds_for_the_function_itself_comes_first() {
    let own = (bits(&[SymbolFacts::VARIABLE, SymbolFacts::LOCAL]), Uses::READS);
    let weak = Facts { symbol: bits(&[SymbolFacts::FUNCTION, SymbolFacts::REPLACEABLE]), ..Facts::default() };
    assert_eq!(verdict_on(weak, &[own]), Sharing::Replaceable);
    let assembly = Facts { obstacles: Obstacles::ASSEMBLY, ..function() };
    assert_eq!(verdict_on(assembly.clone(), &[]), Sharing::InlineAssembly);
    assert_eq!(verdict_on(assembly, &[own]), Sharing::OwnData);
}

proptest! {
    /// What a function reaches may be part of its code: it cannot be shared where that cannot be.
    #[test]
    fn reasons_are_inherited(edges in proptest::collection::vec((0usize..8, 0usize..8), 0..24), bad in 0usize..8) {
        let mut nodes = nodes(&[(0, &[][..]); 8]);
        let mut facts = vec![Facts { exact: true, ..function() }; 8];
        facts[bad].obstacles = Obstacles::UNKNOWN;
        for (from, to) in edges {
            nodes[from].references.push(to);
            facts[from].uses.push(Uses::CALLS);
        }
        let verdicts = decide(&nodes, &facts, &Components::of(&nodes));
        for (start, verdict) in verdicts.iter().enumerate() {
            let mut reached = vec![start];
            let mut next = 0;
            while let Some(place) = reached.get(next) {
                let new: Vec<usize> = nodes[*place].references.iter().filter(|r| !reached.contains(r)).copied().collect();
                reached.extend(new);
                next += 1;
            }
            let expected = if reached.contains(&bad) { Sharing::Unknown } else { Sharing::Shareable };
            prop_assert_eq!(*verdict, expected);
        }
    }
}
