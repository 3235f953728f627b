//! Which data an image keeps to itself although its objects leave it to the dynamic linker (-Bsymbolic, version scripts that hide),
//! and which functions use such data.
//!
//! A function may stand for that of another image because the dynamic linker sees to it that a name means the same data in
//! both. Where it does not, the two are not the same, whatever their identities say.

use crate::arch::{self, Referent};
use crate::elf::{Elf, Relocation, Section, Symbol};
use image_format::pod::read_at;
use object::LittleEndian as LE;
use object::elf;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How a linked output, with its relocations kept, finds what it defines.
pub struct Bindings<'a> {
    elf: &'a Elf,
    /// Names that the dynamic linker looks up for this image.
    looked_up: HashSet<&'a str>,
    /// Names that others find in it.
    visible: HashSet<&'a str>,
    is_executable: bool,
    relocations: Vec<Relocation>,
    /// Start and end of what symbols of code are for.
    code: BTreeMap<u64, u64>,
}

impl<'a> Bindings<'a> {
    pub fn new(elf: &'a Elf) -> Bindings<'a> {
        let relocations = elf.relocations().map(|(_, relocation)| relocation).collect();
        let functions =
            elf.symbols.iter().filter(|s| s.is_defined() && s.kind == elf::STT_FUNC && s.size > 0);
        let code = functions.map(|s| (s.value, s.value + s.size)).collect();
        let mut bindings = Bindings {
            elf,
            looked_up: HashSet::new(),
            visible: HashSet::new(),
            is_executable: elf.is_executable_file(),
            relocations,
            code,
        };
        bindings.read_dynamic();
        bindings
    }

    fn read_dynamic(&mut self) {
        let Some(table) = self.elf.sections.iter().find(|s| s.kind == elf::SHT_DYNSYM) else { return };
        let strings = self.elf.sections.get(table.link as usize).map_or(&[][..], |s| self.elf.data(s));
        let symbols = self.elf.data(table).chunks_exact(size_of::<elf::Sym64<LE>>());
        let names: Vec<(&str, bool)> = symbols
            .map(|symbol| {
                let name = read_at::<u32>(symbol, 0).and_then(|at| strings.get(at as usize..));
                let name = name.and_then(|tail| tail.split(|byte| *byte == 0).next()).unwrap_or(&[]);
                let is_defined = symbol.get(6..8) != Some(&[0, 0]);
                (std::str::from_utf8(name).unwrap_or(""), is_defined)
            })
            .collect();
        self.visible = names.iter().filter(|(_, is_defined)| *is_defined).map(|(name, _)| *name).collect();
        let is_dynamic = |s: &&Section| s.kind == elf::SHT_RELA && s.is_allocated();
        let tables = self.elf.sections.iter().filter(is_dynamic).map(|s| self.elf.data(s));
        let entries = tables.flat_map(|bytes| bytes.chunks_exact(24));
        let indices = entries.filter_map(|entry| Some((read_at::<u64>(entry, 8)? >> 32) as usize));
        self.looked_up =
            indices.filter(|index| *index != 0).filter_map(|index| Some(names.get(index)?.0)).collect();
    }

    /// Whether references to a symbol lead to this image's own definition, and other images may have another.
    fn is_own(&self, symbol: &Symbol) -> bool {
        if !symbol.is_defined() {
            return false;
        }
        let name = self.elf.symbol_name(symbol);
        match self.is_executable {
            // What is found in the program is found by all.
            true => symbol.binding == elf::STB_LOCAL || !self.visible.contains(name),
            false => symbol.binding == elf::STB_LOCAL || !self.looked_up.contains(name),
        }
    }

    /// Whether what stands at an address may change after the image was loaded.
    fn changes(&self, address: u64, kind: elf::SymbolType) -> bool {
        let relro = self.elf.segments.iter().any(|s| s.kind == elf::PT_GNU_RELRO && s.contains(address));
        let writable = |s: &Section| s.flags.contains(elf::SHF_WRITE) && s.contains(address);
        kind == elf::STT_TLS || !relro && self.elf.sections.iter().any(writable)
    }

    /// By start of a function the name of data that is the image's own, and that the function uses, or one that it calls and that
    /// is the image's own as well.
    pub fn own_data(&self) -> HashMap<u64, String> {
        let own: Vec<bool> = self.elf.symbols.iter().map(|symbol| self.is_own(symbol)).collect();
        let mut found: HashMap<u64, String> = HashMap::new();
        let mut callers: HashMap<u64, BTreeSet<u64>> = HashMap::new();
        for relocation in &self.relocations {
            let index = relocation.symbol as usize;
            let Some(function) = self.function(relocation.place).filter(|_| own.get(index) == Some(&true))
            else {
                continue;
            };
            let symbol = &self.elf.symbols[index];
            let target = self.target(relocation, symbol);
            if let Some(callee) = self.function(target) {
                callers.entry(callee).or_default().insert(function);
            } else if self.changes(target, symbol.kind) {
                let name = self.elf.symbol_name(symbol);
                let name = if name.is_empty() { format!("{target:#x}") } else { name.to_owned() };
                found.entry(function).or_insert(name);
            }
        }
        let mut work: Vec<u64> = found.keys().copied().collect();
        work.sort_unstable();
        while let Some(callee) = work.pop() {
            for caller in callers.get(&callee).into_iter().flatten() {
                if !found.contains_key(caller) {
                    found.insert(*caller, found[&callee].clone());
                    work.push(*caller);
                }
            }
        }
        found
    }

    /// The start of the function that an address lies in.
    fn function(&self, address: u64) -> Option<u64> {
        let (start, end) = self.code.range(..=address).next_back()?;
        (address < *end).then_some(*start)
    }

    /// Of these names those of what is the image's own, and that it uses.
    pub fn own_among(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        self.own_symbols(names).map(|symbol| self.elf.symbol_name(symbol).to_owned()).collect()
    }

    /// The same of what may change.
    pub fn own_variables_among(&self, names: &BTreeSet<String>) -> BTreeSet<String> {
        let own = self.own_symbols(names).filter(|symbol| self.changes(symbol.value, symbol.kind));
        own.map(|symbol| self.elf.symbol_name(symbol).to_owned()).collect()
    }

    fn own_symbols(&self, names: &BTreeSet<String>) -> impl Iterator<Item = &'a Symbol> {
        let referred: HashSet<u32> = self.relocations.iter().map(|relocation| relocation.symbol).collect();
        let symbols = self.elf.symbols.iter().enumerate();
        let own = symbols.filter(move |(index, symbol)| {
            names.contains(self.elf.symbol_name(symbol))
                && referred.contains(&(*index as u32))
                && self.is_own(symbol)
        });
        own.map(|(_, symbol)| symbol)
    }

    fn target(&self, relocation: &Relocation, symbol: &Symbol) -> u64 {
        let with_addend = symbol.value.wrapping_add_signed(relocation.addend);
        match arch::referent(self.elf.arch, relocation.kind) {
            Referent::SymbolPlusAddend => with_addend,
            Referent::Relative => with_addend.wrapping_add(arch::relative_bias(self.elf.arch)),
            Referent::Symbol | Referent::Nothing => symbol.value,
        }
    }
}
