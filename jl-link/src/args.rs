//! ld's command line, as far as the driver must understand it. lld parses it again and has the last word.

use crate::error::Result;
use crate::options::OwnOptions;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What is removed from a file after the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strip {
    #[default]
    None,
    Debug,
    All,
}

/// A file or library on the command line, with the state of the options before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputArg {
    pub what: InputName,
    pub whole_archive: bool,
    /// `-Bstatic`: `-l` finds archives only.
    pub static_only: bool,
    /// Between `--start-lib` and `--end-lib`: like the member of an archive.
    pub lazy: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputName {
    File(PathBuf),
    /// `-lNAME` or `-l:FILE`.
    Library(OsString),
}

/// Why the driver steps aside and lld runs with the user's arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainReason {
    /// `--version`, `--help` or nothing to link.
    Information,
    /// `-r`: records and address-significance tables survive in the object.
    Relocatable,
    /// The output is no ELF image (`--oformat=binary`, LTO's intermediate results).
    NotAnImage,
    /// The output is no regular file (`/dev/null` in configure's probes): it cannot be renamed.
    SpecialOutput,
}

/// A parsed command line: the first phase's output.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    pub own: OwnOptions,
    /// All arguments but ours, response files expanded: what a plain link gets.
    pub plain: Vec<OsString>,
    /// `plain` without the options that the driver carries out itself (`-o`, `-s`, `-S`, `-x`).
    pub for_link: Vec<OsString>,
    /// `for_link` without the files.
    pub without_files: Vec<OsString>,
    pub inputs: Vec<InputArg>,
    pub search: Vec<PathBuf>,
    pub sysroot: PathBuf,
    /// `-m`: what the compiler driver says of the output's architecture.
    pub emulation: Option<OsString>,
    pub output: Option<PathBuf>,
    pub strip: Strip,
    pub discard_all: bool,
    pub emit_relocs: bool,
    pub relocatable: bool,
    /// The output is a shared library, not a program.
    pub shared: bool,
    pub build_id: Option<OsString>,
    pub soname: Option<OsString>,
    /// No dynamic linker will load anything for the output.
    pub is_static: bool,
    pub icf_given: bool,
    /// The user chose whether segments have pages of their own in the file, or how large pages are.
    pub placement_given: bool,
    /// The user chose how relative relocations are packed.
    pub relr_given: bool,
    pub version_script_given: bool,
    /// Instructions that read a pointer stay so where they could form it.
    pub no_relax: bool,
    pub pass_plugin_given: bool,
    pub why_extract_given: bool,
    pub fat_lto: bool,
    pub dependency_file: Option<PathBuf>,
    pub information: bool,
    pub not_an_image: bool,
}

impl Invocation {
    /// `args` without the program's name, response files expanded.
    pub fn parse(args: Vec<OsString>) -> Result<Invocation> {
        let mut parser = Parser::default();
        let mut rest = args.into_iter();
        while let Some(arg) = rest.next() {
            parser.take(arg, &mut rest)?;
        }
        Ok(parser.invocation)
    }

    pub fn output(&self) -> PathBuf {
        self.output.clone().unwrap_or_else(|| "a.out".into())
    }

    pub fn plain_reason(&self) -> Option<PlainReason> {
        let special = || std::fs::metadata(self.output()).is_ok_and(|m| !m.is_file());
        if self.information || self.inputs.is_empty() {
            Some(PlainReason::Information)
        } else if self.relocatable {
            Some(PlainReason::Relocatable)
        } else if self.not_an_image {
            Some(PlainReason::NotAnImage)
        } else if special() {
            Some(PlainReason::SpecialOutput)
        } else {
            None
        }
    }
}

