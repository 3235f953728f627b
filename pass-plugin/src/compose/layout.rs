//! The sections of the output and what lies where in them.
//!
//! An input's section becomes a section, in the inputs' order. Exceptions:
//!
//! * `.eh_frame`, `.debug_*` and the call graph profile are one section each, the inputs' one after the other:
//!   many readers look for one in an object only (lld's `--gdb-index` among them). Relocations carry the
//!   offsets, so addends change, and no byte. What is compressed or in a group stays apart.
//! * What says something about the whole object stands there once: `.note.GNU-stack` (only where all have it,
//!   because an object without asks for an executable stack), property notes and build attributes (equal in
//!   all), `.comment`.

use super::error::{ComposeError, Result};
use super::groups::Groups;
use super::input::{Input, Role, Section};
use super::kinds::{SHT_AARCH64_ATTRIBUTES, SHT_LLVM_CALL_GRAPH_PROFILE};
use object::elf::{self, SectionFlags, SectionType};
use std::borrow::Cow;
use std::collections::HashMap;

/// The index of a section of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SectionId(pub u32);

pub struct Layout<'data> {
    /// Those from the inputs, without the null section: `SectionId(1)` is the first.
    pub sections: Vec<Output<'data>>,
    /// By input and section, where it went.
    placed: Vec<Vec<Option<Placed>>>,
}

pub struct Output<'data> {
    pub name: Cow<'data, [u8]>,
    pub kind: SectionType,
    pub flags: SectionFlags,
    pub align: u64,
    pub entry_size: u64,
    /// In bytes; of the memory if the file holds none.
    pub size: u64,
    pub content: Content,
}

pub enum Content {
    /// The inputs' bytes.
    Bytes(Vec<Piece>),
    /// The inputs' relocations of the section `of`.
    Relocations { of: SectionId, pieces: Vec<Piece> },
    /// The index in [`Groups::joined`] and the members.
    Group { group: usize, members: Vec<SectionId> },
}

/// A section of an input.
#[derive(Clone, Copy)]
pub struct Piece {
    pub input: usize,
    pub section: usize,
}

/// Where an input's section begins, in bytes from the start of the output's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub section: SectionId,
    pub offset: u64,
}

impl<'data> Layout<'data> {
    pub fn placed(&self, input: usize, section: usize) -> Option<Placed> {
        self.placed[input][section]
    }

    /// Gives sections the names that `name` says; one that is not UTF-8 keeps its own.
    pub fn rename(mut self, name: &dyn Fn(&str) -> String) -> Layout<'data> {
        for section in &mut self.sections {
            if let Ok(old) = std::str::from_utf8(&section.name) {
                let new = name(old);
                if new != old {
                    section.name = Cow::Owned(new.into_bytes());
                }
            }
        }
        self
    }

    /// With their indices.
    pub fn enumerate(&self) -> impl Iterator<Item = (SectionId, &Output<'data>)> {
        self.sections.iter().enumerate().map(|(i, s)| (SectionId(i as u32 + 1), s))
    }
}

pub fn lay_out<'data>(inputs: &[Input<'data>], groups: &Groups<'data>) -> Result<Layout<'data>> {
    check_uniform(inputs)?;
    let mut builder = Builder {
        inputs,
        groups,
        all_have_stack_note: inputs.iter().all(|i| i.sections.iter().any(is_stack_note)),
        sections: Vec::with_capacity(inputs.iter().map(|i| i.sections.len()).sum()),
        placed: inputs.iter().map(|i| vec![None; i.sections.len()]).collect(),
        open: HashMap::new(),
        relocations: HashMap::new(),
        group_sections: vec![None; groups.joined.len()],
    };
    for input in inputs {
        for section in 0..input.sections.len() {
            builder.place(input, section)?;
        }
    }
    builder.list_members();
    let Builder { sections, placed, .. } = builder;
    // Four more follow: address significance, symbols, their section indices, strings.
    let most = u64::from(u32::MAX) - 5;
    if sections.len() as u64 > most {
        return Err(ComposeError::TooLarge { what: "sections" });
    }
    Ok(Layout { sections, placed })
}

fn is_stack_note(section: &Section) -> bool {
    section.name == b".note.GNU-stack" && section.size == 0
}

