//! Images that take functions from others: what the embedded shim fills, and what it refuses.

mod support;

use image_format::layout::{Dependency, Export, ImageHeader, Import};
use image_format::pod::{bytes_of, read_at};
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::packages::{PackageSample, Setup, Use, alter, host, list_checksums};
use support::{Machine, compile_c, on_aarch64, run, text};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

impl Setup {
    /// libf.so with cloned functions and others.
    fn library(&self) -> PathBuf {
        PackageSample { plain: 2, ..PackageSample::new("f", 3, &LEVELS) }.build(self.path())
    }

    /// libg.so, which takes three of them.
    fn user(&self) -> PathBuf {
        let f = self.path().join("libf.so");
        let uses = ["f2", "fplain1", "f0"].map(|name| Use::of(&f, name));
        PackageSample::new("g", 2, &LEVELS[..2]).with(uses).build(self.path())
    }

    /// The program in the folder, at target 1 of all images.
    fn host(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.host);
        command.args(arguments).current_dir(self.path()).env("JL_LOAD_TARGET", "1");
        command
    }

    /// What it prints, both streams.
    fn says(&self, arguments: &[&str]) -> String {
        let output = self.host(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}\n{}", output.status, text(&output));
        text(&output)
    }

    /// That libg.so is refused with all of these words, calls nothing, and the process goes on.
    fn is_refused(&self, words: &[&str]) {
        let said = self.says(&["+./libg.so"]);
        for word in [&["end\n", "libg.so: "], words].concat() {
            assert!(said.contains(word), "{word}: {said}");
        }
        use std::os::unix::process::ExitStatusExt;
        for function in ["g0", "guse0"] {
            let calling = self.host(&["+./libg.so", function]).output().unwrap();
            assert_eq!(calling.status.signal(), Some(6), "{function}: {}", text(&calling));
        }
    }
}

/// Writes the package lists of a header anew after `change` changed the import list, and their checksum.
fn with_imports(path: &Path, change: impl Fn(&mut Vec<Import>)) {
    alter(path, |bytes, at, header| {
        let place = |offset: i32| at.wrapping_add_signed(offset as isize);
        let (start, count) = (place(header.imports.offset), header.imports.count as usize);
        let mut imports: Vec<Import> =
            (0..count).map(|i| read_at(bytes, start + i * size_of::<Import>()).unwrap()).collect();
        change(&mut imports);
        let changed: Vec<u8> = imports.iter().flat_map(|i| bytes_of(i).to_vec()).collect();
        bytes[start..][..changed.len()].copy_from_slice(&changed);
        [header.package_checksum, header.details_checksum] = list_checksums(bytes, at, header);
    });
}

fn build_id(path: &Path) -> String {
    let file = jl_load::elf::ElfFile::open(path).unwrap();
    jl_load::check::hexadecimal(file.build_id().unwrap())
}

#[test]
fn functions_of_a_dependency_run_for_its_chosen_target() {
    let setup = Setup::new();
    setup.library();
    setup.user();
    for (cpu, own, other) in [("x86-64", 0, 0), ("nehalem", 1, 1), ("haswell", 1, 2)] {
        let mut command = setup.host(&["+./libg.so", "g1", "guse0", "guse1", "guse2"]);
        let ran = run(command.env_remove("JL_LOAD_TARGET").env("JL_LOAD_CPU", cpu));
        let expected = format!("g1={} guse0={} guse1=1001 guse2={other} end\n", 100 + own, 200 + other);
        assert_eq!(ran, expected, "{cpu}");
    }
    // In a namespace of its own it is another copy of both.
    let ran = setup.says(&["+./libg.so", "*./libg.so", "guse0"]);
    assert_eq!(ran, "guse0=201 end\n");
}

#[test]
fn the_same_at_start() {
    let setup = Setup::new();
    setup.library();
    let user = setup.user();
    let main = r#"#include <stdio.h>
        int guse0(void), guse1(void);
        int main(void) { printf("%d %d\n", guse0(), guse1()); }"#;
    let program = compile_c(setup.path(), "program", main, &[user.to_str().unwrap(), "-Wl,-rpath,$ORIGIN"]);
    assert_eq!(run(Command::new(&program).env("JL_LOAD_TARGET", "1")), "201 1001\n");
    PackageSample::new("f", 4, &LEVELS).build(setup.path());
    let output = Command::new(&program).output().unwrap();
    assert_eq!(output.status.code(), Some(127), "{}", text(&output));
    assert!(text(&output).contains("depends on libf.so"), "{}", text(&output));
}

