//! A change in one function, made in the text of a module: one integer constant becomes another.

/// Instructions and the like, in lines of text.
const MIDDLE: std::ops::RangeInclusive<usize> = 100..=400;

/// A change that can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub function: String,
    /// Bytes of the constant in the text.
    place: std::ops::Range<usize>,
    new: String,
}

impl Edit {
    pub fn apply(&self, text: &str) -> String {
        format!("{}{}{}", &text[..self.place.start], self.new, &text[self.place.end..])
    }
}

/// One change in each of `count` functions of middling length, spread evenly over the module.
pub fn choose(text: &str, count: usize) -> Vec<Edit> {
    let all = candidates(text);
    (0..count.min(all.len()))
        .map(|i| all[(2 * i + 1) * all.len() / (2 * count.min(all.len()))].clone())
        .collect()
}

/// One change in each function of middling length that has a suitable constant.
fn candidates(text: &str) -> Vec<Edit> {
    let mut found = Vec::new();
    let mut function: Option<(&str, usize, Option<Edit>)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.starts_with("define ") {
            function = name(line).map(|name| (name, 0, None));
        } else if line.starts_with('}') {
            if let Some((_, lines, Some(edit))) = function.take()
                && MIDDLE.contains(&lines)
            {
                found.push(edit);
            }
        } else if let Some((name, lines, edit)) = &mut function {
            *lines += 1;
            // Not the first instructions: those are the prologue that every function has.
            if edit.is_none() && *lines > MIDDLE.start() / 2 {
                *edit = constant(line).map(|(place, new)| Edit {
                    function: name.to_string(),
                    place: at + place.start..at + place.end,
                    new,
                });
            }
        }
        at += line.len();
    }
    found
}

/// The name in the first line of a definition.
fn name(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once('@')?;
    rest.split_once('(').map(|(name, _)| name.trim_matches('"'))
}

/// The constant at the end of an operation or comparison of integers, and another one in its place. Small ones only,
/// which fit into any type that holds them: not those that masks and sizes are made of.
fn constant(line: &str) -> Option<(std::ops::Range<usize>, String)> {
    let (_, operation) = line.split_once(" = ")?;
    if !["add ", "sub ", "icmp "].iter().any(|o| operation.starts_with(o)) {
        return None;
    }
    let (head, number) = line.trim_end().rsplit_once(", ")?;
    let value: u32 = number.parse().ok()?;
    let begin = head.len() + 2;
    (2..=100).contains(&value).then(|| (begin..begin + number.len(), (value + 1).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    fn module(lengths: &[usize]) -> String {
        let mut text = String::from("@g = global i32 7\n");
        for (i, length) in lengths.iter().enumerate() {
            let _ = writeln!(text, "define i32 @f{i}(i32 %a) {{");
            for j in 0..*length {
                let _ = writeln!(text, "  %v{j} = add nsw i32 %a, {}", 5 + i);
            }
            text += "}\n\n";
        }
        text
    }

    #[test]
    fn one_constant_of_one_function_changes() {
        let text = module(&[10, 150, 200, 1000, 300]);
        let edits = choose(&text, 5);
        let names: Vec<&str> = edits.iter().map(|e| e.function.as_str()).collect();
        assert_eq!(names, ["f1", "f2", "f4"]);
        let changed = edits[1].apply(&text);
        let differing: Vec<(&str, &str)> =
            text.lines().zip(changed.lines()).filter(|(a, b)| a != b).collect();
        assert_eq!(differing, [("  %v50 = add nsw i32 %a, 7", "  %v50 = add nsw i32 %a, 8")]);
    }

    #[test]
    fn only_small_integers_change() {
        let line = "  %a = icmp eq i8 %b, 9\n";
        let (place, new) = constant(line).unwrap();
        assert_eq!((&line[place], new.as_str()), ("9", "10"));
        for other in [
            "  store i32 9, ptr %a",
            "  %a = add i32 %b, %c",
            "  %a = add i32 %b, 1",
            "  %a = add i32 %b, 127",
            "  %a = fadd float %b, 2.0",
            "  %a = getelementptr i8, ptr %b, i64 8",
        ] {
            assert_eq!(constant(other), None, "{other}");
        }
    }
}
