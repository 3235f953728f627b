//! From the records of exports, imports and references in the linked output to the lists of a package image.

use super::dependencies::{Dependencies, hex};
use super::references::{References, blob};
use crate::arch;
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::merge::Function;
use crate::packages::bindings::Bindings;
use crate::packages::copies::Copies;
use crate::packages::needs::Needs;
use crate::packages::sizes::Exports;
use crate::packages::stand_ins;
use image_format::identity::of_global_name;
use image_format::layout::{
    DEPENDENCY_FALLBACK, DEPENDENCY_SECTION, Dependency, EXPORT_SECTION, Export, IDENTITY_SIZE,
    IMPORT_SECTION, IMPORT_SLOT_SUFFIX, SLOT_SUFFIX,
};
use image_format::package::PackageError;
use image_format::package_records::{export_records, import_records};
use image_format::pod::read_at;
use object::elf;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

type Identity = [u8; IDENTITY_SIZE];

/// What the output tells other images and takes from them.
#[derive(Default)]
pub struct Lists {
    /// Address of the function by identity.
    pub(super) exports: BTreeMap<Identity, u64>,
    /// By slot.
    pub(super) imports: BTreeMap<u64, Taken>,
    pub(super) references: References,
    pub(super) dependencies: Vec<Dependency>,
    pub counts: PackageCounts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    pub identity: Identity,
    pub dependency: u32,
    pub export: u32,
    /// That export.
    pub lent: Export,
}

/// For the report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PackageCounts {
    /// Functions that other images may use.
    pub exports: usize,
    /// Functions that are not offered, because records of different identities lead to them.
    pub exports_in_doubt: usize,
    /// Functions that are not offered, because they use data that this image keeps to itself where others leave it to the
    /// dynamic linker (-Bsymbolic, a version script), in Rust code too: by name, with the other's name.
    pub exports_with_own_data: BTreeMap<String, String>,
    /// Bytes of data that other images may refer to.
    pub linkage: u64,
    pub dependencies: Vec<DependencyCounts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DependencyCounts {
    pub name: String,
    pub build_id: String,
    /// Import slots that it fills.
    pub imports: usize,
    /// Bytes of code that these have there; none where its symbols do not tell.
    pub bytes: Option<u64>,
    /// Names of the functions that were left out for its own; with `fallback` of those that it replaces.
    pub functions: BTreeSet<String>,
    /// Pointers to its data.
    pub references: usize,
    /// Names of the data, as far as it was asked for by name.
    pub data: BTreeSet<String>,
    /// The image has copies of them, and runs these where the dependency cannot be used.
    pub fallback: bool,
}

impl Lists {
    /// # Errors
    /// Records that lead outside of what they may lead to, a dependency that is not there or is another one, or an import
    /// that it does not have.
    pub fn collect(elf: &Elf, dependencies: &Dependencies) -> Result<Lists> {
        let mut lists = Lists::default();
        lists.collect_exports(elf)?;
        lists.collect_imports(elf, dependencies)?;
        lists.collect_references(elf, dependencies)?;
        lists.counts.linkage = blob(elf)?.map_or(0, |section| section.size);
        Ok(lists)
    }

    pub fn is_empty(&self) -> bool {
        self.exports.is_empty()
            && self.imports.is_empty()
            && self.references.by_cell.is_empty()
            && self.counts.linkage == 0
    }

    fn collect_exports(&mut self, elf: &Elf) -> Result<()> {
        let Some(section) = elf.section(EXPORT_SECTION) else { return Ok(()) };
        let mut identities: BTreeMap<u64, BTreeSet<Identity>> = BTreeMap::new();
        for record in export_records(elf.data(section), section.address).map_err(|e| damaged(elf, e))? {
            if !elf.sections.iter().any(|s| s.is_executable() && s.contains(record.function)) {
                let found = format!("address {:#x}", record.function);
                let what = format!("function of identity {}", hex(&record.identity));
                return Err(elf.wrong(&what, found, "one in executable code"));
            }
            identities.entry(record.function).or_default().insert(record.identity);
        }
        for (function, found) in identities {
            // The record of one definition leads to another one. Folding does not do this: of folded functions lld keeps one
            // record, as it keeps one section.
            if found.len() > 1 {
                self.counts.exports_in_doubt += found.len();
                continue;
            }
            for identity in found {
                self.exports.entry(identity).or_insert(function);
            }
        }
        self.counts.exports = self.exports.len();
        Ok(())
    }

