//! Makes `jl_runtime_shim.o`, the object that jl-link puts into every image, out of this crate, for each
//! architecture. A part of build scripts and tests, which include it by `#[path]`: it must run where the object
//! is embedded.

use object::read::elf::{FileHeader, Rela, SectionHeader};
use object::{LittleEndian, elf};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Symbols that stay visible to the linker; everything else becomes local.
const SYMBOLS: [&str; 7] = [
    "jl_image_header",
    "jl_image_state",
    "jl_image_init",
    "jl_image_relocated",
    "jl_image_construct",
    "jl_link_must_link_this",
    "__jl_process_v1",
];
/// Hidden weak symbols that the linker defines where the output has the thing.
const FROM_LINKER: [&str; 6] = [
    "_DYNAMIC",
    "__ehdr_start",
    "__init_array_start",
    "__init_array_end",
    "__fini_array_start",
    "__fini_array_end",
];
/// Weak symbols that another image, and glibc's dynamic linker, may define.
const FROM_ANOTHER: [&str; 2] = ["__jl_construct_v1", "__libc_stack_end"];
/// What pointers of an image's own lead to.
const READ: [&str; 2] = ["__jl_process_v1", "jl_image_relocated"];
/// Where the state word is: sealed, though without pointers.
const STATE: &str = ".data.rel.ro.jl_state";
/// Largest size of the object's loaded sections, in bytes.
const MAX_SIZE: u64 = 50 << 10;

/// An architecture that there is an object for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// The architecture's name in triples.
    pub fn name(self) -> &'static str {
        match self {
            Machine::X86_64 => "x86_64",
            Machine::Aarch64 => "aarch64",
        }
    }

    /// The branch protection that the object must be marked with, in llvm-readelf's words.
    fn marks(self) -> &'static str {
        match self {
            Machine::X86_64 => "IBT, SHSTK",
            Machine::Aarch64 => "BTI, PAC, GCS",
        }
    }

    /// More options for the compiler, with a blank before each.
    fn flags(self) -> &'static str {
        match self {
            Machine::X86_64 => "",
            // On bare metal memory may be such that only aligned words can be read. Under Linux it is not, and what is packed
            // need not be put together byte by byte.
            Machine::Aarch64 => " -Ctarget-feature=-strict-align",
        }
    }

    /// The compiler's target: the host's own, or the one of bare metal, which needs no more than the core
    /// library and has no helper functions to call (as `aarch64-unknown-linux-gnu` has for atomics).
    ///
    /// # Errors
    /// What to do when the compiler has no core library for it.
    pub fn triple(self) -> Result<String, String> {
        let host = host_triple()?;
        if host.starts_with(self.name()) && self == Machine::X86_64 {
            return Ok(host);
        }
        let bare = format!("{}-unknown-none", self.name());
        let libraries = run(rustc().args(["--print", "target-libdir", "--target", &bare]))?;
        let has_core = fs::read_dir(libraries.trim()).is_ok_and(|mut entries| entries.next().is_some());
        has_core.then_some(bare.clone()).ok_or_else(|| {
            format!("this Rust compiler has no core library for {bare}: rustup target add {bare}")
        })
    }
}

/// The file that changes when rustup adds a core library; `None` for a compiler that rustup did not install.
pub fn installed_targets() -> Option<PathBuf> {
    let sysroot = run(rustc().args(["--print", "sysroot"])).ok()?;
    Some(Path::new(sysroot.trim()).join("lib/rustlib/components")).filter(|file| file.is_file())
}

