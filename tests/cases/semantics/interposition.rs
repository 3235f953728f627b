//! Which definition a symbol has: LD_PRELOAD, -Bsymbolic, version scripts, dynamic lists, --wrap, weak
//! definitions, symbol versions.

use crate::{MAKERS, Maker, Pair};
use anyhow::{Result, ensure};
use tests::elf::Elf;

const LIBRARY: &str = "-O2 -fPIC -shared replaceable.c -o libpart.so";
const PROGRAM: &str = "-O2 caller.c -o program -L. -lpart -Wl,-rpath,$ORIGIN";
const PRELOAD: [(&str, &str); 1] = [("LD_PRELOAD", "./libreplace.so")];

/// Library, program and a library to preload, the first with further flags. Gives back what the program says
/// without and with the preloaded library.
fn preloading(flags: &str) -> Result<[String; 2]> {
    let pair = Pair::new()?;
    pair.build(&format!("{LIBRARY} {flags}"))?;
    pair.build(PROGRAM)?;
    pair.build("-O2 -fPIC -shared replacement.c -o libreplace.so")?;
    pair.cloned("libpart.so", &["step", "walk"])?;
    let alone = pair.same("program", &[], &[])?;
    let replaced = pair.same("program", &[], &PRELOAD)?;
    // A plain library replaces an image's functions, and an image a plain library's.
    for maker in MAKERS {
        let other = if maker == Maker::Plain { Maker::Image } else { Maker::Plain };
        let path = pair.folder(other).join("libreplace.so").display().to_string();
        let found = pair.run(maker, "program", &[], &[("LD_PRELOAD", &path)])?;
        ensure!(found.stdout == replaced.stdout, "{other:?} preloaded: {}", found.describe());
    }
    Ok([alone.stdout, replaced.stdout])
}

fn line<'a>(text: &'a str, word: &str) -> &'a str {
    text.lines().find(|l| l.starts_with(word)).unwrap_or("")
}

#[test]
fn a_preloaded_definition_replaces_an_exported_one() -> Result<()> {
    let [alone, replaced] = preloading("")?;
    for word in ["walk", "weak"] {
        ensure!(line(&alone, word) != line(&replaced, word), "nothing was replaced:\n{replaced}");
    }
    // The hidden alias is the library's own.
    ensure!(line(&alone, "own") == line(&replaced, "own"), "{alone}{replaced}");
    ensure!(replaced.contains("one address 1"), "{replaced}");
    Ok(())
}

#[test]
fn a_preloaded_definition_replaces_a_program_s_plt_and_pointers() -> Result<()> {
    // In a program that is not position-independent the address of a function may be that of its PLT entry.
    let pair = Pair::new()?;
    pair.build(LIBRARY)?;
    pair.build(&format!("{PROGRAM} -no-pie -fno-pie"))?;
    pair.build("-O2 -fPIC -shared replacement.c -o libreplace.so")?;
    pair.same("program", &[], &[])?;
    pair.same("program", &[], &PRELOAD).map(drop)
}

#[test]
fn symbolic_libraries_keep_their_own() -> Result<()> {
    for option in ["-Wl,-Bsymbolic", "-Wl,-Bsymbolic-functions", "-Wl,-Bsymbolic-non-weak-functions"] {
        let [alone, replaced] = preloading(option)?;
        ensure!(
            line(&alone, "walk").split(',').next() == line(&replaced, "walk").split(',').next(),
            "{option}"
        );
    }
    Ok(())
}

#[test]
fn semantic_interposition_as_asked() -> Result<()> {
    for flag in ["-fsemantic-interposition", "-fno-semantic-interposition", "-fvisibility=protected"] {
        preloading(flag)?;
    }
    preloading("-flto=thin")?;
    preloading("-flto=full").map(drop)
}