/// Long options of lld 22 whose value may be the next word (`Eq`, `EEq` and `Separate` in its Options.td).
const WITH_VALUE: &[&str] = &[
    "Map",
    "T",
    "Tbss",
    "Tdata",
    "Ttext",
    "Ttext-segment",
    "android-memtag-mode",
    "auxiliary",
    "call-graph-ordering-file",
    "chroot",
    "compress-debug-sections",
    "compress-sections",
    "dT",
    "default-script",
    "defsym",
    "dependency-file",
    "dynamic-linker",
    "dynamic-list",
    "entry",
    "error-handling-script",
    "error-limit",
    "exclude-libs",
    "export-dynamic-symbol",
    "export-dynamic-symbol-list",
    "filter",
    "fini",
    "format",
    "hash-style",
    "image-base",
    "in-implib",
    "init",
    "irpgo-profile",
    "just-symbols",
    "keep-unique",
    "library",
    "library-path",
    "load-pass-plugin",
    "lto-aa-pipeline",
    "lto-newpm-passes",
    "mllvm",
    "oformat",
    "opt-remarks-filename",
    "opt-remarks-format",
    "opt-remarks-hotness-threshold",
    "opt-remarks-passes",
    "orphan-handling",
    "out-implib",
    "output",
    "pack-dyn-relocs",
    "package-metadata",
    "plugin",
    "print-archive-stats",
    "print-symbol-order",
    "remap-inputs",
    "remap-inputs-file",
    "reproduce",
    "retain-symbols-file",
    "rpath",
    "rpath-link",
    "script",
    "section-start",
    "shuffle-sections",
    "soname",
    "sort-section",
    "split-stack-adjust-size",
    "symbol-ordering-file",
    "sysroot",
    "thinlto-cache-policy",
    "threads",
    "time-trace-granularity",
    "trace-symbol",
    "undefined",
    "undefined-glob",
    "unresolved-symbols",
    "verbose-bp-section-orderer",
    "version-script",
    "warn-backrefs-exclude",
    "why-extract",
    "why-live",
    "wrap",
];

/// Short options whose value is joined or the next word.
const SHORT_WITH_VALUE: &[u8] = b"bfFhlLmoORTuyze";

#[derive(Default)]
struct Parser {
    invocation: Invocation,
    whole_archive: bool,
    static_only: bool,
    /// `-b binary`: the files that follow are data.
    binary: bool,
    lazy: bool,
    saved: Vec<(bool, bool)>,
}

impl Parser {
    fn take(&mut self, arg: OsString, rest: &mut impl Iterator<Item = OsString>) -> Result<()> {
        if self.invocation.own.take(&arg)? {
            return Ok(());
        }
        let option = split_option(&arg);
        let next = match &option {
            Word::Option { name, value: None } if takes_value(name, &arg) => rest.next(),
            _ => None,
        };
        let is_file = matches!(option, Word::File);
        let keep = match option {
            Word::File => {
                self.input(InputName::File(PathBuf::from(&arg)));
                true
            }
            Word::Option { name, value } => {
                let value = value.map(OsStr::from_bytes).or(next.as_deref()).unwrap_or_default();
                self.option(&name, value)
            }
        };
        for word in [Some(arg), next].into_iter().flatten() {
            if keep {
                let for_link = in_place_of(&word).unwrap_or_else(|| word.clone());
                if !is_file {
                    self.invocation.without_files.push(for_link.clone());
                }
                self.invocation.for_link.push(for_link);
            }
            self.invocation.plain.push(word);
        }
        Ok(())
    }

    fn input(&mut self, what: InputName) {
        if !self.binary {
            let Parser { whole_archive, static_only, lazy, .. } = *self;
            self.invocation.inputs.push(InputArg { what, whole_archive, static_only, lazy });
        }
    }

    /// Notes an option; false when the link must not see it because the driver carries it out itself.
    fn option(&mut self, name: &str, value: &OsStr) -> bool {
        let inv = &mut self.invocation;
        match name {
            "o" | "output" => inv.output = Some(value.into()),
            "s" | "strip-all" => inv.strip = Strip::All,
            "S" | "strip-debug" => inv.strip = inv.strip.max(Strip::Debug),
            "x" | "discard-all" => inv.discard_all = true,
            _ => {
                self.state_option(name, value);
                return true;
            }
        }
        false
    }

