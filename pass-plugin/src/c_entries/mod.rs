//! Entry points for C: a function that a front end marks (`jl.ccallable`) is exported under a C name, and what C must know to
//! call it goes to `jl-link`, which writes the header.

pub mod declaration;

use crate::llvm::{Function, Module, Type, TypeKind};
use crate::tables::append_text;
use declaration::{CType, Extension};
use image_format::c_entries::{ATTRIBUTE, Entry, SECTION, split};

/// Exports all marked functions; false when there are none. What is done once is not asked for again: the marks go.
///
/// # Errors
/// A sentence: a mark that names nothing, a name that is taken, a function that C cannot call.
pub fn make(module: Module) -> Result<bool, String> {
    let marked: Vec<(Function, String)> =
        module.functions().filter_map(|f| Some((f, f.string_attribute(ATTRIBUTE)?))).collect();
    let mut text = String::new();
    for (function, mark) in &marked {
        function.remove_string_attribute(ATTRIBUTE);
        if !function.is_declaration() {
            text += &export(module, *function, mark)?.to_string();
        }
    }
    if text.is_empty() {
        return Ok(false);
    }
    append_text(module, SECTION, &text);
    Ok(true)
}

fn export(module: Module, function: Function, mark: &str) -> Result<Entry, String> {
    let problem = |text: String| format!("'{}' cannot be exported for C: {text}", function.name());
    let (name, declared) = split(mark).ok_or_else(|| {
        let expected =
            "expected a C name, and after a tab, if at all, a declaration without a semicolon at its end";
        problem(format!("its attribute {ATTRIBUTE} is '{mark}', {expected}"))
    })?;
    let declaration = match declared {
        Some(declaration) => declaration.to_string(),
        None => derive(function, name).map_err(problem)?,
    };
    if function.name() != name {
        if module.has_symbol(name) {
            return Err(problem(format!("the module has another symbol '{name}': choose another name")));
        }
        module.add_alias(name, function);
    } else if function.is_local() {
        return Err(problem("it is local: give it external linkage, or another C name".into()));
    }
    Ok(Entry { name: name.to_string(), declaration })
}

/// The declaration that follows from LLVM's types.
fn derive(function: Function, name: &str) -> Result<String, String> {
    if !function.has_c_convention() {
        return Err("it has a calling convention other than C's".into());
    }
    let mut types = function.signature().signature();
    // A signature ends with the return type, whose attributes have the index 0.
    let result = types.pop().map(|ty| c_type(function, ty, 0));
    let parameters = types.iter().zip(1..).map(|(ty, index)| c_type(function, *ty, index)).collect();
    declaration::declaration(name, result.unwrap_or(CType::Void), parameters, function.is_variadic())
}

fn c_type(function: Function, ty: Type, index: u32) -> CType {
    let has = |attribute| function.has_attribute_at(index, attribute);
    // The callee's view of what is passed in memory is a pointer, the caller's is not.
    if has("sret") || has("byval") || has("inreg") {
        return CType::Other;
    }
    let extension = match (has("signext"), has("zeroext")) {
        (true, _) => Extension::Sign,
        (_, true) => Extension::Zero,
        _ => Extension::None,
    };
    match (ty.kind(), ty.integer_bits()) {
        (TypeKind::LLVMVoidTypeKind, _) => CType::Void,
        (TypeKind::LLVMFloatTypeKind, _) => CType::Float,
        (TypeKind::LLVMDoubleTypeKind, _) => CType::Double,
        (TypeKind::LLVMPointerTypeKind, _) => CType::Pointer,
        (_, Some(bits)) => CType::Integer(bits, extension),
        _ => CType::Other,
    }
}
