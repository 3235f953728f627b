//! The shim objects: compiled by the build script from `runtime-shim`, one per architecture.

use crate::args::Invocation;
use crate::error::{Error, Result};
use crate::scan::Inputs;
use image_format::cpu::Arch;
use object::LittleEndian;
use object::elf;
use object::read::elf::FileHeader;
use std::ffi::OsString;
use std::mem::offset_of;

/// The weak symbol of glibc's dynamic linker that tells where the process's first stack is. Images that have it from another do
/// not ask for it.
pub const FIRST_STACK: &str = "__libc_stack_end";
/// What the images of a process share.
const PROCESS: &str = "__jl_process_v1";
/// The constructor of an image that lends it.
pub const CONSTRUCTOR: &str = "__jl_construct_v1";

type Header = elf::FileHeader64<LittleEndian>;

#[cfg(jl_x86_64)]
const X86_64: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/jl_runtime_shim_x86_64.o")));
#[cfg(not(jl_x86_64))]
const X86_64: Option<&[u8]> = None;

#[cfg(jl_aarch64)]
const AARCH64: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/jl_runtime_shim_aarch64.o")));
#[cfg(not(jl_aarch64))]
const AARCH64: Option<&[u8]> = None;

/// The object for images of `arch`; `None` when this program was built by a compiler without a core library for
/// it (the build said so).
const fn embedded(arch: Arch) -> Option<&'static [u8]> {
    match arch {
        Arch::X86_64 => X86_64,
        Arch::Aarch64 => AARCH64,
    }
}

/// The shim object of one link.
pub struct Shim {
    pub object: Vec<u8>,
    /// Whether its constructor can work for other images.
    serves_others: bool,
}

/// What stands before the constructor's entry in an object that was not prepared yet.
const NO_HASH: &[u8; 8] = b"jl-link!";

impl Shim {
    /// The user's, or the built-in one.
    ///
    /// # Errors
    /// The user's cannot be read, or this jl-link was built without one for the architecture of the inputs.
    pub fn of(inputs: &Inputs, invocation: &Invocation) -> Result<Shim> {
        let arch = inputs.image_arch().unwrap_or(Arch::HOST);
        let object = match &invocation.own.shim {
            Some(path) => std::fs::read(path).map_err(|cause| Error::Read { path: path.clone(), cause })?,
            None => embedded(arch).ok_or(Error::NoShim { arch: arch.name() })?.to_vec(),
        };
        let mut shim = Shim::prepared(object);
        if !inputs.recent_glibc {
            shim.wait_for_the_constructor();
        }
        Ok(shim)
    }

    /// Puts a hash of the object before its constructor's entry, by which images tell whether they have the same code.
    fn prepared(mut object: Vec<u8>) -> Shim {
        let place = object.windows(NO_HASH.len()).position(|bytes| bytes == NO_HASH);
        if let Some(at) = place {
            let hash = blake3::hash(&object);
            object[at..at + NO_HASH.len()].copy_from_slice(&hash.as_bytes()[..NO_HASH.len()]);
        }
        Shim { object, serves_others: place.is_some() }
    }

    /// Makes an ordinary function of the one that dynamic linkers ask while they relocate an image: where there is none, or it is
    /// not glibc's. What becomes of the others [`crate::ifunc`] decides by the output.
    fn wait_for_the_constructor(&mut self) {
        let is_ifunc = |_: &str, symbol: &Symbol| symbol.st_type() == elf::STT_GNU_IFUNC;
        if let Some(at) = find(&self.object, is_ifunc) {
            self.object[at + INFO] = self.object[at + INFO] & 0xf0 | elf::STT_FUNC.0;
        }
    }

    /// For an image that runs the constructor of another: what that shares with the process, this image need not, and the dynamic
    /// linker has two symbols less to look for. Where the other turns out to be of another release, this image's own code runs,
    /// as a constructor, and reads for itself what others share.
    pub fn learn_from_another(&mut self) {
        for shared in [FIRST_STACK, PROCESS] {
            if let Some(at) = find(&self.object, |name, _| name == shared) {
                self.object[at + OTHER] = elf::STV_HIDDEN.0;
                if shared == FIRST_STACK {
                    // Under a name of our own, which lacks the first letter: objects of the user's may mean the other.
                    let name = self.object[at..].first_chunk().map_or(0, |name| u32::from_le_bytes(*name));
                    self.object[at..at + 4].copy_from_slice(&(name + 1).to_le_bytes());
                }
            }
        }
    }

