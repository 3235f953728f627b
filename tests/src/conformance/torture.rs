//! gcc's torture tests, C and C++.

use super::case::{Case, Kind};
use super::cases::{Listing, judge_all};
use super::dg::{self, Directive, selects, words};
use super::effective::{Effective, Standard};
use super::findings::Findings;
use super::level::Level;
use super::platform::{Language, Platform};
use super::{Context, Suite, sources};
use crate::command::run;
use crate::tools::{CLANG, CLANGXX};
use anyhow::{Context as _, Result, ensure};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// A set of the gcc test suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torture {
    Execute,
    Compile,
    Cxx,
    /// libstdc++'s own tests.
    Library,
}

/// C of its time: what gcc 12 warns about and clang 22 refuses by default.
const C_FLAGS: [&str; 9] = [
    "-w",
    "-std=gnu17",
    "-Wno-implicit-int",
    "-Wno-implicit-function-declaration",
    "-Wno-int-conversion",
    "-Wno-incompatible-pointer-types",
    "-Wno-incompatible-function-pointer-types",
    "-Wno-return-mismatch",
    "-Wno-return-type",
];

/// Folders of g++.dg whose tests are about something that is not compiled code: sanitizers' messages,
/// coverage, debuggers, other architectures.
const CXX_WITHOUT: [&str; 9] =
    ["asan", "hwasan", "tsan", "ubsan", "gcov", "guality", "gomp", "vect", "ext/arm-fp16"];

/// Folders of libstdc++'s tests that are about what is compiled from its headers.
const LIBRARY: [&str; 6] =
    ["20_util", "21_strings", "23_containers", "25_algorithms", "26_numerics", "28_regex"];

impl Suite for Torture {
    fn name(&self) -> &'static str {
        match self {
            Torture::Execute => "gcc-execute",
            Torture::Compile => "gcc-compile",
            Torture::Cxx => "g++-run",
            Torture::Library => "libstdc++",
        }
    }

    fn about(&self) -> &'static str {
        match self {
            Torture::Execute => "gcc 12's gcc.c-torture/execute: programs that check themselves",
            Torture::Compile => "gcc 12's gcc.c-torture/compile: sources that must compile",
            Torture::Cxx => {
                "gcc 12's g++.dg: all tests that are run, but for those of sanitizers, coverage and debuggers"
            }
            Torture::Library => {
                "libstdc++ 12's own tests of utilities, strings, containers, algorithms, numbers and regular expressions; only \
                 where it is asked for"
            }
        }
    }

    fn has_selection(&self) -> bool {
        *self != Torture::Library
    }

    fn is_separate(&self) -> bool {
        *self == Torture::Library
    }

    fn run(&self, context: &Context) -> Result<Findings> {
        let mut cases = self.cases(context)?;
        cases.retain(|case| context.wants(&case.name));
        if context.options.short {
            cases = self.slice(cases);
        }
        let mut work = Vec::new();
        for level in context.levels(self.levels(context.options.short)) {
            // Of the short selection, some with LTO.
            let step = if context.options.short && level.is_lto() { 4 } else { 1 };
            work.extend(cases.iter().step_by(step).map(|case| (case, level)));
        }
        let listing = if *self == Torture::Library { Listing::Unlisted } else { Listing::Listed };
        judge_all(context, self.name(), &work, listing)
    }
}

impl Torture {
    fn is_cxx(self) -> bool {
        matches!(self, Torture::Cxx | Torture::Library)
    }

