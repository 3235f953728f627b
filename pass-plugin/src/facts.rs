//! Facts: what each function of a module is, read once before anything changes.

use crate::arch as architecture;
use crate::llvm::{Block, Function, LoopBlock, Module, Opcode, TypeKind, Value, fast_math};
use crate::plan::FunctionFacts;
use crate::questions::fold::Sources;
use image_format::cpu::Arch;
use image_format::report::Reason;
use std::collections::{HashMap, HashSet};

/// The functions defined in the module, in order, with their facts.
pub struct ModuleFacts {
    pub functions: Vec<Function>,
    pub facts: Vec<FunctionFacts>,
}

/// What newer CPUs of an architecture do better than its baseline besides longer vectors in loops, and what
/// can therefore make code pay that no loop vectoriser touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gains {
    /// Registers for more than 16 bytes stored side by side.
    pub wider_rows: bool,
    /// Instructions that count bits or round to whole numbers.
    pub counting_and_rounding: bool,
    /// Shifts by a variable amount in one operation.
    pub variable_shifts: bool,
    /// Fused multiply-add, which is a library call without the instruction.
    pub multiply_add: bool,
}

/// Collects the facts of all functions; `own_target` tells which have wider features than the baseline.
pub fn collect(module: Module, arch: Arch, own_target: impl Fn(Function) -> bool) -> ModuleFacts {
    let functions: Vec<Function> = module.functions().filter(|f| !f.is_declaration()).collect();
    let index: HashMap<Function, usize> = functions.iter().enumerate().map(|(i, f)| (*f, i)).collect();
    let special = special_functions(module);
    let gains = architecture::gains(arch);
    let sources = Sources::of(module, arch);
    let facts = functions
        .iter()
        .map(|f| {
            let mut facts = function_facts(*f, gains, &index);
            facts.asks = sources.asked(module, *f);
            facts.obstacle = special
                .get(f)
                .copied()
                .or_else(|| obstacle(arch, *f))
                .or_else(|| own_target(*f).then_some(Reason::OwnTarget));
            facts
        })
        .collect();
    ModuleFacts { functions, facts }
}

/// Functions that something outside of function bodies makes special.
fn special_functions(module: Module) -> HashMap<Function, Reason> {
    let mut special = HashMap::new();
    for ifunc in module.ifuncs() {
        for resolver in ifunc.operands().filter_map(Value::as_function) {
            special.insert(resolver, Reason::RunsEarly);
        }
    }
    for global in module.globals() {
        let Some(initializer) = global.initializer() else { continue };
        if global.section() != Some(".preinit_array") {
            continue;
        }
        visit_constants(initializer, &mut HashSet::new(), &mut |constant| {
            if let Some(function) = constant.as_function() {
                special.insert(function, Reason::RunsEarly);
            }
        });
    }
    special
}

fn visit_constants(value: Value, seen: &mut HashSet<Value>, visit: &mut impl FnMut(Value)) {
    if !seen.insert(value) {
        return;
    }
    visit(value);
    if value.is_global_variable() || value.as_function().is_some() {
        return;
    }
    for operand in value.operands() {
        visit_constants(operand, seen, visit);
    }
}

/// Whether direct calls are left. When an always_inline function has none, callers hold its code, and what is
/// left of it is called through its address, as are the regions that OpenMP takes out of functions.
fn is_called(function: Function) -> bool {
    function
        .users()
        .into_iter()
        .any(|user| user.is_instruction() && user.is_call() && user.callee().0 == *function)
}

