//! The images that a compile may take functions from.

use image_format::cpu::Arch;
use image_format::dependency::DependencyImage;
use image_format::identity::Identity;
use image_format::layout::Dependency;
use image_format::pod::bytes_of;
use std::collections::HashSet;
use std::path::PathBuf;

/// Files of images, separated by `:`.
const VARIABLE: &str = "JL_DEPS";

/// The files that the environment names.
pub fn paths() -> Vec<PathBuf> {
    let list = std::env::var_os(VARIABLE).unwrap_or_default();
    std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect()
}

/// In the order in which they are asked.
pub struct Dependencies(Vec<Named>);

struct Named {
    image: DependencyImage,
    /// Functions that the dynamic linker finds in it.
    functions: HashSet<Vec<u8>>,
}

/// What the dependencies have of a function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    Nothing,
    /// The dependency with this index has the name only.
    OtherContent(usize),
    /// This one exports the identity; its symbol is there for those who need an address, or not.
    Same {
        dependency: usize,
        has_symbol: bool,
    },
}

impl Dependencies {
    /// # Errors
    /// A sentence: a file is no image to depend on, or one for another architecture.
    pub fn open(arch: Arch) -> Result<Dependencies, String> {
        let open = |path: PathBuf| {
            let image = DependencyImage::open(&path).map_err(|error| format!("{VARIABLE}: {error}"))?;
            if u32::from(image.machine) != arch.elf_machine() {
                return Err(format!(
                    "{VARIABLE}: {}: an image for machine {} of ELF, expected {} ({}); name the image for this target",
                    path.display(),
                    image.machine,
                    arch.elf_machine(),
                    arch.name()
                ));
            }
            let functions = image.dynamic_functions().map_err(|error| format!("{VARIABLE}: {error}"))?;
            Ok(Named { image, functions })
        };
        paths().into_iter().map(open).collect::<Result<_, _>>().map(Dependencies)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them exports this identity.
    pub fn has(&self, identity: &Identity) -> bool {
        self.0.iter().any(|named| named.image.details().find(&identity.0).is_some())
    }

    /// What a function's own name and identity find; the first dependency that has it counts.
    pub fn offer(&self, name: &str, identity: &Identity) -> Offer {
        let found = |named: &Named| named.image.details().find(&identity.0).is_some();
        let has_symbol = |named: &Named| named.functions.contains(name.as_bytes());
        if let Some(dependency) = self.0.iter().position(found) {
            return Offer::Same { dependency, has_symbol: has_symbol(&self.0[dependency]) };
        }
        self.0.iter().position(has_symbol).map_or(Offer::Nothing, Offer::OtherContent)
    }

    pub fn name(&self, dependency: usize) -> String {
        String::from_utf8_lossy(&self.0[dependency].image.name).into_owned()
    }

    pub fn record(&self, dependency: usize) -> Dependency {
        self.0[dependency].image.record(0)
    }

    /// The records of all of them: what tells them from others of the same names.
    pub fn records(&self) -> Vec<u8> {
        (0..self.0.len()).flat_map(|dependency| bytes_of(&self.record(dependency)).to_vec()).collect()
    }
}
