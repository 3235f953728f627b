//! `jl-cc` as build systems use it. A plugin that does nothing stands in for the real one.

mod support;

use std::path::PathBuf;
use std::process::Output;
use support::{Bench, clean_command, p};

/// jl-cc, jl-c++, jl-link and a plugin in one directory, as they are installed.
struct Installed {
    bench: Bench,
}

const PLUGIN: &str = r#"
#include <stdint.h>
struct info { uint32_t api; const char *name, *version; void (*add)(void *); void *before_codegen; };
static void add(void *builder) { (void)builder; }
struct info llvmGetPassPluginInfo(void) { return (struct info){2, "stand-in", "1", add, 0}; }
"#;

impl Installed {
    fn new() -> Installed {
        let bench = Bench::new();
        let source = bench.write("plugin.c", PLUGIN);
        bench.ok("clang-22", &["-shared", "-fPIC", "-o", "libjl_pass_plugin.so", &p(&source)]);
        // By another process: what this one has open for writing, a child of another test's thread could have open still when
        // the program is started, and that is refused.
        bench.ok("cp", &[env!("CARGO_BIN_EXE_jl-cc"), env!("CARGO_BIN_EXE_jl-link"), "."]);
        std::os::unix::fs::symlink("jl-cc", bench.path("jl-c++")).unwrap();
        Installed { bench }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.bench.path(name)
    }