    fn state_option(&mut self, name: &str, value: &OsStr) {
        let inv = &mut self.invocation;
        match name {
            "l" | "library" => self.input(InputName::Library(value.into())),
            "L" | "library-path" => inv.search.push(value.into()),
            "sysroot" => inv.sysroot = value.into(),
            "m" => inv.emulation = Some(value.into()),
            "Bstatic" | "dn" | "non_shared" | "static" => {
                // Of these only `-static` speaks of the whole output.
                inv.is_static |= name == "static";
                self.static_only = true;
            }
            "Bdynamic" | "dy" | "call_shared" => self.static_only = false,
            "whole-archive" => self.whole_archive = true,
            "no-whole-archive" => self.whole_archive = false,
            "start-lib" => self.lazy = true,
            "end-lib" => self.lazy = false,
            "push-state" => self.saved.push((self.whole_archive, self.static_only)),
            "pop-state" => {
                (self.whole_archive, self.static_only) = self.saved.pop().unwrap_or_default();
            }
            "b" | "format" => self.binary = value == "binary",
            "r" | "relocatable" => inv.relocatable = true,
            "shared" | "Bshareable" => inv.shared = true,
            "q" | "emit-relocs" => inv.emit_relocs = true,
            "build-id" => inv.build_id = Some(if value.is_empty() { "sha1".into() } else { value.into() }),
            "soname" | "h" => inv.soname = Some(value.into()),
            "icf" => inv.icf_given = true,
            "z" if places_segments(value) => inv.placement_given = true,
            "z" if value.as_bytes().ends_with(b"pack-relative-relocs") => inv.relr_given = true,
            "pack-dyn-relocs" => inv.relr_given = true,
            "version-script" => inv.version_script_given = true,
            "relax" | "no-relax" => inv.no_relax = name == "no-relax",
            "load-pass-plugin" => inv.pass_plugin_given = true,
            "why-extract" => inv.why_extract_given = true,
            "fat-lto-objects" => inv.fat_lto = true,
            "no-fat-lto-objects" => inv.fat_lto = false,
            "dependency-file" => inv.dependency_file = Some(value.into()),
            "version" | "help" => inv.information = true,
            "oformat" if value == "binary" => inv.not_an_image = true,
            "lto-emit-asm" | "lto-emit-llvm" | "thinlto-index-only" => inv.not_an_image = true,
            "plugin-opt" => {
                let value = value.as_bytes();
                let intermediate = [&b"emit-asm"[..], b"emit-llvm", b"thinlto-index-only"];
                inv.not_an_image |= intermediate.iter().any(|i| value.starts_with(i));
            }
            _ => {}
        }
    }
}

/// Whether a value of `-z` is `separate-code`, `separate-loadable-segments`, `noseparate-code` or `max-page-size=N`.
fn places_segments(value: &OsStr) -> bool {
    let value = value.as_bytes();
    value.starts_with(b"max-page-size=")
        || value.strip_prefix(b"no").unwrap_or(value).starts_with(b"separate-")
}

/// What the link of an image gets in place of an option.
///
/// lld also folds sections named `.data.rel.ro.*`, as slots are: two functions with equal baseline bodies
/// have slots of equal content. Slots are address-significant, which `--icf=all` and
/// `--ignore-data-address-equality` would ignore; two functions would share a slot and so their clones.
fn in_place_of(word: &OsStr) -> Option<OsString> {
    match word.to_str()? {
        "--icf=all" | "-icf=all" | "--ignore-data-address-equality" => Some("--icf=safe".into()),
        _ => None,
    }
}

enum Word<'a> {
    File,
    Option { name: String, value: Option<&'a [u8]> },
}

fn split_option(arg: &OsStr) -> Word<'_> {
    let bytes = arg.as_bytes();
    if bytes.len() < 2 || bytes[0] != b'-' {
        return Word::File;
    }
    let double = bytes.starts_with(b"--");
    let body = bytes.strip_prefix(b"--").unwrap_or(&bytes[1..]);
    let equals = body.iter().position(|b| *b == b'=');
    let name = String::from_utf8_lossy(&body[..equals.unwrap_or(body.len())]).into_owned();
    let value = equals.map(|at| &body[at + 1..]);
    let short = body.first().is_some_and(|b| SHORT_WITH_VALUE.contains(b)) && !double;
    if short && body.len() == 1 {
        return Word::Option { name, value: None };
    }
    // With one dash `-o...` is always the output (lld has no long option in `-o`); the other letters are
    // short options unless a long one has that name.
    if short && (body[0] == b'o' || !is_long(&name)) {
        let name = char::from(body[0]).to_string();
        return Word::Option { name, value: Some(&body[1..]) };
    }
    Word::Option { name, value }
}

/// Long options without a value that start with a letter of [`SHORT_WITH_VALUE`].
const LONG_FLAGS: &[&str] = &[
    "be8",
    "build-id",
    "fatal-warnings",
    "fix-cortex-a53-843419",
    "fix-cortex-a8",
    "help",
    "ignore-data-address-equality",
    "merge-exidx-entries",
    "emit-relocs",
    "enable-new-dtags",
    "eh-frame-hdr",
    "end-group",
    "end-lib",
    "error-unresolved-symbols",
    "execute-only",
    "export-dynamic",
    "unique",
    "undefined-version",
    "lto",
];

fn is_long(name: &str) -> bool {
    WITH_VALUE.contains(&name) && name.len() > 1 || LONG_FLAGS.contains(&name) || name.starts_with("lto-")
}

