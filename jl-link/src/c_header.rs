//! The header in C of an output's entry points for C (`--jl-header=FILE`).

use crate::args::Invocation;
use crate::elf::Elf;
use crate::error::{Error, Result};
use image_format::c_entries::{Entry, SECTION, parse};
use object::elf;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// The text of a header that is wanted, from the linked output.
///
/// # Errors
/// The section is not what the plugin writes, two objects declare one function differently, or nobody outside of a shared
/// object could call an entry.
pub fn text(elf: &Elf, invocation: &Invocation) -> Result<Option<String>> {
    let Some(path) = &invocation.own.header else { return Ok(None) };
    let entries = entries(elf)?;
    if !elf.is_executable_file() {
        entries.keys().try_for_each(|name| check_exported(elf, name))?;
    }
    Ok(Some(header(path, &elf.path, &entries)))
}

/// Writes it, beside the output, once that is in its place.
///
/// # Errors
/// The file cannot be written.
pub fn write(text: Option<String>, invocation: &Invocation) -> Result<()> {
    let (Some(text), Some(path)) = (text, &invocation.own.header) else { return Ok(()) };
    let write = || {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, text.as_bytes())?;
        file.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(path).map_err(std::io::Error::from)
    };
    write().map(drop).map_err(|cause| Error::Write { path: path.clone(), cause })
}

fn entries(elf: &Elf) -> Result<BTreeMap<String, String>> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for section in elf.sections.iter().filter(|s| s.name == SECTION) {
        let text = String::from_utf8_lossy(elf.data(section));
        let lines = parse(&text)
            .map_err(|line| elf.wrong(SECTION, format!("'{line}'"), "a name, a tab and a declaration"))?;
        for Entry { name, declaration } in lines {
            match found.get(&name) {
                Some(other) if *other != declaration => {
                    let problem = format!("two objects declare the entry point {name} differently");
                    return Err(Error::Input {
                        file: elf.path.display().to_string(),
                        problem,
                        found: format!("'{other}' and '{declaration}'"),
                        advice: "give both one declaration, or one of them another name",
                    });
                }
                _ => found.insert(name, declaration),
            };
        }
    }
    Ok(found)
}

fn check_exported(elf: &Elf, name: &str) -> Result<()> {
    // lld makes local what a version script or its visibility hides.
    if elf.symbol(name).is_some_and(|s| s.is_defined() && s.binding != elf::STB_LOCAL) {
        return Ok(());
    }
    Err(Error::Input {
        file: elf.path.display().to_string(),
        problem: format!("the entry point {name} is in the header, but not exported"),
        found: "no global symbol of that name".into(),
        advice: "let the version script or -fvisibility export it",
    })
}

fn header(path: &Path, output: &Path, entries: &BTreeMap<String, String>) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let guard: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    let library = output.file_name().unwrap_or_default().to_string_lossy();
    let mut text = format!(
        "/* Entry points of {library}; written by jl-link. */\n#ifndef JL_{guard}\n#define JL_{guard}\n\n\
         #include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n"
    );
    for declaration in entries.values() {
        let _ = writeln!(text, "{declaration};");
    }
    text += "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_ordered_and_guarded() {
        let entry = |name: &str, text: &str| (name.to_string(), text.to_string());
        let entries = BTreeMap::from([entry("b", "int b(void)"), entry("a", "void a(double)")]);
        let text = header(Path::new("out/my-lib.h"), Path::new("libx.so"), &entries);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..3],
            [
                "/* Entry points of libx.so; written by jl-link. */",
                "#ifndef JL_MY_LIB_H",
                "#define JL_MY_LIB_H"
            ]
        );
        let place = |line: &str| lines.iter().position(|l| *l == line);
        assert!(place("void a(double);") < place("int b(void);"));
        assert!(place("int b(void);").is_some());
    }
}
