//! Builds the object that is embedded here and linked into every image (see `runtime-shim`).

#[path = "../runtime-shim/build_object.rs"]
mod build_object;

use std::path::{Path, PathBuf};

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let workspace = manifest.parent().unwrap_or(Path::new("."));
    for input in ["runtime-shim", "image-format/src", "image-format/Cargo.toml", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rerun-if-env-changed=PATH");
    let built = build_object::build(&workspace.join("runtime-shim"), &out.join("shim"))
        .and_then(|object| std::fs::copy(object, out.join("jl_runtime_shim.o")).map_err(|e| e.to_string()));
    if let Err(message) = built {
        eprintln!("error: the runtime shim could not be built:\n{message}");
        std::process::exit(1);
    }
}
