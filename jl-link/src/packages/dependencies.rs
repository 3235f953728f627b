//! The files of images that this one takes functions or data from.

use crate::args::{Invocation, PlainReason};
use crate::error::{Error, Result};
use crate::packages::base;
use crate::packages::copies::Identity;
use crate::packages::references::Objects;
use crate::packages::replace::Offer;
use crate::scan::{Inputs, RELR_VERSION};
use crate::shims::{CONSTRUCTOR, FIRST_STACK};
use image_format::cpu::Arch;
use image_format::dependency::DependencyImage;
use image_format::layout::{DEPENDENCY_FALLBACK, Dependency, Export};
use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

/// Images that may be depended on, each known by build id and content.
#[derive(Default)]
pub struct Dependencies {
    images: Vec<DependencyImage>,
    /// How many of them, from the first on, may have functions of objects that do not know them.
    named: usize,
    /// Of these the image has copies of its own, and keeps them.
    keep_copies: bool,
}

/// A dependency whose functions may replace those of the objects.
pub struct Lender<'a> {
    pub image: &'a DependencyImage,
    /// Functions that the dynamic linker finds in it.
    functions: HashSet<Vec<u8>>,
}

impl Offer for Lender<'_> {
    fn name(&self) -> String {
        String::from_utf8_lossy(&self.image.name).into_owned()
    }

    fn exports(&self, identity: &Identity) -> bool {
        self.image.details().find(identity).is_some()
    }

    fn has_symbol(&self, name: &str) -> bool {
        self.functions.contains(name.as_bytes())
    }
}

impl Dependencies {
    /// Those that `--jl-dep` names, and the code images among the linked libraries that are needed for a dependency which
    /// the objects name.
    ///
    /// # Errors
    /// A file that was named is no undamaged image for this architecture, or depends on the output itself.
    pub fn open(invocation: &Invocation, inputs: &Inputs) -> Result<Dependencies> {
        let mut images: Vec<DependencyImage> = Vec::new();
        let wanted = |record: &Dependency| inputs.dependencies.iter().any(|d| d.build_id == record.build_id);
        let own = own_name(invocation);
        for path in &invocation.own.dependencies {
            let image = DependencyImage::open(path).map_err(|cause| Error::Dependency { cause })?;
            check(&image, &own, inputs.arch)?;
            images.push(image);
        }
        let named = images.len();
        // A library that is no image, or not one that an object names, is the linker's affair alone.
        for path in inputs.libraries.iter().filter(|_| !inputs.dependencies.is_empty()) {
            if let Ok(image) = DependencyImage::open(path)
                && wanted(&image.record(0))
            {
                check(&image, &own, inputs.arch)?;
                images.push(image);
            }
        }
        Ok(Dependencies { images, named, keep_copies: invocation.own.keep_fallback })
    }

    /// The image that a record names.
    ///
    /// # Errors
    /// It was not found, or only another one of its name.
    pub fn find(&self, record: &Dependency, output: &Path) -> Result<&DependencyImage> {
        if let Some(image) = self.images.iter().find(|image| record.is(image.header())) {
            return Ok(image);
        }
        let name = String::from_utf8_lossy(record.name()).into_owned();
        let other = self.images.iter().find(|image| image.name == record.name());
        let (found, advice) = match other {
            Some(other) if other.header().build_id == record.build_id => (
                format!("{} with the same build id and other content", other.path.display()),
                "restore the file, or link the dependency again and compile what depends on it again",
            ),
            Some(other) => (
                format!("{} with build id {}", other.path.display(), hex(other.record(0).build_id())),
                "it was rebuilt: compile the objects that depend on it again",
            ),
            None => ("none".into(), "name its file with --jl-dep=FILE, or link with it"),
        };
        Err(Error::Image {
            file: output.into(),
            what: format!("dependency {name}"),
            found,
            expected: format!("the image with build id {}", hex(record.build_id())),
            advice,
        })
    }

