//! What an image takes from which others, and whether those that the dynamic linker would find are the right ones.

mod search;
mod svg;
mod text;

use crate::check::hexadecimal;
use crate::elf::ElfFile;
use crate::explain::{Borrowed, Lending};
use crate::image::{Content, LoadError, Merged, content};
use image_format::layout::{DEPENDENCY_FALLBACK, Dependency, Export, IMAGE_BASE, Import, NOT_CLONED};
use image_format::report::counted;
use search::{Search, Searched};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// An image with all that it depends on. Dependencies are indices.
#[derive(Clone, Debug, Serialize)]
pub struct Graph {
    /// The image that was asked about is the first, others follow in the order of loading.
    pub images: Vec<Image>,
}

/// An image, or the name of one that there is none for.
#[derive(Clone, Debug, Serialize)]
pub struct Image {
    /// Its file's path for the first, for others the name that they are asked for by.
    pub name: String,
    /// What the dynamic linker would load.
    pub file: Option<PathBuf>,
    pub build_id: Option<String>,
    pub base: bool,
    pub exports: usize,
    pub imports: usize,
    /// Bytes of data that others may refer to.
    pub linkage: u32,
    /// Pointers to data of others.
    pub references: usize,
    /// Why there is no image, or none that can be read.
    pub problem: Option<String>,
    pub dependencies: Vec<Edge>,
}

/// A dependency of an image.
#[derive(Clone, Debug, Serialize)]
pub struct Edge {
    /// Index in [`Graph::images`].
    pub image: usize,
    /// The build id that it had when it was linked against.
    pub build_id: String,
    /// Functions that are taken from it.
    pub imports: usize,
    /// Pointers to its data.
    pub references: usize,
    /// Names of the data that they lead to, as far as they are known.
    pub data: Vec<String>,
    /// Bytes of code that these have there: none where symbols were stripped, or the dependency is another one.
    pub bytes_saved: Option<u64>,
    /// There are copies to do without.
    pub fallback: bool,
    pub verdict: Verdict,
}

/// Whether what was found is what was linked against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Fits,
    /// Another build id.
    Rebuilt,
    /// The same build id and other functions.
    OtherContent,
    /// It is what was linked against, but an import leads to another function of it, or to none.
    LacksFunctions,
    /// [`Image::problem`] of the dependency says why.
    Missing,
}

impl Verdict {
    fn words(&self) -> &'static str {
        match self {
            Verdict::Fits => "fits",
            Verdict::Rebuilt => "is another one",
            Verdict::OtherContent => "has other content under the same build id",
            Verdict::LacksFunctions => "has not got all functions that are taken from it",
            Verdict::Missing => "cannot be used",
        }
    }
}

/// The graph of the image in `file`.
///
/// # Errors
/// The file itself holds no merged image, or a damaged one. What is wrong with dependencies stands in the graph.
pub fn graph(file: ElfFile) -> Result<Graph, LoadError> {
    let Content::Merged(_) = content(&file)? else {
        return Err(LoadError::NotMerged { path: file.path });
    };
    let first = describe(file.path.display().to_string(), &file);
    let search = Search::new(file.machine);
    let mut found = Found { search, files: vec![Some(file)], images: vec![first] };
    let mut next = 0;
    while next < found.files.len() {
        found.enter_dependencies(next);
        next += 1;
    }
    Ok(Graph { images: found.images })
}

/// What was found so far; files by the index of their image, none where there is no image.
struct Found {
    search: Search,
    files: Vec<Option<ElfFile>>,
    images: Vec<Image>,
}

impl Found {
    /// Looks for all that an image depends on.
    fn enter_dependencies(&mut self, asker: usize) {
        let wanted: Vec<(Dependency, Borrowed, Vec<String>)> = match &self.files[asker] {
            None => return,
            Some(file) => merged(file).map_or(Vec::new(), |merged| borrowed(file, &merged)),
        };
        for (index, (dependency, Borrowed { imports, references, .. }, data)) in
            wanted.into_iter().enumerate()
        {
            let image = self.image_of(&dependency, asker);
            let verdict = self.verdict(asker, index, image, &dependency);
            let saved = (verdict == Verdict::Fits).then(|| self.bytes_of(asker, index, image)).flatten();
            self.images[asker].dependencies.push(Edge {
                image,
                build_id: hexadecimal(dependency.build_id()),
                imports,
                references,
                data,
                bytes_saved: saved,
                fallback: dependency.flags & DEPENDENCY_FALLBACK != 0,
                verdict,
            });
        }
    }

    /// The index of the image of this name: as in a process there is one.
    fn image_of(&mut self, dependency: &Dependency, asker: usize) -> usize {
        let name = String::from_utf8_lossy(dependency.name()).into_owned();
        if let Some(known) = self.images.iter().skip(1).position(|image| image.name == name) {
            return known + 1;
        }
        let searched = match &self.files[asker] {
            Some(file) => self.search.find(&name, file),
            None => Searched::Nowhere(Vec::new()),
        };
        let (image, file) = match searched {
            Searched::Found(path) => match ElfFile::open(&path) {
                Ok(file) => (describe(name, &file), Some(file)),
                Err(error) => (Image { file: Some(path), ..problem(name, error.to_string()) }, None),
            },
            Searched::Nowhere(folders) => {
                let list: Vec<String> = folders.iter().map(|folder| folder.display().to_string()).collect();
                (problem(name, format!("not found in {}", list.join(", "))), None)
            }
        };
        self.images.push(image);
        self.files.push(file);
        self.images.len() - 1
    }

