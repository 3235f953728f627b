//! Makes calls between clones direct: the decision of [`crate::calls`], written into the code.

use crate::arch::{self, Form};
use crate::args::Invocation;
use crate::calls::{Decision, Plan, RowSet, SlotReason};
use crate::clones::{self, CodeMap, Survey};
use crate::error::Result;
use crate::merge::Merged;
use std::collections::BTreeMap;

/// How the calls to cloned functions came out; calls and tail calls alike.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    pub direct: u64,
    pub on_slot: BTreeMap<SlotReason, u64>,
    /// Of `on_slot`: those that now call through the slot at once, without the trampoline.
    pub without_trampoline: u64,
    /// By PLT or GOT: another library may replace the callee.
    pub preemptible: u64,
}

/// An image whose calls are settled: the fifth phase's output.
pub struct Retargeted {
    pub merged: Merged,
    pub map: CodeMap,
    /// Per unit of `map` the rows that use it.
    pub users: Vec<RowSet>,
    pub calls: CallCounts,
}

/// # Errors
/// None but damage that the earlier phases would have seen: a site outside of the file.
pub fn retarget(mut merged: Merged, invocation: &Invocation) -> Result<Retargeted> {
    let Survey { map, facts, sites } = clones::survey(&merged, invocation.own.tunable);
    let plan = Plan::new(&facts);
    let mut calls = CallCounts::default();
    for site in &sites {
        if site.preemptible && !invocation.own.bind_local {
            calls.preemptible += 1;
            continue;
        }
        let arch = merged.elf.arch;
        let reason = match plan.decide(site.origin, site.callee) {
            Decision::Direct(body) => {
                match arch::encode_direct(arch, &merged.elf, &site.branch, map.starts[body.0 as usize]) {
                    Some((at, bytes)) => {
                        merged.elf.write(at, &bytes)?;
                        calls.direct += 1;
                        continue;
                    }
                    None => SlotReason::OutOfReach,
                }
            }
            Decision::Slot(reason) => reason,
        };
        *calls.on_slot.entry(reason).or_default() += 1;
        // A jump through the trampoline costs 0.3 ns more than a call through the slot, which needs one
        // byte more than a direct call: there is room only where the compiler called through the GOT.
        if site.branch.form == Form::DirectWithRoom
            && let slot = merged.functions[site.callee.0 as usize].slot
            && let Some(bytes) = arch::encode_through_memory(arch, &site.branch, slot)
        {
            merged.elf.write(site.branch.start, &bytes)?;
            calls.without_trampoline += 1;
        }
    }
    let users = plan.users();
    Ok(Retargeted { merged, map, users, calls })
}
