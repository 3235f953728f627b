//! A test program: its sources, the directives in their comments, and the ways to build it.
//!
//! Directives stand in the first source: `NAME.c`, `NAME.cpp`, or `main.c` or `main.cpp` of a folder.

use crate::command::{Ran, run_ok};
use crate::directives::{Directives, Expectation};
use crate::machine::{Machine, Setting};
use crate::tools::{CLANG, LLVM_AR, Tools};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is compiled and linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Exe,
    Pie,
    Static,
    StaticPie,
    /// A shared object with the program in it, opened by a plain launcher; with `lib:`, a program and a
    /// library, both linked by jl-link.
    Shared,
    /// With `lib:` only: the library by jl-cc, the program by plain clang.
    SharedOnly,
    Lto,
    ThinLto,
    Archive,
    WholeArchive,
    /// All objects linked by `-r` first.
    Relocatable,
    GcSections,
    /// Every module in as many shards as it has functions, by `jl-emit`.
    Shards,
    /// Objects of jl-cc, linked by ld.lld, GNU ld or mold.
    PlainLld,
    PlainBfd,
    PlainMold,
    /// As `Shared`, linked by plain ld.lld.
    PlainShared,
    /// As `GcSections`, linked by plain ld.lld.
    PlainGc,
}

const MODES: [(&str, Mode); 18] = [
    ("exe", Mode::Exe),
    ("pie", Mode::Pie),
    ("static", Mode::Static),
    ("static-pie", Mode::StaticPie),
    ("shared", Mode::Shared),
    ("shared-only", Mode::SharedOnly),
    ("lto", Mode::Lto),
    ("thinlto", Mode::ThinLto),
    ("archive", Mode::Archive),
    ("whole-archive", Mode::WholeArchive),
    ("relocatable", Mode::Relocatable),
    ("gc-sections", Mode::GcSections),
    ("shards", Mode::Shards),
    ("plain-lld", Mode::PlainLld),
    ("plain-bfd", Mode::PlainBfd),
    ("plain-mold", Mode::PlainMold),
    ("plain-shared", Mode::PlainShared),
    ("plain-gc-sections", Mode::PlainGc),
];

impl Mode {
    pub fn name(self) -> &'static str {
        MODES.iter().find(|m| m.1 == self).map_or("?", |m| m.0)
    }

    pub fn parse(name: &str) -> Result<Mode> {
        let found = MODES.iter().find(|m| m.0 == name).map(|m| m.1);
        found.with_context(|| {
            format!("unknown mode {name:?}, expected one of {}", MODES.map(|m| m.0).join(", "))
        })
    }

    fn compile_flags(self) -> &'static [&'static str] {
        match self {
            Mode::Exe | Mode::Static => &["-fno-pie"],
            Mode::Shared | Mode::SharedOnly | Mode::PlainShared => &["-fPIC"],
            Mode::Lto => &["-fPIE", "-flto=full"],
            Mode::ThinLto => &["-fPIE", "-flto=thin"],
            Mode::GcSections | Mode::PlainGc => &["-fPIE", "-ffunction-sections", "-fdata-sections"],
            Mode::Shards => &["-fPIE", "-Xclang", "-disable-llvm-passes", "-emit-llvm"],
            _ => &["-fPIE"],
        }
    }

    /// For a program; shared objects have flags of their own.
    fn link_flags(self) -> &'static [&'static str] {
        match self {
            Mode::Exe => &["-no-pie"],
            Mode::Static => &["-static", "-no-pie"],
            Mode::StaticPie => &["-static-pie"],
            Mode::Lto => &["-pie", "-flto=full"],
            Mode::ThinLto => &["-pie", "-flto=thin"],
            Mode::GcSections => &["-pie", "-Wl,--gc-sections"],
            Mode::PlainGc => &["-pie", "-Wl,--gc-sections", "-fuse-ld=lld"],
            Mode::PlainLld => &["-pie", "-fuse-ld=lld"],
            Mode::PlainBfd => &["-pie", "-fuse-ld=bfd"],
            Mode::PlainMold => &["-pie", "-fuse-ld=mold"],
            _ => &["-pie"],
        }
    }

    /// Linked by a linker that knows nothing of our tables.
    pub fn is_plain(self) -> bool {
        matches!(self, Mode::PlainLld | Mode::PlainBfd | Mode::PlainMold | Mode::PlainShared | Mode::PlainGc)
    }

    fn is_shared(self) -> bool {
        matches!(self, Mode::Shared | Mode::SharedOnly | Mode::PlainShared)
    }

    /// Whether inlining and internalising leave the objects' functions as they were compiled.
    fn keeps_functions(self) -> bool {
        // Local functions that other shards call have names of their own.
        !matches!(self, Mode::Lto | Mode::ThinLto | Mode::Shards)
    }
}

