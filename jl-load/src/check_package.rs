//! What must hold of the lists of a package image.

use crate::elf::ElfFile;
use crate::image::{Merged, RESTORE};
use crate::relocated::View;
use crate::trampoline;
use image_format::cpu::Arch;
use image_format::julia::memory::{Memory, Pointer};
use image_format::layout::{
    DEPENDENCY_FALLBACK, Dependency, Export, Extent, Import, NOT_CLONED, Reference, Referent,
    UNRESOLVED_SYMBOL, tag,
};
use image_format::package::linkage_checksum;
use std::collections::BTreeSet;
use std::ops::Range;

const DT_NEEDED: u64 = 1;

/// Checks the lists; that they are as long as the header says, and their checksum, was found when they were read.
pub fn check_package(file: &ElfFile, arch: Arch, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    check_alignment(merged, problem);
    check_exports(file, arch, merged, problem);
    check_dependencies(file, merged, problem);
    check_imports(file, arch, merged, problem);
    check_references(file, arch, merged, problem);
    check_linkage(file, merged, problem);
}

/// A load reads the lists where they stand, and refuses those that it cannot.
fn check_alignment(merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let header = merged.table.header();
    let mut check = |place: &str, list: Extent, alignment: usize| {
        let start = merged.address.wrapping_add_signed(i64::from(list.offset));
        if list.count > 0 && !start.is_multiple_of(alignment as u64) {
            problem(
                place,
                format!("the list at {start:#x} is not aligned, expected a multiple of {alignment}"),
            );
        }
    };
    check("header field exports", header.exports, align_of::<Export>());
    check("header field imports", header.imports, align_of::<Import>());
    check("header field references", header.references, align_of::<Reference>());
    check("header field dependencies", header.dependencies, align_of::<Dependency>());
    for (i, row) in merged.table.rows().enumerate() {
        let bodies = Extent { offset: row.bodies, count: header.slots.count };
        check(&format!("row {i}"), bodies, align_of::<i32>());
    }
}

fn check_references(file: &ElfFile, arch: Arch, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
    let view = View::new(file, arch);
    let mut cells = BTreeSet::new();
    for (index, dependency) in merged.package.dependencies.iter().enumerate() {
        let mut last = None;
        for (number, reference, referent) in merged.details.references_to(&merged.package, index) {
            let cell = at(reference.cell);
            let name = if referent.name == 0 { None } else { file.string_at(at(referent.name)) };
            let mut wrong = |text: String| {
                problem(&format!("reference {number} ({})", name.unwrap_or("by its place")), text)
            };
            if last.replace(reference.cell).is_some_and(|last| last >= reference.cell) {
                wrong(format!("its cell at {cell:#x} does not stand behind the one before it"));
            } else if !cells.insert(cell) {
                wrong(format!("its cell at {cell:#x} is another reference's, too"));
            }
            if referent.name != 0 && name.is_none_or(str::is_empty) {
                wrong(format!("its name at {:#x} is none", at(referent.name)));
            }
            if referent.inner > referent.size || referent.inner > reference.place {
                let (Referent { size, inner, .. }, place) = (referent, reference.place);
                wrong(format!("it leads {inner} bytes into an object of {size}, and {place} into the blob"));
            }
            if dependency.flags & DEPENDENCY_FALLBACK != 0 {
                wrong("it is to data of a dependency that is said not to be needed".into());
            }
            check_cell(file, &view, cell, wrong);
        }
    }
}

fn check_cell(file: &ElfFile, view: &View, cell: u64, mut wrong: impl FnMut(String)) {
    if !file.is_writable(cell, 8) || !cell.is_multiple_of(8) {
        wrong(format!("its cell at {cell:#x} is no aligned pointer in data that is writable at load"));
    }
    match view.pointer(cell) {
        Some(Pointer::Address(found)) if found == 0 || file.is_code(found) => {}
        found => wrong(format!(
            "its cell at {cell:#x} holds {found:x?} before it is filled, expected null or the stub"
        )),
    }
}

fn check_linkage(file: &ElfFile, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let header = merged.table.header();
    let start = merged.address.wrapping_add_signed(i64::from(header.linkage.offset));
    let bytes = match header.linkage.count {
        0 => Some(&[][..]),
        size => file.at(start, size as usize),
    };
    match bytes.map(linkage_checksum) {
        None => problem("linkage blob", format!("it does not lie inside the file at {start:#x}{RESTORE}")),
        Some(found) if found != header.linkage_checksum => {
            let expected = header.linkage_checksum;
            problem(
                "linkage blob",
                format!(
                    "it is damaged: its checksum is {expected:016x}, its bytes give {found:016x}{RESTORE}"
                ),
            );
        }
        Some(_) => {}
    }
}

