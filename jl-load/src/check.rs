//! Everything that must hold of an image in a file.

use crate::check_package::check_package;
use crate::elf::ElfFile;
use crate::image::{Content, LoadError, Merged, Plain, RESTORE, arch, content};
use crate::julia;
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use image_format::julia::TableError;
use image_format::layout::{
    Extent, IMAGE_BASE, IMAGE_EXECUTABLE, IMAGE_SLOTS_CONTIGUOUS, ImageHeader, image_state,
};
use image_format::report::counted;
use image_format::specs::Specs;

/// What is wrong in an image whose tables could be read at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field or function, as a user may look for it.
    pub place: String,
    /// What was found and what was expected.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.text)
    }
}

/// What kind of image was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Merged {
        functions: usize,
        exports: usize,
        imports: usize,
        references: usize,
    },
    Plain {
        functions: usize,
        shards: usize,
    },
    /// From Julia, with its tables.
    Julia {
        functions: usize,
        data: usize,
        shards: usize,
        targets: usize,
    },
    Nothing,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Kind::Merged { functions, exports, imports, references } => {
                write!(f, "merged image, {}", counted(functions, "function"))?;
                if exports + imports + references > 0 {
                    write!(f, ", {}, {}", counted(exports, "export"), counted(imports, "import"))?;
                }
                if references > 0 {
                    write!(f, ", {}", counted(references, "reference"))?;
                }
                Ok(())
            }
            Kind::Plain { functions, shards } => {
                let (functions, objects) = (counted(functions, "function"), counted(shards, "object"));
                write!(f, "plainly linked image, {functions} from {objects}")
            }
            Kind::Julia { functions, data, shards, targets } => {
                let functions = counted(functions, "function");
                let (targets, shards) = (counted(targets, "target"), counted(shards, "shard"));
                write!(f, "image from Julia, {functions} and {data} data for {targets} in {shards}")
            }
            Kind::Nothing => write!(f, "no code image"),
        }
    }
}

/// Reads the image of `file` and checks it; an error when it cannot be read at all.
pub fn check(file: &ElfFile) -> Result<(Kind, Vec<Problem>), LoadError> {
    let mut problems = Vec::new();
    let kind = match content(file)? {
        Content::Nothing => check_julia(file, &mut problems)?,
        Content::Merged(merged) => {
            check_merged(file, arch(file)?, &merged, &mut problems);
            Kind::Merged {
                functions: merged.table.functions(),
                exports: merged.package.exports.len(),
                imports: merged.package.imports.len(),
                references: merged.package.references.len(),
            }
        }
        Content::Plain(plain) => {
            arch(file)?;
            check_plain(file, &plain, &mut problems);
            Kind::Plain { functions: plain.functions.len(), shards: plain.shards }
        }
    };
    Ok((kind, problems))
}

fn check_julia(file: &ElfFile, problems: &mut Vec<Problem>) -> Result<Kind, LoadError> {
    let Some(image) = julia::image(file)? else { return Ok(Kind::Nothing) };
    let problem = |TableError { table, found, expected }| Problem {
        place: table,
        text: format!("found {found}, expected {expected}{RESTORE}"),
    };
    problems.extend(julia::problems(file, &image).into_iter().map(problem));
    Ok(Kind::Julia {
        functions: image.functions as usize,
        data: image.data as usize,
        shards: image.shards.len(),
        targets: image.targets.targets.len(),
    })
}

fn check_merged(file: &ElfFile, arch: Arch, merged: &Merged, problems: &mut Vec<Problem>) {
    let header = *merged.table.header();
    let mut problem = |place: &str, text: String| problems.push(Problem { place: place.to_owned(), text });
    check_build_id(file, &header, &mut problem);
    for (place, extent) in
        [("header field methods", header.methods), ("header field bitcode", header.bitcode)]
    {
        if extent != Extent::default() {
            problem(place, format!("found {extent:?}, expected none: this version has no such list"));
        }
    }
    if header.reserved != 0 {
        problem("header field reserved", format!("found {:#x}, expected 0", header.reserved));
    }
    if header.flags & IMAGE_EXECUTABLE == 0 && file.is_executable {
        problem("header field flags", "the file is an executable, but the flag for it is not set".into());
    }
    let takes = [header.imports, header.references, header.dependencies];
    if header.flags & IMAGE_BASE != 0 && takes.iter().any(|list| list.count > 0) {
        problem(
            "header field flags",
            "it is said to be a base image, but takes something from others".into(),
        );
    }
    let at = |offset: i32| merged.address.wrapping_add_signed(i64::from(offset));
    let state = at(header.state.offset);
    if !file.is_relro(state, 4) {
        problem("header field state", format!("the state at {state:#x} does not lie inside RELRO"));
    }
    if let Some(value) = file.at(state, 4)
        && value != image_state::UNFILLED.to_le_bytes()
    {
        problem("image state", format!("found {value:02x?} in the file, expected zeros"));
    }
    let rows: Vec<_> = merged.table.rows().collect();
    if rows.first().is_some_and(|row| row.target != 0) {
        problem("row 0", format!("is for target {}, expected the baseline, target 0", rows[0].target));
    }
    if let Some(specs) = &merged.specs {
        check_rows(specs, merged, &mut problem);
        check_features(specs, &mut problem);
    }
    check_slots(file, merged, &header, &mut problem);
    check_distances(file, merged, &mut problem);
    check_package(file, arch, merged, &mut problem);
    for (i, _) in rows.iter().enumerate() {
        for (function, body) in merged.table.bodies(i).into_iter().flatten().enumerate() {
            if !file.is_code(at(body)) {
                let name = merged.table.slot(function).map(|slot| name_of(file, at(slot), function));
                let place = format!("{} in row {i}", name.unwrap_or_default());
                problem(&place, format!("its body at {:#x} does not lie inside code", at(body)));
            }
        }
    }
}