/// Builds the object in `work` and returns its path; `shim` is the folder of the crate `runtime-shim`.
pub fn build(shim: &Path, work: &Path, machine: Machine) -> Result<PathBuf, String> {
    fs::create_dir_all(work).map_err(|e| format!("{}: {e}", work.display()))?;
    let target = work.join("cargo");
    let triple = machine.triple()?;
    // Cargo inside cargo: everything that the outer one set for its own crates must not reach the inner
    // one (flags, wrappers, target folder), which has another panic strategy and a folder of its own.
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    const KEPT: [&str; 6] =
        ["CARGO_HOME", "CARGO_NET_", "CARGO_HTTP_", "CARGO_SOURCE_", "CARGO_REGISTRIES_", "CARGO_MAKEFLAGS"];
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let inherited = text.starts_with("CARGO_") && !KEPT.iter().any(|kept| text.starts_with(kept));
        if inherited || text.starts_with("RUSTFLAGS") || text == "RUSTC_WORKSPACE_WRAPPER" {
            cargo.env_remove(&name);
        }
    }
    cargo
        .current_dir(shim)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", "fat")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        // A jump table would be an indirect branch to places without a landing mark.
        .env(
            "RUSTFLAGS",
            "--cfg jl_object -Crelocation-model=pic -Cforce-unwind-tables=no \
             -Cllvm-args=-min-jump-table-entries=1000000"
                .to_owned()
                + machine.flags(),
        )
        .args(["rustc", "--quiet", "--locked", "--release", "--lib", "--crate-type=staticlib"])
        // Named even where it is the default: a user's configuration may have another one.
        .args(["--target", &triple]);
    run(&mut cargo)?;
    let archive = target.join(&triple).join("release/libruntime_shim.a");

    let linked = work.join("linked.o");
    run(Command::new(tool("ld.lld", "lld-22")?)
        .args(["-r", "--undefined=jl_image_init", "-o"])
        .args([&linked, &archive]))?;

    let object = work.join("jl_runtime_shim.o");
    let mut objcopy = Command::new(tool("llvm-objcopy", "llvm-22")?);
    objcopy.args([
        "--remove-section=.eh_frame",
        "--remove-section=.rela.eh_frame",
        "--remove-section=.comment",
    ]);
    objcopy.args(["--remove-section=.llvmbc", "--remove-section=.llvmcmd", "--strip-unneeded"]);
    for symbol in SYMBOLS.iter().chain(&FROM_LINKER).chain(&FROM_ANOTHER) {
        objcopy.arg(format!("--keep-global-symbol={symbol}")).arg(format!("--keep-symbol={symbol}"));
    }
    run(objcopy.args([&linked, &object]))?;
    if machine == Machine::X86_64 {
        let bytes = fs::read(&object).map_err(|e| format!("{}: {e}", object.display()))?;
        let relaxable = relaxable(bytes).map_err(|e| format!("{}: {e}", object.display()))?;
        fs::write(&object, relaxable).map_err(|e| format!("{}: {e}", object.display()))?;
    }
    check(&object, machine)?;
    Ok(object)
}

/// The object with relocations by which a linker sees that calls and loads through the global offset table may become such without
/// (System V ABI for x86-64, B.2): rustc has LLVM write those of before 2015. Images lend their constructor before they are
/// relocated themselves, so that it must not read pointers.
fn relaxable(mut object: Vec<u8>) -> object::read::Result<Vec<u8>> {
    let mut changes = Vec::new();
    let header = elf::FileHeader64::<LittleEndian>::parse(&*object)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, &*object)?;
    for section in sections.iter() {
        let Some((entries, _)) = section.rela(endian, &*object)? else { continue };
        let code = sections.section(section.info_link(endian))?.data(endian, &*object)?;
        for entry in entries.iter().filter(|e| e.r_type(endian, false) == elf::R_X86_64_GOTPCREL) {
            let at = entry.r_offset(endian) as usize;
            let kind = match code.get(at.saturating_sub(3)..at) {
                Some([_, 0xff, 0x15 | 0x25]) => elf::R_X86_64_GOTPCRELX,
                Some([0x48 | 0x4c, 0x8b, modrm]) if modrm & 0xc7 == 5 => elf::R_X86_64_REX_GOTPCRELX,
                _ => continue,
            };
            changes.push((&raw const entry.r_info as usize - object.as_ptr() as usize, kind));
        }
    }
    for (at, kind) in changes {
        object[at..at + 4].copy_from_slice(&kind.0.to_le_bytes());
    }
    Ok(object)
}

/// What must hold of the object whatever the compiler does.
fn check(object: &Path, machine: Machine) -> Result<(), String> {
    let symbols = run(Command::new(tool("llvm-nm", "llvm-22")?).arg(object))?;
    for line in symbols.lines() {
        let mut words = line.split_whitespace().rev();
        let (Some(name), Some(kind)) = (words.next(), words.next()) else { continue };
        if kind == "U" || kind == "w" && !FROM_LINKER.contains(&name) && !FROM_ANOTHER.contains(&name) {
            return Err(format!("{}: undefined symbol {name}: nothing would define it", object.display()));
        }
    }
    for symbol in SYMBOLS {
        if !symbols.lines().any(|line| line.ends_with(&format!(" {symbol}"))) {
            return Err(format!("{}: symbol {symbol} is missing", object.display()));
        }
    }
    let readelf = tool("llvm-readelf", "llvm-22")?;
    let notes = run(Command::new(&readelf).args(["--notes", "--wide"]).arg(object))?;
    if !notes.contains(machine.marks()) {
        return Err(format!("{}: no note of {}", object.display(), machine.marks()));
    }
    let sections = run(Command::new(&readelf).args(["--sections", "--wide"]).arg(object))?;
    let mut size = 0;
    for line in sections.lines().filter_map(|line| line.split_once(']')) {
        // Name Type Address Off Size ES Flg ...
        let words: Vec<&str> = line.1.split_whitespace().collect();
        let [name, _, _, _, bytes, _, flags, ..] = words[..] else { continue };
        if !flags.contains('A') {
            continue;
        }
        if flags.contains('T') {
            return Err(format!("{}: {name} is thread-local", object.display()));
        }
        let bytes = u64::from_str_radix(bytes, 16).unwrap_or(0);
        if bytes > 0 && name.starts_with(".data.rel") && name != STATE {
            // Each image would be relocated there, and more of it belong to each process alone.
            return Err(format!("{}: {name} has pointers, {bytes} bytes", object.display()));
        }
        size += bytes;
    }
    if size == 0 || size > MAX_SIZE {
        return Err(format!("{}: {size} bytes are loaded, expected 1 to {MAX_SIZE}", object.display()));
    }
    let code =
        run(Command::new(tool("llvm-objdump", "llvm-22")?).args(["-dr", "--no-show-raw-insn"]).arg(object))?;
    match machine {
        Machine::X86_64 => check_branches_x86_64(object, &code),
        Machine::Aarch64 => check_branches_aarch64(object, &code),
    }
}

