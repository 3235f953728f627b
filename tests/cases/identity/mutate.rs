//! Edits that change what a module means, made from the module itself.

use super::text::{Item, Kind, Text, tokens};
use std::collections::BTreeMap;

/// A change of one line.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// What kind of change it is: few of each are tried.
    pub class: String,
    /// The item and the line in it.
    pub item: usize,
    pub line: usize,
    pub new: String,
}

impl Mutation {
    pub fn apply(&self, text: &Text) -> Text {
        let mut changed = text.clone();
        changed.0[self.item].lines[self.line] = self.new.clone();
        changed
    }
}

/// Tokens that are replaced by another of their kind; many a result is no IR, and is passed over.
const SWAPS: [(&str, &str); 64] = [
    ("add", "sub"),
    ("sub", "add"),
    ("mul", "add"),
    ("sdiv", "udiv"),
    ("udiv", "sdiv"),
    ("srem", "urem"),
    ("urem", "srem"),
    ("shl", "add"),
    ("lshr", "ashr"),
    ("ashr", "lshr"),
    ("and", "or"),
    ("or", "xor"),
    ("xor", "and"),
    ("fadd", "fsub"),
    ("fsub", "fadd"),
    ("fmul", "fdiv"),
    ("fdiv", "fmul"),
    ("zext", "sext"),
    ("sext", "zext"),
    ("sitofp", "uitofp"),
    ("uitofp", "sitofp"),
    ("fptosi", "fptoui"),
    ("fptoui", "fptosi"),
    ("ptrtoint", "ptrtoaddr"),
    ("eq", "ne"),
    ("ne", "eq"),
    ("slt", "sle"),
    ("sle", "slt"),
    ("sgt", "ugt"),
    ("ult", "slt"),
    ("ule", "ult"),
    ("ugt", "sgt"),
    ("olt", "ult"),
    ("ogt", "oge"),
    ("oeq", "ueq"),
    ("une", "one"),
    ("load", "load volatile"),
    ("store", "store volatile"),
    ("volatile", "volatile "),
    ("seq_cst", "acquire"),
    ("acquire", "seq_cst"),
    ("release", "seq_cst"),
    ("monotonic", "seq_cst"),
    ("tail", "notail"),
    ("call", "call fastcc"),
    ("invoke", "invoke fastcc"),
    ("linkonce_odr", "linkonce"),
    ("internal", "private"),
    ("constant", "global"),
    ("true", "false"),
    ("false", "true"),
    ("poison", "undef"),
    ("undef", "poison"),
    ("null", "undef"),
    ("zeroinitializer", "undef"),
    ("i8", "i16"),
    ("i16", "i8"),
    ("i32", "i16"),
    ("i64", "i32"),
    ("float", "double"),
    ("double", "float"),
    ("cleanup", ""),
    ("catch", "cleanup catch"),
    ("signext", "zeroext"),
];

/// Tokens that may be left out.
const DROPS: [&str; 30] = [
    "nsw",
    "nuw",
    "exact",
    "inbounds",
    "disjoint",
    "nneg",
    "samesign",
    "fast",
    "reassoc",
    "nnan",
    "ninf",
    "nsz",
    "arcp",
    "contract",
    "afn",
    "volatile",
    "weak",
    "atomic",
    "noundef",
    "nonnull",
    "signext",
    "zeroext",
    "noalias",
    "readonly",
    "dso_local",
    "unnamed_addr",
    "local_unnamed_addr",
    "hidden",
    "comdat",
    "sideeffect",
];

/// Attachments whose removal changes what may be assumed; the rest is debug information or about the source.
const ATTACHMENTS: [&str; 8] =
    ["!tbaa", "!range", "!nonnull", "!noundef", "!prof", "!noalias", "!alias.scope", "!invariant.load"];

/// All mutations, at most `each` of a class, taken from all over the module.
pub fn mutations(text: &Text, each: usize) -> Vec<Mutation> {
    let mut classes: BTreeMap<String, Vec<Mutation>> = BTreeMap::new();
    for (place, item) in text.0.iter().enumerate() {
        for (number, line) in item.lines.iter().enumerate() {
            for (class, new) in of_line(text, item, number, line) {
                let mutation = Mutation { class: class.clone(), item: place, line: number, new };
                classes.entry(class).or_default().push(mutation);
            }
        }
    }
    let spread = |list: &Vec<Mutation>| -> Vec<Mutation> {
        let step = list.len().div_ceil(each).max(1);
        list.iter().step_by(step).cloned().collect()
    };
    classes.values().flat_map(spread).collect()
}

