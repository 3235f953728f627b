//! Which calls become direct, seen in the disassembly: the cases that a wrong decision would break.

mod support;

use support::{Bench, Function, Linkage, body, main_c, p, plain, target_list};

fn hidden(name: &str, value: u32, callees: &[&str]) -> Function {
    Function::new(name, 2, value, callees).linkage(Linkage::Hidden)
}

#[test]
fn tunable_functions_stay_on_their_slots() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let mut g = hidden("g", 100, &[]);
    g.flags = image_format::layout::RECORD_TUNABLE;
    let a = bench.object("a", &list, &[hidden("f", 10, &["g", "h"]), g, hidden("h", 1, &[])], "");
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a)]);
    assert_eq!(bench.callees(&bench.path("prog"), "f.1"), ["g", "h.1"]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-Wl,--jl-tunable"]);
    assert_eq!(bench.callees(&bench.path("prog"), "f.1"), ["g", "h"]);
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "114\n");
}

#[test]
fn shared_bodies_call_through_slots() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // f has one body for both targets.
    let mut f = hidden("f", 10, &["g", "h"]);
    f.rows = vec![0, 0];
    f.bodies.truncate(1);
    let mut h = hidden("h", 1, &[]);
    h.rows = vec![0, 0];
    h.bodies.truncate(1);
    let a = bench.object("a", &list, &[f, hidden("g", 100, &[]), h], "");
    let main = bench.compile("main", &main_c("int f(void); int h(void);", "f() + h()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a)]);
    let prog = bench.path("prog");
    assert_eq!(bench.callees(&prog, "f.0"), ["g", "h.0"]);
    assert!(bench.callees(&prog, "main").contains(&"h.0".into()), "one body for all rows: even from main");
    assert_eq!((bench.at_target(&prog, 0), bench.at_target(&prog, 1)), ("112\n".into(), "113\n".into()));
}

#[test]
fn folded_clones_call_what_every_row_agrees_on() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // f's bodies are equal in bytes: lld folds them, and then g's row is not known inside.
    let mut f = hidden("f", 10, &["g"]);
    f.bodies[1] = f.bodies[0].clone();
    let a = bench.object("a", &list, &[f, hidden("g", 100, &[])], "");
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-Wl,--jl-report=r.json"]);
    let prog = bench.path("prog");
    assert_eq!(bench.report("r.json")["folded"], 1);
    assert_eq!(bench.report("r.json")["calls"]["on_slot"]["rows-disagree"], 1);
    assert_eq!((bench.at_target(&prog, 0), bench.at_target(&prog, 1)), ("110\n".into(), "111\n".into()));
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-Wl,--icf=none"]);
    assert_eq!(bench.callees(&prog, "f.1"), ["g.1"], "the user's choice of folding counts");
}

#[test]
fn a_clone_folded_with_ordinary_code_runs_at_every_target() {
    for linkage in [Linkage::Global, Linkage::Hidden, Linkage::Local] {
        let bench = Bench::new();
        let list = target_list(support::TWO);
        // `same` is byte-identical to f.1 and may be called at any target.
        let same = plain("same", linkage, &body(11, &["g"]));
        let call =
            plain("call_same", Linkage::Hidden, "  subq $8, %rsp\n  call same\n  addq $8, %rsp\n  ret\n");
        let extra = format!("{same}{call}");
        let a = bench.object("a", &list, &[hidden("f", 10, &["g"]), hidden("g", 100, &[])], &extra);
        let main = bench.compile(
            "main",
            &main_c("int f(void); int call_same(void);", "f() * 1000 + call_same()"),
            &[],
        );
        bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-Wl,--jl-report=r.json"]);
        let prog = bench.path("prog");
        assert_eq!(bench.report("r.json")["calls"]["direct"], 1, "f.0 only");
        assert_eq!(bench.at_target(&prog, 0), "110111\n");
        assert_eq!(bench.at_target(&prog, 1), "112112\n");
    }
}

