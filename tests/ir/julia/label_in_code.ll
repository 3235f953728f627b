; A label address in code is that of the body it stands in.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
; CHECK-LABEL: define ptr @f.1(
; CHECK: select i1 %c, ptr blockaddress(@f.1, %a), ptr blockaddress(@f.1, %b)
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
define ptr @f(i1 %c) {
  %to = select i1 %c, ptr blockaddress(@f, %a), ptr blockaddress(@f, %b)
  indirectbr ptr %to, [label %a, label %b]
a:
  ret ptr null
b:
  ret ptr %to
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
