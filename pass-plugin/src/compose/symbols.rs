//! Symbols: which definition a name has, what it is called afterwards, and its index in the output.

use super::Symbol as Name;
use super::error::{ComposeError, Result, shown};
use super::groups::Groups;
use super::input::{Input, Place, Symbol};
use super::layout::{Layout, Placed, SectionId};
use object::elf::{self, SymbolBind, SymbolOther, SymbolType, SymbolVisibility};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

/// The symbols that are not local, by name.
pub struct Resolved<'data> {
    globals: Vec<Global<'data>>,
    by_name: HashMap<&'data [u8], usize>,
}

pub struct Global<'data> {
    /// As it is called in the output.
    name: Cow<'data, [u8]>,
    /// Where the definition (or the first mention) stands: input and symbol.
    from: (usize, usize),
    rank: Rank,
    bind: SymbolBind,
    kind: SymbolType,
    /// The strictest of all mentions, and all other bits.
    other: SymbolOther,
    value: u64,
    size: u64,
    local: bool,
}

/// What defines a name comes before what does less so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Undefined,
    Weak,
    Common,
    Strong,
}

/// Resolves as a linker does that gets the inputs in this order.
pub fn resolve<'data>(inputs: &[Input<'data>], groups: &Groups, layout: &Layout) -> Result<Resolved<'data>> {
    let count = inputs.iter().map(|i| i.symbols.iter().filter(|s| !s.is_local()).count()).max().unwrap_or(0);
    let mut resolved =
        Resolved { globals: Vec::with_capacity(count), by_name: HashMap::with_capacity(count) };
    for input in inputs {
        for (index, symbol) in input.symbols.iter().enumerate().filter(|(_, s)| !s.is_local()) {
            let rank = rank(input, symbol, groups, layout)?;
            resolved.add(input.object, index, symbol, rank)?;
        }
    }
    Ok(resolved)
}

fn rank(input: &Input, symbol: &Symbol, groups: &Groups, layout: &Layout) -> Result<Rank> {
    if let Place::Section(section) = symbol.place {
        if groups.dropped[input.object][section] {
            return Ok(Rank::Undefined);
        }
        if layout.placed(input.object, section).is_none() {
            let found = format!("a definition in {}", input.called(section));
            let expected = "a section with contents";
            return Err(input.unexpected(format!("symbol {}", shown(symbol.name)), found, expected));
        }
    }
    Ok(match symbol.place {
        Place::Undefined => Rank::Undefined,
        Place::Common => Rank::Common,
        _ if symbol.bind == elf::STB_WEAK => Rank::Weak,
        _ => Rank::Strong,
    })
}

impl<'data> Resolved<'data> {
    fn add(&mut self, object: usize, index: usize, symbol: &Symbol<'data>, rank: Rank) -> Result<()> {
        let Some(known) = self.by_name.get(symbol.name) else {
            self.by_name.insert(symbol.name, self.globals.len());
            self.globals.push(Global {
                name: Cow::Borrowed(symbol.name),
                from: (object, index),
                rank,
                bind: symbol.bind,
                kind: symbol.kind,
                other: symbol.other,
                value: symbol.value,
                size: symbol.size,
                local: false,
            });
            return Ok(());
        };
        self.globals[*known].mention(object, index, symbol, rank)
    }

