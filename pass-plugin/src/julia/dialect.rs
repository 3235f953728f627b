//! The two layouts of the flags in `julia.mv.specs`, and the switches of the environment. Pure; no LLVM.

use image_format::julia::Dialect;
use image_format::specs::target_flags::*;

/// Bits of dialect M with what they mean in R.
const M_BITS: [(u32, u32); 7] = [
    (1 << 0, CLONE_ALL),
    (1 << 1, OPT_SIZE),
    (1 << 2, MIN_SIZE),
    (1 << 3, CLONE_MATH),
    (1 << 4, CLONE_SIMD),
    (1 << 5, CLONE_FLOAT16),
    (1 << 6, CLONE_BFLOAT16),
];
const M_ALWAYS: u32 = CLONE_LOOP | CLONE_CPU;

const R_KNOWN: u32 = VEC_CALL
    | CLONE_ALL
    | CLONE_MATH
    | CLONE_LOOP
    | CLONE_SIMD
    | UNKNOWN_NAME
    | OPT_SIZE
    | MIN_SIZE
    | CLONE_CPU
    | CLONE_FLOAT16
    | CLONE_BFLOAT16;

/// Which dialect wrote the flags of a module's targets.
///
/// R's own partial targets always have bits beyond M's (`CLONE_CPU`). Bit 0 is M's `clone_all`, and in R never
/// set before cloning. Between lists that have neither, one that says "2, and at most sizes" for some target is
/// R's `clone_all`: M's `opt_size` comes with what the target adds.
pub fn detect(flags: &[u32]) -> Dialect {
    let m_known: u32 = M_BITS.iter().map(|(m, _)| m).sum();
    if flags.iter().any(|f| f & !m_known != 0) {
        return Dialect::R;
    }
    if flags.iter().any(|f| f & 1 != 0) {
        return Dialect::M;
    }
    let only_all = |f: &u32| f & !(UNKNOWN_NAME | OPT_SIZE) == CLONE_ALL;
    if flags.iter().any(only_all) { Dialect::R } else { Dialect::M }
}

/// `target_flags` for a number of a dialect; `None` when it has unknown bits.
pub fn read_flags(dialect: Dialect, raw: u32) -> Option<u32> {
    match dialect {
        Dialect::R => (raw & !R_KNOWN == 0).then_some(raw),
        Dialect::M => {
            let known = M_BITS.iter().filter(|(m, _)| raw & m != 0);
            let (seen, flags) = known.fold((0, M_ALWAYS), |(s, f), (m, r)| (s | m, f | r));
            (seen == raw).then_some(flags)
        }
    }
}

/// The inverse of [`read_flags`].
pub fn write_flags(dialect: Dialect, flags: u32) -> u32 {
    match dialect {
        Dialect::R => flags,
        Dialect::M => M_BITS.iter().filter(|(_, r)| flags & r != 0).map(|(m, _)| m).sum(),
    }
}

/// What the environment says about Julia's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Switches {
    /// `JL_JULIA_DIALECT`: otherwise the dialect is told by the flags.
    pub dialect: Option<Dialect>,
    /// `JL_JULIA_AUTOINIT`: whether slots start at a trampoline that first initialises Julia's runtime.
    pub autoinit: Option<bool>,
}

impl Switches {
    /// # Errors
    /// A sentence that names the variable, its value and what it may be.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Switches, String> {
        let dialect = match variable("JL_JULIA_DIALECT").as_deref() {
            None | Some("") => None,
            Some("R") => Some(Dialect::R),
            Some("M") => Some(Dialect::M),
            Some(other) => {
                return Err(format!(
                    "JL_JULIA_DIALECT is '{other}', expected R (Julia 1.10 to 1.13) or M (master since 2026)"
                ));
            }
        };
        let autoinit = match variable("JL_JULIA_AUTOINIT").as_deref() {
            None | Some("") => None,
            Some("0") => Some(false),
            Some("1") => Some(true),
            Some(other) => return Err(format!("JL_JULIA_AUTOINIT is '{other}', expected 0 or 1")),
        };
        Ok(Switches { dialect, autoinit })
    }
}
