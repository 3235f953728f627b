//! Compiles `cpp/shim.cpp` against the LLVM that the plugin is built for.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=cpp/shim.cpp");
    println!("cargo:rerun-if-changed=cpp/julia.cpp");
    println!("cargo:rerun-if-env-changed=LLVM_SYS_221_PREFIX");
    let prefix = PathBuf::from(std::env::var("LLVM_SYS_221_PREFIX").unwrap_or("/usr/lib/llvm-22".into()));
    let config = prefix.join("bin/llvm-config");
    let output = Command::new(&config).args(["--includedir", "--version"]).output().unwrap_or_else(|error| {
        panic!("cannot run {}: {error}; run scripts/setup, or set LLVM_SYS_221_PREFIX", config.display())
    });
    let output = String::from_utf8(output.stdout).expect("llvm-config prints text");
    let mut lines = output.lines();
    let include = lines.next().expect("llvm-config prints the include directory");
    let version = lines.next().expect("llvm-config prints the version");
    assert!(version.starts_with("22."), "found LLVM {version} in {}, expected LLVM 22", prefix.display());
    println!("cargo:rustc-env=JL_LLVM_VERSION={version}");
    // Bound lazily, so that a host with another LLVM still gets to our version check instead of the
    // dynamic linker's complaint about the first symbol it lacks.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,lazy");
    cc::Build::new()
        .cpp(true)
        .file("cpp/shim.cpp")
        .file("cpp/julia.cpp")
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
