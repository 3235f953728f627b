//! `jl-dedup`: functions that a dependency exports leave the module. Until here they could be inlined; from here on they
//! are neither vectorised nor cloned nor emitted.
//!
//! Calls go through an import slot, which the loader fills with the dependency's body for its own choice of target. An
//! address stays the symbol's, which the dynamic linker finds in the dependency: so it is the same one everywhere.

use super::carrier;
use super::dependencies::{Dependencies, Offer};
use super::plan::{Candidate, Decision, plan};
use crate::annotate;
use crate::llvm::{Function, Linkage, Module, OtherUses, SymbolFacts, Value};
use crate::packages::carrier::Known;
use crate::tables;
use image_format::layout::*;
use image_format::package_report::{Fate, Line};
use image_format::pod::bytes_of;
use std::collections::{HashMap, HashSet};
use std::mem::offset_of;
use xxhash_rust::xxh64::xxh64;

/// Leaves out what the dependencies have, and reports about every function of which they may have a copy.
///
/// # Errors
/// As [`Dependencies::open`].
pub fn deduplicate(module: Module) -> Result<bool, String> {
    let Some(arch) = annotate::image_arch(module).filter(|_| module.has_flag(super::IDENTIFIED)) else {
        return Ok(false);
    };
    let dependencies = Dependencies::open(arch)?;
    if dependencies.is_empty() {
        return Ok(false);
    }
    // What has been inlined everywhere is no longer anybody's.
    module.drop_unreferenced();
    let (functions, candidates) = collect(module, &dependencies);
    let decisions = plan(&candidates, &kept_groups(module, &functions));
    report(module, &functions, &decisions, &dependencies);
    let mut left_out = Vec::new();
    for ((function, candidate), decision) in functions.iter().zip(&candidates).zip(&decisions) {
        if let (Fate::Deduplicated, Some(dependency), Known::Identity(identity)) =
            (decision.fate, decision.dependency, candidate.known)
        {
            let name = function.name().to_string();
            left_out.push(LeftOut { name, identity: identity.0, dependency });
            function.remove_string_attribute(carrier::ATTRIBUTE);
            function.drop_body();
        }
    }
    if !left_out.is_empty() {
        // What only they used needs no slots any more.
        module.drop_unreferenced();
        Imports { module, dependencies: &dependencies, blobs: HashMap::new() }.add(&left_out);
    }
    if !super::is_package() {
        super::forget(module);
    }
    Ok(true)
}

/// A function without a body now.
struct LeftOut {
    name: String,
    identity: [u8; IDENTITY_SIZE],
    dependency: usize,
}

fn collect(module: Module, dependencies: &Dependencies) -> (Vec<Function>, Vec<Candidate>) {
    let carriers = module.functions().filter(|f| !f.is_declaration());
    let candidate = |function: Function| {
        let known = carrier::read(function)?;
        let offer = match known {
            Known::Identity(identity) => dependencies.offer(function.name(), &identity),
            Known::Unshareable(_) => Offer::Nothing,
        };
        let (_, others) = function.calls();
        let candidate = Candidate {
            known,
            offer,
            inline: function.linkage() == Linkage::LLVMLinkOnceODRLinkage,
            always_inline: function.has_attribute("alwaysinline"),
            pinned: others.has(OtherUses::PINNED),
            address: others.has(OtherUses::ADDRESS),
            hidden: function.symbol_facts().has(SymbolFacts::HIDDEN),
            group: function.comdat_identity(),
        };
        Some((function, candidate))
    };
    carriers.filter_map(candidate).unzip()
}

/// The COMDAT groups with more than candidates in them.
fn kept_groups(module: Module, functions: &[Function]) -> HashSet<usize> {
    let candidates: HashSet<Value> = functions.iter().map(|f| **f).collect();
    let others = module.symbols().into_iter().filter(|s| !s.is_declaration() && !candidates.contains(s));
    others.filter_map(Value::comdat_identity).collect()
}

fn report(module: Module, functions: &[Function], decisions: &[Decision], dependencies: &Dependencies) {
    let line = |(function, decision): (&Function, &Decision)| Line {
        function: function.name().to_string(),
        fate: decision.fate,
        dependency: decision.dependency.map(|d| dependencies.name(d)).unwrap_or_default(),
    };
    let text: String = functions.iter().zip(decisions).map(line).map(|l| l.to_string()).collect();
    tables::emit_excluded(module, "jl_package_report", PACKAGE_REPORT_SECTION, &text);
}

/// Import slots, records and dependencies, while they are made.
struct Imports<'a> {
    module: Module,
    dependencies: &'a Dependencies,
    blobs: HashMap<usize, Value>,
}

impl Imports<'_> {
    fn add(&mut self, left_out: &[LeftOut]) {
        for gone in left_out {
            let Some(function) = self.module.function_named(&gone.name) else { continue };
            let (calls, others) = function.calls();
            if !calls.is_empty() {
                let slot = self.slot(&gone.name);
                self.record(gone, slot);
                for call in calls {
                    call.call_through(slot);
                }
            }
            if others == OtherUses::default() {
                function.erase();
            }
        }
    }

    fn slot(&self, function: &str) -> Value {
        let module = self.module;
        let unresolved = module.named_global(UNRESOLVED_SYMBOL).unwrap_or_else(|| {
            let symbol = module.add_global(UNRESOLVED_SYMBOL, module.int(8, 0).ty());
            symbol.set_hidden();
            symbol.set_dso_local();
            symbol
        });
        let slot = module.add_global(&format!("{function}{IMPORT_SLOT_SUFFIX}"), module.pointer_type());
        slot.set_initializer(unresolved);
        slot.set_linkage(Linkage::LLVMInternalLinkage);
        // The loader writes it: without this, LLVM would take the initial value for the only one.
        slot.set_externally_initialized();
        slot.set_section(&format!("{IMPORT_SLOT_SECTION}.{function}"));
        slot.set_alignment(8);
        slot.no_sanitize();
        slot
    }

    fn record(&mut self, function: &LeftOut, slot: Value) {
        let module = self.module;
        let blob = self.blob(function.dependency);
        let identity = module.bytes(&function.identity);
        let int = |v: u32| module.int(32, u64::from(v));
        let fields = |slot: Value, blob: Value| [identity, slot, blob, int(0), int(0)];
        let record = module.add_global("", module.packed_struct(&fields(int(0), int(0))).ty());
        let slot_field = module.distance(slot, record, offset_of!(ImportRecord, slot) as u64);
        let blob_field = module.distance(blob, record, offset_of!(ImportRecord, dependency) as u64);
        record.set_initializer(module.packed_struct(&fields(slot_field, blob_field)));
        tables::place(record, IMPORT_SECTION, 4);
        record.set_name(&format!("{}.jl_import", function.name));
        record.set_linkage(Linkage::LLVMPrivateLinkage);
        record.set_global_metadata(module, "associated", Some(slot));
        module.append_to_compiler_used(record);
    }

    fn blob(&mut self, dependency: usize) -> Value {
        let (module, dependencies) = (self.module, self.dependencies);
        *self.blobs.entry(dependency).or_insert_with(|| {
            let record = dependencies.record(dependency);
            let bytes = bytes_of(&record);
            let name = format!("{DEPENDENCY_SYMBOL_PREFIX}{:016x}", xxh64(bytes, 0));
            tables::shared_data(module, &name, bytes, DEPENDENCY_SECTION, 8)
        })
    }
}
