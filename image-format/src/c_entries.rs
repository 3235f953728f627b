//! Entry points for C: what the plugin tells `jl-link` of them, and the words for it.
//!
//! A front end gives a function the attribute [`ATTRIBUTE`] whose value is `NAME` or `NAME TAB DECLARATION`: the C name that
//! it is exported under, and its declaration in C where the types of LLVM do not say enough. Lines `NAME TAB DECLARATION LF`
//! stand in [`SECTION`], which is not loaded; `jl-link --jl-header=FILE` makes a header of them.

/// Function attribute: exported for C.
pub const ATTRIBUTE: &str = "jl.ccallable";
pub const SECTION: &str = ".jl_c_entries";

/// An entry point.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: String,
    /// Without the semicolon at its end.
    pub declaration: String,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}\t{}", self.name, self.declaration)
    }
}

/// The entries in a section's text.
///
/// # Errors
/// The line that is none.
pub fn parse(text: &str) -> Result<Vec<Entry>, &str> {
    // Between two objects' shares a linker may leave zeros.
    let lines = text.split(['\n', '\0']).filter(|line| !line.is_empty());
    let entry = |line| {
        let (name, declaration) = split(line)?;
        Some(Entry { name: name.into(), declaration: declaration?.into() })
    };
    lines.map(|line| entry(line).ok_or(line)).collect()
}

/// The name and the declaration, if there is one, of an attribute's value or a line; `None` where the name is no name in C or
/// the declaration does not fit on a line.
pub fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let (name, declaration) = match text.split_once('\t') {
        Some((name, declaration)) => (name, Some(declaration)),
        None => (text, None),
    };
    let fits = |text: &str| {
        let text = text.trim_end();
        !text.is_empty() && !text.ends_with(';') && !text.contains(char::is_control)
    };
    (is_name(name) && declaration.is_none_or(fits)).then_some((name, declaration))
}

fn is_name(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && text.chars().all(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_lead_back() {
        let entry =
            |name: &str, declaration: &str| Entry { name: name.into(), declaration: declaration.into() };
        let entries =
            [entry("sum", "double sum(const double *x, int64_t n)"), entry("_f1", "void _f1(void)")];
        let text: String = entries.iter().map(Entry::to_string).collect();
        assert_eq!(parse(&text).unwrap(), entries);
        assert_eq!(parse(&text.replace('\n', "\n\0\0")).unwrap(), entries);
    }

    #[test]
    fn what_is_no_entry() {
        for bad in ["1f\tint 1f(void)", "a-b", "", "f\t", "f\tint f(void);", "f\tint\u{7} f(void)"] {
            assert_eq!(split(bad), None, "{bad:?}");
        }
        assert_eq!(split("f"), Some(("f", None)));
        assert_eq!(parse("f\n"), Err("f"), "a line has a declaration");
    }
}
