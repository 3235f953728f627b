//! The directives in a test program's comments: lines `//! NAME: VALUE` of its first source. Each is
//! explained at its field in [`Directives`].
//!
//! `NAME-x86_64:` and `NAME-aarch64:` hold for that architecture only.

use crate::elf::Elf;
use crate::program::{Mode, disassemble};
use crate::tools::{ALL_LLVMS, Llvm};
use anyhow::{Context, Result, bail};
use image_format::cpu::Arch;
use std::path::Path;

/// What a program's comments ask for.
#[derive(Clone, Debug)]
pub struct Directives {
    /// `targets:` the target list; [`crate::machine::Machine::targets`] when absent. `default` is jl-cc's own.
    pub targets: Option<String>,
    /// `flags:` to compile and link, for the reference too.
    pub flags: Vec<String>,
    /// `link-flags:` to link only, for the reference too.
    pub link_flags: Vec<String>,
    /// `modes:` only these; all that make sense when absent.
    pub modes: Vec<Mode>,
    /// `without:` all modes but these; the rest of the line after ` -- ` says why.
    pub without: Vec<Mode>,
    /// `without-llvm:` a version and the names of tests that are left out with it, or `all`; ` -- ` says why.
    pub without_llvm: Vec<(Llvm, Vec<String>)>,
    /// `opt:` levels to build in mode pie besides -O2.
    pub levels: Vec<String>,
    /// `lib:` these sources of the folder form a shared library in the shared modes.
    pub lib: Vec<String>,
    /// `plain:` these sources are compiled by plain clang: code that knows nothing of us.
    pub plain: Vec<String>,
    /// `env:` variables for every run, as NAME=VALUE.
    pub env: Vec<(String, String)>,
    /// `check-cloned:` functions with a clone for every target, by symbol name.
    pub cloned: Vec<String>,
    /// `check-not-cloned:` a function and the reason's word.
    pub not_cloned: Vec<(String, String)>,
    /// `disasm:` `A calls B` or `A has TEXT`, in programs that jl-link links from objects.
    pub disassembly: Vec<Expectation>,
    /// `disasm-shared:` the same in the shared modes, where exported functions can be replaced.
    pub shared_disassembly: Vec<Expectation>,
    /// `notes:` properties that the output's notes must name.
    pub notes: Vec<String>,
    /// `reference: baseline`: compared with its own run at target 0 and not with plain clang's build.
    pub own_reference: bool,
    /// `qemu: no` and the reason: not run under QEMU.
    pub qemu: bool,
}

/// A `disasm:` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// A call or a tail jump straight to the other function.
    Calls(String, String),
    /// A line of the function contains the text.
    Has(String, String),
}

impl Directives {
    /// Those that hold for `arch`; `None` when `arch:` names another one.
    pub fn parse(text: &str, arch: Arch) -> Result<Option<Directives>> {
        let mut found = Directives {
            targets: None,
            flags: Vec::new(),
            link_flags: Vec::new(),
            modes: Vec::new(),
            without: Vec::new(),
            without_llvm: Vec::new(),
            levels: words("-O0 -O1 -O3 -Os"),
            lib: Vec::new(),
            plain: Vec::new(),
            env: Vec::new(),
            cloned: Vec::new(),
            not_cloned: Vec::new(),
            disassembly: Vec::new(),
            shared_disassembly: Vec::new(),
            notes: Vec::new(),
            own_reference: false,
            qemu: true,
        };
        for line in text.lines().filter_map(|l| l.strip_prefix("//! ")) {
            let (name, value) =
                line.split_once(':').with_context(|| format!("expected NAME: VALUE, found {line:?}"))?;
            // What stands behind ` -- ` is for the reader.
            let value = value.split(" -- ").next().unwrap_or("").trim();
            let (name, only) = split_architecture(name);
            if only.is_some_and(|only| only != arch) {
                continue;
            }
            match name {
                "arch" if value != arch.name() => return Ok(None),
                "arch" => {}
                "targets" => found.targets = Some(value.into()),
                "flags" => found.flags.extend(words(value)),
                "link-flags" => found.link_flags.extend(words(value)),
                "modes" => found.modes = modes(value)?,
                "without" => found.without.extend(modes(value)?),
                "without-llvm" => {
                    let (version, tests) =
                        value.split_once(' ').context("without-llvm: expected N TEST...")?;
                    let version = ALL_LLVMS.into_iter().find(|l| l.0.to_string() == version);
                    let version = version.with_context(|| format!("no such LLVM: {value:?}"))?;
                    found.without_llvm.push((version, words(tests)));
                }
                "opt" => found.levels = words(value),
                "lib" => found.lib = words(value),
                "plain" => found.plain = words(value),
                "env" => {
                    let (name, value) = value.split_once('=').context("env: expected NAME=VALUE")?;
                    found.env.push((name.into(), value.into()));
                }
                "check-cloned" => found.cloned.extend(words(value)),
                "check-not-cloned" => match &words(value)[..] {
                    [function, reason] => found.not_cloned.push((function.clone(), reason.clone())),
                    _ => bail!("check-not-cloned: expected FUNCTION REASON, found {value:?}"),
                },
                "disasm" => found.disassembly.push(Expectation::parse(value)?),
                "disasm-shared" => found.shared_disassembly.push(Expectation::parse(value)?),
                "notes" => found.notes = words(value),
                "reference" if value == "baseline" => found.own_reference = true,
                "qemu" if value == "no" => found.qemu = false,
                _ => bail!("unknown directive {line:?}"),
            }
        }
        if found.cloned.is_empty() && found.not_cloned.is_empty() {
            bail!("neither check-cloned nor check-not-cloned: the test could not fail for want of clones");
        }
        for (_, reason) in &found.not_cloned {
            image_format::report::Reason::from_word(reason)
                .with_context(|| format!("check-not-cloned: {reason:?} is no reason's word"))?;
        }
        Ok(Some(found))
    }
}

