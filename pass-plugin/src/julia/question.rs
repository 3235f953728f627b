//! Questions that code asks about the CPU it is compiled for. Pure; no LLVM.
//!
//! `julia.cpu.have_fma.TYPE`: is fused multiply-add on TYPE (`f16`, `f32`, `f64`) an instruction?
//! `julia.cpu.supports.A,B`: are all of LLVM's features A and B there?

/// A question, by the name of the function that asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question<'a> {
    /// The operand type's name.
    HaveFma(&'a str),
    /// Feature names, separated by commas.
    Supports(&'a str),
}

/// Instruction sets that answer `have_fma` in their own ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    X86,
    Aarch64,
    Arm,
    Riscv64,
    Other,
}

impl Isa {
    /// The instruction set of an LLVM target triple.
    pub fn from_triple(triple: &str) -> Isa {
        let arch = triple.split('-').next().unwrap_or("");
        match arch {
            "x86_64" | "amd64" | "i386" | "i486" | "i586" | "i686" => Isa::X86,
            "aarch64" | "aarch64_be" | "arm64" | "arm64e" => Isa::Aarch64,
            "riscv64" => Isa::Riscv64,
            _ if arch.starts_with("arm") || arch.starts_with("thumb") => Isa::Arm,
            _ => Isa::Other,
        }
    }
}

impl<'a> Question<'a> {
    /// The prefix of every name that asks about the CPU.
    pub const PREFIX: &'static str = "julia.cpu.";

    pub fn parse(function: &'a str) -> Option<Question<'a>> {
        let rest = function.strip_prefix(Question::PREFIX)?;
        rest.strip_prefix("have_fma.")
            .map(Question::HaveFma)
            .or_else(|| rest.strip_prefix("supports.").map(Question::Supports))
    }

    /// The answer that holds on every CPU of the instruction set, where there is one: a function that
    /// asks only such questions needs no clone for them.
    pub fn settled(self, isa: Isa) -> Option<bool> {
        match (self, isa) {
            (Question::HaveFma(ty), Isa::Aarch64) => Some(matches!(ty, "f32" | "f64")),
            _ => None,
        }
    }

    /// The answer where exactly the features that `has` knows are there.
    pub fn answer(self, isa: Isa, has: impl Fn(&str) -> bool) -> bool {
        if let Some(answer) = self.settled(isa) {
            return answer;
        }
        match self {
            // An unknown name is a feature that no CPU has; so is the empty one.
            Question::Supports(list) => list.split(',').all(has),
            Question::HaveFma(ty) => match isa {
                Isa::X86 => matches!(ty, "f32" | "f64") && (has("fma") || has("fma4")),
                Isa::Arm => match ty {
                    "f32" => has("vfp4") || has("vfp4sp"),
                    "f64" => has("vfp4"),
                    _ => false,
                },
                Isa::Riscv64 => match ty {
                    "f16" => has("zfh"),
                    "f32" => has("f"),
                    "f64" => has("d"),
                    _ => false,
                },
                Isa::Aarch64 | Isa::Other => false,
            },
        }
    }
}
