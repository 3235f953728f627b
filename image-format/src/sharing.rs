//! Whether another image may use a function of this one in place of its own, and why not.

/// The verdict on a function; the numbers stand in images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Sharing {
    /// Whoever has a function of the same identity may use this one.
    Shareable = 0,
    Local = 1,
    Replaceable = 2,
    OwnData = 3,
    HiddenReference = 4,
    OwnAddress = 5,
    Personality = 6,
    InlineAssembly = 7,
    LabelAddress = 8,
    Naked = 9,
    Section = 10,
    PrefixData = 11,
    Elsewhere = 12,
    Unknown = 13,
}

impl Sharing {
    pub const ALL: [Sharing; 14] = [
        Sharing::Shareable,
        Sharing::Local,
        Sharing::Replaceable,
        Sharing::OwnData,
        Sharing::HiddenReference,
        Sharing::OwnAddress,
        Sharing::Personality,
        Sharing::InlineAssembly,
        Sharing::LabelAddress,
        Sharing::Naked,
        Sharing::Section,
        Sharing::PrefixData,
        Sharing::Elsewhere,
        Sharing::Unknown,
    ];

    /// The inverse of `as u8`.
    pub fn from_number(number: u8) -> Option<Sharing> {
        Sharing::ALL.get(usize::from(number)).copied()
    }

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Sharing::Shareable => "shareable",
            Sharing::Local => "local",
            Sharing::Replaceable => "replaceable",
            Sharing::OwnData => "own-data",
            Sharing::HiddenReference => "hidden-reference",
            Sharing::OwnAddress => "own-address",
            Sharing::Personality => "personality",
            Sharing::InlineAssembly => "inline-assembly",
            Sharing::LabelAddress => "label-address",
            Sharing::Naked => "naked",
            Sharing::Section => "section",
            Sharing::PrefixData => "prefix-data",
            Sharing::Elsewhere => "elsewhere",
            Sharing::Unknown => "unknown",
        }
    }

    /// What the word means, for people; completes "the function ...".
    pub fn explain(self) -> &'static str {
        match self {
            Sharing::Shareable => "may stand for every other one of the same identity",
            Sharing::Local => "is local to its object, and comes along with those that call it",
            Sharing::Replaceable => {
                "may be replaced by another definition of its name when it is linked or loaded"
            }
            Sharing::OwnData => {
                "uses variables of which each image has its own, or may have (inline variables, static locals)"
            }
            Sharing::HiddenReference => {
                "refers to a hidden symbol of its image whose definition is elsewhere, or that linkers define"
            }
            Sharing::OwnAddress => {
                "takes an address, of something of which each image has its own, that may be compared"
            }
            Sharing::Personality => "unwinds through a personality function of which each image has its own",
            Sharing::InlineAssembly => "has inline assembly, which may refer to symbols of its image",
            Sharing::LabelAddress => "has labels whose addresses are taken",
            Sharing::Naked => "is naked: its body is not the compiler's",
            Sharing::Section => "is placed in a section by the source",
            Sharing::PrefixData => "has data before its code",
            Sharing::Elsewhere => "is defined by another object, and only a copy for inlining is here",
            Sharing::Unknown => "has something that this release cannot describe",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_and_words_lead_back() {
        for (number, sharing) in Sharing::ALL.into_iter().enumerate() {
            assert_eq!(sharing as usize, number);
            assert_eq!(Sharing::from_number(number as u8), Some(sharing));
        }
        assert_eq!(Sharing::from_number(Sharing::ALL.len() as u8), None);
        assert_eq!(
            Sharing::ALL.map(Sharing::word).into_iter().collect::<HashSet<_>>().len(),
            Sharing::ALL.len()
        );
    }
}
