//! The few system calls that are needed, safe where they can be.

use crate::arguments::{AT_PAGESZ, Arguments};
use crate::environ::auxiliary;
use crate::sys_arch as arch;
use core::ffi::CStr;

const AT_FDCWD: isize = -100;
const O_WRONLY: usize = 1;
const O_CREAT: usize = 0o100;
const O_APPEND: usize = 0o2000;
const O_CLOEXEC: usize = 0o200_0000;
const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const SIGABRT: usize = 6;
const EINTR: isize = -4;
const EINVAL: isize = -22;

/// An open file, closed on drop.
pub struct File(usize);

impl File {
    /// Opens a file for reading; `None` when it cannot be opened.
    pub fn open(path: &CStr) -> Option<File> {
        Self::open_with(path, O_CLOEXEC)
    }

    /// Opens a file for appending and makes it (mode 0644) if it is not there.
    pub fn append(path: &CStr) -> Option<File> {
        Self::open_with(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC)
    }

    fn open_with(path: &CStr, flags: usize) -> Option<File> {
        // SAFETY: `path` is readable up to and with its zero, and openat writes no memory of ours.
        let fd =
            unsafe { arch::call(arch::OPEN_AT, [AT_FDCWD as usize, path.as_ptr() as usize, flags, 0o644]) };
        usize::try_from(fd).ok().map(File)
    }

    /// Reads some bytes; `None` at the end and on error.
    pub fn read<'b>(&self, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        loop {
            // SAFETY: the kernel writes at most buffer.len() bytes into `buffer`, which is borrowed mutably.
            let n =
                unsafe { arch::call(arch::READ, [self.0, buffer.as_mut_ptr() as usize, buffer.len(), 0]) };
            if n != EINTR {
                return buffer.get(..usize::try_from(n).ok()?).filter(|bytes| !bytes.is_empty());
            }
        }
    }

    pub fn write(&self, bytes: &[u8]) {
        write(self.0, bytes);
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: the descriptor is ours alone (opened above, never handed out) and not used after this.
        unsafe { arch::call(arch::CLOSE, [self.0, 0, 0, 0]) };
    }
}

pub fn write_stderr(bytes: &[u8]) {
    write(2, bytes);
}

/// Writes all of `bytes` as far as the receiver takes them: there is nobody to tell about an error.
fn write(fd: usize, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads `bytes.len()` bytes from `bytes` and writes no memory of ours.
        let n = unsafe { arch::call(arch::WRITE, [fd, bytes.as_ptr() as usize, bytes.len(), 0]) };
        match usize::try_from(n) {
            Ok(n) if n > 0 => bytes = bytes.get(n..).unwrap_or(&[]),
            _ if n == EINTR => {}
            _ => return,
        }
    }
}

/// The size of a page in bytes; `None` when the kernel does not tell.
pub fn page_size(arguments: Option<Arguments>) -> Option<usize> {
    if let [only] = arch::PAGE_SIZES[..] {
        return Some(only);
    }
    let told = match arguments {
        Some(vectors) => vectors.value(AT_PAGESZ),
        None => {
            let mut buffer = [0; 1024];
            auxiliary(read_auxiliary(&mut buffer), AT_PAGESZ)
        }
    };
    told.filter(|size| is_page_size(*size))
}

/// Whether kernels of this architecture are built for pages of this size.
pub fn is_page_size(size: usize) -> bool {
    arch::PAGE_SIZES.contains(&size)
}

/// The kernel's copy of the auxiliary vector; empty where it cannot be read.
pub fn read_auxiliary(buffer: &mut [u8]) -> &[u8] {
    File::open(c"/proc/self/auxv").and_then(|file| file.read(buffer)).unwrap_or(&[])
}

/// Makes pages writable (and readable) or read-only; whether it worked. `start` and `size` in bytes,
/// multiples of [`page_size`].
///
/// # Safety
/// The pages must hold data, not code, and nothing may write to them while they are read-only.
pub unsafe fn protect(start: usize, size: usize, writable: bool) -> bool {
    let protection = if writable { PROT_READ | PROT_WRITE } else { PROT_READ };
    // SAFETY: the caller answers for who uses these pages; mprotect moves and frees nothing.
    unsafe { arch::call(arch::MPROTECT, [start, size, protection, 0]) == 0 }
}

/// Whether the 8 bytes at `address` are mapped and readable.
pub fn is_readable(address: usize) -> bool {
    // The kernel reads the new mask before it looks at what to do with it, and there is no such thing to do.
    const NO_SUCH_WAY: usize = usize::MAX;
    // SAFETY: the kernel reads 8 bytes, or finds that it cannot, and changes nothing.
    unsafe { arch::call(arch::RT_SIGPROCMASK, [NO_SUCH_WAY, address, 0, 8]) == EINVAL }
}

/// Ends the process with `status`, at once: no handler, no destructor.
pub fn exit(status: u8) -> ! {
    loop {
        // SAFETY: exit_group takes no pointer and does not return.
        unsafe { arch::call(arch::EXIT_GROUP, [usize::from(status), 0, 0, 0]) };
    }
}

/// Ends the process as abort(3) does: SIGABRT, whatever its handler does.
pub fn abort() -> ! {
    raise_abort();
    // A handler returned or the signal is ignored: the default action cannot be. The kernel's
    // sigaction is four words (handler, flags, restorer, mask), all zero: SIG_DFL.
    let default = [0usize; 4];
    // SAFETY: the kernel reads `default`, 32 bytes, and writes nothing (the old action is not asked for).
    unsafe { arch::call(arch::RT_SIGACTION, [SIGABRT, default.as_ptr() as usize, 0, 8]) };
    raise_abort();
    exit(127)
}

fn raise_abort() {
    // SAFETY: none of the three takes a pointer; the signal goes to this very thread.
    unsafe {
        let process = arch::call(arch::GETPID, [0; 4]) as usize;
        let thread = arch::call(arch::GETTID, [0; 4]) as usize;
        arch::call(arch::TGKILL, [process, thread, SIGABRT, 0]);
    }
}