/// Why a function cannot be cloned, from the function alone.
fn obstacle(arch: Arch, function: Function) -> Option<Reason> {
    use crate::llvm::Linkage;
    let attributes = [
        ("speculative_load_hardening", Reason::Hardened),
        ("naked", Reason::Naked),
        ("optnone", Reason::OptNone),
        ("noduplicate", Reason::NoDuplicate),
        ("presplitcoroutine", Reason::Coroutine),
    ];
    if function.linkage() == Linkage::LLVMAvailableExternallyLinkage {
        return Some(Reason::AvailableExternally);
    }
    if let Some((_, reason)) = attributes.iter().find(|(name, _)| function.has_attribute(name)) {
        return Some(*reason);
    }
    if function.has_attribute("alwaysinline") && is_called(function) {
        return Some(Reason::AlwaysInline);
    }
    if let Some(reason) = architecture::obstacle(arch, function) {
        return Some(reason);
    }
    if function.section().is_some() {
        return Some(Reason::ExplicitSection);
    }
    if function.name().is_empty()
        || function.has_prefix_or_prologue_data()
        || function.string_attribute("split-stack").is_some()
    {
        return Some(Reason::CallingConvention);
    }
    let features = function.string_attribute("target-features").unwrap_or_default();
    if features.split(',').filter_map(|f| f.strip_prefix('+')).any(|f| architecture::is_hardened(arch, f)) {
        return Some(Reason::Hardened);
    }
    if function.string_attribute("jl.skip").is_some() {
        return Some(Reason::Skipped);
    }
    if function.signature().signature().into_iter().any(|t| architecture::abi_differs(arch, t)) {
        return Some(Reason::AbiDiffers);
    }
    // A label address in a static table cannot be told apart per clone.
    if function.blocks().any(Block::has_address_taken) {
        return Some(Reason::BlockAddress);
    }
    function.instructions().filter(|i| i.is_call()).find_map(|call| call_obstacle(arch, call))
}

fn call_obstacle(arch: Arch, call: Value) -> Option<Reason> {
    let (callee, signature) = call.callee();
    if let Some(asm) = callee.inline_asm() {
        return defines_label(&asm).then_some(Reason::InlineAsmLabels);
    }
    let function = callee.as_function();
    if call.call_has_attribute("noduplicate") || function.is_some_and(|f| f.has_attribute("noduplicate")) {
        return Some(Reason::NoDuplicate);
    }
    if function.is_some_and(|f| f.name().starts_with("llvm.experimental.constrained.fmuladd.")) {
        return Some(Reason::StrictFloatingPoint);
    }
    let intrinsic = function.is_some_and(Function::is_intrinsic);
    let differs = !intrinsic && signature.signature().into_iter().any(|t| architecture::abi_differs(arch, t));
    differs.then_some(Reason::AbiDiffers)
}

/// Whether inline assembly defines something that may exist only once: a label that is neither numeric
/// nor made unique by LLVM (`${:uid}`), or a symbol directive.
pub fn defines_label(asm: &str) -> bool {
    const DIRECTIVES: [&str; 7] = [".globl", ".global", ".weak", ".set", ".symver", ".type", ".comm"];
    asm.split(['\n', ';']).any(|line| {
        let line = line.trim_start();
        if DIRECTIVES.iter().any(|d| line.starts_with(d)) {
            return true;
        }
        let word: &str = line.split(|c: char| c.is_whitespace() || c == '"').next().unwrap_or("");
        match word.split_once(':') {
            Some((label, _)) if label.is_empty() || label.contains("${") => false,
            // `%fs:(...)` and the like are segment prefixes inside operands, not labels.
            Some((label, _)) if label.contains(['%', '$', '(']) => false,
            Some((label, _)) => !label.bytes().all(|b| b.is_ascii_digit()),
            None => false,
        }
    })
}

/// One in so many of a function's instructions must stand where a target can do better. An interpreter
/// of ten thousand instructions with one small loop that could be vectorised (SQLite's) gains nothing
/// and draws everything it calls into the clone set.
const SHARE_THAT_PAYS: u32 = 16;

/// Shifts by a variable amount, and their share of the instructions, from which on a function packs bits
/// for a living. Without BMI2 such a shift is three micro-operations on Intel's cores and wants its amount
/// in CL: mozjpeg's unrolled block encoder, and with it the whole fast encoding, gains 3 %. The number
/// keeps out entropy coders that are a loop around a few shifts, which gain nothing.
const BIT_PACKING_SHIFTS: u32 = 64;
const BIT_PACKING_SHARE: u32 = 64;

