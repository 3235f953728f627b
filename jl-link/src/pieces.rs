//! The pieces of code that [`crate::features`] decides from: read out of the finished code of an image.

use crate::arch::{Decoded, FeatureReader};
use crate::clones::{CodeMap, functions_of};
use crate::elf::{Elf, Section};
use crate::features::{Facts, Piece};
use crate::mapping::{Kind, Mapping};
use crate::merge::Function;
use image_format::feature::FeatureSet;
use image_format::specs::Specs;
use object::elf;
use std::collections::{BTreeMap, HashMap};

/// The facts about an image's code.
pub fn collect(
    elf: &Elf,
    code: FeatureReader,
    functions: &[Function],
    map: &CodeMap,
    specs: &Specs,
) -> Facts {
    let declared: Vec<FeatureSet> = specs.entries().map(|entry| entry.required).collect();
    let mut reader = Reader::new(elf, code, functions, map);
    let bodies = (0..declared.len())
        .map(|target| {
            functions.iter().filter_map(|f| map.unit(f.bodies[target])).map(|u| u.0 as usize).collect()
        })
        .collect();
    reader.read_all();
    let every_cpu = elf.arch.model("generic").unwrap_or(FeatureSet::EMPTY);
    let is_raised = !declared.first().is_some_and(|baseline| baseline.is_subset(every_cpu));
    let everything = is_raised.then(|| everything(elf, code));
    let bases = specs.entries().map(|entry| entry.base as usize).collect();
    Facts { pieces: reader.pieces, bodies, declared, bases, everything, unreadable: code.unreadable }
}

/// Reads pieces: first the units of the map, by their numbers, then other code as it is found.
struct Reader<'a> {
    elf: &'a Elf,
    code: FeatureReader,
    mapping: Mapping,
    map: &'a CodeMap,
    pieces: Vec<Piece>,
    /// Address ranges of each piece.
    ranges: Vec<Vec<(u64, u64)>>,
    /// Functions by address: end, and whether a local symbol names it.
    functions: BTreeMap<u64, (u64, bool)>,
    /// Pieces beyond the units, by address.
    others: HashMap<u64, usize>,
}

