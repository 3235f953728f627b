//! What Julia's rules ask of a function (julia-protocol, section 2).

use super::question::{Isa, Question};
use crate::llvm::{Function, Opcode, TypeKind, Value};
use crate::plan::FunctionFacts;
use std::collections::HashMap;

/// The facts of all functions with a body, and whether any call or signature passes vectors.
pub struct ModuleFacts {
    pub facts: Vec<FunctionFacts>,
    pub passes_vectors: bool,
}

pub fn collect(functions: &[Function], isa: Isa) -> ModuleFacts {
    let index: HashMap<Function, usize> = functions.iter().enumerate().map(|(i, f)| (*f, i)).collect();
    let mut passes_vectors = false;
    let facts = functions
        .iter()
        .map(|function| {
            let mut facts = FunctionFacts { name: function.name().to_string(), ..FunctionFacts::default() };
            facts.has_loop = !function.loops().is_empty();
            let vectors = has_vectors(*function);
            passes_vectors |= vectors;
            facts.has_vectors = vectors;
            for instruction in function.instructions() {
                passes_vectors |= add_instruction(&mut facts, instruction, isa, &index);
            }
            facts
        })
        .collect();
    ModuleFacts { facts, passes_vectors }
}

fn has_vectors(function: Function) -> bool {
    function.signature().signature().into_iter().any(|t| t.is_vector())
}

/// Adds what an instruction says; true when it passes vectors to a call.
fn add_instruction(
    facts: &mut FunctionFacts,
    instruction: Value,
    isa: Isa,
    index: &HashMap<Function, usize>,
) -> bool {
    facts.instructions += 1;
    let mut passes_vectors = false;
    match instruction.opcode() {
        Opcode::LLVMCall => passes_vectors = add_call(facts, instruction, isa),
        Opcode::LLVMStore => facts.has_vectors |= instruction.operand(0).ty().is_vector(),
        _ => facts.has_vectors |= instruction.ty().is_vector(),
    }
    if instruction.is_call()
        && let Some(callee) = instruction.callee().0.as_function()
    {
        facts.calls.extend(index.get(&callee));
    }
    facts.has_math |= instruction.fast_math().is_some_and(|flags| flags != 0);
    for operand in instruction.operands() {
        match operand.ty().kind() {
            TypeKind::LLVMHalfTypeKind => facts.has_float16 = true,
            TypeKind::LLVMBFloatTypeKind => facts.has_bfloat16 = true,
            _ => {}
        }
    }
    passes_vectors
}

fn add_call(facts: &mut FunctionFacts, call: Value, isa: Isa) -> bool {
    let (callee, signature) = call.callee();
    let vectors = signature.signature().into_iter().any(|t| t.is_vector());
    facts.has_vectors |= vectors;
    if let Some(callee) = callee.as_function() {
        let name = callee.name();
        facts.has_math |= name.starts_with("llvm.muladd.") || name.starts_with("llvm.fma.");
        // Where all CPUs give the same answer, asking is no reason for a clone.
        let settled = Question::parse(name).and_then(|q| q.settled(isa)).is_some();
        facts.asks_cpu |= name.starts_with(Question::PREFIX) && !settled;
    }
    vectors
}
