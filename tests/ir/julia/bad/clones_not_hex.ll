; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'f': the attribute julia.mv.clones is 'many', expected a hexadecimal mask of the 2 targets in julia.mv.specs
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
define i32 @f() "julia.mv.clones"="many" {
  ret i32 1
}
!llvm.module.flags = !{!0, !1, !5}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
!5 = !{i32 1, !"julia.mv.annotated", i32 1}
