//! Which inputs are bitcode, and what takes their place in the link.

use super::allocator;
use crate::args::{InputName, Invocation};
use crate::error::{Error, Result};
use crate::inputs::is_bitcode;
use crate::lld::Stage;
use image_format::dependency::DependencyImage;
use object::LittleEndian as LE;
use object::elf;
use object::read::archive::ArchiveFile;
use object::read::elf::FileHeader;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

type Header = elf::FileHeader64<LE>;

/// Where rustc puts what other crates are compiled against.
const RUST_METADATA: &[u8] = b".rustc";

/// A file of bitcode, to become an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// As messages name it.
    pub name: String,
    pub bitcode: PathBuf,
    pub object: PathBuf,
}

/// What the inputs are.
#[derive(Default)]
pub struct Units {
    pub bitcode: Vec<Unit>,
    /// The words that take a file's place.
    replaced: BTreeMap<OsString, Vec<OsString>>,
    /// Images that offer functions.
    pub packages: Vec<PathBuf>,
    /// A shared library that memory comes from.
    pub allocator: Option<PathBuf>,
    /// Other crates are compiled against the output: they should find its functions.
    pub is_package: bool,
}

impl Units {
    /// Looks at the files on the command line; what `-l` finds is left as it is. Members of archives are written into `stage`.
    ///
    /// # Errors
    /// A file cannot be written, or an archive is damaged.
    pub fn find(invocation: &Invocation, stage: &Stage) -> Result<Units> {
        let mut units = Units::default();
        for input in &invocation.inputs {
            let InputName::File(path) = &input.what else { continue };
            // A file that is not there is lld's to tell of.
            let Ok(bytes) = std::fs::read(path) else { continue };
            let word = path.clone().into_os_string();
            if units.replaced.contains_key(&word) {
                continue;
            }
            if bytes.starts_with(b"!<arch>\n") {
                let words = units.archive(path, &bytes, input.whole_archive, stage)?;
                units.replaced.extend(words.map(|words| (word, words)));
            } else if is_bitcode(&bytes) {
                let object = units.add(path.display().to_string(), path.clone(), stage);
                units.replaced.insert(word, vec![object.into()]);
            } else {
                units.note(path, &bytes);
            }
        }
        Ok(units)
    }

    pub fn in_place_of(&self, word: &OsStr) -> Option<Vec<OsString>> {
        self.replaced.get(word).cloned()
    }

    fn add(&mut self, name: String, bitcode: PathBuf, stage: &Stage) -> PathBuf {
        let object = stage.path(&format!("{}.o", self.bitcode.len()));
        self.bitcode.push(Unit { name, bitcode, object: object.clone() });
        object
    }

    /// The members of an archive that holds bitcode, as files that are linked where they would have been.
    fn archive(
        &mut self,
        path: &Path,
        bytes: &[u8],
        whole: bool,
        stage: &Stage,
    ) -> Result<Option<Vec<OsString>>> {
        let damaged = |cause: object::Error| Error::Input {
            file: path.display().to_string(),
            problem: "the archive is damaged".into(),
            found: cause.to_string(),
            advice: "build it again",
        };
        let mut members = Vec::new();
        for member in ArchiveFile::parse(bytes).map_err(damaged)?.members() {
            let member = member.map_err(damaged)?;
            members.push((member.name(), member.data(bytes).map_err(damaged)?));
        }
        if !members.iter().any(|(_, data)| is_bitcode(data)) {
            return Ok(None);
        }
        let mut words = Vec::new();
        for (name, data) in members {
            let name = OsStr::from_bytes(name);
            let file = stage.write(&format!("{}-{}.member", self.replaced.len(), words.len()), data)?;
            if is_bitcode(data) {
                let object = self.add(format!("{}({})", path.display(), name.display()), file, stage);
                words.push(object.into());
            } else if data.starts_with(&elf::ELFMAG) {
                words.push(file.into());
            }
        }
        if !whole {
            words.insert(0, "--start-lib".into());
            words.push("--end-lib".into());
        }
        Ok(Some(words))
    }

    fn note(&mut self, path: &Path, bytes: &[u8]) {
        let Ok(header) = Header::parse(bytes) else { return };
        if header.e_type.get(LE) == elf::ET_DYN {
            let offers = |image: DependencyImage| !image.package().exports.is_empty();
            if DependencyImage::open(path).is_ok_and(offers) {
                self.packages.push(path.to_owned());
            }
            if self.allocator.is_none() && allocator::is_in(bytes) {
                self.allocator = Some(path.to_owned());
            }
        } else if let Ok(sections) = header.sections(LE, bytes) {
            let is_metadata =
                |s: &elf::SectionHeader64<LE>| sections.section_name(LE, s) == Ok(RUST_METADATA);
            self.is_package |= sections.iter().any(is_metadata);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BITCODE: &[u8] = b"BC\xc0\xde";

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = b"!<arch>\n".to_vec();
        for (name, data) in members {
            let head = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, data.len());
            bytes.extend_from_slice(head.as_bytes());
            bytes.extend_from_slice(data);
            bytes.resize(bytes.len().next_multiple_of(2), b'\n');
        }
        bytes
    }

    #[test]
    fn objects_take_the_place_of_bitcode() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path.into_os_string()
        };
        let crates = archive(&[("lib.rmeta/", b"\x7fELF"), ("a.o/", BITCODE), ("notes/", b"text")]);
        let inputs = [
            file("a.bc", BITCODE),
            file("liba.rlib", &crates),
            file("libb.a", &archive(&[("b.o/", b"\x7fELF")])),
            file("c.o", b"\x7fELF"),
            "missing.o".into(),
        ];
        let mut args = vec![OsString::from("--whole-archive")];
        args.extend(inputs.iter().cloned());
        for whole in [true, false] {
            let invocation = Invocation::parse(args[usize::from(!whole)..].to_vec()).unwrap();
            let stage = Stage::beside(&folder.path().join("out.so")).unwrap();
            let units = Units::find(&invocation, &stage).unwrap();
            let names: Vec<&str> = units.bitcode.iter().map(|unit| unit.name.as_str()).collect();
            assert!(names[0].ends_with("/a.bc") && names[1].ends_with("/liba.rlib(a.o)"), "{names:?}");
            assert_eq!(names.len(), 2);
            let objects: Vec<OsString> =
                units.bitcode.iter().map(|unit| unit.object.clone().into_os_string()).collect();
            assert_eq!(units.in_place_of(&inputs[0]), Some(vec![objects[0].clone()]));
            let words = units.in_place_of(&inputs[1]).unwrap();
            let lazy = words.first().is_some_and(|word| word == "--start-lib")
                && words.last().is_some_and(|word| word == "--end-lib");
            assert_eq!(
                (lazy, words.len(), words.contains(&objects[1])),
                (!whole, 2 + 2 * usize::from(!whole), true)
            );
            assert!(inputs[2..].iter().all(|input| units.in_place_of(input).is_none()));
            assert!(!units.is_package && units.packages.is_empty());
        }
    }
}
