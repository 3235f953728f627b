//! What several images share moves into one more, of the objects that they were linked from.

mod support;

use image_format::dependency::DependencyImage;
use support::packages::grouped_export;
use support::{Bench, Function, Linkage, main_c, p, plain, target_list};

const JL_LINK: &str = env!("CARGO_BIN_EXE_jl-link");

/// An object with copies of `functions`, which return 10 and what their callees do, and a function of its own that calls the
/// first.
fn object(bench: &Bench, own: &str, functions: &[(&str, &[&str])], extra: &str) -> String {
    let copies: Vec<Function> = functions
        .iter()
        .map(|(name, callees)| Function::new(name, 2, 10, callees).linkage(Linkage::Comdat))
        .collect();
    let calls = format!("  pushq %rbx\n  callq {}@PLT\n  popq %rbx\n  ret\n", functions[0].0);
    let records: String = functions.iter().map(|(name, _)| grouped_export(name, name, name)).collect();
    let text = plain(own, Linkage::Global, &calls) + &records + extra;
    p(&bench.object(own, &target_list(support::TWO), &copies, &text))
}

fn library(bench: &Bench, name: &str, object: &str, options: &[&str]) -> String {
    let file = format!("lib{name}.so");
    let soname = format!("-Wl,-soname,{file}");
    bench.link_ok(&[&["-shared", "-o", &file, &soname, object], options].concat());
    file
}

/// Both libraries, and a program that adds up what their functions return.
struct Pair {
    objects: [String; 2],
    libraries: [String; 2],
}

impl Pair {
    fn new(bench: &Bench, functions: &[(&str, &[&str])], extra: [&str; 2]) -> Pair {
        let objects = [object(bench, "one", functions, extra[0]), object(bench, "two", functions, extra[1])];
        let libraries = [library(bench, "one", &objects[0], &[]), library(bench, "two", &objects[1], &[])];
        let main = bench.compile(
            "main",
            &main_c("int one(void); int two(void);", "one() * 1000 + two()"),
            &["-fPIE"],
        );
        bench.ok("clang-22", &[&p(&main), "-L.", "-lone", "-ltwo", "-o", "prog", "-Wl,-rpath-link,."]);
        Pair { objects, libraries }
    }

    fn share(&self, bench: &Bench) -> String {
        let [a, b] = &self.libraries;
        let [one, two] = &self.objects;
        let args = ["--jl-shared-image=libcommon.so", "--jl-summary", "--jl-dedup-set", a, b, one, two];
        let output = bench.run(JL_LINK, &args);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{errors}");
        errors
    }

    fn link_again(&self, bench: &Bench) {
        for (name, object) in ["one", "two"].iter().zip(&self.objects) {
            library(bench, name, object, &["-Wl,--jl-dep=libcommon.so"]);
        }
    }
}

fn sums(bench: &Bench) -> [String; 2] {
    [0, 1].map(|target| bench.at_target(&bench.path("prog"), target))
}

#[test]
fn what_two_images_share_is_in_neither_of_them_afterwards() {
    let bench = Bench::new();
    let pair = Pair::new(&bench, &[("f", &["g@PLT"]), ("g", &[])], ["", ""]);
    let before = sums(&bench);
    assert_eq!(before, ["20020\n", "22022\n"]);
    let said = pair.share(&bench);
    assert!(said.contains("2 functions of several images; 0 stay"), "{said}");
    let common = DependencyImage::open(&bench.path("libcommon.so")).unwrap();
    assert_eq!((common.package().exports.len(), common.table().functions()), (2, 2));
    let symbols = bench.ok("llvm-nm-22", &["-D", "libcommon.so"]);
    assert!(!symbols.contains("one") && !symbols.contains("two"), "{symbols}");
    pair.link_again(&bench);
    for library in &pair.libraries {
        let image = DependencyImage::open(&bench.path(library)).unwrap();
        assert_eq!((image.package().imports.len(), image.table().functions()), (2, 0));
    }
    assert_eq!(sums(&bench), before);
}

