//! What became of the functions that a dependency may have a copy of: lines that the plugin leaves in an object for
//! `jl-link`, and their words.
//!
//! A line is `NAME TAB WORD TAB DEPENDENCY LF`; the dependency's name is empty where there is none to name. Behind it stand, with a tab
//! before each, the names of variables that a function uses which was left out. Lines of one object stand in [`crate::layout::PACKAGE_REPORT_SECTION`].

use crate::sharing::Sharing;

/// What became of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Left out: the dependency's is called.
    Deduplicated,
    /// Kept, because no other image's may stand for it.
    Unshareable(Sharing),
    /// Kept: no dependency exports it.
    NotExported,
    /// Kept: a dependency has a function of this name, but not of this identity.
    OtherContent,
    /// Kept, because others of the same link may need it: not defined by everyone who uses it.
    Strong,
    /// Kept: an alias stands for it, or a list of what must stay names it.
    Pinned,
    /// Kept, as something else in its COMDAT group is.
    Group,
    /// Kept: its address is used, and the dependency has no symbol for it.
    Address,
    /// Kept: its callers should hold its code.
    AlwaysInline,
    /// Kept by the linker: objects of the link hold different functions of this name, or one that is not known to be the
    /// same.
    Disagreement,
    /// Kept by the linker: an archive's member comes into the link for its sake.
    DrawsIn,
    /// Kept by the linker: it uses what the image keeps to itself, and the dependency's does not.
    Bound,
    /// Kept by the linker: there is bitcode in the link, of which nothing is known before it is compiled.
    Bitcode,
}

impl Fate {
    /// All but verdicts.
    const OWN: [Fate; 12] = [
        Fate::Deduplicated,
        Fate::NotExported,
        Fate::OtherContent,
        Fate::Strong,
        Fate::Pinned,
        Fate::Group,
        Fate::Address,
        Fate::AlwaysInline,
        Fate::Disagreement,
        Fate::DrawsIn,
        Fate::Bound,
        Fate::Bitcode,
    ];

    pub fn all() -> impl Iterator<Item = Fate> {
        let verdicts = Sharing::ALL.into_iter().filter(|s| *s != Sharing::Shareable);
        Fate::OWN.into_iter().chain(verdicts.map(Fate::Unshareable))
    }

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Deduplicated => "deduplicated",
            Fate::Unshareable(sharing) => sharing.word(),
            Fate::NotExported => "not-exported",
            Fate::OtherContent => "other-content",
            Fate::Strong => "strong",
            Fate::Pinned => "pinned",
            Fate::Group => "group",
            Fate::Address => "address",
            Fate::AlwaysInline => "always-inline",
            Fate::Disagreement => "disagreement",
            Fate::DrawsIn => "draws-in",
            Fate::Bound => "bound",
            Fate::Bitcode => "bitcode",
        }
    }

    pub fn from_word(word: &str) -> Option<Fate> {
        Fate::all().find(|fate| fate.word() == word)
    }

    /// What the word means, for people; completes "the function ...".
    pub fn explain(self) -> &'static str {
        match self {
            Fate::Deduplicated => "was left out: the dependency's is called",
            Fate::Unshareable(sharing) => sharing.explain(),
            Fate::NotExported => "is exported by no dependency",
            Fate::OtherContent => "has other content than the dependency's of the same name",
            Fate::Strong => "may be needed by objects that have no copy of it",
            Fate::Pinned => "is what an alias stands for, or is listed as used",
            Fate::Group => "shares its COMDAT group with something that stays",
            Fate::Address => "has its address used, and the dependency has no symbol for it",
            Fate::AlwaysInline => "is always_inline: its callers should hold its code",
            Fate::Disagreement => "is not known to be the same one in all objects that define it",
            Fate::DrawsIn => "is what a member of an archive is linked for",
            Fate::Bound => "uses what this image keeps to itself (-Bsymbolic, a version script)",
            Fate::Bitcode => "may be defined by bitcode, too, of which nothing is known before the link",
        }
    }
}

/// One function's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub function: String,
    pub fate: Fate,
    /// Empty for none.
    pub dependency: String,
    /// Of a function that was left out: variables that it uses, by itself or through what it calls, and of which there must be one in all
    /// images for it to mean the same in another. Each stands with one of its users.
    pub data: Vec<String>,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Control characters would end the line or the field.
        let plain =
            |text: &str| -> String { text.chars().map(|c| if c.is_control() { '?' } else { c }).collect() };
        write!(f, "{}\t{}\t{}", plain(&self.function), self.fate.word(), plain(&self.dependency))?;
        self.data.iter().try_for_each(|name| write!(f, "\t{}", plain(name)))?;
        f.write_str("\n")
    }
}

/// The lines of a section; a line that is none is returned as text in the error.
pub fn parse_lines(text: &str) -> impl Iterator<Item = Result<Line, String>> + '_ {
    text.split(['\n', '\0']).filter(|l| !l.is_empty()).map(|line| {
        match *line.split('\t').collect::<Vec<_>>() {
            [function, word, dependency, ref data @ ..] => {
                let fate = Fate::from_word(word).ok_or_else(|| line.to_string())?;
                if fate != Fate::Deduplicated && !data.is_empty() {
                    return Err(line.to_string());
                }
                let data = data.iter().map(|name| (*name).to_owned()).collect();
                Ok(Line { function: function.into(), fate, dependency: dependency.into(), data })
            }
            _ => Err(line.to_string()),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_unique_and_come_back() {
        let mut words = HashSet::new();
        for fate in Fate::all() {
            assert!(words.insert(fate.word()));
            assert_eq!(Fate::from_word(fate.word()), Some(fate));
        }
        assert_eq!(Fate::from_word(Sharing::Shareable.word()), None);
    }

    #[test]
    fn lines_come_back() {
        let line = |fate, dependency: &str, data: &[&str]| Line {
            function: "f(int)".into(),
            fate,
            dependency: dependency.into(),
            data: data.iter().map(|name| name.to_string()).collect(),
        };
        let lines = [
            line(Fate::Deduplicated, "libA.so", &[]),
            line(Fate::Deduplicated, "libA.so", &["counter", "other"]),
            line(Fate::Unshareable(Sharing::OwnData), "", &[]),
        ];
        let text: String = lines.iter().map(Line::to_string).collect();
        assert_eq!(parse_lines(&text).collect::<Vec<_>>(), lines.map(Ok));
        for bad in ["f\tnonsense\tlibA.so\n", "f\tgroup\n", "f\tgroup\ta\tb\n"] {
            assert!(parse_lines(bad).next().unwrap().is_err(), "{bad}");
        }
    }
}
