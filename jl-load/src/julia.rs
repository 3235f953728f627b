//! Images from Julia: what is in them, and which target Julia takes on a CPU, by its rules and in its words.
//! Its rules can also be asked about our own images.

use crate::check::hexadecimal;
use crate::cpu::Cpu;
use crate::elf::ElfFile;
use crate::image::{Content, LoadError, arch, content};
use crate::relocated::View;
use image_format::cpu::Arch;
use image_format::julia::features::{Numbering, host_has, vector_bytes};
use image_format::julia::image::{Image, read};
use image_format::julia::matching::{Candidate, Match, choose};
use image_format::julia::memory::Pointer;
use image_format::julia::shard::{Clones, merge};
use image_format::julia::{Dialect, ROOT, TableError, TableName};
use image_format::specs::Specs;
use serde::Serialize;
use std::collections::BTreeSet;

/// An explanation by Julia's rules.
#[derive(Clone, Debug, Serialize)]
pub struct JuliaExplanation {
    pub file: String,
    /// `julia`, or `merged` and `plain` for our own images.
    pub kind: &'static str,
    pub build_id: Option<String>,
    pub machine: &'static str,
    pub cpu: String,
    pub cpu_features: Vec<&'static str>,
    /// Whose rules chose.
    pub rules: &'static str,
    /// The format of the target list; none for our own.
    pub format: Option<&'static str>,
    pub shards: usize,
    pub functions: usize,
    pub data: usize,
    pub targets: Vec<JuliaTarget>,
    pub chosen: Option<usize>,
    /// What Julia says when it takes none.
    pub message: Option<String>,
    /// What must be known to believe the rest.
    pub notes: Vec<String>,
}

/// A target and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct JuliaTarget {
    pub index: usize,
    pub name: String,
    pub flags: u32,
    /// Whose bodies run for what has no clone; none for a target that has all.
    pub base: Option<u32>,
    /// Features that Julia does not know itself, for LLVM.
    pub extra: String,
    /// Enabled features, of those that Julia knows.
    pub enables: Vec<&'static str>,
    pub lacks: Vec<&'static str>,
    pub vector_bytes: u32,
    /// Functions with a body for this target, where shards tell.
    pub clones: Option<usize>,
    /// In Julia's words; none where it could not be asked.
    pub verdict: Option<&'static str>,
}

/// The image from Julia in a file, if there is one.
///
/// # Errors
/// Its tables are damaged, or the file is for an unknown architecture.
pub fn image(file: &ElfFile) -> Result<Option<Image>, LoadError> {
    let Some(root) = file.symbols().iter().find(|symbol| symbol.name == ROOT) else { return Ok(None) };
    let arch = arch(file)?;
    let found = read(&View::new(file, arch), arch, root.address);
    found.map(Some).map_err(|cause| LoadError::Julia { path: file.path.clone(), cause })
}

/// Explains the image of `file` on `cpu`, by the rules of `rules`, or an image from Julia by those of its own
/// format. `None`: there is no image, or without `rules` one that chooses by our rules.
pub fn explain(
    file: &ElfFile,
    cpu: &Cpu,
    rules: Option<Dialect>,
) -> Result<Option<JuliaExplanation>, LoadError> {
    let content = content(file)?;
    if (rules.is_some() || matches!(content, Content::Nothing))
        && let Some(image) = image(file)?
    {
        let rules = rules.unwrap_or(image.targets.dialect);
        return Ok(Some(explain_image(file, arch(file)?, cpu, rules, &image)));
    }
    let Some(rules) = rules else { return Ok(None) };
    let arch = arch(file)?;
    Ok(match content {
        Content::Nothing => None,
        Content::Merged(merged) => {
            let functions = merged.table.functions();
            merged.specs.map(|specs| explain_specs(file, arch, cpu, rules, "merged", functions, &specs))
        }
        Content::Plain(plain) => plain
            .lists
            .first()
            .map(|list| explain_specs(file, arch, cpu, rules, "plain", plain.functions.len(), &list.specs)),
    })
}

