//! Splits a program of csmith's over two objects, so that globals and functions are used across objects.
//!
//! csmith's own option for that makes programs that do not compile (`extern static`), so this works on its text,
//! which has a fixed form: sections under comments, a declaration per line, and functions that begin and end
//! in the first column.

use anyhow::{Context, Result, ensure};

/// The two sources and the header that both include.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    pub header: String,
    pub sources: [String; 2],
}

pub const HEADER: &str = "program.h";

/// A function's definition.
struct Function<'a> {
    name: String,
    /// Its first line, without `static` and `inline`.
    head: String,
    body: Vec<&'a str>,
}

/// Splits a program: globals and functions go to the two sources in turn. With `by_pointer`, calls to functions
/// of the other source go through volatile pointers.
pub fn split(program: &str, by_pointer: bool) -> Result<Split> {
    let (head, rest) = at(program, "/* --- GLOBAL VARIABLES --- */")?;
    let (globals, rest) = at(rest, "/* --- FORWARD DECLARATIONS --- */")?;
    let (declarations, rest) = at(rest, "/* --- FUNCTIONS --- */")?;
    let (functions, main) = at(rest, "\nint main (")?;
    let mut header = head.to_string();
    let mut sources = [format!("#include \"{HEADER}\"\n"), format!("#include \"{HEADER}\"\n")];
    for (index, line) in globals.lines().filter(|l| l.starts_with("static ")).enumerate() {
        let definition = external(line);
        let (declared, _) =
            definition.split_once(" = ").with_context(|| format!("no initialiser: {line}"))?;
        header += &format!("extern {declared};\n");
        sources[index % 2] += &format!("{definition}\n");
    }
    for line in declarations.lines().filter(|l| l.contains("func_")) {
        header += &format!("{}\n", external(line));
    }
    let functions = parse(functions)?;
    ensure!(!functions.is_empty(), "no functions found");
    let home = |name: &str| functions.iter().position(|f| f.name == name).map(|index| index % 2);
    for (this, source) in sources.iter_mut().enumerate() {
        let elsewhere = |name: &str| by_pointer && home(name).is_some_and(|other| other != this);
        for function in functions.iter().filter(|f| elsewhere(&f.name)) {
            let name = &function.name;
            *source += &format!("static __typeof__({name}) *volatile via_{name} = {name};\n");
        }
        for (_, function) in functions.iter().enumerate().filter(|(index, _)| index % 2 == this) {
            *source += &format!("{}\n", function.head);
            for line in &function.body {
                *source += &format!("{}\n", redirect(line, &elsewhere));
            }
        }
    }
    // The generator's statistics stand in a comment behind main.
    sources[0] += &format!("int main ({main}");
    Ok(Split { header, sources })
}

/// What stands before and behind a mark.
fn at<'a>(text: &'a str, mark: &str) -> Result<(&'a str, &'a str)> {
    text.split_once(mark).with_context(|| format!("csmith's program has no {:?}", mark.trim()))
}

/// A declaration without `static` and `inline`.
fn external(line: &str) -> String {
    let mut rest = line;
    while let Some(shorter) = rest.strip_prefix("static ").or_else(|| rest.strip_prefix("inline ")) {
        rest = shorter;
    }
    rest.into()
}

fn parse(text: &str) -> Result<Vec<Function<'_>>> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with(char::is_alphabetic) && line.contains("func_") {
            let (before, _) = line.split_once('(').with_context(|| format!("no parameters: {line}"))?;
            let name = before.split_whitespace().next_back().unwrap_or_default().trim_start_matches('*');
            let mut body = Vec::new();
            for line in lines.by_ref() {
                body.push(line);
                if line == "}" {
                    break;
                }
            }
            found.push(Function { name: name.into(), head: external(line), body });
        }
    }
    Ok(found)
}

/// A line with calls to some functions by pointer.
fn redirect(line: &str, elsewhere: &dyn Fn(&str) -> bool) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some(start) = rest.find("func_") {
        let in_word = rest[..start].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        let digits = rest[start + 5..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start - 5);
        let end = start + 5 + digits;
        let name = &rest[start..end];
        out += &rest[..start];
        if !in_word && elsewhere(name) {
            out += &format!("(*via_{name})");
        } else {
            out += name;
        }
        rest = &rest[end..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "\
#include \"csmith.h\"
/* --- GLOBAL VARIABLES --- */
static int32_t g_1[2] = {1,2};
static volatile int32_t *g_2 = &g_1[0];/* VOLATILE GLOBAL g_2 */
/* --- FORWARD DECLARATIONS --- */
static int32_t  func_1(void);
inline static int32_t * func_2(int8_t  p_3);


/* --- FUNCTIONS --- */
/* ------ */
static int32_t  func_1(void)
{ /* block id: 0 */
    return safe_add_func_int8_t_s_s(*func_2(1), 2);
}


static int32_t * func_2(int8_t  p_3)
{ /* block id: 1 */
    return g_2;
}


/* ---------------------------------------- */
int main (int argc, char* argv[])
{
    func_1();
}
";

    #[test]
    fn globals_and_functions_are_dealt_out() {
        let Split { header, sources: [first, second] } = split(PROGRAM, false).unwrap();
        assert!(header.ends_with(
            "extern int32_t g_1[2];\nextern volatile int32_t *g_2;\nint32_t  func_1(void);\nint32_t * func_2(int8_t  p_3);\n"
        ));
        assert!(first.contains("\nint32_t g_1[2] = {1,2};\nint32_t  func_1(void)\n{"), "{first}");
        assert!(
            first.contains("*func_2(1)")
                && first.ends_with("int main (int argc, char* argv[])\n{\n    func_1();\n}\n")
        );
        assert!(
            second.contains("\nvolatile int32_t *g_2 = &g_1[0];")
                && second.contains("\nint32_t * func_2(int8_t  p_3)\n{")
        );
    }

    #[test]
    fn calls_to_the_other_source_go_by_pointer() {
        let first = &split(PROGRAM, true).unwrap().sources[0];
        assert!(first.contains("static __typeof__(func_2) *volatile via_func_2 = func_2;"), "{first}");
        assert!(first.contains("safe_add_func_int8_t_s_s(*(*via_func_2)(1), 2)"), "{first}");
        assert!(first.contains("    func_1();"), "{first}");
    }

    #[test]
    fn another_form_is_an_error() {
        assert!(split("int main (void) {}", false).is_err());
    }
}
