//! Edits that change nothing in what a module means.

use super::text::{Kind, Text};
use std::collections::HashSet;

/// A fixed sequence that looks random; the same in every run.
pub struct Sequence(pub u64);

impl Sequence {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % below.max(1)
    }

    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.next(i + 1));
        }
    }
}

/// What `@name` of a local symbol is called afterwards.
pub fn new_name(name: &str) -> String {
    format!("@z.{}", name.trim_start_matches('@').trim_matches('"'))
}

/// New names for locals, blocks, types and local symbols.
pub fn rename(text: &Text) -> Text {
    let local: HashSet<String> =
        text.0.iter().filter(|i| i.is_local()).filter_map(|i| i.symbol()).map(str::to_string).collect();
    let is_name = |t: &str| !t.is_empty() && !t.bytes().all(|b| b.is_ascii_digit());
    // Blocks are named without a mark where they begin. Types have the mark of locals; only those of which nothing else
    // is known are told apart by their names.
    text.map_tokens(|kind, token, next| match token.chars().next()? {
        '%' if is_name(&token[1..]) && !token.contains('"') => Some(format!("%z.{}", &token[1..])),
        '@' if local.contains(token) => {
            let name = new_name(token);
            Some(if token.contains('"') { format!("@\"{}\"", &name[1..]) } else { name })
        }
        c if kind == Kind::Define && next == ":" && (c.is_alphabetic() || c == '_' || c == '.') => {
            Some(format!("z.{token}"))
        }
        _ => None,
    })
}

/// Functions, variables, attribute groups and metadata in another order and with other numbers.
pub fn reorder(text: &Text, seed: u64) -> Text {
    let mut sequence = Sequence(seed);
    let count = |kind| text.0.iter().filter(|i| i.kind == kind).count();
    let mut permutation = |len: usize| {
        let mut list: Vec<usize> = (0..len).collect();
        sequence.shuffle(&mut list);
        list
    };
    let nodes = permutation(count(Kind::Node));
    let groups = permutation(count(Kind::Attributes));
    let renumbered = text.map_tokens(|_, token, _| {
        let list = match token.chars().next()? {
            '!' => &nodes,
            '#' => &groups,
            _ => return None,
        };
        let old: usize = token[1..].parse().ok()?;
        Some(format!("{}{}", &token[..1], list.get(old)?))
    });
    // What has to stay in place: types that have numbers, the triple, and what is not ours to know.
    let (mut moved, mut fixed): (Vec<_>, Vec<_>) =
        renumbered.0.into_iter().partition(|i| i.kind != Kind::Other);
    sequence.shuffle(&mut moved);
    fixed.append(&mut moved);
    Text(fixed)
}

/// Everything stands elsewhere in the source.
pub fn move_lines(text: &Text) -> Text {
    let lines = |item: &super::text::Item| {
        let moved = |line: &String| match line.split_once("DILocation(line: ") {
            Some((before, after)) => format!("{before}DILocation(line: 77{after}"),
            None => line.clone(),
        };
        super::text::Item { kind: item.kind, lines: item.lines.iter().map(moved).collect() }
    };
    Text(text.0.iter().map(lines).collect())
}