    /// Levels that make sense: an object of bitcode is not finished.
    fn levels(self, short: bool) -> &'static [Level] {
        match (self, short) {
            (Torture::Compile, false) => &[Level::O0, Level::O2, Level::O3],
            (Torture::Compile, true) => &[Level::O2],
            (Torture::Execute, false) => &Level::ALL,
            (Torture::Cxx, false) => &[Level::O0, Level::O2, Level::O3, Level::Lto, Level::ThinLto],
            (Torture::Library, _) => &[Level::O2],
            (_, true) => &[Level::O2, Level::Lto, Level::ThinLto],
        }
    }

    /// A fixed selection, spread over the whole set.
    fn slice(self, cases: Vec<Case>) -> Vec<Case> {
        let wanted = match self {
            Torture::Execute => 60,
            Torture::Compile => 20,
            Torture::Cxx => 30,
            Torture::Library => 8,
        };
        let step = cases.len().div_ceil(wanted).max(1);
        cases.into_iter().step_by(step).collect()
    }

    /// All tests of the set that are meant for this platform.
    pub fn cases(self, context: &Context) -> Result<Vec<Case>> {
        let in_gcc = |name: &str| Ok::<_, anyhow::Error>(sources::gcc_testsuite(&context.folder)?.join(name));
        let (folder, ending) = match self {
            Torture::Execute => (in_gcc("gcc.c-torture/execute")?, "c"),
            Torture::Compile => (in_gcc("gcc.c-torture/compile")?, "c"),
            Torture::Cxx => (in_gcc("g++.dg")?, "C"),
            Torture::Library => (sources::libstdcxx_testsuite(&context.folder)?, "cc"),
        };
        let mut files = Vec::new();
        collect(&folder, ending, &mut files)?;
        files.sort();
        ensure!(files.len() > 500, "{} holds only {} tests", folder.display(), files.len());
        let reader =
            Reader { set: self, platform: context.platform, folder: &folder, known_flags: Mutex::default() };
        let mut cases = Vec::new();
        for file in files {
            cases.extend(reader.read(&file).with_context(|| format!("in {}", file.display()))?);
        }
        Ok(cases)
    }
}

/// All files with this ending in a folder and the folders below it.
fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ending, files)?;
        } else if path.extension().is_some_and(|e| e == ending) {
            files.push(path);
        }
    }
    Ok(())
}

/// Makes cases of files.
struct Reader<'a> {
    set: Torture,
    platform: Platform,
    folder: &'a Path,
    /// Whether clang knows an option: gcc's suite has many that only gcc has.
    known_flags: Mutex<HashMap<String, bool>>,
}