#[test]
fn exported_functions_are_entered_from_outside() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let same = plain("same", Linkage::Global, &body(11, &["g"]));
    let a = bench.object("a", &list, &[hidden("f", 10, &["g"]), hidden("g", 100, &[])], &same);
    // Safe folding leaves exported functions alone.
    bench.link_ok(&["-shared", "-o", "libx.so", &p(&a), "-Wl,--jl-report=r.json"]);
    assert_eq!(bench.report("r.json")["calls"]["direct"], 2);
    bench.link_ok(&["-shared", "-o", "libx.so", &p(&a), "-Wl,--jl-report=r.json,--icf=all"]);
    assert_eq!(bench.report("r.json")["calls"]["direct"], 2);
    let main = bench.compile("main", &main_c("int same(void);", "same()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), "libx.so"]);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "111\n");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "112\n");
}

#[test]
fn slots_are_never_folded() {
    // f and g have the same baseline body, so that their slots have the same content.
    for option in ["-Wl,--icf=safe", "-Wl,--icf=all", "-Wl,--icf=all,--ignore-data-address-equality"] {
        let bench = Bench::new();
        let list = target_list(support::TWO);
        let mut g = hidden("g", 10, &[]);
        g.bodies[1] = body(50, &[]);
        let a = bench.object("a", &list, &[hidden("f", 10, &[]), g], "");
        let main = bench.compile("main", &main_c("int f(void); int g(void);", "f() * 1000 + g()"), &[]);
        bench.link_ok(&["-o", "prog", &p(&main), &p(&a), option, "-Wl,--jl-report=r.json"]);
        assert_eq!(bench.report("r.json")["folded"], 1);
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "10010\n");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "11050\n");
    }
}

#[test]
fn addresses_in_data_make_a_folded_clone_ordinary() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let same = plain("same", Linkage::Local, &body(11, &["g"]));
    let table = ".section .data.rel.ro.table,\"aw\",@progbits\n.globl table\n.p2align 3\ntable: .quad same\n";
    let a = bench.object(
        "a",
        &list,
        &[hidden("f", 10, &["g"]), hidden("g", 100, &[])],
        &format!("{same}{table}"),
    );
    let main = bench.compile(
        "main",
        &main_c("int f(void); extern int (*table)(void);", "f() * 1000 + table()"),
        &[],
    );
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a)]);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "110111\n");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "112112\n");
}

