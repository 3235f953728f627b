//! Which target runs on a CPU and why, as data and as text.

use crate::check::{hexadecimal, name_of};
use crate::cpu::Cpu;
use crate::elf::ElfFile;
use crate::image::{Content, List, LoadError, Merged, Plain, arch, content};
use crate::trampoline;
use image_format::choose::{Needs, NoTarget, Verdict, choose, verdict};
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::layout::{DEPENDENCY_FALLBACK, IMAGE_BASE, ImageHeader, SLOT_SUFFIX};
use image_format::package::Package;
use image_format::specs::{SPECS_DECODED, SPECS_FP_FAST, SPECS_RAISED, Specs, target_flags};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a file is and what would run.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    pub file: String,
    /// `merged`, `plain` or `none`.
    pub kind: &'static str,
    pub build_id: Option<String>,
    /// Objects that a plain linker left unmerged.
    pub shards: usize,
    pub cpu: String,
    /// What the CPU has, by LLVM's names; nothing of one for which the file is not.
    pub cpu_features: Vec<&'static str>,
    /// One per target list: one for a merged image.
    pub lists: Vec<Choice>,
    /// Of an image that takes something from others, or lets them take its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<Lending>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionChoice>,
}

/// Functions and data that an image shares with others.
#[derive(Clone, Debug, Serialize)]
pub struct Lending {
    /// It is a base image: it takes nothing from others, and a load verifies its header alone.
    pub base: bool,
    pub exports: usize,
    pub imports: usize,
    /// Bytes of data that others may refer to.
    pub linkage: u32,
    /// Pointers to data of others.
    pub references: usize,
    pub dependencies: Vec<Borrowed>,
}

/// What it takes from one of them.
#[derive(Clone, Debug, Serialize)]
pub struct Borrowed {
    pub name: String,
    /// What it had when it was linked against.
    pub build_id: String,
    pub imports: usize,
    pub references: usize,
    /// The image has copies of its own, and can do without.
    pub fallback: bool,
}

impl Lending {
    /// None for an image that shares nothing.
    pub fn of(package: &Package, header: &ImageHeader) -> Option<Lending> {
        let (exports, imports) = (package.exports.len(), package.imports.len());
        let (linkage, references) = (header.linkage.count, package.references.len());
        let borrowed = package.dependencies.iter().enumerate().map(|(index, dependency)| Borrowed {
            name: String::from_utf8_lossy(dependency.name()).into_owned(),
            build_id: hexadecimal(dependency.build_id()),
            imports: package.imports_from(index).len(),
            references: package.references_to(index).len(),
            fallback: dependency.flags & DEPENDENCY_FALLBACK != 0,
        });
        let dependencies: Vec<Borrowed> = borrowed.collect();
        let base = header.flags & IMAGE_BASE != 0;
        let shares = base || exports + imports + references + dependencies.len() > 0 || linkage > 0;
        shares.then_some(Lending { base, exports, imports, linkage, references, dependencies })
    }
}

/// The choice out of one target list.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    pub machine: &'static str,
    /// Functions (and slots) that this list chooses for.
    pub functions: usize,
    pub rows: usize,
    pub fp_fast: bool,
    pub raised: bool,
    /// The targets require what their code uses; otherwise what they declare.
    pub decoded: bool,
    pub chosen: Option<usize>,
    /// Why nothing was chosen.
    pub refusal: Option<String>,
    pub targets: Vec<Target>,
}

/// A target and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    pub index: usize,
    pub name: String,
    pub tune: String,
    pub flags: Vec<&'static str>,
    pub base: u32,
    pub vector_bits: u32,
    /// What it was compiled for, beyond its base target (everything, for target 0).
    pub declares: Vec<String>,
    /// What it requires beyond its base target (everything, for target 0).
    pub needs: Vec<String>,
    /// What it declares and the CPU lacks, but what it does not require.
    pub does_without: Vec<String>,
    /// What it requires and the CPU lacks.
    pub lacks: Vec<String>,
    /// Functions whose body differs from their baseline body.
    pub own_bodies: usize,
    pub verdict: String,
}

/// Which body runs for a function.
#[derive(Clone, Debug, Serialize)]
pub struct FunctionChoice {
    pub name: String,
    pub slot: u64,
    pub bodies: Vec<Body>,
    /// Index in `bodies`; none when the image is refused.
    pub runs: Option<usize>,
}

/// A function's body for one target.
#[derive(Clone, Debug, Serialize)]
pub struct Body {
    pub target: usize,
    pub address: u64,
    pub symbol: Option<String>,
}