#[test]
fn version_scripts_and_dynamic_lists() -> Result<()> {
    let pair = Pair::new()?;
    let script = pair.source(
        "part.map",
        "V1 { global: step; step_address; table; walk; own_walk; weak_*; local: *; };\nV2 { global: twice; } V1;\n",
    )?;
    let list = pair.source("part.list", "{ weak_step; table; };\n")?;
    for flags in [
        format!("-Wl,--version-script={}", script.display()),
        format!("-Wl,--dynamic-list={}", list.display()),
        format!("-Wl,-Bsymbolic -Wl,--dynamic-list={}", list.display()),
    ] {
        pair.build(&format!("{LIBRARY} {flags}"))?;
        pair.build(PROGRAM)?;
        pair.build("-O2 -fPIC -shared replacement.c -o libreplace.so")?;
        pair.cloned("libpart.so", &["step", "walk"])?;
        pair.same("program", &[], &[])?;
        pair.same("program", &[], &PRELOAD)?;
        let exported = |maker: Maker| -> Result<Vec<String>> {
            let symbols = Elf::read(&pair.folder(maker).join("libpart.so"))?.dynamic_symbols()?;
            let mut names: Vec<String> = symbols.into_iter().filter(|s| s.defined).map(|s| s.name).collect();
            names.sort();
            // The data symbol by which the shims of a process find each other.
            names.retain(|n| !n.starts_with("jl_") && !n.starts_with("__jl_"));
            Ok(names)
        };
        let [plain, image] = [exported(Maker::Plain)?, exported(Maker::Image)?];
        ensure!(plain == image, "{flags}: exports {image:?}, expected {plain:?}");
    }
    Ok(())
}

#[test]
fn two_versions_of_a_function() -> Result<()> {
    let pair = Pair::new()?;
    let script =
        pair.source("versions.map", "OLD { global: count; local: *; };\nNEW { global: count; } OLD;\n")?;
    pair.build(&format!(
        "-O2 -fPIC -shared versions.c -o libversions.so -Wl,--version-script={}",
        script.display()
    ))?;
    pair.build("-O2 versions_main.c -o program -L. -lversions -Wl,-rpath,$ORIGIN")?;
    pair.cloned("libversions.so", &["count_old", "count_new"])?;
    let ran = pair.same("program", &[], &[])?;
    ensure!(ran.stdout == "old 1010, new 55, by default 55\n", "{}", ran.describe());
    Ok(())
}

#[test]
fn wrapped_symbols() -> Result<()> {
    let pair = Pair::new()?;
    for flags in ["", "-flto=thin", "-flto=full", "-static"] {
        pair.build(&format!(
            "-O2 wrap_main.c wrap_part.c -o program -Wl,--wrap=measure -Wl,--defsym=other_name=measure_twice {flags}"
        ))?;
        let ran = pair.same("program", &[], &[])?;
        ensure!(ran.stdout.contains("wrapped"), "{}", ran.describe());
    }
    Ok(())
}

#[test]
fn weak_definitions_give_way() -> Result<()> {
    let pair = Pair::new()?;
    // In the program, by an object, and by an archive's member that is asked for by another symbol.
    for arguments in [
        "caller.c replaceable.c replacement_weak.c",
        "caller.c replacement_weak.c replaceable.c",
        "-static caller.c replaceable.c replacement_weak.c",
        "-flto=thin caller.c replaceable.c replacement_weak.c",
    ] {
        pair.build(&format!("-O2 {arguments} -o program"))?;
        let ran = pair.same("program", &[], &[])?;
        ensure!(line(&ran.stdout, "weak") == "weak -528 -5", "{}", ran.describe());
    }
    pair.build("-O2 caller.c replaceable.c -o program")?;
    let ran = pair.same("program", &[], &[])?;
    ensure!(line(&ran.stdout, "weak") == "weak 33528 1005", "{}", ran.describe());
    // A weak reference that nobody defines is null.
    pair.build("-O2 weak_reference.c -o reference")?;
    pair.same("reference", &[], &[])?;
    pair.build("-O2 weak_reference.c weak_definition.c -o reference")?;
    pair.same("reference", &[], &[]).map(drop)
}

#[test]
fn a_program_replaces_a_library_s_function() -> Result<()> {
    let pair = Pair::new()?;
    pair.build(LIBRARY)?;
    for flags in ["", "-no-pie -fno-pie", "-Wl,--export-dynamic"] {
        pair.build(&format!("-O2 caller.c replacement.c -o program -L. -lpart -Wl,-rpath,$ORIGIN {flags}"))?;
        pair.same("program", &[], &[])?;
    }
    Ok(())
}