fn takes_value(name: &str, arg: &OsStr) -> bool {
    let short = name.len() == 1 && !arg.as_bytes().starts_with(b"--");
    if short { SHORT_WITH_VALUE.contains(&name.as_bytes()[0]) } else { WITH_VALUE.contains(&name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Invocation {
        Invocation::parse(words.iter().map(OsString::from).collect()).unwrap()
    }

    fn files(invocation: &Invocation) -> Vec<String> {
        let name = |i: &InputArg| match &i.what {
            InputName::File(f) => f.display().to_string(),
            InputName::Library(l) => format!("-l{}", l.display()),
        };
        invocation.inputs.iter().map(name).collect()
    }

    #[test]
    fn what_clang_gives() {
        let inv = parse(&[
            "--hash-style=gnu",
            "--build-id",
            "--eh-frame-hdr",
            "-m",
            "elf_x86_64",
            "-pie",
            "-dynamic-linker",
            "/lib64/ld-linux-x86-64.so.2",
            "-o",
            "a.out",
            "Scrt1.o",
            "-L/usr/lib",
            "-L",
            "lib",
            "a.o",
            "-lgcc",
            "--as-needed",
            "-l",
            "gcc_s",
            "-z",
            "nopack-relative-relocs",
            "-plugin-opt=mcpu=x86-64",
            "-soname",
            "x.so",
            "-s",
        ]);
        assert_eq!(files(&inv), ["Scrt1.o", "a.o", "-lgcc", "-lgcc_s"]);
        assert_eq!(inv.search, [PathBuf::from("/usr/lib"), "lib".into()]);
        assert_eq!((inv.output(), inv.strip, inv.relr_given), ("a.out".into(), Strip::All, true));
        assert!(!inv.for_link.contains(&"-o".into()) && !inv.for_link.contains(&"a.out".into()));
        assert!(inv.without_files.contains(&"-lgcc".into()) && !inv.without_files.contains(&"a.o".into()));
        assert!(inv.plain.contains(&"-s".into()) && !inv.for_link.contains(&"-s".into()));
        assert_eq!(inv.build_id, Some("sha1".into()));
    }

    #[test]
    fn who_chooses_where_segments_begin() {
        for (value, is_given) in [
            ("separate-code", true),
            ("noseparate-code", true),
            ("separate-loadable-segments", true),
            ("max-page-size=0x200000", true),
            ("nosectionheader", false),
        ] {
            assert_eq!(parse(&["-z", value]).placement_given, is_given, "{value}");
        }
    }

    #[test]
    fn the_last_word_on_relaxation_counts() {
        assert!(parse(&["--no-relax"]).no_relax && parse(&["-no-relax"]).no_relax);
        assert!(!parse(&["--no-relax", "--relax"]).no_relax && !parse(&[]).no_relax);
    }

    #[test]
    fn one_dash_and_two() {
        let inv = parse(&[
            "-oout",
            "-export-dynamic",
            "-ffoo",
            "-init",
            "i",
            "--output=x",
            "-entry",
            "main",
            "-emain2",
            "-rpath",
            "r",
            "b.o",
            "--undefined=q",
            "-umain",
            "-u",
            "m",
            "-Tscript",
            "-hname",
            "-Bstatic",
            "-lz",
        ]);
        assert_eq!(files(&inv), ["b.o", "-lz"]);
        assert_eq!(inv.output(), PathBuf::from("x"));
        assert!(inv.inputs[1].static_only && !inv.inputs[0].static_only);
    }

    #[test]
    fn state() {
        let inv =
            parse(&["--push-state", "--whole-archive", "a.a", "--pop-state", "b.a", "-b", "binary", "d.bin"]);
        assert_eq!(files(&inv), ["a.a", "b.a"]);
        assert!(inv.inputs[0].whole_archive && !inv.inputs[1].whole_archive);
    }

    #[test]
    fn lld_alone() {
        assert_eq!(parse(&["--version"]).plain_reason(), Some(PlainReason::Information));
        assert_eq!(parse(&["-v"]).plain_reason(), Some(PlainReason::Information));
        assert_eq!(parse(&["-r", "a.o"]).plain_reason(), Some(PlainReason::Relocatable));
        assert_eq!(parse(&["a.o", "-o", "/dev/null"]).plain_reason(), Some(PlainReason::SpecialOutput));
        assert_eq!(parse(&["a.o", "--plugin-opt=emit-llvm"]).plain_reason(), Some(PlainReason::NotAnImage));
        assert_eq!(parse(&["a.o"]).plain_reason(), None);
    }
}