fn function_facts(function: Function, gains: Gains, index: &HashMap<Function, usize>) -> FunctionFacts {
    let mut facts = FunctionFacts { name: function.name().to_string(), ..FunctionFacts::default() };
    let signature = function.signature().signature();
    facts.has_vectors = signature.iter().any(|t| t.is_vector());
    let loops = function.loops();
    let mut paying = 0;
    let mut shifts = 0;
    for block in function.blocks() {
        let mut stored_results = 0;
        let before = facts.instructions;
        for instruction in block.instructions() {
            facts.instructions += 1;
            instruction_facts(instruction, index, &mut facts);
            stored_results += usize::from(stores_arithmetic(instruction));
            shifts += u32::from(is_variable_shift(instruction));
        }
        // Straight-line code for the SLP vectoriser: a row of computed values stored side by side.
        if stored_results >= 4 && gains.wider_rows {
            paying += facts.instructions - before;
        }
    }
    facts.calls.sort_unstable();
    facts.calls.dedup();
    facts.has_loop = !loops.is_empty();
    let loops = innermost_loops(&loops);
    let share = |paying: u32| paying > 0 && paying * SHARE_THAT_PAYS >= facts.instructions;
    let paying_loops: Vec<&InnermostLoop> = loops.iter().filter(|l| l.pays(gains)).collect();
    let dot_products = paying_loops.iter().filter(|l| l.sums_up_bytes());
    facts.dot_product_pays = share(dot_products.map(|l| l.instructions()).sum());
    paying += paying_loops.iter().map(|l| l.instructions()).sum::<u32>();
    if gains.variable_shifts
        && shifts >= BIT_PACKING_SHIFTS
        && shifts * BIT_PACKING_SHARE >= facts.instructions
    {
        paying += facts.instructions;
    }
    facts.loop_pays = share(paying);
    facts.math_pays &= gains.multiply_add;
    if function.has_attribute("cold") {
        (facts.loop_pays, facts.dot_product_pays, facts.math_pays) = (false, false, false);
    }
    facts
}

fn instruction_facts(instruction: Value, index: &HashMap<Function, usize>, facts: &mut FunctionFacts) {
    let ty = instruction.ty();
    facts.has_vectors |= ty.is_vector() || instruction.operands().any(|o| o.ty().is_vector());
    facts.has_float16 |= ty.kind() == TypeKind::LLVMHalfTypeKind;
    facts.has_bfloat16 |= ty.kind() == TypeKind::LLVMBFloatTypeKind;
    facts.has_math |= instruction.fast_math().is_some_and(|flags| flags != 0);
    if !instruction.is_call() {
        return;
    }
    let Some(callee) = instruction.callee().0.as_function() else { return };
    let name = callee.name();
    if name.starts_with("llvm.fma.") {
        (facts.has_math, facts.math_pays) = (true, true);
    }
    facts.has_math |= name.starts_with("llvm.fmuladd.");
    facts.asks_cpu |= name.starts_with("julia.cpu.");
    facts.calls.extend(index.get(&callee));
}

fn stores_arithmetic(instruction: Value) -> bool {
    if instruction.opcode() != Opcode::LLVMStore {
        return false;
    }
    let value = instruction.operand(0);
    // Steps by a constant (counters, pointers) and flags are bookkeeping.
    value.is_instruction()
        && is_arithmetic(value)
        && !is_select_or_logic(value)
        && value.operands().all(|o| !o.is_constant())
}

fn is_variable_shift(instruction: Value) -> bool {
    let shift = matches!(instruction.opcode(), Opcode::LLVMShl | Opcode::LLVMLShr | Opcode::LLVMAShr);
    shift && !instruction.operand(1).is_constant()
}

fn is_select_or_logic(value: Value) -> bool {
    matches!(value.opcode(), Opcode::LLVMSelect | Opcode::LLVMAnd | Opcode::LLVMOr | Opcode::LLVMICmp)
}

fn is_arithmetic(value: Value) -> bool {
    use Opcode::*;
    matches!(
        value.opcode(),
        LLVMAdd
            | LLVMFAdd
            | LLVMSub
            | LLVMFSub
            | LLVMMul
            | LLVMFMul
            | LLVMFDiv
            | LLVMShl
            | LLVMLShr
            | LLVMAShr
            | LLVMAnd
            | LLVMOr
            | LLVMXor
            | LLVMFNeg
            | LLVMSelect
            | LLVMICmp
            | LLVMFCmp
            | LLVMSIToFP
            | LLVMUIToFP
            | LLVMFPToSI
            | LLVMFPToUI
            | LLVMFPExt
            | LLVMFPTrunc
    )
}

fn innermost_loops(blocks: &[LoopBlock]) -> Vec<InnermostLoop> {
    let mut loops: HashMap<Block, HashSet<Block>> = HashMap::new();
    for b in blocks.iter().filter(|b| b.innermost) {
        loops.entry(b.header).or_default().insert(b.block);
    }
    loops.into_iter().map(|(header, blocks)| InnermostLoop { header, blocks }).collect()
}

/// A loop without loops inside.
struct InnermostLoop {
    header: Block,
    blocks: HashSet<Block>,
}