#[test]
fn every_form_of_branch() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let forms = "  pushq %rbx\n  call *g@GOTPCREL(%rip)\n  movl %eax, %ebx\n  leaq g(%rip), %rax\n  call *%rax\n  \
                 addl %eax, %ebx\n  movq g@GOTPCREL(%rip), %rax\n  call *%rax\n  addl %eax, %ebx\n  call g@PLT\n  \
                 addl %ebx, %eax\n  popq %rbx\n  testl %eax, %eax\n  je g\n  nop\n";
    let mut f = hidden("f", 0, &[]);
    f.bodies = vec![format!("{forms}  jmp k\n"), format!("{forms}  nop\n  jmp k\n")];
    // k adds to what f left in eax and goes on to h by the GOT.
    let mut k = hidden("k", 0, &[]);
    k.bodies = vec![
        "  addl $1, %eax\n  jmp *h@GOTPCREL(%rip)\n".into(),
        "  addl $2, %eax\n  jmp *h@GOTPCREL(%rip)\n".into(),
    ];
    let mut h = hidden("h", 0, &[]);
    h.bodies = vec!["  addl $10, %eax\n  ret\n".into(), "  addl $20, %eax\n  ret\n".into()];
    let a = bench.object("a", &list, &[f, k], "");
    let b = bench.object("b", &list, &[hidden("g", 100, &[]), h], "");
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &["-fPIC"]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), &p(&b)]);
    let prog = bench.path("prog");
    assert_eq!(bench.callees(&prog, "f.1"), ["g.1", "g.1", "k.1"]);
    assert_eq!(bench.callees(&prog, "k.1"), ["h.1"]);
    let text =
        bench.ok("llvm-objdump-22", &["-d", "--no-show-raw-insn", "--disassemble-symbols=f.1", "prog"]);
    assert_eq!(text.matches("<g>").count(), 2, "addresses stay the trampoline's\n{text}");
    assert!(text.contains("je\t") && text.matches("<g.1>").count() == 3, "{text}");
    assert_eq!(bench.at_target(&prog, 0), "411\n");
    assert_eq!(bench.at_target(&prog, 1), "426\n");

    // -fno-plt in a shared object: through the GOT, because g may be replaced.
    let mut exported = hidden("g", 100, &[]);
    exported.linkage = Linkage::Global;
    let mut f = hidden("f", 0, &[]);
    f.linkage = Linkage::Global;
    f.bodies = (1..3).map(|n| format!("  addl ${n}, %edi\n  jmp *g@GOTPCREL(%rip)\n")).collect();
    let mut e = f.clone();
    e.name = "e".into();
    e.bodies = (1..3)
        .map(|n| {
            format!("  subq $8, %rsp\n  call *g@GOTPCREL(%rip)\n  addl ${n}, %eax\n  addq $8, %rsp\n  ret\n")
        })
        .collect();
    let c = bench.object("c", &list, &[exported, f, e], "");
    bench.link_ok(&["-shared", "-o", "libx.so", &p(&c), "-Wl,--jl-report=r.json"]);
    assert_eq!(bench.report("r.json")["calls"]["preemptible"], 4);
    bench.link_ok(&["-shared", "-o", "libx.so", &p(&c), "-Wl,--jl-report=r.json,--jl-bind-local"]);
    assert_eq!(bench.report("r.json")["calls"]["direct"], 4);
    assert_eq!(bench.callees(&bench.path("libx.so"), "f.1"), ["g.1"]);
    let main = bench.compile("main", &main_c("int f(int); int e(void);", "f(0) + e()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), "libx.so"]);
    assert_eq!(bench.at_target(&prog, 1), "204\n");
}

#[test]
fn calls_through_the_got_that_stay_go_through_the_slot_at_once() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let caller = plain(
        "caller",
        Linkage::Hidden,
        "  subq $8, %rsp\n  call *g@GOTPCREL(%rip)\n  addq $8, %rsp\n  ret\n",
    );
    let a = bench.object("a", &list, &[hidden("g", 100, &[])], &caller);
    let main = bench.compile("main", &main_c("int caller(void);", "caller()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), "-Wl,--jl-report=r.json"]);
    assert_eq!(bench.report("r.json")["calls"]["without_trampoline"], 1);
    let text = bench.ok("llvm-objdump-22", &["-d", "--disassemble-symbols=caller", "prog"]);
    assert!(text.contains("ff 15") && text.contains("<g.reloc_slot>"), "{text}");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "101\n");
}

#[test]
fn jump_tables_keep_their_function_a_clone() {
    for position_independent in [true, false] {
        let bench = Bench::new();
        let list = target_list(support::TWO);
        let mut f = hidden("f", 0, &[]);
        f.bodies = (0..2).map(|n| switch_body(n, position_independent)).collect();
        let a = bench.object("a", &list, &[f, hidden("g", 100, &[])], "");
        let main = bench.compile("main", &main_c("int f(int);", "f(0) + f(1) + f(2)"), &[]);
        let kind = if position_independent { "-pie" } else { "-no-pie" };
        bench.link_ok(&[kind, "-o", "prog", &p(&main), &p(&a), "-Wl,--jl-report=r.json"]);
        assert_eq!(bench.report("r.json")["calls"]["direct"], 6, "{kind}");
        assert_eq!(bench.at_target(&bench.path("prog"), 0), "303\n");
        assert_eq!(bench.at_target(&bench.path("prog"), 1), "309\n");
    }
}

/// A switch with three cases, each of which calls g and adds the target number and its own.
fn switch_body(target: u32, position_independent: bool) -> String {
    let mut text = String::from("  subq $8, %rsp\n  movl %edi, %edi\n");
    let entry = if position_independent {
        text += &format!(
            "  leaq .Ltable{target}(%rip), %rdx\n  movslq (%rdx,%rdi,4), %rax\n  addq %rdx, %rax\n  jmpq *%rax\n"
        );
        format!(".long .Lcase{target}_N - .Ltable{target}\n")
    } else {
        text += &format!("  jmpq *.Ltable{target}(,%rdi,8)\n");
        format!(".quad .Lcase{target}_N\n")
    };
    for case in 0..3 {
        text += &format!(
            ".Lcase{target}_{case}:\n  call g\n  addl ${}, %eax\n  addq $8, %rsp\n  ret\n",
            target + case
        );
    }
    let entries: String = (0..3).map(|case| entry.replace('N', &case.to_string())).collect();
    format!(
        "{text}.pushsection .rodata.table{target},\"a\",@progbits\n.p2align 3\n.Ltable{target}:\n{entries}.popsection\n"
    )
}

#[test]
fn relative_tables_of_functions_are_references() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // A table of `function - table`, as relative vtables are; its second entry is folded with f.1.
    let other = plain("other", Linkage::Local, "  movl $5, %eax\n  ret\n");
    let same = plain("same", Linkage::Local, &body(11, &["g"]));
    let through = plain(
        "through",
        Linkage::Hidden,
        "  leaq table(%rip), %rdx\n  movslq 4(%rdx), %rax\n  addq %rdx, %rax\n  jmpq *%rax\n",
    );
    let table =
        ".section .rodata.t,\"a\",@progbits\n.p2align 2\ntable: .long other - table\n  .long same - table\n";
    let extra = format!("{other}{same}{through}{table}");
    let a = bench.object("a", &list, &[hidden("f", 10, &["g"]), hidden("g", 100, &[])], &extra);
    let main =
        bench.compile("main", &main_c("int f(void); int through(void);", "f() * 1000 + through()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a)]);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "110111\n");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "112112\n");
}

#[test]
fn clones_without_a_record() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // `local` was bound at compile time: f.N calls local.N, which calls g.
    let clones: String = (0..2)
        .map(|n| {
            let name = format!("local.{n}");
            plain(&name, Linkage::Local, &body(1000 + n, &["g"]))
        })
        .collect();
    let mut f = hidden("f", 0, &[]);
    f.bodies = (0..2).map(|n| body(10 + n, &[&format!("local.{n}")])).collect();
    let a = bench.object("a", &list, &[f], &clones);
    let b = bench.object("b", &list, &[hidden("g", 100, &[])], "");
    let main = bench.compile("main", &main_c("int f(void);", "f()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a), &p(&b)]);
    let prog = bench.path("prog");
    assert_eq!(bench.callees(&prog, "local.1"), ["g.1"]);
    assert_eq!(bench.callees(&prog, "local.0"), ["g.0"]);
    assert_eq!((bench.at_target(&prog, 0), bench.at_target(&prog, 1)), ("1110\n".into(), "1113\n".into()));
}

#[test]
fn numbered_names_alone_are_no_clones() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    // As __cxx_global_var_init.1: a local function in a section with its caller, reached without relocation.
    let init = format!(
        ".section .text.both,\"ax\",@progbits\n.type init.1,@function\ninit.1:\n{}.size init.1, .-init.1\n\
         .globl enter\n.hidden enter\n.type enter,@function\nenter:\n  jmp init.1\n.size enter, .-enter\n",
        body(1, &["g"])
    );
    let mut f = hidden("f", 0, &[]);
    f.bodies = vec![body(10, &[]), body(11, &["init.1"])];
    let a = bench.object("a", &list, &[f, hidden("g", 100, &[])], &init);
    let main = bench.compile("main", &main_c("int f(void); int enter(void);", "f() * 1000 + enter()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &p(&a)]);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "10101\n");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "113102\n");
}

#[test]
fn local_functions_of_one_name() {
    let bench = Bench::new();
    let list = target_list(support::TWO);
    let object = |name: &str, value: u32| {
        let f = hidden(name, 10, &["same_name"]);
        let local = Function::new("same_name", 2, value, &[]).linkage(Linkage::Local);
        p(&bench.object(name, &list, &[f, local], ""))
    };
    let (a, b) = (object("a", 100), object("b", 1000));
    let main = bench.compile("main", &main_c("int a(void); int b(void);", "a() * 10000 + b()"), &[]);
    bench.link_ok(&["-o", "prog", &p(&main), &a, &b]);
    assert_eq!(bench.at_target(&bench.path("prog"), 0), "1101010\n");
    assert_eq!(bench.at_target(&bench.path("prog"), 1), "1121012\n");
    assert_eq!(bench.callees(&bench.path("prog"), "a.1"), ["same_name.1"]);
}
