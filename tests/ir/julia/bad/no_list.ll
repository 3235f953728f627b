; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: the module is to be cloned (flag julia.mv.enable), but has no list of functions jl_fvars
target triple = "x86_64-linux-gnu"
define i32 @f() {
  ret i32 1
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
