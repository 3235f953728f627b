//! `jl-load matrix`: one program on several CPUs, emulated ones and this one; which target each image of
//! it chose there, and whether the program did the same everywhere.

mod emulator;
mod foreign;
mod place;
mod program;
mod row;
mod table;

pub use emulator::Emulator;
pub use place::{CpuReport, Offer, Place};
pub use program::Program;
pub use row::{Outcome, Row};
pub use table::Table;

use crate::elf::ElfError;
use serde::Serialize;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What the user asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// CPU models by the emulator's names, `native`, `native:CPU`, `native:TARGET` or `all`; none: a choice of
    /// models that differ.
    pub models: Vec<String>,
    /// How long one run may take.
    pub timeout: Duration,
    /// The preloaded shim, for images that a plain linker made.
    pub preload: Option<PathBuf>,
    /// Folder of the libraries for another architecture than this host's.
    pub sysroot: Option<PathBuf>,
    /// The program and its arguments.
    pub command: Vec<OsString>,
}

/// Why there is no matrix.
#[derive(Debug, thiserror::Error)]
pub enum MatrixError {
    #[error("no program was given: jl-load matrix [OPTIONS] -- CMD [ARGS]")]
    NoCommand,
    #[error("{}: not found: give the path of a program or a name in PATH", name.to_string_lossy())]
    NotFound { name: OsString },
    #[error("{path}: not executable: expected a program (chmod +x makes a file one)")]
    NotExecutable { path: PathBuf },
    #[error("{path}: cannot be read: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("{path}: a script: {problem}; give the program itself, an ELF file, with its arguments")]
    Script { path: PathBuf, problem: String },
    #[error(transparent)]
    Elf(#[from] ElfError),
    #[error("{path}: for ELF machine {found}, for which no emulator is known; expected {expected}")]
    Machine { path: PathBuf, found: u32, expected: String },
    #[error("{program}: cannot be run: {cause}; Debian has it in the package qemu-user")]
    NoEmulator { program: &'static str, cause: std::io::Error },
    #[error(
        "unknown CPU model {name:?}: expected native, native:CPU, native:TARGET, all, or one of {program}'s: {known}"
    )]
    UnknownModel { name: String, program: &'static str, known: String },
    #[error("{name:?}: unknown CPU: expected one of LLVM's names: {known}")]
    UnknownCap { name: String, known: String },
    #[error("{name:?}: the program is for another architecture than this host and cannot run natively")]
    NotNative { name: String },
    #[error("{name:?}: {program} cannot run 64-bit programs on it: {reason}")]
    Unusable { name: String, program: &'static str, reason: String },
    #[error(
        "{program} needs the libraries of the program's architecture, but there is no {tried}: install them or name their folder by --sysroot"
    )]
    NoSysroot { program: &'static str, tried: String },
    #[error("a preloaded shim exists for programs of this host's architecture only")]
    ForeignPreload,
    #[error(
        "{path}: {program} cannot be given a preloaded library whose path has a comma: install jl-load elsewhere"
    )]
    UnusablePreload { path: PathBuf, program: &'static str },
    #[error("{what}: {cause}")]
    System { what: String, cause: std::io::Error },
}

/// All rows, in the order in which they ran.
#[derive(Debug, Serialize)]
pub struct Matrix {
    /// The program that ran and its arguments.
    pub command: Vec<String>,
    pub rows: Vec<Row>,
}

impl Matrix {
    /// Whether the program did the same in every row that did not refuse to run.
    pub fn is_right(&self) -> bool {
        self.rows.iter().all(Row::is_right)
    }
}

/// What is to be run where: the first phase's output. Nothing but probes ran so far.
pub struct Plan {
    program: Program,
    emulator: &'static Emulator,
    places: Vec<(Place, Offer)>,
    preload: Option<PathBuf>,
    sysroot: Option<PathBuf>,
    timeout: Duration,
}

impl Plan {
    /// Finds the program, the emulator and the CPUs, and asks each CPU what it offers.
    pub fn new(request: &Request) -> Result<Plan, MatrixError> {
        let program = Program::find(&request.command)?;
        let Some(emulator) = Emulator::of(program.machine) else {
            let expected = emulator::EMULATORS.iter().map(|e| format!("{} ({})", e.machine, e.program));
            let expected = expected.collect::<Vec<_>>().join(" or ");
            return Err(MatrixError::Machine { path: program.file, found: program.machine, expected });
        };
        if let Some(path) = &request.preload {
            if !emulator.is_native() {
                return Err(MatrixError::ForeignPreload);
            } else if path.to_string_lossy().contains(',') {
                // It separates variables in the emulator's option for them.
                let path = path.clone();
                return Err(MatrixError::UnusablePreload { path, program: emulator.program });
            }
        }
        let sysroot = sysroot(request, &program, emulator)?;
        let places = place::places(&request.models, emulator, sysroot.as_deref())?;
        let (preload, timeout) = (request.preload.clone(), request.timeout);
        Ok(Plan { program, emulator, places, preload, sysroot, timeout })
    }

    /// Runs the program everywhere, one after the other; `each` sees every row as soon as it is there.
    pub fn run(&self, mut each: impl FnMut(&Row)) -> Result<Matrix, MatrixError> {
        let folder = tempfile::Builder::new().prefix("jl-load-matrix-").tempdir();
        let folder = folder.map_err(|cause| MatrixError::System {
            what: "no folder for what the program prints can be made".into(),
            cause,
        })?;
        row::forbid_core_files();
        let mut rows: Vec<Row> = Vec::new();
        let mut reference: Option<row::Reference> = None;
        for (index, (place, offer)) in self.places.iter().enumerate() {
            let (row, files) =
                row::run(self, place, offer, &folder.path().join(index.to_string()), reference.as_ref())?;
            if reference.is_none() && row.outcome != Outcome::Refused {
                reference = Some(row::Reference::new(&row, files));
            }
            each(&row);
            rows.push(row);
        }
        let words = std::iter::once(self.program.file.as_os_str())
            .chain(self.program.arguments.iter().map(OsString::as_os_str));
        Ok(Matrix { command: words.map(|word| word.to_string_lossy().into_owned()).collect(), rows })
    }

    /// Widths of the text form, known before the first row.
    pub fn table(&self) -> Table {
        Table::new(self.places.iter().map(|(place, offer)| (place.to_string(), offer.summary.clone())))
    }
}

/// Where the libraries of another architecture are; this host's own stand in the root.
fn sysroot(
    request: &Request,
    program: &Program,
    emulator: &'static Emulator,
) -> Result<Option<PathBuf>, MatrixError> {
    if let Some(folder) = &request.sysroot {
        let there = Some(folder.clone()).filter(|folder| folder.is_dir());
        let tried = folder.display().to_string();
        return there.map(Some).ok_or(MatrixError::NoSysroot { program: emulator.program, tried });
    }
    let usual = PathBuf::from(emulator.sysroot);
    if emulator.is_native() || std::env::var_os("QEMU_LD_PREFIX").is_some() {
        Ok(None)
    } else if usual.is_dir() {
        Ok(Some(usual))
    } else if program.is_dynamic {
        Err(MatrixError::NoSysroot { program: emulator.program, tried: emulator.sysroot.into() })
    } else {
        Ok(None)
    }
}
