//! The vectors that the kernel put onto the first stack (arguments, environment, auxiliary), where the
//! dynamic linker hands them to constructors.
//!
//! glibc calls constructors as `f(argc, argv, envp)`, also under dlopen; musl passes nothing. Asking `/proc`
//! instead works everywhere but costs some 20 us in a new process, so that is the second choice.

use crate::environ::{Scanner, Variables};
use crate::sys::is_page_size;
use core::ffi::{CStr, c_char};

const AT_NULL: usize = 0;
pub(crate) const AT_PAGESZ: usize = 6;
const AT_BASE: usize = 7;
const AT_SECURE: usize = 23;

/// The vectors, found to be what they must be.
#[derive(Clone, Copy)]
pub struct Arguments {
    environment: *const *const c_char,
    auxiliary: *const [usize; 2],
}

/// What a constructor would find in its first three arguments, where none was called: from `noted`, where glibc's dynamic linker
/// keeps the address of the kernel's vectors (`__libc_stack_end`). `None` where it is null, or forgot.
///
/// # Safety
/// `noted` is null or that word of this process.
pub unsafe fn registers_at(noted: *const usize) -> Option<[usize; 3]> {
    if noted.is_null() {
        return None;
    }
    // SAFETY: by the caller's word. The vectors begin with the count of arguments (System V ABI, 3.4.1).
    unsafe {
        let first = noted.read_volatile() as *const usize;
        if first.is_null() || !first.is_aligned() {
            return None;
        }
        let (argc, argv) = (first.read(), first.wrapping_add(1));
        Some([argc, argv as usize, argv.wrapping_add(argc).wrapping_add(1) as usize])
    }
}

impl Arguments {
    /// From what a constructor finds in its first three arguments. `None` when that are not the kernel's
    /// vectors: nothing was passed, or the program has moved its environment.
    ///
    /// # Safety
    /// The values come from the caller of a constructor and were not changed since. If `argv` and `envp` are
    /// related as the kernel's vectors are, then they are the vectors of this process.
    pub unsafe fn from_registers(argc: usize, argv: usize, envp: usize) -> Option<Arguments> {
        let word = size_of::<usize>();
        let plausible = argc < 1 << 24 && argv != 0 && argv.is_multiple_of(word);
        // The kernel lays out argv[0..argc], a null, envp[..], a null, auxv (System V ABI, 3.4.1). Leftovers
        // in registers do not satisfy this.
        if !plausible || envp != argv.wrapping_add(word * (argc + 1)) {
            return None;
        }
        let environment = envp as *const *const c_char;
        // SAFETY: by the caller's word these are the vectors, so that the environment ends with a null and
        // the auxiliary vector, which is read up to its AT_NULL only, follows.
        unsafe {
            if !(*environment.sub(1)).is_null() {
                return None;
            }
            let mut end = environment;
            while !(*end).is_null() {
                end = end.add(1);
            }
            let found = Arguments { environment, auxiliary: end.add(1).cast() };
            // Behind an environment that was shortened in place no auxiliary vector stands.
            let is_vector =
                found.value(AT_PAGESZ).is_some_and(is_page_size) && found.value(AT_SECURE).is_some();
            is_vector.then_some(found)
        }
    }

    /// Our variables; none in secure-execution mode.
    pub fn variables(&self) -> Variables {
        if self.value(AT_SECURE) != Some(0) {
            return Variables::EMPTY;
        }
        let mut scanner = Scanner::NEW;
        let mut entry = self.environment;
        // SAFETY: `from_registers` walked the environment to its null; entries are C strings.
        unsafe {
            while !(*entry).is_null() {
                // Most variables are not ours: look at the first bytes before all are walked.
                if *(*entry).cast::<u8>() == b'J' {
                    scanner.feed(CStr::from_ptr(*entry).to_bytes_with_nul());
                }
                entry = entry.add(1);
            }
        }
        scanner.finish()
    }

    /// The value of a variable, for the preloaded shim (`inline`: the embedded one does not carry it).
    #[inline]
    pub fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        let mut entry = self.environment;
        // SAFETY: `from_registers` walked the environment to its null; entries are C strings.
        unsafe {
            while !(*entry).is_null() {
                let text = CStr::from_ptr(*entry);
                let value = text.to_bytes().strip_prefix(name).and_then(|rest| rest.strip_prefix(b"="));
                if value.is_some() {
                    return value;
                }
                entry = entry.add(1);
            }
        }
        None
    }

    /// Where the dynamic linker is loaded; `None` in a static program.
    pub fn dynamic_linker(&self) -> Option<usize> {
        self.value(AT_BASE).filter(|base| *base != 0)
    }

    /// An entry of the auxiliary vector.
    pub fn value(&self, tag: usize) -> Option<usize> {
        let mut entry = self.auxiliary;
        // SAFETY: an auxiliary vector (or, before it was found to be one, zeros or the tail of the
        // environment before it) up to its AT_NULL.
        unsafe {
            while (*entry)[0] != AT_NULL {
                if (*entry)[0] == tag {
                    return Some((*entry)[1]);
                }
                entry = entry.add(1);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;
    use std::vec::Vec;

    fn vectors(environment: &[&CStr], auxiliary: &[usize]) -> Vec<usize> {
        let mut words = std::vec![c"program".as_ptr() as usize, 0];
        words.extend(environment.iter().map(|entry| entry.as_ptr() as usize));
        words.push(0);
        words.extend(auxiliary);
        words
    }

    fn read(words: &[usize], argc: usize, envp_at: usize) -> Option<Variables> {
        let argv = words.as_ptr() as usize;
        // SAFETY: `words` is laid out as the vectors are.
        unsafe { Arguments::from_registers(argc, argv, argv + 8 * envp_at) }.map(|found| found.variables())
    }

    #[test]
    fn the_kernels_layout_and_nothing_else() {
        let environment = [c"A=1", c"JL_LOAD_TARGET=4", c"JL_LOADX=1"];
        let words = vectors(&environment, &[AT_PAGESZ, 4096, AT_SECURE, 0, 0, 0]);
        assert_eq!(read(&words, 1, 2).unwrap().target.as_slice(), b"4");
        assert!(read(&words, 1, 3).is_none(), "an environment elsewhere");
        assert!(read(&words, 2, 3).is_none(), "a wrong count");
        let secure = vectors(&environment, &[AT_PAGESZ, 4096, AT_SECURE, 1, 0, 0]);
        assert!(read(&secure, 1, 2).unwrap().is_empty());
        let shortened = vectors(&environment, &[0, AT_PAGESZ, 4096, AT_SECURE, 0, 0, 0]);
        assert!(read(&shortened, 1, 2).is_none());
        let stack = [&[1], &*words].concat();
        // SAFETY: a word that leads to what is laid out as the vectors are.
        let [argc, argv, envp] = unsafe { registers_at(&(stack.as_ptr() as usize)) }.unwrap();
        assert_eq!((argc, argv, envp), (1, stack.as_ptr() as usize + 8, stack.as_ptr() as usize + 24));
        // SAFETY: as above.
        assert!(unsafe { Arguments::from_registers(argc, argv, envp) }.is_some());
        // SAFETY: null, and a word that is.
        assert!(unsafe { registers_at(core::ptr::null()).is_none() && registers_at(&0).is_none() });
        // SAFETY: nothing is read where the values are not related.
        assert!(unsafe { Arguments::from_registers(3, 16, 99) }.is_none());
    }
}