fn check_exports(file: &ElfFile, arch: Arch, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
    let mut last = None;
    for (i, (value, identity)) in merged.package.exports.iter().zip(merged.details.exports.iter()).enumerate()
    {
        let function = at(value.offset);
        let name = file.symbol_at(function).map_or(String::new(), |name| format!(" ({name})"));
        let mut wrong = |text: String| problem(&format!("export {i}{name}"), text);
        if last.replace(identity).is_some_and(|last| last >= identity) {
            wrong("its identity is not larger than the one before it".into());
        }
        if value.tag != tag(&identity) {
            wrong(format!(
                "its tag is {:08x}, expected that of its identity, {:08x}",
                value.tag,
                tag(&identity)
            ));
        }
        if !file.is_code(function) {
            wrong(format!("its function at {function:#x} does not lie inside code"));
        }
        if value.function == NOT_CLONED {
            continue;
        }
        match merged.table.slot(value.function as usize).map(at) {
            None => wrong(format!("it is function {}, of {}", value.function, merged.table.functions())),
            Some(slot) => {
                if let Some(found) = trampoline::slot_of(file, arch, function).filter(|found| *found != slot)
                {
                    wrong(format!("its trampoline jumps through {found:#x}, expected its slot at {slot:#x}"));
                }
            }
        }
    }
}

fn check_dependencies(file: &ElfFile, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let needed = file.dynamic_strings(DT_NEEDED);
    let mut names = BTreeSet::new();
    for (i, dependency) in merged.package.dependencies.iter().enumerate() {
        let name = String::from_utf8_lossy(dependency.name()).into_owned();
        let mut wrong = |text: String| problem(&format!("dependency {i} ({name})"), text);
        if name.is_empty() || name.contains('/') {
            wrong("its name is no file's name: nothing that is loaded will be found by it".into());
        }
        if dependency.build_id().is_empty() {
            wrong("it has no build id: another one would not be noticed".into());
        }
        let stays_without = dependency.flags & DEPENDENCY_FALLBACK != 0;
        if !stays_without && !needed.contains(&name) {
            wrong(
                "it is not among the libraries that the dynamic linker loads for this file (DT_NEEDED)"
                    .into(),
            );
        }
        if !names.insert(name.clone()) {
            wrong("it is there twice".into());
        }
    }
}

fn check_imports(file: &ElfFile, arch: Arch, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
    let (package, span) = (&merged.package, merged.table.header().import_span);
    let is_empty = package.imports.is_empty();
    if is_empty && span != Extent::default() {
        problem("header field import_span", format!("found {span:?}, expected none: there are no imports"));
    }
    if !is_empty && !file.is_relro(at(span.offset), u64::from(span.count)) {
        let start = at(span.offset);
        problem("header field import_span", format!("the span at {start:#x} does not lie inside RELRO"));
    }
    let mut slots = Slots {
        file,
        span: at(span.offset)..at(span.offset).wrapping_add(u64::from(span.count)),
        own: merged.table.slots().into_iter().flatten().map(at).collect(),
        view: View::new(file, arch),
        stub: file.symbols().iter().find(|s| s.name == UNRESOLVED_SYMBOL).map(|s| s.address),
        seen: BTreeSet::new(),
    };
    for (index, dependency) in package.dependencies.iter().enumerate() {
        let stays_without = dependency.flags & DEPENDENCY_FALLBACK != 0;
        let mut last = None;
        for (number, import, _) in merged.details.imports_from(package, index) {
            let mut wrong = |text: String| problem(&format!("import {number}"), text);
            if last.replace(import.export).is_some_and(|last| last > import.export) {
                wrong(format!("its export {} stands before that of the import before it", import.export));
            }
            slots.check(at(import.slot), stays_without, wrong);
        }
    }
}

/// The import slots of an image, and what is known of them.
struct Slots<'a> {
    file: &'a ElfFile,
    /// Addresses.
    span: Range<u64>,
    /// The slots of the image's own functions.
    own: BTreeSet<u64>,
    view: View<'a>,
    /// Where a slot leads to before it is filled; of a stripped file the first one tells.
    stub: Option<u64>,
    seen: BTreeSet<u64>,
}

impl Slots<'_> {
    /// One of them, of a dependency that the image can do without or not.
    fn check(&mut self, slot: u64, stays_without: bool, mut wrong: impl FnMut(String)) {
        if !self.seen.insert(slot) {
            wrong(format!("its slot at {slot:#x} is another import's, too"));
        }
        let is_inside = self.span.contains(&slot) && self.span.end - slot >= 8;
        if !is_inside || !slot.is_multiple_of(8) {
            wrong(format!("its slot at {slot:#x} is no aligned place inside the span of import slots"));
        }
        let is_own = self.own.contains(&slot);
        match (stays_without, self.view.pointer(slot)) {
            (true, _) if is_own => {}
            (true, _) => wrong(format!("its slot at {slot:#x} is of none of the image's own functions")),
            (false, Some(Pointer::Address(found))) if self.file.is_code(found) => {
                let stub = *self.stub.get_or_insert(found);
                if found != stub || is_own {
                    wrong(format!(
                        "its slot at {slot:#x} leads to {found:#x}, expected the stub at {stub:#x}"
                    ));
                }
            }
            (false, found) => {
                wrong(format!(
                    "its slot at {slot:#x} leads to {found:x?} before it is filled, expected the stub"
                ));
            }
        }
    }
}
