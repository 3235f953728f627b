//! Who may use a function in place of its own of the same identity; pure.

use super::graph::{Components, Node};
use crate::llvm::{Obstacles, SymbolFacts as Symbol, Uses};
use image_format::sharing::Sharing;

/// What the verdict on a symbol is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    pub symbol: Symbol,
    pub obstacles: Obstacles,
    /// How each of its [`Node::references`] is used, in their order.
    pub uses: Vec<Uses>,
    /// The definition is known here, and no other can take its place.
    pub exact: bool,
}

/// The verdict on each node, in their order, but for whether it is local; what is no function's definition has none of use.
pub fn decide(nodes: &[Node], facts: &[Facts], components: &Components) -> Vec<Sharing> {
    let inherited = inherited(nodes, facts, components);
    facts.iter().zip(inherited).map(|(facts, inherited)| verdict(facts, inherited)).collect()
}

/// What holds for a symbol itself comes first: it is what its author can change most easily.
fn verdict(facts: &Facts, inherited: Option<Sharing>) -> Sharing {
    let symbol = facts.symbol;
    let own = [
        (symbol.has(Symbol::AVAILABLE_EXTERNALLY), Sharing::Elsewhere),
        (symbol.has(Symbol::REPLACEABLE), Sharing::Replaceable),
        (symbol.has(Symbol::NAKED), Sharing::Naked),
        (symbol.has(Symbol::SECTION), Sharing::Section),
        (symbol.has(Symbol::PREFIX_DATA), Sharing::PrefixData),
        (facts.obstacles.has(Obstacles::LABEL_ADDRESS), Sharing::LabelAddress),
    ];
    let first = own.into_iter().find(|(holds, _)| *holds).map(|(_, sharing)| sharing);
    first.or(inherited).unwrap_or(Sharing::Shareable)
}

/// What a symbol's code or data does, or what that which may be part of it does: what it refers to with content.
fn inherited(nodes: &[Node], facts: &[Facts], components: &Components) -> Vec<Option<Sharing>> {
    let mut found: Vec<Option<Sharing>> = vec![None; nodes.len()];
    for group in components.iter() {
        let of_member = |place: &usize| {
            let own = content(&facts[*place]);
            let referred = nodes[*place].references.iter().zip(&facts[*place].uses);
            // A member of this very group has nothing yet, and gets the same as all of the group in the end.
            referred.fold(own, |worst, (to, uses)| {
                smaller(smaller(worst, found[*to]), reference(&facts[*to], *uses))
            })
        };
        let worst = group.iter().map(of_member).fold(None, smaller);
        group.iter().for_each(|place| found[*place] = worst);
    }
    found
}

/// Of two reasons the one with the smaller number, so that the verdict does not depend on the order of anything.
fn smaller(a: Option<Sharing>, b: Option<Sharing>) -> Option<Sharing> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn content(facts: &Facts) -> Option<Sharing> {
    let unknown = facts.obstacles.has(Obstacles::UNKNOWN).then_some(Sharing::Unknown);
    let assembly = facts.obstacles.has(Obstacles::ASSEMBLY).then_some(Sharing::InlineAssembly);
    smaller(unknown, assembly)
}

/// What it means to use a symbol, apart from what that one's content does. Only symbols of which each image has its own
/// matter: for others the dynamic linker sees to it that a name means the same everywhere. For variables that every image may have a
/// copy of it does so only among images that see each other: of plugins (`RTLD_LOCAL`) each goes on with its own.
fn reference(to: &Facts, uses: Uses) -> Option<Sharing> {
    let symbol = to.symbol;
    let is_own = symbol.has(Symbol(Symbol::LOCAL.0 | Symbol::HIDDEN.0));
    let is_state =
        symbol.has(Symbol::THREAD_LOCAL) || symbol.has(Symbol::VARIABLE) && !symbol.has(Symbol::CONSTANT);
    if is_state && (is_own || symbol.has(Symbol::VAGUE)) {
        return Some(Sharing::OwnData);
    }
    if !is_own {
        return None;
    }
    if uses.has(Uses::UNWINDS) {
        return Some(Sharing::Personality);
    }
    if !to.exact {
        return Some(Sharing::HiddenReference);
    }
    let compared = uses.has(Uses::TAKES_ADDRESS) && !symbol.has(Symbol::UNNAMED_ADDRESS);
    compared.then_some(Sharing::OwnAddress)
}
