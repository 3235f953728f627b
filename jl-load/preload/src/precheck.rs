//! Before a dlopen: would it bring a plainly linked image that cannot run here? Afterwards would be too
//! late, for such an image's constructors run during the load, and there is no shim in it to stop them.

use crate::closure::may_mean;
use crate::file::ObjectFile;
use crate::objects::{Object, each};
use crate::plain::Context;
use crate::search::{self, Requester};
use image_format::specs::Specs;
use runtime_shim::decide::decide;
use runtime_shim::message::Subject;
use runtime_shim::text::Line;
use runtime_shim::{init, message};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A dlopen that is about to happen.
pub struct Request<'a> {
    pub name: &'a [u8],
    /// Into the namespace of the program, where its objects are found loaded.
    pub into_base: bool,
    /// In the code that asks.
    pub caller: usize,
}

/// Objects to be loaded, each with the index of the one that asks for it; none for dlopen's caller.
type Found = Vec<(Requester, Option<usize>)>;

/// The message why the load would be refused; `None` when it would not, or when that cannot be known.
pub fn refusal(request: &Request, context: &Context) -> Option<Line> {
    let process = Loaded::find(request.caller);
    let mut names: Vec<Vec<u8>> = Vec::new();
    // What was found, and the names still to be found, both with the index in `found` of who asks for them.
    let mut found = Found::new();
    let mut asks = vec![(request.name.to_vec(), None)];
    while let Some((name, asker)) = asks.pop() {
        if names.contains(&name) || request.into_base && process.has_name(&name) {
            continue;
        }
        let path = search::find(&name, &process.chain(&found, asker)).ok().flatten();
        names.push(name);
        let Some(path) = path else { continue };
        let Some(file) = ObjectFile::open(&path) else { continue };
        if let Some(line) = refused(&path, &file, context)
            && !(request.into_base && process.has_file(&path))
        {
            return Some(line);
        }
        let Some(dynamic) = file.dynamic() else { continue };
        names.extend(dynamic.soname.clone());
        let this = found.len();
        asks.extend(dynamic.needed.iter().map(|needed| (needed.clone(), Some(this))));
        let origin = std::path::absolute(&path).ok().and_then(|path| Some(path.parent()?.to_owned()));
        found.push((Requester { dynamic, origin, has_unknown_loaders: false }, asker));
    }
    None
}

/// Why a file's image cannot run here.
fn refused(path: &Path, file: &ObjectFile, context: &Context) -> Option<Line> {
    file.target_lists().iter().find_map(|list| {
        let specs = Specs::parse(list).ok()?;
        let host = |wanted| init::host(context.process, context.arguments, wanted);
        let refusal = decide(&specs, &context.settings, host).err()?;
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut line = Line::EMPTY;
        let path = path.as_os_str().as_bytes();
        let subject = Subject { specs: Some(&specs), dependency: None };
        message::refused(&mut line, path, subject, refusal, &init::variables());
        Some(line)
    })
}

/// The objects that are loaded already.
struct Loaded {
    /// Paths, as they were loaded, and DT_SONAMEs.
    paths: Vec<PathBuf>,
    sonames: Vec<Vec<u8>>,
    program: Requester,
    /// `None` when the program itself asks, or code that belongs to no object.
    caller: Option<Requester>,
}

impl Loaded {
    fn find(caller: usize) -> Loaded {
        let (mut paths, mut sonames) = (Vec::new(), Vec::new());
        let (mut program, mut callers) = (None, None);
        let mut has_strange_rpath = false;
        each(&mut |object: Object, _| {
            let dynamic = object.dynamic().unwrap_or_default();
            sonames.extend(dynamic.soname.clone());
            let path = PathBuf::from(OsStr::from_bytes(object.name().to_bytes()));
            let origin = path.parent().filter(|parent| parent.is_absolute()).map(Path::to_owned);
            let requester = Requester { dynamic, origin, has_unknown_loaders: false };
            // The program comes first, without a name.
            if program.is_none() {
                program = Some(requester);
            } else if object.holds_code(caller) {
                callers = Some(requester);
            } else {
                has_strange_rpath |= requester.dynamic.rpath.is_some();
            }
            paths.push(path);
            true
        });
        let mut program: Requester = program.unwrap_or_default();
        program.origin = std::env::current_exe().ok().and_then(|path| Some(path.parent()?.to_owned()));
        let caller = callers.map(|c: Requester| Requester { has_unknown_loaders: has_strange_rpath, ..c });
        Loaded { paths, sonames, program, caller }
    }

    /// Whether a name means an object that is there: by the name it was loaded by, or calls itself. Names
    /// that only may mean one count too: then the load decides.
    fn has_name(&self, name: &[u8]) -> bool {
        self.sonames.iter().any(|soname| soname == name)
            || self.paths.iter().any(|path| may_mean(name, path.as_os_str().as_bytes(), None))
    }

    /// Whether a file is loaded, under whatever path.
    fn has_file(&self, path: &Path) -> bool {
        let id = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        id(path).is_some_and(|wanted| self.paths.iter().any(|path| id(path) == Some(wanted)))
    }

    /// Who asks, for whom that was loaded, and so on up to the program.
    fn chain<'a>(&'a self, found: &'a Found, asker: Option<usize>) -> Vec<&'a Requester> {
        let mut chain = Vec::new();
        let mut next = asker;
        while let Some((requester, asker)) = next.and_then(|at| found.get(at)) {
            chain.push(requester);
            next = *asker;
        }
        chain.extend(&self.caller);
        chain.push(&self.program);
        chain
    }
}
