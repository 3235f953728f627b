//! Relocations: other symbols' indices, and offsets where sections follow each other in one.

use super::error::{Result, shown};
use super::input::{Input, Place};
use super::layout::{Layout, Output, Piece};
use super::symbols::SymbolTable;
use object::LittleEndian as LE;
use object::elf::{self, Rel64, Rela64};
use object::pod::slice_from_all_bytes;
use std::collections::HashMap;

/// Appends an input's relocations of one section, as they are in the output.
pub struct Rewriter<'a> {
    layout: &'a Layout<'a>,
    symbols: &'a SymbolTable<'a>,
    /// By input: section symbols whose section does not begin where the output's section does, with the distance.
    moved: Vec<HashMap<u32, u64>>,
}

impl<'a> Rewriter<'a> {
    pub fn new(inputs: &[Input], layout: &'a Layout<'a>, symbols: &'a SymbolTable<'a>) -> Rewriter<'a> {
        let moved = inputs.iter().map(|input| {
            let sections = input.symbols.iter().enumerate().filter(|(_, s)| s.is_section());
            let moved = sections.filter_map(|(index, symbol)| {
                let Place::Section(section) = symbol.place else { return None };
                let offset = layout.placed(input.object, section)?.offset;
                (offset != 0).then_some((index as u32, offset))
            });
            moved.collect()
        });
        Rewriter { layout, symbols, moved: moved.collect() }
    }

    /// `target` is the output section that they apply to.
    pub fn append(&self, input: &Input, piece: Piece, target: &Output, out: &mut Vec<u8>) -> Result<()> {
        let section = &input.sections[piece.section];
        let one = One::new(self, input, piece, target);
        // `kinds` has checked the length; the types have no alignment.
        if section.kind == elf::SHT_RELA {
            for entry in slice_from_all_bytes::<Rela64<LE>>(section.data).unwrap_or_default() {
                let symbol = entry.r_sym(LE, false);
                let (offset, index) = one.rewrite(entry.r_offset.get(LE), symbol)?;
                let addend = match (symbol, index) {
                    (1.., 0) => one.tombstone,
                    _ => entry.r_addend.get(LE).wrapping_add(one.moved_by(symbol) as i64),
                };
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&info(index, entry.r_info.get(LE)).to_le_bytes());
                out.extend_from_slice(&addend.to_le_bytes());
            }
        } else {
            for entry in slice_from_all_bytes::<Rel64<LE>>(section.data).unwrap_or_default() {
                let symbol = entry.r_sym(LE);
                let (offset, index) = one.rewrite(entry.r_offset.get(LE), symbol)?;
                if one.moved_by(symbol) != 0 {
                    let found = "a relocation without an addend against a section that moves";
                    return Err(input.unexpected(input.called(piece.section), found, "one with an addend"));
                }
                out.extend_from_slice(&offset.to_le_bytes());
                out.extend_from_slice(&info(index, entry.r_info.get(LE)).to_le_bytes());
            }
        }
        Ok(())
    }
}

/// The type stays.
fn info(symbol: u32, info: u64) -> u64 {
    u64::from(symbol) << 32 | info & 0xffff_ffff
}

/// One section's relocations.
struct One<'a> {
    input: &'a Input<'a>,
    piece: Piece,
    indices: &'a [u32],
    moved: &'a HashMap<u32, u64>,
    /// How far the section that they apply to moves, in bytes.
    base: u64,
    /// Its size in the input, uncompressed.
    size: u64,
    /// It may refer to what is left out: linkers know what to make of that.
    may_dangle: bool,
    /// What such a reference becomes.
    tombstone: i64,
}

impl<'a> One<'a> {
    fn new(rewriter: &'a Rewriter, input: &'a Input<'a>, piece: Piece, target: &Output) -> One<'a> {
        let of = input.sections[piece.section].info;
        let placed = rewriter.layout.placed(input.object, of);
        One {
            input,
            piece,
            indices: rewriter.symbols.indices(input.object),
            moved: &rewriter.moved[input.object],
            base: placed.map_or(0, |p| p.offset),
            size: input.sections[of].full_size(),
            may_dangle: !target.flags.contains(elf::SHF_ALLOC) || *target.name == *b".eh_frame",
            // Two zeros would end a list of these.
            tombstone: i64::from([&b".debug_ranges"[..], b".debug_loc"].contains(&&*target.name)),
        }
    }

    /// Offset and symbol in the output.
    fn rewrite(&self, offset: u64, symbol: u32) -> Result<(u64, u32)> {
        let wrong = |found: String, expected: String| {
            Err(self.input.unexpected(self.input.called(self.piece.section), found, expected))
        };
        if offset > self.size {
            return wrong(format!("a relocation at {offset:#x}"), format!("at most {:#x}", self.size));
        }
        let Some(index) = self.indices.get(symbol as usize) else {
            let expected = format!("one of {} symbols", self.indices.len());
            return wrong(format!("a relocation to symbol {symbol}"), expected);
        };
        if *index == 0 && symbol != 0 && !self.may_dangle {
            let name = shown(self.input.symbols[symbol as usize].name);
            let found =
                format!("a relocation to symbol {symbol} ({name}), which is in a group that is left out");
            return wrong(found, "a reference that other objects could make too".to_string());
        }
        Ok((offset + self.base, *index))
    }

    fn moved_by(&self, symbol: u32) -> u64 {
        if self.moved.is_empty() { 0 } else { self.moved.get(&symbol).copied().unwrap_or(0) }
    }
}