fn of_line(text: &Text, item: &Item, number: usize, line: &str) -> Vec<(String, String)> {
    let list = tokens(line);
    match item.kind {
        Kind::Define if number == 0 => header(text, &list),
        Kind::Define if line != "}" => instruction(text, &list),
        Kind::Declare => words(&list, "declaration "),
        Kind::Attributes => attributes(&list),
        // Only what is constant counts with its value.
        Kind::Global if list.contains(&"constant") && !line.contains("appending") => data(&list),
        Kind::Other if line.starts_with('%') && !line.contains("opaque") => types(&list),
        Kind::Other if line.starts_with("target ") => edit_texts(&list, "target"),
        _ => Vec::new(),
    }
}

/// The line with token `at` replaced.
fn with(list: &[&str], at: usize, new: &str) -> String {
    list[..at].iter().chain([&new]).chain(&list[at + 1..]).copied().collect()
}

fn words(list: &[&str], prefix: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, token) in list.iter().enumerate() {
        for (old, new) in SWAPS.iter().filter(|(old, _)| old == token) {
            found.push((format!("{prefix}{old} to {new}"), with(list, at, new)));
        }
        if DROPS.contains(token) {
            found.push((format!("{prefix}no {token}"), with(list, at, "")));
        }
    }
    found
}

/// Where an instruction ends and its attachments begin.
fn end_of_operands(list: &[&str]) -> usize {
    list.iter().position(|t| t.len() > 1 && t.starts_with('!')).unwrap_or(list.len())
}

fn numbers(list: &[&str], prefix: &str) -> Vec<(String, String)> {
    let end = end_of_operands(list);
    let number = |(at, token): (usize, &&str)| {
        let value: i64 = token.parse().ok()?;
        let label = list.get(at + 1) == Some(&":");
        // The alignment next to one is twice that.
        let new = if list[..at].iter().rev().nth(1) == Some(&"align") { value * 2 } else { value + 1 };
        (!label).then(|| (format!("{prefix}number"), with(list, at, &new.to_string())))
    };
    list[..end].iter().enumerate().filter_map(number).collect()
}

/// Another symbol in the place of one.
fn symbols(text: &Text, list: &[&str], prefix: &str) -> Vec<(String, String)> {
    let may = |name: &str| !name.starts_with("@llvm.");
    let other = |old: &str| {
        let symbols =
            text.0.iter().filter(|i| i.kind == Kind::Declare && !i.is_local()).filter_map(Item::symbol);
        symbols.into_iter().find(|new| *new != old && may(new)).map(str::to_string)
    };
    let replaced = |(at, token): (usize, &&str)| {
        let fits = token.starts_with('@') && may(token);
        fits.then(|| Some((format!("{prefix}symbol"), with(list, at, &other(token)?)))).flatten()
    };
    list.iter().enumerate().filter_map(replaced).collect()
}

fn header(text: &Text, list: &[&str]) -> Vec<(String, String)> {
    let mut found = words(list, "head: ");
    // The function's own name is no reference.
    let name = list.iter().position(|t| t.starts_with('@')).map_or(0, |at| at + 1);
    let behind = symbols(text, &list[name..], "head: ");
    let before: String = list[..name].concat();
    found.extend(behind.into_iter().map(|(class, new)| (class, before.clone() + &new)));
    found.extend(numbers(list, "head: "));
    if let Some(at) = list.iter().position(|t| *t == "define") {
        found.push(("head: calling convention".into(), {
            let name = list.iter().position(|t| t.starts_with('@')).unwrap_or(at);
            let result = list[..name].iter().rposition(|t| ["void", "ptr", "i32", "i64"].contains(t));
            result.map_or(String::new(), |at| with(list, at, &format!("coldcc {}", list[at])))
        }));
        found.push(("head: visibility".into(), with(list, at, "define hidden")));
        found.push(("head: section".into(), list.concat().replace(" {", " section \"other\" {")));
    }
    found.extend(groups(list));
    found
}

