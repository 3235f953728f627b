//! What gcc's tests may ask for before they are run: names of effective targets, patterns of platforms, and the C++
//! standard that they are compiled for.

use super::dg::glob;
use super::platform::Platform;

/// A C++ standard by the last two digits of its year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard(pub u32);

impl Standard {
    /// Of what is not C++.
    pub const NONE: Standard = Standard(0);

    /// The one that gcc 12 takes by default first.
    pub const ALL: [Standard; 6] =
        [Standard(17), Standard(20), Standard(23), Standard(14), Standard(11), Standard(98)];

    /// By its name: `c++2a`, `gnu++17`, `c++98`.
    pub fn named(name: &str) -> Option<Standard> {
        let year = name.strip_prefix("c++").or_else(|| name.strip_prefix("gnu++"))?;
        let year = match year {
            "98" | "03" => 98,
            "0x" | "11" => 11,
            "1y" | "14" => 14,
            "1z" | "17" => 17,
            "2a" | "20" => 20,
            "2b" | "23" => 23,
            _ => return None,
        };
        Some(Standard(year))
    }

    /// Grows with the years.
    fn age(self) -> u32 {
        if self.0 == 98 { 0 } else { self.0 }
    }
}

/// What no target here has. All other names of effective targets are taken to hold: a test that needs
/// what is not there fails with plain clang, which is seen.
const LACKING: [&str; 14] = [
    "ilp32",
    "ia32",
    "x32",
    "llp64",
    "freestanding",
    "arm*",
    "powerpc*",
    "mips*",
    "avr*",
    "s390*",
    "newlib*",
    "hwaddress_exec",
    "vxworks*",
    "nonpic",
];

/// What is there for a test.
#[derive(Clone, Copy, Debug)]
pub struct Effective {
    pub platform: Platform,
    pub standard: Standard,
}

impl Effective {
    /// Whether a triplet pattern or the name of an effective target holds.
    pub fn holds(self, name: &str) -> bool {
        if let Some(rest) = name.strip_prefix("c++") {
            let (year, rest) = rest.split_once('_').unwrap_or((rest, ""));
            let Some(named) = Standard::named(&format!("c++{year}")) else { return false };
            let (named, own) = (named.age(), self.standard.age());
            return match rest {
                "only" => own == named,
                "down" => own <= named,
                _ => own >= named,
            };
        }
        if name.matches('-').count() >= 2 {
            return glob(name, self.platform.gnu_triple());
        }
        !LACKING.iter().any(|pattern| glob(pattern, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_by_standard_and_platform() {
        let holds = |standard, name| Effective { platform: Platform::X86_64, standard }.holds(name);
        for (name, at_98, at_17) in [
            ("c++11", false, true),
            ("c++14_down", true, false),
            ("c++98_only", true, false),
            ("c++17_only", false, true),
            ("c++99", false, false),
            ("x86_64-*-*", true, true),
            ("arm*-*-*", false, false),
            ("ia32", false, false),
            ("int32plus", true, true),
        ] {
            assert_eq!((holds(Standard(98), name), holds(Standard(17), name)), (at_98, at_17), "{name}");
        }
    }
}