#[test]
fn on_aarch64_too() {
    let folder = tempfile::tempdir().unwrap();
    let program = host(folder.path(), Machine::Aarch64);
    let sample = |prefix, functions| PackageSample {
        sample: support::Sample::aarch64(prefix, functions, &["generic", "a64fx"]),
        plain: 2,
        ..PackageSample::new(prefix, 0, &[])
    };
    let f = sample("f", 3).build(folder.path());
    sample("g", 1).with(["f2", "fplain1"].map(|name| Use::of(&f, name))).build(folder.path());
    let said = |cpu: &str| {
        let mut command = on_aarch64(cpu, &program);
        let output =
            command.args(["+./libg.so", "guse0", "guse1"]).current_dir(folder.path()).output().unwrap();
        text(&output)
    };
    assert_eq!(said("a64fx"), "guse0=201 guse1=1001 end\n");
    assert_eq!(said("cortex-a53"), "guse0=200 guse1=1001 end\n");
    sample("f", 4).build(folder.path());
    assert!(said("a64fx").contains("libf.so (build id"), "{}", said("a64fx"));
    assert!(said("a64fx").contains("jl_link_must_link_this") || said("a64fx").contains("abort"));
}

#[test]
fn images_without_a_cloned_function() {
    let setup = Setup::new();
    let f = PackageSample { plain: 3, ..PackageSample::new("f", 0, &LEVELS) }.build(setup.path());
    PackageSample::new("g", 0, &LEVELS).with([Use::of(&f, "fplain2")]).build(setup.path());
    assert_eq!(run(setup.host(&["+./libg.so", "guse0"]).env_remove("JL_LOAD_TARGET")), "guse0=1002 end\n");
}

#[test]
fn a_rebuilt_dependency_is_refused_with_both_build_ids() {
    let setup = Setup::new();
    let f = setup.library();
    setup.user();
    let before = build_id(&f);
    // The same functions and one more.
    PackageSample { plain: 3, ..PackageSample::new("f", 3, &LEVELS) }.build(setup.path());
    let after = build_id(&f);
    assert_ne!(before, after);
    setup.is_refused(&["depends on libf.so", &before, &after, "--jl-relink="]);
    // Back again.
    setup.library();
    assert_eq!(setup.says(&["+./libg.so", "guse0"]), "guse0=201 end\n");
}

#[test]
fn a_dependency_that_is_not_the_one() {
    let setup = Setup::new();
    let f = setup.library();
    setup.user();
    // Another image under its name.
    let h = PackageSample { soname: Some("libf.so"), ..PackageSample::new("h", 3, &LEVELS) };
    fs::rename(h.build(setup.path()), &f).unwrap();
    setup.is_refused(&["but what is loaded has build id"]);
    // No image at all.
    compile_c(setup.path(), "libf.so", "int f0(void) { return 7; }", &["-shared", "-fPIC"]);
    setup.is_refused(&["is no code image of this release"]);
    // Renamed: the dynamic linker itself says what is missing.
    fs::rename(&f, setup.path().join("libother.so")).unwrap();
    assert!(setup.says(&["+./libg.so"]).contains("dlopen: libf.so: cannot open shared object file"));
    // Nobody asks the dynamic linker for it.
    setup.library();
    let uses = [Use::of(&f, "f2")];
    PackageSample { needed: false, ..PackageSample::new("g", 2, &LEVELS) }.with(uses).build(setup.path());
    setup.is_refused(&["libf.so", "which is not loaded"]);
    let said = setup.says(&["+./libf.so", "+./libg.so", "guse0", "-./libf.so", "?./libf.so", "guse0"]);
    assert_eq!(
        said, "guse0=201 loaded guse0=201 end\n",
        "kept, though nobody but us knows that it is in use"
    );
}

#[test]
fn the_same_build_id_with_other_content() {
    let setup = Setup::new();
    let f = setup.library();
    setup.user();
    // Two exports change places, and their checksum is right.
    alter(&f, |bytes, at, header| {
        let first = at.wrapping_add_signed(header.exports.offset as isize);
        for i in 0..size_of::<Export>() {
            bytes.swap(first + i, first + size_of::<Export>() + i);
        }
        [header.package_checksum, header.details_checksum] = list_checksums(bytes, at, header);
    });
    setup.is_refused(&["other content under the same build id"]);
}