fn groups(list: &[&str]) -> Vec<(String, String)> {
    let group = list.iter().enumerate().filter(|(_, t)| t.len() > 1 && t.starts_with('#'));
    group.map(|(at, _)| ("no attribute group".to_string(), with(list, at, ""))).collect()
}

fn instruction(text: &Text, list: &[&str]) -> Vec<(String, String)> {
    let mut found = words(list, "");
    let opcode = list.iter().find(|t| t.chars().all(|c| c.is_ascii_lowercase()) && !t.is_empty());
    let prefix = format!("{}: ", opcode.unwrap_or(&"label"));
    found.extend(numbers(list, &prefix));
    found.extend(symbols(text, list, &prefix));
    found.extend(groups(list));
    for (at, token) in list.iter().enumerate() {
        // ", !kind !7"
        if ATTACHMENTS.contains(token) && at >= 2 && at + 2 < list.len() {
            let new = [&list[..at - 2], &list[at + 3..]].concat().concat();
            found.push((format!("no {token}"), new));
        }
    }
    found.extend(exchange(list, &prefix));
    let line = list.concat();
    if line.trim_start().starts_with("%") && line.contains(" = alloca ") {
        found.push(("alloca: twice".into(), line.replacen(", align", ", i32 2, align", 1)));
    }
    if ["load", "store", "fence", "atomicrmw", "cmpxchg"].iter().any(|o| list.contains(o)) {
        for order in ["seq_cst", "acquire", "release", "monotonic"] {
            let narrowed = format!("syncscope(\"singlethread\") {order}");
            let at = list.iter().position(|t| *t == order);
            found.extend(at.map(|at| ("scope".to_string(), with(list, at, &narrowed))));
        }
    }
    found
}

/// The last two local operands, exchanged.
fn exchange(list: &[&str], prefix: &str) -> Vec<(String, String)> {
    let end = end_of_operands(list);
    let begin = list.iter().position(|t| *t == "=").unwrap_or(0);
    let locals: Vec<usize> =
        (begin..end).filter(|i| list[*i].len() > 1 && list[*i].starts_with('%')).collect();
    let [.., a, b] = locals.as_slice() else { return Vec::new() };
    if list[*a] == list[*b] {
        return Vec::new();
    }
    let mut new = list.to_vec();
    new.swap(*a, *b);
    vec![(format!("{prefix}exchanged operands"), new.concat())]
}

fn attributes(list: &[&str]) -> Vec<(String, String)> {
    let begin = list.iter().position(|t| *t == "{").map_or(0, |at| at + 1);
    let mut found = edit_texts(list, "attribute");
    for at in begin..list.len() {
        if list[at].chars().all(|c| c.is_ascii_lowercase()) && !list[at].is_empty() {
            found.push((format!("attribute: no {}", list[at]), with(list, at, "")));
        }
    }
    found
}

/// One more letter in each text.
fn edit_texts(list: &[&str], class: &str) -> Vec<(String, String)> {
    let text = |(_, t): &(usize, &&str)| t.starts_with('"') && t.len() > 2;
    let longer = |t: &str| format!("{}-x\"", &t[..t.len() - 1]);
    let all = list.iter().enumerate().filter(text);
    all.map(|(at, t)| (format!("{class}: {t}"), with(list, at, &longer(t)))).collect()
}

fn data(list: &[&str]) -> Vec<(String, String)> {
    // Up to what belongs to the symbol and not to its value.
    let begin = list.iter().position(|t| *t == "constant").unwrap_or(0);
    let mut found = numbers(list, "data: ");
    found.extend(words(list, "data: "));
    for (at, token) in list.iter().enumerate().skip(begin) {
        if let Some(rest) = token.strip_prefix("c\"")
            && let Some(first) = rest.chars().next().filter(char::is_ascii_alphanumeric)
        {
            let new = format!("c\"{}{}", if first == 'q' { 'p' } else { 'q' }, &rest[1..]);
            found.push(("data: text".into(), with(list, at, &new)));
        }
        if token.starts_with('@') && !token.starts_with("@llvm.") {
            found.push(("data: symbol".into(), with(list, at, "null")));
        }
    }
    found
}

fn types(list: &[&str]) -> Vec<(String, String)> {
    let mut found = words(list, "type: ");
    found.extend(numbers(list, "type: "));
    found
}
