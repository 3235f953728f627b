//! What clang's own options mean for us. Later options override earlier ones, as in clang.

use image_format::cpu::Arch;

/// What was found in a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `-march` or `-mcpu`: the user raises the baseline. Options such as `-mavx2` do not: they are given to
    /// single files that hold code for a dispatch of their own, and those must link with the others.
    pub chooses_cpu: bool,
    pub records_command_line: bool,
    /// Something is compiled, for all that can be told from the options.
    pub compiles: bool,
    /// The user did not choose another linker.
    pub uses_our_linker: bool,
    /// What is compiled is optimised at link time.
    pub lto: bool,
    /// LLVM's name of the target, if given.
    triple: Option<String>,
    next_is_triple: bool,
}

impl Default for Flags {
    fn default() -> Flags {
        Flags {
            chooses_cpu: false,
            records_command_line: false,
            compiles: true,
            uses_our_linker: true,
            lto: false,
            triple: None,
            next_is_triple: false,
        }
    }
}

impl Flags {
    /// Takes notice of one argument.
    pub fn note(&mut self, arg: &str) {
        if std::mem::take(&mut self.next_is_triple) {
            self.triple = Some(arg.into());
            return;
        }
        match arg {
            "-target" | "--target" => self.next_is_triple = true,
            "-frecord-command-line" | "-frecord-gcc-switches" => self.records_command_line = true,
            "-fno-record-command-line" | "-fno-record-gcc-switches" => self.records_command_line = false,
            "-flto" | "-fno-lto" => self.lto = arg == "-flto",
            "-E" | "-M" | "-MM" | "-fsyntax-only" | "--version" | "-dumpversion" | "-dumpmachine" => {
                self.compiles = false;
            }
            _ => self.note_joined(arg),
        }
    }

    fn note_joined(&mut self, arg: &str) {
        if let Some(triple) = arg.strip_prefix("--target=") {
            self.triple = Some(triple.into());
        } else if let Some(linker) = arg.strip_prefix("-fuse-ld=") {
            self.uses_our_linker = linker == "lld";
        } else if arg.starts_with("--ld-path=") {
            self.uses_our_linker = false;
        } else if arg.starts_with("-flto=") {
            self.lto = true;
        } else if arg.starts_with("-print-") || arg.starts_with("--print-") {
            self.compiles = false;
        } else if arg.starts_with("-march=") || arg.starts_with("-mcpu=") {
            self.chooses_cpu = true;
        }
    }

    /// The architecture that is compiled for: the host's unless a triple says otherwise; `None` for one
    /// whose CPUs are not known here.
    pub fn arch(&self, host: Arch) -> Option<Arch> {
        self.triple.as_deref().map_or(Some(host), Arch::from_triple)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(args: &[&str]) -> Flags {
        let mut flags = Flags::default();
        args.iter().for_each(|a| flags.note(a));
        flags
    }

    #[test]
    fn cpu_options() {
        for option in ["-march=native", "-mcpu=haswell"] {
            assert!(flags(&[option]).chooses_cpu, "{option}");
        }
        for option in ["-mavx2", "-mno-avx", "-msse4.2", "-m64", "-mcmodel=large", "-mtune=haswell", "-MD"] {
            assert!(!flags(&[option]).chooses_cpu, "{option}");
        }
    }

    #[test]
    fn link_time_optimisation() {
        assert!(flags(&["-flto"]).lto && flags(&["-fno-lto", "-flto=thin"]).lto);
        assert!(!flags(&["-flto=full", "-fno-lto"]).lto && !flags(&["-flto-jobs=2", "-O2"]).lto);
    }

    #[test]
    fn other_linkers_and_targets() {
        assert!(!flags(&["-fuse-ld=mold"]).uses_our_linker);
        assert!(flags(&["-fuse-ld=mold", "-fuse-ld=lld"]).uses_our_linker);
        assert_eq!(flags(&["-target", "aarch64-linux-gnu"]).arch(Arch::X86_64), Some(Arch::Aarch64));
        assert_eq!(flags(&["--target=riscv64-linux-gnu"]).arch(Arch::X86_64), None);
        assert_eq!(flags(&["--target=x86_64-linux-musl"]).arch(Arch::X86_64), Some(Arch::X86_64));
    }
}
