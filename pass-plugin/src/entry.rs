//! Where LLVM calls us: the plugin's entry point, the version check and the passes by name.

use crate::emit::driver;
use crate::emit::settings::EmitSettings;
#[cfg(feature = "llvm22")]
use crate::emit::unit;
use crate::julia::{cpu_features, multiversion};
#[cfg(feature = "llvm22")]
use crate::llvm::{HostMachine, HostStream};
use crate::llvm::{MemoryWatch, Module, Severity};
use crate::packages::{self, dedup, export};
use crate::settings::Settings;
use crate::shim::{self, Callbacks};
use crate::{annotate, arch, assembler, c_entries, partition, rewrite, simplify};
use image_format::cpu::Arch;
use image_format::feature::FeatureSet;
use llvm_sys::prelude::LLVMModuleRef;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The LLVM this plugin was built for, as `llvm-config --version` says.
pub const LLVM_VERSION: &str = env!("JL_LLVM_VERSION");
/// `LLVM_PLUGIN_API_VERSION`.
const PLUGIN_API_VERSION: u32 = if cfg!(feature = "llvm22") { 2 } else { 1 };

/// `PassPluginLibraryInfo`.
#[repr(C)]
pub struct PassPluginLibraryInfo {
    api_version: u32,
    name: *const c_char,
    version: *const c_char,
    register: extern "C" fn(*mut c_void),
    /// Called before code generation: module, target machine, kind of file, stream; true when it has
    /// generated the code itself. The field is new in LLVM 22; before, the shim does this in the pass.
    #[cfg(feature = "llvm22")]
    pre_code_gen: extern "C" fn(LLVMModuleRef, *mut c_void, c_int, *mut c_void) -> bool,
}

/// The one exported symbol.
#[unsafe(no_mangle)]
pub extern "C" fn llvmGetPassPluginInfo() -> PassPluginLibraryInfo {
    refuse_wrong_llvm();
    assembler::register();
    PassPluginLibraryInfo {
        api_version: PLUGIN_API_VERSION,
        name: c"julienne".as_ptr(),
        version: concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast(),
        register,
        #[cfg(feature = "llvm22")]
        pre_code_gen,
    }
}

/// Version of the LLVM that we run in: major, minor, patch; `None` where it cannot say, as before 16.
pub fn host_version() -> Option<(u32, u32, u32)> {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: the shim writes the three integers, or nothing.
    let known = unsafe { shim::jl_cpp_host_version(&mut major, &mut minor, &mut patch) };
    known.then_some((major, minor, patch))
}

/// Ends the process when the host is another LLVM: its structures differ from ours (before LLVM 22 the
/// struct that we return is smaller than ours), so there is no safe way to return.
fn refuse_wrong_llvm() {
    let built_for = LLVM_VERSION.split('.').next().unwrap_or("");
    let host = host_version();
    let major = host.map(|(major, _, _)| major);
    if major.is_some_and(|major| built_for == major.to_string()) {
        return;
    }
    let host = host.map_or("an LLVM before 16".to_string(), |(major, minor, patch)| {
        format!("LLVM {major}.{minor}.{patch}")
    });
    let remedy = match major {
        Some(major @ (16 | 19 | 22)) => {
            format!("scripts/build-plugin {major} builds the plugin for that one")
        }
        _ => format!("use opt, clang and lld of LLVM {built_for}; there are plugins for LLVM 16, 19 and 22"),
    };
    eprintln!(
        "error: the Julienne plugin was built for LLVM {LLVM_VERSION}, but the host runs {host}: {remedy}"
    );
    std::process::exit(1);
}

extern "C" fn register(builder: *mut c_void) {
    let callbacks = Callbacks {
        run,
        parse_name,
        record: Kind::Record as c_uint,
        annotate_and_clone: Kind::Both as c_uint,
        annotate_and_clone_lto: Kind::BothLto as c_uint,
        emit: Kind::Emit as c_uint,
        look_up: Kind::LookUp as c_uint,
        units: Kind::Units as c_uint,
        identify: Kind::Identify as c_uint,
        deduplicate: Kind::Deduplicate as c_uint,
        strict: annotate::FP_STRICT.as_ptr().cast(),
        strict_len: annotate::FP_STRICT.len(),
    };
    // SAFETY: LLVM passes its PassBuilder, which outlives the pipelines built from it; the shim copies
    // the callbacks before it returns.
    unsafe { shim::jl_cpp_register(builder, &callbacks) };
}

/// `CodeGenFileType::ObjectFile`.
#[cfg(feature = "llvm22")]
const OBJECT_FILE: c_int = 1;

