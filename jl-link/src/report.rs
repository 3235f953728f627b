//! What became of the functions: `--jl-report=FILE` and the summary.
//!
//! The JSON's keys are stable: within one `version` keys are only added. They are documented on the
//! fields of [`Report`].

use crate::calls::SlotReason;
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::finish::Finished;
use crate::packages::PackageCounts;
use crate::packages::lists::DependencyCounts;
use crate::scan::{Inputs, ObjectLines};
use image_format::layout::REPORT_SECTION;
use image_format::package_report::{self, Fate};
use image_format::report::{Line, Reason, counted, parse_lines};
use image_format::specs::Specs;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

/// Raised when a key changes its meaning or goes away.
pub const REPORT_VERSION: u32 = 1;

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub version: u32,
    /// The output as it was named, and its build id in hex ("" without one).
    pub output: String,
    pub build_id: String,
    /// Size of the file in bytes.
    pub file_size: u64,
    /// Cloned functions with a slot, and the number of slots, which is the same.
    pub functions: usize,
    pub slots: usize,
    /// Bodies of cloned functions that need no slot: every use of them was bound when they were compiled.
    pub bodies_without_slot: usize,
    /// In the order of the target list; 0 is the baseline.
    pub targets: Vec<TargetReport>,
    /// Clones that came out byte-identical to other code and share it.
    pub folded: usize,
    /// Bytes of code of all bodies, those without slot included, each counted once.
    pub body_bytes: u64,
    pub calls: CallReport,
    /// What other images may use of this one, and what it takes from them.
    pub package: PackageCounts,
    /// By dependency ("" where there is none to name) and reason: functions that others might have had in place of this
    /// image's copies.
    pub kept: BTreeMap<String, BTreeMap<&'static str, ReasonReport>>,
    /// By function: the target numbers whose body is its own, as the compiler planned, and why.
    pub cloned: BTreeMap<String, ClonedReport>,
    /// By reason.
    pub not_cloned: BTreeMap<&'static str, ReasonReport>,
}

#[derive(Clone, Debug, Serialize)]
pub struct TargetReport {
    pub name: String,
    pub base: u32,
    pub flags: u32,
    /// Functions with a body for this target that they have for no earlier target.
    pub clones: usize,
    /// Bytes of clones that this target uses and no earlier one does; also of clones without a slot.
    pub bytes: u64,
    /// Bytes of all clones that may run when this target is chosen.
    pub bytes_in_use: u64,
    /// Features by LLVM's names: what the target declares, and what a CPU must have for the code that it runs.
    pub declares: Vec<String>,
    pub requires: Vec<String>,
    /// Whether all that code could be read as instructions; where not, what was declared is required.
    pub code_was_read: bool,
}

/// Calls and tail calls to cloned functions.
#[derive(Clone, Debug, Serialize)]
pub struct CallReport {
    pub direct: u64,
    /// By reason: `rows-disagree`, `caller-not-cloned`, `tunable`, `lent`, `out-of-reach`.
    pub on_slot: BTreeMap<&'static str, u64>,
    /// Of those on a slot: without a jump through the trampoline.
    pub without_trampoline: u64,
    /// By PLT or GOT, since another library may replace the callee (see --jl-bind-local).
    pub preemptible: u64,
}

#[derive(Clone, Debug, Serialize)]
pub struct ClonedReport {
    /// Bytes of the body at each target.
    pub bytes: Vec<u64>,
    /// Why the compiler cloned it; "" when it left no line.
    pub reason: &'static str,
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct ReasonReport {
    pub explanation: &'static str,
    pub functions: BTreeSet<String>,
}

/// The report lines in a linked output (LTO leaves them there).
pub fn parse_report_section(elf: &Elf) -> Vec<Line> {
    let sections = elf.sections.iter().filter(|s| s.name == REPORT_SECTION);
    sections
        .flat_map(|s| parse_lines(&String::from_utf8_lossy(elf.data(s))).flatten().collect::<Vec<_>>())
        .collect()
}

impl Report {
    pub fn new(
        finished: &Finished,
        inputs: &Inputs,
        members: &[String],
        late: &[package_report::Line],
        output: &Path,
    ) -> Report {
        let lines = lines(inputs, members, &finished.lto_lines);
        let sizes = finished.map.sizes();
        let size = |body: u64| finished.map.unit(body).map_or(0, |u| sizes[u.0 as usize]);
        let with_slot: BTreeSet<u64> =
            finished.functions.iter().flat_map(|f| f.bodies.iter().copied()).collect();
        let on_slot = |(reason, count): (&SlotReason, &u64)| (reason.word(), *count);
        let calls = &finished.calls;
        let cloned = finished.functions.iter().map(|f| {
            let reason = lines.get(f.name.as_str()).map_or("", |l| l.reason.word());
            (f.name.clone(), ClonedReport { bytes: f.bodies.iter().map(|b| size(*b)).collect(), reason })
        });
        Report {
            version: REPORT_VERSION,
            output: output.display().to_string(),
            build_id: build_id(&finished.elf),
            file_size: finished.elf.bytes.len() as u64,
            functions: finished.functions.len(),
            slots: finished.functions.len(),
            bodies_without_slot: sizes.len() - with_slot.len(),
            targets: targets(finished, &sizes),
            folded: finished.clone_symbols - finished.distinct_clones,
            body_bytes: sizes.iter().sum(),
            calls: CallReport {
                direct: calls.direct,
                on_slot: calls.on_slot.iter().map(on_slot).collect(),
                without_trampoline: calls.without_trampoline,
                preemptible: calls.preemptible,
            },
            package: finished.package.clone(),
            kept: kept(inputs, members, late),
            cloned: cloned.collect(),
            not_cloned: not_cloned(&lines),
        }
    }

