; RUN: not opt -passes=JuliaMultiVersioning,JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: the module is annotated, but its flag julia.mv.skipcloning forbids to clone it
target triple = "x86_64-linux-gnu"
define i32 @f() {
  ret i32 1
}
!llvm.module.flags = !{!0, !1, !5}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
!5 = !{i32 1, !"julia.mv.skipcloning", i32 1}
