//! Data of other images: types in three levels of libraries, of which there is one each; and base images.

use anyhow::{Context, Result, ensure};
use image_format::dependency::DependencyImage;
use image_format::layout::{DEPENDENCY_SECTION, REFERENCE_SECTION, UNRESOLVED_SYMBOL};
use image_format::pod::bytes_of;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;
use tests::command::{Ran, run, run_ok};
use tests::machine::{AARCH64, HOST, Machine};
use tests::tools::{Tools, in_tests};

struct Work {
    folder: TempDir,
    tools: Tools,
    machine: &'static Machine,
}

impl Work {
    fn new(machine: &'static Machine) -> Result<Work> {
        let folder = tempfile::Builder::new().prefix("jl-test-").tempdir()?;
        Ok(Work { folder, tools: Tools::find()?, machine })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn jl_cc(&self) -> Command {
        let mut command = Command::new(self.tools.jl_cc());
        command.args(self.machine.flags).arg(format!("--jl-targets={}", self.machine.targets)).arg("-O2");
        command.env("JL_CACHE", "0").current_dir(self.folder.path());
        command
    }

    /// `libNAME.so` of a source, above the libraries that `options` name.
    fn library(&self, name: &str, options: &[&str]) -> Result<()> {
        run_ok(&mut self.library_command(name, options))?;
        Ok(())
    }

    fn library_command(&self, name: &str, options: &[&str]) -> Command {
        let (source, file) = (in_tests(&format!("packages/{name}.c")), format!("lib{name}.so"));
        let mut command = self.jl_cc();
        command.args(["-fPIC", "-shared", "-L.", "-Wl,-rpath,$ORIGIN"]).arg(format!("-Wl,-soname,{file}"));
        command.arg(source).args(["-o", &file]).args(options);
        command
    }

    /// Types, shapes above them, and a drawing above both.
    fn libraries(&self) -> Result<()> {
        self.library("types", &["-Wl,--jl-base"])?;
        self.library("shapes", &["--jl-dep=libtypes.so"])?;
        self.library("drawing", &["--jl-dep=libtypes.so", "--jl-dep=libshapes.so"])
    }

    fn program(&self, options: &[&str]) -> Result<Ran> {
        let mut command = self.jl_cc();
        command.args(["-L.", "-Wl,-rpath,$ORIGIN", "-o", "program"]).arg(in_tests("packages/data_main.c"));
        command.args(options).args(["-ldrawing", "-lshapes", "-ltypes"]);
        run(&mut command)
    }

    /// What the program prints.
    fn runs(&self) -> Result<Ran> {
        let words = self.machine.prefix(&self.machine.best());
        let Some((emulator, options)) = words.split_first() else {
            return run(&mut Command::new(self.path("program")));
        };
        run(Command::new(emulator).args(options).arg(self.path("program")))
    }

    fn jl_load(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tools.jl_load());
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    fn relink(&self, library: &str) -> Result<Ran> {
        let mut command = Command::new(self.tools.jl_link());
        command.args([&format!("--jl-relink={library}"), "--jl-dep=libtypes.so", "-o", library]);
        run(command.current_dir(self.folder.path()))
    }

    fn build_id(&self, library: &str) -> Result<String> {
        let notes = run_ok(Command::new("readelf").arg("-n").arg(self.path(library)))?.stdout;
        let line = notes.lines().find_map(|l| l.trim().strip_prefix("Build ID: ")).context("no build id")?;
        Ok(line.to_string())
    }
}

/// All that `drawing` looks at, and the program's own view.
const EXPECTED: &str = "6 1\n";

fn levels(machine: &'static Machine) -> Result<()> {
    let work = Work::new(machine)?;
    work.libraries()?;
    work.program(&["-Wl,--jl-dep=libtypes.so", "-Wl,--jl-dep=libshapes.so"])?.success()?;
    let ran = work.runs()?;
    ensure!(ran.stdout == EXPECTED, "{}", ran.describe());
    let all = ["check", "libtypes.so", "libshapes.so", "libdrawing.so", "program"];
    run_ok(&mut work.jl_load(&all))?;
    let explained = run_ok(&mut work.jl_load(&["explain", "--deps", "--json", "libdrawing.so"]))?.stdout;
    let explained: serde_json::Value = serde_json::from_str(&explained)?;
    let of = |image: usize, key: &str| explained["images"][image]["dependencies"][0][key].clone();
    let [drawing, shapes, types] = [0, 1, 2];
    ensure!(of(drawing, "data") == serde_json::json!(["circle", "shape"]), "{explained}");
    ensure!(of(shapes, "data") == serde_json::json!(["any", "number"]), "{explained}");
    // Two in its own data for others, two in its list, and one within an object.
    ensure!(of(shapes, "references") == 4, "{explained}");
    ensure!(explained["images"][types]["base"] == true && explained["images"][shapes]["base"] == false);
    ensure!(explained["images"][types]["linkage"] == 48, "{explained}");
    // No name is left that the dynamic linker would look up.
    let relocations = run_ok(Command::new("readelf").args(["-rW"]).arg(work.path("libshapes.so")))?.stdout;
    let looked_up = |line: &str| ["any", "number"].iter().any(|name| line.contains(&format!(" {name} + ")));
    ensure!(!relocations.lines().any(looked_up), "{relocations}");
    Ok(())
}

#[test]
fn data_is_one_across_three_levels() -> Result<()> {
    levels(&HOST)
}

#[test]
fn on_aarch64_too() -> Result<()> {
    levels(&AARCH64)
}

#[test]
fn a_rebuilt_image_is_refused_until_the_others_are_relinked() -> Result<()> {
    let work = Work::new(&HOST)?;
    work.libraries()?;
    work.program(&[])?.success()?;
    let before = work.build_id("libtypes.so")?;
    // All data moves.
    work.library("types", &["-DREBUILT", "-Wl,--jl-base"])?;
    let after = work.build_id("libtypes.so")?;
    let refused = work.runs()?;
    let named = [&before, &after].iter().all(|id| refused.stderr.contains(*id));
    ensure!(
        refused.status.code() == Some(127) && named && refused.stdout.is_empty(),
        "{}",
        refused.describe()
    );
    // Bottom up: what a relinked image refers to is refused in turn until it is known again.
    work.relink("libshapes.so")?.success()?;
    work.relink("libdrawing.so")?.success()?;
    let mut again = Command::new(work.tools.jl_link());
    again.args(["--jl-relink=libdrawing.so", "--jl-dep=libshapes.so", "-o", "libdrawing.so"]);
    run_ok(again.current_dir(work.folder.path()))?;
    let ran = work.runs()?;
    ensure!(ran.stdout == EXPECTED, "{}", ran.describe());

    work.library("types", &["-DWITHOUT_NUMBER"])?;
    let gone = work.relink("libshapes.so")?;
    ensure!(!gone.status.success() && gone.stderr.contains("data number"), "{}", gone.describe());
    work.library("types", &["-Dsize=size;long more"])?;
    let grown = work.relink("libshapes.so")?;
    ensure!(!grown.status.success() && grown.stderr.contains("data any"), "{}", grown.describe());
    Ok(())
}

/// Cells of two dependencies in turns, over many pages, sealed and not.
#[test]
fn many_references() -> Result<()> {
    let work = Work::new(&HOST)?;
    work.libraries()?;
    let mut command = work.jl_cc();
    command.args(["-fPIC", "-L.", "-Wl,-rpath,$ORIGIN", "-o", "program"]).arg(in_tests("packages/many.c"));
    run_ok(command.args(["--jl-dep=libtypes.so", "--jl-dep=libshapes.so", "-lshapes", "-ltypes"]))?;
    let is_right = || -> Result<()> {
        let ran = work.runs()?.success()?;
        ensure!(ran.stdout == "0 wrong\n", "{}", ran.describe());
        run_ok(&mut work.jl_load(&["check", "program"])).map(drop)
    };
    is_right()?;
    let explained = run_ok(&mut work.jl_load(&["explain", "--deps", "--json", "program"]))?.stdout;
    let explained: serde_json::Value = serde_json::from_str(&explained)?;
    let edges = explained["images"][0]["dependencies"].as_array().context("no dependencies")?;
    let mut found: Vec<_> =
        edges.iter().map(|edge| (edge["data"].clone(), edge["references"].clone())).collect();
    found.sort_by_key(|(data, _)| data.to_string());
    let half = serde_json::json!((1024 + 1024 + 16) / 2);
    let expected =
        [["any", "number"], ["circle", "shape"]].map(|data| (serde_json::json!(data), half.clone()));
    ensure!(found == expected, "{explained}");
    // All places of one dependency change, and what is known of the other.
    work.library("types", &["-DREBUILT", "-Wl,--jl-base"])?;
    work.relink("libshapes.so")?.success()?;
    let mut relink = Command::new(work.tools.jl_link());
    relink.args(["--jl-relink=program", "--jl-dep=libtypes.so", "--jl-dep=libshapes.so"]);
    relink.args(["-o", "program", "--jl-summary"]);
    let relinked = run_ok(relink.current_dir(work.folder.path()))?;
    ensure!(
        relinked.stderr.contains("2064 references were looked up again, in 2 rebuilt images"),
        "{}",
        relinked.describe()
    );
    is_right()
}

/// What a serialiser writes: it asks whose data a pointer leads to, and records the place.
#[test]
fn an_address_of_a_process_becomes_a_reference_by_its_place() -> Result<()> {
    let work = Work::new(&HOST)?;
    work.libraries()?;
    work.program(&[])?.success()?;
    let mut process = Command::new(work.path("program"))
        .arg("wait")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = process.stdout.take().context("no output")?;
    let addresses = BufReader::new(output).lines().nth(1).context("no line of addresses")??;
    let (number, [inside, outside]) = (process.id().to_string(), {
        let mut words = addresses.split(' ');
        [words.next().context("no address")?, words.next().context("no second address")?]
    });
    let found = run(&mut work.jl_load(&["owner", "--json", &number, inside, outside]))?;
    drop(process.stdin.take());
    process.wait()?;
    let found: serde_json::Value = serde_json::from_str(&found.stdout)?;
    ensure!(found[0]["build_id"] == work.build_id("libshapes.so")?.as_str(), "{found}");
    ensure!(found[1]["offset"].is_null(), "the stack belongs to no image: {found}");
    // `super` is the second field of the first object.
    ensure!(found[0]["offset"] == 8, "{found}");

    let record = DependencyImage::open(&work.path("libshapes.so"))?.record(0);
    let bytes = bytes_of(&record).iter().map(u8::to_string).collect::<Vec<_>>().join(",");
    let source = |offset: u64| {
        format!(
            ".section {DEPENDENCY_SECTION},\"a\",@progbits\n.p2align 3\ndependency: .byte {bytes}\n\
             .section .data.rel.ro,\"aw\",@progbits\n.p2align 3\n.globl by_place\n.type by_place,@object\n\
             by_place: .quad {UNRESOLVED_SYMBOL}\n.size by_place, 8\n.hidden {UNRESOLVED_SYMBOL}\n\
             .section {REFERENCE_SECTION},\"a\",@progbits\n.p2align 2\n.long by_place - .\n.long dependency - .\n\
             .long {offset}, 0, 0\n.section .note.GNU-stack,\"\",@progbits\n"
        )
    };
    let link = |offset: u64, options: &[&str]| -> Result<Ran> {
        fs::write(work.path("place.s"), source(offset))?;
        let mut command = work.jl_cc();
        command.args(options);
        command.arg(in_tests("packages/by_place.c")).args(["place.s", "-L.", "-lshapes", "-ltypes"]);
        run(command.args(["-Wl,-rpath,$ORIGIN", "-o", "program"]))
    };
    link(24, &[])?.success()?;
    let ran = work.runs()?;
    ensure!(ran.stdout == "circle\n", "{}", ran.describe());
    run_ok(&mut work.jl_load(&["check", "program"]))?;
    let base = link(24, &["-Wl,--jl-base"])?;
    let named = base.stderr.contains("0 imports and 1 reference from libshapes.so");
    ensure!(!base.status.success() && named, "{}", base.describe());
    let outside = link(48, &[])?;
    ensure!(
        !outside.status.success() && outside.stderr.contains("less than the 48 bytes"),
        "{}",
        outside.describe()
    );
    Ok(())
}

#[test]
fn a_program_must_not_have_a_copy() -> Result<()> {
    let work = Work::new(&HOST)?;
    // As protected the linker itself would refuse it.
    work.library("types", &["-DVISIBILITY=\"default\""])?;
    work.library("shapes", &["-DVISIBILITY=\"default\"", "--jl-dep=libtypes.so"])?;
    work.library("drawing", &["--jl-dep=libtypes.so", "--jl-dep=libshapes.so"])?;
    let refused = work.program(&["-no-pie", "-fno-pie", "-Wl,--jl-dep=libtypes.so"])?;
    ensure!(!refused.status.success() && refused.stderr.contains("a copy of it"), "{}", refused.describe());
    Ok(())
}

#[test]
fn a_base_image_takes_nothing() -> Result<()> {
    let work = Work::new(&HOST)?;
    work.libraries()?;
    let report = run_ok(&mut work.jl_load(&["explain", "libtypes.so"]))?.stdout;
    ensure!(report.contains("base       takes nothing"), "{report}");
    let mut command = work.library_command("shapes", &["--jl-package", "libtypes.so"]);
    let asked = run(command.args(["-Wl,--jl-base", "-Wl,--jl-dep=libtypes.so"]))?;
    ensure!(!asked.status.success() && asked.stderr.contains("--jl-dep"), "{}", asked.describe());
    // What a library takes by the dynamic linker's leave alone is nothing of the image.
    work.library("shapes", &["-Wl,--jl-base", "-ltypes"])?;
    run_ok(&mut work.jl_load(&["check", "libshapes.so"]))?;
    let by_place = work.path("none.c");
    fs::write(&by_place, "int none;\n")?;
    let mut command = work.jl_cc();
    let none = run(command.args(["-shared", "-fPIC", "none.c", "-Wl,--jl-base", "-o", "libnone.so"]))?;
    ensure!(!none.status.success() && none.stderr.contains("base image"), "{}", none.describe());
    Ok(())
}
