//! Compilers, linkers and readers, run in a folder of the test's own.

use jl_pass_plugin::compose::{ComposeError, Symbol, compose};
use object::{Object, ObjectSection};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Of hidden symbols, those that were local in the source end so.
pub const PROMOTED: &str = ".jl.local";

pub struct Folder(tempfile::TempDir);

pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    format!("{out}{err}")
}

pub fn demote(name: &str) -> Symbol {
    match name.strip_suffix(PROMOTED) {
        Some(local) => Symbol { name: local.to_string(), local: true },
        None => keep(name),
    }
}

pub fn keep(name: &str) -> Symbol {
    Symbol { name: name.to_string(), local: false }
}

pub fn try_compose(inputs: &[Vec<u8>]) -> Result<Vec<u8>, ComposeError> {
    compose(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>(), &demote, &|name: &str| name.to_string())
}

pub fn composed(inputs: &[Vec<u8>]) -> Vec<u8> {
    try_compose(inputs).unwrap_or_else(|e| panic!("{e}"))
}

/// With all names as they are.
pub fn composed_as_is(inputs: &[Vec<u8>]) -> Vec<u8> {
    compose(&inputs.iter().map(Vec::as_slice).collect::<Vec<_>>(), &keep, &|name: &str| name.to_string())
        .unwrap_or_else(|e| panic!("{e}"))
}

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, data: &[u8]) -> PathBuf {
        fs::write(self.path(name), data).unwrap();
        self.path(name)
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path());
        command
    }

    /// Compiles a source; its name's ending says the language.
    pub fn compile(&self, name: &str, source: &str, options: &[&str]) -> Vec<u8> {
        self.write(name, source.as_bytes());
        run(self.command("clang-22").args(["-c", "-o", "compiled.o"]).args(options).arg(name));
        fs::read(self.path("compiled.o")).unwrap()
    }

    pub fn assemble(&self, source: &str) -> Vec<u8> {
        self.compile("source.s", source, &["-Wa,--noexecstack"])
    }

    pub fn assemble_all(&self, sources: &[&str]) -> Vec<Vec<u8>> {
        sources.iter().map(|s| self.assemble(s)).collect()
    }

    /// Links objects by clang++ with these options, and returns the output.
    pub fn link(&self, linker: Linker, objects: &[Vec<u8>], options: &[&str]) -> Vec<u8> {
        let mut command = self.command("clang++-22");
        command.args(linker.options()).args(["-Wl,--build-id=none", "-o", "linked"]).args(options);
        for (index, object) in objects.iter().enumerate() {
            let name = format!("{index}.o");
            self.write(&name, object);
            command.arg(name);
        }
        let said = run(&mut command);
        assert!(!said.contains("warning"), "{command:?}: {said}");
        fs::read(self.path("linked")).unwrap()
    }

    pub fn run(&self, program: &[u8]) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = self.write("program", program);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        // A child of another thread may still hold it open for writing: then the kernel does not run it.
        for _ in 0..100 {
            match Command::new(&path).output() {
                Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                output => {
                    let output = output.unwrap();
                    assert!(output.status.success(), "{}", output.status);
                    return String::from_utf8(output.stdout).unwrap();
                }
            }
        }
        panic!("{} stays busy", path.display());
    }

    /// Readers take an object without complaint.
    pub fn check_readable(&self, object: &[u8]) {
        self.write("read.o", object);
        for (reader, options) in [("llvm-readobj-22", ["-a", "--section-groups"]), ("readelf", ["-a", "-W"])]
        {
            let said = run(self.command(reader).args(options).arg("read.o"));
            assert!(!said.contains("arning:") && !said.contains("rror:"), "{reader}: {said}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linker {
    Lld,
    Gnu,
    Mold,
}

pub const LINKERS: [Linker; 3] = [Linker::Lld, Linker::Gnu, Linker::Mold];

impl Linker {
    fn options(self) -> &'static [&'static str] {
        match self {
            Linker::Lld => &["-fuse-ld=lld", "--ld-path=ld.lld-22"],
            Linker::Gnu => &["-fuse-ld=bfd"],
            Linker::Mold => &["-fuse-ld=mold"],
        }
    }
}

/// The composed object and the separate ones give the same bytes: all but the tables of symbols, which the local
/// names are in. Returns what both print.
pub fn expect_same(folder: &Folder, linker: Linker, objects: &[Vec<u8>], options: &[&str]) -> String {
    let together = [composed(objects)];
    let [separate, together] = [objects, &together].map(|o| folder.link(linker, o, options));
    expect_same_contents(linker, &separate, &together);
    let [separate, together] = [separate, together].map(|p| folder.run(&p));
    assert_eq!(separate, together, "{linker:?} {options:?}");
    together
}

/// Two differences are none: the order of names in an index, and with GNU ld what it does with several inputs' unwind
/// and debug sections only: it pads the former, and what refers to a repeated group's code in the latter is led to the
/// code that is kept.
pub fn expect_same_contents(linker: Linker, separate: &[u8], together: &[u8]) {
    let [separate, together] = [separate, together].map(|f| object::File::parse(f).unwrap());
    let tables = [".symtab", ".strtab", ".shstrtab", ".gdb_index"];
    let differs = |name: &str| {
        let unwinds =
            name.starts_with(".eh_frame") || name == ".gcc_except_table" || name.starts_with(".debug_");
        linker == Linker::Gnu && unwinds
    };
    let names = |f: &object::File| -> Vec<String> {
        let names = f.sections().map(|s| s.name().unwrap().to_string());
        names.filter(|n| !tables.contains(&n.as_str())).collect()
    };
    assert_eq!(names(&separate), names(&together));
    for (a, b) in separate.sections().zip(together.sections()) {
        let name = a.name().unwrap();
        if !tables.contains(&name) && !differs(name) {
            assert_eq!((a.address(), a.size()), (b.address(), b.size()), "{:?}", a.name());
            assert!(a.data().unwrap() == b.data().unwrap(), "{name} differs with {linker:?}");
        }
    }
}
