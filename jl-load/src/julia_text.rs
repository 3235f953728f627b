//! An explanation by Julia's rules for people.

use crate::explain_text::field;
use crate::julia::{JuliaExplanation, JuliaTarget};
use image_format::report::counted;
use std::fmt::Write;

impl JuliaExplanation {
    pub fn text(&self) -> String {
        let mut out = String::new();
        // A String takes whatever is written to it.
        let _ = self.write_text(&mut out);
        out
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        match self.kind {
            "julia" => writeln!(out, "{}: image from Julia, whose loader chooses", self.file)?,
            kind => writeln!(out, "{}: code image ({kind}), by Julia's rules", self.file)?,
        }
        writeln!(out, "  build id   {}", self.build_id.as_deref().unwrap_or("none"))?;
        field(out, "  CPU        ", &format!("{}: {}", self.cpu, self.cpu_features.join(" ")))?;
        writeln!(out, "  rules      {}", self.rules)?;
        if let Some(format) = self.format {
            writeln!(out, "  format     {format}, {}", counted(self.shards, "shard"))?;
        }
        let data = if self.kind == "julia" { format!(" and {} data", self.data) } else { String::new() };
        let targets = counted(self.targets.len(), "target");
        writeln!(out, "  functions  {}{data}, for {targets} ({})", self.functions, self.machine)?;
        for target in &self.targets {
            target.write_text(out, self.chosen == Some(target.index), self.functions)?;
        }
        for note in &self.notes {
            field(out, "  note       ", note)?;
        }
        if let Some(message) = &self.message {
            writeln!(out, "  refused    {}", message.replace('\n', "\n             "))?;
        }
        if let Some(target) = self.chosen.and_then(|chosen| self.targets.get(chosen)) {
            writeln!(out, "  runs       target {} ({})", target.index, target.name)?;
        }
        Ok(())
    }
}

impl JuliaTarget {
    fn write_text(&self, out: &mut String, is_chosen: bool, functions: usize) -> std::fmt::Result {
        let mark = if is_chosen { '*' } else { ' ' };
        writeln!(out, "{mark} target {}   {}", self.index, self.name)?;
        if let Some(base) = self.base {
            writeln!(out, "      base     target {base}")?;
        }
        if let Some(clones) = self.clones {
            let of = if clones == functions { "all".to_owned() } else { format!("{clones} of {functions}") };
            writeln!(out, "      bodies   {of}")?;
        }
        let list = |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(" ") };
        field(out, "      enables  ", &list(&self.enables))?;
        if !self.extra.is_empty() {
            field(out, "      for LLVM ", &self.extra)?;
        }
        if !self.lacks.is_empty() {
            field(out, "      lacks    ", &list(&self.lacks))?;
        }
        match self.verdict {
            Some(verdict) => field(out, "      verdict  ", verdict),
            None => Ok(()),
        }
    }
}
