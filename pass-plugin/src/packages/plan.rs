//! Which functions leave the module, and why the others stay. Pure.

use super::carrier::Known;
use super::dependencies::Offer;
use image_format::package_report::Fate;
use std::collections::HashSet;

/// A function that is defined here, and of which something is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub known: Known,
    pub offer: Offer,
    /// Every object that uses it has a definition of its own, so that nobody misses this one.
    pub inline: bool,
    pub always_inline: bool,
    /// Something needs its definition here.
    pub pinned: bool,
    /// Its address is used for something other than a call.
    pub address: bool,
    /// Others cannot see its symbol.
    pub hidden: bool,
    /// Its COMDAT group; [`plan`] is given all functions of a group.
    pub group: Option<usize>,
}

/// What becomes of a candidate, and on account of which dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    pub fate: Fate,
    pub dependency: Option<usize>,
}

/// `kept` are the groups with something in them that is no candidate.
///
/// A group is kept or left out as a whole: the linker takes one object's group for all, and that must have everything.
pub fn plan(candidates: &[Candidate], kept: &HashSet<usize>) -> Vec<Decision> {
    let mut decisions: Vec<Decision> = candidates.iter().map(alone).collect();
    let stays = |(_, decision): &(&Candidate, &Decision)| decision.fate != Fate::Deduplicated;
    let mut kept = kept.clone();
    kept.extend(candidates.iter().zip(&decisions).filter(stays).filter_map(|(c, _)| c.group));
    for (candidate, decision) in candidates.iter().zip(&mut decisions) {
        let held = candidate.group.is_some_and(|group| kept.contains(&group));
        if held && decision.fate == Fate::Deduplicated {
            decision.fate = Fate::Group;
        }
    }
    decisions
}

/// Of those that leave, which may do so before their callers could inline them: the large ones. What shares a group with
/// another that waits, waits as well.
pub fn at_once(candidates: &[Candidate], decisions: &[Decision], large: &[bool]) -> Vec<bool> {
    let leaves = |place: usize| large[place] && decisions[place].fate == Fate::Deduplicated;
    let waiting: HashSet<usize> = (0..candidates.len())
        .filter(|place| !leaves(*place))
        .filter_map(|place| candidates[place].group)
        .collect();
    let free = |place: usize| candidates[place].group.is_none_or(|group| !waiting.contains(&group));
    (0..candidates.len()).map(|place| leaves(place) && free(place)).collect()
}

/// The decision on a function without a look at its group.
fn alone(candidate: &Candidate) -> Decision {
    let (dependency, has_symbol) = match (candidate.known, candidate.offer) {
        (Known::Unshareable(sharing), _) => {
            return Decision { fate: Fate::Unshareable(sharing), dependency: None };
        }
        (_, Offer::Nothing) => return Decision { fate: Fate::NotExported, dependency: None },
        (_, Offer::OtherContent(dependency)) => {
            return Decision { fate: Fate::OtherContent, dependency: Some(dependency) };
        }
        (_, Offer::Same { dependency, has_symbol }) => (dependency, has_symbol),
    };
    let reasons = [
        (!candidate.inline, Fate::Strong),
        (candidate.always_inline, Fate::AlwaysInline),
        (candidate.pinned, Fate::Pinned),
        (candidate.address && (candidate.hidden || !has_symbol), Fate::Address),
    ];
    let reason = reasons.into_iter().find(|(holds, _)| *holds).map(|(_, fate)| fate);
    Decision { fate: reason.unwrap_or(Fate::Deduplicated), dependency: Some(dependency) }
}
