//! Reads a finished image back and checks what every image promises.

use crate::arch;
use crate::elf::{Elf, Segment};
use crate::error::{Error, REPORT_IT, Result};
use crate::features::Used;
use crate::finish::build_id_place;
use crate::merge::{SLOT_SIZE, our_notes};
use crate::notes;
use crate::scan::Inputs;
use image_format::details::Details;
use image_format::image::{ImageError, Table, parse_header};
use image_format::layout::{
    DEPENDENCY_FALLBACK, Export, Extent, ImageHeader, ImageNote, NOT_CLONED, NOTE_TYPE_IMAGE, Referent, tag,
};
use image_format::package::{Package, linkage_checksum};
use image_format::specs::{SPECS_DECODED, Specs};
use object::elf;
use object::read::elf::FileHeader;
use std::mem::size_of;

/// # Errors
/// Names the promise that the file breaks. Nothing in it is repaired.
pub fn check(
    elf: &Elf,
    header_address: u64,
    used: &[Used],
    inputs: &Inputs,
    members: &[String],
) -> Result<()> {
    let header = check_header(elf, header_address, used)?;
    check_table(elf, header_address, &header)?;
    check_package(elf, header_address, &header)?;
    check_segments(elf)?;
    check_dynamic(elf, inputs)?;
    check_protection(elf, inputs, members)
}

fn image_error(elf: &Elf, error: ImageError) -> Error {
    elf.wrong("self-check", error.to_string(), "an intact image")
}

fn check_header(elf: &Elf, address: u64, used: &[Used]) -> Result<ImageHeader> {
    let notes = our_notes(elf, NOTE_TYPE_IMAGE).count();
    if notes != 1 {
        return Err(Error::Image {
            file: elf.path.clone(),
            what: "image notes".into(),
            found: notes.to_string(),
            expected: "1".into(),
            advice: "an image cannot be linked into another: link its objects",
        });
    }
    let note = our_notes(elf, NOTE_TYPE_IMAGE).next();
    let told = note.and_then(|at| elf.read(at)).map_or(0, |note: ImageNote| u64::from_le_bytes(note.address));
    if told != address {
        return Err(elf.wrong("image note", format!("address {told:#x}"), &format!("{address:#x}")));
    }
    let bytes = elf.slice(address, size_of::<ImageHeader>()).unwrap_or(&[]);
    let header = parse_header(bytes).map_err(|e| image_error(elf, e))?;
    if header.specs.count == 0 && header.slots.count == 0 {
        check_build_id(elf, &header)?;
        return Ok(header);
    }
    let specs = at(elf, address, header.specs)
        .ok_or_else(|| elf.wrong("target list", "none".into(), "the one that the header names"))?;
    let specs = Specs::parse(specs).map_err(|e| elf.wrong("target list", e.to_string(), "an intact one"))?;
    if specs.head().machine != elf.arch.elf_machine() {
        let found = format!("ELF machine {}", specs.head().machine);
        return Err(elf.wrong("target list", found, &elf.arch.elf_machine().to_string()));
    }
    if specs.len() != header.row_count as usize {
        return Err(elf.wrong("rows", header.row_count.to_string(), &specs.len().to_string()));
    }
    check_required(elf, &specs, used)?;
    check_build_id(elf, &header)?;
    Ok(header)
}

fn check_build_id(elf: &Elf, header: &ImageHeader) -> Result<()> {
    if let Some((place, size)) = build_id_place(elf) {
        let id = elf.slice(place, size).unwrap_or(&[]);
        if header.build_id.get(..header.build_id_size as usize) != id.get(..size.min(32)) {
            return Err(elf.wrong("build id", "one that differs from the header's".into(), "the same"));
        }
    }
    Ok(())
}

/// What the list requires is what was found in the code, and nothing that never leads to a rejection; the
/// baseline's part holds for every target.
fn check_required(elf: &Elf, specs: &Specs, used: &[Used]) -> Result<()> {
    let is_decoded = specs.head().flags & SPECS_DECODED != 0;
    if is_decoded == used.is_empty() {
        let found = format!("flags {:#x}", specs.head().flags);
        return Err(elf.wrong("target list", found, "the flag that says that the code was read"));
    }
    let baseline = specs.entry(0).map(|entry| entry.required).unwrap_or_default();
    for (target, entry) in specs.entries().enumerate() {
        let what = || format!("features required by target {target}");
        let names = |set| elf.arch.feature_names(set).join(" ");
        if let Some(used) = used.get(target).filter(|used| used.features != entry.required) {
            return Err(elf.wrong(&what(), names(entry.required), &names(used.features)));
        }
        let never = entry.required.intersection(elf.arch.never_rejects());
        if !never.is_empty() {
            return Err(elf.wrong(&what(), names(never), "none that never leads to a rejection"));
        }
        let missing = baseline.difference(entry.required);
        if is_decoded && !missing.is_empty() {
            return Err(elf.wrong(
                &what(),
                format!("no {}", names(missing)),
                "all that the baseline requires",
            ));
        }
    }
    Ok(())
}

