//! The ways in which a suite's tests are compiled.

/// An optimisation level, or optimisation at link time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Level {
    /// As users have it: every function is `optnone`, and nothing is cloned.
    #[value(name = "O0")]
    O0,
    /// -O0 without `optnone`: clones and trampolines in code that no pass has simplified.
    #[value(name = "O0-clone")]
    O0Clone,
    #[value(name = "O2")]
    O2,
    #[value(name = "O3")]
    O3,
    /// -O2 and full LTO
    #[value(name = "LTO")]
    Lto,
    /// -O2 and thin LTO
    #[value(name = "ThinLTO")]
    ThinLto,
}

impl Level {
    pub const ALL: [Level; 6] = [Level::O0, Level::O0Clone, Level::O2, Level::O3, Level::Lto, Level::ThinLto];

    pub fn name(self) -> &'static str {
        match self {
            Level::O0 => "O0",
            Level::O0Clone => "O0-clone",
            Level::O2 => "O2",
            Level::O3 => "O3",
            Level::Lto => "LTO",
            Level::ThinLto => "ThinLTO",
        }
    }

    /// To compile and to link, for plain clang too.
    pub fn flags(self) -> &'static [&'static str] {
        match self {
            Level::O0 => &["-O0"],
            Level::O0Clone => &["-O0", "-Xclang", "-disable-O0-optnone"],
            Level::O2 => &["-O2"],
            Level::O3 => &["-O3"],
            Level::Lto => &["-O2", "-flto=full"],
            Level::ThinLto => &["-O2", "-flto=thin"],
        }
    }

    /// Whether functions can be cloned at it at all.
    pub fn clones(self) -> bool {
        self != Level::O0
    }

    /// Whether objects hold bitcode, so that most happens at link.
    pub fn is_lto(self) -> bool {
        matches!(self, Level::Lto | Level::ThinLto)
    }
}

#[cfg(test)]
mod tests {
    use super::Level;
    use clap::ValueEnum;

    #[test]
    fn names_are_those_of_the_command_line() {
        for level in Level::ALL {
            assert_eq!(Level::from_str(level.name(), false), Ok(level));
        }
    }
}
