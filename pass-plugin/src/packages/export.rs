//! Export records: which functions other images may use in place of their own, and where they are.

use super::carrier::{self, Known};
use crate::llvm::{Function, Linkage, Module};
use crate::tables;
use image_format::identity::Identity;
use image_format::layout::{EXPORT_SECTION, ExportRecord};
use std::mem::offset_of;

/// Gives each function that still carries its identity a record, and takes the identities out of the module. Beyond this
/// point nothing may be cloned.
pub fn export(module: Module) -> bool {
    if !module.has_flag(super::IDENTIFIED) {
        return false;
    }
    let exported: Vec<(Function, Identity)> = module
        .functions()
        .filter(|f| !f.is_declaration())
        .filter_map(|f| match carrier::read(f)? {
            Known::Identity(identity) => Some((f, identity)),
            Known::Unshareable(_) => None,
        })
        .collect();
    for (function, identity) in exported {
        record(module, function, identity);
    }
    super::forget(module);
    true
}

fn record(module: Module, function: Function, identity: Identity) {
    // The symbol itself may be another image's where others can replace it; this is the definition here.
    let here = module.add_alias(&format!("{}.jl_here", function.name()), function);
    here.set_linkage(Linkage::LLVMPrivateLinkage);
    let identity = module.bytes(&identity.0);
    let zero = module.int(32, 0);
    let record = module.add_global("", module.packed_struct(&[identity, zero, zero, zero]).ty());
    let field = module.distance(here, record, offset_of!(ExportRecord, function) as u64);
    record.set_initializer(module.packed_struct(&[identity, field, zero, zero]));
    tables::place(record, EXPORT_SECTION, 4);
    record.set_name(&format!("{}.jl_export", function.name()));
    record.set_linkage(Linkage::LLVMPrivateLinkage);
    record.set_global_metadata(module, "associated", Some(*function));
    if function.has_comdat() {
        record.copy_comdat(*function);
    }
    module.append_to_compiler_used(record);
}
