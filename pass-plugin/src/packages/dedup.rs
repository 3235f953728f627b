//! `jl-dedup`: functions that a dependency exports leave the module. Until here they could be inlined; from here on they
//! are neither vectorised nor cloned nor emitted.
//!
//! Calls go through an import slot, which the loader fills with the dependency's body for its own choice of target. An
//! address stays the symbol's, which the dynamic linker finds in the dependency: so it is the same one everywhere.

use super::carrier;
use super::data::Data;
use super::dependencies::{Dependencies, Offer};
use super::plan::{Candidate, Decision, at_once, plan};
use super::{naming, weight};
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
    let Some(dependencies) = dependencies_of(module)? else { return Ok(false) };
    let found = Found::look(module, &dependencies);
    found.leave_out(module, &dependencies, &vec![true; found.functions.len()]);
    if !super::is_package() {
        super::forget(module);
    }
    Ok(true)
}

/// Leaves out, of what the dependencies have, that which is too large to be inlined, so that it is not even simplified.
/// Reports about these functions alone.
///
/// # Errors
/// As [`Dependencies::open`].
pub fn deduplicate_large(module: Module) -> Result<(), String> {
    let Some(dependencies) = dependencies_of(module)? else { return Ok(()) };
    let found = Found::look(module, &dependencies);
    let leaving = at_once(&found.candidates, &found.decisions, &found.large(module));
    found.leave_out(module, &dependencies, &leaving);
    Ok(())
}

/// `None` where there is nothing to leave out.
fn dependencies_of(module: Module) -> Result<Option<Dependencies>, String> {
    let Some(arch) = annotate::image_arch(module).filter(|_| module.has_flag(super::IDENTIFIED)) else {
        return Ok(None);
    };
    Ok(Some(Dependencies::open(arch)?).filter(|dependencies| !dependencies.is_empty()))
}

/// The functions with identities or reasons against them, and what is to become of them.
struct Found {
    functions: Vec<Function>,
    candidates: Vec<Candidate>,
    decisions: Vec<Decision>,
}

impl Found {
    fn look(module: Module, dependencies: &Dependencies) -> Found {
        // What has been inlined everywhere is no longer anybody's.
        module.drop_unreferenced();
        let (functions, candidates) = collect(module, dependencies);
        let decisions = plan(&candidates, &kept_groups(module, &functions));
        Found { functions, candidates, decisions }
    }

    /// Those that nobody will inline.
    fn large(&self, module: Module) -> Vec<bool> {
        let (defined, bodies) = naming::weighed(module);
        let large: HashMap<Value, bool> =
            defined.iter().map(|function| **function).zip(weight::large(&bodies)).collect();
        self.functions.iter().map(|function| large[&**function]).collect()
    }

    /// Leaves out those that are `leaving` if they can, with the report: of all, or of these if some stay for now.
    fn leave_out(&self, module: Module, dependencies: &Dependencies, leaving: &[bool]) {
        let chosen = |place: &usize| leaving[*place];
        report(
            module,
            (0..self.functions.len()).filter(chosen).map(|i| (self.functions[i], self.decisions[i])),
            dependencies,
        );
        let mut left_out = Vec::new();
        for place in (0..self.functions.len()).filter(chosen) {
            let (function, decision) = (self.functions[place], self.decisions[place]);
            if let (Fate::Deduplicated, Some(dependency), Known::Identity(identity)) =
                (decision.fate, decision.dependency, self.candidates[place].known)
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
            Imports { module, dependencies, blobs: HashMap::new() }.add(&left_out);
        }
    }
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

fn report(module: Module, lines: impl Iterator<Item = (Function, Decision)>, dependencies: &Dependencies) {
    let mut data = Data::new(module);
    let mut line = |(function, decision): (Function, Decision)| Line {
        function: function.name().to_string(),
        fate: decision.fate,
        dependency: decision.dependency.map(|d| dependencies.name(d)).unwrap_or_default(),
        data: if decision.fate == Fate::Deduplicated { data.of(function) } else { Vec::new() },
    };
    let text: String = lines.map(|l| line(l).to_string()).collect();
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
