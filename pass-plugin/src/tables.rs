//! Slots, trampoline bodies, records, the target list, the shard note and the report, as globals.
//!
//! The bytes are specified in [`image_format::layout`].

use crate::arch as architecture;
use crate::llvm::{Linkage, Module, Value};
use crate::packages;
use crate::plan::TargetFacts;
use crate::rewrite::Cloned;
use image_format::cpu::Arch;
use image_format::layout::*;
use image_format::pod::bytes_of;
use image_format::report::Line;
use image_format::specs::{self, TargetDescription};
use std::mem::{offset_of, size_of};

/// The tables of one module, while they are made.
pub struct ModuleTables {
    module: Module,
    arch: Arch,
    specs: Value,
    records: usize,
}

impl ModuleTables {
    /// Starts with the target list; it stays only if a record refers to it.
    pub fn new(module: Module, arch: Arch, flags: u32, targets: &[TargetDescription]) -> ModuleTables {
        let blob = specs::write(arch.elf_machine(), flags, targets);
        let specs = shared_data(module, &specs::symbol_name(&blob), &blob, SPECS_SECTION, 8);
        ModuleTables { module, arch, specs, records: 0 }
    }

    /// Gives a function its slot, its trampoline's body and its record.
    pub fn add(&mut self, function: &Cloned, targets: &[TargetFacts], tunable: bool) {
        let module = self.module;
        let trampoline = function.trampoline;
        let baseline = *function.body(0, targets);
        let slot_name = format!("{}{SLOT_SUFFIX}", function.name);
        let slot = module.add_global(&slot_name, module.pointer_type());
        slot.set_initializer(baseline);
        slot.set_linkage(Linkage::LLVMInternalLinkage);
        // The loader writes it: without this, LLVM would take the initial value for the only one.
        slot.set_externally_initialized();
        slot.set_section(&format!("{SLOT_SECTION}.{}", function.name));
        slot.set_alignment(8);
        slot.no_sanitize();
        if trampoline.has_comdat() {
            slot.copy_comdat(*trampoline);
        }
        trampoline.set_asm_body(module, &architecture::trampoline(self.arch), slot);
        if trampoline.is_local() {
            // Its address must count as taken: the calling convention of a local function that is only
            // called may otherwise be changed, and the bodies behind the slot would not follow.
            module.append_to_compiler_used(*trampoline);
        }
        self.add_record(function, slot, targets, tunable);
    }

    fn add_record(&mut self, function: &Cloned, slot: Value, targets: &[TargetFacts], tunable: bool) {
        let module = self.module;
        let int = |v: u32| module.int(32, u64::from(v));
        let asks = if function.asks.is_empty() { 0 } else { RECORD_ASKS };
        let flags = asks | if tunable { RECORD_TUNABLE } else { 0 };
        let zero: Vec<Value> = vec![int(0); record_size(targets.len(), flags) / 4];
        let record = module.add_global("", module.packed_struct(&zero).ty());
        let mut fields = vec![
            int(record_head(targets.len())),
            module.distance(self.specs, record, offset_of!(RecordHead, specs) as u64),
            module.distance(slot, record, offset_of!(RecordHead, slot) as u64),
            int(flags),
        ];
        for target in 0..targets.len() {
            let field = size_of::<RecordHead>() + 4 * target;
            fields.push(module.distance(*function.body(target, targets), record, field as u64));
        }
        if asks != 0 {
            let words = bytes_of(&function.asks).chunks_exact(4);
            fields.extend(words.map(|w| int(u32::from_le_bytes([w[0], w[1], w[2], w[3]]))));
        }
        record.set_initializer(module.packed_struct(&fields));
        place(record, RECORD_SECTION, 4);
        record.set_name(&format!("{}.jl_record", function.name));
        record.set_linkage(Linkage::LLVMPrivateLinkage);
        record.set_global_metadata(module, "associated", Some(*function.trampoline));
        if function.trampoline.has_comdat() {
            record.copy_comdat(*function.trampoline);
        }
        module.append_to_compiler_used(record);
        self.records += 1;
    }

