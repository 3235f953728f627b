//! From the command line to files: `-l` search as lld does it, archives with their members, thin archives,
//! and the `INPUT`/`GROUP` commands of linker scripts such as libc.so.

use crate::args::{InputArg, InputName, Invocation};
use crate::error::{Error, Result};
use object::read::archive::ArchiveFile;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// An object or bitcode file, alone or as a member, as messages name it: `file` or `archive(member)`.
pub struct Member<'a> {
    pub name: String,
    pub bytes: &'a [u8],
    /// Part of the link whatever refers to it.
    pub certain: bool,
}

/// Calls `each` for every object, bitcode file or shared object that the command line names.
///
/// What is not found or is unknown is left for lld to complain about.
pub fn for_each(invocation: &Invocation, each: &mut dyn FnMut(Member<'_>) -> Result<()>) -> Result<()> {
    let walk = Walk { search: &invocation.search, sysroot: &invocation.sysroot };
    for input in &invocation.inputs {
        if let Some(path) = walk.find(input) {
            walk.file(&path, input, 0, each)?;
        }
    }
    Ok(())
}

struct Walk<'a> {
    search: &'a [PathBuf],
    sysroot: &'a Path,
}

/// Linker scripts that name linker scripts; ends one that names itself.
const MAX_SCRIPTS: usize = 8;

impl Walk<'_> {
    fn find(&self, input: &InputArg) -> Option<PathBuf> {
        match &input.what {
            InputName::File(path) => Some(path.clone()),
            InputName::Library(name) => self.library(name, input.static_only),
        }
    }

    fn library(&self, name: &OsStr, static_only: bool) -> Option<PathBuf> {
        let exact = name.as_bytes().strip_prefix(b":").map(OsStr::from_bytes);
        self.search.iter().find_map(|dir| {
            let dir = self.rooted(dir);
            let candidates = match exact {
                Some(file) => vec![dir.join(file)],
                None => {
                    let file = |suffix: &str| {
                        let mut file = OsString::from("lib");
                        file.push(name);
                        file.push(suffix);
                        dir.join(file)
                    };
                    let shared = (!static_only).then(|| file(".so"));
                    shared.into_iter().chain([file(".a")]).collect()
                }
            };
            candidates.into_iter().find(|c| c.is_file())
        })
    }

    fn rooted(&self, dir: &Path) -> PathBuf {
        let bytes = dir.as_os_str().as_bytes();
        let below = bytes.strip_prefix(b"=").or_else(|| bytes.strip_prefix(b"$SYSROOT"));
        match below {
            Some(rest) => {
                let mut path = self.sysroot.as_os_str().to_owned();
                path.push(OsStr::from_bytes(rest));
                path.into()
            }
            None => dir.into(),
        }
    }

    fn file(
        &self,
        path: &Path,
        input: &InputArg,
        depth: usize,
        each: &mut dyn FnMut(Member<'_>) -> Result<()>,
    ) -> Result<()> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            // lld's own message for a missing file names it and is known to every user.
            Err(_) => return Ok(()),
        };
        let name = path.display().to_string();
        if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") {
            self.archive(path, &bytes, input.whole_archive, each)
        } else if is_object(&bytes) {
            each(Member { name, bytes: &bytes, certain: !input.lazy })
        } else if depth < MAX_SCRIPTS {
            for what in script_inputs(&bytes, path) {
                let inner = InputArg { what, ..input.clone() };
                if let Some(path) = self.find(&inner) {
                    self.file(&path, &inner, depth + 1, each)?;
                }
            }
            Ok(())
        } else {
            Ok(())
        }
    }

    fn archive(
        &self,
        path: &Path,
        bytes: &[u8],
        certain: bool,
        each: &mut dyn FnMut(Member<'_>) -> Result<()>,
    ) -> Result<()> {
        let damaged = |e: object::Error| Error::Input {
            file: path.display().to_string(),
            problem: "the archive is damaged".into(),
            found: e.to_string(),
            advice: "build it again",
        };
        let archive = ArchiveFile::parse(bytes).map_err(damaged)?;
        for member in archive.members() {
            let member = member.map_err(damaged)?;
            let file = OsStr::from_bytes(member.name());
            let name = format!("{}({})", path.display(), file.display());
            if archive.is_thin() {
                let outside = path.parent().unwrap_or(Path::new("")).join(file);
                let bytes =
                    std::fs::read(&outside).map_err(|cause| Error::Read { path: outside.clone(), cause })?;
                each(Member { name, bytes: &bytes, certain })?;
            } else {
                each(Member { name, bytes: member.data(bytes).map_err(damaged)?, certain })?;
            }
        }
        Ok(())
    }
}

/// Whether these are the first bytes of an ELF or bitcode file.
fn is_object(bytes: &[u8]) -> bool {
    bytes.starts_with(&object::elf::ELFMAG) || is_bitcode(bytes)
}

/// Raw bitcode or its wrapper.
pub fn is_bitcode(bytes: &[u8]) -> bool {
    bytes.starts_with(b"BC\xc0\xde") || bytes.starts_with(&[0xde, 0xc0, 0x17, 0x0b])
}

/// The files that a linker script brings in: words inside `INPUT(...)` and `GROUP(...)`.
fn script_inputs(bytes: &[u8], script: &Path) -> Vec<InputName> {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Vec::new();
    };
    let mut inputs = Vec::new();
    let (mut depth, mut inside, mut last) = (0usize, false, "");
    for word in script_words(text) {
        match word {
            "(" => {
                inside |= depth == 0 && matches!(last, "INPUT" | "GROUP");
                depth += 1;
            }
            ")" => {
                depth = depth.saturating_sub(1);
                inside &= depth > 0;
            }
            "AS_NEEDED" => {}
            _ if inside => inputs.push(match word.strip_prefix("-l") {
                Some(library) => InputName::Library(library.into()),
                None => InputName::File(beside(script, word)),
            }),
            _ => {}
        }
        last = word;
    }
    inputs
}

fn beside(script: &Path, word: &str) -> PathBuf {
    let path = PathBuf::from(word);
    let sibling = script.parent().unwrap_or(Path::new("")).join(&path);
    if path.exists() || !sibling.exists() { path } else { sibling }
}

fn script_words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',' || c == ';');
            match rest.strip_prefix("/*") {
                Some(comment) => rest = comment.split_once("*/").map_or("", |(_, after)| after),
                None => break,
            }
        }
        let end = match rest.chars().next()? {
            '(' | ')' => 1,
            '"' => rest[1..].find('"').map_or(rest.len(), |at| at + 2),
            _ => rest.find(|c: char| c.is_whitespace() || "(),;\"".contains(c)).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libc_script() {
        let text = b"/* GNU ld script */\nOUTPUT_FORMAT(elf64-x86-64)\n\
            GROUP ( /lib/libc.so.6 \"/usr/lib/libc_nonshared.a\" AS_NEEDED ( /lib64/ld.so.2 ) )\nINPUT(-lm)";
        let inputs = script_inputs(text, Path::new("/x/libc.so"));
        let file = |f: &str| InputName::File(f.into());
        assert_eq!(
            inputs,
            [
                file("/lib/libc.so.6"),
                file("/usr/lib/libc_nonshared.a"),
                file("/lib64/ld.so.2"),
                InputName::Library("m".into())
            ]
        );
    }
}