/// Explains the image of `file` on `cpu`; `forced` as JL_LOAD_TARGET. `function`: also which body of the
/// functions of this name runs.
pub fn explain(
    file: &ElfFile,
    cpu: &Cpu,
    forced: Option<usize>,
    function: Option<&str>,
) -> Result<Explanation, LoadError> {
    let of_other_arch = arch(file).ok().filter(|arch| *arch != cpu.arch);
    let mut explanation = Explanation {
        file: file.path.display().to_string(),
        kind: "none",
        build_id: file.build_id().map(hexadecimal),
        shards: 0,
        cpu: match of_other_arch {
            Some(arch) => format!("{} ({}, and the file is for {})", cpu.name, cpu.arch.name(), arch.name()),
            None => cpu.name.clone(),
        },
        cpu_features: match of_other_arch {
            Some(_) => Vec::new(),
            None => cpu.features.iter().filter_map(|id| cpu.arch.feature_name(id)).collect(),
        },
        lists: Vec::new(),
        package: None,
        functions: Vec::new(),
    };
    match content(file)? {
        Content::Nothing => {}
        Content::Merged(merged) => {
            explanation.kind = "merged";
            let arch = arch(file)?;
            explanation.package = Lending::of(&merged.package, merged.table.header());
            let Some(specs) = &merged.specs else { return Ok(explanation) };
            let functions = Functions::of_merged(&merged, specs);
            let choice = choose_among(specs, arch, cpu, forced, &functions.list);
            let choice = Choice { rows: merged.table.rows().count(), ..choice };
            if let Some(name) = function {
                let chosen = [choice.chosen];
                explanation.functions = functions.named(file, arch, name, &chosen);
            }
            explanation.lists.push(choice);
        }
        Content::Plain(plain) => {
            explanation.kind = "plain";
            explanation.shards = plain.shards;
            let arch = arch(file)?;
            for (i, List { specs, .. }) in plain.lists.iter().enumerate() {
                let functions = Functions::of_plain(&plain, Some(i));
                explanation.lists.push(choose_among(specs, arch, cpu, forced, &functions.list));
            }
            if let Some(name) = function {
                let chosen: Vec<_> = explanation.lists.iter().map(|list| list.chosen).collect();
                explanation.functions = Functions::of_plain(&plain, None).named(file, arch, name, &chosen);
            }
        }
    }
    Ok(explanation)
}

/// Functions of both kinds of image alike: list, slot, bodies per target.
struct Functions {
    list: Vec<(usize, u64, Vec<u64>)>,
}

impl Functions {
    fn of_merged(merged: &Merged, specs: &Specs) -> Functions {
        let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
        let rows: Vec<_> = (0..specs.len()).map(|t| merged.table.row_for(t).unwrap_or(0)).collect();
        let body = |row, function| merged.table.body(row, function).map_or(0, at);
        let function = |(i, slot)| (0, at(slot), rows.iter().map(|row| body(*row, i)).collect());
        Functions { list: merged.table.slots().into_iter().flatten().enumerate().map(function).collect() }
    }

    fn of_plain(plain: &Plain, list: Option<usize>) -> Functions {
        let of_list = plain.functions.iter().filter(|f| list.is_none_or(|list| f.list == list));
        Functions { list: of_list.map(|f| (f.list, f.slot, f.bodies.clone())).collect() }
    }

    /// The functions called `name`: by the slot's symbol, or by the slot that the trampoline of that name
    /// jumps through.
    fn named(&self, file: &ElfFile, arch: Arch, name: &str, chosen: &[Option<usize>]) -> Vec<FunctionChoice> {
        let slot_name = format!("{name}{SLOT_SUFFIX}");
        let slots: BTreeSet<u64> = file
            .symbols()
            .iter()
            .filter_map(|s| {
                if s.name == slot_name {
                    Some(s.address)
                } else if s.name == name && s.is_function {
                    trampoline::slot_of(file, arch, s.address)
                } else {
                    None
                }
            })
            .collect();
        let numbered = self.list.iter().enumerate().filter(|(i, (_, slot, _))| {
            slots.contains(slot) || name.strip_prefix('#').is_some_and(|n| n.parse() == Ok(*i))
        });
        numbered
            .map(|(i, (list, slot, bodies))| FunctionChoice {
                name: name_of(file, *slot, i),
                slot: *slot,
                bodies: bodies
                    .iter()
                    .enumerate()
                    .map(|(target, address)| Body {
                        target,
                        address: *address,
                        symbol: file.symbol_at(*address).map(str::to_owned),
                    })
                    .collect(),
                runs: chosen.get(*list).copied().flatten(),
            })
            .collect()
    }
}

