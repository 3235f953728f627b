//! The middle of LLVM's simplification, bottom-up through the call graph, in units: on threads, and out of the cache where
//! nothing changed.
//!
//! [`facts`] (who names whom, and what may be inlined) -> [`plan`] (pure: units, and their order) -> each unit becomes
//! bitcode, and its functions' bodies leave the module -> [`unit`] (simplified together with copies of what it may inline
//! from units before it) -> the bodies return, in the module's order. What comes out depends on the module and the level
//! alone: units are made and returned the same way whether the cache has them or not.

pub mod facts;
pub mod interface;
pub mod plan;
mod symbols;
mod unit;

use crate::emit::driver;
use crate::emit::memory;
use crate::emit::place::Place;
use crate::emit::queue::Job;
use crate::emit::session::Session;
use crate::emit::settings::{EmitSettings, Level};
use crate::emit::store::Store;
use crate::llvm::{Function, Module, PieceRole};
use interface::Interfaces;
use plan::{Member, UNIT_WEIGHT};
use unit::{Simplified, Unit};

/// Simplifies the functions of a module that has been through the opening of LLVM's pipeline; false leaves it to the host.
///
/// # Errors
/// A sentence, when LLVM cannot read what it wrote, or has no code generation for the module's target.
pub fn in_units(module: Module, settings: &EmitSettings) -> Result<bool, String> {
    let level = settings.level;
    if level == Level::O0 || !facts::can_be_parted(module) {
        return Ok(false);
    }
    let weight = settings.partition.shard_weight.unwrap_or(UNIT_WEIGHT).min(UNIT_WEIGHT);
    if facts::is_small(module, weight) {
        return Ok(false);
    }
    // What calls of other units do not do.
    module.infer_attributes(level == Level::O3);
    let (functions, nodes) = facts::collect(module);
    let plan = plan::plan(&nodes, weight);
    let session = Session::new(driver::size(module), Store::from_environment());

    let locals = symbols::make_visible(module);
    let names = |members: &[Member], inner: bool| {
        let some = members.iter().filter(|m| m.inner == inner);
        some.map(|m| functions[m.function].name().to_string()).collect::<Vec<_>>()
    };
    let write = |members: &[Member]| {
        let role = |m: &Member| if m.inner { PieceRole::Inner } else { PieceRole::Visible };
        let roles: Vec<(Function, PieceRole)> =
            members.iter().map(|m| (functions[m.function], role(m))).collect();
        Unit {
            piece: module.piece(&roles),
            offered: names(members, false),
            inner: names(members, true),
            level,
        }
    };
    let units: Vec<Unit> = plan.iter().map(|unit| write(&unit.members)).collect();
    for function in &functions {
        function.give_back_body();
    }

    let mut interfaces = Interfaces::default();
    let mut bodies: Vec<Vec<u8>> = Vec::new();
    for planned in plan.chunk_by(|a, b| a.level == b.level) {
        let first = bodies.len();
        let done = simplify(&units[first..first + planned.len()], first, &interfaces, &session)?;
        for Simplified { bodies: own, interfaces: offered } in done {
            bodies.push(own);
            interfaces.add(offered);
        }
    }
    let bodies: Vec<&[u8]> = bodies.iter().map(Vec::as_slice).collect();
    module.take_back(&bodies)?;
    symbols::restore(module, &locals);
    module.infer_attributes(false);
    session.close(module);
    Ok(true)
}

/// The units of one level, from the one with the number `first` on.
fn simplify(
    units: &[Unit],
    first: usize,
    interfaces: &Interfaces,
    session: &Session,
) -> Result<Vec<Simplified>, String> {
    let job = |(index, unit): (usize, &Unit)| {
        let bytes = unit.piece.bitcode.len() as u64;
        Job { place: Place::unit(first + index), weight: bytes, memory: memory::estimate(bytes) }
    };
    let jobs: Vec<Job> = units.iter().enumerate().map(job).collect();
    let store = &session.store;
    let done = session.run(&jobs, |index, task| units[index].simplify(interfaces, store, task));
    done.map_err(|failure| failure.to_string())
}
