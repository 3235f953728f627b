//! C declarations of what LLVM's types say; pure.

/// How a narrow integer fills its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    None,
    Sign,
    Zero,
}

/// A parameter's or return value's type, as far as C has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CType {
    Void,
    Float,
    Double,
    Pointer,
    /// Of so many bits.
    Integer(u32, Extension),
    /// Whatever C's types do not say by themselves: structures, vectors, what is passed in memory.
    Other,
}

impl CType {
    /// LLVM's integers have no sign; those that say nothing are C's signed ones.
    fn word(self) -> Option<&'static str> {
        Some(match self {
            CType::Void => "void",
            CType::Float => "float",
            CType::Double => "double",
            CType::Pointer => "void *",
            CType::Integer(1, Extension::Zero) => "bool",
            // A caller in C may rely on an extension of the return value, and on aarch64 extends nothing itself.
            CType::Integer(8, Extension::Sign) => "int8_t",
            CType::Integer(8, Extension::Zero) => "uint8_t",
            CType::Integer(16, Extension::Sign) => "int16_t",
            CType::Integer(16, Extension::Zero) => "uint16_t",
            CType::Integer(32, Extension::Zero) => "uint32_t",
            CType::Integer(32, _) => "int32_t",
            CType::Integer(64, Extension::Zero) => "uint64_t",
            CType::Integer(64, _) => "int64_t",
            CType::Integer(..) | CType::Other => return None,
        })
    }
}

/// The declaration of `name`, without a semicolon.
///
/// # Errors
/// A sentence about the first type that C does not have; the front end must give the declaration then.
pub fn declaration(
    name: &str,
    result: CType,
    parameters: Vec<CType>,
    variadic: bool,
) -> Result<String, String> {
    let word = |ty: CType, what: String| {
        ty.word().ok_or_else(|| {
            format!("the type of {what} is none that C has by itself: give the declaration in the attribute, after a tab")
        })
    };
    let result = word(result, "its return value".into())?;
    let mut list = Vec::new();
    for (ty, number) in parameters.into_iter().zip(1..) {
        list.push(word(ty, format!("parameter {number}"))?);
    }
    if variadic && list.is_empty() {
        return Err("it has variable arguments and no other: C has no such functions".into());
    }
    if variadic {
        list.push("...");
    }
    let list = if list.is_empty() { "void".into() } else { list.join(", ") };
    let space = if result.ends_with('*') { "" } else { " " };
    Ok(format!("{result}{space}{name}({list})"))
}
