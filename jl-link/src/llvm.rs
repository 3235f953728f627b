//! Which LLVM is used: its clang, its linker, and the pass plugin that was built for it.

use crate::error::{Error, Result};
use std::path::PathBuf;

/// A major version of LLVM that there is a plugin for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Llvm {
    V16,
    V19,
    #[default]
    V22,
}

/// The option and the environment variable that choose, as messages name them.
const OPTION: &str = "--jl-llvm";
const VARIABLE: &str = "JL_LLVM";

impl Llvm {
    pub fn number(self) -> u32 {
        match self {
            Llvm::V16 => 16,
            Llvm::V19 => 19,
            Llvm::V22 => 22,
        }
    }

    /// The version in an option's value.
    ///
    /// # Errors
    /// Names the value and the versions that there are.
    pub fn from_option(value: &str) -> Result<Llvm> {
        Llvm::parse(OPTION, value)
    }

    fn parse(source: &'static str, value: &str) -> Result<Llvm> {
        let all = [Llvm::V16, Llvm::V19, Llvm::V22];
        let found = all.into_iter().find(|v| v.number().to_string() == value);
        found.ok_or_else(|| Error::UnknownLlvm { source_name: source, value: value.into() })
    }

    /// What the option said, or else the environment, or else the default.
    ///
    /// # Errors
    /// The environment names a version for which there is no plugin.
    pub fn choose(option: Option<Llvm>) -> Result<Llvm> {
        match (option, std::env::var(VARIABLE)) {
            (Some(llvm), _) => Ok(llvm),
            (None, Ok(value)) if !value.is_empty() => Llvm::parse(VARIABLE, &value),
            _ => Ok(Llvm::default()),
        }
    }

    /// A tool of this LLVM: what `variable` says, then `NAME-VERSION` in PATH, then LLVM's own directory.
    ///
    /// # Errors
    /// Says where it was looked for and which package has it.
    pub fn tool(self, variable: &'static str, name: &str, package: &str) -> Result<PathBuf> {
        if let Some(program) = std::env::var_os(variable) {
            return Ok(program.into());
        }
        let versioned = format!("{name}-{}", self.number());
        let fixed = PathBuf::from(format!("/usr/lib/llvm-{}/bin/{name}", self.number()));
        if let Some(program) = find_in_path(&versioned) {
            return Ok(program);
        }
        if fixed.is_file() {
            return Ok(fixed);
        }
        Err(Error::NoTool {
            tool: name.into(),
            llvm: self,
            tried: format!("{variable}, {versioned} in PATH, {}", fixed.display()),
            package: format!("{package}-{}", self.number()),
            variable,
        })
    }

    /// The plugin's file name.
    pub fn plugin_file(self) -> String {
        match self {
            Llvm::V22 => "libjl_pass_plugin.so".into(),
            older => format!("libjl_pass_plugin-{older}.so"),
        }
    }

    /// `JL_PLUGIN`, or the plugin beside this program.
    ///
    /// # Errors
    /// Says what makes the plugin.
    pub fn plugin(self) -> Result<PathBuf> {
        if let Some(plugin) = std::env::var_os("JL_PLUGIN") {
            return Ok(plugin.into());
        }
        let beside = beside_self(&self.plugin_file()).filter(|file| file.is_file());
        beside.ok_or_else(|| Error::NoPlugin { file: self.plugin_file(), llvm: self })
    }
}

impl std::fmt::Display for Llvm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.number().fmt(f)
    }
}

/// `file` in the directory of this program, symbolic links followed.
pub fn beside_self(file: &str) -> Option<PathBuf> {
    Some(std::env::current_exe().ok()?.parent()?.join(file))
}

fn find_in_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(Llvm::from_option("19").unwrap(), Llvm::V19);
        assert_eq!(Llvm::V16.plugin_file(), "libjl_pass_plugin-16.so");
        assert_eq!(Llvm::default().plugin_file(), "libjl_pass_plugin.so");
        for wrong in ["", "17", "22.1", "llvm-16"] {
            let error = Llvm::from_option(wrong).unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.contains("16, 19 and 22"), "{error}");
        }
    }

    #[test]
    fn a_missing_tool_names_its_package() {
        let error = Llvm::V16.tool("JL_NO_SUCH_VARIABLE", "no-such-tool", "lld").unwrap_err().to_string();
        assert!(error.contains("no no-such-tool of LLVM 16") && error.contains("install lld-16"), "{error}");
    }
}
