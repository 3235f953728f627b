//! `--jl-shared-image=FILE --jl-dedup-set A.so B.so ... OBJECTS`: what several images hold goes into one more, of the objects that
//! they were linked from.
//!
//! A finished image has no relocations left, and nothing can be taken out of it. So the images only say what they share; the code is
//! that of the objects, and an image loses it when it is linked again with `--jl-dep=FILE`.

use super::copies::{self, Copies, Identity};
use super::dedup_set;
use super::parts::{Part, Parts};
use super::replace::{self, Offer, Surroundings};
use crate::args::{InputArg, InputName, Invocation};
use crate::error::{Error, Result};
use crate::inputs;
use image_format::dependency::DependencyImage;
use image_format::package_report::Fate;
use object::LittleEndian as LE;
use object::elf;
use object::read::elf::FileHeader;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How the shared image is linked.
pub struct Plan {
    pub invocation: Invocation,
    /// Functions that move into it.
    pub functions: usize,
    /// Functions that several images have and that stay where they are, and why.
    pub left: BTreeMap<String, Left>,
    /// Holds the parts of objects, as long as the link takes.
    _parts: tempfile::TempDir,
}

/// Why a function does not move; completes "the function ...".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// As the linker leaves copies where they are, beside a dependency that has them.
    Kept(Fate),
    /// It needs this, which the objects define and which stays.
    Needs(String),
    Stuck,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Left::Kept(fate) => f.write_str(fate.explain()),
            Left::Needs(name) => write!(f, "needs {name}, which stays"),
            Left::Stuck => f.write_str("comes along with code or data that is in no group of its own"),
        }
    }
}

/// What is decided of the objects' groups.
struct Decision {
    /// Signatures of those that move, and how many functions each has.
    moved: BTreeMap<String, usize>,
    left: BTreeMap<String, Left>,
}

/// # Errors
/// The set cannot be compared ([`dedup_set::open`]), there are no objects, or they have nothing of what the images share.
pub fn plan(invocation: &Invocation, output: &Path) -> Result<Plan> {
    let wrong = |problem| Error::Option { option: "--jl-shared-image".into(), problem };
    if invocation.own.dedup_set.is_none() {
        return Err(wrong(
            "needs --jl-dedup-set A.so B.so, the images that share, and the objects that they were linked from",
        ));
    }
    // Compilers name an output where the user did not.
    if invocation.output.as_ref().is_some_and(|other| other != output && other != Path::new("a.out")) {
        return Err(wrong("names the output itself: leave out -o"));
    }
    let (images, inputs): (Vec<InputArg>, Vec<InputArg>) =
        invocation.inputs.iter().cloned().partition(|input| is_library(&input.what));
    let images = dedup_set::open(&images)?;
    if !inputs.iter().any(|input| matches!(input.what, InputName::File(_))) {
        return Err(wrong("needs the objects that the images were linked from, behind these"));
    }
    let objects = Objects::read(&Invocation { inputs, ..invocation.clone() })?;
    let shared = Shared(identities(&images));
    let Decision { moved, left } = objects.decide(&shared);
    if moved.is_empty() {
        return Err(wrong(
            "finds nothing to move: the objects have none of what the images share (jl-link --jl-dedup-set), or it needs what \
             stays with them",
        ));
    }
    let parts = tempfile::tempdir().map_err(|cause| Error::Write { path: std::env::temp_dir(), cause })?;
    let files = objects.write(&moved, parts.path())?;
    let functions = moved.values().sum();
    let invocation = link(invocation, output, files, &objects.names(&moved))?;
    Ok(Plan { invocation, functions, left, _parts: parts })
}

/// The identities that more than one image exports.
fn identities(images: &[DependencyImage]) -> BTreeSet<Identity> {
    let mut counts: BTreeMap<Identity, usize> = BTreeMap::new();
    for identity in images.iter().flat_map(|image| image.details().exports.iter()) {
        *counts.entry(identity).or_default() += 1;
    }
    counts.retain(|_, count| *count > 1);
    counts.into_keys().collect()
}

/// What the images share, in the place of a dependency that has it.
struct Shared(BTreeSet<Identity>);

impl Offer for Shared {
    fn name(&self) -> String {
        String::new()
    }

    fn exports(&self, identity: &Identity) -> bool {
        self.0.contains(identity)
    }

    fn has_symbol(&self, _: &str) -> bool {
        false
    }
}

/// The objects of the link, members of archives included.
struct Objects {
    copies: Vec<Copies>,
    bytes: Vec<Vec<u8>>,
}

impl Objects {
    fn read(invocation: &Invocation) -> Result<Objects> {
        let mut objects = Objects { copies: Vec::new(), bytes: Vec::new() };
        let mut bitcode = None;
        inputs::for_each(invocation, &mut |member| {
            if inputs::is_bitcode(member.bytes) {
                bitcode = Some(member.name);
            } else if let Ok(header) = elf::FileHeader64::<LE>::parse(member.bytes)
                && header.e_type.get(LE) == elf::ET_REL
                && let Ok(sections) = header.sections(LE, member.bytes)
            {
                // What a link would draw in of an archive depends on more than is known here: all counts.
                objects.copies.push(copies::read(member.name, true, member.bytes, &sections));
                objects.bytes.push(member.bytes.to_vec());
            }
            Ok(())
        })?;
        match bitcode {
            None => Ok(objects),
            Some(file) => Err(Error::Input {
                file,
                problem: "cannot go into a shared image".into(),
                found: "bitcode".into(),
                advice: "compile without -flto: what it holds is not known before the link",
            }),
        }
    }