#[test]
fn damaged_lists() {
    let setup = Setup::new();
    let f = setup.library();
    let g = setup.user();
    let flip = |path: &Path, which: fn(&image_format::layout::ImageHeader) -> i32| {
        alter(path, |bytes, at, header| bytes[at.wrapping_add_signed(which(header) as isize) + 5] ^= 4);
    };
    // Exports and imports vouch for each other.
    alter(&f, |bytes, at, header| {
        let first = at.wrapping_add_signed(header.exports.offset as isize);
        (0..header.exports.count as usize).for_each(|i| bytes[first + i * size_of::<Export>() + 5] ^= 4);
    });
    setup.is_refused(&["libf.so", "its import 0 is to nothing there"]);
    setup.library();
    for (which, words) in [
        (
            (|header| header.imports.offset) as fn(&image_format::layout::ImageHeader) -> i32,
            "its import 0 is to nothing there",
        ),
        (
            |header| header.dependencies.offset,
            "list of functions of other images of this code image is damaged",
        ),
        (|header| header.table.offset, "list of functions of other images of this code image is damaged"),
    ] {
        flip(&g, which);
        setup.is_refused(&[words]);
        setup.user();
    }
    // An entry takes the place of another, whose slot waits then.
    with_imports(&g, |imports| imports[1] = imports[0]);
    setup.is_refused(&["list of functions of other images of this code image is damaged"]);
    setup.user();
    assert_eq!(setup.says(&["+./libg.so", "guse0"]), "guse0=201 end\n");
}

/// Lists whose checksum is right and that say what cannot be.
#[test]
fn imports_that_lead_nowhere() {
    let setup = Setup::new();
    setup.library();
    for (change, words) in [
        ((|import: &mut Import| import.export = 5) as fn(&mut Import), "its import 0 is to nothing there"),
        (|import| import.export = u32::MAX, "its import 0 is to nothing"),
        (|import| import.export ^= 1, "its import 0 is to nothing"),
        (|import| import.tag ^= 1 << 31, "its import 0 is to nothing"),
        (|import| import.slot += 4, "its import 0 is to nothing"),
        (|import| import.slot = 0, "its import 0 is to nothing"),
        (|import| import.slot = i32::MIN, "its import 0 is to nothing"),
    ] {
        let g = setup.user();
        with_imports(&g, |imports| change(&mut imports[0]));
        setup.is_refused(&[words]);
    }
    let g = setup.user();
    alter(&g, |_, _, header| header.import_span.count = 0x0100_0000);
    setup.is_refused(&["is damaged"]);
}

/// No load reads it, but who relinks the image would take another function.
#[test]
fn an_identity_of_another_function() {
    let setup = Setup::new();
    setup.library();
    let g = setup.user();
    alter(&g, |bytes, at, header| {
        bytes[at.wrapping_add_signed(header.import_identities.offset as isize)] ^= 1;
        [_, header.details_checksum] = list_checksums(bytes, at, header);
    });
    assert_eq!(setup.says(&["+./libg.so", "guse0"]), "guse0=201 end\n");
    let (_, said) = jl_load(setup.path(), &["explain", "libg.so", "--deps"]);
    assert!(said.contains("has not got all functions that are taken from it"), "{said}");
}

#[test]
fn a_chain_with_a_refused_member() {
    let setup = Setup::new();
    setup.library();
    let g = setup.user();
    let h = PackageSample::new("h", 1, &LEVELS).with([Use::of(&g, "g1")]).build(setup.path());
    PackageSample::new("i", 1, &LEVELS).with([Use::of(&h, "h0")]).build(setup.path());
    assert_eq!(setup.says(&["+./libi.so", "iuse0"]), "iuse0=1 end\n");
    PackageSample::new("f", 3, &LEVELS).build(setup.path());
    let said = setup.says(&["+./libi.so", "?./libf.so"]);
    assert_eq!(said.matches("which was refused itself").count(), 2, "{said}");
    assert_eq!(said.matches("--jl-relink=").count(), 1, "{said}");
    // The one below is as good as before.
    assert_eq!(setup.says(&["+./libf.so", "f2"]), "f2=201 end\n");
}

