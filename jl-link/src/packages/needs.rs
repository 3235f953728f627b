//! What functions whose content is known need of what else the link defines. Pure.
//!
//! An identity covers a function's content, and of all else that it uses only the names: the dynamic linker sees to it that these
//! mean the same everywhere, unless an image keeps to itself what it defines.

use super::copies::Copies;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// By function of known content the names that it refers to.
    of: BTreeMap<String, BTreeSet<String>>,
    /// Of these names what the link defines, and not with known content.
    pub others: BTreeSet<String>,
}

impl Needs {
    pub fn new(objects: &[Copies]) -> Needs {
        let mut needs = Needs::default();
        let mut others: BTreeSet<&String> = objects.iter().flat_map(|object| &object.alone).collect();
        for group in objects.iter().flat_map(|object| &object.groups) {
            for definition in &group.symbols {
                match definition.identity {
                    Some(_) => {
                        needs.of.entry(definition.name.clone()).or_default().extend(group.needs.clone())
                    }
                    None => {
                        others.insert(&definition.name);
                    }
                }
            }
        }
        let needed = needs.of.values().flatten().filter(|name| others.contains(name));
        needs.others = needed.cloned().collect();
        needs
    }

    /// The functions that need one of `names`, by themselves or because of others of known content that they call; and which one.
    pub fn who_needs(&self, names: &BTreeSet<String>) -> BTreeMap<String, String> {
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (function, needs) in &self.of {
            for name in needs {
                users.entry(name).or_default().push(function);
            }
        }
        let mut found: BTreeMap<String, String> = BTreeMap::new();
        let mut work: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
        while let Some((name, cause)) = work.pop() {
            for user in users.get(name).into_iter().flatten() {
                if !found.contains_key(*user) {
                    found.insert(user.to_string(), cause.to_string());
                    work.push((user, cause));
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::copies::{Definition, Group};
    use object::elf::STV_DEFAULT;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    fn group(name: &str, identity: Option<u8>, needs: &[&str]) -> Group {
        let identity = identity.map(|number| [number; 16]);
        let symbols = vec![Definition { name: name.into(), identity, visibility: STV_DEFAULT }];
        Group { signature: name.into(), symbols, needs: set(needs), ..Group::default() }
    }

    #[test]
    fn needs_go_through_functions_of_known_content() {
        let groups = vec![
            group("f", Some(1), &["g", "malloc"]),
            group("g", Some(2), &["x", "strong"]),
            group("h", Some(3), &["x"]),
            group("x", None, &[]),
            group("unused", None, &[]),
        ];
        let needs = Needs::new(&[Copies { groups, alone: set(&["strong", "main"]), ..Copies::default() }]);
        assert_eq!(needs.others, set(&["strong", "x"]));
        let who = |names: &[&str]| needs.who_needs(&set(names)).into_iter().collect::<Vec<_>>();
        let because_of = |name: &str, who: &[&str]| {
            who.iter().map(|function| (function.to_string(), name.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(who(&["x"]), because_of("x", &["f", "g", "h"]));
        assert_eq!(who(&["strong"]), because_of("strong", &["f", "g"]));
        assert_eq!(who(&[]), []);
    }
}