/// `NAME-ARCH`, taken apart.
fn split_architecture(name: &str) -> (&str, Option<Arch>) {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        if let Some(name) = name.strip_suffix(arch.name()).and_then(|n| n.strip_suffix('-')) {
            return (name, Some(arch));
        }
    }
    (name, None)
}

impl Expectation {
    fn parse(text: &str) -> Result<Expectation> {
        if let Some((caller, callee)) = text.split_once(" calls ") {
            Ok(Expectation::Calls(caller.trim().into(), callee.trim().into()))
        } else if let Some((function, text)) = text.split_once(" has ") {
            Ok(Expectation::Has(function.trim().into(), text.trim().into()))
        } else {
            bail!("disasm: expected A calls B or A has TEXT, found {text:?}")
        }
    }

    /// Checks it in one output file, by its symbol table and disassembly.
    pub fn check(&self, output: &Path) -> Result<()> {
        let (Expectation::Calls(function, _) | Expectation::Has(function, _)) = self;
        let body = disassemble(output, function)?;
        let holds = match self {
            Expectation::Calls(_, callee) => {
                // By address: folded clones are one body under several names.
                let symbols = Elf::read(output)?.symbols()?;
                let callees: Vec<u64> =
                    symbols.iter().filter(|s| s.name == *callee).map(|s| s.address).collect();
                body.lines().filter_map(branch_target).any(|target| callees.contains(&target))
            }
            Expectation::Has(_, text) => body.contains(text.as_str()),
        };
        if !holds {
            bail!("{}: expected {self:?}, found\n{body}", output.display());
        }
        Ok(())
    }

    /// The function whose code is looked at.
    pub fn function(&self) -> &str {
        let (Expectation::Calls(function, _) | Expectation::Has(function, _)) = self;
        function
    }
}

/// Where a direct call or jump of a disassembly leads: `callq 0x8e30 <g.1>`, `bl 0x8e30 <g.1>`.
fn branch_target(line: &str) -> Option<u64> {
    let mut words = line.split_whitespace();
    let mnemonic = words.next()?;
    let address = words.next()?.strip_prefix("0x")?;
    let branch =
        ["b", "bl"].contains(&mnemonic) || mnemonic.starts_with("call") || mnemonic.starts_with("jmp");
    u64::from_str_radix(address, 16).ok().filter(|_| branch)
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_string).collect()
}

fn modes(text: &str) -> Result<Vec<Mode>> {
    text.split_whitespace().map(Mode::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_come_from_comments() {
        let found = Directives::parse(
            "//! targets: x86-64;x86-64-v3\n//! flags: -g\n//! without: static -- no static loader\n\
             //! check-cloned: f g\n//! check-not-cloned: h naked\n//! disasm: f.1 calls g.1\n\
             //! targets-aarch64: generic;a64fx\n//! disasm-x86_64: f has jmp\nint f;\n",
            Arch::Aarch64,
        )
        .unwrap()
        .unwrap();
        assert_eq!(found.targets.as_deref(), Some("generic;a64fx"));
        assert_eq!(found.without, [Mode::Static]);
        assert_eq!(found.cloned, ["f", "g"]);
        assert_eq!(found.disassembly, [Expectation::Calls("f.1".into(), "g.1".into())]);
        let elsewhere = Directives::parse("//! arch: x86_64\n//! check-cloned: f\n", Arch::Aarch64);
        assert!(elsewhere.unwrap().is_none());
    }

    #[test]
    fn mistakes_in_directives_are_errors() {
        for (text, message) in [
            ("//! flgas: -g\n", "unknown directive"),
            ("//! modes: pie exee\n", "unknown mode \"exee\""),
            ("//! check-not-cloned: f because\n", "no reason's word"),
            ("//! flags: -g\n", "could not fail"),
        ] {
            let error = format!("{:#}", Directives::parse(text, Arch::HOST).unwrap_err());
            assert!(error.contains(message), "{error}");
        }
    }
}