    /// Asks for the names of what is hidden.
    pub fn rename(mut self, name: &dyn Fn(&str) -> Name) -> Result<Resolved<'data>> {
        let mut renamed = false;
        for global in &mut self.globals {
            let hidden = [elf::STV_HIDDEN, elf::STV_INTERNAL].contains(&global.other.visibility());
            let Some(old) = std::str::from_utf8(&global.name).ok().filter(|_| hidden) else { continue };
            let new = name(old);
            if new.local && global.rank != Rank::Strong && global.rank != Rank::Weak {
                let found = if global.rank == Rank::Common { "common" } else { "undefined" };
                return Err(ComposeError::NotLocal { object: global.from.0, symbol: old.to_string(), found });
            }
            if new.name != old {
                check_name(global.from.0, old, &new.name)?;
                renamed |= !new.local;
                global.name = Cow::Owned(new.name.into_bytes());
            }
            global.local = new.local;
        }
        if renamed {
            self.check_names()?;
        }
        Ok(self)
    }

    /// Where a name was changed: no two symbols that other objects see have the same.
    fn check_names(&self) -> Result<()> {
        let mut seen = HashSet::new();
        match self.globals.iter().filter(|g| !g.local).find(|g| !seen.insert(&*g.name)) {
            Some(twice) => {
                let original = self.by_name.iter().find(|(_, g)| std::ptr::eq(&self.globals[**g], twice));
                let symbol = original.map_or_else(String::new, |(name, _)| shown(name));
                Err(ComposeError::SameName { name: shown(&twice.name), symbol })
            }
            None => Ok(()),
        }
    }
}

fn check_name(object: usize, old: &str, new: &str) -> Result<()> {
    if new.is_empty() || new.contains('\0') {
        return Err(ComposeError::Unexpected {
            object,
            place: format!("symbol {old}"),
            found: format!("new name {new:?}"),
            expected: "a name without null bytes".to_string(),
        });
    }
    Ok(())
}

impl<'data> Global<'data> {
    /// Another input's symbol of this name.
    fn mention(&mut self, object: usize, index: usize, symbol: &Symbol<'data>, rank: Rank) -> Result<()> {
        let thread_local = |kind| kind == elf::STT_TLS;
        let typed = self.kind != elf::STT_NOTYPE && symbol.kind != elf::STT_NOTYPE;
        if typed && thread_local(self.kind) != thread_local(symbol.kind) {
            let kinds = format!("type {} here, {} in object {}", symbol.kind, self.kind, self.from.0);
            return Err(ComposeError::Unexpected {
                object,
                place: format!("symbol {}", shown(symbol.name)),
                found: kinds,
                expected: "thread-local (6) in both or in none".to_string(),
            });
        }
        if rank == Rank::Strong && self.rank == Rank::Strong {
            let (first, second) = (self.from.0, object);
            return Err(ComposeError::DefinedTwice { symbol: shown(symbol.name), first, second });
        }
        let others = self.other.0 | symbol.other.0;
        let visibility = strictest(self.other.visibility(), symbol.other.visibility());
        self.other = SymbolOther(others).with_visibility(visibility);
        if rank == Rank::Common && self.rank == Rank::Common {
            // The value of a common symbol is its alignment.
            (self.size, self.value) = (self.size.max(symbol.size), self.value.max(symbol.value));
        } else if rank > self.rank {
            self.from = (object, index);
            (self.rank, self.bind) = (rank, symbol.bind);
            (self.kind, self.value, self.size) = (symbol.kind, symbol.value, symbol.size);
        } else if self.rank == Rank::Undefined {
            if self.kind == elf::STT_NOTYPE {
                self.kind = symbol.kind;
            }
            if symbol.bind != elf::STB_WEAK {
                self.bind = elf::STB_GLOBAL;
            }
        }
        Ok(())
    }
}

/// Of two visibilities; `STV_DEFAULT` is 0, and of the others the smaller is the stricter.
fn strictest(a: SymbolVisibility, b: SymbolVisibility) -> SymbolVisibility {
    if a == elf::STV_DEFAULT || (b != elf::STV_DEFAULT && b < a) { b } else { a }
}

/// The output's symbol table.
pub struct SymbolTable<'a> {
    /// Without the null symbol; local ones first.
    pub entries: Vec<Entry<'a>>,
    /// How many are local, without the null symbol.
    pub locals: usize,
    /// By input and symbol: its index in the output, 0 where what it is in is left out.
    indices: Vec<Vec<u32>>,
    /// By joined group: the symbol that gives the signature.
    pub signatures: Vec<u32>,
}

