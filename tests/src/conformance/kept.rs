//! Outcomes kept between runs, by a hash of everything that they depend on.

use super::case::Case;
use crate::command::shell_text;
use anyhow::{Context as _, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xxhash_rust::xxh64::Xxh64;

/// A folder of outcomes.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
    /// What all of them depend on: the compiler.
    depends_on: String,
}

impl Kept {
    /// Makes the folder if it is not there.
    pub fn new(folder: PathBuf, depends_on: String) -> Result<Kept> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        Ok(Kept { folder, depends_on })
    }

    /// What is kept under a key.
    pub fn get(&self, key: &str) -> Option<String> {
        fs::read_to_string(self.folder.join(key)).ok()
    }

    /// Several processes may share the folder: a file is there whole or not at all.
    pub fn put(&self, key: &str, text: &str) -> Result<()> {
        let aside = tempfile::NamedTempFile::new_in(&self.folder)?;
        fs::write(&aside, text)?;
        aside.persist(self.folder.join(key))?;
        Ok(())
    }

    /// A key that is different for whatever can change the outcome of a case that is built by a command. The
    /// system's headers are not in it: they seldom change without the compiler.
    pub fn key(&self, build: &Command, case: &Case, sources: &[PathBuf]) -> Result<String> {
        let mut parts = vec![
            shell_text(build).into_bytes(),
            format!("{:?} {:?} {}", case.kind, case.env, case.cpu_seconds).into_bytes(),
        ];
        for source in sources {
            parts.push(fs::read(source).with_context(|| format!("cannot read {}", source.display()))?);
        }
        Ok(self.key_of(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>()))
    }

    /// A key of what an outcome depends on besides what all of them do.
    pub fn key_of(&self, parts: &[&[u8]]) -> String {
        let mut hash = Xxh64::new(0);
        for part in [self.depends_on.as_bytes()].iter().chain(parts) {
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        format!("{:016x}", hash.digest())
    }
}

/// A hash of files' bytes: what makes one build of the tools differ from another.
pub fn hash_of_files(files: &[PathBuf]) -> Result<String> {
    let mut hash = Xxh64::new(0);
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        hash.update(&(bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(format!("{:016x}", hash.digest()))
}

/// The path that keys are made with: where the output really goes differs from run to run.
pub fn any_output() -> &'static Path {
    Path::new("program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_is_got_and_another_compiler_has_other_keys() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.c");
        fs::write(&source, "int x;").unwrap();
        let case = Case::of_source("a", source.clone());
        let kept = |compiler: &str| Kept::new(folder.path().join("kept"), compiler.into()).unwrap();
        let mut command = Command::new("cc");
        let key = kept("one").key(&command, &case, std::slice::from_ref(&source)).unwrap();
        assert_eq!(kept("one").get(&key), None);
        kept("one").put(&key, "passed").unwrap();
        assert_eq!(kept("one").get(&key).as_deref(), Some("passed"));
        assert_ne!(kept("two").key(&command, &case, std::slice::from_ref(&source)).unwrap(), key);
        command.arg("-O2");
        assert_ne!(kept("one").key(&command, &case, std::slice::from_ref(&source)).unwrap(), key);
        fs::write(&source, "int y;").unwrap();
        assert_ne!(kept("one").key(&Command::new("cc"), &case, &[source]).unwrap(), key);
    }
}
