//! The same bits at every target: a clone contracts only what the baseline contracts.
//!
//! `llvm.fmuladd` means "fused if that is fast here", and the `contract` flag lets the code generator fuse
//! a multiplication and an addition. With either, a target with FMA rounds once where the baseline
//! rounds twice. It is also slower in serial reductions (2mm: 0.77 of the baseline's speed with, 1.00
//! without).

use crate::llvm::{Function, Module, fast_math};

/// Takes the freedom to contract out of a clone.
pub fn forbid_contraction(module: Module, function: Function) {
    let mut multiply_adds = Vec::new();
    for instruction in function.instructions() {
        if let Some(flags) = instruction.fast_math()
            && flags & fast_math::CONTRACT != 0
        {
            instruction.forbid_contract();
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