/// Every input says the same in such a section.
fn is_uniform(section: &Section) -> bool {
    section.name == b".note.gnu.property" || section.kind == SHT_AARCH64_ATTRIBUTES
}

fn check_uniform(inputs: &[Input]) -> Result<()> {
    let of = |input: &Input| -> Vec<(Vec<u8>, Vec<u8>)> {
        let uniform = input.sections.iter().filter(|s| is_uniform(s));
        uniform.map(|s| (s.name.to_vec(), s.data.to_vec())).collect()
    };
    let said = |found: &[(Vec<u8>, Vec<u8>)]| match found {
        [] => "none".to_string(),
        found => format!("{:02x?}", found.iter().flat_map(|f| &f.1).collect::<Vec<_>>()),
    };
    let Some((first, others)) = inputs.split_first() else { return Ok(()) };
    let first = of(first);
    match others.iter().find(|i| of(i) != first) {
        Some(other) => Err(ComposeError::Differ {
            object: other.object,
            what: "their property notes or build attributes".to_string(),
            first: said(&first),
            other: said(&of(other)),
        }),
        None => Ok(()),
    }
}

/// How sections of the inputs come together.
#[derive(PartialEq)]
enum Rule {
    Apart,
    /// One after the other.
    Concatenated,
    /// Equal ones once, others one after the other.
    Once,
    /// Without bytes.
    StackNote,
}

fn rule(section: &Section) -> Rule {
    let apart = elf::SHF_GROUP | elf::SHF_COMPRESSED | elf::SHF_LINK_ORDER | elf::SHF_EXCLUDE;
    let allocated = section.flags.contains(elf::SHF_ALLOC);
    if is_stack_note(section) {
        return Rule::StackNote;
    }
    if section.kind == SHT_LLVM_CALL_GRAPH_PROFILE {
        return Rule::Concatenated;
    }
    if section.kind == elf::SHT_NOBITS || section.flags.0 & apart.0 != 0 {
        return Rule::Apart;
    }
    match section.name {
        _ if is_uniform(section) => Rule::Once,
        b".comment" if !allocated => Rule::Once,
        b".eh_frame" => Rule::Concatenated,
        name if name.starts_with(b".debug_") && !allocated => Rule::Concatenated,
        _ => Rule::Apart,
    }
}

/// Name, type, flags, size of entries: sections that agree in them may follow each other in one.
type Key<'data> = (&'data [u8], SectionType, SectionFlags, u64);

struct Builder<'a, 'data> {
    inputs: &'a [Input<'data>],
    groups: &'a Groups<'data>,
    all_have_stack_note: bool,
    sections: Vec<Output<'data>>,
    placed: Vec<Vec<Option<Placed>>>,
    /// Sections to which others may be added.
    open: HashMap<Key<'data>, SectionId>,
    /// By section and type of the relocations.
    relocations: HashMap<(SectionId, SectionType), SectionId>,
    /// By joined group.
    group_sections: Vec<Option<SectionId>>,
}

