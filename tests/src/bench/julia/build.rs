//! How system images are built: by Julia alone, and of the bitcode that it writes by the tools under test.

use crate::bench::usage::{Usage, measured};
use crate::command::run_ok;
use crate::tools::{CLANG, OPT, Tools, in_tests};
use anyhow::{Context, Result, ensure};
use object::read::elf::{FileHeader, SectionHeader};
use object::{LittleEndian, elf};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Julia as `scripts/demo-julia.d/get.sh` leaves it.
#[derive(Clone, Debug)]
pub struct Julia {
    folder: PathBuf,
}

/// What Julia's own passes may not do where vectorisation is left to us (LLVM's options).
const WITHOUT_VECTORS: &str = "-force-vector-width=1 -force-vector-interleave=1 -slp-threshold=100000";

/// What keeps Julia from writing its state as IR, too.
fn code_alone(folder: &Path) -> Result<PathBuf> {
    let library = folder.join("code_alone.so");
    let source = in_tests("julia/code_alone.c");
    run_ok(Command::new(CLANG).args(["-O2", "-shared", "-fPIC"]).arg(source).arg("-o").arg(&library))?;
    Ok(std::path::absolute(library)?)
}

/// A system image, and what building it took.
#[derive(Clone, Debug)]
pub struct Image {
    pub file: PathBuf,
    pub steps: Vec<(&'static str, Usage)>,
    /// Bytes of its executable sections.
    pub code: u64,
}

impl Image {
    fn new(file: PathBuf, steps: Vec<(&'static str, Usage)>) -> Result<Image> {
        let code = code_size(&file)?;
        Ok(Image { file, steps, code })
    }

    pub fn wall(&self) -> f64 {
        self.steps.iter().map(|(_, usage)| usage.wall).sum()
    }

    pub fn cpu(&self) -> f64 {
        self.steps.iter().map(|(_, usage)| usage.cpu).sum()
    }

    /// KiB.
    pub fn peak(&self) -> i64 {
        self.steps.iter().map(|(_, usage)| usage.peak).max().unwrap_or(0)
    }
}

impl Julia {
    /// # Errors
    /// Says how to get it where it is not there.
    pub fn find() -> Result<Julia> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
        let folder =
            cache.or_else(home).context("neither XDG_CACHE_HOME nor HOME is set")?.join("julienne-julia");
        let julia = Julia { folder };
        for needed in [julia.program(), julia.state(), julia.libraries().join("libjulia.so.1")] {
            ensure!(needed.exists(), "{} is missing: scripts/demo-julia gets it", needed.display());
        }
        Ok(julia)
    }

    fn root(&self) -> PathBuf {
        self.folder.join("root/usr")
    }

    /// Its own tests.
    pub fn tests(&self) -> PathBuf {
        self.root().join("share/julia/test")
    }

    fn program(&self) -> PathBuf {
        self.root().join("bin/julia")
    }

    fn libraries(&self) -> PathBuf {
        self.root().join("lib/x86_64-linux-gnu")
    }

    /// What images are made from: Julia's state before code is generated, `tests/julia/numeric.jl` included.
    pub fn state(&self) -> PathBuf {
        self.folder.join("sys.ji")
    }

    /// Julia with its own libraries, and nothing that the user has set for another one.
    pub fn command(&self) -> Command {
        let libraries = self.libraries();
        let paths = [
            libraries.clone(),
            libraries.join("julia"),
            libraries.join("openblas-pthread"),
            self.folder.join("root/lib/x86_64-linux-gnu"),
        ];
        let paths = paths.map(|path| path.display().to_string()).join(":");
        let mut command = Command::new(self.program());
        command.arg("--startup-file=no").env("LD_LIBRARY_PATH", paths);
        for name in
            ["JULIA_LLVM_ARGS", "JULIA_LOAD_PATH", "JULIA_DEPOT_PATH", "JULIA_CPU_TARGET", "JL_LOAD_TARGET"]
        {
            command.env_remove(name);
        }
        command
    }

    /// A run of Julia with this image.
    pub fn with_image(&self, image: &Path) -> Command {
        let mut command = self.command();
        command.arg("-J").arg(image);
        command
    }

