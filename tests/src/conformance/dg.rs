//! The directives in the tests of gcc's own suite: `{ dg-NAME ARGUMENT... }` in comments, in the syntax of Tcl
//! lists. See "Test Directives" in the GCC Internals manual.

/// A directive: its name without `dg-`, and its arguments with their outer braces or quotes taken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    pub name: String,
    pub arguments: Vec<String>,
}

/// All directives of a source, in order. A directive stands in one line.
pub fn directives(source: &str) -> Vec<Directive> {
    source.lines().filter_map(directive).collect()
}

fn directive(line: &str) -> Option<Directive> {
    let start = line.find("{ dg-").or_else(|| line.find("{dg-"))?;
    let body = words(&line[start..]).into_iter().next()?;
    let mut parts = words(&body).into_iter();
    let name = parts.next()?.strip_prefix("dg-")?.to_string();
    Some(Directive { name, arguments: parts.collect() })
}

/// The elements of a Tcl list: bare words, `{braced}` and `"quoted"` ones. Ends at a closing brace without
/// an opening one.
pub fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, length) = match first {
            '{' => braced(rest),
            '"' => quoted(rest),
            '}' => break,
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '}').unwrap_or(rest.len());
                (rest[..end].to_string(), end)
            }
        };
        found.push(word);
        rest = rest[length..].trim_start();
    }
    found
}

/// The inside of the braces that a text begins with, and how many bytes they are long.
fn braced(text: &str) -> (String, usize) {
    let mut depth = 0;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return (text[1..at].to_string(), at + 1);
                }
            }
            _ => {}
        }
    }
    (text[1..].to_string(), text.len())
}

/// The same for quotes; a backslash takes the meaning from the character after it.
fn quoted(text: &str) -> (String, usize) {
    let mut word = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => {
                word.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (word, at + 1),
            _ => word.push(c),
        }
    }
    (word, text.len())
}

/// Whether a selector holds: an expression of `!`, `&&`, `||`, braces, triplet patterns and names of what a
/// target can do; names side by side are alternatives. `known` answers for one name or pattern.
pub fn selects(selector: &str, known: &dyn Fn(&str) -> bool) -> bool {
    let tokens = tokens(selector);
    let mut parser = Selector { tokens: &tokens, known };
    parser.alternatives()
}

fn tokens(selector: &str) -> Vec<String> {
    let mut text = selector.to_string();
    for sign in ["{", "}", "!", "&&", "||", "\""] {
        text = text.replace(sign, &format!(" {} ", if sign == "\"" { "" } else { sign }));
    }
    text.split_whitespace().map(str::to_string).collect()
}

struct Selector<'a> {
    tokens: &'a [String],
    known: &'a dyn Fn(&str) -> bool,
}

impl Selector<'_> {
    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.first().is_some_and(|t| t == token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    // No short circuits below: every branch must consume its tokens.
    fn alternatives(&mut self) -> bool {
        let mut holds = self.conjunction();
        while self.take("||") {
            holds |= self.conjunction();
        }
        holds
    }

    fn conjunction(&mut self) -> bool {
        let mut holds = self.names();
        while self.take("&&") {
            holds &= self.names();
        }
        holds
    }

    fn names(&mut self) -> bool {
        let mut holds = false;
        while let Some(token) = self.tokens.first() {
            if ["&&", "||", "}"].contains(&token.as_str()) {
                break;
            }
            holds |= self.operand();
        }
        holds
    }

    fn operand(&mut self) -> bool {
        if self.take("!") {
            return !self.operand();
        }
        if self.take("{") {
            let holds = self.alternatives();
            self.take("}");
            return holds;
        }
        match self.tokens.split_first() {
            Some((name, rest)) => {
                self.tokens = rest;
                (self.known)(name)
            }
            None => false,
        }
    }
}

/// Whether a text matches a pattern of `*` (any text) and `?` (one character).
pub fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = &pattern[1..];
            text.char_indices().any(|(at, _)| glob(rest, &text[at..])) || glob(rest, "")
        }
        Some(first) => text.chars().next().is_some_and(|c| {
            (first == '?' || first == c) && glob(&pattern[first.len_utf8()..], &text[c.len_utf8()..])
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_tcl_lists() {
        let text = "/* { dg-do run { target { c++11 && lp64 } } } */\n// { dg-options \"-O2 -DA=\\\"b\\\"\" }\nint x;";
        let found = directives(text);
        assert_eq!(found[0].name, "do");
        assert_eq!(found[0].arguments, ["run", " target { c++11 && lp64 } "]);
        assert_eq!(found[1].arguments, ["-O2 -DA=\"b\""]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn empty_arguments_are_kept() {
        let found = directives("/* { dg-skip-if \"\" { *-*-* } { \"-O2\" \"-Os\" } { \"\" } } */");
        assert_eq!(found[0].arguments, ["", " *-*-* ", " \"-O2\" \"-Os\" ", " \"\" "]);
        assert_eq!(words(&found[0].arguments[2]), ["-O2", "-Os"]);
        assert_eq!(words(&found[0].arguments[3]), [""]);
    }

    #[test]
    fn selectors_are_evaluated() {
        let known = |name: &str| glob(name, "x86_64-pc-linux-gnu") || name == "lp64";
        for (selector, expected) in [
            ("*-*-*", true),
            ("i?86-*-* x86_64-*-*", true),
            ("! lp64", false),
            ("{ i?86-*-* x86_64-*-* } && { ! { ia32 } }", true),
            ("{ { i?86-*-* x86_64-*-* } && ia32 }", false),
            ("ilp32 || lp64", true),
            ("\"avr-*-*\"", false),
            ("", false),
        ] {
            assert_eq!(selects(selector, &known), expected, "{selector}");
        }
    }

    #[test]
    fn patterns_match_as_in_tcl() {
        assert!(glob("*-*-linux*", "x86_64-pc-linux-gnu"));
        assert!(glob("*", ""));
        assert!(!glob("i?86-*-*", "x86_64-pc-linux-gnu"));
        assert!(glob("-O?", "-O2"));
    }
}
