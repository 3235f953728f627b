//! Running ld.lld, and what the link is asked beyond what the user asked.

use crate::args::{Invocation, Strip};
use crate::elf::Elf;
use crate::error::{Error, Result};
use crate::llvm::Llvm;
use crate::packages::{Dependencies, Late};
use crate::response;
use crate::scan::{Inputs, RELR_VERSION};
use crate::shims::Shim;
use image_format::cpu::Arch;
use object::elf;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The linker that does the linking.
pub struct Lld {
    llvm: Llvm,
    program: PathBuf,
}

impl Lld {
    /// `JL_LLD`, or the one of this LLVM.
    pub fn find(llvm: Llvm) -> Result<Lld> {
        Ok(Lld { llvm, program: llvm.tool("JL_LLD", "ld.lld", "lld")? })
    }

    /// Links with the user's arguments and nothing else.
    pub fn run_plain(&self, invocation: &Invocation) -> Result<ExitStatus> {
        if !response::is_long(&invocation.plain) {
            return self.run(invocation.plain.clone());
        }
        let scratch = tempfile::tempdir();
        let scratch = scratch.map_err(|cause| Error::Write { path: std::env::temp_dir(), cause })?;
        self.run(response::shorten(invocation.plain.clone(), &scratch.path().join("args.rsp"))?)
    }

    fn run(&self, args: Vec<OsString>) -> Result<ExitStatus> {
        let status = Command::new(&self.program).args(args).status();
        status.map_err(|cause| Error::Spawn { program: self.program.clone(), cause })
    }

    /// Runs without the warnings that [`complains_of_icf`] is about.
    fn run_quieter(&self, args: Vec<OsString>) -> Result<ExitStatus> {
        let failed = |cause| Error::Spawn { program: self.program.clone(), cause };
        let mut command = Command::new(&self.program);
        if std::io::stderr().is_terminal() {
            // What lld would find out by itself if it still wrote to the terminal; the user's wins.
            command.arg("--color-diagnostics");
        }
        let mut child = command.args(args).stderr(Stdio::piped()).spawn().map_err(failed)?;
        if let Some(messages) = child.stderr.take() {
            for line in BufReader::new(messages).split(b'\n') {
                let line = line.map_err(failed)?;
                let ours = line.windows(ICF_COMPLAINT.len()).any(|w| w == ICF_COMPLAINT);
                if !ours {
                    std::io::stderr().write_all(&[&line[..], b"\n"].concat()).map_err(failed)?;
                }
            }
        }
        child.wait().map_err(failed)
    }

    /// Links into `stage` with the shim and everything that the later phases need.
    pub fn link(
        &self,
        invocation: &Invocation,
        inputs: &Inputs,
        stage: &Stage,
        additions: Additions<'_>,
    ) -> Result<Linked> {
        let Additions { room, dependencies, late, unpacked } = additions;
        let needed = dependencies.link_args(inputs, &late.needed);
        let mut shim = Shim::of(inputs, invocation)?;
        if dependencies.lend_constructor(inputs, &late.needed) {
            shim.learn_from_another();
        }
        let mut ours = vec![stage.write(SHIM, &shim.object)?];
        if let Some(room) = room {
            ours.push(stage.write(ROOM, room)?);
        }
        for (number, object) in late.objects.iter().enumerate() {
            ours.push(stage.write(&format!("jl-packages-{number}.o"), object)?);
        }
        let mut args = link_args(self.llvm, invocation, inputs, stage, &ours);
        // A version script hides the name, or gives it a version: then those that use it would need that version.
        // Unrelaxed code reads pointers that are not relocated yet when others, whose turn comes earlier, have it run.
        // A program stands before all libraries, so that each would find its code, but is relocated after them.
        let lends = invocation.shared && !invocation.version_script_given && !invocation.no_relax;
        if needed.is_empty() && lends {
            args.extend(shim.constructor_for_others());
        }
        args.extend(needed);
        if unpacked {
            args.extend(["-z", "nopack-relative-relocs"].map(OsString::from));
        }
        self.link_staged(invocation, stage, args, &ours, complains_of_icf(invocation, inputs))
    }

