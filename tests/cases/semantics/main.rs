//! What programs rely on around code images means what it means without us: which definition a symbol has,
//! and what a process may do while images come and go. Each program is built twice, by plain clang and by jl-cc,
//! and the image must do at every target what the plain build does.

mod interposition;
mod openmp;
mod other_libc;
mod process;
mod sanitizers;

use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::tools::{CLANG, CLANGXX, Tools, in_tests};
use tests::{golden, host};

/// Every function is cloned for every target.
const TARGETS: &str = "x86-64,clone_all;x86-64-v3,clone_all;x86-64-v4,clone_all";

/// Who builds: plain clang, or the tools under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Plain,
    Image,
}

const MAKERS: [Maker; 2] = [Maker::Plain, Maker::Image];

/// Two folders with the same files in them, one by each maker.
struct Pair {
    folder: TempDir,
    tools: Tools,
}

impl Pair {
    fn new() -> Result<Pair> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        for maker in MAKERS {
            fs::create_dir(folder.path().join(maker.name()))?;
        }
        Ok(Pair { folder, tools: Tools::find()? })
    }

    fn folder(&self, maker: Maker) -> PathBuf {
        self.folder.path().join(maker.name())
    }

    /// Writes a source of the test's own; for both.
    fn source(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Runs the compilers of both with the same arguments, each in its folder. A word that ends in `.c` or
    /// `.cpp` and stands in `tests/semantics` is that file.
    fn build(&self, arguments: &str) -> Result<()> {
        MAKERS.iter().try_for_each(|maker| self.build_one(*maker, arguments))
    }

    fn build_one(&self, maker: Maker, arguments: &str) -> Result<()> {
        run_ok(&mut self.compiler(maker, arguments)).map(drop)
    }

    fn compiler(&self, maker: Maker, arguments: &str) -> Command {
        let cpp = arguments.contains(".cpp");
        let mut command = match (maker, cpp) {
            (Maker::Plain, false) => Command::new(CLANG),
            (Maker::Plain, true) => Command::new(CLANGXX),
            (Maker::Image, false) => Command::new(self.tools.jl_cc()),
            (Maker::Image, true) => Command::new(self.tools.jl_cxx()),
        };
        match maker {
            // The same linker: what is compared is what we add to it.
            Maker::Plain => command.arg("-fuse-ld=lld"),
            Maker::Image => command.arg(format!("--jl-targets={TARGETS}")),
        };
        command.current_dir(self.folder(maker)).env_remove("JULIA_CPU_TARGET");
        for word in arguments.split_whitespace() {
            let source = in_tests("semantics").join(word);
            let is_source = word.ends_with(".c") || word.ends_with(".cpp");
            command.arg(if is_source && source.exists() { source.as_os_str() } else { OsStr::new(word) });
        }
        command
    }

    /// Runs a program of each folder. With the same environment, the image at every target must do what the
    /// plain build does. Gives back what that was.
    fn same(&self, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Result<Ran> {
        self.same_in(Shim::Embedded, program, arguments, env)
    }

    fn same_in(&self, shim: Shim, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Result<Ran> {
        let expected = self.run(Maker::Plain, program, arguments, env)?;
        ensure!(!expected.stdout.is_empty(), "nothing to compare: {}", expected.describe());
        let preload = self.tools.preload().display().to_string();
        let targets = TARGETS.split(';').enumerate().filter(|(_, name)| host::can_run(name));
        for target in std::iter::once(None).chain(targets.map(|(number, _)| Some(number.to_string()))) {
            let mut env = env.to_vec();
            env.extend(target.as_deref().map(|number| ("JL_LOAD_TARGET", number)));
            if shim == Shim::Preloaded {
                env.push(("LD_PRELOAD", &preload));
            }
            let found = self.run(Maker::Image, program, arguments, &env)?;
            if (&found.stdout, found.status) != (&expected.stdout, expected.status) {
                bail!(
                    "target {target:?} differs from the plain build, {}\n{}\nthe image: {}",
                    expected.status,
                    golden::difference(&expected.stdout, &found.stdout),
                    found.describe()
                );
            }
        }
        Ok(expected)
    }

    fn run(&self, maker: Maker, program: &str, arguments: &[&str], env: &[(&str, &str)]) -> Result<Ran> {
        let mut command = Command::new(Path::new(".").join(program));
        command.args(arguments).current_dir(self.folder(maker));
        for variable in ["JL_LOAD_CPU", "JL_LOAD_TARGET", "JL_LOAD_LOG", "LD_PRELOAD"] {
            command.env_remove(variable);
        }
        run(command.envs(env.iter().copied()))
    }

    /// That the image has bodies of a function for all targets: otherwise nothing was tested.
    fn cloned(&self, file: &str, functions: &[&str]) -> Result<()> {
        let path = self.folder(Maker::Image).join(file);
        let symbols = Elf::read(&path)?.symbols()?;
        for function in functions {
            for target in 0..TARGETS.split(';').count() {
                let name = format!("{function}.{target}");
                let found = symbols.iter().any(|s| s.name == name);
                found.then_some(()).with_context(|| format!("{file} has no {name}"))?;
            }
        }
        Ok(())
    }
}

/// Which shim fills the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shim {
    /// Its own.
    Embedded,
    /// The preloaded one, besides its own if it has one.
    Preloaded,
}

impl Maker {
    fn name(self) -> &'static str {
        match self {
            Maker::Plain => "plain",
            Maker::Image => "image",
        }
    }
}
