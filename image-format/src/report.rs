//! The words of the report: why a function is cloned or not, and the lines that carry it from the
//! plugin to `jl-link`.
//!
//! A line is `NAME TAB MASK TAB REASON TAB INSTRUCTIONS LF`: the mask in hex has a bit per target with a
//! body of its own (bit 0, the baseline, is always set). Lines of one object stand in
//! [`crate::layout::REPORT_SECTION`].

/// A number and the word for it, as texts for people have it.
///
/// ```
/// # use image_format::report::counted;
/// assert_eq!(counted(1, "function"), "1 function");
/// assert_eq!(counted(0, "function"), "0 functions");
/// ```
pub fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Why a function has the clones that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Cloned: has loops, vectors or math that a target can do better.
    Pays,
    /// Cloned: a target says `clone_all`.
    CloneAll,
    /// Cloned: called by and calling cloned functions.
    Between,
    /// Not cloned: no loop, vector or math that a target could do better.
    NeverPays,
    /// Not cloned: no target asks for what this function has.
    NoTargetAsks,
    Naked,
    OptNone,
    NoDuplicate,
    /// Has `target(...)` attributes of its own.
    OwnTarget,
    /// Part of an existing multi-versioned function (`target_clones`, an IFUNC or its resolver).
    Ifunc,
    InlineAsmLabels,
    BlockAddress,
    /// Its signature, or one that it calls through, has an ABI that differs between the targets.
    AbiDiffers,
    /// Placed in a section by the source.
    ExplicitSection,
    AlwaysInline,
    /// Declared or available elsewhere: the definition that counts is in another object.
    AvailableExternally,
    /// Runs before slots are filled: a resolver, `preinit_array` or a constructor with a reserved priority.
    RunsEarly,
    /// Speculation hardening was asked for, and a trampoline would jump through memory.
    Hardened,
    /// Calls something that returns twice or is otherwise bound to its own frame layout.
    ReturnsTwice,
    /// Its COMDAT group holds other things, so that its record could not follow it.
    SharedComdat,
    /// Uses a calling convention or feature that a trampoline cannot carry.
    CallingConvention,
    Coroutine,
    /// Uses `llvm.experimental.constrained.fmuladd`, which a target with FMA would round once.
    StrictFloatingPoint,
    /// The user asked for it (`jl.skip`, `julia.mv.skipcloning`).
    Skipped,
}

impl Reason {
    pub const ALL: [Reason; 24] = [
        Reason::Pays,
        Reason::CloneAll,
        Reason::Between,
        Reason::NeverPays,
        Reason::NoTargetAsks,
        Reason::Naked,
        Reason::OptNone,
        Reason::NoDuplicate,
        Reason::OwnTarget,
        Reason::Ifunc,
        Reason::InlineAsmLabels,
        Reason::BlockAddress,
        Reason::AbiDiffers,
        Reason::ExplicitSection,
        Reason::AlwaysInline,
        Reason::AvailableExternally,
        Reason::RunsEarly,
        Reason::Hardened,
        Reason::ReturnsTwice,
        Reason::SharedComdat,
        Reason::CallingConvention,
        Reason::Coroutine,
        Reason::StrictFloatingPoint,
        Reason::Skipped,
    ];

