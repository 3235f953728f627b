//! Slots, and everything that has to go through them: aliases, addresses in data, and code that several targets
//! share.

use super::annotate::{CLONES, RELOC};
use super::clones::Family;
use super::fvars::Fvars;
use super::targets::Targets;
use super::uses::{Referrer, referrers};
use crate::llvm::{CloneMap, ConstantKind, ConstantLoad, Function, Module, Opcode, Value};
use std::collections::{HashMap, HashSet};

/// The caller's obligation towards its own frame: not part of the ABI, and a trampoline has no frame.
const RETURN_ROOTS: &str = "julia.return_roots";
/// Initialises Julia's runtime and makes the calling thread one of its own.
const AUTOINIT: &str = "ijl_autoinit_and_adopt_thread";
const SLOT_SUFFIX: &str = ".reloc_slot";

/// The slots of a module, by function.
pub struct Slots {
    slots: HashMap<Function, Value>,
    load: ConstantLoad,
    module: Module,
}

/// An address in data that the loader writes: byte `offset` of `variable` for function `fvar`.
pub struct DataAddress {
    pub fvar: usize,
    pub variable: Value,
    pub offset: u64,
}

impl Slots {
    /// Makes a slot for each function that is annotated for one; another shard has that of a declaration.
    ///
    /// A slot starts empty, or, with `autoinit`, at a trampoline that initialises the runtime on the first call.
    ///
    /// # Errors
    /// A sentence, when a function with a slot is not in `jl_fvars`.
    pub fn make(module: Module, families: &[Family], fvars: &Fvars, autoinit: bool) -> Result<Slots, String> {
        let load = ConstantLoad::new(module, "jtbaa", "jtbaa_const");
        let mut slots = Slots { slots: HashMap::new(), load, module };
        // An alias asks for a slot whether there are clones to choose from or not.
        let cloned = families.iter().filter(|f| f.mask != 0).map(|f| f.original);
        for function in cloned.filter(|f| f.string_attribute(RELOC).is_some()) {
            let name = function.name().to_string();
            let slot = module.add_global(&format!("{name}{SLOT_SUFFIX}"), module.pointer_type());
            slot.set_hidden();
            slot.set_dso_local();
            slots.slots.insert(function, slot);
            if function.is_declaration() {
                continue;
            }
            fvars.index(function)?;
            let first = if autoinit {
                let trampoline = slots.trampoline(function, slot, true);
                trampoline.set_name(&format!("{name}.autoinit_trampoline"));
                *trampoline
            } else {
                function.null_like()
            };
            slot.set_initializer(first);
        }
        Ok(slots)
    }

    /// The slots with the index of their function in `jl_fvars`.
    pub fn numbered(&self, fvars: &Fvars) -> Vec<(usize, Value)> {
        let index = |f: &Function| fvars.index(*f).ok().filter(|_| !f.is_declaration());
        let mut list: Vec<(usize, Value)> =
            self.slots.iter().filter_map(|(f, slot)| index(f).map(|i| (i, *slot))).collect();
        list.sort_by_key(|(fvar, _)| *fvar);
        list
    }

    fn trampoline(&self, function: Function, slot: Value, autoinit: bool) -> Function {
        let trampoline = self.module.add_function("", function);
        trampoline.copy_attributes_and_symbol(function);
        trampoline.set_hidden();
        trampoline.set_dso_local();
        for attribute in [RELOC, CLONES] {
            trampoline.remove_string_attribute(attribute);
        }
        let before = autoinit.then(|| self.module.function_returning_pointer(AUTOINIT));
        trampoline.forward_through(slot, function, before, self.load, RETURN_ROOTS);
        trampoline
    }

    /// Replaces aliases of functions with clones by trampolines of the same name.
    ///
    /// # Errors
    /// A sentence, when an alias is not the function's very address, or no slot is there for it.
    pub fn replace_aliases(&self, families: &[Family]) -> Result<(), String> {
        for function in families.iter().filter(|f| f.mask != 0).map(|f| f.original) {
            for referrer in referrers(*function) {
                let Referrer::Alias(alias) = referrer else { continue };
                self.replace_alias(alias, function)?;
            }
        }
        Ok(())
    }

    fn replace_alias(&self, alias: Value, function: Function) -> Result<(), String> {
        let (name, of) = (alias.name().to_string(), function.name());
        let mut aliasee = alias.operand(0);
        while aliasee.constant_kind() == ConstantKind::SameBits {
            aliasee = aliasee.operand(0);
        }
        if aliasee != *function {
            return Err(format!(
                "the alias '{name}' is an expression over '{of}', which has clones: it must be that function's \
                 address"
            ));
        }
        let Some(slot) = self.slots.get(&function) else {
            return Err(format!("'{of}' has the alias '{name}' and clones, but no slot (attribute {RELOC})"));
        };
        if function.signature().signature().into_iter().any(|t| t.is_vector()) {
            return Err(format!(
                "'{of}' has the alias '{name}', so it can be called from outside, and passes vectors, whose size \
                 differs between targets"
            ));
        }
        let trampoline = self.trampoline(function, *slot, false);
        trampoline.set_string_attribute(self.module, "julia.mv.alias", "");
        trampoline.set_linkage(alias.linkage());
        trampoline.copy_visibility(alias);
        alias.replace_all_uses_with(*trampoline);
        alias.set_name("");
        trampoline.set_name(&name);
        alias.erase_global();
        Ok(())
    }

