//! Identities: what does not change a function's meaning keeps them, and what changes it changes them.
//!
//! The modules are what clang makes of the tests' own programs, before and after optimisation; the edits are made
//! from each module's text.

mod kept;
mod mutate;
mod text;

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tests::command::{run, run_ok};
use tests::tools::{ALL_LLVMS, DEFAULT_LLVM, Llvm, Tools, in_tests};
use text::{Kind, Text};

const PROGRAMS: [&str; 12] = [
    "kernels.c",
    "switches.c",
    "threads.cpp",
    "exceptions/inner.cpp",
    "virtual.cpp",
    "statics.cpp",
    "tls.cpp",
    "varargs.c",
    "inline_asm.c",
    "computed_goto.c",
    "wide_vectors.c",
    "templates/main.cpp",
];

/// Identity and verdict by function.
type Printed = BTreeMap<String, (String, String)>;

struct Lab {
    tools: Tools,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new(llvm: Llvm) -> Result<Lab> {
        Ok(Lab {
            tools: Tools::find_for(llvm)?,
            folder: tempfile::Builder::new().prefix("jl-test-").tempdir()?,
        })
    }

    /// The IR of a program, as LLVM's passes get it (`-O1 -disable-llvm-passes`) or as they leave it (`-O2`).
    fn compile(&self, program: &str, optimised: bool, more: &[&str]) -> Result<Text> {
        let source = in_tests("programs").join(program);
        let output = self.file(&format!("{optimised}-{}-{}", more.len(), program.replace('/', "-")), "ll");
        let mut clang = self.tools.plain_compiler(program.ends_with("pp"));
        let passes: &[&str] = if optimised { &["-O2"] } else { &["-O1", "-Xclang", "-disable-llvm-passes"] };
        clang.args(["-S", "-emit-llvm", "-fPIC", "-fno-discard-value-names"]).args(passes).args(more);
        run_ok(clang.arg("-o").arg(&output).arg(source))?;
        Ok(Text::parse(&fs::read_to_string(&output)?))
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.{ending}"))
    }

    /// What the pass prints of a module, and the module as LLVM prints it; `None` where this is no IR.
    fn identify(&self, name: &str, text: &str, options: &[&str]) -> Result<Option<(Printed, String)>> {
        let (input, output) = (self.file(name, "in.ll"), self.file(name, "out.ll"));
        fs::write(&input, text)?;
        let mut opt = Command::new(self.tools.llvm.tool("opt"));
        opt.env_remove("JULIA_CPU_TARGET")
            .arg(format!("-load-pass-plugin={}", self.tools.plugin().display()));
        opt.args(["-passes=jl-identity<print>", "-S"]).args(options).arg(&input).arg("-o").arg(&output);
        let ran = run(&mut opt)?;
        ensure!(ran.status.code().is_some(), "opt was killed: {}", ran.describe());
        if !ran.status.success() {
            return Ok(None);
        }
        let module = fs::read_to_string(&output)?;
        let module = module.split_once('\n').map_or(String::new(), |(_, rest)| rest.to_string());
        fs::remove_file(&input)?;
        fs::remove_file(&output)?;
        let line = |line: &str| {
            let mut words = line.splitn(3, ' ').map(str::to_string);
            let (identity, verdict) = (words.next()?, words.next()?);
            Some((words.next()?, (identity, verdict)))
        };
        let printed = ran.stdout.lines().map(line).collect::<Option<Printed>>();
        Ok(Some((printed.with_context(|| ran.describe())?, module)))
    }

    fn identities(&self, name: &str, text: &Text) -> Result<Printed> {
        let found = self.identify(name, &text.print(), &[])?;
        Ok(found.with_context(|| format!("{name}: opt does not read it:\n{}", text.print()))?.0)
    }
}

fn ensure_same(what: &str, before: &Printed, after: &Printed) -> Result<()> {
    ensure!(!before.is_empty(), "{what}: no functions");
    for (name, found) in before {
        ensure!(after.get(name) == Some(found), "{what}: {name}: {:?} instead of {found:?}", after.get(name));
    }
    ensure!(before.len() == after.len(), "{what}: {} functions instead of {}", after.len(), before.len());
    Ok(())
}

