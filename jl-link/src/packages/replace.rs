//! Which functions of objects that do not know a dependency are replaced with its own when they are linked. Pure.
//!
//! A linker takes the first COMDAT group of a name for all. So a group of ours at the front replaces all copies; and just
//! therefore all copies must be the same function as the dependency's.

use super::copies::{Copies, Definition, Group, Identity};
use image_format::package_report::{Fate, Line};
use object::elf;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What a dependency has.
pub trait Offer {
    /// The name of the dependency, for reports.
    fn name(&self) -> String;
    fn exports(&self, identity: &Identity) -> bool;
    /// Whether the dynamic linker finds a function of this name in it.
    fn has_symbol(&self, name: &str) -> bool;
}

/// A group that leaves, in all objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    pub signature: String,
    pub functions: Vec<Taken>,
    /// Bytes of code of the copy that would have been linked.
    pub code: u64,
}

/// A function that is the dependency's from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub name: String,
    pub identity: Identity,
    pub dependency: usize,
    /// The narrowest of all copies, as a linker combines them.
    pub visibility: elf::SymbolVisibility,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By signature.
    pub replaced: Vec<Replaced>,
    /// What dependencies have by name or identity, and what became of it.
    pub lines: Vec<Line>,
}

/// What is known of the rest of the link.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// Members of archives that the link draws in, and the symbols that it does so for.
    pub members: &'a [String],
    pub reasons: &'a [String],
    pub bitcode: bool,
    /// Functions that use what the image keeps to itself.
    pub bound: Option<&'a BTreeSet<String>>,
}

pub fn plan(objects: &[Copies], offers: &[impl Offer], surroundings: Surroundings<'_>) -> Plan {
    let linked: Vec<&Copies> =
        objects.iter().filter(|o| o.certain || surroundings.members.contains(&o.object)).collect();
    let reasons: HashSet<&str> = surroundings.reasons.iter().map(String::as_str).collect();
    let definitions = Definitions::new(&linked);
    let is_bound = |name: &String| surroundings.bound.is_some_and(|names| names.contains(name));
    let mut plan = Plan::default();
    let mut told: HashSet<&str> = HashSet::new();
    for (signature, copies) in &definitions.groups {
        let fates: Vec<(&Definition, Fate, Option<usize>)> = copies[0]
            .symbols
            .iter()
            .map(|definition| {
                let (fate, dependency) = alone(definition, &definitions, offers);
                let fate = match fate {
                    Fate::Deduplicated if surroundings.bitcode => Fate::Bitcode,
                    Fate::Deduplicated if is_bound(&definition.name) => Fate::Bound,
                    Fate::Deduplicated if reasons.contains(definition.name.as_str()) => Fate::DrawsIn,
                    fate => fate,
                };
                (definition, fate, dependency)
            })
            .collect();
        let leaves = fates.iter().all(|(_, fate, _)| *fate == Fate::Deduplicated) && !fates.is_empty();
        let mut functions = Vec::new();
        for (definition, fate, dependency) in fates {
            let Some(dependency) = dependency else { continue };
            let fate = if fate == Fate::Deduplicated && !leaves { Fate::Group } else { fate };
            let (function, of) = (definition.name.clone(), offers[dependency].name());
            if told.insert(&definition.name) {
                plan.lines.push(Line { function, fate, dependency: of, data: Vec::new() });
            }
            if let Some(identity) = definition.identity.filter(|_| leaves) {
                let visibility = definitions.visibility(&definition.name);
                functions.push(Taken { name: definition.name.clone(), identity, dependency, visibility });
            }
        }
        if leaves {
            let (signature, code) = (signature.to_string(), copies[0].code);
            plan.replaced.push(Replaced { signature, functions, code });
        }
    }
    plan
}

/// What becomes of a function without a look at its group, and on whose account; nobody's where no dependency has it.
fn alone(
    definition: &Definition,
    definitions: &Definitions<'_>,
    offers: &[impl Offer],
) -> (Fate, Option<usize>) {
    let all = definitions.identities(&definition.name);
    let offered = all.iter().flatten().find_map(|id| Some((id, offers.iter().position(|o| o.exports(id))?)));
    match offered {
        Some((_, dependency)) if all.len() > 1 => (Fate::Disagreement, Some(dependency)),
        Some((_, dependency)) => (Fate::Deduplicated, Some(dependency)),
        None if all.contains(&None) => (Fate::NotExported, None),
        None => match offers.iter().position(|o| o.has_symbol(&definition.name)) {
            Some(dependency) => (Fate::OtherContent, Some(dependency)),
            None => (Fate::NotExported, None),
        },
    }
}

