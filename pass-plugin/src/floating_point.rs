//! The same bits at every target: a clone contracts only what the baseline contracts.
//!
//! `llvm.fmuladd` means "fused if that is fast here", and the `contract` flag lets the code generator fuse
//! a multiplication and an addition. With either, a target with FMA rounds once where the baseline
//! rounds twice. It is also slower in serial reductions (2mm: 0.77 of the baseline's speed with, 1.00
//! without).
//!
//! The freedom is taken from every function of the module, not from the clones alone: LLVM folds a fused
//! operation on constants with one rounding at every target, and link-time optimisation may yet inline a
//! function that is not cloned into one that is.

use crate::annotate;
use crate::arch::fused_multiply_add;
use crate::llvm::{Function, Module, fast_math};
use crate::target::Target;
use image_format::cpu::Arch;

/// Makes the module's results those of its baseline, if the targets differ in what they can fuse.
/// Functions that can fuse by their own features keep what they were written with.
pub fn equalise(module: Module, arch: Arch, targets: &[Target]) {
    let fuses = |t: &Target| fused_multiply_add(arch).iter().any(|f| t.has(f));
    if fuses(&targets[0]) || !targets.iter().any(fuses) {
        return;
    }
    for function in module.functions().filter(|f| !f.is_declaration()) {
        let own = annotate::own_features(arch, function);
        if !fused_multiply_add(arch).iter().any(|f| own.contains(*f)) {
            forbid_contraction(module, function);
        }
    }
}

fn forbid_contraction(module: Module, function: Function) {
    let mut multiply_adds = Vec::new();
    for instruction in function.instructions() {
        if let Some(flags) = instruction.fast_math()
            && flags & fast_math::CONTRACT != 0
        {
            instruction.set_fast_math(flags & !fast_math::CONTRACT);
        }
        let callee = instruction.is_call().then(|| instruction.callee().0.as_function()).flatten();
        if callee.is_some_and(|f| f.name().starts_with("llvm.fmuladd.")) {
            multiply_adds.push(instruction);
        }
    }
    for call in multiply_adds {
        call.split_multiply_add(module);
    }
}