    /// The report of a link that made no image.
    pub fn without_clones(
        inputs: &Inputs,
        lto_lines: &[Line],
        late: &[package_report::Line],
        output: &Path,
    ) -> Report {
        Report {
            version: REPORT_VERSION,
            output: output.display().to_string(),
            build_id: String::new(),
            file_size: std::fs::metadata(output).map_or(0, |m| m.len()),
            functions: 0,
            slots: 0,
            bodies_without_slot: 0,
            targets: Vec::new(),
            folded: 0,
            body_bytes: 0,
            calls: CallReport { direct: 0, on_slot: BTreeMap::new(), without_trampoline: 0, preemptible: 0 },
            package: PackageCounts::default(),
            kept: kept(inputs, &[], late),
            cloned: BTreeMap::new(),
            not_cloned: not_cloned(&lines(inputs, &[], lto_lines)),
        }
    }

    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let error = |cause| Error::Write { path: path.into(), cause };
        let mut text = serde_json::to_string_pretty(self).map_err(|e| error(e.into()))?;
        text.push('\n');
        std::fs::write(path, text).map_err(error)
    }

    /// A few lines for people, who find the words of the JSON in brackets.
    pub fn summary(&self) -> String {
        let mut text = format!("jl-link: {}: ", self.output);
        if self.targets.is_empty() && self.package != PackageCounts::default() {
            text.push_str("nothing was cloned\n");
        } else if self.targets.is_empty() {
            text.push_str("nothing was cloned: no code image, linked as by ld.lld\n");
        } else {
            let _ = writeln!(
                text,
                "{} cloned, {} of code in {}",
                counted(self.functions, "function"),
                kib(self.body_bytes),
                if self.folded == 0 {
                    "their bodies".into()
                } else {
                    format!("their bodies ({} came out like others and were folded)", self.folded)
                }
            );
            self.summarise_targets(&mut text);
        }
        self.summarise_package(&mut text);
        for (reason, entry) in &self.not_cloned {
            let functions = counted(entry.functions.len(), "function");
            let _ = writeln!(text, "  not cloned: {functions}: {} [{reason}]", entry.explanation);
        }
        text
    }

    fn summarise_package(&self, text: &mut String) {
        let PackageCounts { exports, exports_in_doubt, exports_with_own_data, linkage, dependencies } =
            &self.package;
        if !exports_with_own_data.is_empty() {
            let functions = counted(exports_with_own_data.len(), "function");
            let _ = writeln!(
                text,
                "  not offered to others: {functions} with data that this image keeps to itself (-Bsymbolic, a version script)"
            );
        }
        if *exports + exports_in_doubt > 0 {
            let exports = counted(*exports, "function");
            let _ = writeln!(
                text,
                "  other images may use {exports}; {exports_in_doubt} are in doubt, and not offered"
            );
        }
        if *linkage > 0 {
            let _ = writeln!(text, "  other images may refer to data: {}", kib(*linkage));
        }
        for DependencyCounts { name, build_id, imports, bytes, functions, references, fallback, .. } in
            dependencies
        {
            let bytes = bytes.map_or_else(|| "bytes not known: it has no symbols".into(), kib);
            let _ = writeln!(
                text,
                "  from {name} (build id {build_id}): {}, of {}, {bytes}; {}{}",
                counted(*imports, "import"),
                counted(functions.len(), "function"),
                counted(*references, "reference"),
                if *fallback { "; copies are kept for when it cannot be used" } else { "" }
            );
        }
        for (dependency, reasons) in &self.kept {
            let of = if dependency.is_empty() { "any dependency" } else { dependency };
            for (reason, ReasonReport { explanation, functions }) in reasons {
                let functions = counted(functions.len(), "function");
                let _ = writeln!(text, "  not from {of}: {functions}: {explanation} [{reason}]");
            }
        }
    }