    /// What a link without additions draws in of archives; nothing of it is kept.
    pub fn extracted(&self, invocation: &Invocation, inputs: &Inputs, stage: &Stage) -> Result<Probed> {
        let ours = [stage.write(SHIM, &Shim::of(inputs, invocation)?.object)?];
        let mut args = link_args(self.llvm, invocation, inputs, stage, &ours);
        let list = stage.path(PROBED);
        let mut option = OsString::from("--why-extract=");
        option.push(&list);
        // The names of symbols count, not what they mean in C++.
        args.extend(["--no-demangle".into(), option]);
        match self.link_staged(invocation, stage, args, &ours, complains_of_icf(invocation, inputs))? {
            Linked::Failed(status) => Ok(Probed::Failed(status)),
            Linked::Image { .. } => {
                let text = std::fs::read_to_string(&list);
                let text = text.map_err(|cause| Error::Read { path: list.clone(), cause })?;
                Ok(Probed::Extracted { members: column(&text, 1), symbols: column(&text, 2) })
            }
        }
    }

    /// Links an image from Julia into `stage`: as the user asked, and with `room`.
    pub fn link_julia(&self, invocation: &Invocation, stage: &Stage, room: Option<&[u8]>) -> Result<Linked> {
        let ours: Vec<PathBuf> =
            room.map(|room| stage.write(ROOM, room)).into_iter().collect::<Result<_>>()?;
        let mut args: Vec<OsString> = ours.iter().map(OsString::from).collect();
        args.extend(invocation.for_link.iter().cloned());
        args.extend(["-o".into(), stage.path(LINKED).into()]);
        if invocation.strip >= Strip::Debug {
            args.push("--strip-debug".into());
        }
        self.link_staged(invocation, stage, args, &ours, false)
    }

    fn link_staged(
        &self,
        invocation: &Invocation,
        stage: &Stage,
        args: Vec<OsString>,
        ours: &[PathBuf],
        quieter: bool,
    ) -> Result<Linked> {
        if invocation.own.verbose {
            eprintln!("jl-link: {} {}", self.program.display(), join(&args));
        }
        let args = response::shorten(args, &stage.path("args.rsp"))?;
        let status = if quieter { self.run_quieter(args) } else { self.run(args) }?;
        if !status.success() {
            return Ok(Linked::Failed(status));
        }
        if let Some(file) = &invocation.dependency_file {
            mend_dependency_file(file, &stage.path(LINKED), &invocation.output(), ours)?;
        }
        let path = stage.path(LINKED);
        let bytes = std::fs::read(&path).map_err(|cause| Error::Read { path: path.clone(), cause })?;
        let extracted = std::fs::read_to_string(stage.path(EXTRACTED)).ok();
        let members = extracted.map(|text| column(&text, 1)).unwrap_or_default();
        Ok(Linked::Image { path, bytes, members })
    }
}

fn join(args: &[OsString]) -> String {
    args.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// What lld made of it: the third phase's output.
pub enum Linked {
    Failed(ExitStatus),
    Image {
        path: PathBuf,
        bytes: Vec<u8>,
        /// Archive members in the link that were asked for, named `archive(member)`.
        members: Vec<String>,
    },
}

/// What lld draws in of archives.
pub enum Probed {
    Failed(ExitStatus),
    Extracted {
        members: Vec<String>,
        /// What each was wanted for.
        symbols: Vec<String>,
    },
}

/// What a link gets besides what the user asked for.
#[derive(Clone, Copy)]
pub struct Additions<'a> {
    /// An object for the tables of Julia's shards.
    pub room: Option<&'a [u8]>,
    pub dependencies: &'a Dependencies,
    pub late: &'a Late,
    /// Relative relocations are left as they are.
    pub unpacked: bool,
}

const SHIM: &str = "jl-shim.o";
const LINKED: &str = "linked";
const EXTRACTED: &str = "extracted";
const PROBED: &str = "probed";
const ROOM: &str = "jl-room.o";

/// A directory beside the output: the finished file is renamed out of it, so that a half-written output is
/// never seen, and everything else disappears with it.
pub struct Stage {
    directory: tempfile::TempDir,
}

