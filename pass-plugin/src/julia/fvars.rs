//! `jl_fvars`: the module's numbered functions, which the front end lists.

use crate::llvm::{ConstantKind, Function, Module, Value};
use std::collections::HashMap;

const FVARS: &str = "jl_fvars";

/// The numbered functions of a module.
pub struct Fvars {
    pub functions: Vec<Function>,
    index: HashMap<Function, usize>,
}

impl Fvars {
    /// Takes the list out of the module. With `external` (a module cut down by hand, or by a tool that looks for
    /// the smallest one that fails) a list that is not there is none, and entries without a body are left out.
    ///
    /// # Errors
    /// A sentence that says what is not as a front end writes it.
    pub fn take(module: Module, external: bool) -> Result<Option<Fvars>, String> {
        let list = module.named_global(FVARS).filter(|g| g.initializer().is_some());
        let Some((list, value)) = list.and_then(|g| g.initializer().map(|v| (g, v))) else {
            if external {
                return Ok(None);
            }
            return Err(format!(
                "the module is to be cloned (flag julia.mv.enable), but has no list of functions {FVARS}: either \
                 it has none to number (then define an empty one), or this pass has run before"
            ));
        };
        let Some(length) = value.array_length() else {
            return Err(format!("{FVARS} must be an array of functions"));
        };
        if external && value.constant_kind() != ConstantKind::Aggregate {
            return Ok(None);
        }
        if list.has_uses() {
            return Err(format!("{FVARS} is used: this pass takes it out of the module"));
        }
        let functions = entries(value, length, external)?;
        list.erase_global();
        let index = functions.iter().enumerate().map(|(i, f)| (*f, i)).collect();
        Ok(Some(Fvars { functions, index }))
    }

    /// The number of a function.
    ///
    /// # Errors
    /// A sentence, when it has none.
    pub fn index(&self, function: Function) -> Result<usize, String> {
        self.index.get(&function).copied().ok_or_else(|| {
            format!(
                "'{}' has clones that the loader must choose from, but is not in {FVARS}",
                function.name()
            )
        })
    }
}

fn entries(value: Value, length: u64, external: bool) -> Result<Vec<Function>, String> {
    let parts: Vec<Value> = value.operands().collect();
    if parts.len() as u64 != length {
        return Err(format!("{FVARS} has {length} entries, but they are not functions"));
    }
    let mut functions = Vec::new();
    for (index, mut part) in parts.into_iter().enumerate() {
        while part.constant_kind() == ConstantKind::SameBits {
            part = part.operand(0);
        }
        match part.as_function() {
            Some(function) if !external || !function.is_declaration() => functions.push(function),
            _ if external => {}
            _ => return Err(format!("entry {index} of {FVARS} ('{}') is not a function", part.name())),
        }
    }
    Ok(functions)
}
