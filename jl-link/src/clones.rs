//! Where the clones' code lies in the linked output, and who refers to it: the facts that the decision in
//! [`crate::calls`] is made from.

use crate::arch::{self, Branch, Form, Referent};
use crate::calls::{Facts, FunctionId, Origin, UnitId};
use crate::elf::{Elf, Relocation, Section, Symbol};
use crate::merge::{Function, Merged};
use image_format::cpu::Arch;
use image_format::feature::FeatureId;
use image_format::layout::{EXPORT_SECTION, IMPORT_SECTION, RECORD_SECTION};
use object::elf;
use std::collections::{HashMap, HashSet};

/// A call or jump to a cloned function.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub branch: Branch,
    pub origin: Origin,
    pub callee: FunctionId,
    /// It goes by way of the PLT or GOT, because another library may replace the callee.
    pub preemptible: bool,
}

/// What the kept relocations say: the calls to cloned functions, and the facts to decide them by.
pub struct Survey {
    pub map: CodeMap,
    pub facts: Facts,
    pub sites: Vec<Site>,
}

/// Code addresses of units.
#[derive(Clone, Debug, Default)]
pub struct CodeMap {
    /// Start addresses, by unit.
    pub starts: Vec<u64>,
    ids: HashMap<u64, UnitId>,
    /// (start, end, unit), sorted, for code whose size is known.
    extents: Vec<(u64, u64, UnitId)>,
}

impl CodeMap {
    /// The unit that starts at `address`.
    pub fn unit(&self, address: u64) -> Option<UnitId> {
        self.ids.get(&address).copied()
    }

    /// The unit whose code `address` lies in.
    pub fn containing(&self, address: u64) -> Option<UnitId> {
        if let Some(unit) = self.unit(address) {
            return Some(unit);
        }
        let after = self.extents.partition_point(|(start, ..)| *start <= address);
        let (_, end, unit) = self.extents.get(after.checked_sub(1)?)?;
        (address < *end).then_some(*unit)
    }

    /// Size in bytes of each unit's code, parts elsewhere included; 0 when no symbol tells.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes = vec![0; self.starts.len()];
        for (start, end, unit) in &self.extents {
            sizes[unit.0 as usize] += end - start;
        }
        sizes
    }

    /// Address ranges of each unit, parts elsewhere included; none when no symbol tells.
    pub fn ranges(&self) -> Vec<Vec<(u64, u64)>> {
        let mut ranges = vec![Vec::new(); self.starts.len()];
        for (start, end, unit) in &self.extents {
            ranges[unit.0 as usize].push((*start, *end));
        }
        ranges
    }

    fn origin(&self, address: u64) -> Origin {
        self.containing(address).map_or(Origin::Everywhere, Origin::Unit)
    }

    fn add(&mut self, address: u64) -> UnitId {
        let next = UnitId(self.starts.len() as u32);
        let unit = *self.ids.entry(address).or_insert(next);
        if unit == next {
            self.starts.push(address);
        }
        unit
    }

    fn new(elf: &Elf, functions: &[Function]) -> CodeMap {
        let mut map = CodeMap::default();
        for body in functions.iter().flat_map(|f| &f.bodies) {
            map.add(*body);
        }
        let rows = functions.first().map_or(0, |f| f.bodies.len());
        for address in clones_without_record(elf, rows) {
            map.add(address);
        }
        let mut ends: HashMap<u64, u64> = HashMap::new();
        for symbol in functions_of(elf).filter(|s| s.size > 0) {
            if map.ids.contains_key(&symbol.value) {
                let end = ends.entry(symbol.value).or_default();
                *end = (*end).max(symbol.value.saturating_add(symbol.size));
            }
        }
        map.extents = ends.iter().map(|(start, end)| (*start, *end, map.ids[start])).collect();
        map.add_split_parts(elf);
        map.extents.sort();
        map
    }

    /// The name of the function that a symbol names a split part of.
    pub fn whole_of_part(name: &str) -> Option<&str> {
        name.strip_suffix(".cold").or_else(|| Some(name.rsplit_once(".__part.")?.0))
    }

    /// Cold parts that code generation moved to another section (`f.1.cold`, `f.1.__part.2`) belong to
    /// their function. A name that several files have is left out: its part then counts as ordinary code,
    /// which only keeps calls on slots.
    fn add_split_parts(&mut self, elf: &Elf) {
        let mut owners: HashMap<&str, Option<UnitId>> = HashMap::new();
        for symbol in functions_of(elf) {
            if let Some(unit) = self.unit(symbol.value) {
                let owner = owners.entry(elf.symbol_name(symbol)).or_insert(Some(unit));
                if *owner != Some(unit) {
                    *owner = None;
                }
            }
        }
        let mut parts = Vec::new();
        for symbol in functions_of(elf).filter(|s| s.binding == elf::STB_LOCAL) {
            let whole = CodeMap::whole_of_part(elf.symbol_name(symbol));
            if let Some(Some(unit)) = whole.and_then(|w| owners.get(w))
                && self.unit(symbol.value).is_none()
            {
                parts.push((symbol.value, symbol.value.saturating_add(symbol.size), *unit));
            }
        }
        self.extents.extend(parts);
    }
}