/// A row for each target, and none for others.
fn check_rows(specs: &Specs, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let targets = specs.len();
    for (i, row) in merged.table.rows().enumerate().filter(|(_, row)| row.target as usize >= targets) {
        problem(&format!("row {i}"), format!("is for target {}, but there are {targets}", row.target));
    }
    for target in (0..targets).filter(|target| merged.table.row_for(*target).is_none()) {
        problem(&format!("target {target}"), "has no row".into());
    }
}

fn check_slots(
    file: &ElfFile,
    merged: &Merged,
    header: &ImageHeader,
    problem: &mut impl FnMut(&str, String),
) {
    let span = header.slot_span;
    let first = i64::from(span.offset);
    let end = first + i64::from(span.count);
    let address = |offset: i64| merged.address.wrapping_add_signed(offset);
    if merged.table.functions() > 0 && !file.is_relro(address(first), u64::from(span.count)) {
        problem(
            "header field slot_span",
            format!("{:#x}..{:#x} does not lie inside RELRO", address(first), address(end)),
        );
    }
    for (function, slot) in merged.table.slots().into_iter().flatten().enumerate() {
        let slot = i64::from(slot);
        let mut wrong = |text: String| problem(&name_of(file, address(slot), function), text);
        if slot < first || slot + 8 > end {
            wrong(format!("its slot at {:#x} does not lie inside the slot span", address(slot)));
        } else if address(slot) % 8 != 0 {
            wrong(format!("its slot at {:#x} is not aligned to 8 bytes", address(slot)));
        }
        let contiguous = header.flags & IMAGE_SLOTS_CONTIGUOUS != 0;
        if contiguous && slot != first + 8 * function as i64 {
            wrong(format!(
                "its slot is at {:#x}, but the header says that slots are contiguous: expected {:#x}",
                address(slot),
                address(first + 8 * function as i64)
            ));
        }
    }
}

fn check_distances(file: &ElfFile, merged: &Merged, problem: &mut impl FnMut(&str, String)) {
    let mut last = None;
    for (index, distance) in merged.table.distances().enumerate() {
        let place = merged.address.wrapping_add_signed(i64::from(distance.place));
        let mut wrong = |text: String| problem(&format!("distance {index}"), text);
        if !file.is_relro(place, 4) || place % 4 != 0 {
            wrong(format!("it stands at {place:#x}, expected an aligned place in RELRO"));
        }
        if distance.function as usize >= merged.table.functions() {
            wrong(format!("it leads to function {}, of {}", distance.function, merged.table.functions()));
        }
        if last.replace(place).is_some_and(|last| last >= place) {
            wrong(format!("it stands at {place:#x}, not behind the one before it"));
        }
    }
}

fn check_build_id(file: &ElfFile, header: &ImageHeader, problem: &mut impl FnMut(&str, String)) {
    let in_header = header.build_id.get(..header.build_id_size as usize);
    let in_file = file.build_id().unwrap_or(&[]);
    if in_header != Some(in_file) {
        problem(
            "build id",
            format!(
                "the image header has {}, the file has {}: the file was changed after jl-link",
                in_header.map_or("one that is too long".into(), hexadecimal),
                hexadecimal(in_file)
            ),
        );
    }
}

/// Nothing is required but what the target, or one that it is based on and may run bodies of, declares.
fn check_features(specs: &Specs, problem: &mut impl FnMut(&str, String)) {
    let mut declared: Vec<FeatureSet> = Vec::new();
    for (target, entry) in specs.entries().enumerate() {
        // A base is an earlier target.
        let base = declared.get(entry.base as usize).copied().unwrap_or_default();
        declared.push(entry.declared.union(base));
        let undeclared = entry.required.difference(declared[target]);
        if !undeclared.is_empty() {
            let arch = Arch::from_elf_machine(specs.head().machine);
            let names = arch.map(|arch| arch.feature_names(undeclared).join(", ")).unwrap_or_default();
            problem(
                &format!("target {target} ({})", specs.name(target)),
                format!("requires features that it does not declare ({names}): the target list is damaged"),
            );
        }
    }
}

fn check_plain(file: &ElfFile, plain: &Plain, problems: &mut Vec<Problem>) {
    let mut problem = |place: &str, text: String| problems.push(Problem { place: place.to_owned(), text });
    for list in &plain.lists {
        check_features(&list.specs, &mut problem);
    }
    let mut seen = std::collections::HashMap::new();
    for (i, function) in plain.functions.iter().enumerate() {
        let name = name_of(file, function.slot, i);
        if !file.is_relro(function.slot, 8) {
            problem(&name, format!("its slot at {:#x} does not lie inside RELRO", function.slot));
        }
        if function.slot % 8 != 0 {
            problem(&name, format!("its slot at {:#x} is not aligned to 8 bytes", function.slot));
        }
        if let Some(other) = seen.insert(function.slot, function.record) {
            problem(&name, format!("has two records, at {other:#x} and {:#x}", function.record));
        }
        for (target, body) in function.bodies.iter().enumerate() {
            if !file.is_code(*body) {
                problem(&name, format!("its body for target {target} at {body:#x} does not lie inside code"));
            }
        }
    }
}

/// A function by its slot's symbol, or by its number where symbols were stripped.
pub fn name_of(file: &ElfFile, slot: u64, function: usize) -> String {
    let symbol = file.symbol_at(slot).and_then(|s| s.strip_suffix(image_format::layout::SLOT_SUFFIX));
    symbol.map_or_else(|| format!("function {function}"), str::to_owned)
}

/// Lower-case hex digits; `none` for no bytes.
pub fn hexadecimal(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "none".into();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
