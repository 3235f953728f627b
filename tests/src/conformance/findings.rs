//! What suites find: counts for the table, failures with what shows them, and complaints about the suite
//! itself.

use super::level::Level;
use super::list::Key;
use crate::bench::table::Table;
use std::collections::{BTreeMap, BTreeSet};

/// How one test at one level and one target came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    /// Plain clang's build passes, ours does not.
    Failed,
    /// Plain clang's build does not pass either.
    Unsupported,
}

/// The tests of a suite at one level and one target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub unsupported: usize,
    /// Of those that passed: how many had at least one body of this target's own. Zero in all of a suite
    /// means that it tested nothing.
    pub with_clones: usize,
}

impl Counts {
    pub fn run(&self) -> usize {
        self.passed + self.failed + self.unsupported
    }
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub suite: String,
    pub level: String,
    /// The target's CPU, or what else the tests ran on or were made into.
    pub target: String,
    pub counts: Counts,
}

/// A failure of ours.
#[derive(Clone, Debug)]
pub struct Failure {
    pub suite: String,
    pub test: String,
    pub level: String,
    /// Where it failed: target names, or `build`.
    pub target: String,
    /// What was expected and found, with the commands.
    pub what: String,
}

/// All that a suite's run gives.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    pub rows: Vec<Row>,
    pub failures: Vec<Failure>,
    /// What is wrong with the run rather than with one test: nothing was cloned, or the list of what plain
    /// clang does not pass is wrong.
    pub complaints: Vec<String>,
    /// Every listable test that was tried: suite, test and level.
    pub ran: BTreeSet<Key>,
    /// Those of them that plain clang does not pass, with the reason.
    pub unsupported: Vec<(Key, String)>,
    /// Tests that are not listable and that plain clang does not pass either, with the reason.
    pub unlisted: Vec<(Key, String)>,
}

impl Findings {
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty()
            && self.complaints.is_empty()
            && self.rows.iter().all(|r| r.counts.failed == 0)
    }

    pub fn extend(&mut self, other: Findings) {
        let Findings { rows, failures, complaints, ran, unsupported, unlisted } = other;
        self.rows.extend(rows);
        self.failures.extend(failures);
        self.complaints.extend(complaints);
        self.ran.extend(ran);
        self.unsupported.extend(unsupported);
        self.unlisted.extend(unlisted);
    }

    /// Which tests are counted as unsupported without a line in the list, by suite and reason: one line for each
    /// reason; empty when there is none.
    pub fn unlisted_text(&self) -> String {
        let mut groups: BTreeMap<(&str, &str), BTreeMap<&str, BTreeSet<&str>>> = BTreeMap::new();
        for ((suite, test, level), reason) in &self.unlisted {
            groups.entry((suite, reason)).or_default().entry(test).or_default().insert(level);
        }
        let line = |((suite, reason), tests): (&(&str, &str), &BTreeMap<&str, BTreeSet<&str>>)| {
            let mut tests: Vec<_> = tests.iter().collect();
            // Seeds in the order of their numbers.
            tests.sort_by_key(|(test, _)| (test.len(), **test));
            let levels = |levels: &BTreeSet<&str>| levels.iter().copied().collect::<Vec<_>>().join(",");
            let tests: Vec<String> =
                tests.iter().map(|(test, at)| format!("{test} ({})", levels(at))).collect();
            format!("unsupported {suite}: {reason}: {}\n", tests.join(" "))
        };
        groups.iter().map(line).collect()
    }
}

/// Adds up outcomes to rows, in the order in which levels and targets are first seen.
#[derive(Debug)]
pub struct Tally {
    suite: String,
    order: Vec<(String, String)>,
    counts: BTreeMap<(String, String), Counts>,
}

impl Tally {
    pub fn new(suite: &str) -> Tally {
        Tally { suite: suite.into(), order: Vec::new(), counts: BTreeMap::new() }
    }

    /// Counts one test.
    pub fn add(&mut self, level: &str, target: &str, outcome: Outcome, with_clones: bool) {
        let counts = self.counts(level, target);
        match outcome {
            Outcome::Passed => counts.passed += 1,
            Outcome::Failed => counts.failed += 1,
            Outcome::Unsupported => counts.unsupported += 1,
        }
        if with_clones && outcome == Outcome::Passed {
            counts.with_clones += 1;
        }
    }