fn at(elf: &Elf, header: u64, extent: Extent) -> Option<&[u8]> {
    elf.slice(header.wrapping_add_signed(extent.offset.into()), extent.count as usize)
}

fn is_relro(elf: &Elf, address: u64, size: u64) -> bool {
    let relro = |s: &&Segment| s.kind == elf::PT_GNU_RELRO && s.contains(address);
    elf.segments.iter().filter(relro).any(|s| s.contains(address + size - 1))
}

fn is_writable(elf: &Elf, address: u64, size: u64) -> bool {
    let writable =
        |s: &&Segment| s.kind == elf::PT_LOAD && s.flags.contains(elf::PF_W) && s.contains(address);
    elf.segments.iter().filter(writable).any(|s| s.contains(address + size - 1))
}

fn is_code(elf: &Elf, address: u64) -> bool {
    let code = |s: &Segment| s.kind == elf::PT_LOAD && s.flags.contains(elf::PF_X);
    elf.segments.iter().any(|s| code(s) && s.contains(address))
}

/// The lists of exports, imports, references and dependencies, and that the dynamic linker will load the dependencies.
pub fn check_package(elf: &Elf, address: u64, header: &ImageHeader) -> Result<()> {
    let wrong = |what: &str, found: String, expected: &str| Err(elf.wrong(what, found, expected));
    let lists = |extent| at(elf, address, extent).unwrap_or(&[]);
    let package = match Package::new(header, lists, true) {
        Ok(package) => package,
        Err(error) => return wrong("self-check", error.to_string(), "intact lists"),
    };
    let details = match Details::new(header, lists, true) {
        Ok(details) => details,
        Err(error) => return wrong("self-check", error.to_string(), "intact lists"),
    };
    let absolute = |offset: i32| address.wrapping_add_signed(offset.into());
    let identities: Vec<_> = details.exports.iter().collect();
    if !identities.is_sorted_by(|a, b| a < b) {
        return wrong("exports", "identities that do not ascend".into(), "ascending ones");
    }
    for (index, (export, identity)) in package.exports.iter().zip(identities).enumerate() {
        let known = export.function == NOT_CLONED || export.function < header.slots.count;
        if !known || !is_code(elf, absolute(export.offset)) || export.tag != tag(&identity) {
            let Export { tag, function, .. } = export;
            let found = format!("function {function}, address {:#x}, tag {tag:x}", absolute(export.offset));
            return wrong(&format!("export {index}"), found, "a function in executable code, and its tag");
        }
    }
    for (index, import) in package.imports.iter().enumerate() {
        let slot = absolute(import.slot);
        if !is_relro(elf, slot, SLOT_SIZE) {
            return wrong(&format!("import {index}"), format!("slot {slot:#x}"), "a slot in PT_GNU_RELRO");
        }
    }
    for (index, (reference, referent)) in package.references.iter().zip(details.references.iter()).enumerate()
    {
        let (cell, name) = (absolute(reference.cell), absolute(referent.name));
        let is_named = referent.name == 0 || elf.string_at(name).is_some_and(|name| !name.is_empty());
        let is_inside = referent.inner <= referent.size.min(reference.place);
        if !is_writable(elf, cell, SLOT_SIZE) || cell % SLOT_SIZE != 0 || !is_named || !is_inside {
            let Referent { size, inner, .. } = referent;
            let found = format!("cell {cell:#x}, name {name:#x}, byte {inner} of {size}");
            return wrong(
                &format!("reference {index}"),
                found,
                "an aligned cell in writable data, a name, a byte of the object",
            );
        }
    }
    let blob = lists(header.linkage);
    if blob.len() != header.linkage.count as usize || linkage_checksum(blob) != header.linkage_checksum {
        return wrong("linkage blob", format!("{} bytes", blob.len()), "bytes that the header tells of");
    }
    let needed = elf.needed();
    for dependency in package.dependencies.iter() {
        if dependency.flags & DEPENDENCY_FALLBACK == 0 && !needed.contains(&dependency.name()) {
            return Err(Error::Image {
                file: elf.path.clone(),
                what: format!("dependency {}", String::from_utf8_lossy(dependency.name())),
                found: "no DT_NEEDED of that name".into(),
                expected: "one, so that it is loaded first".into(),
                advice: "link dynamically, and give the dependency a SONAME (-soname)",
            });
        }
    }
    Ok(())
}

