; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: jl_fvars has 2 entries, but they are not functions
target triple = "x86_64-linux-gnu"
@jl_fvars = global [2 x ptr] zeroinitializer
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