impl<'a> Reader<'a> {
    fn new(elf: &'a Elf, code: FeatureReader, functions: &[Function], map: &'a CodeMap) -> Reader<'a> {
        let units = map.starts.len();
        let mut by_address: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
        for symbol in functions_of(elf).filter(|s| s.size > 0) {
            let entry = by_address.entry(symbol.value).or_default();
            entry.0 = entry.0.max(symbol.value.saturating_add(symbol.size));
            entry.1 |= symbol.binding == elf::STB_LOCAL;
        }
        let mut pieces = vec![Piece { is_understood: true, ..Piece::default() }; units];
        for function in functions {
            for (target, body) in function.bodies.iter().enumerate() {
                let Some(unit) = map.unit(*body) else { continue };
                let piece = &mut pieces[unit.0 as usize];
                piece.made_for = Some(piece.made_for.map_or(target, |other| other.min(target)));
                piece.asks = piece.asks.union(function.asks);
            }
        }
        let mut reader = Reader {
            elf,
            code,
            mapping: Mapping::of(elf),
            map,
            pieces,
            ranges: map.ranges(),
            functions: by_address,
            others: HashMap::new(),
        };
        reader.made_for_by_name();
        reader.ambiguous_parts();
        reader
    }

    /// Clones without a record say by their names what they were compiled for. Of several names for one place the
    /// lowest number holds: the same bytes were compiled for that target as well.
    fn made_for_by_name(&mut self) {
        let recorded: Vec<bool> = self.pieces.iter().map(|p| p.made_for.is_some()).collect();
        for symbol in functions_of(self.elf) {
            let Some(unit) = self.map.unit(symbol.value).map(|u| u.0 as usize) else { continue };
            let number = self.elf.symbol_name(symbol).rsplit_once('.').and_then(|(_, n)| n.parse().ok());
            let piece = &mut self.pieces[unit];
            if let (false, Some(number)) = (recorded[unit], number) {
                piece.made_for = Some(piece.made_for.map_or(number, |other: usize| other.min(number)));
            }
        }
    }

    /// Split parts of functions whose name several files have: whose part is whose is not known, so each part counts
    /// for every function of the name. Landing pads in them are reached by no branch.
    fn ambiguous_parts(&mut self) {
        let mut units: HashMap<&str, Vec<usize>> = HashMap::new();
        for symbol in functions_of(self.elf) {
            if let Some(unit) = self.map.unit(symbol.value) {
                units.entry(self.elf.symbol_name(symbol)).or_default().push(unit.0 as usize);
            }
        }
        for symbol in functions_of(self.elf).filter(|s| s.binding == elf::STB_LOCAL) {
            let whole = CodeMap::whole_of_part(self.elf.symbol_name(symbol));
            let owners = whole.and_then(|w| units.get(w)).filter(|owners| owners.len() > 1);
            for owner in owners.into_iter().flatten() {
                if let Some(part) = self.other(symbol.value) {
                    self.pieces[*owner].leads_to.push(part);
                }
            }
        }
    }

    fn read_all(&mut self) {
        let mut at = 0;
        // Reading a piece may find others, which are appended.
        while at < self.pieces.len() {
            self.read(at);
            at += 1;
        }
    }

    fn read(&mut self, index: usize) {
        let ranges = std::mem::take(&mut self.ranges[index]);
        let piece = &mut self.pieces[index];
        // Code without a size is code that cannot be read.
        piece.is_understood &= !ranges.is_empty();
        let mut references = Vec::new();
        for (start, end) in &ranges {
            for decoded in decode(self.elf, self.code, &self.mapping, *start, *end) {
                piece.features = piece.features.union(decoded.features);
                piece.is_understood &= decoded.is_understood;
                references.extend(decoded.references);
                // Which function of a page is meant is not told, so all are.
                let starts = |page: u64| self.functions.range(page..page.saturating_add(PAGE)).map(|f| *f.0);
                references.extend(decoded.pages.into_iter().flat_map(starts));
            }
        }
        let mut leads_to: Vec<usize> = references.into_iter().filter_map(|a| self.piece_at(a)).collect();
        let piece = &mut self.pieces[index];
        leads_to.append(&mut piece.leads_to);
        leads_to.sort_unstable();
        leads_to.dedup();
        leads_to.retain(|next| *next != index);
        piece.leads_to = leads_to;
    }

    fn piece_at(&mut self, address: u64) -> Option<usize> {
        match self.map.containing(address) {
            Some(unit) => Some(unit.0 as usize),
            None => self.other(address),
        }
    }

    /// Code of a local symbol. A clone's outlined and split parts are local; what is not, was compiled for the
    /// baseline or for a dispatch of its own.
    fn other(&mut self, address: u64) -> Option<usize> {
        let (start, (end, is_local)) = self.functions.range(..=address).next_back()?;
        if address >= *end || !is_local {
            return None;
        }
        if let Some(known) = self.others.get(start) {
            return Some(*known);
        }
        self.pieces.push(Piece { is_understood: true, ..Piece::default() });
        self.ranges.push(vec![(*start, *end)]);
        self.others.insert(*start, self.pieces.len() - 1);
        Some(self.pieces.len() - 1)
    }
}

/// What [`crate::arch::Decoded::pages`] counts in, in bytes.
const PAGE: u64 = 1 << 12;

/// The code between two addresses, part by part. Data among it is passed over, unless it may be run into.
fn decode(elf: &Elf, code: FeatureReader, mapping: &Mapping, start: u64, end: u64) -> Vec<Decoded> {
    let mut parts: Vec<Decoded> = Vec::new();
    for (kind, start, end) in mapping.parts(start, end) {
        match kind {
            Kind::Code => {
                let bytes = elf.slice(start, (end - start) as usize);
                parts.push((code.decode)(bytes.unwrap_or(&[]), start));
            }
            Kind::Data => {
                if let Some(before) = parts.last_mut().filter(|part| part.goes_on) {
                    before.is_understood = false;
                }
            }
        }
    }
    parts
}

/// All code of the image as one piece: cut where functions begin and end, so that what stands between them does not
/// shift the reading.
fn everything(elf: &Elf, code: FeatureReader) -> Piece {
    let mut all = Piece { is_understood: true, ..Piece::default() };
    let mapping = Mapping::of(elf);
    for section in elf.sections.iter().filter(|s| s.is_executable() && s.has_bytes()) {
        for pair in cuts(elf, section).windows(2) {
            for decoded in decode(elf, code, &mapping, pair[0], pair[1]) {
                all.features = all.features.union(decoded.features);
                all.is_understood &= decoded.is_understood;
            }
        }
    }
    all
}

fn cuts(elf: &Elf, section: &Section) -> Vec<u64> {
    let end = section.address + section.size;
    let inside = |address: &u64| section.contains(*address);
    let symbols = functions_of(elf).filter(|s| s.size > 0);
    let mut cuts: Vec<u64> =
        symbols.flat_map(|s| [s.value, s.value.saturating_add(s.size)]).filter(inside).collect();
    cuts.extend([section.address, end]);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}
