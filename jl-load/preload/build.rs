//! Link arguments of the preloaded shim.

fn main() {
    // Before every other constructor, so that plainly linked images are filled when theirs run; and
    // never unloaded, for images are bound to its symbols.
    for argument in ["-Wl,-z,initfirst", "-Wl,-z,nodelete", "-Wl,-z,now"] {
        println!("cargo::rustc-cdylib-link-arg={argument}");
    }
    println!("cargo::rerun-if-changed=build.rs");
}
