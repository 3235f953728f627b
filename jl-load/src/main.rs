//! The command `jl-load`.

use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use image_format::cpu::Arch;
use image_format::julia::Dialect;
use jl_load::check::{Kind, check, hexadecimal};
use jl_load::cpu::Cpu;
use jl_load::deps;
use jl_load::elf::ElfFile;
use jl_load::explain::explain;
use jl_load::julia;
use jl_load::matrix::{self, CpuReport, Plan};
use jl_load::owner::Owners;
use jl_load::run::{Request, architecture, find_preload, variables};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitCode};
use std::time::Duration;

/// Explains, checks and runs code images: libraries and programs with code for several CPUs.
#[derive(Parser)]
#[command(name = "jl-load", version, after_help = EXAMPLES)]
struct Options {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  jl-load explain libxxhash.so                 what runs on this host, and why
  jl-load explain libxxhash.so --cpu nehalem   what would run on another CPU
  jl-load explain libarm.so --cpu neoverse-n1  of a library for another architecture
  jl-load explain libxxhash.so --function XXH3_64bits
  jl-load explain sys.so --cpu znver3          an image from Julia: what Julia would take, in its words
  jl-load explain libxxhash.so --rules julia-r what Julia would take of our targets
  jl-load explain libapp.so --deps             what it takes from other images, and whether they fit
  jl-load owner 1234 0x7f21a8c03a40            whose data that is in process 1234, and where in its image
  jl-load check lib/*.so                       exit status 1 if one is damaged
  jl-load run --cpu x86-64-v3 -- ./program     no code above x86-64-v3 in any image
  jl-load run --target 0 --log stderr -- ./program
  jl-load matrix -- ./program args             on several emulated CPUs and on this one
  jl-load matrix --model Nehalem --model native:haswell -- ./program
  jl-load cpu                                  what this CPU offers

Environment, read by every image at start unless the program is setuid:
  JL_LOAD_CPU=NAME        as --cpu
  JL_LOAD_TARGET=N        as --target
  JL_LOAD_LOG=stderr|FILE as --log";

#[derive(Subcommand)]
enum Command {
    /// Say which targets a file has, what each needs, which one runs and why not the others
    Explain(Explain),
    /// Verify images: headers, checksums, tables, slots and bodies
    Check(Check),
    /// Say which image's data addresses of a process are: by build id, and offset in its linkage blob
    Owner(OwnerOptions),
    /// Run a program so that plainly linked images choose too, with a cap or a forced target
    Run(Run),
    /// Run a program on several CPUs, emulated ones and this one, and show what each chose and did
    #[command(after_help = MATRIX_HELP)]
    Matrix(Matrix),
    /// Say what this CPU, or a CPU model, offers to programs
    Cpu(CpuOptions),
}

const MATRIX_HELP: &str = "\
Every row runs the same command with standard input empty, one after the other, in this folder. The first
row that ran is the reference: this host where the program is for its architecture. `offers` is what the
program is given there: an emulator may lack features of a model, which is said below the table.

Models: native, native:CPU (with JL_LOAD_CPU), native:TARGET (with JL_LOAD_TARGET), the names that
`qemu-x86_64 -cpu help` lists, or all (each distinct set of features once). The program's ELF machine decides
on the emulator; a script is run by its interpreter, but shells are refused, because what they start would
not be emulated. What the program itself starts is not emulated either.

Exit status: 0 when every row did the same or refused to run; 1 when one did something else or ended in an
illegal instruction, and when there is no matrix at all.";

#[derive(Args)]
struct Explain {
    /// A shared object or executable
    file: PathBuf,
    /// Ask about this CPU model (LLVM's name) instead of this host
    #[arg(long, value_name = "NAME")]
    cpu: Option<String>,
    /// As if JL_LOAD_TARGET were set
    #[arg(long, value_name = "N")]
    target: Option<usize>,
    /// Also say which body of this function runs (#N: the function with number N)
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// By whose rules: ours, or Julia's of 1.9 to 1.13 or of its master of 2026; without it those of the image
    #[arg(long, value_name = "RULES")]
    rules: Option<Rules>,
    /// Say what the image takes from which others, and whether the dynamic linker would find the right ones
    #[arg(long, conflicts_with_all = ["cpu", "target", "function", "rules"])]
    deps: bool,
    /// With --deps: also write the graph as a picture
    #[arg(long, value_name = "FILE", requires = "deps")]
    svg: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Whose rules choose a target.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Rules {
    Jl,
    JuliaR,
    JuliaM,
}

#[derive(Args)]
struct OwnerOptions {
    /// The process, one's own
    process: u32,
    /// Addresses in it, as 0x... or in decimal digits
    #[arg(required = true, value_parser = address, value_name = "ADDRESS")]
    addresses: Vec<u64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<u64, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|error| format!("no address: {error}"))
}

#[derive(Args)]
struct Check {
    /// Shared objects and executables
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print nothing for files that are right
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Args)]
struct Run {
    /// Use nothing beyond this CPU model (LLVM's name), in every image of the process
    #[arg(long, value_name = "NAME", conflicts_with = "target")]
    cpu: Option<String>,
    /// Run this target in every image; images without it are refused
    #[arg(long, value_name = "N")]
    target: Option<usize>,
    /// Write a line per image: `stderr` or a file to append to
    #[arg(long, value_name = "FILE")]
    log: Option<OsString>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Args)]
struct Matrix {
    /// A CPU to run on (several times for several); without it, models that differ
    #[arg(long, value_name = "NAME")]
    model: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Kill a run that takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Preload the shim, so that plainly linked images choose too (as jl-load run does)
    #[arg(long)]
    preload: bool,
    /// Folder with the libraries of the program's architecture
    #[arg(long, value_name = "DIR")]
    sysroot: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

#[derive(Args)]
struct CpuOptions {
    /// A CPU model (LLVM's name) instead of this host
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    // Who reads no more than the beginning of what is printed, as head does, ends this.
    sigpipe::reset();
    let done = match Options::parse().command {
        Command::Explain(options) => explain_file(&options).map(|()| ExitCode::SUCCESS),
        Command::Check(options) => Ok(check_files(&options)),
        Command::Owner(options) => show_owners(&options),
        Command::Run(options) => run(&options),
        Command::Matrix(options) => run_matrix(options),
        Command::Cpu(options) => show_cpu(&options).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        eprintln!("jl-load: {error:#}");
        ExitCode::FAILURE
    })
}

fn explain_file(options: &Explain) -> Result<()> {
    let file = ElfFile::open(&options.file)?;
    if options.deps {
        return explain_dependencies(file, options);
    }
    let cpu = match &options.cpu {
        None => Cpu::host(),
        Some(name) => Cpu::model(name, jl_load::image::arch(&file).unwrap_or(Arch::HOST))?,
    };
    let rules = match options.rules {
        Some(Rules::JuliaR) => Some(Dialect::R),
        Some(Rules::JuliaM) => Some(Dialect::M),
        Some(Rules::Jl) | None => None,
    };
    if options.rules != Some(Rules::Jl)
        && let Some(explanation) = julia::explain(&file, &cpu, rules)?
    {
        if options.target.is_some() || options.function.is_some() {
            bail!(
                "--target and --function ask about images that choose by our rules: {}",
                options.file.display()
            );
        }
        if options.json {
            println!("{}", serde_json::to_string_pretty(&explanation).context("cannot write JSON")?);
        } else {
            print!("{}", explanation.text());
        }
        return Ok(());
    }
    let explanation = explain(&file, &cpu, options.target, options.function.as_deref())?;
    if options.json {
        println!("{}", serde_json::to_string_pretty(&explanation).context("cannot write JSON")?);
    } else {
        print!("{}", explanation.text(options.function.as_deref()));
    }
    Ok(())
}

fn explain_dependencies(file: ElfFile, options: &Explain) -> Result<()> {
    let graph = deps::graph(file)?;
    if let Some(picture) = &options.svg {
        // Aside and renamed: whoever looks at it meanwhile sees the old one or the new one.
        let folder = picture.parent().filter(|folder| !folder.as_os_str().is_empty());
        let write = || -> std::io::Result<()> {
            let mut aside = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
            aside.write_all(graph.svg().as_bytes())?;
            // Temporary files are readable by their owner alone.
            aside.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
            aside.persist(picture)?;
            Ok(())
        };
        write().with_context(|| format!("{}: cannot be written", picture.display()))?;
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&graph).context("cannot write JSON")?);
    } else {
        print!("{}", graph.text());
    }
    Ok(())
}

fn check_files(options: &Check) -> ExitCode {
    let mut wrong = false;
    for path in &options.files {
        let checked = ElfFile::open(path).map_err(Into::into).and_then(|file| check(&file));
        match checked {
            Ok((kind, problems)) if problems.is_empty() => {
                if options.quiet {
                    continue;
                }
                let right = if kind == Kind::Nothing { "" } else { "right: " };
                println!("{}: {right}{kind}", path.display());
            }
            Ok((_, problems)) => {
                wrong = true;
                for problem in problems {
                    eprintln!("jl-load: {}: {problem}", path.display());
                }
            }
            Err(error) => {
                wrong = true;
                eprintln!("jl-load: {error}");
            }
        }
    }
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Fails for an address that is nobody's.
fn show_owners(options: &OwnerOptions) -> Result<ExitCode> {
    let owners = Owners::of_process(options.process)?;
    let mut all_known = true;
    let mut rows = Vec::new();
    for address in &options.addresses {
        let found = owners.find(*address);
        all_known &= found.is_some();
        rows.push(OwnerReport {
            address: *address,
            image: found.map(|owned| owned.image.path.clone()),
            build_id: found.map(|owned| hexadecimal(&owned.image.build_id)),
            offset: found.map(|owned| owned.offset),
        });
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&rows).context("cannot write JSON")?);
    } else {
        rows.iter().for_each(|row| println!("{}", row.text()));
    }
    Ok(if all_known { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The answer for one address; nothing but the address where no image has data there.
#[derive(serde::Serialize)]
struct OwnerReport {
    address: u64,
    image: Option<PathBuf>,
    build_id: Option<String>,
    offset: Option<u32>,
}

impl OwnerReport {
    fn text(&self) -> String {
        match (&self.image, &self.build_id, self.offset) {
            (Some(image), Some(build_id), Some(offset)) => {
                format!(
                    "{:#x}: {} (build id {build_id}) at offset {offset:#x}",
                    self.address,
                    image.display()
                )
            }
            _ => format!("{:#x}: in no image's linkage blob", self.address),
        }
    }
}

fn show_cpu(options: &CpuOptions) -> Result<()> {
    let cpu = options.name.as_deref().map_or_else(|| Ok(Cpu::host()), Cpu::any_model)?;
    let report = CpuReport::new(&cpu.name, cpu.arch, cpu.features);
    if options.json {
        println!("{}", serde_json::to_string(&report).context("cannot write JSON")?);
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

fn run_matrix(options: Matrix) -> Result<ExitCode> {
    let plan = Plan::new(&matrix::Request {
        models: options.model,
        timeout: Duration::from_secs(options.timeout),
        preload: if options.preload { Some(preload()?) } else { None },
        sysroot: options.sysroot,
        command: options.command,
    })?;
    let table = plan.table();
    let found = if options.json {
        let found = plan.run(|_| ())?;
        println!("{}", serde_json::to_string_pretty(&found).context("cannot write JSON")?);
        found
    } else {
        print!("{}", table.head());
        let found = plan.run(|row| print!("{}", table.row(row)))?;
        print!("{}", table.end(&found));
        found
    };
    Ok(if found.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The preloaded shim beside this program.
fn preload() -> Result<PathBuf> {
    let executable = std::env::current_exe().context("cannot find out where jl-load itself is")?;
    Ok(find_preload(&executable)?)
}

/// Replaces this process; returns only when that fails.
fn run(options: &Run) -> Result<ExitCode> {
    let arch = architecture(&options.command)?;
    if let Some(name) = &options.cpu {
        Cpu::model(name, arch)?;
    }
    let preload = preload()?;
    let request = Request { cpu: options.cpu.clone(), target: options.target, log: options.log.clone() };
    let (program, arguments) = options.command.split_first().context("no program was given")?;
    let mut process = Process::new(program);
    process.args(arguments);
    for (name, value) in variables(&request, Some(&preload), std::env::var_os("LD_PRELOAD")) {
        match value {
            Some(value) => process.env(name, value),
            None => process.env_remove(name),
        };
    }
    let error = process.exec();
    bail!("{}: cannot be run: {error}", program.to_string_lossy())
}