fn check_kept(lab: &Lab, program: &str, optimised: bool) -> Result<()> {
    let name = |edit: &str| format!("{}-{optimised}-{edit}", program.replace('/', "-"));
    let text = lab.compile(program, optimised, &[])?;
    let before = lab.identities(&name("plain"), &text)?;
    for seed in 1..4 {
        let reordered = kept::reorder(&text, seed);
        ensure_same(&name("reordered"), &before, &lab.identities(&name("reordered"), &reordered)?)?;
    }
    let renamed = kept::rename(&text);
    let new_name = |old: &String| {
        let is_local =
            text.0.iter().any(|i| i.symbol().is_some_and(|s| plain_name(s) == *old) && i.is_local());
        if is_local { kept::new_name(old)[1..].to_string() } else { old.clone() }
    };
    let expected = before.iter().map(|(name, found)| (new_name(name), found.clone())).collect();
    ensure_same(&name("renamed"), &expected, &lab.identities(&name("renamed"), &renamed)?)?;
    let debug = lab.compile(program, optimised, &["-g"])?;
    let with_debug = lab.identities(&name("debug"), &debug)?;
    if !optimised {
        // What optimisation makes of a module with debug information is LLVM's to keep the same.
        ensure_same(&name("debug"), &before, &with_debug)?;
        // A program's function is the one that its libraries have, and clang's own triple has another vendor than one without.
        let target = format!("--target={}-linux-gnu", std::env::consts::ARCH);
        for option in ["-fPIE", "-fno-pic", &target] {
            let same = lab.identities(&name(option), &lab.compile(program, optimised, &[option])?)?;
            ensure_same(&name(option), &before, &same)?;
        }
        let without_names =
            lab.compile(program, optimised, &["-fdiscard-value-names", "-gline-tables-only"])?;
        ensure_same(&name("unnamed"), &before, &lab.identities(&name("unnamed"), &without_names)?)?;
    }
    let moved = kept::move_lines(&debug);
    ensure!(moved.print() != debug.print(), "{program} has no places in the source");
    ensure_same(&name("moved"), &with_debug, &lab.identities(&name("moved"), &moved)?)?;
    let stripped = lab.identify(&name("stripped"), &debug.print(), &["-strip-debug"])?;
    ensure_same(&name("stripped"), &with_debug, &stripped.context("opt does not strip it")?.0)
}

#[test]
fn what_means_the_same_keeps_its_identities() -> Result<()> {
    for llvm in ALL_LLVMS {
        let lab = Lab::new(llvm)?;
        let programs = if llvm == DEFAULT_LLVM { &PROGRAMS[..] } else { &PROGRAMS[..4] };
        programs.par_iter().try_for_each(|program| {
            [false, true].into_iter().try_for_each(|optimised| {
                check_kept(&lab, program, optimised)
                    .with_context(|| format!("{program} (optimised: {optimised}), LLVM {}", llvm.0))
            })
        })?;
    }
    Ok(())
}

/// The functions that reach a symbol through references.
fn who_reaches(text: &Text, symbol: &str) -> HashSet<String> {
    let mut reached: HashSet<&str> = HashSet::from([symbol]);
    loop {
        let before = reached.len();
        for item in &text.0 {
            if let Some(name) = item.symbol()
                && item.names().any(|n| reached.contains(n))
            {
                reached.insert(name);
            }
        }
        if reached.len() == before {
            return reached.into_iter().map(plain_name).collect();
        }
    }
}

fn plain_name(symbol: &str) -> String {
    symbol.trim_start_matches('@').trim_matches('"').to_string()
}

/// The functions that must have another identity after a change to this item.
fn must_change(text: &Text, item: usize) -> BTreeSet<String> {
    let changed = &text.0[item];
    let mark = match changed.kind {
        Kind::Define => return changed.symbol().map(plain_name).into_iter().collect(),
        Kind::Global | Kind::Declare => changed.symbol().unwrap_or_default().to_string(),
        Kind::Attributes => text::tokens(&changed.lines[0])[2].to_string(),
        _ if changed.lines[0].starts_with('%') => text::tokens(&changed.lines[0])[0].to_string(),
        // The whole module.
        _ => String::new(),
    };
    let mentions =
        |i: &&text::Item| mark.is_empty() || i.lines.iter().any(|l| text::tokens(l).contains(&mark.as_str()));
    let functions = text.0.iter().filter(|i| i.kind == Kind::Define).filter(mentions);
    functions.filter_map(|i| i.symbol()).map(plain_name).collect()
}

