//! Each program in `tests/programs`, in each of its modes: whatever target runs, on whatever CPU, linked by
//! whichever linker, its output is that of plain clang. For this machine and, cross-compiled, for aarch64;
//! of the latter only [`SHORT_MODES`], and with older LLVMs only [`OLDER_SHORT_MODES`], unless ignored tests are asked for,
//! too (`-- --include-ignored`).

use anyhow::{Context, Result, bail, ensure};
use image_format::report::{Reason, parse_lines};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::machine::{self, Setting};
use tests::program::{Built, Mode, Program};
use tests::tools::{DEFAULT_LLVM, LLVM_DWARFDUMP, LLVM_READELF, Llvm, OLDER_LLVMS, Tools, in_tests};

/// Modes that are also run on other CPUs under QEMU: with the C library's loader, and without.
const QEMU_MODES: [Mode; 3] = [Mode::Pie, Mode::Static, Mode::PlainLld];
/// What is built for other machines in a short run.
const SHORT_MODES: [Mode; 2] = [Mode::Pie, Mode::SharedOnly];
/// What the plugin is tested in with older LLVMs: one way to link, and link-time optimisation, where LLVM's own
/// pipelines differ most.
const OLDER_MODES: [Mode; 3] = [Mode::Pie, Mode::Lto, Mode::ThinLto];
const OLDER_LEVELS: [&str; 2] = ["-O0", "-O3"];
const OLDER_SHORT_MODES: [Mode; 2] = [Mode::Pie, Mode::Lto];

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let of = |machine, llvm| match Program::read_all(&in_tests("programs"), machine) {
        Ok(programs) => programs.into_iter().flat_map(|program| trials(program, llvm)).collect(),
        Err(error) => vec![Trial::test("programs", move || Err(format!("{error:#}").into()))],
    };
    let [older, old] = OLDER_LLVMS;
    let here = [DEFAULT_LLVM, old, older].map(|llvm| (&machine::HOST, llvm));
    let all = here.into_iter().chain([(&machine::AARCH64, DEFAULT_LLVM)]);
    libtest_mimic::run(&arguments, all.flat_map(|(machine, llvm)| of(machine, llvm)).collect()).exit_code()
}

/// A program with what plain clang's build of it prints, found when first needed.
struct Case {
    program: Program,
    llvm: Llvm,
    reference: OnceLock<Result<Ran, String>>,
}

/// A test of one program, given the tools and a folder of its own.
type Test = Box<dyn Fn(&Case, &Tools, &Path) -> Result<()> + Send>;

fn trials(program: Program, llvm: Llvm) -> Vec<Trial> {
    let case = Arc::new(Case { program, llvm, reference: OnceLock::new() });
    let machine = case.program.machine;
    let prefix = match llvm {
        _ if !machine.is_native() => format!("{}::", machine.arch.name()),
        DEFAULT_LLVM => String::new(),
        older => format!("llvm{}::", older.0),
    };
    let mut trials = Vec::new();
    let left_out = |name: &str| {
        let lists = case.program.directives.without_llvm.iter().filter(|(version, _)| *version == llvm);
        lists.flat_map(|(_, names)| names).any(|n| n == name || n == "all")
    };
    let mut add = |name: String, test: Test, short: bool| {
        if left_out(&name) {
            return;
        }
        let case = case.clone();
        let name = format!("{prefix}{}::{name}", case.program.name);
        let run = |name: String| move || in_folder(llvm, &name, |tools, at| test(&case, tools, at));
        let trial = Trial::test(name.clone(), run(name));
        trials.push(trial.with_ignored_flag(!short));
    };
    let is_usual = machine.is_native() && llvm == DEFAULT_LLVM;
    let short_modes = if machine.is_native() { OLDER_SHORT_MODES } else { SHORT_MODES };
    let tested = |mode: &Mode| llvm == DEFAULT_LLVM || OLDER_MODES.contains(mode);
    for mode in case.program.modes().into_iter().filter(tested) {
        let test = move |case: &Case, tools: &Tools, at: &Path| case.build_and_run(tools, mode, "-O2", at);
        add(mode.name().into(), Box::new(test), is_usual || short_modes.contains(&mode));
    }
    if case.program.modes().contains(&Mode::Pie) {
        let mut levels = case.program.directives.levels.clone();
        levels.retain(|level| llvm == DEFAULT_LLVM || OLDER_LEVELS.contains(&level.as_str()));
        for level in levels {
            add(
                format!("pie{level}"),
                Box::new(move |case, tools, at| case.build_and_run(tools, Mode::Pie, &level, at)),
                is_usual,
            );
        }
    }
    add("plan".into(), Box::new(|case, tools, at| case.check_plan(tools, at)), true);
    add("verify".into(), Box::new(|case, tools, at| case.check_ir(tools, at)), is_usual);
    trials
}