    fn summarise_targets(&self, text: &mut String) {
        for (number, target) in self.targets.iter().enumerate() {
            let TargetReport { name, clones, bytes, bytes_in_use, .. } = target;
            let bodies = if *clones == 1 { "1 body".into() } else { format!("{clones} bodies") };
            let (bytes, in_use) = (kib(*bytes), kib(*bytes_in_use));
            let _ = writeln!(
                text,
                "  target {number} ({name}): {bodies} of its own, {bytes}; {in_use} may run in all"
            );
            let unused = target.declares.iter().filter(|f| !target.requires.contains(f)).count();
            let _ = match target.code_was_read {
                true => writeln!(
                    text,
                    "    its code uses {} of {} features: {unused} are no reason to reject it",
                    target.requires.len(),
                    target.declares.len()
                ),
                false => writeln!(text, "    its code could not be read: all that it declares is required"),
            };
        }
        let on_slot: u64 = self.calls.on_slot.values().sum();
        let reasons: Vec<_> = self.calls.on_slot.iter().map(|(r, n)| format!("{n} {r}")).collect();
        let _ = writeln!(
            text,
            "  calls to them: {} direct, {on_slot} through slots{}, {} by PLT or GOT",
            self.calls.direct,
            if reasons.is_empty() { String::new() } else { format!(" [{}]", reasons.join(", ")) },
            self.calls.preemptible
        );
    }
}

fn kib(bytes: u64) -> String {
    format!("{}.{} KiB", bytes / 1024, bytes % 1024 * 10 / 1024)
}

/// The line of each function, of objects that are part of the link.
fn lines<'a>(inputs: &'a Inputs, members: &[String], lto: &'a [Line]) -> HashMap<&'a str, &'a Line> {
    let linked = |o: &&ObjectLines| o.certain || members.contains(&o.name);
    let objects = inputs.lines.iter().filter(linked).flat_map(|o| &o.lines);
    let mut found = HashMap::new();
    for line in objects.chain(lto) {
        found.entry(line.function.as_str()).or_insert(line);
    }
    found
}

/// Why functions stayed that dependencies may have copies of. One that another object of the link left out is not among
/// them: it was left out as well.
fn kept(
    inputs: &Inputs,
    members: &[String],
    late: &[package_report::Line],
) -> BTreeMap<String, BTreeMap<&'static str, ReasonReport>> {
    let linked = |o: &&ObjectLines<package_report::Line>| o.certain || members.contains(&o.name);
    // What the link decided last holds.
    let all = || late.iter().chain(inputs.package_lines.iter().filter(linked).flat_map(|o| &o.lines));
    let mut seen: BTreeSet<&str> =
        all().filter(|l| l.fate == Fate::Deduplicated).map(|l| l.function.as_str()).collect();
    let mut by_dependency: BTreeMap<String, BTreeMap<&'static str, ReasonReport>> = BTreeMap::new();
    for line in all().filter(|line| line.fate != Fate::Deduplicated) {
        if seen.insert(&line.function) {
            let reasons = by_dependency.entry(line.dependency.clone()).or_default();
            let entry = reasons.entry(line.fate.word()).or_default();
            entry.explanation = line.fate.explain();
            entry.functions.insert(line.function.clone());
        }
    }
    by_dependency
}

fn not_cloned(lines: &HashMap<&str, &Line>) -> BTreeMap<&'static str, ReasonReport> {
    let mut by_reason: BTreeMap<&'static str, ReasonReport> = BTreeMap::new();
    for (name, line) in lines.iter().filter(|(_, line)| !Reason::is_cloned(line.reason)) {
        let entry = by_reason.entry(line.reason.word()).or_default();
        entry.explanation = line.reason.explain();
        entry.functions.insert(name.to_string());
    }
    by_reason
}

fn targets(finished: &Finished, sizes: &[u64]) -> Vec<TargetReport> {
    let Ok(specs) = Specs::parse(&finished.specs) else { return Vec::new() };
    let mut reports = Vec::new();
    for (target, entry) in specs.entries().enumerate() {
        let own = finished.functions.iter().filter(|f| !f.bodies[..target].contains(&f.bodies[target]));
        let users = || finished.users.iter().zip(sizes);
        let first = users().filter(|(rows, _)| rows.iter().next() == Some(target));
        let in_use = users().filter(|(rows, _)| rows.contains(target));
        reports.push(TargetReport {
            name: specs.name(target).to_string(),
            base: entry.base,
            flags: entry.flags,
            clones: own.count(),
            bytes: first.map(|(_, size)| size).sum(),
            bytes_in_use: in_use.map(|(_, size)| size).sum(),
            declares: finished.elf.arch.feature_names(entry.declared),
            requires: finished.elf.arch.feature_names(entry.required),
            code_was_read: finished.used.get(target).is_some_and(|used| used.is_understood),
        });
    }
    reports
}

fn build_id(elf: &Elf) -> String {
    let id = crate::finish::build_id_place(elf).and_then(|(place, size)| elf.slice(place, size));
    id.unwrap_or(&[]).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