impl Stage {
    pub fn beside(output: &Path) -> Result<Stage> {
        let parent = match output.parent() {
            Some(p) if !p.as_os_str().is_empty() => p,
            _ => Path::new("."),
        };
        let directory = tempfile::Builder::new().prefix(".jl-link-").tempdir_in(parent);
        let stage_error = |cause| Error::Stage { output: output.into(), cause };
        Ok(Stage { directory: directory.map_err(stage_error)? })
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file into the directory.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        std::fs::write(&path, bytes).map_err(|cause| Error::Write { path: path.clone(), cause })?;
        Ok(path)
    }

    /// Leaves the directory where it is.
    pub fn keep(self) -> PathBuf {
        self.directory.keep()
    }
}

/// What stands in debug info for the addresses of folded and dropped code. lld's own 0 makes them all overlap
/// at address 0, which consumers complain of, and the clones that we fold are many. In DWARF 4's lists
/// all ones has another meaning (a base address follows) and 0 ends the list: there lld's own 1 stays. Of
/// several rules the last that matches counts, hence these stand before the user's.
const DEAD_DEBUG_ADDRESSES: [&str; 3] = [
    "dead-reloc-in-nonalloc=.debug_*=0xffffffffffffffff",
    "dead-reloc-in-nonalloc=.debug_ranges=1",
    "dead-reloc-in-nonalloc=.debug_loc=1",
];

/// lld's warning (LLVM 22) for each object whose address-significance table a `strip` cut off.
const ICF_COMPLAINT: &[u8] = b"--icf=safe conservatively ignores SHT_LLVM_ADDRSIG";

/// Whether lld will warn of inputs because of the `--icf=safe` that we add. Debian's own archives of clang's
/// objects are such inputs: nobody who links Fortran's run-time library could do anything about them.
fn complains_of_icf(invocation: &Invocation, inputs: &Inputs) -> bool {
    inputs.stale_addrsig && !invocation.icf_given
}

/// Whether warnings end the link, by the last of the options that say so.
fn warnings_are_fatal(invocation: &Invocation) -> bool {
    let words = invocation.plain.iter().rev().map(|a| a.to_string_lossy());
    let mut options = words.filter(|a| a.starts_with('-')).map(|a| a.trim_start_matches('-').to_string());
    options.find(|o| o == "fatal-warnings" || o == "no-fatal-warnings").is_some_and(|o| o == "fatal-warnings")
}

fn link_args(
    llvm: Llvm,
    invocation: &Invocation,
    inputs: &Inputs,
    stage: &Stage,
    ours: &[PathBuf],
) -> Vec<OsString> {
    // The shim comes first, so that among constructors of equal priority its own runs first.
    let mut args: Vec<OsString> = ours.iter().map(OsString::from).collect();
    args.extend(DEAD_DEBUG_ADDRESSES.iter().flat_map(|rule| ["-z".into(), rule.into()]));
    args.extend(invocation.for_link.iter().cloned());
    let mut add = |words: &[&OsStr]| args.extend(words.iter().map(|w| (*w).to_owned()));
    add(&["-o".as_ref(), stage.path(LINKED).as_os_str()]);
    // Relocations in the output tell where every branch goes; full RELRO because slots live there.
    add(&["--emit-relocs", "-z", "now", "-z", "relro"].map(OsStr::new));
    let fatal = complains_of_icf(invocation, inputs) && warnings_are_fatal(invocation);
    if !invocation.icf_given && !fatal {
        // Safe: folds only what no address-significance table names; clones never are in one.
        add(&["--icf=safe".as_ref()]);
    }
    if !invocation.relr_given && !invocation.own.no_relr && inputs.recent_glibc {
        // A slot costs 8 bytes and 4.4 ns at load so, 32 bytes and 8.1 ns as an entry of .rela.dyn
        // (measured at 100,000 slots). The image then asks for glibc 2.36 or later by version.
        add(&["-z", "pack-relative-relocs"].map(OsStr::new));
    }
    if !invocation.placement_given && inputs.image_arch().unwrap_or(Arch::HOST) == Arch::X86_64 {
        // What follows the code, RELRO, then begins with a page: fewer of them are written to, hence copied, in each process.
        // The file grows by up to a page of the largest size twice: 4 KiB here, 64 on aarch64, where that is not worth it.
        add(&["-z", "separate-code"].map(OsStr::new));
    }
    if invocation.build_id.is_none() {
        add(&["--build-id=sha1".as_ref()]);
    }
    if invocation.strip >= Strip::Debug {
        // Of -s only this much: without a symbol table there would be nothing to find clones by.
        add(&["--strip-debug".as_ref()]);
    }
    if !invocation.why_extract_given {
        let mut option = OsString::from("--why-extract=");
        option.push(stage.path(EXTRACTED));
        add(&[&option]);
    }
    if inputs.bitcode && !invocation.pass_plugin_given {
        add_plugin(llvm, &mut args);
    }
    args
}