/// What a target enables, as Julia counts it.
struct Enabled {
    names: Vec<&'static str>,
    /// May be more than names are known.
    count: u32,
}

fn explain_image(file: &ElfFile, arch: Arch, cpu: &Cpu, rules: Dialect, image: &Image) -> JuliaExplanation {
    let list = &image.targets;
    let numbering = Numbering::of(list.dialect, arch)
        .filter(|numbering| list.targets.iter().all(|target| numbering.fits(target)));
    let enabled = list.targets.iter().map(|target| Enabled {
        names: numbering.map_or_else(Vec::new, |numbering| numbering.names(target).collect()),
        count: target.feature_count(),
    });
    let enabled: Vec<Enabled> = enabled.collect();
    let names: Vec<String> = list.targets.iter().map(|target| target.name.clone()).collect();
    let mut found = explanation(file, arch, cpu, rules, &names, &enabled, numbering.is_some());
    (found.kind, found.format) = ("julia", Some(list.dialect.name()));
    (found.shards, found.functions, found.data) =
        (image.shards.len(), image.functions as usize, image.data as usize);
    for (target, stored) in found.targets.iter_mut().zip(&list.targets) {
        target.flags = stored.flags;
        target.extra.clone_from(&stored.extra);
        let of_target = image.shards.iter().filter_map(|shard| shard.clones.get(target.index));
        let mut clones = 0;
        for of_shard in of_target {
            clones += match of_shard {
                Clones::All { bodies, .. } => bodies.len(),
                Clones::Some { base, clones } => {
                    target.base = Some(*base);
                    clones.len()
                }
            };
        }
        target.clones = Some(if target.index == 0 { found.functions } else { clones });
    }
    if numbering.is_none() {
        found.notes.push(format!(
            "its features are numbered as in {} with another LLVM or for an architecture that this release does \
             not know: which target runs cannot be said",
            list.dialect.name()
        ));
    }
    found
}

fn explain_specs(
    file: &ElfFile,
    arch: Arch,
    cpu: &Cpu,
    rules: Dialect,
    kind: &'static str,
    functions: usize,
    specs: &Specs,
) -> JuliaExplanation {
    let numbering = Numbering::of(rules, arch);
    let entries = specs.entries().map(|entry| {
        let declared: Vec<&str> = entry.declared.iter().filter_map(|id| arch.feature_name(id)).collect();
        let known = |name: &&'static str| declared.contains(name) && !STRIPPED.contains(name);
        let names: Vec<_> = numbering.map_or_else(Vec::new, |n| n.all().filter(known).collect());
        Enabled { count: names.len() as u32, names }
    });
    let enabled: Vec<Enabled> = entries.collect();
    let names: Vec<String> = (0..specs.len()).map(|target| specs.name(target).to_owned()).collect();
    let mut found = explanation(file, arch, cpu, rules, &names, &enabled, numbering.is_some());
    (found.kind, found.functions) = (kind, functions);
    for (target, entry) in found.targets.iter_mut().zip(specs.entries()) {
        target.flags = entry.flags;
        target.base = (target.index > 0).then_some(entry.base);
    }
    if numbering.is_none() {
        found.notes.push(format!("which features {} knows there is not known to this release", rules.name()));
    }
    found
}

/// What Julia takes out of every target: hosts differ in it without other reason.
const STRIPPED: [&str; 4] = ["rdrnd", "rdseed", "rtm", "xsaveopt"];