impl InnermostLoop {
    /// Whether the vectorisers, or the bit counting and rounding instructions of a target, can do something here.
    ///
    /// A cheap model of what the loop vectoriser asks: counted, one exit, no calls, every value carried
    /// from one iteration to the next an induction, a reduction that may be reordered or a value of the
    /// iteration before, and work on memory. It errs towards "no": what it lets through is cloned for every target.
    fn pays(&self, gains: Gains) -> bool {
        let mut work = Work::default();
        for block in &self.blocks {
            for instruction in block.instructions() {
                if !work.add(instruction) {
                    return false;
                }
            }
        }
        if gains.counting_and_rounding && work.count_or_rounding {
            return true;
        }
        work.memory > 0
            && work.arithmetic > COUNTING
            && self.phis().all(|p| self.is_induction(p) || self.is_reduction(p) || self.is_recurrence(p))
            && self.is_counted()
    }

    fn instructions(&self) -> u32 {
        self.blocks.iter().map(|b| b.instructions().count() as u32).sum()
    }

    fn phis(&self) -> impl Iterator<Item = Value> {
        self.header.instructions().take_while(|i| i.opcode() == Opcode::LLVMPHI)
    }

    fn contains(&self, value: Value) -> bool {
        value.is_instruction() && self.blocks.contains(&value.parent())
    }

    /// The value that a header phi takes on from the iteration before.
    fn carried(&self, phi: Value) -> Option<Value> {
        let mut inside = phi.incoming().into_iter().filter(|(_, b)| self.blocks.contains(b)).map(|(v, _)| v);
        let first = inside.next()?;
        inside.next().is_none().then_some(first)
    }

    /// Steps by what does not change in the loop.
    fn is_induction(&self, phi: Value) -> bool {
        let Some(next) = self.carried(phi) else { return false };
        if !self.contains(next) {
            return false;
        }
        let steps = matches!(next.opcode(), Opcode::LLVMAdd | Opcode::LLVMSub | Opcode::LLVMGetElementPtr);
        let mut others = next.operands().filter(|o| *o != phi);
        steps && next.operands().any(|o| o == phi) && others.all(|o| !self.contains(o))
    }

    /// A chain of one operation that may be reordered leads from the phi back to itself.
    fn is_reduction(&self, phi: Value) -> bool {
        let Some(next) = self.carried(phi) else { return false };
        self.contains(next) && may_reorder(next) && self.reaches(next, phi, next.opcode(), 12)
    }

    /// A sum of 8-bit numbers, or of products of two, in a wider type: what dot-product instructions do.
    fn sums_up_bytes(&self) -> bool {
        let is_byte = |v: Value| {
            matches!(v.opcode(), Opcode::LLVMZExt | Opcode::LLVMSExt)
                && v.operand(0).ty().integer_bits() == Some(8)
        };
        let is_product =
            |v: Value| v.opcode() == Opcode::LLVMMul && v.operands().all(|o| self.contains(o) && is_byte(o));
        let adds =
            self.blocks.iter().flat_map(|b| b.instructions()).filter(|i| i.opcode() == Opcode::LLVMAdd);
        let mut addends = adds.flat_map(|add| [add.operand(0), add.operand(1)]);
        let sums = self.phis().any(|p| self.is_reduction(p) && !self.is_induction(p));
        sums && addends.any(|v| self.contains(v) && (is_byte(v) || is_product(v)))
    }

    /// Takes on a value of the iteration before that does not itself depend on what is carried along: the
    /// vectoriser splices it in (a neighbour in a filter). A state that feeds back is none.
    fn is_recurrence(&self, phi: Value) -> bool {
        let mut seen = HashSet::from([phi]);
        let mut work: Vec<Value> = self.carried(phi).into_iter().collect();
        while let Some(value) = work.pop() {
            if value == phi {
                return false;
            }
            if !self.contains(value) || !seen.insert(value) {
                continue;
            }
            let carried = value.opcode() == Opcode::LLVMPHI && value.parent() == self.header;
            if !carried {
                work.extend(value.operands());
            } else if !self.is_induction(value) {
                // A chain of recurrences, each one iteration further back.
                work.extend(self.carried(value));
            }
        }
        true
    }

    fn reaches(&self, from: Value, phi: Value, opcode: Opcode, depth: u32) -> bool {
        depth > 0
            && self.contains(from)
            && from.opcode() == opcode
            && may_reorder(from)
            && from.operands().any(|o| o == phi || self.reaches(o, phi, opcode, depth - 1))
    }

