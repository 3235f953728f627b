//! Julia's target strings (`JULIA_CPU_TARGET`; julia-protocol, section 1).
//!
//! ```text
//! string := target (';' target)*        target := cpu (',' item)*
//! item   := ['+'|'-'] feature | ['+'|'-']'clone_all' | 'opt_size' | 'min_size' | 'base(' digits ')'
//! ```
//! Blanks around pieces are ignored and empty pieces skipped, as Julia's master does.

use crate::cpu::Arch;
use crate::layout::MAX_TARGETS;
use crate::specs::target_flags::{CLONE_ALL, MIN_SIZE, OPT_SIZE};

/// The list for x86-64 when nobody chose one. `x86-64-v4` is left out on purpose: blindly taken it costs up to
/// 46 % on single loops.
pub const DEFAULT_TARGETS_X86_64: &str = "x86-64;x86-64-v3";

/// The list for aarch64 when nobody chose one: the first server core with dot products and atomic
/// instructions, which later ones include. SVE is left out as long as nobody has measured what it costs.
const DEFAULT_TARGETS_AARCH64: &str = "generic;neoverse-n1";

/// The list when nobody chose one.
pub fn default_targets(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => DEFAULT_TARGETS_X86_64,
        Arch::Aarch64 => DEFAULT_TARGETS_AARCH64,
    }
}

/// The list that turns cloning off.
pub const NO_TARGETS: &str = "none";

/// One target as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetString {
    /// The CPU name as written.
    pub cpu: String,
    /// Features with their sign (`true` is `+`), in order.
    pub features: Vec<(String, bool)>,
    /// `CLONE_ALL`, `OPT_SIZE` and `MIN_SIZE` of [`crate::specs::target_flags`].
    pub flags: u32,
    pub base: u32,
}

impl TargetString {
    pub fn clone_all(&self) -> bool {
        self.flags & CLONE_ALL != 0
    }
}

/// Why a target string is wrong; the first five messages are Julia's own, to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GrammarError {
    EmptyCpu,
    Disabled {
        option: &'static str,
    },
    Conflict,
    BaseNotPrevious,
    BaseNotCloneAll,
    /// `base(` without digits and `)`.
    BaseMalformed {
        found: String,
    },
    TooMany {
        found: usize,
    },
    NoTarget,
}

impl std::fmt::Display for GrammarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            GrammarError::EmptyCpu => write!(f, "Invalid target option: empty CPU name"),
            GrammarError::Disabled { option } => {
                write!(f, "Invalid target option: disabled {option}.")
            }
            GrammarError::Conflict => {
                write!(f, "Conflicting target option: both opt_size and min_size are specified.")
            }
            GrammarError::BaseNotPrevious => {
                write!(f, "Invalid target option: base index must refer to a previous target.")
            }
            GrammarError::BaseNotCloneAll => {
                write!(f, "Invalid target option: base target must be clone_all.")
            }
            GrammarError::BaseMalformed { found } => {
                write!(f, "Invalid target option: found {found}, expected base(NUMBER)")
            }
            GrammarError::TooMany { found } => {
                write!(f, "Invalid target option: {found} targets, at most {MAX_TARGETS} are supported")
            }
            GrammarError::NoTarget => write!(f, "Invalid target option: no target given"),
        }
    }
}

impl std::error::Error for GrammarError {}

/// Parses a target string. CPU and feature names are not looked up here.
pub fn parse(text: &str) -> Result<Vec<TargetString>, GrammarError> {
    let mut targets: Vec<TargetString> = Vec::new();
    for piece in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
        let target = parse_target(piece, &targets)?;
        targets.push(target);
    }
    match targets.len() {
        0 if text.trim().is_empty() => Err(GrammarError::NoTarget),
        0 => Err(GrammarError::EmptyCpu),
        1..=MAX_TARGETS => Ok(targets),
        found => Err(GrammarError::TooMany { found }),
    }
}