    /// Takes the addresses of functions with clones out of variables: the loader writes that of the chosen body.
    ///
    /// # Errors
    /// A sentence, when the loader could not: a constant, an address in a larger expression, a function that
    /// is not in `jl_fvars`.
    pub fn take_addresses(&self, families: &[Family], fvars: &Fvars) -> Result<Vec<DataAddress>, String> {
        let cloned: HashSet<Value> = families.iter().filter(|f| f.mask != 0).map(|f| *f.original).collect();
        let mut holders: HashSet<Value> = HashSet::new();
        for function in &cloned {
            holders.extend(referrers(*function).into_iter().filter_map(|r| match r {
                Referrer::Variable(variable) => Some(variable),
                _ => None,
            }));
        }
        let mut nothing = CloneMap::default();
        for function in &cloned {
            nothing.add(*function, function.null_like());
        }
        let mut addresses = Vec::new();
        // In the module's order, so that equal input gives equal output. Lists for the compiler stay.
        for variable in self.module.globals().filter(|g| holders.contains(g)) {
            let Some(value) = variable.initializer().filter(|_| !variable.name().starts_with("llvm.")) else {
                continue;
            };
            let search = Search { module: self.module, variable, cloned: &cloned, fvars };
            search.add(value, 0, &mut addresses)?;
            if variable.is_constant_variable() {
                return Err(format!(
                    "the constant '{}' holds the address of a function with clones, which the loader could not \
                     write: make it a variable",
                    variable.name()
                ));
            }
            variable.set_initializer(nothing.constant(value));
        }
        addresses.sort_by_key(|a| a.fvar);
        Ok(addresses)
    }

    /// Sends code of each base that partial targets share through the slots of functions that these have
    /// clones of.
    ///
    /// # Errors
    /// A sentence, when such a function has no slot.
    pub fn dispatch(&self, families: &[Family], targets: &Targets) -> Result<(), String> {
        for base in targets.bases() {
            let here = super::clones::bodies_of_base(families, base);
            for family in families {
                if !targets.partial(base).any(|t| family.own_body(t).is_some()) {
                    continue;
                }
                let body = family.base_body(base);
                for referrer in referrers(*body) {
                    let Referrer::Instruction(user) = referrer else { continue };
                    if !here.contains(&user.parent().function()) {
                        continue;
                    }
                    let slot = self.slots.get(&family.original).ok_or_else(|| {
                        format!(
                            "'{}' has clones and is used by '{}', which all targets share, but has no slot \
                             (attribute {RELOC})",
                            family.original.name(),
                            user.parent().function().name()
                        )
                    })?;
                    self.load_for(user, body, *slot);
                }
            }
        }
        Ok(())
    }

    /// Makes an instruction use what is in the slot in place of `body`.
    fn load_for(&self, user: Value, body: Function, slot: Value) {
        if user.opcode() == Opcode::LLVMPHI {
            // One load for all entries of a block: they must have the same value.
            let mut loaded: HashMap<_, Value> = HashMap::new();
            for (index, (value, block)) in user.incoming().into_iter().enumerate() {
                if !refers(value, body) {
                    continue;
                }
                let Some(end) = block.terminator() else { continue };
                match loaded.get(&(block, value)) {
                    Some(known) => user.set_operand(index as u32, *known),
                    None => {
                        let load = self.load.before(end, slot);
                        user.expand_operand(index as u32, body, load, end);
                        loaded.insert((block, value), user.operand(index as u32));
                    }
                }
            }
            return;
        }
        let operands: Vec<Value> = user.operands().collect();
        for (index, operand) in operands.into_iter().enumerate() {
            if refers(operand, body) {
                let load = self.load.before(user, slot);
                user.expand_operand(index as u32, body, load, user);
            }
        }
    }
}

/// Whether the module knows the function that initialises Julia's runtime.
pub fn has_autoinit(module: Module) -> bool {
    module.functions().any(|f| f.name() == AUTOINIT)
}

/// Whether a constant is the function or contains it.
fn refers(value: Value, function: Function) -> bool {
    value == *function
        || match value.constant_kind() {
            ConstantKind::Aggregate | ConstantKind::SameBits | ConstantKind::Expression => {
                value.operands().any(|o| refers(o, function))
            }
            _ => false,
        }
}

/// A search for addresses in a variable's initial value.
struct Search<'a> {
    module: Module,
    variable: Value,
    cloned: &'a HashSet<Value>,
    fvars: &'a Fvars,
}

impl Search<'_> {
    fn add(&self, value: Value, offset: u64, found: &mut Vec<DataAddress>) -> Result<(), String> {
        if let Some(function) = value.as_function().filter(|f| self.cloned.contains(&**f)) {
            let fvar = self.fvars.index(function)?;
            found.push(DataAddress { fvar, variable: self.variable, offset });
            return Ok(());
        }
        match value.constant_kind() {
            ConstantKind::Aggregate => {
                for (index, part) in value.operands().enumerate() {
                    let at = offset + self.module.offset_of_part(value.ty(), index as u32);
                    self.add(part, at, found)?;
                }
                Ok(())
            }
            ConstantKind::SameBits => self.add(value.operand(0), offset, found),
            ConstantKind::Expression => {
                let cloned = self.cloned.iter().filter_map(|f| f.as_function());
                match cloned.into_iter().find(|f| refers(value, *f)) {
                    None => Ok(()),
                    Some(function) => Err(format!(
                        "the variable '{}' holds an expression over the address of '{}', which has clones: the \
                         loader can write the address only",
                        self.variable.name(),
                        function.name()
                    )),
                }
            }
            ConstantKind::Alias | ConstantKind::Other => Ok(()),
        }
    }
}