#[test]
fn a_circle() {
    let setup = Setup::new();
    let f = PackageSample::new("f", 2, &LEVELS).build(setup.path());
    let g = PackageSample::new("g", 2, &LEVELS).with([Use::of(&f, "f1")]).build(setup.path());
    let circular = PackageSample::new("f", 2, &LEVELS).with([Use::of(&g, "g1")]);
    circular.build(setup.path());
    for library in ["+./libf.so", "+./libg.so"] {
        let said = setup.says(&[library]);
        assert_eq!(said.matches("cannot run here").count(), 2, "{said}");
    }
    // What g says of f is right now, what f says of g is not; f has not had its turn when g has its.
    PackageSample::new("g", 2, &LEVELS).with([Use::of(&f, "f1")]).build(setup.path());
    let said = setup.says(&["+./libf.so"]);
    assert!(said.contains("it depends on this image in turn") && said.contains("end\n"), "{said}");
    let said = setup.says(&["+./libg.so"]);
    assert_eq!(said.matches("cannot run here").count(), 2, "{said}");
}

#[test]
fn own_copies_run_where_the_dependency_cannot() {
    let setup = Setup::new();
    let f = setup.library();
    let build = || {
        let uses = [Use { fallback: Some(3), ..Use::of(&f, "f2") }];
        PackageSample { needed: false, ..PackageSample::new("g", 4, &LEVELS) }.with(uses).build(setup.path())
    };
    build();
    let log =
        |arguments: &[&str]| text(&setup.host(arguments).env("JL_LOAD_LOG", "stderr").output().unwrap());
    // The image's own g3, and so it does not wait for the dependency.
    let said = log(&["+./libg.so", "g3", "guse0"]);
    assert!(said.contains("g3=301 guse0=301 end\n"), "{said}");
    assert!(said.contains("runs its own copies") && said.contains("libf.so (build id"), "{said}");
    let said = log(&["+./libf.so", "+./libg.so", "g3", "guse0"]);
    assert!(said.contains("g3=201 guse0=201 end\n") && !said.contains("own copies"), "{said}");
    // In use it is not unloaded.
    let said = setup.says(&["+./libf.so", "+./libg.so", "-./libf.so", "?./libf.so", "g3"]);
    assert_eq!(said, "loaded g3=201 end\n");
    PackageSample::new("f", 3, &LEVELS).build(setup.path());
    assert_eq!(setup.says(&["+./libf.so", "+./libg.so", "g3"]), "g3=301 end\n");
}

#[test]
fn what_is_in_use_is_not_unloaded() {
    let setup = Setup::new();
    setup.library();
    setup.user();
    for arguments in [
        &["+./libf.so", "+./libg.so", "-./libf.so", "guse0", "-./libg.so", "?./libf.so", "?./libg.so"][..],
        &[
            "+./libg.so",
            "+./libf.so",
            "-./libf.so",
            "+./libg.so",
            "guse0",
            "-./libg.so",
            "-./libg.so",
            "?./libf.so",
            "?./libg.so",
        ],
    ] {
        assert_eq!(setup.says(arguments), "guse0=201 gone gone end\n", "{arguments:?}");
    }
    // Again and again, at other addresses.
    let again = ["+./libg.so", "guse1", "-./libg.so", "+./libf.so"].repeat(20);
    assert_eq!(setup.says(&again), format!("{}end\n", "guse1=1001 ".repeat(20)));
}

/// The dynamic linker gives the image the first object of the name; the right one is the second.
#[test]
fn two_objects_of_one_name() {
    let setup = Setup::new();
    let f = setup.library();
    setup.user();
    let other = setup.path().join("other");
    fs::create_dir(&other).unwrap();
    PackageSample::new("f", 1, &LEVELS).build(&other);
    let said = setup.says(&["+./other/libf.so", "+./libf.so", "+./libg.so", "guse0", "-./libf.so", "guse1"]);
    assert_eq!(said, "guse0=201 guse1=1001 end\n", "{}", f.display());
    assert!(setup.says(&["+./other/libf.so", "+./libg.so"]).contains("what is loaded has build id"));
}

/// More dependencies than are looked at in one pass.
#[test]
fn many_dependencies() {
    let setup = Setup::new();
    let names: Vec<&'static str> = (0..37).map(|i| &*format!("d{i}x").leak()).collect();
    let images: Vec<PathBuf> =
        names.iter().map(|name| PackageSample::new(name, 2, &LEVELS).build(setup.path())).collect();
    let uses = images.iter().zip(&names).map(|(image, name)| Use::of(image, &format!("{name}1")));
    PackageSample::new("g", 1, &LEVELS).with(uses).build(setup.path());
    assert_eq!(
        setup.says(&["+./libg.so", "guse0", "guse15", "guse16", "guse36"]),
        "guse0=101 guse15=101 guse16=101 guse36=101 end\n"
    );
    PackageSample::new("d36x", 1, &LEVELS).build(setup.path());
    assert!(setup.says(&["+./libg.so"]).contains("depends on libd36x.so"));
}

