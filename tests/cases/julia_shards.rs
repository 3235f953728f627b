//! Modules under Julia's protocol, from IR to a process: a loader as Julia's documents describe it finds in the
//! tables what belongs to each target, and the right bodies run.

mod work;

use anyhow::{Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use tests::command::run_ok;
use tests::julia::plugin_shard;
use tests::tools::{CLANG, in_tests};
use work::Work;

/// What `level` in `tests/shards/near.ll` returns for each target.
const LEVELS: [i32; 4] = [0, 1, 3, 7];

impl Work {
    fn program(&self, autoinit: &str, options: &[&str]) -> Result<PathBuf> {
        let program = self.folder.path().join("walk");
        let mut clang = Command::new(CLANG);
        clang.args(["-O1", "-Wall", "-Werror"]).args(options).arg(in_tests("shards/walk.c"));
        for shard in ["near", "far"] {
            clang.arg(plugin_shard(&self.tools, self.folder.path(), shard, autoinit)?);
        }
        run_ok(clang.arg("-o").arg(&program))?;
        Ok(program)
    }
}

/// What the program prints after its first line for whichever target it began with.
fn every_target() -> String {
    let line = |(target, level): (usize, i32)| {
        format!(
            "{target}: alias {level} level {level} looping {} by_data {} plain {} far {}\n",
            3 * level,
            200 + level,
            100 + level,
            300 + level
        )
    };
    LEVELS.into_iter().enumerate().map(line).collect()
}

#[test]
fn the_tables_lead_to_each_targets_bodies() -> Result<()> {
    let work = Work::new()?;
    for options in [&["-fuse-ld=lld", "-pie"], &["-fuse-ld=bfd", "-no-pie"]] {
        let program = work.program("1", options)?;
        for (target, level) in LEVELS.iter().enumerate() {
            let ran = run_ok(Command::new(&program).arg(target.to_string()))?;
            // The first call finds the trampoline that initialises the runtime in the slot, and only it does.
            let expected = format!("initialised\nfirst {level}\n{}", every_target());
            ensure!(ran.stdout == expected, "expected:\n{expected}{}", ran.describe());
        }
    }
    Ok(())
}
