//! Finds questions in functions, and answers those that a target decides.

use super::bits::Bits;
use super::words::{self, Word};
use crate::llvm::{Function, Module, Opcode, Value};
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;

/// Where a module's questions get their words from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    has_compiler_words: bool,
    has_rust_words: bool,
}

/// A test of bits.
struct Test {
    value: Value,
    word: Word,
    bits: Bits,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The value is made of these bits and nothing else.
    Bits,
    /// True when the one bit, which is the word's sign, is set.
    IsNegative,
    /// True when it is not.
    IsNotNegative,
}

impl Test {
    fn features(&self) -> FeatureSet {
        self.bits.indices().fold(FeatureSet::EMPTY, |set, bit| set.union(self.word.features(bit)))
    }
}

impl Sources {
    /// Nothing to look for on other architectures.
    pub fn of(module: Module, arch: Arch) -> Sources {
        if arch != Arch::X86_64 {
            return Sources::default();
        }
        let has = |name| module.named_global(name).is_some_and(|g| g.is_declaration());
        let rust = |module: Module| {
            let size = |g: Value| module.size_of_global(g);
            let cache = |g: Value| words::is_rust_cache(g.name()) && size(g) == words::RUST_CACHE_SIZE;
            module.globals().any(cache) && words::is_known_rust(module.producers().iter().map(String::as_str))
        };
        Sources {
            has_compiler_words: has("__cpu_model") || has("__cpu_features2"),
            has_rust_words: rust(module),
        }
    }

    /// Whether the module has nothing that asks.
    pub fn is_empty(&self) -> bool {
        !self.has_compiler_words && !self.has_rust_words
    }

    /// The word that an instruction brings.
    fn word(&self, module: Module, instruction: Value) -> Option<Word> {
        match instruction.opcode() {
            Opcode::LLVMLoad if !instruction.is_volatile() => {
                let (global, offset) = module.constant_address(instruction.operand(0))?;
                let name = global.name();
                let word = if self.has_compiler_words { words::compiler_word(name, offset) } else { None };
                let rust = || {
                    let cache = self.has_rust_words && words::is_rust_cache(name);
                    if cache { words::rust_word(offset) } else { None }
                };
                word.or_else(rust)
            }
            Opcode::LLVMCall if self.has_rust_words => {
                let callee = instruction.callee().0.as_function()?;
                words::is_rust_init(callee.name()).then_some(words::RUST_INIT_WORD)
            }
            _ => None,
        }
        .filter(|word| instruction.ty().integer_bits() == Some(word.bits))
    }

    /// The features that a function asks for.
    pub fn asked(&self, module: Module, function: Function) -> FeatureSet {
        if self.is_empty() {
            return FeatureSet::EMPTY;
        }
        let tests = self.words(module, function).into_iter().flat_map(|(value, word)| tests(value, word));
        tests.fold(FeatureSet::EMPTY, |set, test| set.union(test.features()))
    }

    fn words(&self, module: Module, function: Function) -> Vec<(Value, Word)> {
        function.instructions().filter_map(|i| Some((i, self.word(module, i)?))).collect()
    }

    /// Answers with yes what asks for features in `required`, which every CPU has that runs this body; returns the
    /// features that it now relies on. A body that gets no answer stays as it is.
    pub fn fold(&self, module: Module, body: Function, required: FeatureSet) -> FeatureSet {
        let mut relied_on = FeatureSet::EMPTY;
        if self.is_empty() {
            return relied_on;
        }
        let words = self.words(module, body);
        for (value, word) in &words {
            let tests = tests(*value, *word).into_iter();
            let answered =
                tests.fold(FeatureSet::EMPTY, |set, test| set.union(answer(module, &test, required)));
            if !answered.is_empty() {
                drop_word(module, *value);
            }
            relied_on = relied_on.union(answered);
        }
        if !relied_on.is_empty() {
            drop_initialisation(module, body);
        }
        relied_on
    }
}

/// The tests of a word's bits. What else becomes of the word is not ours to understand: it stays.
fn tests(root: Value, word: Word) -> Vec<Test> {
    let mut found = Vec::new();
    let mut work = vec![(root, Bits::word(word.bits))];
    while let Some((value, bits)) = work.pop() {
        for user in value.users() {
            let test = |bits, kind| Test { value: user, word, bits, kind };
            match step(user, value, bits) {
                Some(Step::Sign(kind)) => found.push(test(bits.sign(), kind)),
                Some(Step::Bits(bits)) => {
                    // A mask names the bits that are asked for, and so does what leaves one bit only.
                    if user.opcode() == Opcode::LLVMAnd || bits.count() == 1 {
                        found.push(test(bits, Kind::Bits));
                    } else {
                        work.push((user, bits));
                    }
                }
                None => {}
            }
        }
    }
    found
}