#[cfg(feature = "llvm22")]
extern "C" fn pre_code_gen(
    module: LLVMModuleRef,
    machine: *mut c_void,
    kind: c_int,
    stream: *mut c_void,
) -> bool {
    // SAFETY: LLVM passes its module, target machine and stream, which live across the call and which it leaves
    // alone meanwhile.
    let (module, host, stream) =
        unsafe { (Module::from_raw(module), HostMachine::from_raw(machine), HostStream::from_raw(stream)) };
    guarded(module, || unit::generate(module, host, kind == OBJECT_FILE, stream))
}

/// Runs `work`, of which nothing unwinds across C: errors and panics become the compiler's errors, and then the result
/// is true.
fn guarded(module: Module, work: impl FnOnce() -> Result<bool, String>) -> bool {
    let _watch = MemoryWatch::start();
    let error = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => return done,
        Ok(Err(error)) => error,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
            format!("internal error in the plugin: {text}; please report it with this module")
        }
    };
    module.diagnose(Severity::Error, &format!("julienne: {error}"));
    true
}

/// What a pass does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    /// Before link-time optimisation: keep the settings with the functions.
    Record = 0,
    Both = 1,
    BothLto = 2,
    Annotate = 3,
    Multiversion = 4,
    PrintCpuModels = 5,
    JuliaCpuFeatures = 6,
    JuliaMultiVersioning = 7,
    /// LLVM's own simplification, which the shim puts before this; nothing is left to do.
    Simplify = 8,
    Partition = 9,
    Emit = 10,
    /// Before all else that `jl-emit` brings along: whether the cache has the archive.
    LookUp = 11,
    /// Keeps the functions' identities with them, or prints them.
    Identity = 12,
    /// The middle of simplification, in units.
    Units = 13,
    /// Exports functions for C.
    CEntries = 14,
    /// At the start of a pipeline: identities, where the environment asks for them.
    Identify = 15,
    /// Leaves out what dependencies have.
    Deduplicate = 16,
}

const NAMES: [(&str, Kind); 11] = [
    ("jl-annotate", Kind::Annotate),
    ("jl-c-entries", Kind::CEntries),
    ("jl-dedup", Kind::Deduplicate),
    ("jl-multiversion", Kind::Multiversion),
    ("jl-simplify", Kind::Simplify),
    ("jl-partition", Kind::Partition),
    ("jl-emit", Kind::Emit),
    ("jl-identity", Kind::Identity),
    ("jl-print-cpu-models", Kind::PrintCpuModels),
    ("CPUFeatures", Kind::JuliaCpuFeatures),
    ("JuliaMultiVersioning", Kind::JuliaMultiVersioning),
];

/// Instead of a level: the module is not simplified before the pass.
const NOT_AT_ALL: c_int = -1;

/// Tells the shim which pass `name` is, where its parameters start, and at which level LLVM is to simplify before it;
/// -1 for a name that is not ours.
extern "C" fn parse_name(
    name: *const c_char,
    len: usize,
    parameters_at: *mut usize,
    simplify: *mut c_int,
) -> c_int {
    // SAFETY: the shim passes a StringRef's pointer and length, which live across this call.
    let name = unsafe { std::slice::from_raw_parts(name.cast::<u8>(), len) };
    let Ok(name) = std::str::from_utf8(name) else { return -1 };
    let (word, parameters) = name.split_at(name.find('<').unwrap_or(name.len()));
    let Some((_, kind)) = NAMES.iter().find(|(n, _)| *n == word) else { return -1 };
    if !parameters.is_empty() {
        // SAFETY: the shim passes a pointer to its own local variable.
        unsafe { *parameters_at = word.len() };
    }
    if matches!(kind, Kind::Simplify | Kind::Emit) {
        let settings = EmitSettings::parse(inner(parameters)).unwrap_or_default();
        let level = if settings.simplified { NOT_AT_ALL } else { settings.level.number() as c_int };
        // SAFETY: as above.
        unsafe { *simplify = level };
    }
    *kind as c_int
}

/// Pass parameters without their brackets.
fn inner(parameters: &str) -> &str {
    parameters.trim_start_matches('<').trim_end_matches('>')
}

extern "C" fn run(module: LLVMModuleRef, kind: c_uint, parameters: *const c_char, len: usize) -> bool {
    // SAFETY: LLVM runs a module pass on a live module that no other thread uses meanwhile.
    let module = unsafe { Module::from_raw(module) };
    let parameters = if len == 0 {
        &[]
    } else {
        // SAFETY: the shim passes the pointer and length of a string that the pass owns.
        unsafe { std::slice::from_raw_parts(parameters.cast::<u8>(), len) }
    };
    let parameters = String::from_utf8_lossy(parameters).into_owned();
    guarded(module, || dispatch(module, kind, &parameters))
}

