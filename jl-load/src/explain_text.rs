//! An explanation for people.

use crate::explain::{Borrowed, Choice, Explanation, FunctionChoice, Lending};
use image_format::report::counted;
use std::fmt::Write;

/// Long lists go on in the next line: features alone are several hundred characters. A fixed width, so that
/// the same file gives the same text everywhere.
const WIDTH: usize = 100;

/// A label and what stands behind it, in as many lines as it takes.
pub(crate) fn field(out: &mut String, label: &str, text: &str) -> std::fmt::Result {
    let mut column = label.len();
    out.push_str(label);
    for (i, word) in text.split(' ').enumerate() {
        if i > 0 && column + 1 + word.len() > WIDTH {
            write!(out, "\n{:1$}", "", label.len())?;
            column = label.len();
        } else if i > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.len();
    }
    out.push('\n');
    Ok(())
}

impl Explanation {
    /// For people; `function` is the name that was asked for.
    pub fn text(&self, function: Option<&str>) -> String {
        let mut out = String::new();
        let _ = self.write_text(&mut out, function);
        out
    }

    fn write_text(&self, out: &mut String, function: Option<&str>) -> std::fmt::Result {
        let kind = match (self.kind, self.shards) {
            ("merged", _) => "code image, merged by jl-link: chooses by itself".into(),
            ("plain", 1) => {
                "code image, linked plainly (1 object): chooses under jl-load run, else the baseline".into()
            }
            ("plain", n) => {
                format!(
                    "code image, linked plainly ({n} objects): chooses under jl-load run, else the baseline"
                )
            }
            _ => "no code image: nothing here was cloned".to_owned(),
        };
        writeln!(out, "{}: {kind}", self.file)?;
        writeln!(out, "  build id   {}", self.build_id.as_deref().unwrap_or("none"))?;
        if let Some(package) = &self.package {
            package.write_text(out)?;
        }
        if self.lists.is_empty() {
            return Ok(());
        }
        let colon = if self.cpu_features.is_empty() { "" } else { ": " };
        field(out, "  CPU        ", &format!("{}{colon}{}", self.cpu, self.cpu_features.join(" ")))?;
        for list in &self.lists {
            list.write_text(out)?;
        }
        if let Some(name) = function {
            if self.functions.is_empty() {
                let why =
                    "C++ and Rust names are asked for as the linker has them; of a stripped file: #NUMBER";
                field(out, "  function   ", &format!("{name}: no cloned function of this name ({why})"))?;
            }
            for function in &self.functions {
                function.write_text(out)?;
            }
        }
        Ok(())
    }
}

impl Lending {
    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        if self.base {
            writeln!(out, "  base       takes nothing from other images; a load verifies its header alone")?;
        }
        let exports = counted(self.exports, "function");
        writeln!(out, "  exports    {exports} that other images may use")?;
        if self.linkage > 0 {
            let bytes = counted(self.linkage as usize, "byte");
            writeln!(out, "  linkage    {bytes} of data that other images may refer to")?;
        }
        for borrowed in &self.dependencies {
            let Borrowed { name, build_id, imports, references, fallback } = borrowed;
            let without = if *fallback { "; has copies of its own" } else { "" };
            if *imports > 0 || *references == 0 {
                let functions = counted(*imports, "function");
                writeln!(out, "  imports    {functions} of {name} (build id {build_id}){without}")?;
            }
            if *references > 0 {
                let times = counted(*references, "time");
                writeln!(out, "  refers     {times} to data of {name} (build id {build_id})")?;
            }
        }
        Ok(())
    }
}

impl Choice {
    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let targets = counted(self.targets.len(), "target");
        writeln!(out, "  functions  {} cloned, for {targets} ({})", self.functions, self.machine)?;
        if self.fp_fast {
            writeln!(out, "  note       jl.fp=fast: results may differ between targets in the last bits")?;
        }
        if self.raised {
            writeln!(out, "  note       -march raised the baseline above what its name says")?;
        }
        for target in &self.targets {
            let mark = if self.chosen == Some(target.index) { '*' } else { ' ' };
            writeln!(out, "{mark} target {}   {} (tuned for {})", target.index, target.name, target.tune)?;
            if target.index > 0 {
                writeln!(out, "      base     target {}", target.base)?;
                writeln!(out, "      bodies   {} other than the baseline's", target.own_bodies)?;
            }
            if !target.flags.is_empty() {
                field(out, "      flags    ", &target.flags.join(" "))?;
            }
            let list =
                |names: &[String]| if names.is_empty() { "nothing more".into() } else { names.join(" ") };
            if self.decoded {
                field(out, "      declares ", &list(&target.declares))?;
                field(out, "      uses     ", &list(&target.needs))?;
            } else {
                field(out, "      needs    ", &list(&target.needs))?;
            }
            if target.lacks.is_empty() && !target.does_without.is_empty() {
                field(
                    out,
                    "      without  ",
                    &format!("{} (declared, but not used)", target.does_without.join(" ")),
                )?;
            }
            field(out, "      verdict  ", &target.verdict)?;
        }
        match (&self.refusal, self.chosen) {
            (Some(reason), _) => field(out, "  refused    ", reason),
            (None, Some(chosen)) => {
                let name = self.targets.get(chosen).map_or("?", |target| &target.name);
                writeln!(out, "  runs       target {chosen} ({name})")
            }
            (None, None) => Ok(()),
        }
    }
}

impl FunctionChoice {
    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "  function   {} (slot at {:#x})", self.name, self.slot)?;
        for body in &self.bodies {
            let mark = if self.runs == Some(body.target) { '*' } else { ' ' };
            let symbol = body.symbol.as_deref().unwrap_or("(no symbol)");
            writeln!(out, "{mark}     target {}  {symbol} at {:#x}", body.target, body.address)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_keep_their_indentation() {
        let mut out = String::new();
        let words = ["avx512vpopcntdq"; 13].join(" ");
        field(&mut out, "  needs  ", &words).unwrap();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 3, "{out}");
        assert!(lines.iter().all(|l| l.len() <= WIDTH), "{out}");
        assert!(lines[0].starts_with("  needs  avx") && lines[1].starts_with("         avx"), "{out}");
    }
}
