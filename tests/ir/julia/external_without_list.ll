; RUN: opt -passes='JuliaMultiVersioning<external>,verify' -S %s | FileCheck %s
; CHECK: define void @f() #[[F:[0-9]+]]
; CHECK-NOT: @f.1
; CHECK: attributes #[[F]] = { "julia.mv.clones"="2" }
target triple = "x86_64-linux-gnu"
define void @f() {
  ret void
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
