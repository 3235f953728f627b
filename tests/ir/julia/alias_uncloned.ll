; An alias of a function that no target clones stays an alias.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
; CHECK: @jl_clone_slots = hidden constant [1 x i32] zeroinitializer
; CHECK: @other_name = alias i32 (), ptr @f
; CHECK: attributes #0 = { "julia.mv.reloc" "target-cpu"="x86-64" "target-features" }
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
@other_name = alias i32 (), ptr @f
define i32 @f() {
  ret i32 1
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 268}