impl Reader<'_> {
    /// The case in a file; nothing if it is not one, or not one for this platform.
    fn read(&self, file: &Path) -> Result<Option<Case>> {
        let name = file.strip_prefix(self.folder).unwrap_or(file).to_string_lossy().into_owned();
        let left_out = match self.set {
            Torture::Execute => name.ends_with("-lib.c") || name.starts_with("builtins/lib/"),
            Torture::Compile => false,
            Torture::Cxx => CXX_WITHOUT.iter().any(|folder| name.starts_with(&format!("{folder}/"))),
            Torture::Library => !LIBRARY.iter().any(|folder| name.starts_with(&format!("{folder}/"))),
        };
        if left_out {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&fs::read(file)?).into_owned();
        let directives = dg::directives(&text);
        let Some(standard) = self.standard(&name, &directives) else { return Ok(None) };
        let Some(kind) = self.kind(&directives, standard) else { return Ok(None) };
        let language = if self.set.is_cxx() { Language::Cxx } else { Language::C };
        let mut case = Case {
            language,
            kind,
            flags: self.own_flags(standard),
            ..Case::of_source(&name, file.to_path_buf())
        };
        if self.set == Torture::Execute && case.name.starts_with("builtins/") {
            // By execute/builtins/builtins.exp.
            case.sources.push(
                file.with_file_name(format!(
                    "{}-lib.c",
                    file.file_stem().unwrap_or_default().to_string_lossy()
                )),
            );
            case.sources.push(self.folder.join("builtins/lib/main.c"));
        }
        self.apply(&directives, standard, file, &mut case);
        // Of C++'s tests, too, some are C.
        if case.flags.windows(2).any(|pair| pair == ["-x", "c"]) {
            case.flags.retain(|flag| !flag.starts_with("-std=gnu++"));
        }
        Ok(Some(case))
    }

    /// The C++ standard to compile for: the one that the test names, or the first that it is meant for; none for C.
    fn standard(&self, name: &str, directives: &[Directive]) -> Option<Standard> {
        if !self.set.is_cxx() {
            return Some(Standard::NONE);
        }
        let named = directives
            .iter()
            .filter(|d| d.name == "options" || d.name == "additional-options")
            .flat_map(|d| d.arguments.first().map(|a| words(a)).unwrap_or_default())
            .filter_map(|flag| Standard::named(flag.strip_prefix("-std=")?))
            .next_back();
        // By coroutines/coroutines.exp.
        let preferred = if name.starts_with("coroutines/") { Some(Standard(20)) } else { None };
        let candidates = named.or(preferred).map_or(Standard::ALL.to_vec(), |standard| vec![standard]);
        candidates.into_iter().find(|standard| self.kind(directives, *standard).is_some())
    }

    /// What the test asks for at a standard; nothing if it is not meant for that or not for this platform.
    fn kind(&self, directives: &[Directive], standard: Standard) -> Option<Kind> {
        let effective = self.effective(standard);
        let known = |name: &str| effective.holds(name);
        let mut kind = match self.set {
            Torture::Execute => Some(Kind::Run),
            Torture::Compile => Some(Kind::Compile),
            Torture::Cxx | Torture::Library => None,
        };
        for Directive { name, arguments } in directives {
            match (name.as_str(), &arguments[..]) {
                ("do", [what, rest @ ..]) => {
                    let meant = rest
                        .iter()
                        .filter_map(|r| r.trim().strip_prefix("target"))
                        .all(|s| selects(s, &known));
                    kind = match what.as_str() {
                        "run" if meant && self.set != Torture::Compile => Some(Kind::Run),
                        "compile" | "assemble" | "link" | "run" if meant && self.set == Torture::Compile => {
                            Some(Kind::Compile)
                        }
                        _ => None,
                    };
                }
                ("require-effective-target", [what, ..]) if !known(what) => return None,
                ("skip-if", [_, selector, rest @ ..]) if selects(selector, &known) => {
                    // Skipped for some options only: those tests are tried at all levels.
                    let all = rest.first().is_none_or(|include| words(include) == ["*"]);
                    let none = rest.get(1).is_none_or(|exclude| words(exclude).iter().all(String::is_empty));
                    if all && none {
                        return None;
                    }
                }
                _ => {}
            }
        }
        if directives.iter().any(|d| d.name == "shouldfail") && kind == Some(Kind::Run) {
            kind = Some(Kind::RunToFailure);
        }
        kind
    }

    /// What is there when compiling for a standard.
    fn effective(&self, standard: Standard) -> Effective {
        Effective { platform: self.platform, standard }
    }

    /// What the set's driver in gcc's suite gives to all its tests, in clang's words.
    fn own_flags(&self, standard: Standard) -> Vec<String> {
        match self.set {
            Torture::Execute | Torture::Compile => C_FLAGS.map(str::to_string).to_vec(),
            Torture::Cxx => vec!["-w".into(), format!("-std=gnu++{:02}", standard.0)],
            Torture::Library => {
                let util = format!("-I{}", self.folder.join("util").display());
                vec!["-w".into(), format!("-std=gnu++{:02}", standard.0), "-pthread".into(), util]
            }
        }
    }

    /// Options, further sources and the environment that the test asks for.
    fn apply(&self, directives: &[Directive], standard: Standard, file: &Path, case: &mut Case) {
        let effective = self.effective(standard);
        let known = |name: &str| effective.holds(name);
        if case.name.starts_with("ieee/") {
            case.flags.push("-fno-inline".into());
        }
        for Directive { name, arguments } in directives {
            let meant = arguments
                .get(1)
                .and_then(|a| a.trim().strip_prefix("target"))
                .is_none_or(|selector| selects(selector, &known));
            match (name.as_str(), &arguments[..]) {
                ("options" | "additional-options", [options, ..]) if meant => {
                    // Parameters of gcc's passes are two words.
                    let options = format!(" {options}").replace(" --param ", " --param=");
                    case.flags.extend(words(&options).into_iter().filter(|flag| self.is_known(flag)));
                }
                ("additional-sources", [sources, ..]) if meant => {
                    case.sources.extend(words(sources).iter().map(|source| file.with_file_name(source)));
                }
                ("set-target-env-var", [variable, value]) => {
                    case.env.push((variable.clone(), value.clone()));
                }
                _ => {}
            }
        }
        // Warnings are not what is tested, whatever the test says about them.
        case.flags.retain(|flag| !flag.starts_with("-Werror") && flag != "-pedantic-errors");
        case.flags.push("-w".into());
    }

    /// Whether clang accepts an option that changes code generation: gcc's names for its passes are left out.
    fn is_known(&self, flag: &str) -> bool {
        if flag == "-save-temps" {
            return false;
        }
        if !flag.starts_with("-f") && !flag.starts_with("--param") && !flag.starts_with("-m") {
            return true;
        }
        let known =
            self.known_flags.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(flag).copied();
        known.unwrap_or_else(|| {
            let (compiler, language) = if self.set.is_cxx() { (CLANGXX, "c++") } else { (CLANG, "c") };
            let mut command = Command::new(compiler);
            command.args([flag, "-fsyntax-only", "-x", language, "/dev/null"]);
            let accepted = run(&mut command).is_ok_and(|ran| ran.status.success());
            let mut flags = self.known_flags.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            flags.insert(flag.into(), accepted);
            accepted
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(set: Torture) -> Reader<'static> {
        Reader { set, platform: Platform::X86_64, folder: Path::new("/"), known_flags: Mutex::default() }
    }

    fn meant(set: Torture, source: &str) -> Option<(u32, Kind)> {
        let directives = dg::directives(source);
        let reader = reader(set);
        let standard = reader.standard("a.C", &directives)?;
        Some((standard.0, reader.kind(&directives, standard)?))
    }

    #[test]
    fn a_cxx_test_is_compiled_for_a_standard_that_it_is_meant_for() {
        for (source, expected) in [
            ("// { dg-do run }", Some((17, Kind::Run))),
            ("// { dg-do run { target c++20 } }", Some((20, Kind::Run))),
            ("// { dg-do run { target c++14_down } }", Some((14, Kind::Run))),
            ("// { dg-do run { target c++98_only } }", Some((98, Kind::Run))),
            ("// { dg-do run }\n// { dg-options \"-std=c++11\" }", Some((11, Kind::Run))),
            ("// { dg-do run { target i?86-*-* x86_64-*-* } }", Some((17, Kind::Run))),
            ("// { dg-do run { target arm*-*-* } }", None),
            ("// { dg-do compile }", None),
            ("// { dg-do run }\n// { dg-shouldfail \"why\" }", Some((17, Kind::RunToFailure))),
            ("int x;", None),
        ] {
            assert_eq!(meant(Torture::Cxx, source), expected, "{source}");
        }
    }

    #[test]
    fn c_tests_have_their_folder_s_kind_by_default() {
        assert_eq!(meant(Torture::Execute, "int x;"), Some((0, Kind::Run)));
        assert_eq!(meant(Torture::Compile, "int x;"), Some((0, Kind::Compile)));
        assert_eq!(meant(Torture::Compile, "/* { dg-require-effective-target ia32 } */"), None);
        assert_eq!(meant(Torture::Execute, "/* { dg-skip-if \"\" { ! lp64 } } */"), Some((0, Kind::Run)));
        assert_eq!(meant(Torture::Execute, "/* { dg-skip-if \"\" { lp64 } } */"), None);
    }
}