/// Three hundred images in five levels: each takes functions from three of the level below, which share what they use.
#[test]
fn hundreds_of_images_in_levels() {
    const LEVEL: usize = 60;
    let setup = Setup::new();
    let name = |level: usize, i: usize| &*format!("l{level}n{}x", i % LEVEL).leak();
    for level in 0..5 {
        let build = |i: usize| {
            let below = (0..if level == 0 { 0 } else { 3 }).map(|k| name(level - 1, i + 7 * k));
            let uses = below.map(|n| Use::of(&setup.path().join(format!("lib{n}.so")), &format!("{n}1")));
            PackageSample::new(name(level, i), 2, &LEVELS).with(uses).build(setup.path());
        };
        std::thread::scope(|scope| {
            for worker in 0..2 {
                scope.spawn(move || (0..LEVEL).skip(worker).step_by(2).for_each(build));
            }
        });
    }
    let open: Vec<String> = (0..LEVEL).map(|i| format!("+./lib{}.so", name(4, i))).collect();
    let close: Vec<String> = open.iter().map(|path| path.replacen('+', "-", 1)).collect();
    let mut arguments: Vec<&str> = open.iter().map(String::as_str).collect();
    arguments.extend(["l4n59xuse0", "l4n59xuse2"]);
    // Every second one is closed and the others still work; then all are, and loaded again.
    arguments.extend(close.iter().step_by(2).map(String::as_str));
    // (Those may stay: what is loaded with an image shares its process block.)
    arguments.extend(["l4n59xuse1", "?./libl3n0x.so"]);
    arguments.extend(close.iter().skip(1).step_by(2).map(String::as_str));
    arguments.extend(["?./libl4n0x.so", "?./libl3n0x.so", "?./libl0n0x.so", "+./libl4n0x.so", "l4n0xuse0"]);
    let expected = "l4n59xuse0=101 l4n59xuse2=101 l4n59xuse1=101 loaded gone gone gone l4n0xuse0=101 end\n";
    assert_eq!(setup.says(&arguments), expected);
    let (is_right, said) = jl_load(setup.path(), &["explain", "libl4n0x.so", "--deps"]);
    assert!(is_right && said.matches(": fits").count() > 20, "{said}");
}

fn jl_load(folder: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jl-load"));
    let output = command.args(arguments).current_dir(folder).env_remove("LD_LIBRARY_PATH").output().unwrap();
    (output.status.success(), text(&output))
}

#[test]
fn check_reads_the_lists() {
    let setup = Setup::new();
    setup.library();
    let g = setup.user();
    let (is_right, said) = jl_load(setup.path(), &["check", "libf.so", "libg.so"]);
    assert!(is_right, "{said}");
    assert!(said.contains("libf.so: right: merged image, 3 functions, 5 exports, 0 imports"), "{said}");
    assert!(said.contains("libg.so: right: merged image, 2 functions, 2 exports, 3 imports"), "{said}");
    type Change = fn(&mut Vec<Import>);
    for (change, words) in [
        ((|list| list[0].slot += 4) as Change, "is no aligned place inside the span"),
        (|list| list[0].slot = 0x40, "leads to"),
        (|list| list[0].slot = list[1].slot, "is another import's, too"),
        (|list| list.swap(0, 2), "stands before that of the import before it"),
    ] {
        with_imports(&g, change);
        let (is_right, said) = jl_load(setup.path(), &["check", "libg.so"]);
        assert!(!is_right && said.contains(words), "{words}: {said}");
        setup.user();
    }
    // What the dependency alone can tell.
    with_imports(&g, |list| list[0].tag ^= 1);
    let (_, said) = jl_load(setup.path(), &["explain", "libg.so", "--deps"]);
    assert!(said.contains("has not got all functions that are taken from it"), "{said}");
    setup.user();
    // Lists that no load could read where they stand.
    type Shift = fn(&mut ImageHeader);
    for (shift, field) in [
        ((|header| header.exports.offset += 2) as Shift, "exports"),
        (|header| header.imports.offset += 2, "imports"),
    ] {
        alter(&g, |bytes, at, header| {
            shift(header);
            [header.package_checksum, header.details_checksum] = list_checksums(bytes, at, header);
        });
        let (is_right, said) = jl_load(setup.path(), &["check", "libg.so"]);
        let words = format!("header field {field}: the list at");
        assert!(!is_right && said.contains(&words) && said.contains("is not aligned"), "{field}: {said}");
        setup.user();
    }
    // A fallback slot that is not the image's own, and what nobody loads.
    alter(&g, |bytes, at, header| {
        let list = at.wrapping_add_signed(header.dependencies.offset as isize);
        bytes[list + offset_of!(Dependency, name)..][..3].copy_from_slice(b"no/");
        [header.package_checksum, header.details_checksum] = list_checksums(bytes, at, header);
    });
    let (is_right, said) = jl_load(setup.path(), &["check", "libg.so"]);
    assert!(!is_right && said.contains("is no file's name") && said.contains("DT_NEEDED"), "{said}");
}