    fn cc(&self, args: &[&str]) -> Output {
        self.bench.run(&p(&self.path("jl-cc")), args)
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.cc(args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}\n{errors}");
        assert_eq!(errors, "", "{args:?}: no warning of ours or about our options");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn fails(&self, args: &[&str]) -> String {
        let output = self.cc(args);
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

#[test]
fn the_plugin_is_told_and_the_object_remembers() {
    let here = Installed::new();
    here.bench.write("a.c", "int a(void) { return 1; }\n");
    let text = |args: &[&str]| here.ok(&[&["-S", "-emit-llvm", "-o", "-", "a.c"], args].concat());
    assert!(text(&[]).contains("!{!\"jl:\"}"));
    assert!(text(&["--jl-targets=x86-64;haswell"]).contains("!{!\"jl:targets=x86-64;haswell\"}"));
    assert!(text(&["-march=haswell", "--jl-fp=fast"]).contains("!{!\"jl:march=1|fp=fast\"}"));
    for switch in ["-frecord-command-line", "-frecord-gcc-switches"] {
        assert!(text(&[switch]).contains("!{!\"jl:\"}"), "{switch}");
    }
    here.ok(&["-flto", "-c", "a.c", "-o", "lto.o", "--jl-fp=fast"]);
    assert!(here.bench.ok("llvm-dis-22", &["-o", "-", "lto.o"]).contains("jl:fp=fast"));
    let mut command = clean_command(here.path("jl-cc"));
    command
        .args(["-S", "-emit-llvm", "-o", "-", &p(&here.path("a.c"))])
        .env("JULIA_CPU_TARGET", "generic;znver4");
    assert!(String::from_utf8_lossy(&command.output().unwrap().stdout).contains("jl:targets=generic;znver4"));
}

#[test]
fn everything_else_is_clangs() {
    let here = Installed::new();
    here.bench.write("a.c", "#include <stddef.h>\nint main(void) { return 0; }\n");
    here.bench.write("a.s", ".globl a\na: ret\n.section .note.GNU-stack,\"\",@progbits\n");
    here.bench.write("flags", "-O2 '--jl-targets=x86-64;haswell' -Werror\n");
    let strict = ["-Werror", "-Wall", "-Wextra"];
    for args in [
        &["-c", "a.c", "-o", "a.o"][..],
        &["-S", "a.c", "-o", "-"],
        &["-E", "a.c"],
        &["-M", "a.c"],
        &["-MMD", "-MF", "a.d", "-c", "a.c", "-o", "a.o"],
        &["-fsyntax-only", "a.c"],
        &["-c", "a.s", "-o", "s.o"],
        &["-x", "assembler-with-cpp", "-c", "a.s", "-o", "s.o"],
        &["a.c", "-o", "a.out"],
        &["a.o", "-o", "a.out"],
        &["a.c", "-flto", "-o", "a.out"],
        &["a.c", "-flto=thin", "-o", "a.out", "-Wl,--gc-sections"],
        &["-c", "-o", "a.o", "--", "a.c"],
        &["-c", "-ffast-math", "-frecord-command-line", "-o", "a.o", "--", "a.c"],
        &["@flags", "-c", "a.c", "-o", "a.o"],
        &["-fuse-ld=bfd", "a.c", "-o", "a.out", "--jl-summary"],
        &["-print-prog-name=ld"],
        &["-dumpmachine"],
        &["--version"],
    ] {
        here.ok(&[&strict, args].concat());
    }
    assert!(here.ok(&["--version"]).contains("clang version 22"));
    assert!(here.ok(&["--jl-help"]).contains("EXAMPLES"));
    assert!(here.ok(&["--help"]).contains("--jl-targets"));
    let linker = String::from_utf8_lossy(&here.cc(&["a.c", "-flto", "-###"]).stderr).into_owned();
    assert!(linker.contains("/jl-link\"") && !linker.contains("LLVMgold"), "{linker}");
    let other = String::from_utf8_lossy(&here.cc(&["a.c", "-fuse-ld=bfd", "-###"]).stderr).into_owned();
    assert!(!other.contains("/jl-link\""), "{other}");
    here.bench.write("b.cc", "#include <vector>\nint main() { return (int)std::vector<int>().size(); }\n");
    here.bench.ok(&p(&here.path("jl-c++")), &["b.cc", "-o", "b"]);
    here.ok(&["--driver-mode=g++", "b.cc", "-o", "b"]);
    here.bench.ok(&p(&here.path("b")), &[]);
}

#[test]
fn wrong_options_and_missing_tools() {
    let here = Installed::new();
    here.bench.write("a.c", "int a;\n");
    let wrong = |option: &str| here.fails(&["-c", "a.c", option]);
    assert!(wrong("--jl-targets=x86-64;haswel").contains("did you mean haswell"));
    assert!(wrong("--jl-targets=x86-64,+avx9").contains("unknown CPU feature 'avx9'"));
    assert!(
        wrong("--jl-targets=x86-64;haswell,-opt_size").contains("Invalid target option: disabled opt_size.")
    );
    assert!(wrong("--jl-fp=fats").contains("expected fast or same"));
    assert!(wrong("--jl-reprot=x").contains("--jl-help"));
    std::fs::remove_file(here.path("libjl_pass_plugin.so")).unwrap();
    let errors = here.fails(&["-c", "a.c"]);
    assert!(errors.contains("libjl_pass_plugin.so") && errors.contains("JL_PLUGIN"), "{errors}");
    let mut command = clean_command(here.path("jl-cc"));
    let output =
        command.args(["-c", "a.c"]).env("JL_CLANG", "/missing/clang").env("JL_PLUGIN", "x").output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("/missing/clang"));
}

#[test]
fn cmake_and_configure_accept_it() {
    let here = Installed::new();
    here.bench.write(
        "CMakeLists.txt",
        "cmake_minimum_required(VERSION 3.20)\nproject(demo C CXX)\ninclude(CheckCSourceCompiles)\n\
         check_c_source_compiles(\"int main(void) { return 0; }\" WORKS)\n\
         if(NOT WORKS)\n message(FATAL_ERROR broken)\nendif()\n\
         add_library(a SHARED a.c)\nadd_executable(main main.cc)\ntarget_link_libraries(main a)\n\
         set_property(TARGET main PROPERTY INTERPROCEDURAL_OPTIMIZATION OFF)\n",
    );
    here.bench.write("a.c", "int a(int x) { return x + 1; }\n");
    here.bench.write("main.cc", "extern \"C\" int a(int);\nint main() { return a(41) - 42; }\n");
    let (cc, cxx) = (p(&here.path("jl-cc")), p(&here.path("jl-c++")));
    let compilers = [format!("-DCMAKE_C_COMPILER={cc}"), format!("-DCMAKE_CXX_COMPILER={cxx}")];
    for generator in ["Ninja", "Unix Makefiles"] {
        let build = generator.split(' ').next().unwrap();
        here.bench.ok("cmake", &["-G", generator, "-S", ".", "-B", build, &compilers[0], &compilers[1]]);
        here.bench.ok("cmake", &["--build", build]);
        here.bench.ok(&p(&here.path(build).join("main")), &[]);
    }
}