    /// What lld is asked, so that the output's constructor serves images that depend on it, or are loaded with it. An image that
    /// has dependencies uses theirs.
    pub fn constructor_for_others(&self) -> Option<OsString> {
        self.serves_others.then(|| format!("--defsym={CONSTRUCTOR}=jl_image_construct").into())
    }
}

type Symbol = elf::Sym64<LittleEndian>;
/// Fields of a symbol: type and binding, and visibility.
const INFO: usize = offset_of!(Symbol, st_info);
const OTHER: usize = offset_of!(Symbol, st_other);

/// Where an object's first symbol stands that `is_wanted`.
fn find(object: &[u8], is_wanted: impl Fn(&str, &Symbol) -> bool) -> Option<usize> {
    let endian = LittleEndian;
    let sections = Header::parse(object).ok()?.sections(endian, object).ok()?;
    let symbols = sections.symbols(endian, object, elf::SHT_SYMTAB).ok()?;
    let name = |symbol: &Symbol| {
        symbols.symbol_name(endian, symbol).ok().and_then(|name| str::from_utf8(name).ok()).unwrap_or("")
    };
    let symbol = symbols.iter().find(|symbol| is_wanted(name(symbol), symbol))?;
    Some(&raw const *symbol as usize - object.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_gets_another_hash() {
        let object = |text: &[u8]| [text, NO_HASH, b"endbr64"].concat();
        let [one, same, other] = [&b"a"[..], b"a", b"b"].map(|text| Shim::prepared(object(text)));
        assert!(one.serves_others);
        assert_eq!(one.object, same.object);
        assert_ne!(one.object[1..9], other.object[1..9]);
        assert_ne!(&one.object[1..9], NO_HASH);
        assert_eq!(&one.object[9..], b"endbr64");
    }

    #[test]
    fn an_object_of_another_kind_stays_as_it_is() {
        let shim = Shim::prepared(b"something else".to_vec());
        assert_eq!((&*shim.object, shim.constructor_for_others()), (&b"something else"[..], None));
    }

    #[test]
    fn the_embedded_objects_serve_others() {
        for object in [X86_64, AARCH64].into_iter().flatten() {
            let shim = Shim::prepared(object.to_vec());
            assert!(shim.constructor_for_others().is_some());
            assert!(!shim.object.windows(NO_HASH.len()).any(|bytes| bytes == NO_HASH));
        }
    }

    #[test]
    fn only_recent_glibc_asks_an_ifunc() {
        for object in [X86_64, AARCH64].into_iter().flatten() {
            let mut shim = Shim::prepared(object.to_vec());
            let is_ifunc = |_: &str, symbol: &Symbol| symbol.st_type() == elf::STT_GNU_IFUNC;
            let at = find(&shim.object, is_ifunc).unwrap() + INFO;
            shim.wait_for_the_constructor();
            assert_eq!(find(&shim.object, is_ifunc), None);
            assert_eq!(shim.object[at] & 15, elf::STT_FUNC.0);
            assert_eq!(shim.object[at] & 0xf0, object[at] & 0xf0, "its binding");
        }
    }

    #[test]
    fn what_another_shares_is_hidden() {
        for object in [X86_64, AARCH64].into_iter().flatten() {
            let mut shim = Shim::prepared(object.to_vec());
            let visibility = |object: &[u8], shared: &str| {
                find(object, |name, _| name == shared).map(|at| object[at + OTHER])
            };
            for shared in [FIRST_STACK, PROCESS] {
                assert_eq!(visibility(&shim.object, shared), Some(elf::STV_DEFAULT.0));
            }
            shim.learn_from_another();
            assert_eq!(visibility(&shim.object, FIRST_STACK), None, "it is the user's");
            for shared in [&FIRST_STACK[1..], PROCESS] {
                assert_eq!(visibility(&shim.object, shared), Some(elf::STV_HIDDEN.0));
            }
        }
    }

    #[test]
    fn any_hash_is_an_operand_on_x86_64() {
        // A MOV to RAX of 8 bytes: what the hash is must not decide how code around it reads.
        let Some(object) = X86_64 else { return };
        let at = object.windows(NO_HASH.len()).position(|bytes| bytes == NO_HASH).unwrap();
        assert_eq!(object[at - 2..at], [0x48, 0xb8]);
    }
}
