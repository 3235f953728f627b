//! Compiles `cpp/` against the LLVM that the plugin is built for.

use std::path::PathBuf;
use std::process::Command;

#[cfg(feature = "llvm16")]
const LLVM: u32 = 16;
#[cfg(feature = "llvm19")]
const LLVM: u32 = 19;
#[cfg(feature = "llvm22")]
const LLVM: u32 = 22;

#[cfg(not(any(feature = "llvm16", feature = "llvm19", feature = "llvm22")))]
compile_error!(
    "no LLVM chosen: enable one of the features llvm16, llvm19 and llvm22 (scripts/build-plugin does)"
);
#[cfg(any(
    all(feature = "llvm16", feature = "llvm19"),
    all(feature = "llvm16", feature = "llvm22"),
    all(feature = "llvm19", feature = "llvm22"),
))]
compile_error!(
    "more than one LLVM chosen: llvm16, llvm19 and llvm22 (the default) exclude each other; \
     use --no-default-features with one of them (scripts/build-plugin does)"
);

fn main() {
    // llvm-sys has the same variable for the same purpose.
    let variable = format!("LLVM_SYS_{LLVM}{}_PREFIX", if LLVM == 16 { 0 } else { 1 });
    println!("cargo:rerun-if-changed=cpp");
    println!("cargo:rerun-if-env-changed={variable}");
    let prefix = PathBuf::from(std::env::var(&variable).unwrap_or(format!("/usr/lib/llvm-{LLVM}")));
    let config = prefix.join("bin/llvm-config");
    let output = Command::new(&config).args(["--includedir", "--version"]).output().unwrap_or_else(|error| {
        panic!("cannot run {}: {error}; run scripts/setup, or set {variable}", config.display())
    });
    let output = String::from_utf8(output.stdout).expect("llvm-config prints text");
    let mut lines = output.lines();
    let include = lines.next().expect("llvm-config prints the include directory");
    let version = lines.next().expect("llvm-config prints the version");
    assert!(
        version.starts_with(&format!("{LLVM}.")),
        "found LLVM {version} in {}, expected LLVM {LLVM}",
        prefix.display()
    );
    println!("cargo:rustc-env=JL_LLVM_VERSION={version}");
    // Bound lazily, so that a host with another LLVM still gets to our version check instead of the
    // dynamic linker's complaint about the first symbol it lacks.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,lazy");
    cc::Build::new()
        .cpp(true)
        .file("cpp/shim.cpp")
        .file("cpp/julia.cpp")
        .file("cpp/split.cpp")
        .file("cpp/crash.cpp")
        .file("cpp/emit.cpp")
        .file("cpp/identity.cpp")
        .file("cpp/units.cpp")
        .file("cpp/packages.cpp")
        .file("cpp/settle.cpp")
        .include(include)
        .std("c++17")
        .flag("-fno-exceptions")
        .flag("-fno-rtti")
        .flag("-fvisibility=hidden")
        .flag("-fvisibility-inlines-hidden")
        .flag_if_supported("-Wno-unused-parameter")
        .flag_if_supported("-Wno-comment")
        .compile("jl_plugin_shim");
}