fn parse_target(piece: &str, earlier: &[TargetString]) -> Result<TargetString, GrammarError> {
    let mut items = piece.split(',').map(str::trim);
    let cpu = items.next().unwrap_or("");
    if cpu.is_empty() {
        return Err(GrammarError::EmptyCpu);
    }
    let mut target = TargetString { cpu: cpu.into(), features: Vec::new(), flags: 0, base: 0 };
    for item in items.filter(|i| !i.is_empty()) {
        let (name, enable) = match item.as_bytes()[0] {
            b'-' => (&item[1..], false),
            b'+' => (&item[1..], true),
            _ => (item, true),
        };
        match name {
            "clone_all" => set(&mut target.flags, CLONE_ALL, enable),
            "opt_size" if enable => set(&mut target.flags, OPT_SIZE, true),
            "min_size" if enable => set(&mut target.flags, MIN_SIZE, true),
            "opt_size" => return Err(GrammarError::Disabled { option: "opt_size" }),
            "min_size" => return Err(GrammarError::Disabled { option: "min_size" }),
            _ if name.starts_with("base(") => {
                if !enable {
                    return Err(GrammarError::Disabled { option: "base index" });
                }
                target.base = parse_base(name, earlier)?;
            }
            "" => {}
            _ => target.features.push((name.into(), enable)),
        }
    }
    if target.flags & OPT_SIZE != 0 && target.flags & MIN_SIZE != 0 {
        return Err(GrammarError::Conflict);
    }
    Ok(target)
}

fn parse_base(item: &str, earlier: &[TargetString]) -> Result<u32, GrammarError> {
    let digits = item.strip_prefix("base(").and_then(|r| r.strip_suffix(')'));
    let base: usize = digits
        .and_then(|d| d.parse().ok())
        .ok_or_else(|| GrammarError::BaseMalformed { found: item.into() })?;
    let target = earlier.get(base).ok_or(GrammarError::BaseNotPrevious)?;
    if base != 0 && !target.clone_all() {
        return Err(GrammarError::BaseNotCloneAll);
    }
    Ok(base as u32)
}

fn set(flags: &mut u32, bit: u32, on: bool) {
    if on {
        *flags |= bit;
    } else {
        *flags &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn julia_default_string() {
        let t = parse("generic;sandybridge,-xsaveopt,clone_all;haswell,-rdrnd,base(1)").unwrap();
        assert_eq!(t.len(), 3);
        assert!(t[1].clone_all());
        assert_eq!(t[1].features, [("xsaveopt".to_string(), false)]);
        assert_eq!((t[2].base, t[2].features[0].1), (1, false));
    }

    #[test]
    fn blanks_and_empty_pieces() {
        let t = parse(" x86-64 ; ; x86-64-v3 , +fma,,").unwrap();
        assert_eq!((t.len(), t[1].cpu.as_str(), t[1].features.len()), (2, "x86-64-v3", 1));
    }

    #[test]
    fn messages_are_julias() {
        let message = |s: &str| parse(s).unwrap_err().to_string();
        assert_eq!(message(",fma"), "Invalid target option: empty CPU name");
        assert_eq!(message(";"), "Invalid target option: empty CPU name");
        assert_eq!(message("a,-opt_size"), "Invalid target option: disabled opt_size.");
        assert_eq!(message("a,-min_size"), "Invalid target option: disabled min_size.");
        assert_eq!(message("a;b,-base(0)"), "Invalid target option: disabled base index.");
        assert_eq!(
            message("a,opt_size,min_size"),
            "Conflicting target option: both opt_size and min_size are specified."
        );
        assert_eq!(
            message("a;b,base(1)"),
            "Invalid target option: base index must refer to a previous target."
        );
        assert_eq!(message("a;b;c,base(1)"), "Invalid target option: base target must be clone_all.");
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[a-c;,+()0-9 _-]{0,40}|.{0,20}") {
            if let Ok(targets) = parse(&text) {
                prop_assert!(!targets.is_empty());
                for (i, t) in targets.iter().enumerate() {
                    prop_assert!(!t.cpu.is_empty() && (t.base as usize) < i.max(1));
                }
            }
        }
    }
}