/// Tries a mutation; false where it makes no other module.
fn try_mutation(
    lab: &Lab,
    name: &str,
    text: &Text,
    before: &(Printed, String),
    mutation: &mutate::Mutation,
) -> Result<bool> {
    let Some((after, module)) = lab.identify(name, &mutation.apply(text).print(), &[])? else {
        return Ok(false);
    };
    if module == before.1 {
        return Ok(false);
    }
    let context = || {
        let old = &text.0[mutation.item].lines[mutation.line];
        format!("{}:\n  {old}\n  {}", mutation.class, mutation.new)
    };
    for function in must_change(text, mutation.item) {
        let (old, new) = (before.0.get(&function), after.get(&function));
        ensure!(
            old.map(|o| &o.0) != new.map(|n| &n.0),
            "{function} has the identity {old:?} before and after {}",
            context()
        );
    }
    if text.0[mutation.item].kind == Kind::Define {
        let may = who_reaches(text, text.0[mutation.item].symbol().unwrap_or_default());
        for (function, old) in &before.0 {
            ensure!(
                may.contains(function) || after.get(function) == Some(old),
                "{function} has another identity, though it does not depend on {}",
                context()
            );
        }
    }
    Ok(true)
}

/// How many mutations were tried, by class.
fn mutate(lab: &Lab, program: &str, optimised: bool, each: usize) -> Result<BTreeMap<String, usize>> {
    let name = format!("{}-{optimised}", program.replace('/', "-"));
    // Settled first: an edit of what only the front end's order left is none.
    let written = lab.compile(program, optimised, &[])?.print();
    let text = Text::parse(&lab.identify(&name, &written, &[])?.context("clang's IR is none")?.1);
    let before = lab.identify(&name, &text.print(), &[])?.context("clang's IR is none")?;
    let list = mutate::mutations(&text, each);
    let tried = list.par_iter().enumerate().map(|(i, mutation)| {
        let tried = try_mutation(lab, &format!("{name}-{i}"), &text, &before, mutation)?;
        Ok(tried.then(|| mutation.class.clone()))
    });
    let mut classes = BTreeMap::new();
    for class in tried.collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        *classes.entry(class).or_default() += 1;
    }
    Ok(classes)
}

#[test]
fn what_means_something_else_changes_its_identity() -> Result<()> {
    let mut classes: BTreeMap<String, usize> = BTreeMap::new();
    let lab = Lab::new(DEFAULT_LLVM)?;
    for (number, program) in PROGRAMS.into_iter().enumerate() {
        let optimised = number % 2 == 0;
        let found = mutate(&lab, program, optimised, 1)
            .with_context(|| format!("{program} (optimised: {optimised})"))?;
        for (class, count) in found {
            *classes.entry(class).or_default() += count;
        }
    }
    let total: usize = classes.values().sum();
    println!("{total} mutations of {} classes: {classes:?}", classes.len());
    ensure!(total >= 500, "only {total} mutations");
    ensure!(classes.len() >= 150, "only {} classes", classes.len());
    // Some of each kind that an identity must see.
    let kinds = [
        "add to sub",
        "slt to sle",
        "no nsw",
        "no inbounds",
        "load to load volatile",
        "seq_cst to acquire",
        "scope",
        "call: symbol",
        "invoke: symbol",
        "data: text",
        "data: number",
        "head: symbol",
        "head: linkonce_odr to linkonce",
        "head: section",
        "attribute: no noreturn",
        "no !tbaa",
        "type: number",
        "label: number",
        "br: exchanged operands",
        "phi: number",
        "catch to cleanup catch",
        "target: \"x86_64-pc-linux-gnu\"",
    ];
    for kind in kinds {
        ensure!(classes.contains_key(kind), "no mutation '{kind}' was tried: {:?}", classes.keys());
    }
    Ok(())
}