fn choose_among(
    specs: &Specs,
    arch: Arch,
    cpu: &Cpu,
    forced: Option<usize>,
    functions: &[(usize, u64, Vec<u64>)],
) -> Choice {
    let needs: Vec<Needs> = (0..specs.len()).filter_map(|target| specs.needs(target)).collect();
    let is_same_arch = cpu.arch == arch;
    let host = cpu.features;
    let chosen = if is_same_arch { Some(choose(needs.iter().copied(), host, forced)) } else { None };
    let names = |set: FeatureSet| arch.feature_names(set);
    let targets = specs.entries().enumerate().map(|(index, entry)| {
        let base = specs.entry(entry.base as usize).filter(|_| index > 0);
        let beyond = |set: FeatureSet, base: Option<FeatureSet>| {
            names(set.difference(base.unwrap_or(FeatureSet::EMPTY)))
        };
        let text =
            |offset| specs.string(offset).map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let lacks = if is_same_arch { names(entry.required.difference(host)) } else { Vec::new() };
        let verdict = match chosen {
            Some(Ok(winner)) => verdict(needs.iter().copied(), host, forced.is_some(), winner, index),
            Some(Err(_)) | None => Verdict::Lacks(entry.required.difference(host)),
        };
        Target {
            index,
            name: text(entry.name),
            tune: text(entry.tune),
            flags: flag_names(entry.flags),
            base: entry.base,
            vector_bits: entry.vector_bits,
            declares: beyond(entry.declared, base.map(|b| b.declared)),
            needs: beyond(entry.required, base.map(|b| b.required)),
            does_without: names(entry.declared.difference(entry.required).difference(host)),
            verdict: verdict_text(verdict, &lacks),
            lacks,
            own_bodies: functions
                .iter()
                .filter(|(_, _, bodies)| index > 0 && bodies.get(index) != bodies.first())
                .count(),
        }
    });
    Choice {
        machine: arch.name(),
        functions: functions.len(),
        rows: 0,
        fp_fast: specs.head().flags & SPECS_FP_FAST != 0,
        raised: specs.head().flags & SPECS_RAISED != 0,
        decoded: specs.head().flags & SPECS_DECODED != 0,
        targets: targets.collect(),
        chosen: chosen.and_then(Result::ok),
        refusal: match chosen {
            Some(Ok(_)) => None,
            Some(Err(reason)) => Some(refusal_text(reason, cpu, names)),
            None => Some(format!(
                "{} is {}, and this code is for {}: --cpu NAME asks about a CPU of that architecture",
                cpu.name,
                cpu.arch.name(),
                arch.name()
            )),
        },
    }
}

fn refusal_text(reason: NoTarget, cpu: &Cpu, names: impl Fn(FeatureSet) -> Vec<String>) -> String {
    match reason {
        NoTarget::Incompatible { baseline_lacks } => {
            format!("{} lacks {}, which the baseline needs", cpu.name, names(baseline_lacks).join(", "))
        }
        NoTarget::ForcedUnknown { forced, targets } => {
            format!("target {forced} was asked for, but there are targets 0 to {} only", targets - 1)
        }
        NoTarget::ForcedIncompatible { forced, lacks } => {
            format!("{} lacks {}, which target {forced} needs", cpu.name, names(lacks).join(", "))
        }
    }
}

fn verdict_text(verdict: Verdict, lacks: &[String]) -> String {
    match verdict {
        Verdict::Chosen => "chosen".into(),
        Verdict::Lacks(_) if lacks.is_empty() => "not chosen: the image is refused".into(),
        Verdict::Lacks(_) => format!("rejected: lacks {}", lacks.join(", ")),
        Verdict::SmallerVectors { winner } => {
            format!("could run, but target {winner} has larger vector registers")
        }
        Verdict::FewerFeatures { winner } => format!("could run, but target {winner} uses more features"),
        Verdict::Earlier { winner } => format!("could run, but target {winner} is as good and later"),
        Verdict::Forced { winner } => format!("could run, but target {winner} was asked for"),
    }
}

fn flag_names(flags: u32) -> Vec<&'static str> {
    const NAMES: [(u32, &str); 11] = [
        (target_flags::VEC_CALL, "vec_call"),
        (target_flags::CLONE_ALL, "clone_all"),
        (target_flags::CLONE_MATH, "clone_math"),
        (target_flags::CLONE_LOOP, "clone_loop"),
        (target_flags::CLONE_SIMD, "clone_simd"),
        (target_flags::UNKNOWN_NAME, "unknown_name"),
        (target_flags::OPT_SIZE, "opt_size"),
        (target_flags::MIN_SIZE, "min_size"),
        (target_flags::CLONE_CPU, "clone_cpu"),
        (target_flags::CLONE_FLOAT16, "clone_float16"),
        (target_flags::CLONE_BFLOAT16, "clone_bfloat16"),
    ];
    NAMES.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}