enum Step {
    Bits(Bits),
    Sign(Kind),
}

/// What `user` makes of `value`, which holds `bits`.
fn step(user: Value, value: Value, bits: Bits) -> Option<Step> {
    // Shifts and comparisons have the word first; the optimiser puts a constant behind it.
    if !user.is_instruction() || user.operand(0) != value {
        return None;
    }
    let constant = || user.operand(1).constant_integer();
    let amount = || u32::try_from(constant()?).ok();
    let bits = match user.opcode() {
        Opcode::LLVMAnd => bits.and(constant()?),
        Opcode::LLVMLShr => bits.shifted_right(amount()?)?,
        Opcode::LLVMShl => bits.shifted_left(amount()?)?,
        Opcode::LLVMTrunc | Opcode::LLVMZExt => bits.resized(user.ty().integer_bits()?),
        Opcode::LLVMICmp => return user.sign_test().map(Step::Sign).filter(|_| bits.sign().count() == 1),
        _ => return None,
    };
    Some(Step::Bits(bits))
}

impl Value {
    /// Whether a comparison asks for the sign bit.
    fn sign_test(self) -> Option<Kind> {
        let bits = self.operand(1).ty().integer_bits()?;
        let minus_one = if bits >= 128 { u128::MAX } else { (1 << bits) - 1 };
        match (self.is_signed_comparison()?, self.operand(1).constant_integer()?) {
            (std::cmp::Ordering::Less, 0) => Some(Kind::IsNegative),
            (std::cmp::Ordering::Greater, c) if c == minus_one => Some(Kind::IsNotNegative),
            _ => None,
        }
    }
}

/// Puts a constant in the place of a value, and drops what was computed only for it.
fn become_constant(value: Value, constant: Value) {
    value.replace_all_uses_with(constant);
    let mut next = Some(value);
    while let Some(dead) = next {
        let input = dead.operand(0);
        dead.erase_instruction();
        let only_moves_bits = |v: &Value| {
            use Opcode::{LLVMLShr, LLVMShl, LLVMTrunc, LLVMZExt};
            v.is_instruction() && matches!(v.opcode(), LLVMLShr | LLVMShl | LLVMTrunc | LLVMZExt)
        };
        next = Some(input).filter(only_moves_bits).filter(|v| !v.has_uses());
    }
}

/// Puts what is known of a test in its place; returns the features that this relies on.
fn answer(module: Module, test: &Test, required: FeatureSet) -> FeatureSet {
    let is_required = |bit: u32| {
        let features = test.word.features(bit);
        !features.is_empty() && features.is_subset(required)
    };
    let (known, is_all) = test.bits.known(is_required);
    let bits = test.bits.indices().filter(|bit| is_required(*bit));
    let relied_on = bits.fold(FeatureSet::EMPTY, |set, bit| set.union(test.word.features(bit)));
    let width = test.value.ty().integer_bits().unwrap_or(1);
    let constant = |value| module.wide_int(width, value);
    match test.kind {
        _ if known == 0 => {}
        Kind::Bits if is_all => become_constant(test.value, constant(known)),
        // The rest stays a question.
        Kind::Bits => test.value.or_with(module, constant(known)),
        Kind::IsNegative => become_constant(test.value, constant(1)),
        Kind::IsNotNegative => become_constant(test.value, constant(0)),
    }
    relied_on
}

/// Drops a word of which nobody asks anything any more but whether it was filled.
fn drop_word(module: Module, value: Value) {
    if value.opcode() != Opcode::LLVMLoad {
        return;
    }
    let users = value.users();
    let checks: Vec<(Value, bool)> =
        users.iter().filter_map(|user| Some((*user, user.compares_with_zero(value)?))).collect();
    if checks.len() != users.len() {
        return;
    }
    for (check, is_equal) in checks {
        become_constant(check, module.int(1, u64::from(!is_equal)));
    }
    value.erase_instruction();
}

/// The call that fills the compiler's words, in a body that reads none of them any more. Libraries fill them
/// in a constructor of their own besides.
fn drop_initialisation(module: Module, body: Function) {
    let reads = |i: Value| {
        let address =
            (i.opcode() == Opcode::LLVMLoad).then(|| module.constant_address(i.operand(0))).flatten();
        address.is_some_and(|(global, _)| ["__cpu_model", "__cpu_features2"].contains(&global.name()))
    };
    if body.instructions().any(reads) {
        return;
    }
    let fills = |i: &Value| {
        i.opcode() == Opcode::LLVMCall
            && !i.has_uses()
            && i.callee().0.as_function().is_some_and(|f| f.name() == words::COMPILER_INIT)
    };
    let calls: Vec<Value> = body.instructions().filter(fills).collect();
    calls.into_iter().for_each(Value::erase_instruction);
}