#[test]
fn members_of_archives_move_too() {
    let bench = Bench::new();
    let pair = Pair::new(&bench, &[("f", &[])], ["", ""]);
    let archive = p(&bench.path("all.a"));
    bench.ok("llvm-ar-22", &["rcs", &archive, &pair.objects[0], &pair.objects[1]]);
    let [a, b] = &pair.libraries;
    bench.ok(JL_LINK, &["--jl-shared-image=libcommon.so", "--jl-dedup-set", a, b, &archive]);
    pair.link_again(&bench);
    assert_eq!(sums(&bench), ["10010\n", "11011\n"]);
    let image = DependencyImage::open(&bench.path(a)).unwrap();
    assert_eq!((image.package().imports.len(), image.table().functions()), (1, 0));
}

#[test]
fn what_needs_something_that_stays_stays() {
    let bench = Bench::new();
    let strong = ".text\n.globl base\nbase:\n  movl $5, %eax\n  ret\n";
    let shared: &[(&str, &[&str])] = &[("f", &["g@PLT"]), ("g", &["base@PLT"]), ("h", &[])];
    let pair = Pair::new(&bench, shared, [strong, strong]);
    let said = pair.share(&bench);
    assert!(said.contains("1 function of several images; 2 stay"), "{said}");
    assert!(
        said.contains("g: needs base, which stays") && said.contains("f: needs g, which stays"),
        "{said}"
    );
    let common = DependencyImage::open(&bench.path("libcommon.so")).unwrap();
    assert_eq!(common.package().exports.len(), 1);
    pair.link_again(&bench);
    assert_eq!(sums(&bench), ["25025\n", "27027\n"]);
}

#[test]
fn constants_come_along_where_all_have_the_same() {
    let constant = |value: u32| {
        format!(
            ".section .rodata.k,\"aG\",@progbits,k,comdat\n.weak k\n.type k,@object\nk:\n  .long {value}\n.size k, 4\n"
        )
    };
    let uses = "  movq k@GOTPCREL(%rip), %rax\n  movl (%rax), %eax\n  ret\n";
    let copy = || plain("u", Linkage::Comdat, uses) + &grouped_export("u", "u", "u");
    for (values, moved) in [([7, 7], true), ([7, 8], false)] {
        let bench = Bench::new();
        let extra = values.map(|value| copy() + &constant(value));
        let pair = Pair::new(&bench, &[("f", &["u@PLT"])], [&extra[0], &extra[1]]);
        let before = sums(&bench);
        let [a, b] = &pair.libraries;
        let [one, two] = &pair.objects;
        let args = ["--jl-shared-image=libcommon.so", "--jl-dedup-set", a, b, one, two];
        let output = bench.run(JL_LINK, &args);
        assert_eq!(output.status.success(), moved, "{}", String::from_utf8_lossy(&output.stderr));
        if moved {
            pair.link_again(&bench);
            assert_eq!(sums(&bench), before);
        }
    }
}

#[test]
fn an_object_s_own_data_and_functions_come_along() {
    let bench = Bench::new();
    let own = ".section .text.helper,\"ax\",@progbits\nhelper:\n  movl table(%rip), %eax\n  ret\n\
        .section .rodata.table,\"a\",@progbits\ntable:\n  .long 3\n";
    let pair = Pair::new(&bench, &[("f", &["helper"])], [own, own]);
    pair.share(&bench);
    pair.link_again(&bench);
    assert_eq!(sums(&bench), ["13013\n", "14014\n"]);

    // Together with a function that others call it cannot be taken out.
    let own = ".text\n.globl seen\nseen:\nhelper:\n  movl $3, %eax\n  ret\n";
    let pair = Pair::new(&bench, &[("f", &["helper"]), ("h", &[])], [own, own]);
    let said = pair.share(&bench);
    assert!(said.contains("f: needs seen, which stays"), "{said}");
    let changes = ".data\nown:\n  .long 1\n.section .text.helper,\"ax\",@progbits\nhelper:\n  movl own(%rip), %eax\n  ret\n";
    let pair = Pair::new(&bench, &[("f", &["helper"]), ("h", &[])], [changes, changes]);
    let said = pair.share(&bench);
    assert!(said.contains("f: comes along with code or data"), "{said}");
}