pub fn functions_of(elf: &Elf) -> impl Iterator<Item = &Symbol> {
    elf.symbols.iter().filter(|s| s.is_defined() && s.kind == elf::STT_FUNC)
}

/// What GCC puts before the number of a function that it made out of another.
const GCC_SUFFIXES: &[&str] = &[".part", ".constprop", ".isra", ".lto_priv", ".localalias", ".cold"];

/// Whether a name is what clang makes of `target_clones`, before its number: `f.avx2.0`, `f.arch_haswell.1`.
fn is_multiversion(arch: Arch, base: &str) -> bool {
    let mut features = (0..=u8::MAX).map_while(|id| arch.feature_name(FeatureId(id)));
    let is_suffix = |word: &str| base.strip_suffix(word).is_some_and(|rest| rest.ends_with('.'));
    features.any(is_suffix) || base.rsplit_once('.').is_some_and(|(_, word)| word.starts_with("arch_"))
}

/// Clones whose every use was bound at compile time have no slot and no record; they are told by their names.
///
/// LLVM makes names like `f.1` for other functions, too (`__cxx_global_var_init.1`), and those may be
/// reached by branches inside one section, which leave no relocation. But never `f.0`: only where a file has
/// that as well it is a clone, which has a section of its own. GCC does count from 0, after words of its
/// own (static C libraries are full of them).
fn clones_without_record(elf: &Elf, targets: usize) -> Vec<u64> {
    let mut file = 0u32;
    let mut candidates = Vec::new();
    let mut baselines = HashSet::new();
    for symbol in &elf.symbols {
        file += u32::from(symbol.kind == elf::STT_FILE);
        if symbol.kind != elf::STT_FUNC || symbol.binding != elf::STB_LOCAL || !symbol.is_defined() {
            continue;
        }
        let Some((base, number)) = elf.symbol_name(symbol).rsplit_once('.') else { continue };
        if GCC_SUFFIXES.iter().any(|suffix| base.ends_with(suffix)) || is_multiversion(elf.arch, base) {
            continue;
        }
        if number == "0" {
            baselines.insert((file, base));
        }
        if number.parse::<usize>().is_ok_and(|n| n < targets && (n == 0 || !number.starts_with('0'))) {
            candidates.push((file, base, symbol.value));
        }
    }
    let real = candidates.iter().filter(|(file, base, _)| baselines.contains(&(*file, base)));
    real.map(|(.., address)| *address).collect()
}

