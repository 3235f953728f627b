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
use crate::arch::{fused_multiply_add, takes_sums_apart};
use crate::llvm::{Function, Module, Opcode, Type, TypeKind, Value, fast_math};
use crate::target::{Features, Target};
use image_format::cpu::Arch;

/// The types whose operations the same feature fuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// float and double
    Standard,
    /// half
    Half,
    /// bfloat
    Brain,
}

impl Precision {
    const ALL: [Precision; 3] = [Precision::Standard, Precision::Half, Precision::Brain];

    /// `None` for types that nothing fuses.
    fn of(ty: Type) -> Option<Precision> {
        match ty.element().kind() {
            TypeKind::LLVMFloatTypeKind | TypeKind::LLVMDoubleTypeKind => Some(Precision::Standard),
            TypeKind::LLVMHalfTypeKind => Some(Precision::Half),
            TypeKind::LLVMBFloatTypeKind => Some(Precision::Brain),
            _ => None,
        }
    }
}

/// What becomes of the freedom to fuse operations of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// Some target fuses and the baseline does not: none does.
    Never,
    /// All can, and none may choose.
    Always,
}

/// Makes the module's results those of its baseline, where the targets differ in what they can fuse or would.
/// Functions that can fuse by their own features keep what they were written with.
pub fn equalise(module: Module, arch: Arch, targets: &[Target]) {
    let fuses = |features: &Features, precision| {
        fused_multiply_add(arch, precision).iter().any(|f| features.contains(*f))
    };
    let choice = |precision| {
        if fuses(&targets[0].features, precision) {
            takes_sums_apart(arch).then_some((precision, Choice::Always))
        } else {
            let some = targets.iter().any(|t| fuses(&t.features, precision));
            some.then_some((precision, Choice::Never))
        }
    };
    let choices: Vec<_> = Precision::ALL.into_iter().filter_map(choice).collect();
    if choices.is_empty() {
        return;
    }
    for function in module.functions().filter(|f| !f.is_declaration()) {
        let own = annotate::own_features(arch, function);
        for (precision, choice) in &choices {
            match choice {
                Choice::Never if fuses(&own, *precision) => {}
                Choice::Never => forbid_contraction(module, function, *precision),
                Choice::Always => contract_now(module, function, *precision),
            }
        }
    }
}

fn operations(function: Function, precision: Precision) -> Vec<Value> {
    function.instructions().filter(|i| Precision::of(i.ty()) == Some(precision)).collect()
}

fn is_multiply_add(instruction: Value) -> bool {
    let callee = instruction.is_call().then(|| instruction.callee().0.as_function()).flatten();
    callee.is_some_and(|f| f.name().starts_with("llvm.fmuladd."))
}

fn has(instruction: Value, flag: u32) -> bool {
    instruction.fast_math().is_some_and(|flags| flags & flag != 0)
}

fn forbid_contraction(module: Module, function: Function, precision: Precision) {
    for instruction in operations(function, precision) {
        withdraw_contract(instruction);
        if is_multiply_add(instruction) {
            instruction.split_multiply_add(module);
        }
    }
}

fn withdraw_contract(instruction: Value) {
    if let Some(flags) = instruction.fast_math()
        && flags & fast_math::CONTRACT != 0
    {
        instruction.set_fast_math(flags & !fast_math::CONTRACT);
    }
}

/// Fuses what may be fused before a vectoriser sees it: of the sum of products in a loop it would add the products
/// in order and unfused, if it thinks that this pays at its target. Where sums may be reordered the bits
/// follow the length of the vectors anyway, and all is left to it.
fn contract_now(module: Module, function: Function, precision: Precision) {
    let may_fuse = |v: Value| has(v, fast_math::CONTRACT) && !has(v, fast_math::REASSOCIATE);
    let (fused, others): (Vec<Value>, Vec<Value>) =
        operations(function, precision).into_iter().partition(|i| is_multiply_add(*i));
    for call in fused.into_iter().filter(|c| !has(*c, fast_math::REASSOCIATE)) {
        call.fuse_multiply_add(module);
    }
    let is_sum = |v: &Value| matches!(v.opcode(), Opcode::LLVMFAdd | Opcode::LLVMFSub);
    // All at once: fusing ends the life of the product, too.
    let sums: Vec<Value> = others.into_iter().filter(|v| is_sum(v) && may_fuse(*v)).collect();
    for sum in sums {
        sum.fuse_with_product(module, may_fuse);
    }
    for rest in operations(function, precision).into_iter().filter(|v| may_fuse(*v)) {
        withdraw_contract(rest);
    }
}