/// Gives a test the tools and a folder that goes away with it.
fn in_folder(llvm: Llvm, name: &str, test: impl Fn(&Tools, &Path) -> Result<()>) -> Result<(), Failed> {
    let all = || -> Result<()> {
        let tools = Tools::find_for(llvm)?;
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        let result = test(&tools, folder.path());
        if std::env::var_os("JL_KEEP").is_some_and(|v| v == "1") {
            eprintln!("{name}: {}", folder.keep().display());
        }
        result
    };
    all().map_err(|error| format!("{error:#}").into())
}

impl Case {
    /// What plain clang's build prints, and its exit status.
    fn reference(&self, tools: &Tools) -> Result<&Ran> {
        let find = || -> Result<Ran> {
            let folder = tempfile::tempdir()?;
            let built = self.program.build_reference(tools, folder.path())?;
            let ran = built.run(&self.program.machine.best(), &self.env(), None)?;
            ensure!(!ran.stdout.is_empty(), "prints nothing, so nothing is compared: {}", ran.describe());
            Ok(ran)
        };
        let found = self.reference.get_or_init(|| find().map_err(|error| format!("{error:#}")));
        found.as_ref().map_err(|error| anyhow::anyhow!("the reference build: {error}"))
    }

    fn env(&self) -> Vec<(&str, String)> {
        self.program.directives.env.iter().map(|(n, v)| (n.as_str(), v.clone())).collect()
    }

    fn build_and_run(&self, tools: &Tools, mode: Mode, level: &str, folder: &Path) -> Result<()> {
        let built = self.program.build(tools, mode, level, folder)?;
        if !mode.is_plain() {
            for output in &built.outputs {
                self.check_output(tools, output)?;
            }
        }
        let cloned = level != "-O0";
        if cloned {
            self.check_disassembly(mode, &built)?;
        }
        self.run_everywhere(tools, mode, cloned, &built)
    }

    /// What holds for all that jl-link makes.
    fn check_output(&self, tools: &Tools, output: &Path) -> Result<()> {
        Elf::read(output)?.check_output()?;
        run_ok(Command::new(tools.jl_load()).arg("check").arg(output))?;
        let directives = &self.program.directives;
        if directives.flags.iter().any(|f| f == "-g") {
            run_ok(Command::new(LLVM_DWARFDUMP).arg("--verify").arg(output))?;
        }
        if !directives.notes.is_empty() {
            let notes = run_ok(Command::new(LLVM_READELF).arg("--notes").arg(output))?.stdout;
            for note in &directives.notes {
                ensure!(notes.contains(note), "{} has no note of {note}:\n{notes}", output.display());
            }
        }
        Ok(())
    }

    /// Each expectation in the output that has the function.
    fn check_disassembly(&self, mode: Mode, built: &Built) -> Result<()> {
        for expectation in self.program.disassembly(mode) {
            let mut seen = false;
            for output in &built.outputs {
                if Elf::read(output)?.has_symbol(expectation.function())? {
                    expectation.check(output)?;
                    seen = true;
                }
            }
            ensure!(seen, "no output has the function {}", expectation.function());
        }
        Ok(())
    }