/// A test program.
#[derive(Clone, Debug)]
pub struct Program {
    pub name: String,
    pub machine: &'static Machine,
    sources: Vec<PathBuf>,
    pub directives: Directives,
}

/// Something built, and how to run it.
pub struct Built {
    machine: &'static Machine,
    /// The program, or the launcher with the shared object as its argument.
    pub command: Vec<PathBuf>,
    /// What jl-link or the plain linker made.
    pub outputs: Vec<PathBuf>,
}

impl Program {
    /// All programs in a folder that are for `machine`, by name.
    pub fn read_all(folder: &Path, machine: &'static Machine) -> Result<Vec<Program>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut paths: Vec<PathBuf> = entries.map(|e| Ok(e?.path())).collect::<Result<_>>()?;
        paths.sort();
        let read = |p: &PathBuf| Program::read(p, machine).with_context(|| format!("in {}", p.display()));
        paths.iter().filter_map(|p| read(p).transpose()).collect()
    }

    /// `None` when it is not for `machine`.
    pub fn read(path: &Path, machine: &'static Machine) -> Result<Option<Program>> {
        let mut sources = Vec::new();
        if path.is_dir() {
            for entry in fs::read_dir(path)? {
                sources.push(entry?.path());
            }
            sources.retain(|s| s.extension().is_some_and(|e| e == "c" || e == "cpp"));
            // The one with the directives comes first.
            sources.sort_by_key(|s| (s.file_stem().is_none_or(|n| n != "main"), s.clone()));
        } else {
            sources.push(path.to_path_buf());
        }
        let first = sources.first().context("no source")?;
        let text = fs::read_to_string(first)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(directives) = Directives::parse(&text, machine.arch)? else { return Ok(None) };
        let program = Program { name, machine, sources, directives };
        for named in program.directives.lib.iter().chain(&program.directives.plain) {
            if !program.sources.iter().any(|s| s.ends_with(named)) {
                bail!("a directive names {named}, which is not there");
            }
        }
        Ok(Some(program))
    }

    /// The modes to build it in.
    pub fn modes(&self) -> Vec<Mode> {
        let all = MODES.map(|m| m.1);
        let listed = if self.directives.modes.is_empty() { &all[..] } else { &self.directives.modes };
        let fits = |mode: &&Mode| {
            !self.directives.without.contains(mode)
                && (**mode != Mode::SharedOnly || !self.directives.lib.is_empty())
        };
        listed.iter().filter(fits).copied().collect()
    }

    /// The names of the targets, in order.
    pub fn targets(&self) -> Vec<String> {
        let list = match self.directives.targets.as_deref() {
            None => self.machine.targets,
            Some("default") => image_format::grammar::default_targets(self.machine.arch),
            Some(list) => list,
        };
        list.split(';').map(str::to_string).collect()
    }

    fn target_flag(&self) -> Option<String> {
        match self.directives.targets.as_deref() {
            Some("default") => None,
            _ => Some(format!("--jl-targets={}", self.targets().join(";"))),
        }
    }

    fn is_cpp(&self) -> bool {
        self.sources.iter().any(|s| s.extension().is_some_and(|e| e == "cpp"))
    }

    /// Builds it with plain clang: what all else is compared with.
    pub fn build_reference(&self, tools: &Tools, folder: &Path) -> Result<Built> {
        let output = folder.join("reference");
        let mut command = tools.plain_compiler(self.is_cpp());
        command.arg("-O2").args(self.machine.flags).args(&self.directives.flags).args(&self.sources);
        command.args(&self.directives.link_flags).arg("-o").arg(&output);
        run_ok(&mut command)?;
        Ok(self.built(vec![output], vec![]))
    }

    fn built(&self, command: Vec<PathBuf>, outputs: Vec<PathBuf>) -> Built {
        Built { machine: self.machine, command, outputs }
    }