fn dispatch(module: Module, kind: c_uint, parameters: &str) -> Result<bool, String> {
    let inner = inner(parameters);
    if kind == Kind::Simplify as c_uint {
        EmitSettings::parse(inner)?;
        return Ok(false);
    }
    if kind == Kind::Partition as c_uint {
        return partition::partition(module, &EmitSettings::parse(inner)?.partition);
    }
    if kind == Kind::CEntries as c_uint {
        return c_entries::make(module);
    }
    if kind == Kind::Identity as c_uint {
        return packages::run(module, inner);
    }
    if kind == Kind::Identify as c_uint {
        return packages::identify_if_asked(module, &EmitSettings::parse(inner)?);
    }
    if kind == Kind::Deduplicate as c_uint {
        return dedup::deduplicate(module);
    }
    if kind == Kind::LookUp as c_uint {
        let settings = EmitSettings::parse(inner)?;
        let found = driver::look_up(module, &settings)?;
        // Identities are those of what the front end wrote.
        let identified = packages::identify_if_asked(module, &settings)?;
        // Simplification would remove a local function that nobody but C calls.
        return Ok(c_entries::make(module)? || identified || found);
    }
    if kind == Kind::Units as c_uint {
        return simplify::in_units(module, &EmitSettings::parse(inner)?);
    }
    if kind == Kind::Emit as c_uint {
        return driver::emit(module, &EmitSettings::parse(inner)?);
    }
    if kind == Kind::JuliaCpuFeatures as c_uint {
        return cpu_features::fold_by_attributes(module);
    }
    if kind == Kind::JuliaMultiVersioning as c_uint {
        return match inner {
            "" | "no-external" => multiversion::run(module, false),
            "external" => multiversion::run(module, true),
            other => Err(format!(
                "unknown parameter '{other}' of JuliaMultiVersioning; known are external and no-external"
            )),
        };
    }
    let settings = Settings::parse(inner, ';')?.with_lists_of_passes();
    match kind {
        k if k == Kind::Record as c_uint => annotate::record_settings(module),
        k if k == Kind::Annotate as c_uint => annotate::annotate(module, &settings),
        k if k == Kind::Multiversion as c_uint => {
            let cloned = rewrite::multiversion(module, false)?;
            Ok(export::export(module) || cloned)
        }
        k if k == Kind::PrintCpuModels as c_uint => {
            print_cpu_models(module)?;
            Ok(false)
        }
        k => {
            let annotated = annotate::annotate(module, &settings)?;
            let lto = k == Kind::BothLto as c_uint;
            let cloned = rewrite::multiversion(module, lto)?;
            Ok(export::export(module) || cloned || annotated)
        }
    }
}

/// Prints LLVM's CPU table in our feature ids: `image-format/src/cpu/x86_64_models.rs` or its sibling for the
/// module's architecture.
fn print_cpu_models(module: Module) -> Result<(), String> {
    let triple = module.triple();
    let arch = Arch::from_triple(&triple)
        .ok_or_else(|| format!("no table of CPU models for the triple '{triple}'"))?;
    let cpus = arch::cpus(arch);
    println!(
        "//! CPU models of {} and their features: generated from LLVM, not written by hand.\n//!\n\
         //! Generator: the pass `jl-print-cpu-models` of the plugin. A test compares this file with what LLVM says,\n\
         //! and writes it anew with JL_BLESS=1.\n\nuse super::Model;\n\n#[rustfmt::skip]\n\
         pub(super) static MODELS: [Model; {}] = [",
        arch.name().replace("x86_64", "x86-64"),
        cpus.len()
    );
    for cpu in cpus {
        let features = arch::cpu_features(arch, &arch::canonical_cpu(arch, &cpu)).unwrap_or_default();
        if let Some(new) = features.iter().find(|f| arch.feature(f).is_none() && !arch.is_not_hardware(f)) {
            return Err(format!("the feature '{new}' of CPU '{cpu}' is in none of image-format's tables"));
        }
        let set: FeatureSet = features.iter().filter_map(|f| arch.feature(f)).collect();
        println!("    Model::new(\"{cpu}\", [0x{:016x}, 0x{:016x}]),", set.0[0], set.0[1]);
    }
    println!("];");
    Ok(())
}