fn check_table(elf: &Elf, address: u64, header: &ImageHeader) -> Result<()> {
    let bytes = at(elf, address, header.table)
        .ok_or_else(|| elf.wrong("image table", "none".into(), "the one that the header names"))?;
    let table = Table::new(*header, bytes, true).map_err(|e| image_error(elf, e))?;
    let is_relro = |address, size| is_relro(elf, address, size);
    let is_code = |address| is_code(elf, address);
    let absolute = |offset: i32| address.wrapping_add_signed(offset.into());
    for function in 0..table.functions() {
        let slot = absolute(table.slot(function).unwrap_or(0));
        if !is_relro(slot, SLOT_SIZE) {
            return Err(Error::Image {
                file: elf.path.clone(),
                what: format!("slot of function {function}"),
                found: format!("address {slot:#x}"),
                expected: "one that is read-only after start (PT_GNU_RELRO)".into(),
                advice: "a linker script must keep .data.rel.ro.* together in RELRO",
            });
        }
        for row in 0..header.row_count as usize {
            let body = absolute(table.body(row, function).unwrap_or(0));
            if !is_code(body) {
                let what = format!("body of function {function} in row {row}");
                return Err(elf.wrong(&what, format!("address {body:#x}"), "executable code"));
            }
        }
    }
    for (index, distance) in table.distances().enumerate() {
        let place = absolute(distance.place);
        if !is_relro(place, 4) || distance.function as usize >= table.functions() {
            let found = format!("address {place:#x}, function {}", distance.function);
            return Err(elf.wrong(
                &format!("distance {index}"),
                found,
                "a place in PT_GNU_RELRO, and a function",
            ));
        }
    }
    let state = absolute(header.state.offset);
    if !is_relro(state, 4) {
        return Err(elf.wrong("image state", format!("address {state:#x}"), "one in PT_GNU_RELRO"));
    }
    Ok(())
}

fn check_segments(elf: &Elf) -> Result<()> {
    let both = elf::PF_W | elf::PF_X;
    for segment in elf.segments.iter().filter(|s| s.kind == elf::PT_LOAD) {
        if segment.flags.contains(both) {
            return Err(Error::Image {
                file: elf.path.clone(),
                what: "segment".into(),
                found: format!("address {:#x}, writable and executable", segment.address),
                expected: "one or the other".into(),
                advice: "leave out -N (--omagic) and linker scripts that ask for it",
            });
        }
    }
    Ok(())
}

fn check_dynamic(elf: &Elf, inputs: &Inputs) -> Result<()> {
    if elf.dynamic(elf::DT_TEXTREL).is_some() {
        return Err(Error::Image {
            file: elf.path.clone(),
            what: "dynamic section".into(),
            found: "DT_TEXTREL".into(),
            expected: "no relocations in code".into(),
            advice: "compile everything with -fPIC and leave out -z notext",
        });
    }
    for name in dynamic_ifuncs(elf) {
        if !inputs.bitcode && !inputs.ifuncs.contains(&name) {
            let found = format!("{name}, an IFUNC that no input has");
            return Err(elf.wrong("dynamic symbol", found, "functions only"));
        }
    }
    Ok(())
}

fn dynamic_ifuncs(elf: &Elf) -> Vec<String> {
    let endian = object::LittleEndian;
    let names = || -> object::read::Result<Vec<String>> {
        let header = elf::FileHeader64::<object::LittleEndian>::parse(&*elf.bytes)?;
        let sections = header.sections(endian, &*elf.bytes)?;
        let symbols = sections.symbols(endian, &*elf.bytes, elf::SHT_DYNSYM)?;
        let ifuncs = symbols.iter().filter(|s| s.st_type() == elf::STT_GNU_IFUNC);
        let ifuncs = ifuncs.filter(|s| s.st_shndx.get(endian) != elf::SHN_UNDEF);
        ifuncs.map(|s| Ok(String::from_utf8_lossy(symbols.symbol_name(endian, s)?).into_owned())).collect()
    };
    names().unwrap_or_default()
}

/// One object without a protection note takes it from the whole output: the shim must not be that one.
fn check_protection(elf: &Elf, inputs: &Inputs, members: &[String]) -> Result<()> {
    let Some(expected) = inputs.protection.filter(|p| *p != 0) else { return Ok(()) };
    let note = elf.section(".note.gnu.property").and_then(|s| notes::gnu_properties(elf.data(s)));
    let found = note.map_or(0, |n| arch::protection(elf.arch, n));
    // Archive members and what LTO made were linked as well, and may be without.
    if found & expected == expected || !members.is_empty() || inputs.bitcode {
        return Ok(());
    }
    let names = |bits| arch::protection_names(elf.arch, bits);
    Err(Error::Image {
        file: elf.path.clone(),
        what: "branch protection".into(),
        found: names(found),
        expected: format!("{}, as all inputs have", names(expected)),
        advice: REPORT_IT,
    })
}