    /// Counts all tests of a program that counts them itself; `broken` are those that it knows not to pass.
    pub fn add_tests(&mut self, level: &str, target: &str, passed: usize, broken: usize, with_clones: bool) {
        let counts = self.counts(level, target);
        counts.passed += passed;
        counts.unsupported += broken;
        counts.with_clones += if with_clones { passed } else { 0 };
    }

    fn counts(&mut self, level: &str, target: &str) -> &mut Counts {
        let key = (level.to_string(), target.to_string());
        if !self.counts.contains_key(&key) {
            self.order.push(key.clone());
        }
        self.counts.entry(key).or_default()
    }

    pub fn rows(&self) -> Vec<Row> {
        let row = |key: &(String, String)| Row {
            suite: self.suite.clone(),
            level: key.0.clone(),
            target: key.1.clone(),
            counts: self.counts[key],
        };
        self.order.iter().map(row).collect()
    }

    /// A complaint for every level at which clones are to be expected and none was seen at any target.
    pub fn without_clones(&self) -> Vec<String> {
        let rows = self.rows();
        let nothing = |level: &&Level| {
            let mut here = rows.iter().filter(|r| r.level == level.name());
            level.clones()
                && here.clone().any(|r| r.counts.passed > 0)
                && here.all(|r| r.counts.with_clones == 0)
        };
        let complain = |level: &Level| {
            format!(
                "{} at {}: no target had a body of its own in any test: nothing was tested",
                self.suite,
                level.name()
            )
        };
        Level::ALL.iter().filter(nothing).map(complain).collect()
    }
}

/// The one table.
pub fn table(rows: &[Row]) -> Table {
    let mut table =
        Table::new(&["suite", "level", "target", "run", "passed", "failed", "unsupported", "with clones"]);
    for Row { suite, level, target, counts } in rows {
        let Counts { passed, failed, unsupported, with_clones } = *counts;
        let numbers = [counts.run(), passed, failed, unsupported, with_clones].map(|n| n.to_string());
        let mut cells = vec![suite.clone(), level.clone(), target.clone()];
        cells.extend(numbers);
        table.row(cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up_to_rows_in_the_order_seen() {
        let mut tally = Tally::new("s");
        tally.add("O3", "b", Outcome::Passed, true);
        tally.add("O2", "a", Outcome::Failed, true);
        tally.add("O3", "b", Outcome::Unsupported, false);
        let rows = tally.rows();
        assert_eq!((rows[0].level.as_str(), rows[0].target.as_str()), ("O3", "b"));
        assert_eq!(rows[0].counts, Counts { passed: 1, failed: 0, unsupported: 1, with_clones: 1 });
        assert_eq!(rows[1].counts, Counts { passed: 0, failed: 1, unsupported: 0, with_clones: 0 });
        assert_eq!(rows[0].counts.run(), 2);
    }

    #[test]
    fn what_is_not_listed_is_named_with_its_reason() {
        let key = |test: &str, level: &str| ("csmith".to_string(), test.to_string(), level.to_string());
        let never = "does not come to an end (CPU time limit)";
        let unlisted = [
            ("seed-10", "O2", never),
            ("seed-9", "O3", never),
            ("seed-9", "O2", never),
            ("seed-3", "O2", "aborts"),
        ];
        let unlisted = unlisted.map(|(test, level, reason)| (key(test, level), reason.to_string())).to_vec();
        let findings = Findings { unlisted, ..Findings::default() };
        assert_eq!(
            findings.unlisted_text(),
            "unsupported csmith: aborts: seed-3 (O2)\n\
             unsupported csmith: does not come to an end (CPU time limit): seed-9 (O2,O3) seed-10 (O2)\n"
        );
        assert_eq!(Findings::default().unlisted_text(), "");
    }

    #[test]
    fn a_suite_without_clones_is_a_complaint() {
        let mut tally = Tally::new("s");
        tally.add("O0", "b", Outcome::Passed, false);
        tally.add("O2", "b", Outcome::Passed, false);
        let complaints = tally.without_clones();
        assert!(matches!(&complaints[..], [one] if one.starts_with("s at O2")), "{complaints:?}");
        tally.add("O2", "c", Outcome::Passed, true);
        assert!(tally.without_clones().is_empty());
    }
}