/// No indirect branch but the one to dlopen, by way of x16: the compiler reaches the memory functions directly here.
/// No other pointer is read than those that [`check_branches_x86_64`] knows, and where the linker's symbols are, which an image
/// finds out for itself.
fn check_branches_aarch64(object: &Path, code: &str) -> Result<(), String> {
    // `ADDRESS: MNEMONIC OPERANDS`
    let mnemonic = |line: &str| line.split_once(':')?.1.split_whitespace().next().map(str::to_owned);
    let mut found_code = false;
    for line in code.lines() {
        let Some(name) = mnemonic(line) else { continue };
        found_code |= name == "ret";
        if line.trim_end().ends_with("br\tx16") {
            continue;
        }
        if line.contains("GOT")
            && let Some(target) = line.split_whitespace().last()
            && !READ.iter().chain(&FROM_ANOTHER).chain(&FROM_LINKER).any(|known| *known == target)
        {
            return Err(format!("{}: {target} is reached by a pointer", object.display()));
        }
        if ["br", "blr"].contains(&name.as_str()) || name.starts_with("bra") || name.starts_with("blra") {
            return Err(format!("{}: indirect branch: {line}", object.display()));
        }
    }
    if found_code { Ok(()) } else { Err(format!("{}: no code was found in it", object.display())) }
}

/// No indirect branch but to what has a landing mark: the memory functions, which compiled code calls
/// through the global offset table (the mark of that habit comes with the standard library's bitcode).
fn check_branches_x86_64(object: &Path, code: &str) -> Result<(), String> {
    const MARKED: [&str; 6] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "strlen"];
    let is_known = |name: &str| MARKED.iter().chain(&READ).chain(&FROM_ANOTHER).any(|known| *known == name);
    let got_target = |line: &str| {
        let (_, target) = line.split_once("R_X86_64_GOTPCREL")?;
        let name = target.trim_start_matches(['X', 'R', 'E', '_']).trim();
        Some(name.split(['-', '+']).next().unwrap_or(name).to_owned())
    };
    let unrelaxable = |line: &str| {
        let (_, target) = line.split_once("R_X86_64_GOTPCREL\t")?;
        MARKED.into_iter().find(|name| target.trim().split('-').next() == Some(name))
    };
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(target) = got_target(line).filter(|target| !is_known(target)) {
            return Err(format!("{}: {target} is reached indirectly", object.display()));
        }
        if let Some(target) = unrelaxable(line) {
            return Err(format!("{}: {target} is reached only by a pointer", object.display()));
        }
        let through_table = lines.peek().is_some_and(|next| got_target(next).is_some());
        if line.contains("jmpq\t*") && !through_table {
            return Err(format!("{}: indirect jump without a landing mark: {line}", object.display()));
        }
    }
    Ok(())
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// The triple of this machine, as the compiler says.
fn host_triple() -> Result<String, String> {
    let version = run(rustc().arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc -vV names no host:\n{version}"))
}

/// A tool of LLVM 22: from PATH under its versioned name, or where Debian puts it.
fn tool(name: &str, package: &str) -> Result<PathBuf, String> {
    let folder = Path::new("/usr/lib/llvm-22/bin").join(name);
    let versioned = format!("{name}-22");
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|folder| folder.join(&versioned))
        .chain([folder])
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| format!("{versioned} was not found in PATH: install {package} (scripts/setup does)"))
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?} failed ({}):\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
