//! The targets of `julia.mv.specs`, checked. Pure; no LLVM.

use super::dialect;
use image_format::julia::Dialect;
use image_format::layout::MAX_TARGETS;
use image_format::specs::target_flags::CLONE_ALL;

/// A target as the module flag has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// LLVM's name of the CPU.
    pub cpu: String,
    pub features: String,
    /// The target that this one falls back on.
    pub base: usize,
    /// `image_format::specs::target_flags`, whatever the dialect.
    pub flags: u32,
}

/// All targets of a module. Target 0 and each `clone_all` target have a body of every function: they are
/// the *bases*. Any other target has bodies of some functions, and is *partial*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    pub dialect: Dialect,
    pub list: Vec<Target>,
}

impl Targets {
    /// Checks what a module says: CPU, features, base and flags of each target.
    ///
    /// # Errors
    /// A sentence that names the target, what was found and what was expected.
    pub fn check(raw: &[(String, String, u32, u32)], dialect: Option<Dialect>) -> Result<Targets, String> {
        if raw.is_empty() {
            return Err("julia.mv.specs names no target".into());
        }
        if raw.len() > MAX_TARGETS {
            return Err(format!(
                "julia.mv.specs names {} targets, expected at most {MAX_TARGETS}",
                raw.len()
            ));
        }
        let numbers: Vec<u32> = raw.iter().map(|t| t.3).collect();
        let dialect = dialect.unwrap_or_else(|| dialect::detect(&numbers));
        let mut list: Vec<Target> = Vec::new();
        for (index, (cpu, features, base, number)) in raw.iter().enumerate() {
            let bad = |what: String| format!("julia.mv.specs: target {index} ({cpu}): {what}");
            let flags = dialect::read_flags(dialect, *number).ok_or_else(|| {
                bad(format!("flags {number:#x} have bits that dialect {dialect:?} does not know"))
            })?;
            let base = *base as usize;
            if index > 0 && flags & CLONE_ALL == 0 {
                let Some(target) = list.get(base) else {
                    return Err(bad(format!("base index must refer to a previous target, found {base}")));
                };
                if base != 0 && target.flags & CLONE_ALL == 0 {
                    return Err(bad(format!("base target must be clone_all, found target {base}")));
                }
            }
            list.push(Target { cpu: cpu.clone(), features: features.clone(), base, flags });
        }
        Ok(Targets { dialect, list })
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn is_base(&self, target: usize) -> bool {
        target == 0 || self.list[target].flags & CLONE_ALL != 0
    }

    /// The base whose bodies run for `target` where it has none of its own.
    pub fn base(&self, target: usize) -> usize {
        if self.is_base(target) { target } else { self.list[target].base }
    }

    pub fn bases(&self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(|t| self.is_base(*t))
    }

    /// The partial targets of a base.
    pub fn partial(&self, base: usize) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |t| !self.is_base(*t) && self.list[*t].base == base)
    }

    /// The mask of targets that an attribute `julia.mv.clones` names.
    ///
    /// # Errors
    /// A sentence, when it is no hexadecimal number of these targets.
    pub fn clone_mask(&self, function: &str, text: &str) -> Result<u32, String> {
        let mask = u32::from_str_radix(text, 16).ok().filter(|m| self.len() == 32 || m >> self.len() == 0);
        mask.ok_or_else(|| {
            format!(
                "'{function}': the attribute julia.mv.clones is '{text}', expected a hexadecimal mask of the {} \
                 targets in julia.mv.specs",
                self.len()
            )
        })
    }
}
