//! What most tests begin with: a folder of their own, and the tools. Each test program adds what it does with them.
#![allow(dead_code, reason = "each test program uses a part")]

use anyhow::{Context, Result};
use std::path::PathBuf;
use tempfile::TempDir;
use tests::elf::Elf;
use tests::tools::{DEFAULT_LLVM, Llvm, Tools};

pub struct Work {
    /// Removed with all that is in it at the end of the test.
    pub folder: TempDir,
    pub tools: Tools,
}

impl Work {
    /// # Errors
    /// The tools are not built.
    pub fn new() -> Result<Work> {
        Work::with(DEFAULT_LLVM)
    }

    /// With the tools for this LLVM.
    ///
    /// # Errors
    /// As [`Work::new`].
    pub fn with(llvm: Llvm) -> Result<Work> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        Ok(Work { folder, tools: Tools::find_for(llvm)? })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The constructor that an image lends to others, by where it begins in the file. Before it stands a hash of its code.
    ///
    /// # Errors
    /// It lends none.
    pub fn lent_constructor(&self, library: &str) -> Result<usize> {
        let file = Elf::read(&self.path(library))?;
        let symbols = file.dynamic_symbols()?;
        let symbol = symbols.iter().find(|s| s.name == "__jl_construct_v1" && s.defined);
        file.offset(symbol.with_context(|| format!("{library} lends no constructor"))?.address)
    }
}
