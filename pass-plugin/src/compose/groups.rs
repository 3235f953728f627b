//! Section groups: which are joined, and which are left out because an earlier input has them.
//!
//! A linker keeps the first COMDAT group of a signature. Here the parts of one function come in several
//! inputs, each with its share of the function's group: these shares are one group. So of a later group of
//! the same signature counts what symbols it defines: other ones than the earlier groups, then it is joined; no
//! other ones, then it is a repetition and left out.

use super::error::{ComposeError, Result, shown};
use super::input::{Group, Input, Place};
use object::elf;
use std::collections::{HashMap, HashSet};

pub struct Groups<'data> {
    pub joined: Vec<Joined<'data>>,
    /// By input and group of the input: the index in `joined`, or none where the group is left out.
    pub of: Vec<Vec<Option<usize>>>,
    /// By input and section: left out.
    pub dropped: Vec<Vec<bool>>,
}

pub struct Joined<'data> {
    pub signature: &'data [u8],
    pub comdat: bool,
    /// The input and the symbol there that first gave the signature.
    pub symbol: (usize, usize),
    /// One of the groups defines a symbol that is not local.
    defines: bool,
}

pub fn join<'data>(inputs: &[Input<'data>]) -> Result<Groups<'data>> {
    let mut joining = Joining::default();
    let mut dropped = Vec::new();
    for input in inputs {
        let (groups, drops) = joining.add(input)?;
        joining.of.push(groups);
        dropped.push(drops);
    }
    Ok(Groups { joined: joining.joined, of: joining.of, dropped })
}

#[derive(Default)]
struct Joining<'data> {
    joined: Vec<Joined<'data>>,
    by_signature: HashMap<&'data [u8], usize>,
    /// Group and symbol.
    defined: HashSet<(usize, &'data [u8])>,
    of: Vec<Vec<Option<usize>>>,
}

impl<'data> Joining<'data> {
    /// For each group of the input where it goes, and for each section whether it is left out.
    fn add(&mut self, input: &Input<'data>) -> Result<(Vec<Option<usize>>, Vec<bool>)> {
        let mut goes = Vec::with_capacity(input.groups.len());
        let mut dropped = vec![false; input.sections.len()];
        for (group, defined) in input.groups.iter().zip(definitions(input)) {
            let to = self.place(input, group, &defined)?;
            if to.is_none() {
                group.members.iter().for_each(|m| dropped[*m] = true);
            }
            goes.push(to);
        }
        if goes.contains(&None) {
            drop_dependents(input, &mut dropped);
        }
        Ok((goes, dropped))
    }

    fn place(
        &mut self,
        input: &Input<'data>,
        group: &Group,
        defined: &[&'data [u8]],
    ) -> Result<Option<usize>> {
        let signature = input.signature(group);
        let earlier = self.by_signature.get(signature).copied().filter(|_| is_shared(input, group));
        let Some(to) = earlier else {
            let to = self.joined.len();
            if is_shared(input, group) {
                self.by_signature.insert(signature, to);
            }
            let symbol = (input.object, group.signature);
            self.joined.push(Joined {
                signature,
                comdat: group.comdat,
                symbol,
                defines: !defined.is_empty(),
            });
            self.defined.extend(defined.iter().map(|d| (to, *d)));
            return Ok(Some(to));
        };
        let joined = &mut self.joined[to];
        if joined.comdat != group.comdat {
            let kind = |comdat| if comdat { "a COMDAT" } else { "no COMDAT" };
            return Err(ComposeError::Differ {
                object: input.object,
                what: format!("group {}", shown(signature)),
                first: kind(joined.comdat).to_string(),
                other: kind(group.comdat).to_string(),
            });
        }
        let repeated = defined.iter().filter(|d| self.defined.contains(&(to, **d))).count();
        let repeats = repeated == defined.len() && (repeated > 0 || !joined.defines);
        // Two definitions in what is no COMDAT are two definitions: the symbols' resolution says so.
        if group.comdat && repeats {
            return Ok(None);
        }
        if let Some(symbol) = defined.iter().find(|d| group.comdat && self.defined.contains(&(to, **d))) {
            let (signature, symbol) = (shown(signature), shown(symbol));
            return Err(ComposeError::GroupsOverlap { object: input.object, signature, symbol });
        }
        joined.defines |= !defined.is_empty();
        self.defined.extend(defined.iter().map(|d| (to, *d)));
        Ok(Some(to))
    }
}

/// Groups of this signature in other objects are the same group. Not so where the signature is the name of
/// something local and the group is there only to keep sections together.
fn is_shared(input: &Input, group: &Group) -> bool {
    let symbol = &input.symbols[group.signature];
    group.comdat || !symbol.is_local() || symbol.place == Place::Undefined
}

/// By group: the symbols in it that other objects see.
fn definitions<'data>(input: &Input<'data>) -> Vec<Vec<&'data [u8]>> {
    let mut definitions = vec![Vec::new(); input.groups.len()];
    for symbol in input.symbols.iter().filter(|s| !s.is_local()) {
        if let Place::Section(section) = symbol.place
            && let Some(group) = input.sections[section].group
        {
            definitions[group].push(symbol.name);
        }
    }
    definitions
}

/// What follows a section that is left out (SHF_LINK_ORDER) goes with it, as in a linker.
fn drop_dependents(input: &Input, dropped: &mut [bool]) {
    let mut followers: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, section) in input.sections.iter().enumerate() {
        if section.flags.contains(elf::SHF_LINK_ORDER) {
            followers.entry(section.link).or_default().push(index);
        }
    }
    let mut open: Vec<usize> = (0..dropped.len()).filter(|s| dropped[*s]).collect();
    while let Some(section) = open.pop() {
        for follower in followers.remove(&section).unwrap_or_default() {
            if !dropped[follower] {
                dropped[follower] = true;
                open.push(follower);
            }
        }
    }
}