    /// The compiler for a source: the one under test, or the plain one.
    fn compile(&self, tools: &Tools, source: &Path, plain: bool) -> Command {
        let cpp = source.extension().is_some_and(|e| e == "cpp");
        let mut command = if plain { tools.plain_compiler(cpp) } else { tools.compiler(cpp) };
        if !plain {
            command.args(self.target_flag());
        }
        command.args(self.machine.flags).args(&self.directives.flags);
        command
    }

    fn link(&self, tools: &Tools, plain: bool) -> Command {
        let cpp = self.is_cpp();
        let mut command = if plain { tools.plain_compiler(cpp) } else { tools.compiler(cpp) };
        command.args(self.machine.flags).args(&self.directives.flags);
        command
    }

    fn is_named(&self, list: &[String], source: &Path) -> bool {
        list.iter().any(|name| source.ends_with(name))
    }

    /// Compiles every source to a file in `folder`; `extra` comes last.
    pub fn compile_all(
        &self,
        tools: &Tools,
        folder: &Path,
        extra: &[&str],
        all_plain: impl Fn(&Path) -> bool,
    ) -> Result<Vec<PathBuf>> {
        let compile = |source: &PathBuf| {
            let name = source.file_name().unwrap_or_default().to_string_lossy();
            let object = folder.join(format!("{name}.o"));
            let plain = self.is_named(&self.directives.plain, source) || all_plain(source);
            let mut command = self.compile(tools, source, plain);
            run_ok(command.args(extra).arg("-c").arg(source).arg("-o").arg(&object))?;
            Ok(object)
        };
        self.sources.iter().map(compile).collect()
    }

    /// Builds it with the tools under test.
    pub fn build(&self, tools: &Tools, mode: Mode, level: &str, folder: &Path) -> Result<Built> {
        let mut flags = vec![level];
        flags.extend(mode.compile_flags());
        let in_lib = |source: &Path| self.is_named(&self.directives.lib, source);
        let plain = |source: &Path| mode == Mode::SharedOnly && !in_lib(source);
        let objects = self.compile_all(tools, folder, &flags, plain)?;
        if mode.is_shared() {
            return self.link_shared(tools, mode, folder, &objects);
        }
        let output = folder.join("program");
        let inputs = self.link_inputs(tools, mode, level, folder, objects)?;
        let mut command = self.link(tools, mode.is_plain());
        command.arg(level).args(mode.link_flags());
        if matches!(mode, Mode::Lto | Mode::ThinLto) {
            command.args(self.target_flag());
        }
        run_ok(command.args(inputs).args(&self.directives.link_flags).arg("-o").arg(&output))?;
        Ok(self.built(vec![output.clone()], vec![output]))
    }

    /// What the linker is given: the objects, or what they were put into.
    fn link_inputs(
        &self,
        tools: &Tools,
        mode: Mode,
        level: &str,
        folder: &Path,
        objects: Vec<PathBuf>,
    ) -> Result<Vec<PathBuf>> {
        let archive = folder.join("libprogram.a");
        if mode == Mode::Shards {
            let archives = objects.iter().map(|bitcode| emit_shards(tools, bitcode, level));
            let mut inputs = vec![PathBuf::from("-Wl,--whole-archive")];
            inputs.extend(archives.collect::<Result<Vec<_>>>()?);
            inputs.push("-Wl,--no-whole-archive".into());
            return Ok(inputs);
        }
        match mode {
            Mode::Archive | Mode::WholeArchive => {
                run_ok(Command::new(LLVM_AR).arg("rcs").arg(&archive).args(&objects))?;
            }
            _ => {}
        }
        Ok(match mode {
            Mode::Archive => vec![archive],
            Mode::WholeArchive => {
                vec!["-Wl,--whole-archive".into(), archive, "-Wl,--no-whole-archive".into()]
            }
            Mode::Relocatable => {
                let all = folder.join("all.o");
                let mut command = self.link(tools, false);
                // No libraries: they are for the last link.
                run_ok(command.args(["-r", "-nostdlib"]).args(&objects).arg("-o").arg(&all))?;
                vec![all]
            }
            _ => objects,
        })
    }

