//! Declares the cfg under which the crate is the object that goes into images, see `object.rs`.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(jl_object)");
    println!("cargo::rerun-if-changed=build.rs");
}
