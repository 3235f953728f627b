//! The matrix for people: rows that are printed as they come, and below them what needs more words.

use super::{Matrix, Outcome, Row};
use crate::matrix::row::Output;
use std::fmt::Write;
use std::path::Path;

/// Widths of the columns that are known before the first run.
pub struct Table {
    cpu: usize,
    offers: usize,
}

/// The longest words in these columns: `ILLEGAL INSTRUCTION`, `reference`.
const RESULT: usize = 19;
const OUTPUT: usize = 9;

impl Table {
    /// From the names of the CPUs and what they offer.
    pub fn new(rows: impl Iterator<Item = (String, String)>) -> Table {
        let mut table = Table { cpu: "CPU".len(), offers: "offers".len() };
        for (cpu, offers) in rows {
            table.cpu = table.cpu.max(cpu.len());
            table.offers = table.offers.max(offers.len());
        }
        table
    }

    pub fn head(&self) -> String {
        self.line(["CPU", "offers", "result", "output", "chosen target"])
    }

    /// One row; several images have a line each.
    pub fn row(&self, row: &Row) -> String {
        let output = match row.output {
            Output::Reference => "reference",
            Output::Same => "same",
            Output::Differs { .. } => "DIFFERS",
            Output::NotCompared => "-",
        };
        let mut images = row.images.iter().map(|image| {
            let file = Path::new(&image.path).file_name().unwrap_or_default().to_string_lossy();
            format!("{} ({}) in {file}", image.target, image.name)
        });
        let result = row.outcome.to_string();
        let first = images.next().unwrap_or_else(|| "-".into());
        let mut text = self.line([&row.cpu, &row.offers, &result, output, &first]);
        for image in images {
            text += &self.line(["", "", "", "", &image]);
        }
        text
    }

    fn line(&self, [cpu, offers, result, output, images]: [&str; 5]) -> String {
        let (a, b) = (self.cpu, self.offers);
        let line = format!("{cpu:a$}  {offers:b$}  {result:RESULT$}  {output:OUTPUT$}  {images}");
        line.trim_end().to_owned() + "\n"
    }

    /// What stands below the rows: causes, and a last line that says how it went.
    pub fn end(&self, matrix: &Matrix) -> String {
        let mut text = String::from("\n");
        for row in &matrix.rows {
            // A String takes whatever is written to it.
            let _ = notes(&mut text, row);
        }
        if matrix.rows.iter().all(|row| row.images.is_empty() && row.outcome != Outcome::Refused) {
            text += "No code image chose a target: plainly linked ones do so under --preload.\n";
        }
        let of = |what: &dyn Fn(&&Row) -> bool| matrix.rows.iter().filter(what).count();
        let refused = of(&|row| row.outcome == Outcome::Refused);
        let wrong = of(&|row| !row.is_right());
        let _ = write!(text, "{} of {} ran alike", matrix.rows.len() - refused - wrong, matrix.rows.len());
        for (count, what) in [(refused, "refused to run"), (wrong, "WRONG")] {
            if count > 0 {
                let _ = write!(text, ", {count} {what}");
            }
        }
        text + "\n"
    }
}

fn notes(text: &mut String, row: &Row) -> std::fmt::Result {
    let cpu = &row.cpu;
    if !row.alike.is_empty() {
        writeln!(text, "{cpu}: the same as on {}", row.alike.join(", "))?;
    }
    if !row.not_emulated.is_empty() {
        let emulator = row.emulator.unwrap_or_default();
        writeln!(text, "{cpu}: {emulator} does not emulate {}", row.not_emulated.join(" "))?;
    }
    if !row.same_outcome && row.outcome != Outcome::Refused {
        writeln!(text, "{cpu}: the first run ended otherwise")?;
    }
    if let Output::Differs { line } = row.output {
        writeln!(text, "{cpu}: standard output differs from line {line} on")?;
    }
    for message in &row.messages {
        writeln!(text, "{cpu}: {message}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::row::ImageChoice;

    fn row(cpu: &str, outcome: Outcome, output: Output) -> Row {
        let image = |path: &str| ImageChoice { path: path.into(), target: 1, name: "x86-64-v3".into() };
        Row {
            cpu: cpu.into(),
            emulator: (cpu != "native").then_some("qemu-x86_64"),
            offers: "x86-64-v3".into(),
            vector_bits: Some(256),
            features: None,
            not_emulated: Vec::new(),
            alike: Vec::new(),
            images: vec![image("/lib/libf.so"), image("/lib/libg.so")],
            outcome,
            same_outcome: outcome == Outcome::Exit(0),
            output,
            output_hash: String::new(),
            output_bytes: 0,
            messages: Vec::new(),
        }
    }

    #[test]
    fn what_is_wrong_stands_out() {
        let mut refused = row("Nehalem", Outcome::Refused, Output::NotCompared);
        refused.images.clear();
        refused.messages.push("julienne: /lib/libf.so: cannot run here".into());
        let mut emulated = row("Skylake-Server", Outcome::Exit(0), Output::Same);
        emulated.not_emulated = vec!["avx512f".into(), "avx512vl".into()];
        let rows = vec![
            row("native", Outcome::Exit(0), Output::Reference),
            emulated,
            row("Haswell", Outcome::Exit(0), Output::Differs { line: 3 }),
            row("max", Outcome::Signal(4), Output::Same),
            refused,
        ];
        let table = Table::new(rows.iter().map(|row| (row.cpu.clone(), row.offers.clone())));
        let mut text = table.head();
        text.extend(rows.iter().map(|row| table.row(row)));
        let matrix = Matrix { command: vec!["./program".into()], rows };
        text += &table.end(&matrix);
        assert!(!matrix.is_right());
        let expected = "\
CPU             offers     result               output     chosen target
native          x86-64-v3  exit 0               reference  1 (x86-64-v3) in libf.so
                                                           1 (x86-64-v3) in libg.so
Skylake-Server  x86-64-v3  exit 0               same       1 (x86-64-v3) in libf.so
                                                           1 (x86-64-v3) in libg.so
Haswell         x86-64-v3  exit 0               DIFFERS    1 (x86-64-v3) in libf.so
                                                           1 (x86-64-v3) in libg.so
max             x86-64-v3  ILLEGAL INSTRUCTION  same       1 (x86-64-v3) in libf.so
                                                           1 (x86-64-v3) in libg.so
Nehalem         x86-64-v3  refused              -          -

Skylake-Server: qemu-x86_64 does not emulate avx512f avx512vl
Haswell: standard output differs from line 3 on
max: the first run ended otherwise
Nehalem: julienne: /lib/libf.so: cannot run here
2 of 5 ran alike, 1 refused to run, 2 WRONG
";
        assert_eq!(text, expected);
    }
}
