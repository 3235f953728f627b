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

    /// The functions that need one of `names`, by themselves or because of others of known content that they call.
    pub fn who_needs(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let mut users: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (function, needs) in &self.of {
            for name in needs {
                users.entry(name).or_default().push(function);
            }
        }
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut work: Vec<&str> = names.iter().map(String::as_str).collect();
        while let Some(name) = work.pop() {
            for user in users.get(name).into_iter().flatten() {
                if found.insert(user.to_string()) {
                    work.push(user);
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
        assert_eq!(needs.who_needs(&set(&["x"])), set(&["f", "g", "h"]));
        assert_eq!(needs.who_needs(&set(&["strong"])), set(&["f", "g"]));
        assert_eq!(needs.who_needs(&set(&[])), set(&[]));
    }
}