/// Goes through all kept relocations once.
pub fn survey(merged: &Merged, all_tunable: bool) -> Survey {
    let (elf, functions) = (&merged.elf, &merged.functions);
    let map = CodeMap::new(elf, functions);
    let unit_of = |body: &u64| map.unit(*body).unwrap_or(UnitId(0));
    let facts = Facts {
        rows: functions.first().map_or(0, |f| f.bodies.len()),
        units: map.starts.len(),
        bodies: functions.iter().map(|f| f.bodies.iter().map(unit_of).collect()).collect(),
        tunable: functions.iter().map(|f| f.tunable || all_tunable).collect(),
        lent: functions.iter().map(|f| f.lent).collect(),
        references: Vec::new(),
    };
    let slots = functions.iter().enumerate().map(|(i, f)| (f.slot, FunctionId(i as u32))).collect();
    let mut surveyor = Surveyor {
        elf,
        map,
        slots,
        facts,
        sites: Vec::new(),
        anchors: Vec::new(),
        relative: Vec::new(),
        trampolines: HashMap::new(),
    };
    surveyor.run();
    let Surveyor { map, facts, sites, .. } = surveyor;
    Survey { map, facts, sites }
}

/// A thunk out of reach of its target, then one for the landing pad that the target lacks.
const MAX_THUNKS: usize = 2;

struct Surveyor<'a> {
    elf: &'a Elf,
    map: CodeMap,
    slots: HashMap<u64, FunctionId>,
    facts: Facts,
    sites: Vec<Site>,
    /// Addresses of data that code refers to: where tables may start.
    anchors: Vec<u64>,
    /// Relative references in data, by place, against section symbols.
    relative: Vec<(u64, u64)>,
    trampolines: HashMap<u64, Option<FunctionId>>,
}