#[test]
fn check_and_explain_do_without_clones() {
    let setup = Setup::new();
    PackageSample { plain: 3, ..PackageSample::new("f", 0, &LEVELS) }.build(setup.path());
    let (is_right, said) = jl_load(setup.path(), &["check", "libf.so"]);
    assert!(is_right && said.contains("0 functions, 3 exports, 0 imports"), "{said}");
    let (is_right, said) = jl_load(setup.path(), &["explain", "libf.so"]);
    assert!(is_right && said.contains("exports    3 functions"), "{said}");
}

#[test]
fn explain_shows_the_dependencies() {
    let setup = Setup::new();
    let f = setup.library();
    let g = setup.user();
    let uses = [Use::of(&g, "g0"), Use::of(&f, "fplain0")];
    PackageSample::new("h", 1, &LEVELS).with(uses).build(setup.path());
    let (_, said) = jl_load(setup.path(), &["explain", "libh.so", "--cpu", "haswell"]);
    let line = format!("imports    1 function of libf.so (build id {})", build_id(&f));
    assert!(said.contains("exports    1 function ") && said.contains(&line), "{said}");

    let graph = |file: &str| -> serde_json::Value {
        let (is_right, said) = jl_load(setup.path(), &["explain", file, "--deps", "--json"]);
        assert!(is_right, "{said}");
        serde_json::from_str(&said).unwrap()
    };
    let found = graph("libh.so");
    let names: Vec<_> = found["images"].as_array().unwrap().iter().map(|i| i["name"].clone()).collect();
    assert_eq!(names, ["libh.so", "libg.so", "libf.so"]);
    let edges = &found["images"][0]["dependencies"];
    assert_eq!((&edges[0]["image"], &edges[1]["image"]), (&1.into(), &2.into()));
    assert_eq!((&edges[1]["imports"], &edges[1]["verdict"]), (&1.into(), &"fits".into()));
    // `fplain0` is `endbr64; mov; ret`.
    assert_eq!(edges[1]["bytes_saved"], 10);
    // Three bodies of two cloned functions, their trampolines, and another of those.
    assert_eq!(found["images"][1]["dependencies"][0]["bytes_saved"], 2 * (3 * 10 + 10) + 10);

    let (_, said) = jl_load(setup.path(), &["explain", "libh.so", "--deps", "--svg=graph.svg"]);
    for words in [
        "imports 2 from 2 images; 130 bytes saved",
        "libg.so: 1 function, 30 bytes",
        "libf.so: 1 function, 10 bytes: as above",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let svg = fs::read_to_string(setup.path().join("graph.svg")).unwrap();
    assert_eq!((svg.matches("<path").count(), svg.matches("<g>").count()), (3, 3), "{svg}");

    PackageSample::new("f", 3, &LEVELS).build(setup.path());
    let found = graph("libg.so");
    let edge = &found["images"][0]["dependencies"][0];
    assert_eq!((&edge["verdict"], &edge["bytes_saved"]), (&"rebuilt".into(), &serde_json::Value::Null));
    let (_, said) = jl_load(setup.path(), &["explain", "libg.so", "--deps"]);
    assert!(said.contains("is another one") && said.contains(&build_id(&f)), "{said}");
    fs::remove_file(&f).unwrap();
    let (_, said) = jl_load(setup.path(), &["explain", "libg.so", "--deps"]);
    assert!(said.contains("not found in "), "{said}");
    fs::write(&f, "no image").unwrap();
    let (_, said) = jl_load(setup.path(), &["explain", "libg.so", "--deps"]);
    assert!(said.contains("not an ELF file"), "{said}");
}
