//! The list of tests that plain clang does not pass: `tests/conformance/unsupported.txt`, one line per
//! suite, test and reason: `SUITE TEST LEVELS REASON`, separated by blanks, with LEVELS separated by commas.
//!
//! A reason that begins with `nondeterministic` or `undefined` is written by hand: what such a test does says
//! nothing, and it is left out. The other lines are written by `scripts/conformance --write` and checked by every run.

use super::level::Level;
use crate::tools::in_tests;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const FILE: &str = "conformance/unsupported.txt";
const HEAD: &str = "\
# Tests of others that plain clang does not pass, so that nothing is asked of us.
# SUITE  TEST  LEVELS  REASON
# scripts/conformance --write adds and removes lines, except those whose reason begins with
# \"nondeterministic\" or \"undefined\": they are written by hand, and such a test is left out.
";
const BY_HAND: [&str; 2] = ["nondeterministic", "undefined"];

/// Suite, test, level.
pub type Key = (String, String, String);

/// The list, by level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    reasons: BTreeMap<Key, String>,
}

impl List {
    pub fn read() -> Result<List> {
        let path = in_tests(FILE);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        List::parse(&text).with_context(|| format!("in {}", path.display()))
    }

    fn parse(text: &str) -> Result<List> {
        let mut reasons = BTreeMap::new();
        for line in text.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty()) {
            let mut words = line.splitn(4, char::is_whitespace);
            let (Some(suite), Some(test), Some(levels), Some(reason)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                bail!("expected SUITE TEST LEVELS REASON, found {line:?}");
            };
            for level in levels.split(',') {
                if !Level::ALL.iter().any(|l| l.name() == level) && level != "*" {
                    bail!("unknown level {level:?} in {line:?}");
                }
                reasons.insert((suite.into(), test.into(), level.into()), reason.trim().to_string());
            }
        }
        Ok(List { reasons })
    }

    /// Why plain clang does not pass a test, if that is known.
    pub fn reason(&self, suite: &str, test: &str, level: &str) -> Option<&str> {
        let find = |level: &str| self.reasons.get(&(suite.to_string(), test.to_string(), level.to_string()));
        find(level).or_else(|| find("*")).map(String::as_str)
    }

    /// Whether a test is left out: what it does says nothing, with plain clang either.
    pub fn is_left_out(&self, suite: &str, test: &str, level: &str) -> bool {
        self.reason(suite, test, level).is_some_and(is_by_hand)
    }

    /// Puts in what a run found. `ran` are the suite, test and level of all that was run: what is listed
    /// of those and was not found unsupported goes.
    pub fn update(&mut self, ran: &BTreeSet<Key>, found: &[(Key, String)]) {
        self.reasons.retain(|key, reason| is_by_hand(reason) || !ran.contains(key));
        for (key, reason) in found {
            if self.reason(&key.0, &key.1, &key.2).is_none() {
                self.reasons.insert(key.clone(), reason.clone());
            }
        }
    }

    pub fn write(&self) -> Result<()> {
        let path = in_tests(FILE);
        let aside = path.with_extension("new");
        fs::write(&aside, self.to_text()).with_context(|| format!("cannot write {}", aside.display()))?;
        fs::rename(&aside, &path).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Levels with the same reason share a line.
    fn to_text(&self) -> String {
        let mut lines: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
        for ((suite, test, level), reason) in &self.reasons {
            lines.entry((suite, test, reason)).or_default().push(level);
        }
        let mut text = HEAD.to_string();
        for ((suite, test, reason), mut levels) in lines {
            levels.sort_by_key(|name| Level::ALL.iter().position(|l| l.name() == *name));
            text += &format!("{suite} {test} {} {reason}\n", levels.join(","));
        }
        text
    }
}

fn is_by_hand(reason: &str) -> bool {
    BY_HAND.iter().any(|word| reason.starts_with(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(suite: &str, test: &str, level: &str) -> Key {
        (suite.into(), test.into(), level.into())
    }

    #[test]
    fn the_list_survives_writing_and_reading() {
        let text = format!("{HEAD}s a.c O0,O2 error: no\ns b.c * nondeterministic: by hand\n");
        let list = List::parse(&text).unwrap();
        assert_eq!(list.to_text(), text);
        assert_eq!(list.reason("s", "a.c", "O2"), Some("error: no"));
        assert_eq!(list.reason("s", "a.c", "O3"), None);
        assert!(list.is_left_out("s", "b.c", "O3"));
    }

    #[test]
    fn an_update_keeps_what_was_not_run_and_what_is_by_hand() {
        let mut list = List::parse("s a.c O0,O2 old\ns b.c O0 other\ns c.c * nondeterministic\n").unwrap();
        let ran = [key("s", "a.c", "O0"), key("s", "a.c", "O2"), key("s", "c.c", "O0")].into();
        let found = [(key("s", "a.c", "O2"), "new".to_string()), (key("s", "c.c", "O0"), "exit 1".into())];
        list.update(&ran, &found);
        assert_eq!(list.to_text(), format!("{HEAD}s a.c O2 new\ns b.c O0 other\ns c.c * nondeterministic\n"));
    }

    #[test]
    fn mistakes_are_errors() {
        assert!(List::parse("s a.c O0\n").is_err());
        assert!(List::parse("s a.c O7 because\n").is_err());
    }
}
