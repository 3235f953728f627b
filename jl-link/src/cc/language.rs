//! The compilers that `jl-cc` becomes, by the name it is called by, and where they differ.

use crate::error::Result;
use crate::llvm::Llvm;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    C,
    Cxx,
    Fortran,
}

impl Language {
    /// `jl-c++` and `jl-flang`, also with something before that; every other name is C.
    pub fn of_program(program: &OsStr) -> Language {
        let name = Path::new(program).file_name().unwrap_or(program).as_bytes();
        if name.ends_with(b"++") {
            Language::Cxx
        } else if name.ends_with(b"flang") {
            Language::Fortran
        } else {
            Language::C
        }
    }

    /// The compiler of this LLVM.
    ///
    /// # Errors
    /// What was tried, when there is none.
    pub fn compiler(self, llvm: Llvm) -> Result<PathBuf> {
        match self {
            Language::C | Language::Cxx => llvm.tool("JL_CLANG", "clang", "clang"),
            Language::Fortran => llvm.tool("JL_FLANG", "flang", "flang"),
        }
    }

    /// Whether the compiler runs itself with this first argument: such a command line is complete.
    pub fn is_front_end(self, first: &OsStr) -> bool {
        match self {
            Language::C | Language::Cxx => first == "-cc1" || first == "-cc1as",
            Language::Fortran => first == "-fc1",
        }
    }

    /// Passes the next word on to the front end.
    pub fn to_front_end(self) -> &'static str {
        match self {
            Language::C | Language::Cxx => "-Xclang",
            Language::Fortran => "-Xflang",
        }
    }

    /// Names the linker, by its path.
    pub fn linker(self, path: &OsStr) -> Vec<OsString> {
        match self {
            // Only under -fuse-ld=lld does clang give lld's LTO options to the linker.
            Language::C | Language::Cxx => vec![super::joined("--ld-path=", path), "-fuse-ld=lld".into()],
            // flang has no --ld-path.
            Language::Fortran => vec![super::joined("-fuse-ld=", path)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_the_language() {
        for (name, language) in [
            ("jl-cc", Language::C),
            ("/flang/jl-cc", Language::C),
            ("/usr/bin/jl-c++", Language::Cxx),
            ("x86_64-jl-flang", Language::Fortran),
        ] {
            assert_eq!(Language::of_program(OsStr::new(name)), language, "{name}");
        }
    }
}