    /// Ends with the note that leads a loader to the records, if there are any.
    pub fn finish(self) {
        let module = self.module;
        if self.records == 0 {
            // An image may take functions from others without a clone of its own, and has a list all the same.
            if packages::is_part_of_package(module) {
                module.append_to_compiler_used(self.specs);
            }
            return;
        }
        let note_type = {
            let name = module.bytes(&NOTE_NAME_PADDED);
            let mut fields = vec![module.int(32, 0); 3];
            fields.push(name);
            fields.extend(vec![module.int(32, 0); 4]);
            module.packed_struct(&fields).ty()
        };
        let note = module.add_global("jl_shard_note", note_type);
        let bound = |name: &str| {
            module.named_global(name).unwrap_or_else(|| {
                let symbol = module.add_global(name, module.int(8, 0).ty());
                // Weak: when every record was dropped, no linker defines it.
                symbol.set_linkage(Linkage::LLVMExternalWeakLinkage);
                symbol.set_hidden();
                symbol.set_dso_local();
                symbol
            })
        };
        let int = |v: u32| module.int(32, u64::from(v));
        let fields = [
            int(NOTE_NAME.len() as u32),
            int((size_of::<ShardNote>() - NOTE_DESC_OFFSET) as u32),
            int(NOTE_TYPE_SHARD),
            module.bytes(&NOTE_NAME_PADDED),
            int(FORMAT_VERSION),
            module.distance(bound(RECORDS_START), note, offset_of!(ShardNote, records_start) as u64),
            module.distance(bound(RECORDS_STOP), note, offset_of!(ShardNote, records_stop) as u64),
            int(LAYOUT_HASH as u32),
        ];
        note.set_initializer(module.packed_struct(&fields));
        place(note, SHARD_NOTE_SECTION, 4);
        note.set_linkage(Linkage::LLVMPrivateLinkage);
        module.append_to_compiler_used(note);
    }
}

fn data(module: Module, name: &str, bytes: Value, section: &str, alignment: u32) -> Value {
    let global = module.add_global(name, bytes.ty());
    global.set_initializer(bytes);
    place(global, section, alignment);
    global
}

/// Data of which an image keeps one copy; the name tells the content.
pub fn shared_data(module: Module, name: &str, bytes: &[u8], section: &str, alignment: u32) -> Value {
    module.named_global(name).unwrap_or_else(|| {
        let shared = data(module, name, module.bytes(bytes), section, alignment);
        shared.set_linkage(Linkage::LLVMLinkOnceODRLinkage);
        shared.set_hidden();
        shared.set_own_comdat(module);
        shared
    })
}

/// Makes a variable constant data in a section of ours.
pub fn place(global: Value, section: &str, alignment: u32) {
    global.set_constant(true);
    global.set_section(section);
    global.set_alignment(alignment);
    global.no_sanitize();
}

/// Writes the report lines where `jl-link` finds them and no image keeps them.
///
/// An object's section is SHF_EXCLUDE. After link-time optimisation the linker reads the section as
/// its own input and would drop it before `jl-link` sees the output, so it is merely not allocated
/// there, and `jl-link` removes it.
pub fn emit_report(module: Module, lines: &[Line], lto: bool) {
    if lines.is_empty() {
        return;
    }
    let text: String = lines.iter().map(Line::to_string).collect();
    if lto {
        append_text(module, REPORT_SECTION, &text);
        return;
    }
    emit_excluded(module, "jl_report", REPORT_SECTION, &text);
}

/// Puts text into a section that tools find in the object and linkers drop.
pub fn emit_excluded(module: Module, name: &str, section: &str, text: &str) {
    if text.is_empty() {
        return;
    }
    let excluded = data(module, name, module.bytes(text.as_bytes()), section, 1);
    excluded.set_linkage(Linkage::LLVMPrivateLinkage);
    excluded.set_global_metadata(module, "exclude", None);
    module.append_to_compiler_used(excluded);
}

/// Puts text into a section that is not loaded; linkers keep it.
pub fn append_text(module: Module, section: &str, text: &str) {
    let escaped: String = text.bytes().map(|b| format!("\\{b:03o}")).collect();
    module.append_asm(&format!(".pushsection {section},\"\",@progbits\n.ascii \"{escaped}\"\n.popsection\n"));
}