/// Whether glibc refuses the output for what we had lld do: packed relocations must come with a version that lld asks libc for only where
/// something else is asked of libc, but glibc misses it wherever a version of any library is asked for (elf/dl-version.c).
pub fn lacks_relr_version(linked: &Elf, invocation: &Invocation) -> bool {
    let has = |kind: elf::SectionType| linked.sections.iter().any(|section| section.kind == kind);
    !invocation.relr_given
        && has(elf::SHT_RELR)
        && has(elf::SHT_GNU_VERNEED)
        && !linked.has_dynamic_string(RELR_VERSION)
}

fn add_plugin(llvm: Llvm, args: &mut Vec<OsString>) {
    let plugin = match llvm.plugin() {
        Ok(plugin) => plugin,
        Err(error) => {
            eprintln!("jl-link: warning: bitcode inputs stay at the baseline: {error}");
            return;
        }
    };
    // The key of a ThinLTO cache entry says nothing of pass plugins (LLVM 22): objects that were generated
    // without the plugin, by another one or for other targets would be taken for ours.
    let targets = std::env::var_os("JULIA_CPU_TARGET").unwrap_or_default();
    let identity = blake3::hash(&[&tool_identity(&plugin)[..], targets.as_bytes()].concat());
    for arg in args.iter_mut().filter(|a| a.as_bytes().starts_with(b"--thinlto-cache-dir=")) {
        arg.push(format!("/julienne-{}", &identity.to_hex()[..16]));
    }
    let mut option = OsString::from("--load-pass-plugin=");
    option.push(plugin);
    args.push(option);
}

/// Changes whenever a tool is built anew.
pub fn tool_identity(tool: &Path) -> Vec<u8> {
    let times = std::fs::metadata(tool).map(|m| (m.len(), m.mtime(), m.mtime_nsec())).unwrap_or_default();
    format!("{} {times:?} ", tool.display()).into_bytes()
}

/// lld wrote the name of the staged file, and objects of ours, which no build system can make.
fn mend_dependency_file(file: &Path, staged: &Path, output: &Path, ours: &[PathBuf]) -> Result<()> {
    // `-` and the like are lld's business.
    let Ok(text) = std::fs::read_to_string(file) else { return Ok(()) };
    let (staged, output) = (staged.display().to_string(), output.display().to_string());
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        // As paths: lld writes `dir/./file` without the dot.
        let named = Path::new(line.trim_end_matches(['\\', ' ', ':']).trim_start());
        if ours.iter().any(|path| path == named) {
            // The last prerequisite carries no continuation; its predecessor must not have one then.
            if !line.ends_with('\\')
                && line.starts_with(' ')
                && let Some(last) = lines.last_mut()
            {
                *last = last.trim_end_matches(['\\', ' ']).to_string();
            }
            continue;
        }
        lines.push(line.replacen(&staged, &output, 1));
    }
    let text = lines.join("\n") + "\n";
    std::fs::write(file, text).map_err(|cause| Error::Write { path: file.into(), cause })
}

/// A column of `--why-extract`: 1 says which member was extracted, 2 for which symbol.
fn column(text: &str, number: usize) -> Vec<String> {
    text.lines().skip(1).filter_map(|line| Some(line.split('\t').nth(number)?.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("d");
        std::fs::write(&file, "/t/linked: \\\n  /t/s.o \\\n  a.o \\\n  b.o\n\n/t/s.o:\n\na.o:\n").unwrap();
        mend_dependency_file(&file, Path::new("/t/linked"), Path::new("out"), &["/t/s.o".into()]).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text, "out: \\\n  a.o \\\n  b.o\n\n\na.o:\n");
    }

    #[test]
    fn extracted_members() {
        let text = "reference\textracted\tsymbol\na.o\tl.a(b.o)\tf\n";
        assert_eq!((column(text, 1), column(text, 2)), (vec!["l.a(b.o)".into()], vec!["f".into()]));
    }
}
