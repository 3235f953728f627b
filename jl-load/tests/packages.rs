//! Images that take functions from others: what the embedded shim fills, and what it refuses.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::packages::{PackageSample, Use, host};
use support::{Machine, run};

const LEVELS: [&str; 3] = ["x86-64", "x86-64-v2", "x86-64-v3"];

struct Setup {
    folder: tempfile::TempDir,
    host: PathBuf,
}

impl Setup {
    fn new() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path(), Machine::X86_64);
        Setup { folder, host }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// libf.so with cloned functions and others.
    fn library(&self) -> PathBuf {
        PackageSample { plain: 2, ..PackageSample::new("f", 3, &LEVELS) }.build(self.path())
    }

    fn host(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.host);
        command.args(arguments).current_dir(self.path());
        command
    }
}

#[test]
fn functions_of_a_dependency_run_for_its_chosen_target() {
    let setup = Setup::new();
    let f = setup.library();
    let uses = ["f2", "fplain1", "f0"].map(|name| Use::of(&f, name));
    PackageSample::new("g", 2, &LEVELS[..2]).with(uses).build(setup.path());
    for (cpu, targets) in [("x86-64", [0, 0]), ("nehalem", [1, 1]), ("haswell", [1, 2])] {
        let ran = run(setup.host(&["+./libg.so", "g1", "guse0", "guse1", "guse2"]).env("JL_LOAD_CPU", cpu));
        let [own, other] = targets;
        let expected = format!("g1={} guse0={} guse1=1001 guse2={other} end\n", 100 + own, 200 + other);
        assert_eq!(ran, expected, "{cpu}");
    }
}
