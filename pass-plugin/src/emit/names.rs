//! Names of symbols and sections in the objects of parts, and what becomes of them in the object of a shard. Pure.
//!
//! Parts know nothing of the target list or the module, so that the cache finds them again under another list:
//! a body is called by what its target is, not by the target's index.

use crate::partition::SHARED_SUFFIX;
use std::collections::HashMap;

/// Ends the name of a local symbol that has become visible to the other parts of its shard.
pub const PART_SUFFIX: &str = ".jl.part";
/// Stands between a function's name and the key of its body's target.
const BODY_MARK: &str = ".jl.body.";
/// Stands between a shared symbol's name and what is unique to the module.
const MODULE_MARK: &str = ".jl.";
/// Bodies have sections of their own.
const TEXT: &str = ".text.";

/// The name of the body of `function` for the target that `key` tells.
pub fn body(function: &str, key: u64) -> String {
    format!("{function}{BODY_MARK}{key:016x}")
}

/// The section of such a body.
pub fn body_section(function: &str, key: u64) -> String {
    format!("{TEXT}{}", body(function, key))
}

/// A symbol's final name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Final {
    pub name: String,
    /// Whether it becomes local to its object.
    pub local: bool,
}

/// Final names for the parts of one module.
pub struct Names {
    indices: HashMap<u64, usize>,
    /// What is unique to the module; `None` where all its shards become one object.
    module: Option<u64>,
}

impl Names {
    /// `keys`: of each target of the list.
    pub fn new(keys: &[u64], module: Option<u64>) -> Names {
        // Targets that are alike share a key, and the first of them has the bodies.
        let mut indices = HashMap::new();
        for (index, key) in keys.iter().enumerate() {
            indices.entry(*key).or_insert(index);
        }
        Names { indices, module }
    }

    /// What a hidden symbol of a part is called in the end.
    pub fn symbol(&self, name: &str) -> Final {
        if let Some((function, index)) = self.split_body(name) {
            // Other shards may call the bodies of a shared function.
            return match (function.strip_suffix(SHARED_SUFFIX), self.module) {
                (Some(function), Some(module)) => {
                    Final { name: format!("{function}.{index}{MODULE_MARK}{module:016x}"), local: false }
                }
                (shared, _) => Final { name: format!("{}.{index}", shared.unwrap_or(function)), local: true },
            };
        }
        if let Some(name) = name.strip_suffix(PART_SUFFIX) {
            let name = name.strip_suffix(SHARED_SUFFIX).unwrap_or(name);
            return Final { name: name.to_string(), local: true };
        }
        match (name.strip_suffix(SHARED_SUFFIX), self.module) {
            (Some(name), Some(module)) => {
                Final { name: format!("{name}{MODULE_MARK}{module:016x}"), local: false }
            }
            (Some(name), None) => Final { name: name.to_string(), local: true },
            (None, _) => Final { name: name.to_string(), local: false },
        }
    }

    /// What a section of a part is called in the end.
    pub fn section(&self, name: &str) -> String {
        match self.split_body(name) {
            Some((function, index)) => {
                format!("{}.{index}", function.strip_suffix(SHARED_SUFFIX).unwrap_or(function))
            }
            None => {
                let name = name.strip_suffix(PART_SUFFIX).unwrap_or(name);
                name.strip_suffix(SHARED_SUFFIX).unwrap_or(name).to_string()
            }
        }
    }

    fn split_body<'a>(&self, name: &'a str) -> Option<(&'a str, usize)> {
        let (function, key) = name.rsplit_once(BODY_MARK)?;
        let index = self.indices.get(&u64::from_str_radix(key, 16).ok()?)?;
        Some((function, *index))
    }
}
