//! musl: the same programs as with glibc, dynamic and static.

use crate::{Maker, Pair};
use anyhow::{Result, ensure};
use tests::tools::in_tests;

/// Where Debian puts musl (package musl-dev), and what replaces clang's search for glibc.
const FOLDER: &str = "/usr/lib/x86_64-linux-musl";
const COMPILE: &str = "--target=x86_64-linux-musl -nostdlibinc -isystem /usr/include/x86_64-linux-musl";

/// How a kind of file is linked: flags, the start files before the inputs, and those after.
struct Kind {
    name: &'static str,
    compile: &'static str,
    link: &'static str,
    start: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "dynamic",
        compile: "-fPIE",
        link: "-pie -Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1",
        start: "Scrt1.o",
    },
    Kind {
        name: "at a fixed address",
        compile: "-fno-pie",
        link: "-no-pie -Wl,-dynamic-linker,/lib/ld-musl-x86_64.so.1",
        start: "crt1.o",
    },
    Kind { name: "static", compile: "-fno-pie", link: "-static -no-pie", start: "crt1.o" },
    Kind { name: "static-pie", compile: "-fPIE", link: "-static-pie", start: "rcrt1.o" },
];

impl Kind {
    fn arguments(&self, inputs: &str) -> String {
        let Kind { compile, link, start, .. } = self;
        format!(
            "-O2 {COMPILE} {compile} {link} -nostdlib -L{FOLDER} {FOLDER}/{start} {FOLDER}/crti.o {inputs} -lc \
             {FOLDER}/crtn.o"
        )
    }
}

/// Programs of `tests/programs` that print what they do and need nothing but C.
const PROGRAMS: [&str; 5] = ["kernels.c", "switches.c", "setjmp.c", "varargs.c", "float_bits.c"];

#[test]
fn programs_as_with_glibc() -> Result<()> {
    for program in PROGRAMS {
        let pair = Pair::new()?;
        let source = in_tests("programs").join(program).display().to_string();
        pair.build(&format!("-O2 {source} -o glibc -lm"))?;
        let glibc = pair.run(Maker::Plain, "glibc", &[], &[])?;
        for kind in &KINDS {
            pair.build(&kind.arguments(&format!("{source} -o program")))?;
            let musl = pair.same("program", &[], &[])?;
            ensure!(
                musl.stdout == glibc.stdout,
                "{program}, {}: musl's\n{}glibc's\n{}",
                kind.name,
                musl.stdout,
                glibc.stdout
            );
        }
    }
    Ok(())
}

#[test]
fn libraries_that_are_opened_and_closed() -> Result<()> {
    let pair = Pair::new()?;
    for number in 0..4 {
        pair.build(&format!(
            "-O2 {COMPILE} -fPIC -shared -nostdlib -DNUMBER={number} work.c -o libwork{number}.so -L{FOLDER} -lc"
        ))?;
    }
    pair.build(&KINDS[0].arguments("-DMUSL process.c -o process -Wl,--export-dynamic"))?;
    pair.cloned("libwork0.so", &["work_sum"])?;
    for way in ["overlapping", "threads", "loads", "signals", "forks"] {
        let ran = pair.same("process", &[way], &[])?;
        ensure!(ran.stdout.contains("wrong 0"), "{}", ran.describe());
    }
    Ok(())
}
