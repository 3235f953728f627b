fn main() {
    // As build scripts do that compile for the platform by themselves.
    println!("cargo::rustc-check-cfg=cfg(from_configuration)");
    println!("cargo::rustc-env=BUILT_FOR={}", std::env::var("TARGET").unwrap());
}