    fn link_shared(&self, tools: &Tools, mode: Mode, folder: &Path, objects: &[PathBuf]) -> Result<Built> {
        let linker: &[&str] = if mode.is_plain() { &["-fuse-ld=lld"] } else { &[] };
        let with_lib = !self.directives.lib.is_empty();
        let in_library = |i: &usize| !with_lib || self.is_named(&self.directives.lib, &self.sources[*i]);
        let (library_part, program_part): (Vec<usize>, Vec<usize>) = (0..objects.len()).partition(in_library);
        let objects_of = |part: Vec<usize>| part.into_iter().map(|i| &objects[i]);
        let library = folder.join("libpart.so");
        let mut command = self.link(tools, mode.is_plain());
        command.args(["-shared", "-Wl,-soname,libpart.so"]).args(linker).args(objects_of(library_part));
        run_ok(command.args(&self.directives.link_flags).arg("-o").arg(&library))?;
        let program = folder.join("program");
        if !with_lib {
            let launcher = crate::tools::in_tests("launcher.c");
            let mut command = Command::new(CLANG);
            command.args(self.machine.flags).arg("-O1").arg(launcher).arg("-o").arg(&program);
            run_ok(&mut command)?;
            return Ok(self.built(vec![program, library.clone()], vec![library]));
        }
        let plain = mode.is_plain() || mode == Mode::SharedOnly;
        let mut command = self.link(tools, plain);
        command
            .args(["-pie", "-Wl,-rpath,$ORIGIN"])
            .args(linker)
            .args(objects_of(program_part))
            .arg(&library);
        run_ok(command.args(&self.directives.link_flags).arg("-o").arg(&program))?;
        let mut outputs = vec![library];
        if mode != Mode::SharedOnly {
            outputs.push(program.clone());
        }
        Ok(self.built(vec![program], outputs))
    }

    /// What must be found in the disassembly of what this mode links.
    pub fn disassembly(&self, mode: Mode) -> &[Expectation] {
        if mode.is_plain() || !mode.keeps_functions() {
            &[]
        } else if mode.is_shared() {
            &self.directives.shared_disassembly
        } else {
            &self.directives.disassembly
        }
    }
}

impl Built {
    /// Runs it with an environment; `preload` are libraries for it alone, not for QEMU.
    pub fn run(&self, setting: &Setting, env: &[(&str, String)], preload: Option<&Path>) -> Result<Ran> {
        let mut prefix = self.machine.prefix(setting);
        if let Some(library) = preload.filter(|_| !prefix.is_empty()) {
            prefix.extend(["-E".into(), format!("LD_PRELOAD={}", library.display())]);
        }
        let mut words = prefix.iter().map(PathBuf::from).chain(self.command.iter().cloned());
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        for variable in ["JL_LOAD_CPU", "JL_LOAD_TARGET", "JL_LOAD_LOG", "LD_PRELOAD"] {
            command.env_remove(variable);
        }
        command.envs(env.iter().map(|(name, value)| (name, value)));
        if let Some(library) = preload.filter(|_| prefix.is_empty()) {
            command.env("LD_PRELOAD", library);
        }
        if let Some(target) = setting.target {
            command.env("JL_LOAD_TARGET", target.to_string());
        }
        crate::command::run(&mut command)
    }
}

/// The archive of a module's shards; a shard ends behind every function.
fn emit_shards(tools: &Tools, bitcode: &Path, level: &str) -> Result<PathBuf> {
    let archive = bitcode.with_extension("a");
    let level = level.trim_start_matches('-');
    let passes = format!("jl-emit<{level};out={};shard-weight=1>", archive.display());
    let mut command = Command::new(tools.llvm.tool("opt"));
    command.arg(format!("-load-pass-plugin={}", tools.plugin().display())).env("JL_CACHE", "0");
    command.arg(format!("-passes={passes}")).arg("-disable-output").arg(bitcode);
    run_ok(&mut command)?;
    Ok(archive)
}

/// The code of one function, AT&T syntax, without encodings.
pub fn disassemble(file: &Path, function: &str) -> Result<String> {
    let mut command = Command::new(crate::tools::LLVM_OBJDUMP);
    command.args(["--disassemble", "--no-show-raw-insn", "--no-leading-addr"]);
    let ran = run_ok(command.arg(format!("--disassemble-symbols={function}")).arg(file))?;
    let head = format!("<{function}>:");
    let body = ran.stdout.split_once(&head).map(|(_, body)| body.to_string());
    body.with_context(|| format!("{} has no function {function}", file.display()))
}