    /// Julia's own build for a list of targets.
    pub fn own_image(&self, targets: &str, folder: &Path, name: &str) -> Result<Image> {
        let (archive, image) = (folder.join(format!("{name}.a")), folder.join(format!("{name}.so")));
        let mut julia = self.with_image(&self.state());
        julia.args(["-C", targets, "-O2", "--output-o"]).arg(&archive).args(["-e", "nothing"]);
        let julia = written(&mut julia)?;
        let mut link = Command::new("gcc");
        link.arg("-shared").arg("-o").arg(&image).args(["-Wl,--whole-archive"]).arg(&archive);
        link.arg("-Wl,--no-whole-archive").arg("-L").arg(self.libraries()).arg("-l:libjulia.so.1");
        let link = measured(&mut link)?;
        fs::remove_file(&archive)?;
        Image::new(image, vec![("julia", julia), ("link", link)])
    }

    /// The same by the tools under test: one process of Julia, then `opt`, an assembler for the state, `jl-link`.
    /// `options` are more parameters of `jl-emit`, each before a semicolon.
    pub fn our_image(
        &self,
        tools: &Tools,
        targets: &str,
        options: &str,
        folder: &Path,
        name: &str,
    ) -> Result<Image> {
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        let (bitcode, state, archive) = (file("bc"), file("state"), file("a"));
        let mut julia = self.with_image(&self.state());
        julia.args(["-C", "generic", "-O2"]).arg("--output-bc").arg(&bitcode).arg("--output-ji").arg(&state);
        julia.args(["-e", "nothing"]).env("JULIA_LLVM_ARGS", WITHOUT_VECTORS);
        julia.env("LD_PRELOAD", code_alone(folder)?);
        let julia = written(&mut julia)?;
        // An archive: of the code and, with nothing in it, what Julia has for the state.
        run_ok(Command::new("ar").args(["x", "--output"]).arg(folder).arg(&bitcode).arg("text.bc"))?;

        let mut opt = Command::new(OPT);
        opt.arg(format!("-load-pass-plugin={}", tools.plugin().display()));
        opt.arg(format!("-passes=jl-emit<O2;simplified;{options}out={}>", archive.display()));
        opt.arg(folder.join("text.bc")).arg("-disable-output");
        opt.env("JULIA_CPU_TARGET", targets).env("JULIA_IMAGE_THREADS", "2").env("JL_CACHE", "0");
        let opt = measured(&mut opt)?;

        let source = file("s");
        fs::write(&source, state_source(&state))?;
        let object = file("state.o");
        let assemble = measured(Command::new(CLANG).arg("-c").arg(&source).arg("-o").arg(&object))?;
        let image = file("so");
        let mut link = Command::new(tools.jl_link());
        link.arg("-shared")
            .arg("-o")
            .arg(&image)
            .arg("--whole-archive")
            .arg(&archive)
            .arg("--no-whole-archive");
        link.arg(&object).arg("-L").arg(self.libraries()).arg("-l:libjulia.so.1");
        let link = measured(&mut link)?;
        for done in [bitcode, state, archive, object, folder.join("text.bc")] {
            fs::remove_file(done)?;
        }
        Image::new(image, vec![("julia", julia), ("opt", opt), ("state", assemble), ("link", link)])
    }
}

/// A run of Julia that writes code. Julia 1.5 that runs from its state alone, without code, now and then ends with "Symbol
/// ccalllib_libgit2... not found"; it then does not at the next try. What is measured is the run that came to its end.
fn written(julia: &mut Command) -> Result<Usage> {
    const TRIES: usize = 3;
    let mut last = measured(julia);
    for _ in 1..TRIES {
        match &last {
            Err(error) if error.to_string().contains("ccalllib_") => last = measured(julia),
            _ => break,
        }
    }
    last
}

/// Assembly that holds the state as Julia's loader looks for it.
fn state_source(state: &Path) -> String {
    format!(
        "\t.data\n\t.globl jl_system_image_data\n\t.type jl_system_image_data, @object\n\t.p2align 6\n\
         jl_system_image_data:\n\t.incbin \"{}\"\n\
         .Lend:\n\t.size jl_system_image_data, .Lend - jl_system_image_data\n\
         \t.section .rodata\n\t.globl jl_system_image_size\n\t.type jl_system_image_size, @object\n\t.p2align 3\n\
         jl_system_image_size:\n\t.quad .Lend - jl_system_image_data\n\t.size jl_system_image_size, 8\n\
         \t.section .note.GNU-stack, \"\", @progbits\n",
        state.display()
    )
}

fn code_size(file: &Path) -> Result<u64> {
    let bytes = fs::read(file).with_context(|| file.display().to_string())?;
    let header = elf::FileHeader64::<LittleEndian>::parse(&*bytes)?;
    let sections = header.sections(LittleEndian, &*bytes)?;
    let code = sections.iter().filter(|s| s.sh_flags(LittleEndian).contains(elf::SHF_EXECINSTR));
    Ok(code.map(|section| section.sh_size(LittleEndian)).sum())
}
