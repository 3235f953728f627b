//! LLVM's text form, taken apart far enough to rename, reorder and change it.

/// A word, number, name, text or single character; blanks and comments are tokens too, so that joining them gives the
/// line back.
pub fn tokens(line: &str) -> Vec<&str> {
    let mut list = Vec::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let len = match first {
            ';' => rest.len(),
            '"' => quoted(rest),
            'c' if rest.starts_with("c\"") => 1 + quoted(&rest[1..]),
            '@' | '%' | '$' | '!' | '#' => 1 + name(&rest[1..]),
            _ => name(rest).max(first.len_utf8()),
        };
        list.push(&rest[..len]);
        rest = &rest[len..];
    }
    list
}

fn quoted(text: &str) -> usize {
    text[1..].find('"').map_or(text.len(), |end| end + 2)
}

fn name(text: &str) -> usize {
    if text.starts_with('"') {
        return quoted(text);
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && !"-$._".contains(c)).unwrap_or(text.len())
}

/// What stands at the top of a file of IR.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Global,
    Define,
    Declare,
    Attributes,
    /// `!7 = ...`
    Node,
    /// Types, triple, named metadata, comments.
    Other,
}

/// One thing at the top, with all its lines.
#[derive(Clone, Debug)]
pub struct Item {
    pub kind: Kind,
    pub lines: Vec<String>,
}

impl Item {
    /// `@name` of what is declared or defined.
    pub fn symbol(&self) -> Option<&str> {
        let named = matches!(self.kind, Kind::Global | Kind::Define | Kind::Declare);
        named.then(|| tokens(&self.lines[0]).into_iter().find(|t| t.starts_with('@'))).flatten()
    }

    pub fn is_local(&self) -> bool {
        tokens(&self.lines[0]).iter().any(|t| *t == "internal" || *t == "private")
    }

    /// The symbols in it, its own among them.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().flat_map(|l| tokens(l)).filter(|t| t.starts_with('@'))
    }
}

/// A file of IR.
#[derive(Clone, Debug)]
pub struct Text(pub Vec<Item>);

impl Text {
    pub fn parse(text: &str) -> Text {
        let mut items: Vec<Item> = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if inside && let Some(item) = items.last_mut() {
                item.lines.push(line.to_string());
                inside = line != "}";
                continue;
            }
            let kind = kind(line);
            inside = kind == Kind::Define;
            items.push(Item { kind, lines: vec![line.to_string()] });
        }
        Text(items)
    }

    pub fn print(&self) -> String {
        self.0.iter().flat_map(|i| &i.lines).fold(String::new(), |text, line| text + line + "\n")
    }

    /// Every token replaced by what `change` makes of it; it is also told the kind of the item and what stands behind.
    pub fn map_tokens(&self, change: impl Fn(Kind, &str, &str) -> Option<String>) -> Text {
        let line = |kind: Kind, line: &String| {
            let list = tokens(line);
            let next = |i: usize| list.get(i + 1).copied().unwrap_or("");
            let new = list.iter().enumerate().map(|(i, t)| change(kind, t, next(i)).unwrap_or(t.to_string()));
            new.collect::<String>()
        };
        let item = |item: &Item| Item {
            kind: item.kind,
            lines: item.lines.iter().map(|l| line(item.kind, l)).collect(),
        };
        Text(self.0.iter().map(item).collect())
    }
}

fn kind(line: &str) -> Kind {
    match line.split(' ').next().unwrap_or("") {
        "define" => Kind::Define,
        "declare" => Kind::Declare,
        "attributes" => Kind::Attributes,
        word if word.starts_with('@') => Kind::Global,
        word if word.starts_with('!') && word[1..].bytes().all(|b| b.is_ascii_digit()) => Kind::Node,
        _ => Kind::Other,
    }
}
