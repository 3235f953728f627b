//! Builds the objects, one per architecture, that are embedded here and linked into every image (see
//! `runtime-shim`).

#[path = "../runtime-shim/build_object.rs"]
mod build_object;

use build_object::Machine;
use std::path::{Path, PathBuf};

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let workspace = manifest.parent().unwrap_or(Path::new("."));
    for input in ["runtime-shim", "image-format/src", "image-format/Cargo.toml", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    if let Some(file) = build_object::installed_targets() {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rustc-check-cfg=cfg(jl_x86_64)\ncargo::rustc-check-cfg=cfg(jl_aarch64)");
    for machine in [Machine::X86_64, Machine::Aarch64] {
        let name = machine.name();
        let is_host = std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|host| host == name);
        // Another architecture's object needs a core library that a compiler may not have: then jl-link says so
        // when it is asked for such an image. Anything else that fails is an error.
        if let (Err(message), false) = (machine.triple(), is_host) {
            println!("cargo::warning=jl-link will not make images for {name}: {message}");
            continue;
        }
        let object = format!("jl_runtime_shim_{name}.o");
        let built = build_object::build(&workspace.join("runtime-shim"), &out.join(name), machine)
            .and_then(|built| std::fs::copy(built, out.join(object)).map_err(|e| e.to_string()));
        if let Err(message) = built {
            eprintln!("error: the runtime shim for {name} could not be built:\n{message}");
            std::process::exit(1);
        }
        println!("cargo::rustc-cfg=jl_{name}");
    }
}