    /// What all objects have alike moves, if it needs nothing of any object but what moves as well.
    fn decide(&self, shared: &Shared) -> Decision {
        let plan = replace::plan(&self.copies, std::slice::from_ref(shared), Surroundings::default());
        let kept = plan.lines.iter().filter(|line| line.fate != Fate::Deduplicated);
        let mut left: BTreeMap<String, Left> =
            kept.map(|line| (line.function.clone(), Left::Kept(line.fate))).collect();
        let mut moved: BTreeMap<String, usize> =
            plan.replaced.iter().map(|group| (group.signature.clone(), group.functions.len())).collect();
        let defined: BTreeSet<&str> = self.copies.iter().flat_map(Copies::names).collect();
        let constants = self.constants();
        let parts = self.parts_of_each(&moved, &constants);
        loop {
            let moving = self.names(&moved);
            let stays = |name: &&String| {
                defined.contains(name.as_str())
                    && !moving.contains(name.as_str())
                    && !constants.contains(*name)
            };
            let obstacle = |part: &Part| {
                let needed = part.needs.iter().chain(&part.defines).find(stays).cloned().map(Left::Needs);
                needed.or(part.stuck.then_some(Left::Stuck))
            };
            let found = moved.keys().filter_map(|signature| {
                let obstacle = parts.get(signature)?.iter().find_map(obstacle)?;
                Some((signature.clone(), obstacle))
            });
            let found: BTreeMap<String, Left> = found.collect();
            if found.is_empty() {
                return Decision { moved, left };
            }
            moved.retain(|signature, _| !found.contains_key(signature));
            left.extend(found);
        }
    }

    /// What groups with these signatures define.
    fn names(&self, signatures: &BTreeMap<String, usize>) -> BTreeSet<&str> {
        let groups = self.copies.iter().flat_map(|object| &object.groups);
        let groups = groups.filter(|group| signatures.contains_key(&group.signature));
        groups.flat_map(|group| &group.symbols).map(|definition| definition.name.as_str()).collect()
    }

    /// Names of data that never changes and of which all objects have the same: it comes along with those that use it.
    fn constants(&self) -> BTreeSet<String> {
        let mut constants: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
        let mut alone: BTreeSet<&str> =
            self.copies.iter().flat_map(|o| &o.alone).map(String::as_str).collect();
        for (copies, bytes) in self.copies.iter().zip(&self.bytes) {
            let Some(object) = Parts::read(bytes) else { continue };
            let found = object.constants();
            // Who defines it otherwise has something else.
            alone.extend(copies.names().filter(|name| !found.contains_key(*name)));
            for (name, content) in found {
                let known = constants.entry(name).or_insert_with(|| Some(content.clone()));
                *known = known.take().filter(|known| *known == content);
            }
        }
        constants.retain(|name, content| content.is_some() && !alone.contains(name.as_str()));
        constants.into_keys().collect()
    }

    /// By signature the part of each object that has such a group.
    fn parts_of_each(
        &self,
        signatures: &BTreeMap<String, usize>,
        constants: &BTreeSet<String>,
    ) -> BTreeMap<String, Vec<Part>> {
        let mut parts: BTreeMap<String, Vec<Part>> = BTreeMap::new();
        for (copies, bytes) in self.copies.iter().zip(&self.bytes) {
            let Some(object) = Parts::read(bytes) else { continue };
            for group in copies.groups.iter().filter(|group| signatures.contains_key(&group.signature)) {
                let part = object.part(&BTreeSet::from([group.signature.clone()]), constants);
                parts.entry(group.signature.clone()).or_default().push(part);
            }
        }
        parts
    }

    /// Writes of each object what moves; the files.
    fn write(&self, moved: &BTreeMap<String, usize>, folder: &Path) -> Result<Vec<PathBuf>> {
        let signatures: BTreeSet<String> = moved.keys().cloned().collect();
        let constants = self.constants();
        let mut files = Vec::new();
        for (number, bytes) in self.bytes.iter().enumerate() {
            let Some(object) = Parts::read(bytes).filter(|object| object.has(&signatures)) else { continue };
            let mut sections = object.part(&signatures, &constants).sections;
            sections.extend(object.unwinding());
            let path = folder.join(format!("part-{number}.o"));
            let written = std::fs::write(&path, object.without_others(&sections));
            written.map_err(|cause| Error::Write { path: path.clone(), cause })?;
            files.push(path);
        }
        Ok(files)
    }
}

/// The link of `files`, with the user's options and libraries. `moved`: what must be in it.
fn link(
    invocation: &Invocation,
    output: &Path,
    files: Vec<PathBuf>,
    moved: &BTreeSet<&str>,
) -> Result<Invocation> {
    let mut args: Vec<OsString> = vec!["-shared".into(), "-o".into(), output.into()];
    if invocation.soname.is_none()
        && let Some(name) = output.file_name()
    {
        args.extend(["-soname".into(), name.into()]);
    }
    // Names of what stays are still in the parts; without this they would become undefined symbols of the image.
    args.push("--gc-sections".into());
    // What is hidden nobody asks for by name, and it is offered all the same.
    args.extend(moved.iter().map(|name| OsString::from(format!("--undefined={name}"))));
    args.extend(files.into_iter().map(OsString::from));
    args.extend(invocation.without_files.iter().cloned());
    let mut link = Invocation::parse(args)?;
    link.own = invocation.own.clone();
    (link.own.shared_image, link.own.dedup_set) = (None, None);
    (link.strip, link.discard_all) = (invocation.strip, invocation.discard_all);
    Ok(link)
}

/// Whether a file is a shared object: of the images that share.
fn is_library(name: &InputName) -> bool {
    let InputName::File(path) = name else { return false };
    let Ok(bytes) = std::fs::read(path) else { return false };
    let header = elf::FileHeader64::<LE>::parse(&*bytes);
    header.is_ok_and(|header| header.e_type.get(LE) == elf::ET_DYN)
}