fn explanation(
    file: &ElfFile,
    arch: Arch,
    cpu: &Cpu,
    rules: Dialect,
    names: &[String],
    enabled: &[Enabled],
    features_known: bool,
) -> JuliaExplanation {
    let lacks: Vec<Vec<&'static str>> = enabled
        .iter()
        .map(|enabled| {
            let lacking = enabled.names.iter().copied();
            lacking.filter(|name| !host_has(arch, cpu.features, name)).collect()
        })
        .collect();
    let candidates: Vec<Candidate> = names
        .iter()
        .zip(enabled)
        .zip(&lacks)
        .map(|((name, enabled), lacks)| Candidate {
            name,
            is_disabled: !lacks.is_empty(),
            vector_bytes: vector_bytes(rules, arch, &enabled.names),
            features: enabled.count,
        })
        .collect();
    let is_this_host = cpu.name == Cpu::host().name;
    let host_name = if is_this_host { None } else { Some(cpu.name.as_str()) };
    let is_known = features_known && cpu.arch == arch;
    let found = if is_known { choose(rules, &candidates, host_name) } else { Match::none() };
    let mut notes = Vec::new();
    if cpu.arch != arch {
        notes.push(format!(
            "{} is {}, and this code is for {}: --cpu NAME asks about a CPU of that architecture",
            cpu.name,
            cpu.arch.name(),
            arch.name()
        ));
    } else if is_known && is_this_host && rules == Dialect::R {
        notes.push(
            "a target with the exact name of the CPU goes before others, and what Julia calls this host is \
                    not known here: --cpu NAME says it"
                .into(),
        );
    }
    let targets = candidates.iter().enumerate().map(|(index, candidate)| JuliaTarget {
        index,
        name: names[index].clone(),
        flags: 0,
        base: None,
        extra: String::new(),
        enables: enabled[index].names.clone(),
        lacks: if is_known { lacks[index].clone() } else { Vec::new() },
        vector_bytes: candidate.vector_bytes,
        clones: None,
        verdict: found.steps.get(index).map(|step| step.words()),
    });
    JuliaExplanation {
        file: file.path.display().to_string(),
        kind: "none",
        build_id: file.build_id().map(hexadecimal),
        machine: arch.name(),
        cpu: cpu.name.clone(),
        cpu_features: cpu.features.iter().filter_map(|id| cpu.arch.feature_name(id)).collect(),
        rules: rules.name(),
        format: None,
        shards: 0,
        functions: 0,
        data: 0,
        targets: targets.collect(),
        chosen: found.best,
        message: if is_known { found.message(rules, names.iter().map(String::as_str)) } else { None },
        notes,
    }
}

/// What is wrong in an image whose tables could be read: a place and what was found there.
pub fn problems(file: &ElfFile, image: &Image) -> Vec<TableError> {
    // A loader takes shards one by one; that they have the same targets shows when they are merged.
    let mut found: Vec<TableError> = merge(&image.shards).err().into_iter().collect();
    for (number, shard) in image.shards.iter().enumerate() {
        let mut check = |table: TableName, bodies: &mut dyn Iterator<Item = &Pointer>| {
            let outside = |pointer: &&Pointer| match pointer {
                Pointer::Address(address) => !file.is_code(*address),
                Pointer::Symbolic { .. } => false,
            };
            // One says enough of a table.
            if let Some((index, pointer)) = bodies.enumerate().find(|(_, pointer)| outside(pointer)) {
                let table = format!("{}_{number}", table.symbol());
                found.push(TableError::new(
                    table,
                    format!("{pointer:x?} as entry {index}"),
                    "an address of code",
                ));
            }
        };
        check(TableName::FvarPtrs, &mut shard.fvars.iter());
        let clones = shard.clones.iter().flat_map(|clones| -> Box<dyn Iterator<Item = &Pointer>> {
            match clones {
                Clones::All { bodies, .. } => Box::new(bodies.iter()),
                Clones::Some { clones, .. } => Box::new(clones.iter().map(|clone| &clone.body)),
            }
        });
        check(TableName::ClonePtrs, &mut { clones });
        let slots: BTreeSet<u64> = shard.slots.iter().map(|(_, slot)| *slot).collect();
        if let Some(slot) = slots.iter().find(|slot| file.at(**slot, 8).is_none()) {
            let table = format!("{}_{number}", TableName::CloneSlots.symbol());
            found.push(TableError::new(table, format!("a slot at {slot:#x}"), "one inside the image"));
        }
    }
    found
}
