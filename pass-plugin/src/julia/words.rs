//! The words of `jl_clone_idxs` and the order of `jl_clone_ptrs` (julia-protocol, section 4). Pure; no LLVM.

use super::targets::Targets;
use image_format::julia::TAG;

/// What the two tables hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloneTables {
    pub indices: Vec<u32>,
    /// Which body: (target that it was made for, index of the function).
    pub bodies: Vec<(usize, usize)>,
}

/// The tables for functions of which `relocated` says whether a slot or a pointer in data must be written for
/// them, and `cloned(target, function)` whether a target has a body of its own.
pub fn clone_tables(
    targets: &Targets,
    relocated: &[bool],
    cloned: impl Fn(usize, usize) -> bool,
) -> CloneTables {
    let mut tables = CloneTables::default();
    for target in 0..targets.len() {
        let length_at = tables.indices.len();
        tables.indices.push(0);
        tables.indices[length_at] = if targets.is_base(target) {
            TAG | add_base(&mut tables, target, relocated, &cloned)
        } else {
            tables.indices.push(targets.base(target) as u32);
            add_partial(&mut tables, target, targets.base(target), relocated, &cloned)
        };
    }
    tables
}

/// A base: the indices of the relocated functions, and, but for target 0, whose bodies are `jl_fvar_ptrs`,
/// the body of every function.
fn add_base(
    tables: &mut CloneTables,
    target: usize,
    relocated: &[bool],
    cloned: impl Fn(usize, usize) -> bool,
) -> u32 {
    let mut length = 0;
    for (function, relocated) in relocated.iter().enumerate() {
        if *relocated {
            tables.indices.push(function as u32);
            length += 1;
        }
        if target != 0 {
            let own = if cloned(target, function) { target } else { 0 };
            tables.bodies.push((own, function));
        }
    }
    length
}

/// A partial target: an index and a body for each function that is relocated or its own.
fn add_partial(
    tables: &mut CloneTables,
    target: usize,
    base: usize,
    relocated: &[bool],
    cloned: impl Fn(usize, usize) -> bool,
) -> u32 {
    let mut length = 0;
    for (function, relocated) in relocated.iter().enumerate() {
        let own = cloned(target, function);
        if !own && !relocated {
            continue;
        }
        let of_base = if cloned(base, function) { base } else { 0 };
        tables.indices.push(function as u32 | if *relocated { TAG } else { 0 });
        tables.bodies.push((if own { target } else { of_base }, function));
        length += 1;
    }
    length
}