pub struct Entry<'a> {
    pub name: &'a [u8],
    pub bind: SymbolBind,
    pub kind: SymbolType,
    pub other: SymbolOther,
    pub at: At,
    pub value: u64,
    pub size: u64,
}

#[derive(Clone, Copy)]
pub enum At {
    Undefined,
    Absolute,
    Common,
    Section(SectionId),
}

impl SymbolTable<'_> {
    /// The output's symbols, by the input's.
    pub fn indices(&self, input: usize) -> &[u32] {
        &self.indices[input]
    }
}

/// Gives the symbols their order: each input's local symbols after its file symbol, what becomes local after those of
/// the input that defines it; then all others by first mention.
pub fn number<'a, 'data: 'a>(
    inputs: &'a [Input<'data>],
    groups: &Groups<'data>,
    layout: &'a Layout<'data>,
    resolved: &'a Resolved<'data>,
) -> Result<SymbolTable<'a>> {
    let mut numbering = Numbering {
        inputs,
        layout,
        resolved,
        entries: Vec::with_capacity(inputs.iter().map(|i| i.symbols.len()).sum()),
        indices: inputs.iter().map(|i| vec![0; i.symbols.len()]).collect(),
        sections: HashMap::new(),
        globals: vec![0; resolved.globals.len()],
    };
    let mut localised = vec![Vec::new(); inputs.len()];
    for (index, global) in resolved.globals.iter().enumerate().filter(|(_, g)| g.local) {
        localised[global.from.0].push(index);
    }
    let mut signatures: Vec<Option<u32>> = vec![None; groups.joined.len()];
    let mut by_input = vec![Vec::new(); inputs.len()];
    for (group, joined) in groups.joined.iter().enumerate() {
        if !resolved.by_name.contains_key(joined.signature) || is_defined_local(inputs, joined.symbol) {
            by_input[joined.symbol.0].push((group, joined.symbol.1));
        }
    }
    for input in inputs {
        numbering.add_locals(input)?;
        for (group, symbol) in &by_input[input.object] {
            signatures[*group] = Some(numbering.add_signature(input.object, *symbol));
        }
        for global in &localised[input.object] {
            numbering.add_global(*global)?;
        }
    }
    let locals = numbering.entries.len();
    for global in (0..resolved.globals.len()).filter(|g| !resolved.globals[*g].local) {
        numbering.add_global(global)?;
    }
    numbering.map_globals();
    let signatures = signatures.iter().zip(&groups.joined).map(|(local, joined)| {
        let global = || numbering.globals[resolved.by_name[joined.signature]];
        local.unwrap_or_else(global)
    });
    let signatures = signatures.collect();
    let most = u64::from(u32::MAX) - 1;
    if numbering.entries.len() as u64 > most {
        return Err(ComposeError::TooLarge { what: "symbols" });
    }
    Ok(SymbolTable { entries: numbering.entries, locals, indices: numbering.indices, signatures })
}

fn is_defined_local(inputs: &[Input], (input, symbol): (usize, usize)) -> bool {
    let symbol = &inputs[input].symbols[symbol];
    symbol.is_local() && symbol.place != Place::Undefined
}

struct Numbering<'a, 'data> {
    inputs: &'a [Input<'data>],
    layout: &'a Layout<'data>,
    resolved: &'a Resolved<'data>,
    entries: Vec<Entry<'a>>,
    indices: Vec<Vec<u32>>,
    /// The symbols of sections.
    sections: HashMap<SectionId, u32>,
    /// The index of each of the resolved symbols.
    globals: Vec<u32>,
}