    /// One block leaves the loop, on a comparison of an induction with what does not change.
    fn is_counted(&self) -> bool {
        let leaves = |b: &Block| {
            b.terminator().is_some_and(|t| t.successors().iter().any(|s| !self.blocks.contains(s)))
        };
        let mut exiting = self.blocks.iter().copied().filter(leaves);
        let (Some(exit), None) = (exiting.next(), exiting.next()) else { return false };
        let Some(terminator) = exit.terminator().filter(|t| t.opcode() == Opcode::LLVMBr) else {
            return false;
        };
        let Some(condition) = terminator.operands().next() else { return false };
        if !self.contains(condition) || condition.opcode() != Opcode::LLVMICmp {
            return false;
        }
        let inductions: HashSet<Value> = self
            .phis()
            .filter(|p| self.is_induction(*p))
            .flat_map(|p| [Some(p), self.carried(p)])
            .flatten()
            .collect();
        let (a, b) = (condition.operand(0), condition.operand(1));
        let counted = |x: Value, y: Value| self.steps_with(&inductions, x, 4) && !self.contains(y);
        counted(a, b) || counted(b, a)
    }
}

impl InnermostLoop {
    /// An induction, or one moved by what does not change in the loop (`i + count < n`) or widened.
    fn steps_with(&self, inductions: &HashSet<Value>, value: Value, depth: u32) -> bool {
        use Opcode::*;
        if inductions.contains(&value) {
            return true;
        }
        if depth == 0 || !self.contains(value) {
            return false;
        }
        let moved = matches!(
            value.opcode(),
            LLVMTrunc | LLVMZExt | LLVMSExt | LLVMAdd | LLVMSub | LLVMShl | LLVMGetElementPtr
        );
        let mut changing = value.operands().filter(|o| self.contains(*o) || inductions.contains(o));
        match (changing.next(), changing.next()) {
            (Some(only), None) => moved && self.steps_with(inductions, only, depth - 1),
            _ => false,
        }
    }
}

fn may_reorder(value: Value) -> bool {
    use Opcode::*;
    match value.opcode() {
        LLVMAdd | LLVMSub | LLVMMul | LLVMAnd | LLVMOr | LLVMXor => true,
        LLVMFAdd | LLVMFSub | LLVMFMul => {
            value.fast_math().is_some_and(|flags| flags & fast_math::REASSOCIATE != 0)
        }
        LLVMCall => value.callee().0.as_function().is_some_and(|f| {
            ["llvm.smax.", "llvm.smin.", "llvm.umax.", "llvm.umin."].iter().any(|p| f.name().starts_with(p))
        }),
        _ => false,
    }
}

/// The additions that a loop needs for its own counting.
const COUNTING: u32 = 1;

/// What a loop's instructions do.
#[derive(Default)]
struct Work {
    memory: u32,
    arithmetic: u32,
    count_or_rounding: bool,
}

impl Work {
    /// Counts an instruction; false when no vectoriser gets past it.
    fn add(&mut self, instruction: Value) -> bool {
        match instruction.opcode() {
            Opcode::LLVMLoad | Opcode::LLVMStore => self.memory += 1,
            Opcode::LLVMCall => return self.add_call(instruction),
            Opcode::LLVMInvoke
            | Opcode::LLVMCallBr
            | Opcode::LLVMSwitch
            | Opcode::LLVMIndirectBr
            | Opcode::LLVMFence
            | Opcode::LLVMAtomicRMW
            | Opcode::LLVMAtomicCmpXchg => return false,
            // Comparisons steer; what they steer is counted.
            Opcode::LLVMICmp => {}
            _ if is_arithmetic(instruction) => self.arithmetic += 1,
            _ => {}
        }
        true
    }

    fn add_call(&mut self, call: Value) -> bool {
        // Counting leading or trailing zeros is one instruction at every level; these are not.
        const BETTER: [&str; 7] = [
            "llvm.ctpop.",
            "llvm.floor.",
            "llvm.ceil.",
            "llvm.trunc.",
            "llvm.rint.",
            "llvm.nearbyint.",
            "llvm.fma.",
        ];
        let Some(function) = call.callee().0.as_function().filter(|f| f.is_intrinsic()) else {
            return false;
        };
        let name = function.name();
        self.count_or_rounding |= BETTER.iter().any(|b| name.starts_with(b));
        self.arithmetic += u32::from(!name.starts_with("llvm.dbg") && !name.starts_with("llvm.lifetime"));
        !name.starts_with("llvm.mem")
    }
}
