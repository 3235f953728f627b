//! Runs a suite's cases at several levels and adds up what came out.

use super::Context;
use super::case::{Case, Judged};
use super::findings::{Failure, Findings, Outcome, Tally};
use super::level::Level;
use super::list::Key;
use anyhow::{Context as _, Result};
use rayon::prelude::*;
use std::fs;

/// How a case came out at a level: nothing for one whose outcome says nothing.
type Verdict = Result<Option<Judged>>;

/// Whether what plain clang does not pass must stand in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    Listed,
    /// Generated programs, of which it depends on the machine which come to an end in time; and Fortran, where
    /// what flang does not do yet is not for us to record.
    Unlisted,
}

/// Runs cases, each at a level, as many at a time as there are threads.
pub fn judge_all(
    context: &Context,
    suite: &str,
    work: &[(&Case, Level)],
    listing: Listing,
) -> Result<Findings> {
    let suite = &context.label(suite);
    let failures = context.failures(suite);
    if failures.exists() {
        // Of an earlier run.
        fs::remove_dir_all(&failures).with_context(|| format!("cannot remove {}", failures.display()))?;
    }
    let progress = context.progress(work.len());
    let judge = |(case, level): &(&Case, Level)| -> Verdict {
        progress.step(&format!("{suite} {} {}", level.name(), case.name));
        if context.list.is_left_out(suite, &case.name, level.name()) {
            return Ok(None);
        }
        let at = || format!("{} at {}", case.name, level.name());
        let judged = case.judge(context, *level, &failures).with_context(at)?;
        if judged.reference.is_ok() && judged.places.iter().any(|p| p.result.is_err()) {
            progress.note(&format!("FAILED {suite} {}", at()));
        }
        Ok(Some(judged))
    };
    let judged: Vec<Verdict> = context.pool.install(|| work.par_iter().map(judge).collect());
    drop(progress);
    let mut summary =
        Summary { tally: Tally::new(suite), findings: Findings::default(), context, suite, listing };
    for ((case, level), judged) in work.iter().zip(judged) {
        summary.add(case, *level, judged?);
    }
    let Summary { tally, mut findings, .. } = summary;
    findings.rows = tally.rows();
    if context.options.filter.is_none() {
        findings.complaints.extend(tally.without_clones());
    }
    Ok(findings)
}

struct Summary<'a> {
    tally: Tally,
    findings: Findings,
    context: &'a Context,
    suite: &'a str,
    listing: Listing,
}

impl Summary<'_> {
    fn add(&mut self, case: &Case, level: Level, judged: Option<Judged>) {
        let Some(Judged { reference, places }) = judged else {
            for place in &self.context.places {
                self.tally.add(level.name(), &place.name, Outcome::Unsupported, false);
            }
            return;
        };
        match (self.listing, &reference) {
            (Listing::Listed, _) => self.check_list(case, level, &reference),
            (Listing::Unlisted, Err(reason)) => {
                self.findings.unlisted.push((self.key(case, level), reason.clone()));
            }
            (Listing::Unlisted, Ok(())) => {}
        }
        for place in &places {
            let outcome = match (&reference, &place.result) {
                (Err(_), _) => Outcome::Unsupported,
                (Ok(()), Ok(())) => Outcome::Passed,
                (Ok(()), Err(_)) => Outcome::Failed,
            };
            self.tally.add(level.name(), &place.name, outcome, place.with_clones);
        }
        let mut failed = places.iter().filter_map(|p| Some((p, p.result.as_ref().err()?)));
        if let Some((first, what)) = failed.next() {
            let mut targets = vec![first.name.clone()];
            targets.extend(failed.map(|(place, _)| place.name.clone()));
            self.findings.failures.push(Failure {
                suite: self.suite.into(),
                test: case.name.clone(),
                level: level.name().into(),
                target: targets.join(", "),
                what: what.clone(),
            });
        }
    }

    /// What plain clang does must be what the list says.
    fn check_list(&mut self, case: &Case, level: Level, reference: &Result<(), String>) {
        let listed = self.context.list.reason(self.suite, &case.name, level.name());
        let where_ = format!("{} {} at {}", self.suite, case.name, level.name());
        match (reference, listed) {
            (Ok(()), Some(reason)) => self
                .findings
                .complaints
                .push(format!("{where_}: plain clang passes it, but it is listed as unsupported: {reason}")),
            (Err(reason), None) => self
                .findings
                .complaints
                .push(format!("{where_}: plain clang does not pass it, and it is not listed: {reason}")),
            _ => {}
        }
        let key = self.key(case, level);
        self.findings.ran.insert(key.clone());
        if let Err(reason) = reference {
            self.findings.unsupported.push((key, reason.clone()));
        }
    }

    fn key(&self, case: &Case, level: Level) -> Key {
        (self.suite.into(), case.name.clone(), level.name().into())
    }
}