impl<'a> Numbering<'a, '_> {
    fn push(&mut self, entry: Entry<'a>) -> u32 {
        self.entries.push(entry);
        self.entries.len() as u32
    }

    fn add_locals(&mut self, input: &'a Input) -> Result<()> {
        // What is local and undefined is the name of a group and nothing else.
        let locals = input.symbols.iter().enumerate().skip(1);
        for (index, symbol) in locals.filter(|(_, s)| s.is_local() && s.place != Place::Undefined) {
            let number = if symbol.is_section() {
                self.add_section(input, symbol)
            } else {
                self.add_local(input, symbol)?
            };
            self.indices[input.object][index] = number;
        }
        Ok(())
    }

    /// One symbol for each section of the output.
    fn add_section(&mut self, input: &Input, symbol: &Symbol) -> u32 {
        let Place::Section(section) = symbol.place else { return 0 };
        let Some(Placed { section, .. }) = self.layout.placed(input.object, section) else { return 0 };
        if let Some(known) = self.sections.get(&section) {
            return *known;
        }
        let number = self.push(Entry {
            name: b"",
            bind: elf::STB_LOCAL,
            kind: elf::STT_SECTION,
            other: SymbolOther(0),
            at: At::Section(section),
            value: 0,
            size: 0,
        });
        self.sections.insert(section, number);
        number
    }

    fn add_local(&mut self, input: &'a Input, symbol: &'a Symbol) -> Result<u32> {
        let Some((at, value)) = self.at(input, symbol.place, symbol.value, symbol.name)? else {
            return Ok(0);
        };
        let Symbol { name, bind, kind, other, place: _, value: _, size } = *symbol;
        Ok(self.push(Entry { name, bind, kind, other, at, value, size }))
    }

    /// Where a symbol is in the output, and its value there. None where its section is left out.
    fn at(&self, input: &Input, place: Place, value: u64, name: &[u8]) -> Result<Option<(At, u64)>> {
        Ok(Some(match place {
            Place::Undefined => (At::Undefined, value),
            Place::Absolute => (At::Absolute, value),
            Place::Common => (At::Common, value),
            Place::Section(section) => {
                let Some(placed) = self.layout.placed(input.object, section) else { return Ok(None) };
                let moved = value.checked_add(placed.offset).ok_or_else(|| {
                    let found = format!("value {value:#x}");
                    input.unexpected(format!("symbol {}", shown(name)), found, "an offset into its section")
                })?;
                (At::Section(placed.section), moved)
            }
        }))
    }

    fn add_signature(&mut self, input: usize, index: usize) -> u32 {
        let known = self.indices[input][index];
        if known != 0 {
            return known;
        }
        let Symbol { name, bind: _, kind, other, place: _, value: _, size: _ } =
            self.inputs[input].symbols[index];
        let (bind, at) = (elf::STB_LOCAL, At::Undefined);
        let number = self.push(Entry { name, bind, kind, other, at, value: 0, size: 0 });
        self.indices[input][index] = number;
        number
    }

    fn add_global(&mut self, index: usize) -> Result<()> {
        let global: &'a Global = &self.resolved.globals[index];
        let input = &self.inputs[global.from.0];
        let place = match global.rank {
            Rank::Undefined => Place::Undefined,
            _ => input.symbols[global.from.1].place,
        };
        let undefined = global.rank == Rank::Undefined;
        let (value, size) = if undefined { (0, 0) } else { (global.value, global.size) };
        let Some((at, value)) = self.at(input, place, value, &global.name)? else { return Ok(()) };
        let other = if global.local { global.other.with_visibility(elf::STV_DEFAULT) } else { global.other };
        let bind = if global.local { elf::STB_LOCAL } else { global.bind };
        let number = self.push(Entry { name: &global.name, bind, kind: global.kind, other, at, value, size });
        self.globals[index] = number;
        Ok(())
    }

    fn map_globals(&mut self) {
        for (input, indices) in self.inputs.iter().zip(&mut self.indices) {
            for (symbol, number) in input.symbols.iter().zip(indices).filter(|(s, _)| !s.is_local()) {
                *number = self.globals[self.resolved.by_name[symbol.name]];
            }
        }
    }
}
