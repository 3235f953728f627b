//! Golden files: expected texts in `tests/golden`, written anew under `JL_BLESS=1`.

use crate::tools::in_tests;
use anyhow::{Context, Result, bail};
use std::fs;

/// Compares a text with the golden file of that name.
pub fn check(name: &str, found: &str) -> Result<()> {
    let path = in_tests("golden").join(name);
    if std::env::var_os("JL_BLESS").is_some_and(|v| v == "1") {
        fs::write(&path, found).with_context(|| format!("cannot write {}", path.display()))?;
        return Ok(());
    }
    let expected = fs::read_to_string(&path)
        .with_context(|| format!("no golden file {}: JL_BLESS=1 writes it", path.display()))?;
    if found != expected {
        bail!(
            "differs from tests/golden/{name} (JL_BLESS=1 writes it anew):\n{}",
            difference(&expected, found)
        );
    }
    Ok(())
}

/// The lines from the first difference to the last, the expected ones before those found.
pub fn difference(expected: &str, found: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = |pairs: usize, from_end: bool| {
        let pair = |i: usize| match from_end {
            false => old[i] == new[i],
            true => old[old.len() - 1 - i] == new[new.len() - 1 - i],
        };
        (0..pairs).take_while(|i| pair(*i)).count()
    };
    let shorter = old.len().min(new.len());
    let head = same(shorter, false);
    let tail = same(shorter - head, true);
    let mut text = format!("from line {}:\n", head + 1);
    for line in &old[head..old.len() - tail] {
        text += &format!("- {line}\n");
    }
    for line in &new[head..new.len() - tail] {
        text += &format!("+ {line}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::difference;

    #[test]
    fn difference_is_bounded_on_both_sides() {
        assert_eq!(difference("a\nb\nc\nd\n", "a\nx\nd\n"), "from line 2:\n- b\n- c\n+ x\n");
        assert_eq!(difference("a\na\n", "a\na\na\n"), "from line 3:\n+ a\n");
    }
}