    fn collect_imports(&mut self, elf: &Elf, dependencies: &Dependencies) -> Result<()> {
        let Some(section) = elf.section(IMPORT_SECTION) else { return Ok(()) };
        let names = slot_names(elf);
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let records = import_records(elf.data(section), section.address).map_err(|e| damaged(elf, e))?;
        for record in records.filter(|record| record.identity != stand_ins::ROOM) {
            let number = match numbers.get(&record.dependency) {
                Some(number) => *number,
                None => self.dependency(elf, record.dependency)?,
            };
            numbers.insert(record.dependency, number);
            let image = dependencies.find(&self.dependencies[number as usize], &elf.path)?;
            let name = names.get(&record.slot).copied().unwrap_or("");
            let missing = || Error::Image {
                file: elf.path.clone(),
                what: format!("function {name} of {}", image.path.display()),
                found: "none of its identity".into(),
                expected: hex(&record.identity),
                advice: "compile the objects that import it again",
            };
            let (export, lent) = image.find(&record.identity).ok_or_else(missing)?;
            let taken = Taken { identity: record.identity, dependency: number, export, lent };
            if self.imports.insert(record.slot, taken).is_some_and(|other| other != taken) {
                let advice =
                    "leave folding to jl-link: without --icf options, and without tools that rewrite objects";
                return Err(Error::Image {
                    file: elf.path.clone(),
                    what: format!("import slot at {:#x} ({name})", record.slot),
                    found: "two imports".into(),
                    expected: "a slot for each".into(),
                    advice,
                });
            }
            let counts = &mut self.counts.dependencies[number as usize];
            if !name.is_empty() {
                counts.functions.insert(name.into());
            }
        }
        Ok(())
    }

    fn collect_references(&mut self, elf: &Elf, dependencies: &Dependencies) -> Result<()> {
        let mut references = References::default();
        references.collect_records(elf, dependencies, |address| {
            let number = self.dependency(elf, address)?;
            Ok((number, self.dependencies[number as usize]))
        })?;
        references.collect_names(elf, dependencies, |record| self.number(elf, *record))?;
        self.references = references;
        Ok(())
    }

    fn count(&mut self, elf: &Elf, dependencies: &Dependencies) -> Result<()> {
        for (number, counts) in self.counts.dependencies.iter_mut().enumerate() {
            let exports = Exports::new(dependencies.find(&self.dependencies[number], &elf.path)?);
            let taken = self.imports.values().filter(|taken| taken.dependency as usize == number);
            counts.imports = taken.clone().count();
            // More than one slot may be filled with a function.
            let taken: BTreeSet<u32> = taken.map(|taken| taken.export).collect();
            counts.bytes = taken.into_iter().map(|export| exports.bytes(export)).sum();
            let referred = self.references.by_cell.values().filter(|r| r.dependency as usize == number);
            counts.references = referred.clone().count();
            counts.data = referred.filter_map(|r| elf.string_at(r.name?)).collect();
        }
        Ok(())
    }

    /// The number of the dependency whose record is at `address`. Records that no import leads to are left behind: the
    /// image would ask for files that it does not need.
    fn dependency(&mut self, elf: &Elf, address: u64) -> Result<u32> {
        let size = size_of::<Dependency>() as u64;
        let section = elf.section(DEPENDENCY_SECTION);
        let at = section.filter(|s| s.contains(address)).map(|s| (s, address - s.address));
        // Records stand without gaps: their size is a multiple of their alignment.
        let record =
            at.filter(|(_, at)| at % size == 0).and_then(|(s, at)| read_at(elf.data(s), at as usize));
        let Some(record): Option<Dependency> = record else {
            return Err(elf.wrong(
                "dependency of an import",
                format!("address {address:#x}"),
                "a record of one",
            ));
        };
        self.number(elf, record)
    }

    /// The number of a dependency, which is a new one where it was not met before.
    fn number(&mut self, elf: &Elf, record: Dependency) -> Result<u32> {
        if let Some(number) = self.dependencies.iter().position(|d| *d == record) {
            return Ok(number as u32);
        }
        let name = String::from_utf8_lossy(record.name()).into_owned();
        if let Some(other) = self.dependencies.iter().find(|d| d.name() == record.name()) {
            return Err(Error::Image {
                file: elf.path.clone(),
                what: format!("dependency {name}"),
                found: format!("build ids {} and {}", hex(other.build_id()), hex(record.build_id())),
                expected: "one".into(),
                advice: "compile all objects with the same build of it",
            });
        }
        Ok(self.add_dependency(record))
    }

