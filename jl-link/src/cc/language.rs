//! The compilers that `jl-cc` becomes, by the name it is called by, and where they differ.

use crate::lld::find_in_path;
use anyhow::Context;
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

    /// The variable that names the compiler, its name with the version of LLVM, and without.
    fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Language::C | Language::Cxx => ("JL_CLANG", "clang-22", "clang"),
            Language::Fortran => ("JL_FLANG", "flang-22", "flang"),
        }
    }

    /// The compiler of LLVM 22.
    ///
    /// # Errors
    /// What was tried, when there is none.
    pub fn compiler(self) -> anyhow::Result<PathBuf> {
        let (variable, versioned, plain) = self.names();
        if let Some(compiler) = std::env::var_os(variable) {
            return Ok(compiler.into());
        }
        let fixed = Path::new("/usr/lib/llvm-22/bin").join(plain);
        let found = find_in_path(versioned).or_else(|| fixed.is_file().then(|| fixed.clone()));
        found.with_context(|| {
            format!(
                "found no {plain} of LLVM 22 (tried {variable}, {versioned} in PATH, {}); install \
                 {versioned} or set {variable} to its path",
                fixed.display()
            )
        })
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
            // Only under -fuse-ld=lld does clang give lld's LTO options to the linker (LLVM 22).
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
