//! The graph for people: a tree in which everything is described where it comes first.

use super::{Edge, Graph, Image, Verdict, amount, taken};
use image_format::report::counted;
use std::collections::BTreeSet;
use std::fmt::Write;

impl Graph {
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut seen = BTreeSet::new();
        if let Some(first) = self.images.first() {
            let _ = self.write_first(&mut out, first);
            let _ = self.write_below(&mut out, first, 1, &mut seen);
        }
        out
    }

    fn write_first(&self, out: &mut String, image: &Image) -> std::fmt::Result {
        writeln!(out, "{} (build id {})", image.name, image.build_id.as_deref().unwrap_or("none"))?;
        let Image { exports, imports, dependencies, .. } = image;
        let (exports, images) = (counted(*exports, "function"), counted(dependencies.len(), "image"));
        write!(out, "  exports {exports}, imports {imports} from {images}")?;
        if image.references > 0 {
            write!(out, ", {} to their data", counted(image.references, "reference"))?;
        }
        if image.linkage > 0 {
            write!(out, ", {} of data for others", amount(image.linkage.into()))?;
        }
        if image.base {
            write!(out, ", a base image")?;
        }
        match self.bytes_saved() {
            Some(0) => writeln!(out),
            Some(bytes) => writeln!(out, "; {} saved in all that is shown", amount(bytes)),
            None => writeln!(out, "; bytes saved: not known (no symbols, or not the right image)"),
        }
    }

    /// Of all images together; none when a part is not known.
    fn bytes_saved(&self) -> Option<u64> {
        self.images.iter().flat_map(|image| &image.dependencies).map(|edge| edge.bytes_saved).sum()
    }

    fn write_below(
        &self,
        out: &mut String,
        image: &Image,
        depth: usize,
        seen: &mut BTreeSet<usize>,
    ) -> std::fmt::Result {
        for edge in &image.dependencies {
            let Some(dependency) = self.images.get(edge.image) else { continue };
            let is_new = seen.insert(edge.image);
            write_edge(out, edge, dependency, depth, is_new)?;
            if is_new {
                self.write_below(out, dependency, depth + 1, seen)?;
            }
        }
        Ok(())
    }
}

fn write_edge(out: &mut String, edge: &Edge, to: &Image, depth: usize, is_new: bool) -> std::fmt::Result {
    let indent = 2 * depth;
    write!(out, "{:indent$}{}: {}", "", to.name, taken(edge))?;
    if let Some(bytes) = edge.bytes_saved.filter(|_| edge.imports > 0 || edge.references == 0) {
        write!(out, ", {}", amount(bytes))?;
    }
    if edge.fallback {
        write!(out, ", with copies to do without")?;
    }
    if to.base {
        write!(out, ", a base image")?;
    }
    if edge.verdict == Verdict::Fits && !is_new {
        return writeln!(out, ": as above");
    }
    writeln!(out)?;
    writeln!(out, "{:indent$}  linked against  build id {}", "", edge.build_id)?;
    if !edge.data.is_empty() {
        writeln!(out, "{:indent$}  data            {}", "", edge.data.join(" "))?;
    }
    match (&to.file, &to.problem) {
        (file, Some(problem)) => {
            let file = file.as_ref().map(|file| format!("{}: ", file.display())).unwrap_or_default();
            writeln!(out, "{:indent$}  found           {file}{problem}", "")
        }
        (Some(file), None) => {
            let id = to.build_id.as_deref().unwrap_or("none");
            writeln!(out, "{:indent$}  found           {}", "", file.display())?;
            writeln!(out, "{:indent$}                  build id {id}: {}", "", edge.verdict.words())
        }
        (None, None) => Ok(()),
    }
}
