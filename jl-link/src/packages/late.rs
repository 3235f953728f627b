//! What dependencies have leaves objects that do not know them when the image is linked: functions of the same content, and
//! relocations that the dynamic linker would look up names of their data for.

use super::bindings::Bindings;
use super::copies::{Copies, Definition};
use super::dependencies::{Dependencies, Lender};
use super::needs::Needs;
use super::replace::{self, Offer, Plan, Surroundings};
use super::stand_ins::{self, Room};
use crate::args::Invocation;
use crate::elf::Elf;
use crate::error::{Error, REPORT_IT, Result};
use crate::lld::{Lld, Probed, Stage};
use crate::scan::Inputs;
use image_format::cpu::Arch;
use image_format::layout::{DEPENDENCY_FALLBACK, Dependency};
use image_format::package_report::Line;
use std::collections::{BTreeSet, HashSet};
use std::process::ExitStatus;

/// What a link gets for what dependencies have.
#[derive(Default)]
pub struct Late {
    /// Objects, to be linked before all others.
    pub objects: Vec<Vec<u8>>,
    /// Dependencies that must be loaded for their sake.
    pub needed: Vec<Dependency>,
    /// What became of the functions that dependencies may have.
    pub lines: Vec<Line>,
    /// Functions that leave, and what all need.
    replaced: BTreeSet<String>,
    needs: Needs,
}

impl Late {
    /// The functions that should not have been left out after all: the linked output keeps to itself what they use, where the
    /// dependency uses what the dynamic linker finds.
    pub fn bound(&self, linked: &Elf) -> BTreeSet<String> {
        if self.replaced.is_empty() || self.needs.others.is_empty() {
            return BTreeSet::new();
        }
        let own = Bindings::new(linked).own_among(&self.needs.others);
        self.needs.who_needs(&own).into_keys().filter(|function| self.replaced.contains(function)).collect()
    }
}

pub enum Planned {
    /// lld ended with an error, and has said why.
    Failed(ExitStatus),
    Late(Late),
}

/// `bound`: functions that stay in any case, by [`Late::bound`] of a link before.
///
/// # Errors
/// A dependency is damaged.
pub fn plan(
    lld: &Lld,
    invocation: &Invocation,
    inputs: &Inputs,
    stage: &Stage,
    dependencies: &Dependencies,
    bound: &BTreeSet<String>,
) -> Result<Planned> {
    let lenders = dependencies.lenders()?;
    if lenders.is_empty() {
        return Ok(Planned::Late(Late::default()));
    }
    if invocation.own.keep_fallback {
        return room(invocation, inputs, &lenders).map(Planned::Late);
    }
    let plan = match decide(lld, invocation, inputs, stage, &lenders, bound)? {
        Ok(plan) => plan,
        Err(status) => return Ok(Planned::Failed(status)),
    };
    let records: Vec<Dependency> = lenders.iter().map(|lender| lender.image.record(0)).collect();
    let used: BTreeSet<usize> =
        plan.replaced.iter().flat_map(|r| &r.functions).map(|f| f.dependency).collect();
    let arch = inputs.image_arch().unwrap_or(Arch::HOST);
    let objects = stand_ins::objects(arch, &plan.replaced, &records);
    let mut objects = objects.map_err(|cause| cannot_write(invocation, &cause))?;
    let mut needed: Vec<Dependency> = used.into_iter().map(|index| records[index]).collect();
    let (references, referred) = pointers(inputs, dependencies)?;
    if references > 0 {
        let room = stand_ins::room(arch, Room { imports: 0, references, dependencies: &referred });
        objects.push(room.map_err(|cause| cannot_write(invocation, &cause))?);
        needed.extend(referred);
    }
    let functions = plan.replaced.iter().flat_map(|group| &group.functions);
    let replaced = functions.map(|function| function.name.clone()).collect();
    let needs = Needs::new(&inputs.copies);
    Ok(Planned::Late(Late { objects, needed, lines: plan.lines, replaced, needs }))
}