/// All that the link defines, by name.
struct Definitions<'a> {
    /// Groups by signature, in the order of objects.
    groups: BTreeMap<&'a str, Vec<&'a Group>>,
    symbols: HashMap<&'a str, Vec<&'a Definition>>,
    alone: HashSet<&'a str>,
    /// Names that not all groups of one signature have, as the one that is taken must have everything; and names in groups
    /// of several signatures, of which each would be taken.
    torn: HashSet<&'a str>,
}

impl<'a> Definitions<'a> {
    fn new(objects: &[&'a Copies]) -> Definitions<'a> {
        let mut groups: BTreeMap<&str, Vec<&Group>> = BTreeMap::new();
        let mut symbols: HashMap<&str, Vec<&Definition>> = HashMap::new();
        let mut signatures: HashMap<&str, &str> = HashMap::new();
        let mut torn = HashSet::new();
        for group in objects.iter().flat_map(|o| &o.groups) {
            groups.entry(&group.signature).or_default().push(group);
            for definition in &group.symbols {
                symbols.entry(&definition.name).or_default().push(definition);
                if *signatures.entry(&definition.name).or_insert(&group.signature) != group.signature {
                    torn.insert(definition.name.as_str());
                }
            }
        }
        for copies in groups.values() {
            let names = |group: &'a Group| group.symbols.iter().map(|d| d.name.as_str()).collect();
            let all: Vec<BTreeSet<&str>> = copies.iter().map(|group| names(group)).collect();
            if all.iter().any(|names| *names != all[0]) {
                torn.extend(all.into_iter().flatten());
            }
        }
        let alone = objects.iter().flat_map(|o| &o.alone).map(String::as_str).collect();
        Definitions { groups, symbols, alone, torn }
    }

    /// The distinct identities of all that have a name; more than one, or none, is a disagreement.
    fn identities(&self, name: &str) -> BTreeSet<Option<Identity>> {
        let mut all: BTreeSet<Option<Identity>> =
            self.symbols.get(name).into_iter().flatten().map(|d| d.identity).collect();
        if self.alone.contains(name) || self.torn.contains(name) {
            all.insert(None);
        }
        all
    }

    fn visibility(&self, name: &str) -> elf::SymbolVisibility {
        // ELF: of several the most constraining one counts, and the numbers of those that are not the default descend
        // towards it.
        let given = self.symbols.get(name).into_iter().flatten().map(|d| d.visibility);
        let narrow = given.filter(|v| *v != elf::STV_DEFAULT).min_by_key(|v| v.0);
        narrow.unwrap_or(elf::STV_DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Library(Vec<(&'static str, u8)>);

    impl Offer for Library {
        fn name(&self) -> String {
            "libA.so".into()
        }

        fn exports(&self, identity: &Identity) -> bool {
            self.0.iter().any(|(_, number)| *identity == [*number; 16])
        }

        fn has_symbol(&self, name: &str) -> bool {
            self.0.iter().any(|(known, _)| *known == name)
        }
    }

    fn defined(name: &str, identity: Option<u8>) -> Definition {
        let visibility = elf::STV_DEFAULT;
        Definition { name: name.into(), identity: identity.map(|n| [n; 16]), visibility }
    }

    fn group(signature: &str, symbols: &[(&str, Option<u8>)]) -> Group {
        let symbols = symbols.iter().map(|(name, identity)| defined(name, *identity)).collect();
        Group { signature: signature.into(), symbols, code: 100, ..Group::default() }
    }

    fn object(name: &str, groups: &[Group]) -> Copies {
        Copies { object: name.into(), certain: true, groups: groups.to_vec(), ..Copies::default() }
    }

    fn fates(objects: &[Copies], surroundings: Surroundings) -> Vec<(String, Fate)> {
        let offers = [Library(vec![("f", 1), ("g", 2), ("h", 3)])];
        let plan = plan(objects, &offers, surroundings);
        let replaced: BTreeSet<_> =
            plan.replaced.iter().flat_map(|r| &r.functions).map(|t| &t.name).collect();
        let said: BTreeSet<_> =
            plan.lines.iter().filter(|l| l.fate == Fate::Deduplicated).map(|l| &l.function).collect();
        assert_eq!(replaced, said);
        plan.lines.into_iter().map(|l| (l.function, l.fate)).collect()
    }

    fn fate(objects: &[Copies]) -> Vec<(String, Fate)> {
        fates(objects, Surroundings::default())
    }

    #[test]
    fn what_all_objects_have_alike_is_replaced() {
        let f = group("f", &[("f", Some(1))]);
        assert_eq!(fate(&[object("a", std::slice::from_ref(&f))]), [("f".into(), Fate::Deduplicated)]);
        assert_eq!(
            fate(&[object("a", std::slice::from_ref(&f)), object("b", &[f])]),
            [("f".into(), Fate::Deduplicated)]
        );
        assert_eq!(fate(&[object("a", &[group("x", &[("x", Some(9))])])]), []);
        assert_eq!(
            fate(&[object("a", &[group("f", &[("f", Some(9))])])]),
            [("f".into(), Fate::OtherContent)]
        );
        assert_eq!(fate(&[object("a", &[group("f", &[("f", None)])])]), []);
    }

    #[test]
    fn one_that_differs_keeps_all() {
        let f = || object("a", &[group("f", &[("f", Some(1))])]);
        let kept = [("f".to_string(), Fate::Disagreement)];
        for other in [Some(9), None] {
            let other = object("b", &[group("f", &[("f", other)])]);
            assert_eq!(fate(&[f(), other.clone()]), kept);
            assert_eq!(fate(&[other, f()]), kept);
        }
        let mut strong = object("b", &[]);
        strong.alone.insert("f".into());
        assert_eq!(fate(&[f(), strong]), kept);
        for identity in [None, Some(1)] {
            let elsewhere = object("b", &[group("other", &[("f", identity)])]);
            assert_eq!(fate(&[f(), elsewhere]), kept);
        }
    }

    #[test]
    fn a_group_leaves_as_a_whole() {
        let both = [("f", Some(1)), ("g", Some(2))];
        let deduplicated = |name: &str| (name.to_string(), Fate::Deduplicated);
        assert_eq!(fate(&[object("a", &[group("s", &both)])]), [deduplicated("f"), deduplicated("g")]);
        let kept = object("a", &[group("s", &[("f", Some(1)), ("data", None)])]);
        assert_eq!(fate(&[kept]), [("f".into(), Fate::Group)]);
        let torn = [object("a", &[group("s", &both)]), object("b", &[group("s", &both[..1])])];
        let disagreement = |name: &str| (name.to_string(), Fate::Disagreement);
        assert_eq!(fate(&torn), [disagreement("f"), disagreement("g")]);
    }

    #[test]
    fn archives_and_bitcode() {
        let f = object("a", &[group("f", &[("f", Some(1))])]);
        let other = || Copies { certain: false, ..object("l(b)", &[group("f", &[("f", Some(9))])]) };
        let deduplicated = [("f".to_string(), Fate::Deduplicated)];
        assert_eq!(fate(&[f.clone(), other()]), deduplicated, "a member that is not linked");
        let members = ["l(b)".to_string()];
        let drawn = Surroundings { members: &members, ..Surroundings::default() };
        assert_eq!(fates(&[f.clone(), other()], drawn), [("f".into(), Fate::Disagreement)]);
        let reasons = ["f".to_string()];
        let reason = Surroundings { reasons: &reasons, ..Surroundings::default() };
        assert_eq!(fates(std::slice::from_ref(&f), reason), [("f".into(), Fate::DrawsIn)]);
        let bitcode = Surroundings { bitcode: true, ..Surroundings::default() };
        assert_eq!(fates(&[f], bitcode), [("f".into(), Fate::Bitcode)]);
    }

    #[test]
    fn what_uses_something_of_the_image_alone_stays() {
        let names = ["f".to_string()].into();
        let own = Surroundings { bound: Some(&names), ..Surroundings::default() };
        let objects = [object("a", &[group("f", &[("f", Some(1))]), group("g", &[("g", Some(2))])])];
        assert_eq!(fates(&objects, own), [("f".into(), Fate::Bound), ("g".into(), Fate::Deduplicated)]);
    }

    #[test]
    fn the_narrowest_visibility_counts() {
        let with = |visibility| {
            let mut group = group("f", &[("f", Some(1))]);
            group.symbols[0].visibility = visibility;
            object("a", &[group])
        };
        let offers = [Library(vec![("f", 1)])];
        let of = |all: &[elf::SymbolVisibility]| {
            let objects: Vec<_> = all.iter().map(|v| with(*v)).collect();
            plan(&objects, &offers, Surroundings::default()).replaced[0].functions[0].visibility
        };
        assert_eq!(of(&[elf::STV_DEFAULT]), elf::STV_DEFAULT);
        assert_eq!(of(&[elf::STV_DEFAULT, elf::STV_PROTECTED]), elf::STV_PROTECTED);
        assert_eq!(of(&[elf::STV_PROTECTED, elf::STV_HIDDEN]), elf::STV_HIDDEN);
    }
}