    /// The word in a report line and in `--jl-report`.
    pub fn word(self) -> &'static str {
        match self {
            Reason::Pays => "pays",
            Reason::CloneAll => "clone-all",
            Reason::Between => "between",
            Reason::NeverPays => "never-pays",
            Reason::NoTargetAsks => "no-target-asks",
            Reason::Naked => "naked",
            Reason::OptNone => "optnone",
            Reason::NoDuplicate => "noduplicate",
            Reason::OwnTarget => "own-target",
            Reason::Ifunc => "ifunc",
            Reason::InlineAsmLabels => "inline-asm-labels",
            Reason::BlockAddress => "blockaddress",
            Reason::AbiDiffers => "abi-differs",
            Reason::ExplicitSection => "explicit-section",
            Reason::AlwaysInline => "always-inline",
            Reason::AvailableExternally => "available-externally",
            Reason::RunsEarly => "runs-early",
            Reason::Hardened => "hardened",
            Reason::ReturnsTwice => "returns-twice",
            Reason::SharedComdat => "shared-comdat",
            Reason::CallingConvention => "calling-convention",
            Reason::Coroutine => "coroutine",
            Reason::StrictFloatingPoint => "strict-fp",
            Reason::Skipped => "skipped",
        }
    }

    /// What the word means, for people.
    pub fn explain(self) -> &'static str {
        match self {
            Reason::Pays => "has loops, vectors or math that a target can do better",
            Reason::CloneAll => "a target says clone_all",
            Reason::Between => "is called by and calls cloned functions",
            Reason::NeverPays => "no loop, vector or math that a target could do better",
            Reason::NoTargetAsks => "no target asks for what this function has",
            Reason::Naked => "is naked: its body is not the compiler's",
            Reason::OptNone => "is optnone (-O0, or by attribute)",
            Reason::NoDuplicate => "contains a call that must not be duplicated",
            Reason::OwnTarget => "has target(...) attributes of its own",
            Reason::Ifunc => "is part of an existing multi-versioned function",
            Reason::InlineAsmLabels => "inline assembly defines a label",
            Reason::BlockAddress => "the address of one of its labels is used outside of it",
            Reason::AbiDiffers => "passes wide vectors, whose ABI differs between the targets",
            Reason::ExplicitSection => "the source places it in a section",
            Reason::AlwaysInline => "is always_inline and still called: its callers should hold its code",
            Reason::AvailableExternally => "its definition is in another object",
            Reason::RunsEarly => "runs before slots are filled",
            Reason::Hardened => "speculation hardening forbids a jump through memory",
            Reason::ReturnsTwice => "calls a function that returns twice",
            Reason::SharedComdat => "its COMDAT group is named for something else",
            Reason::CallingConvention => "has a calling convention that a trampoline cannot carry",
            Reason::StrictFloatingPoint => {
                "is under strict floating point and multiplies and adds in one operation"
            }
            Reason::Coroutine => "is a coroutine that is not yet split",
            Reason::Skipped => "was excluded by the user",
        }
    }

    pub fn from_word(word: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|r| r.word() == word)
    }

    pub fn is_cloned(self) -> bool {
        matches!(self, Reason::Pays | Reason::CloneAll | Reason::Between)
    }
}

/// One function's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub function: String,
    /// Bit per target with a body of its own.
    pub mask: u32,
    pub reason: Reason,
    /// IR instructions of the function before cloning.
    pub instructions: u32,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Line { function, mask, reason, instructions } = self;
        // A name may hold any byte but NUL; control characters would end the line or the field.
        let name: String = function.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        writeln!(f, "{name}\t{mask:x}\t{}\t{instructions}", reason.word())
    }
}

/// The lines of a report section; a line that is none is returned as text in the error.
pub fn parse_lines(text: &str) -> impl Iterator<Item = Result<Line, String>> + '_ {
    text.split(['\n', '\0']).filter(|l| !l.is_empty()).map(|line| {
        let mut fields = line.split('\t');
        let parsed = (|| {
            let function = fields.next()?.to_string();
            let mask = u32::from_str_radix(fields.next()?, 16).ok()?;
            let reason = Reason::from_word(fields.next()?)?;
            let instructions = fields.next()?.parse().ok()?;
            Some(Line { function, mask, reason, instructions })
        })();
        parsed.filter(|_| fields.next().is_none()).ok_or_else(|| line.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_come_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_word(reason.word()), Some(reason));
        }
    }

    #[test]
    fn lines_come_back() {
        let line =
            Line { function: "f(int, char)".into(), mask: 0x15, reason: Reason::Pays, instructions: 7 };
        let text = format!("{line}{line}");
        assert_eq!(parse_lines(&text).collect::<Vec<_>>(), [Ok(line.clone()), Ok(line)]);
        assert!(parse_lines("f\t1\tnonsense\t3\n").next().unwrap().is_err());
    }
}