    fn add_dependency(&mut self, record: Dependency) -> u32 {
        self.counts.dependencies.push(DependencyCounts {
            name: String::from_utf8_lossy(record.name()).into_owned(),
            build_id: hex(record.build_id()),
            imports: 0,
            bytes: Some(0),
            functions: BTreeSet::new(),
            references: 0,
            data: BTreeSet::new(),
            fallback: record.flags & DEPENDENCY_FALLBACK != 0,
        });
        self.dependencies.push(record);
        self.dependencies.len() as u32 - 1
    }

    /// Functions that use data of which the dynamic linker does not make one with that of other images are offered to nobody. Nor
    /// are such that had a name of their object's only (`copies` tells what those need) and need what the image keeps to itself: where
    /// Rust's standard library is part of the image, there is another one in each, with an allocator and panics of its own.
    pub fn drop_own_data(&mut self, elf: &Elf, functions: &[Function], copies: &[Copies]) {
        if self.exports.is_empty() {
            return;
        }
        let bindings = Bindings::new(elf);
        let (own_data, needs) = (bindings.own_data(), Needs::new(copies));
        let own_needs = needs.who_needs(&bindings.own_among(&needs.others)).into_iter();
        let own_needs: HashMap<Identity, String> =
            own_needs.filter_map(|(function, needed)| Some((of_global_name(&function)?.0, needed))).collect();
        let by_slot: HashMap<u64, &Function> = functions.iter().map(|f| (f.slot, f)).collect();
        let names: HashMap<u64, &str> = elf
            .symbols
            .iter()
            .filter(|s| s.is_defined() && s.kind == elf::STT_FUNC)
            .map(|s| (s.value, elf.symbol_name(s)))
            .collect();
        let counts = &mut self.counts;
        self.exports.retain(|identity, address| {
            let cloned = arch::trampoline(elf.arch, elf, *address).and_then(|slot| by_slot.get(&slot));
            let starts = cloned.map_or_else(|| vec![*address], |function| function.bodies.clone());
            let name = names.get(address).map_or_else(|| hex(identity), |name| name.to_string());
            let own = starts.iter().find_map(|start| own_data.get(start)).or(own_needs.get(identity));
            let Some(data) = own else { return true };
            counts.exports_with_own_data.insert(name, data.clone());
            false
        });
        counts.exports = self.exports.len();
    }

    /// The slots of functions that dependencies have, too, become import slots, where these are known to be such that the
    /// image can do without them. What is not cloned has no slot, and stays the image's own.
    ///
    /// # Errors
    /// As [`Lists::collect`].
    pub fn keep_copies(
        &mut self,
        elf: &Elf,
        functions: &mut [Function],
        dependencies: &Dependencies,
    ) -> Result<()> {
        let by_slot: HashMap<u64, usize> = functions.iter().enumerate().map(|(i, f)| (f.slot, i)).collect();
        let mut numbers: HashMap<usize, u32> = HashMap::new();
        for (identity, address) in &self.exports.clone() {
            let slot = arch::trampoline(elf.arch, elf, *address);
            let Some((slot, function)) = slot.and_then(|slot| Some((slot, *by_slot.get(&slot)?))) else {
                continue;
            };
            let Some((lender, record, (export, lent))) = dependencies.with_copies(identity) else { continue };
            let dependency = *numbers.entry(lender).or_insert_with(|| self.add_dependency(record));
            self.imports.insert(slot, Taken { identity: *identity, dependency, export, lent });
            functions[function].lent = true;
            self.counts.dependencies[dependency as usize].functions.insert(functions[function].name.clone());
        }
        self.count(elf, dependencies)
    }
}

/// Functions' names by address of the import slot, or of their own slot.
pub fn slot_names(elf: &Elf) -> HashMap<u64, &str> {
    let function = |slot: &'_ str| {
        slot.strip_suffix(IMPORT_SLOT_SUFFIX).or(slot.strip_suffix(SLOT_SUFFIX)).map(str::len)
    };
    let defined = elf.symbols.iter().filter(|s| s.is_defined());
    let named = defined.map(|s| (s.value, elf.symbol_name(s)));
    named.filter_map(|(slot, name)| Some((slot, name.get(..function(name)?)?))).collect()
}

fn damaged(elf: &Elf, error: PackageError) -> Error {
    elf.wrong("records of exports or imports", error.to_string(), "whole records")
}