    /// At every target that the machine can run, and on its other CPUs.
    fn run_everywhere(&self, tools: &Tools, mode: Mode, cloned: bool, built: &Built) -> Result<()> {
        let machine = self.program.machine;
        let own;
        let expected = if self.program.directives.own_reference {
            let baseline = Setting { target: Some(0), ..machine.best() };
            own = built.run(&baseline, &self.env(), None)?.success()?;
            &own
        } else {
            self.reference(tools)?
        };
        let targets = self.program.targets();
        // On other CPUs the loader is tested, which is the same whatever compiled the image.
        let all_cpus =
            self.program.directives.qemu && self.llvm == DEFAULT_LLVM && QEMU_MODES.contains(&mode);
        // A plainly linked file chooses only when the loader is preloaded, which exists for this machine.
        let preload = mode.is_plain().then(|| tools.preload()).filter(|_| machine.is_native());
        if mode.is_plain() {
            self.compare(expected, built, &machine.best(), None, None)?;
        }
        for setting in machine.settings(&targets, all_cpus) {
            let chooses = cloned && (!mode.is_plain() || preload.is_some());
            let chosen = machine.chosen(&setting, &targets).filter(|_| chooses);
            self.compare(expected, built, &setting, preload.as_deref(), chosen)?;
        }
        Ok(())
    }

    /// Runs it; what it prints must be as expected, and `chosen` the target that it says to have chosen.
    fn compare(
        &self,
        expected: &Ran,
        built: &Built,
        setting: &Setting,
        preload: Option<&Path>,
        chosen: Option<usize>,
    ) -> Result<()> {
        let mut env = self.env();
        env.push(("JL_LOAD_LOG", "stderr".into()));
        let found = built.run(setting, &env, preload)?;
        if found.stdout != expected.stdout || found.status != expected.status {
            bail!(
                "differs from what is expected, {}, {}\n{}",
                expected.status,
                found.describe(),
                tests::golden::difference(&expected.stdout, &found.stdout)
            );
        }
        let Some(chosen) = chosen else { return Ok(()) };
        let mut said = found.stderr.lines().filter(|l| l.starts_with("julienne: ")).peekable();
        ensure!(
            said.peek().is_some() && said.all(|l| l.contains(&format!(": target {chosen} ("))),
            "was to choose target {chosen}: {}",
            found.describe()
        );
        Ok(())
    }

    /// What the plugin says that it cloned, and why not the rest.
    fn check_plan(&self, tools: &Tools, folder: &Path) -> Result<()> {
        let objects = self.program.compile_all(tools, folder, &["-O2", "-fPIC"], |_| false)?;
        let mut lines = Vec::new();
        for object in &objects {
            let section = Elf::read(object)?.section_bytes(image_format::layout::REPORT_SECTION)?;
            let text = String::from_utf8_lossy(&section.unwrap_or_default()).into_owned();
            for line in parse_lines(&text) {
                lines.push(line.map_err(|l| anyhow::anyhow!("{}: bad report line {l:?}", object.display()))?);
            }
        }
        let listed = || lines.iter().map(|l| l.to_string()).collect::<String>();
        let all_targets = (1u64 << self.program.targets().len()) - 1;
        for function in &self.program.directives.cloned {
            let found = lines.iter().find(|l| l.function == *function);
            let line = found.with_context(|| format!("no report line for {function}:\n{}", listed()))?;
            ensure!(
                line.reason.is_cloned() && u64::from(line.mask) == all_targets,
                "{function} was to be cloned for all targets, found {line}"
            );
        }
        for (function, reason) in &self.program.directives.not_cloned {
            let found = lines.iter().find(|l| l.function == *function);
            let line = found.with_context(|| format!("no report line for {function}:\n{}", listed()))?;
            ensure!(
                line.mask == 1 && Reason::from_word(reason) == Some(line.reason),
                "{function} was not to be cloned because of {reason}, found {line}"
            );
        }
        Ok(())
    }

    /// LLVM's verifier finds nothing wrong with the IR after the plugin, with and without debug info.
    fn check_ir(&self, tools: &Tools, folder: &Path) -> Result<()> {
        for debug in ["-g0", "-g"] {
            let flags = ["-O2", "-fPIC", "-emit-llvm", debug];
            for module in self.program.compile_all(tools, folder, &flags, |_| false)? {
                let mut command = Command::new(self.llvm.tool("opt"));
                let verified = run(command.args(["-passes=verify", "-disable-output"]).arg(&module))?;
                // Broken debug info is a warning to opt, and the debug info is dropped.
                ensure!(
                    verified.status.success() && verified.stderr.is_empty(),
                    "{}: {}",
                    module.display(),
                    verified.describe()
                );
            }
        }
        Ok(())
    }
}
