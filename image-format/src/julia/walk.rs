//! What Julia's loader makes of an image's shards once a target is chosen.

use super::memory::Pointer;
use super::shard::{Clones, Shard};
use std::collections::BTreeMap;

/// The result of loading for one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// By number in the image: the base's bodies, for a target that clones only some functions.
    pub fvars: BTreeMap<u32, Pointer>,
    /// By number in the image: the bodies that replace the base's.
    pub clones: BTreeMap<u32, Pointer>,
    /// Addresses by number in the image.
    pub gvars: BTreeMap<u32, u64>,
    /// What is written into each slot.
    pub slots: BTreeMap<u64, Pointer>,
}

impl Selection {
    /// The body that runs for a function.
    pub fn body(&self, function: u32) -> Option<Pointer> {
        self.clones.get(&function).or_else(|| self.fvars.get(&function)).copied()
    }
}

/// Walks the tables for `target`, which the shards have.
pub fn walk(shards: &[Shard], target: usize) -> Selection {
    let mut selection = Selection::default();
    for shard in shards {
        let bodies = |target: usize| match shard.clones.get(target) {
            Some(Clones::All { bodies, .. }) if target > 0 => &bodies[..],
            _ => &shard.fvars[..],
        };
        let number = |function: u32| shard.fvar_idxs.get(function as usize).copied().unwrap_or(u32::MAX);
        let mut write = |function: u32, body: Pointer| {
            let first = shard.slots.partition_point(|slot| slot.0 < function);
            for (_, slot) in shard.slots[first..].iter().take_while(|slot| slot.0 == function) {
                selection.slots.insert(*slot, body);
            }
        };
        let chosen = match shard.clones.get(target) {
            None => continue,
            Some(Clones::All { with_slots, .. }) => {
                let own = bodies(target);
                for function in with_slots {
                    if let Some(body) = own.get(*function as usize) {
                        write(*function, *body);
                    }
                }
                own
            }
            Some(Clones::Some { base, clones }) => {
                for clone in clones {
                    if clone.with_slots {
                        write(clone.function, clone.body);
                    }
                    selection.clones.insert(number(clone.function), clone.body);
                }
                bodies(*base as usize)
            }
        };
        selection.fvars.extend(shard.fvar_idxs.iter().copied().zip(chosen.iter().copied()));
        selection.gvars.extend(shard.gvar_idxs.iter().copied().zip(shard.gvars.iter().copied()));
    }
    selection
}
