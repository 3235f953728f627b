//! The program that is to run: found as a shell would, and as an ELF file whose machine decides on the
//! emulator.

use super::MatrixError;
use crate::elf::ElfFile;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program that an emulator can be given.
#[derive(Debug)]
pub struct Program {
    pub file: PathBuf,
    pub arguments: Vec<OsString>,
    pub machine: u32,
    /// It needs a dynamic linker and libraries.
    pub is_dynamic: bool,
}

/// Shells start what they are told to outside of the emulator, so that a script of theirs would show
/// nothing but this host.
const SHELLS: [&str; 7] = ["sh", "bash", "dash", "zsh", "ksh", "fish", "busybox"];

impl Program {
    /// `command` is a program and its arguments. Of a script the interpreter is taken.
    pub fn find(command: &[OsString]) -> Result<Program, MatrixError> {
        let (name, arguments) = command.split_first().ok_or(MatrixError::NoCommand)?;
        let file = in_path(name)?;
        let (file, arguments) = match interpreter(&file)? {
            None => (file, arguments.to_vec()),
            Some((interpreter, mut before)) => {
                before.push(file.into());
                before.extend_from_slice(arguments);
                (interpreter, before)
            }
        };
        let elf = ElfFile::open(&file)?;
        Ok(Program { machine: elf.machine.into(), is_dynamic: elf.has_interpreter, file, arguments })
    }
}

/// The executable file that `name` means.
fn in_path(name: &OsStr) -> Result<PathBuf, MatrixError> {
    let not_found = || MatrixError::NotFound { name: name.to_owned() };
    let path = if name.as_bytes().contains(&b'/') {
        Some(PathBuf::from(name)).filter(|path| path.exists())
    } else {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| is_executable(path))
    };
    let path = path.ok_or_else(not_found)?;
    if is_executable(&path) { Ok(path) } else { Err(MatrixError::NotExecutable { path }) }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// The program that the `#!` line of a script names, and its arguments before the script; `None` when the
/// file has no such line.
fn interpreter(script: &Path) -> Result<Option<(PathBuf, Vec<OsString>)>, MatrixError> {
    let Some(words) = shebang(&first_line(script)?) else { return Ok(None) };
    let wrong = |problem| MatrixError::Script { path: script.to_owned(), problem };
    let (interpreter, arguments) = words.split_first().ok_or_else(|| wrong("its #! line is empty".into()))?;
    let base = Path::new(interpreter).file_name().unwrap_or_default().to_string_lossy().into_owned();
    if SHELLS.contains(&base.as_str()) {
        return Err(wrong(format!("{base} would run its programs outside of the emulator")));
    }
    let interpreter = in_path(interpreter)?;
    if shebang(&first_line(&interpreter)?).is_some() {
        return Err(wrong(format!("its interpreter {} is a script itself", interpreter.display())));
    }
    Ok(Some((interpreter, arguments.to_vec())))
}

/// No kernel reads more of it than a page.
fn first_line(path: &Path) -> Result<Vec<u8>, MatrixError> {
    let read = |cause| MatrixError::Read { path: path.to_owned(), cause };
    let mut line = Vec::new();
    let file = std::fs::File::open(path).map_err(read)?;
    BufReader::new(file.take(4096)).read_until(b'\n', &mut line).map_err(read)?;
    Ok(line)
}

/// The words of a `#!` line. `env` is looked through, for it would run the interpreter outside of the
/// emulator; and only it splits what stands behind, as the kernel makes one argument of that.
fn shebang(bytes: &[u8]) -> Option<Vec<OsString>> {
    let line = bytes.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let space = line.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(line.len());
    let (program, rest) = (&line[..space], line[space..].trim_ascii());
    let word = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
    if program.ends_with(b"/env") && !rest.is_empty() {
        let rest = rest.strip_prefix(b"-S").unwrap_or(rest);
        let words = rest.split(|byte| byte.is_ascii_whitespace()).filter(|w| !w.is_empty());
        return Some(words.map(word).collect());
    }
    Some([program, rest].iter().filter(|w| !w.is_empty()).map(|w| word(w)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shebang_lines() {
        let words = |line: &str| {
            shebang(line.as_bytes()).map(|words| words.join(OsStr::new("|")).into_string().unwrap())
        };
        assert_eq!(words("#!/usr/bin/python3\nimport x\n").as_deref(), Some("/usr/bin/python3"));
        assert_eq!(words("#! /usr/bin/awk -f -v\n").as_deref(), Some("/usr/bin/awk|-f -v"));
        assert_eq!(words("#!/usr/bin/env python3").as_deref(), Some("python3"));
        assert_eq!(words("#!/usr/bin/env -S python3 -u\n").as_deref(), Some("python3|-u"));
        assert_eq!(words("#!\n").as_deref(), Some(""));
        assert_eq!(words("\x7fELF"), None);
    }

    #[test]
    fn what_cannot_be_run_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let find = |name: &Path| Program::find(&[name.into()]).unwrap_err().to_string();
        assert!(find(&script).contains("not found"));
        std::fs::write(&script, "#!/bin/sh\necho\n").unwrap();
        assert!(find(&script).contains("not executable"));
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(find(&script).contains("a script: sh would run its programs outside of the emulator"));
        std::fs::write(&script, "nothing").unwrap();
        assert!(find(&script).contains("not an ELF file"));
    }
}
