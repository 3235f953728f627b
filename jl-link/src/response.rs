//! Response files (`@file`), with the quoting that lld uses by default (GNU's).

use crate::error::{Error, Result};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// Nested response files; deeper than anyone writes by hand, and it ends a file that names itself.
const MAX_DEPTH: usize = 16;

/// Replaces every `@file` by the words in it. As in GNU tools an `@name` without a file is a word.
pub fn expand(args: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    for arg in args {
        expand_word(arg, 0, &mut words)?;
    }
    Ok(words)
}

fn expand_word(arg: OsString, depth: usize, words: &mut Vec<OsString>) -> Result<()> {
    let path = match arg.as_bytes().strip_prefix(b"@") {
        Some(name) if depth < MAX_DEPTH => PathBuf::from(OsStr::from_bytes(name)),
        _ => {
            words.push(arg);
            return Ok(());
        }
    };
    if !path.exists() {
        words.push(arg);
        return Ok(());
    }
    let text = std::fs::read(&path).map_err(|cause| Error::ResponseFile { path, cause })?;
    for word in split(&text) {
        expand_word(word, depth + 1, words)?;
    }
    Ok(())
}

/// Splits at blanks; quotes group, a backslash takes the next byte literally.
fn split(text: &[u8]) -> Vec<OsString> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match (byte, quote) {
            (b'\\', _) => word.get_or_insert_default().extend(bytes.next()),
            (b, Some(q)) if b == q => quote = None,
            (b'"' | b'\'', None) => {
                quote = Some(byte);
                word.get_or_insert_default();
            }
            (b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c, None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    words.into_iter().map(OsString::from_vec).collect()
}

/// Bytes of arguments above which they go through a file: Linux refuses a single command line above
/// 2 MiB (and less with a small stack limit).
const MAX_DIRECT: usize = 128 << 10;

/// Whether `args` are too many for a command line.
pub fn is_long(args: &[OsString]) -> bool {
    args.iter().map(|a| a.len() + 1).sum::<usize>() > MAX_DIRECT
}

/// `args` as they are, or one `@file` written to `path` when they are too many for a command line.
pub fn shorten(args: Vec<OsString>, path: &Path) -> Result<Vec<OsString>> {
    if !is_long(&args) {
        return Ok(args);
    }
    let mut text = Vec::new();
    for arg in &args {
        text.push(b'"');
        for &byte in arg.as_bytes() {
            if matches!(byte, b'"' | b'\\') {
                text.push(b'\\');
            }
            text.push(byte);
        }
        text.extend_from_slice(b"\"\n");
    }
    std::fs::write(path, text).map_err(|cause| Error::Write { path: path.into(), cause })?;
    let mut word = OsString::from("@");
    word.push(path);
    Ok(vec![word])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoting() {
        let words = split(b"a 'b c' \"d\\\"e\" f\\ g\n''\th");
        assert_eq!(words, ["a", "b c", "d\"e", "f g", "", "h"]);
    }

    #[test]
    fn what_is_shortened_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let long: Vec<OsString> = (0..30_000).map(|i| format!("a \"b\\{i}'").into()).collect();
        let short = shorten(long.clone(), &dir.path().join("args")).unwrap();
        assert_eq!(short.len(), 1);
        assert_eq!(expand(short).unwrap(), long);
    }
}