    /// Of `image`, where `dependency` is number `index` of `asker`.
    fn verdict(&self, asker: usize, index: usize, image: usize, dependency: &Dependency) -> Verdict {
        match self.files[image].as_ref().and_then(merged) {
            None => Verdict::Missing,
            Some(found) if dependency.is(found.table.header()) => {
                let asker = self.files[asker].as_ref().and_then(merged);
                let fits = asker.is_some_and(|asker| has_what_is_taken(&found, &asker, index));
                if fits { Verdict::Fits } else { Verdict::LacksFunctions }
            }
            Some(found) if found.table.header().build_id == dependency.build_id => Verdict::OtherContent,
            Some(_) => Verdict::Rebuilt,
        }
    }

    /// Bytes of the functions that `asker` takes from `image`, its dependency `index`.
    fn bytes_of(&self, asker: usize, index: usize, image: usize) -> Option<u64> {
        let (user, file) = (self.files[asker].as_ref().and_then(merged)?, self.files[image].as_ref()?);
        let provider = merged(file)?;
        let sizes: HashMap<u64, u64> = file
            .symbols()
            .iter()
            .filter(|symbol| symbol.is_function && symbol.size > 0)
            .map(|symbol| (symbol.address, symbol.size))
            .collect();
        let taken = user.package.imports.part(user.package.imports_from(index));
        taken.iter().map(|import| size(&provider, import.export, &sizes)).sum()
    }
}

/// Whether each import of `asker` from `found`, its dependency `index`, is to a function of its identity and tag.
fn has_what_is_taken(found: &Merged, asker: &Merged, index: usize) -> bool {
    asker.details.imports_from(&asker.package, index).all(|(_, import, identity)| {
        let number = import.export as usize;
        found.details.exports.get(number) == Some(identity)
            && found
                .package
                .exports
                .get(number)
                .is_some_and(|e| Import::tag_of(&e, import.slot) == import.tag)
    })
}

/// Bytes of an export: of a cloned function all bodies, each once, and the trampoline.
fn size(image: &Merged, export: u32, sizes: &HashMap<u64, u64>) -> Option<u64> {
    let at = |offset: i32| image.address.wrapping_add_signed(i64::from(offset));
    let Export { function, offset, .. } = image.package.exports.get(export as usize)?;
    let mut places = BTreeSet::from([at(offset)]);
    if function != NOT_CLONED {
        let rows = image.table.rows().count();
        places.extend((0..rows).filter_map(|row| image.table.body(row, function as usize)).map(at));
    }
    places.iter().map(|place| sizes.get(place).copied()).sum()
}

/// What an image takes from each of its dependencies, and the names of the data that it refers to there.
fn borrowed(file: &ElfFile, merged: &Merged) -> Vec<(Dependency, Borrowed, Vec<String>)> {
    let lending = Lending::of(&merged.package, merged.table.header());
    let borrowed = lending.map_or(Vec::new(), |lending| lending.dependencies);
    let names = |index: usize| {
        let of = merged.details.references.part(merged.package.references_to(index));
        let names: BTreeSet<&str> = of
            .iter()
            .filter(|r| r.name != 0)
            .filter_map(|r| file.string_at(merged.address.wrapping_add_signed(i64::from(r.name))))
            .collect();
        names.into_iter().map(str::to_owned).collect()
    };
    let all = merged.package.dependencies.iter().zip(borrowed).enumerate();
    all.map(|(index, (dependency, borrowed))| (dependency, borrowed, names(index))).collect()
}

fn merged(file: &ElfFile) -> Option<Box<Merged<'_>>> {
    match content(file) {
        Ok(Content::Merged(merged)) => Some(merged),
        Ok(Content::Plain(_) | Content::Nothing) | Err(_) => None,
    }
}

fn problem(name: String, problem: String) -> Image {
    Image {
        name,
        file: None,
        build_id: None,
        base: false,
        exports: 0,
        imports: 0,
        linkage: 0,
        references: 0,
        problem: Some(problem),
        dependencies: Vec::new(),
    }
}

fn describe(name: String, file: &ElfFile) -> Image {
    let mut image = Image {
        file: Some(file.path.clone()),
        build_id: file.build_id().map(hexadecimal),
        problem: None,
        ..problem(name, String::new())
    };
    match content(file) {
        Ok(Content::Merged(merged)) => {
            let header = merged.table.header();
            image.base = header.flags & IMAGE_BASE != 0;
            (image.exports, image.imports) = (merged.package.exports.len(), merged.package.imports.len());
            (image.linkage, image.references) = (header.linkage.count, merged.package.references.len());
        }
        Ok(Content::Plain(_) | Content::Nothing) => {
            image.problem = Some("no image that jl-link merged: build it with jl-cc --jl-package".into());
        }
        Err(error) => image.problem = Some(error.to_string()),
    }
    image
}

/// `1234 bytes` or `12.3 KiB`.
fn amount(bytes: u64) -> String {
    if bytes < 10_000 { counted(bytes as usize, "byte") } else { format!("{:.1} KiB", bytes as f64 / 1024.0) }
}

/// What is taken from a dependency, without bytes.
fn taken(edge: &Edge) -> String {
    let (functions, references) = (counted(edge.imports, "function"), counted(edge.references, "reference"));
    match (edge.imports, edge.references) {
        (_, 0) => functions,
        (0, _) => references,
        _ => format!("{functions}, {references}"),
    }
}
