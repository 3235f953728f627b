//! What the archive says about itself: one member more, an object of one section that no linker keeps, so that
//! `--whole-archive` may meet it. `llvm-objcopy --dump-section .jl_metadata=/dev/stdout metadata.o /dev/null`
//! prints it.

use super::shards::Emitted;
use crate::llvm::Module;
use crate::partition::Assignment;
use crate::partition::facts;
use crate::partition::plan::ShardId;
use image_format::cpu::Arch;
use object::write::Object;
use object::{Architecture, BinaryFormat, Endianness, SectionFlags, SectionKind, elf};
use serde::Serialize;

pub const MEMBER: &str = "metadata.o";
const SECTION: &[u8] = b".jl_metadata";

/// Names in JSON are for readers of other programs: they are only ever added to.
#[derive(Serialize)]
pub struct Metadata {
    format: u32,
    source: String,
    level: &'static str,
    targets: Vec<Target>,
    shards: Vec<ShardFacts>,
    /// Definitions that each shard has which refers to them.
    copied: usize,
    members: Vec<MemberFacts>,
}

#[derive(Serialize)]
struct Target {
    name: String,
    features: String,
    base: u32,
    flags: u32,
}

#[derive(Serialize)]
struct ShardFacts {
    weight: u64,
    functions: usize,
    data: usize,
}

#[derive(Serialize)]
struct MemberFacts {
    name: String,
    shard: u32,
    /// A target's index or `tables`; none for a whole shard.
    part: Option<String>,
    /// Left out where somebody else makes the member.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<usize>,
}

impl Metadata {
    /// `module` is annotated, partitioned and still whole.
    pub fn new(module: Module, assignment: &Assignment, level: &'static str) -> Metadata {
        let targets = module.target_specs().unwrap_or_default().into_iter();
        let targets = targets.map(|(name, features, base, flags)| Target { name, features, base, flags });
        let mut shards: Vec<ShardFacts> = assignment
            .weights
            .iter()
            .map(|weight| ShardFacts { weight: *weight, functions: 0, data: 0 })
            .collect();
        let symbols = module.symbols();
        for (symbol, shard) in symbols.iter().zip(&assignment.shards) {
            let Some(shard) = shard.and_then(|s| shards.get_mut(s.0 as usize)) else { continue };
            let count = if symbol.as_function().is_some() { &mut shard.functions } else { &mut shard.data };
            *count += usize::from(facts::is_definition(symbol));
        }
        Metadata {
            format: 1,
            source: module.source_name(),
            level,
            targets: targets.collect(),
            shards,
            copied: assignment.copied.iter().filter(|c| **c).count(),
            members: Vec::new(),
        }
    }

    pub fn add(&mut self, name: &str, emitted: &Emitted) {
        let part = emitted.part.map(|part| part.to_string());
        let (shard, bytes) = (emitted.shard.0, Some(emitted.bytes.len()));
        self.members.push(MemberFacts { name: name.to_string(), shard, part, bytes });
    }

    /// A member that a job makes of a whole shard.
    pub fn add_job(&mut self, name: &str, shard: ShardId) {
        self.members.push(MemberFacts { name: name.to_string(), shard: shard.0, part: None, bytes: None });
    }

    /// The member's bytes.
    ///
    /// # Errors
    /// A sentence; there is no module for which one is known.
    pub fn object(&self, arch: Arch) -> Result<Vec<u8>, String> {
        let architecture = match arch {
            Arch::X86_64 => Architecture::X86_64,
            Arch::Aarch64 => Architecture::Aarch64,
        };
        let text = serde_json::to_vec_pretty(self).map_err(|error| error.to_string())?;
        let mut object = Object::new(BinaryFormat::Elf, architecture, Endianness::Little);
        let section = object.add_section(Vec::new(), SECTION.to_vec(), SectionKind::Other);
        object.section_mut(section).flags =
            SectionFlags::Elf { sh_type: elf::SHT_PROGBITS, sh_flags: elf::SHF_EXCLUDE };
        object.append_section_data(section, &text, 1);
        // Without it, linkers take the object for one that wants an executable stack.
        object.add_section(Vec::new(), b".note.GNU-stack".to_vec(), SectionKind::Other);
        object.write().map_err(|error| error.to_string())
    }
}
