//! Each program in `tests/programs`, in each of its modes: whatever target runs, on whatever CPU, linked by
//! whichever linker, its output is that of plain clang.

use anyhow::{Context, Result, bail, ensure};
use image_format::report::{Reason, parse_lines};
use libtest_mimic::{Arguments, Failed, Trial};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use tests::command::{Ran, run, run_ok};
use tests::elf::Elf;
use tests::host;
use tests::program::{Built, Mode, Program};
use tests::tools::{LLVM_DWARFDUMP, LLVM_READELF, OPT, Tools, in_tests};

/// CPUs to run on besides this one, and the newest level they have.
const QEMU_CPUS: [&str; 2] = ["Nehalem", "Haswell"];
/// Modes that are also run under QEMU: with the C library's loader, and without.
const QEMU_MODES: [Mode; 3] = [Mode::Pie, Mode::Static, Mode::PlainLld];

fn main() -> std::process::ExitCode {
    let arguments = Arguments::from_args();
    let trials = match Program::read_all(&in_tests("programs")) {
        Ok(programs) => programs.into_iter().flat_map(trials).collect(),
        Err(error) => vec![Trial::test("programs", move || Err(format!("{error:#}").into()))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A program with what plain clang's build of it prints, found when first needed.
struct Case {
    program: Program,
    reference: OnceLock<Result<Ran, String>>,
}

/// A test of one program, given the tools and a folder of its own.
type Test = Box<dyn Fn(&Case, &Tools, &Path) -> Result<()> + Send>;

fn trials(program: Program) -> Vec<Trial> {
    let case = Arc::new(Case { program, reference: OnceLock::new() });
    let mut trials = Vec::new();
    let mut add = |name: String, test: Test| {
        let case = case.clone();
        let name = format!("{}::{name}", case.program.name);
        trials.push(Trial::test(name.clone(), move || in_folder(&name, |tools, at| test(&case, tools, at))));
    };
    for mode in case.program.modes() {
        add(mode.name().into(), Box::new(move |case, tools, at| case.build_and_run(tools, mode, "-O2", at)));
    }
    if case.program.modes().contains(&Mode::Pie) {
        for level in case.program.directives.levels.clone() {
            add(
                format!("pie{level}"),
                Box::new(move |case, tools, at| case.build_and_run(tools, Mode::Pie, &level, at)),
            );
        }
    }
    add("plan".into(), Box::new(|case, tools, at| case.check_plan(tools, at)));
    add("verify".into(), Box::new(|case, tools, at| case.check_ir(tools, at)));
    trials
}

/// Gives a test the tools and a folder that goes away with it.
fn in_folder(name: &str, test: impl Fn(&Tools, &Path) -> Result<()>) -> Result<(), Failed> {
    let all = || -> Result<()> {
        let tools = Tools::find()?;
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
    fn reference(&self) -> Result<&Ran> {
        let find = || -> Result<Ran> {
            let folder = tempfile::tempdir()?;
            let built = self.program.build_reference(folder.path())?;
            let ran = built.run(&[], &self.env())?;
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
        // At -O0 nothing is cloned.
        if level != "-O0" {
            self.check_disassembly(mode, &built)?;
        }
        self.run_everywhere(tools, mode, &built)
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

    /// At every target that this machine can run, and on older CPUs.
    fn run_everywhere(&self, tools: &Tools, mode: Mode, built: &Built) -> Result<()> {
        let own;
        let expected = if self.program.directives.own_reference {
            let mut env = self.env();
            env.push(("JL_LOAD_TARGET", "0".into()));
            own = built.run(&[], &env)?.success()?;
            &own
        } else {
            self.reference()?
        };
        self.compare(expected, built, &[], &[])?;
        // A plainly linked file chooses only when the loader is preloaded.
        let mut env = Vec::new();
        if mode.is_plain() {
            env.push(("LD_PRELOAD", tools.preload().display().to_string()));
            self.compare(expected, built, &[], &env)?;
        }
        for (target, name) in self.program.targets().iter().enumerate() {
            if host::can_run(name) {
                let mut env = env.clone();
                env.push(("JL_LOAD_TARGET", target.to_string()));
                self.compare(expected, built, &[], &env)?;
            }
        }
        if self.program.directives.qemu && QEMU_MODES.contains(&mode) {
            for cpu in QEMU_CPUS {
                // QEMU itself must not be given the preloaded library, only what runs in it.
                let mut prefix = vec!["qemu-x86_64".to_string(), "-cpu".into(), cpu.into()];
                for (name, value) in &env {
                    prefix.extend(["-E".into(), format!("{name}={value}")]);
                }
                let prefix: Vec<&str> = prefix.iter().map(String::as_str).collect();
                self.compare(expected, built, &prefix, &[])?;
            }
        }
        Ok(())
    }

    fn compare(&self, expected: &Ran, built: &Built, prefix: &[&str], env: &[(&str, String)]) -> Result<()> {
        let mut all = self.env();
        all.extend(env.iter().cloned());
        let found = built.run(prefix, &all)?;
        if found.stdout != expected.stdout || found.status != expected.status {
            bail!(
                "differs from what is expected, {}, {}\n{}",
                expected.status,
                found.describe(),
                tests::golden::difference(&expected.stdout, &found.stdout)
            );
        }
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
                let mut command = Command::new(OPT);
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
