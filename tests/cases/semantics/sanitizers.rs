//! Programs built with a sanitizer: it finds in a clone what it finds in a plain build, and nothing else.

use crate::{MAKERS, Maker, Pair, TARGETS};
use anyhow::{Result, ensure};
use tests::command::Ran;
use tests::host;

/// No leak detection: it traces its own process, which containers forbid.
const ENV: [(&str, &str); 3] = [
    ("ASAN_OPTIONS", "detect_leaks=0"),
    ("UBSAN_OPTIONS", "print_summary=1"),
    ("ASAN_SYMBOLIZER_PATH", "/usr/lib/llvm-22/bin/llvm-symbolizer"),
];

/// Builds `mistakes.c` with flags, as a program and as a library that a program opens, and makes the mistakes:
/// each with a word that the sanitizer's report must have.
fn finds(flags: &str, mistakes: &[(&str, &str)]) -> Result<()> {
    let pair = Pair::new()?;
    pair.build(&format!("-g {flags} mistakes.c -o program -pthread"))?;
    if !flags.contains("lto") {
        pair.cloned("program", &["sum", "scale", "positive"])?;
    }
    check(&pair, flags, "program", &[], mistakes)
}

fn check(pair: &Pair, flags: &str, program: &str, first: &[&str], mistakes: &[(&str, &str)]) -> Result<()> {
    let nothing = pair.same(program, &[first, &["none"]].concat(), &ENV)?;
    ensure!(nothing.status.success() && nothing.stderr.is_empty(), "{flags}: {}", nothing.describe());
    for (mistake, word) in mistakes {
        let arguments = [first, &[*mistake]].concat();
        let expected = pair.run(Maker::Plain, program, &arguments, &ENV)?;
        ensure!(
            expected.stderr.contains(word),
            "{flags}: no {word} in the reference: {}",
            expected.describe()
        );
        for (target, name) in TARGETS.split(';').enumerate() {
            if !host::can_run(name) {
                continue;
            }
            let number = target.to_string();
            let env = [&ENV[..], &[("JL_LOAD_TARGET", &number)]].concat();
            let found = pair.run(Maker::Image, program, &arguments, &env)?;
            let (expected, found_lines) = (findings(&expected), findings(&found));
            ensure!(
                expected == found_lines,
                "{flags}, {mistake}, target {target}: expected {expected:?}, found {found_lines:?}: {}",
                found.describe()
            );
        }
    }
    Ok(())
}

/// What a report says, without addresses and process numbers: kind, place and function; and how the program
/// ended.
fn findings(ran: &Ran) -> Vec<String> {
    let told = |l: &&str| l.starts_with("SUMMARY: ") || l.contains("runtime error: ");
    let plain =
        |line: &str| line.split(' ').map(without_column).map(without_target).collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = ran.stderr.lines().filter(told).map(plain).collect();
    lines.push(ran.status.to_string());
    lines.push(ran.stdout.clone());
    lines
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// A vectorised loop is found at the loop's first column and not at that of the access.
fn without_column(word: &str) -> &str {
    match word.trim_end_matches(':').rsplit_once(':') {
        Some((head, column)) if head.contains(".c:") && is_number(column) => head,
        _ => word,
    }
}

/// The symbol of a body names its target: `sum.1`.
fn without_target(word: &str) -> &str {
    match word.rsplit_once('.') {
        Some((name, target)) if is_number(target) && !name.contains('/') => name,
        _ => word,
    }
}

#[test]
fn addresses() -> Result<()> {
    let mistakes = [
        ("heap", "heap-buffer-overflow"),
        ("stack", "stack-buffer-overflow"),
        ("global", "global-buffer-overflow"),
        ("freed", "heap-use-after-free"),
    ];
    for flags in ["-O1", "-O2", "-O2 -no-pie -fno-pie", "-O2 -flto=thin", "-O2 -fuse-ld=mold"] {
        finds(&format!("{flags} -fsanitize=address -fno-omit-frame-pointer"), &mistakes)?;
    }
    Ok(())
}

#[test]
fn addresses_in_a_library() -> Result<()> {
    let pair = Pair::new()?;
    let flags = "-g -O2 -fsanitize=address";
    pair.build(&format!("{flags} -fPIC -shared mistakes.c -o libmistakes.so"))?;
    pair.build(&format!("{flags} {} -o launcher", tests::tools::in_tests("launcher.c").display()))?;
    pair.cloned("libmistakes.so", &["sum"])?;
    let mistakes = [("heap", "heap-buffer-overflow"), ("global", "global-buffer-overflow")];
    check(&pair, flags, "launcher", &["./libmistakes.so"], &mistakes)
}

#[test]
fn undefined_behaviour() -> Result<()> {
    let mistakes = [
        ("overflow", "signed integer overflow"),
        ("shift", "shift exponent 40"),
        ("type", "through pointer to incorrect function type"),
    ];
    for flags in ["-O1", "-O2", "-O2 -fsanitize=address", "-O2 -flto=full"] {
        finds(&format!("{flags} -fsanitize=undefined"), &mistakes)?;
    }
    Ok(())
}

#[test]
fn undefined_behaviour_that_traps() -> Result<()> {
    for flags in
        ["-fsanitize=undefined -fsanitize-trap=all", "-fsanitize=undefined -fno-sanitize-recover=all"]
    {
        let pair = Pair::new()?;
        pair.build(&format!("-O2 {flags} mistakes.c -o program -pthread"))?;
        for mistake in ["none", "overflow", "shift", "type"] {
            let ran = pair.same("program", &[mistake], &ENV)?;
            ensure!(ran.status.success() == (mistake == "none"), "{flags}: {}", ran.describe());
        }
    }
    Ok(())
}

#[test]
fn races() -> Result<()> {
    for flags in ["-O1", "-O2"] {
        finds(&format!("{flags} -fsanitize=thread"), &[("race", "data race")])?;
    }
    Ok(())
}

#[test]
fn uninitialised_memory() -> Result<()> {
    finds("-O2 -fsanitize=memory", &[("unset", "use-of-uninitialized-value")])
}

#[test]
fn calls_of_another_type() -> Result<()> {
    for flags in ["-fsanitize=kcfi", "-fsanitize=cfi-icall -flto=thin -fvisibility=hidden"] {
        let pair = Pair::new()?;
        pair.build(&format!("-O2 {flags} mistakes.c -o program -pthread"))?;
        for mistake in ["none", "type"] {
            let ran = pair.same("program", &[mistake], &[])?;
            ensure!(ran.status.success() == (mistake == "none"), "{flags}: {}", ran.describe());
        }
    }
    Ok(())
}

#[test]
fn every_maker_has_the_sanitizer() -> Result<()> {
    // Were a flag dropped on the way, a build would find nothing, and the tests above compare two builds.
    let pair = Pair::new()?;
    pair.build("-O2 -fsanitize=address mistakes.c -o program -pthread")?;
    for maker in MAKERS {
        let ran = pair.run(maker, "program", &["heap"], &ENV)?;
        ensure!(ran.stderr.contains("AddressSanitizer"), "{maker:?}: {}", ran.describe());
    }
    Ok(())
}
