//! What was asked of the plugin, and by whom. Pure text; no LLVM.
//!
//! `jl-cc` puts `jl:targets=LIST|march=1|fp=fast` into `llvm.commandline`; before link-time optimisation
//! that becomes the attribute [`ATTRIBUTE`] of every function, so that it survives the merge of modules.

use image_format::cpu::Arch;
use image_format::grammar::{NO_TARGETS, default_targets};

/// Prefix of our string in `llvm.commandline`.
pub const COMMAND_LINE_PREFIX: &str = "jl:";
/// Function attribute that carries the settings through link-time optimisation.
pub const ATTRIBUTE: &str = "jl.settings";
/// Settings of one module or function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The target list as given; `None` when nobody chose.
    pub targets: Option<String>,
    /// The user gave `-march` or `-mcpu`: target 0 is raised to what the functions say.
    pub march: bool,
    /// Contraction of floating-point operations is left to each target.
    pub fp_fast: bool,
    /// Clone whatever Julia's rules name, without the filter for what never pays.
    pub no_filter: bool,
    /// Calls to cloned functions stay on their slots.
    pub tunable: bool,
}

impl Settings {
    /// Parses `key=value` pieces separated by `separator`.
    ///
    /// # Errors
    /// A sentence that names the piece and what is known.
    pub fn parse(text: &str, separator: char) -> Result<Settings, String> {
        let mut settings = Settings::default();
        for piece in text.split(separator).map(str::trim).filter(|p| !p.is_empty()) {
            match piece.split_once('=').unwrap_or((piece, "")) {
                ("targets", list) => settings.targets = Some(list.to_string()),
                ("march", "1") => settings.march = true,
                ("fp", "fast") => settings.fp_fast = true,
                ("fp", "strict") => settings.fp_fast = false,
                ("filter", "none") => settings.no_filter = true,
                ("filter", "pays") => settings.no_filter = false,
                ("tunable", "1") => settings.tunable = true,
                _ => {
                    return Err(format!(
                        "unknown plugin setting '{piece}'; known are targets=LIST, march=1, fp=fast|strict, \
                         filter=none|pays, tunable=1"
                    ));
                }
            }
        }
        Ok(settings)
    }

    /// A target list in pass parameters has '|' for ';', which separates parameters. It can have no features:
    /// LLVM takes a pipeline apart at its commas first.
    pub fn with_lists_of_passes(mut self) -> Settings {
        self.targets = self.targets.map(|t| t.replace('|', ";"));
        self
    }

    /// The inverse of [`Settings::parse`] with `|`.
    pub fn to_text(&self) -> String {
        let mut pieces = Vec::new();
        if let Some(targets) = &self.targets {
            pieces.push(format!("targets={targets}"));
        }
        let words = [
            (self.march, "march=1"),
            (self.fp_fast, "fp=fast"),
            (self.no_filter, "filter=none"),
            (self.tunable, "tunable=1"),
        ];
        pieces.extend(words.iter().filter(|(on, _)| *on).map(|(_, word)| (*word).to_string()));
        pieces.join("|")
    }

    /// What holds where two sources speak: the list of `self` if it has one, otherwise `other`'s; a switch
    /// that either turns on is on.
    pub fn or(self, other: Settings) -> Settings {
        Settings {
            targets: self.targets.or(other.targets),
            march: self.march | other.march,
            fp_fast: self.fp_fast | other.fp_fast,
            no_filter: self.no_filter | other.no_filter,
            tunable: self.tunable | other.tunable,
        }
    }

    /// The list to build for: as chosen, from `JULIA_CPU_TARGET`, or the default; `None` for no cloning.
    pub fn target_list(&self, arch: Arch, environment: Option<String>) -> Option<String> {
        let list = self
            .targets
            .clone()
            .or(environment.filter(|e| !e.trim().is_empty()))
            .unwrap_or_else(|| default_targets(arch).to_string());
        (list.trim() != NO_TARGETS).then_some(list)
    }
}