    /// Those that `--jl-dep` names, in its order.
    ///
    /// # Errors
    /// One has damaged dynamic symbols.
    pub fn lenders(&self) -> Result<Vec<Lender<'_>>> {
        let lender =
            |image: &DependencyImage| image.dynamic_functions().map_err(|cause| Error::Dependency { cause });
        self.images[..self.named]
            .iter()
            .map(|image| Ok(Lender { functions: lender(image)?, image }))
            .collect()
    }

    /// Whose function may run in place of a copy that the image keeps: number of the image, record of the dependency, and
    /// its export with its index.
    pub fn with_copies(&self, identity: &Identity) -> Option<(usize, Dependency, (u32, Export))> {
        let lenders = self.images[..self.named].iter().enumerate().filter(|_| self.keep_copies);
        lenders
            .filter_map(|(number, image)| Some((number, image, image.find(identity)?)))
            .next()
            .map(|(number, image, export)| (number, image.record(DEPENDENCY_FALLBACK), export))
    }

    /// Data by name of those that `--jl-dep` names, the first where several have one of a name; none where the image shall do
    /// without its dependencies.
    ///
    /// # Errors
    /// One has damaged dynamic symbols.
    pub fn objects(&self) -> Result<Objects> {
        let mut found = Objects::new();
        for image in self.images[..self.named].iter().rev().filter(|_| !self.keep_copies) {
            let objects = image.objects().map_err(|cause| Error::Dependency { cause })?;
            found.extend(objects.into_iter().map(|(name, object)| (name, (image.record(0), object))));
        }
        Ok(found)
    }

    /// What lld is asked, so that the dynamic linker loads every dependency that an object names: DT_NEEDED, also if no
    /// symbol of it is used. `more` are named by objects of ours.
    pub fn link_args(&self, inputs: &Inputs, more: &[Dependency]) -> Vec<OsString> {
        let needed: Vec<OsString> =
            self.needed(inputs, more).map(|image| OsString::from(&image.path)).collect();
        if needed.is_empty() {
            return Vec::new();
        }
        let mut args: Vec<OsString> = vec!["--push-state".into(), "--no-as-needed".into()];
        args.extend(needed);
        args.push("--pop-state".into());
        args
    }

    /// Whether one of those that the dynamic linker loads for the output's sake lends its constructor, or has it from another.
    pub fn lend_constructor(&self, inputs: &Inputs, more: &[Dependency]) -> bool {
        self.needed(inputs, more).any(|image| {
            image.dynamic_symbol(CONSTRUCTOR) == Some(true) || image.dynamic_symbol(FIRST_STACK).is_none()
        })
    }

    /// Whether one of those cannot be loaded but by glibc from 2.36 on. Unless the output is for others, too (`for_older`), that is
    /// so if an IFUNC was left to it, as it stands above one that cannot.
    pub fn need_recent_glibc(&self, inputs: &Inputs, more: &[Dependency], for_older: bool) -> bool {
        self.needed(inputs, more)
            .any(|image| image.has_dynamic_string(RELR_VERSION) || !for_older && image.has_ifunc())
    }

    fn needed<'a>(
        &'a self,
        inputs: &'a Inputs,
        more: &'a [Dependency],
    ) -> impl Iterator<Item = &'a DependencyImage> {
        let all = move || inputs.dependencies.iter().chain(more);
        self.images.iter().filter(move |image| all().any(|d| d.is(image.header())))
    }
}

/// The name by which others would ask for the output.
fn own_name(invocation: &Invocation) -> Vec<u8> {
    let soname = invocation.soname.clone();
    let name = soname.or_else(|| invocation.output().file_name().map(OsString::from)).unwrap_or_default();
    name.into_encoded_bytes()
}

/// Whether an image named `own` for `arch` can depend on this one.
pub fn check(image: &DependencyImage, own: &[u8], arch: Option<Arch>) -> Result<()> {
    let wrong = |problem: &str, found: String, advice| {
        let file = image.path.display().to_string();
        Err(Error::Input { file, problem: problem.into(), found, advice })
    };
    let found = Arch::from_elf_machine(image.machine.into());
    if let Some(arch) = arch.filter(|arch| found != Some(*arch)) {
        let name = found.map_or("an unknown one", |found| found.name());
        let advice = "give --jl-dep the image for the architecture of this link";
        return wrong(
            "dependency for another architecture",
            format!("{name}, expected {}", arch.name()),
            advice,
        );
    }
    let name = || String::from_utf8_lossy(own).into_owned();
    if image.name == own {
        let advice =
            "an image cannot take functions from itself: give one of them another SONAME or file name";
        return wrong("the dependency has the output's name", name(), advice);
    }
    let is_own = |d: &Dependency| d.name() == own;
    if image.package().dependencies.iter().any(|d| is_own(&d)) {
        let found = format!("it takes functions or data from {}", name());
        let advice = "one of the two must do without the other: link the dependency without this image";
        return wrong("the dependency depends on the output itself", found, advice);
    }
    Ok(())
}

/// An error where nothing can be taken from others.
pub fn check_kind(invocation: &Invocation) -> Result<()> {
    base::check_options(invocation)?;
    if invocation.own.dependencies.is_empty() {
        if invocation.own.keep_fallback {
            let problem =
                "needs --jl-dep=FILE: an image whose functions run in place of the copies that are kept";
            return Err(Error::Option { option: "--jl-keep-fallback".into(), problem });
        }
        return Ok(());
    }
    let option = "--jl-dep".to_string();
    if invocation.is_static {
        let problem =
            "makes no sense with -static: no dynamic linker would load the dependency; leave one of them out";
        return Err(Error::Option { option, problem });
    }
    if invocation.plain_reason() == Some(PlainReason::Relocatable) {
        let problem =
            "makes no sense with -r: records stay as they are; give it to the link that makes the image";
        return Err(Error::Option { option, problem });
    }
    Ok(())
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