impl Surveyor<'_> {
    fn run(&mut self) {
        let elf = self.elf;
        for (section, relocation) in elf.relocations() {
            let Some(symbol) = elf.symbols.get(relocation.symbol as usize) else { continue };
            if section.is_executable() {
                self.in_code(relocation, symbol);
            } else if !self.is_ours(section, relocation.place) {
                self.in_data(relocation, symbol);
            }
        }
        self.visible_units();
        self.relative_tables();
    }

    /// Records and slots are the table's business, and unwinding executes nothing.
    fn is_ours(&self, section: &Section, place: u64) -> bool {
        let lists = [RECORD_SECTION, EXPORT_SECTION, IMPORT_SECTION];
        lists.contains(&&*section.name) || section.name == ".eh_frame" || self.slots.contains_key(&place)
    }

    fn refer(&mut self, from: Origin, unit: UnitId) {
        if from != Origin::Unit(unit) {
            self.facts.references.push((from, unit));
        }
    }

    fn in_code(&mut self, relocation: Relocation, symbol: &Symbol) {
        let origin = self.map.origin(relocation.place);
        let meant = self.meant(relocation, symbol);
        if let Some(mut branch) = arch::branch(self.elf.arch, self.elf, relocation.kind, relocation.place) {
            branch.target = self.after_thunks(branch.target, meant);
            if let Some((callee, preemptible)) = self.callee(&branch, symbol) {
                self.sites.push(Site { branch, origin, callee, preemptible });
                return;
            }
            if matches!(branch.form, Form::Direct | Form::DirectWithRoom) {
                let unit = self.map.containing(branch.target);
                // By a way that is not understood: then what the relocation says.
                if let Some(unit) = unit.or_else(|| self.map.containing(meant?)) {
                    self.refer(origin, unit);
                }
                return;
            }
        }
        let Some(address) = meant else { return };
        match self.map.containing(address) {
            Some(unit) => self.refer(origin, unit),
            None => self.anchors.push(address),
        }
    }

    /// The address that a relocation in code refers to.
    fn meant(&self, relocation: Relocation, symbol: &Symbol) -> Option<u64> {
        let with_addend = symbol.value.wrapping_add_signed(relocation.addend);
        match arch::referent(self.elf.arch, relocation.kind) {
            Referent::Nothing => None,
            Referent::Symbol => Some(symbol.value),
            Referent::SymbolPlusAddend => Some(with_addend),
            Referent::Relative => Some(with_addend.wrapping_add(arch::relative_bias(self.elf.arch))),
        }
    }

    /// Where a branch to `target` ends that lld may have led over thunks. A unit's code is never one.
    fn after_thunks(&self, target: u64, meant: Option<u64>) -> u64 {
        let mut at = target;
        for _ in 0..MAX_THUNKS {
            let arrived = Some(at) == meant || self.map.containing(at).is_some();
            match arch::thunk(self.elf.arch, self.elf, at).filter(|_| !arrived) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    /// The cloned function that a branch goes to, and whether by way of PLT or GOT.
    fn callee(&mut self, branch: &Branch, symbol: &Symbol) -> Option<(FunctionId, bool)> {
        let through_memory = matches!(branch.form, Form::CallThroughMemory | Form::JumpThroughMemory);
        if !through_memory && let Some(function) = self.trampoline(branch.target) {
            return Some((function, false));
        }
        let in_plt = || {
            let plt = |s: &&Section| s.name.starts_with(".plt") && s.contains(branch.target);
            self.elf.sections.iter().find(plt).is_some()
        };
        if symbol.is_defined() && symbol.kind != elf::STT_SECTION && (through_memory || in_plt()) {
            return Some((self.trampoline(symbol.value)?, true));
        }
        None
    }

    fn trampoline(&mut self, address: u64) -> Option<FunctionId> {
        let (elf, slots) = (self.elf, &self.slots);
        let find = || slots.get(&arch::trampoline(elf.arch, elf, address)?).copied();
        *self.trampolines.entry(address).or_insert_with(find)
    }

    fn in_data(&mut self, relocation: Relocation, symbol: &Symbol) {
        let address = match arch::referent(self.elf.arch, relocation.kind) {
            Referent::Nothing => return,
            Referent::Relative if symbol.kind == elf::STT_SECTION => {
                let reach = symbol.value.wrapping_add_signed(relocation.addend);
                self.relative.push((relocation.place, reach));
                return;
            }
            Referent::Symbol | Referent::Relative => symbol.value,
            Referent::SymbolPlusAddend => symbol.value.wrapping_add_signed(relocation.addend),
        };
        // Inside of a body: a jump table or the address of a label, which only that body itself jumps to.
        if let Some(unit) = self.map.unit(address) {
            self.refer(Origin::Everywhere, unit);
        }
    }

    /// Folding may give the code of a clone to a function that other libraries can call.
    fn visible_units(&mut self) {
        for symbol in functions_of(self.elf).filter(|s| s.binding != elf::STB_LOCAL) {
            if let Some(unit) = self.map.containing(symbol.value) {
                self.refer(Origin::Everywhere, unit);
            }
        }
    }

    /// Tables of addresses relative to the table's start: jump tables, mostly. An entry is relocated
    /// relative to its own place, so that symbol plus addend alone does not say where it leads; the start
    /// of the table does: the last address before the entry that any code refers to.
    fn relative_tables(&mut self) {
        self.anchors.sort_unstable();
        for (place, reach) in std::mem::take(&mut self.relative) {
            let after = self.anchors.partition_point(|a| *a <= place);
            let start = after.checked_sub(1).map(|at| self.anchors[at]);
            let same_section = |start: &u64| {
                let section = self.elf.sections.iter().find(|s| s.is_allocated() && s.contains(place));
                section.is_some_and(|s| s.contains(*start))
            };
            let entry: Option<i32> = self.elf.read(place);
            let target = start.filter(same_section).zip(entry);
            let target = target.map(|(start, entry)| start.wrapping_add_signed(i64::from(entry)));
            let in_code = |t: &u64| self.elf.sections.iter().any(|s| s.is_executable() && s.contains(*t));
            let unit = match target.filter(in_code) {
                Some(target) => self.map.unit(target),
                // Not understood: as if it led to any place of the body nearby.
                None => self.map.containing(reach),
            };
            if let Some(unit) = unit {
                self.refer(Origin::Everywhere, unit);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_target_clones_makes_is_not_ours() {
        for (base, theirs) in [
            ("f.avx2", true),
            ("f.sse4.2", true),
            ("f.arch_haswell", true),
            ("f", false),
            ("favx2", false),
            ("f.default.1", false),
        ] {
            assert_eq!(is_multiversion(Arch::X86_64, base), theirs, "{base}");
        }
    }
}