impl<'data> Builder<'_, 'data> {
    fn place(&mut self, input: &Input<'data>, index: usize) -> Result<()> {
        let section = &input.sections[index];
        let done = self.placed[input.object][index].is_some() || self.groups.dropped[input.object][index];
        if done {
            return Ok(());
        }
        let piece = Piece { input: input.object, section: index };
        let placed = match section.role {
            Role::Rebuilt | Role::AddressSignificance => None,
            Role::Group(group) => self.place_group(input, index, group),
            Role::Relocations { of } => {
                // They may stand before their section.
                self.place(input, of)?;
                self.place_relocations(section, piece, of)
            }
            Role::Bytes => self.place_bytes(input, section, piece)?,
        };
        self.placed[input.object][index] = placed;
        Ok(())
    }

    fn output(&mut self, section: &Section<'data>, size: u64, content: Content) -> SectionId {
        self.sections.push(Output {
            name: Cow::Borrowed(section.name),
            kind: section.kind,
            flags: section.flags,
            align: section.align,
            entry_size: section.entry_size,
            size,
            content,
        });
        SectionId(self.sections.len() as u32)
    }

    fn get(&mut self, id: SectionId) -> &mut Output<'data> {
        &mut self.sections[id.0 as usize - 1]
    }

    fn place_group(&mut self, input: &Input<'data>, index: usize, group: usize) -> Option<Placed> {
        let joined = self.groups.of[input.object][group]?;
        let section = match self.group_sections[joined] {
            Some(section) => section,
            None => {
                let content = Content::Group { group: joined, members: Vec::new() };
                self.output(&input.sections[index], 0, content)
            }
        };
        self.group_sections[joined] = Some(section);
        Some(Placed { section, offset: 0 })
    }

    fn place_relocations(&mut self, section: &Section<'data>, piece: Piece, of: usize) -> Option<Placed> {
        let of = self.placed[piece.input][of]?.section;
        let size = section.size;
        if let Some(to) = self.relocations.get(&(of, section.kind)).copied() {
            let output = self.get(to);
            let offset = output.size;
            output.size += size;
            if let Content::Relocations { pieces, .. } = &mut output.content {
                pieces.push(piece);
            }
            return Some(Placed { section: to, offset });
        }
        let to = self.output(section, size, Content::Relocations { of, pieces: vec![piece] });
        self.relocations.insert((of, section.kind), to);
        Some(Placed { section: to, offset: 0 })
    }

    fn place_bytes(
        &mut self,
        input: &Input<'data>,
        section: &Section<'data>,
        piece: Piece,
    ) -> Result<Option<Placed>> {
        let rule = rule(section);
        if rule == Rule::StackNote && !self.all_have_stack_note {
            return Ok(None);
        }
        // Whether the stack is executable is no reason for two notes: one such input suffices.
        let flags = if rule == Rule::StackNote { SectionFlags(0) } else { section.flags };
        let key = (section.name, section.kind, flags, section.entry_size);
        let open = self.open.get(&key).copied().filter(|_| rule != Rule::Apart);
        if let Some(placed) = open.and_then(|to| self.add(to, section, piece, &rule)) {
            return Ok(Some(placed));
        }
        if section.link != 0
            && section.flags.contains(elf::SHF_LINK_ORDER)
            && self.groups.dropped[input.object][section.link]
        {
            let found = format!("order after {}, which is left out", input.called(section.link));
            return Err(input.unexpected(input.called(piece.section), found, "a section of the output"));
        }
        let to = self.output(section, section.size, Content::Bytes(vec![piece]));
        if rule != Rule::Apart {
            self.open.insert(key, to);
        }
        Ok(Some(Placed { section: to, offset: 0 }))
    }

    /// Adds a piece to an output section. Not where it would take padding, which readers of `.eh_frame` and debug
    /// sections take for contents.
    fn add(&mut self, to: SectionId, section: &Section, piece: Piece, rule: &Rule) -> Option<Placed> {
        let inputs = self.inputs;
        let output = self.get(to);
        let Content::Bytes(pieces) = &mut output.content else { return None };
        if *rule == Rule::Once {
            let mut offset = 0;
            for piece in &*pieces {
                let data = inputs[piece.input].sections[piece.section].data;
                if data == section.data {
                    return Some(Placed { section: to, offset });
                }
                offset += data.len() as u64;
            }
        }
        let offset = output.size;
        if !offset.is_multiple_of(section.align) {
            return None;
        }
        if *rule != Rule::StackNote {
            pieces.push(piece);
        }
        output.size += section.size;
        output.align = output.align.max(section.align);
        output.flags |= section.flags;
        Some(Placed { section: to, offset })
    }

    /// Gives the groups their members, in the inputs' order.
    fn list_members(&mut self) {
        for input in self.inputs {
            for (group, joined) in input.groups.iter().zip(&self.groups.of[input.object]) {
                let Some(section) = joined.and_then(|j| self.group_sections[j]) else { continue };
                let placed = |m: &usize| self.placed[input.object][*m].map(|p| p.section);
                let new: Vec<SectionId> = group.members.iter().filter_map(placed).collect();
                let output = self.get(section);
                if let Content::Group { members, .. } = &mut output.content {
                    members.extend(new);
                    output.size = 4 + 4 * members.len() as u64;
                }
            }
        }
    }
}