/// Nobody finds a hidden function by its name, but those that take it do not ask for that.
#[test]
fn hidden_functions_move_too() {
    let h = plain("h", Linkage::Comdat, "  movl $7, %eax\n  ret\n")
        + &grouped_export("h", "h", "h")
        + ".hidden h\n";
    let own = ".text\n.globl own\nown:\n  pushq %rax\n  callq h\n  popq %rcx\n  ret\n";
    // Where `f` calls what each library has for itself it stays, and the hidden one is all that moves.
    for (callee, more, exports) in [("h", "", 2), ("own", own, 1)] {
        let bench = Bench::new();
        let extra = format!("{h}{more}");
        let pair = Pair::new(&bench, &[("f", &[callee])], [&extra, &extra]);
        let before = sums(&bench);
        pair.share(&bench);
        let common = DependencyImage::open(&bench.path("libcommon.so")).unwrap();
        assert_eq!(common.package().exports.len(), exports, "{callee}");
        pair.link_again(&bench);
        assert_eq!(sums(&bench), before, "{callee}");
    }
}

/// The first object has a target list, as all have, and nothing moves that needs one.
#[test]
fn what_an_object_leaves_out_is_taken_of_another() {
    let bench = Bench::new();
    let h = plain("h", Linkage::Comdat, "  movl $7, %eax\n  ret\n") + &grouped_export("h", "h", "h");
    let first = p(&bench.object("first", &target_list(support::TWO), &[], &h));
    let first_library = library(&bench, "first", &first, &[]);
    let pair = Pair::new(&bench, &[("f", &["h@PLT"])], [&h, &h]);
    let before = sums(&bench);
    let [a, b] = &pair.libraries;
    let [one, two] = &pair.objects;
    let args = ["--jl-shared-image=libcommon.so", "--jl-dedup-set", &first_library, a, b, &first, one, two];
    bench.ok(JL_LINK, &args);
    let common = DependencyImage::open(&bench.path("libcommon.so")).unwrap();
    assert_eq!((common.package().exports.len(), common.table().functions()), (2, 1));
    pair.link_again(&bench);
    assert_eq!(sums(&bench), before);
}

#[test]
fn shared_images_that_cannot_be() {
    let bench = Bench::new();
    let pair = Pair::new(&bench, &[("f", &[])], ["", ""]);
    let [a, b] = &pair.libraries;
    let [one, two] = &pair.objects;
    let refused = |args: &[&str], words: &[&str]| {
        let output = bench.run(JL_LINK, &[&["--jl-shared-image=x.so"], args].concat());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && !bench.path("x.so").exists(), "{args:?}");
        assert!(words.iter().all(|w| errors.contains(w)), "{args:?}: expected {words:?} in\n{errors}");
    };
    refused(&[one, two], &["needs --jl-dedup-set"]);
    refused(&["--jl-dedup-set", a, b], &["needs the objects"]);
    refused(&["--jl-dedup-set", a, one, two], &["at least two"]);
    refused(&["--jl-dedup-set", a, b, "-o", "y.so", one, two], &["leave out -o"]);
    let unrelated = p(&bench.compile("unrelated", "int x(void) { return 1; }", &["-fPIC"]));
    refused(&["--jl-dedup-set", a, b, &unrelated], &["nothing to move"]);
    let bitcode = p(&bench.compile("bitcode", "int y(void) { return 1; }", &["-fPIC", "-flto"]));
    refused(&["--jl-dedup-set", a, b, one, two, &bitcode], &["bitcode", "-flto"]);
}