/// How many pointers to data of dependencies the output has at most, and of which: those of the objects, and for each name one in the
/// global offset table. What bitcode will have is not known, and left to the dynamic linker.
fn pointers(inputs: &Inputs, dependencies: &Dependencies) -> Result<(usize, Vec<Dependency>)> {
    let objects = dependencies.objects()?;
    let (mut count, mut found) = (0, Vec::new());
    for (name, pointers) in &inputs.pointers {
        if let Some((record, _)) = objects.get(name.as_bytes()) {
            count += pointers + 1;
            if !found.contains(record) {
                found.push(*record);
            }
        }
    }
    Ok((count, found))
}

fn cannot_write(invocation: &Invocation, cause: &object::write::Error) -> Error {
    Error::Image {
        file: invocation.output(),
        what: "object for functions of dependencies".into(),
        found: cause.to_string(),
        expected: "one that can be written".into(),
        advice: REPORT_IT,
    }
}

/// Nothing leaves: room for the lists of imports that the slots of the image's own functions become.
fn room(invocation: &Invocation, inputs: &Inputs, lenders: &[Lender<'_>]) -> Result<Late> {
    for lender in lenders {
        if inputs.dependencies.iter().any(|d| d.name() == lender.image.name) {
            return Err(Error::Image {
                file: invocation.output(),
                what: format!("copies of functions of {}", lender.name()),
                found: "objects that were compiled with --jl-dep and have none".into(),
                expected: "objects that have them, for --jl-keep-fallback".into(),
                advice: "compile with --jl-package and without --jl-dep, or leave out --jl-keep-fallback",
            });
        }
    }
    let exported: BTreeSet<_> = inputs.copies.iter().flat_map(|object| &object.exported).collect();
    let lent = exported.iter().filter(|identity| lenders.iter().any(|lender| lender.exports(identity)));
    let records: Vec<Dependency> =
        lenders.iter().map(|lender| lender.image.record(DEPENDENCY_FALLBACK)).collect();
    let room = match lent.count() {
        0 => return Ok(Late::default()),
        imports => {
            let room = Room { imports, references: 0, dependencies: &records };
            stand_ins::room(inputs.image_arch().unwrap_or(Arch::HOST), room)
        }
    };
    let room = room.map_err(|cause| cannot_write(invocation, &cause))?;
    Ok(Late { objects: vec![room], ..Late::default() })
}

/// What leaves. Whether a member of an archive is part of the link, and for the sake of what, only a link tells, which is
/// made if it matters.
fn decide(
    lld: &Lld,
    invocation: &Invocation,
    inputs: &Inputs,
    stage: &Stage,
    lenders: &[Lender<'_>],
    bound: &BTreeSet<String>,
) -> Result<std::result::Result<Plan, ExitStatus>> {
    let copies = &inputs.copies;
    let with = |members: &[String], reasons: &[String]| {
        let (bitcode, bound) = (inputs.bitcode, Some(bound));
        replace::plan(copies, lenders, Surroundings { members, reasons, bitcode, bound })
    };
    let uncertain: Vec<&Copies> = copies.iter().filter(|object| !object.certain).collect();
    let depends = !inputs.bitcode && hold_any(&uncertain, copies, lenders);
    if !depends {
        return Ok(Ok(with(&[], &[])));
    }
    if invocation.why_extract_given {
        // The user gets the only list that lld makes: all members may be linked, each for whatever it defines.
        let members: Vec<String> = uncertain.iter().map(|object| object.object.clone()).collect();
        let reasons: Vec<String> =
            uncertain.iter().flat_map(|object| object.names()).map(str::to_owned).collect();
        return Ok(Ok(with(&members, &reasons)));
    }
    Ok(match lld.extracted(invocation, inputs, stage)? {
        Probed::Failed(status) => Err(status),
        Probed::Extracted { members, symbols } => Ok(with(&members, &symbols)),
    })
}

/// Whether some of `objects` define what could leave.
fn hold_any(objects: &[&Copies], all: &[Copies], lenders: &[Lender<'_>]) -> bool {
    let lent = |definition: &&Definition| {
        definition.identity.is_some_and(|identity| lenders.iter().any(|lender| lender.exports(&identity)))
    };
    let definitions = all.iter().flat_map(|object| &object.groups).flat_map(|group| &group.symbols);
    let names_lent: HashSet<&str> = definitions.filter(lent).map(|d| d.name.as_str()).collect();
    objects.iter().any(|object| object.names().any(|name| names_lent.contains(name)))
}
