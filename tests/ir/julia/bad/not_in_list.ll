; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'f' has clones that the loader must choose from, but is not in jl_fvars
target triple = "x86_64-linux-gnu"
@jl_fvars = global [0 x ptr] zeroinitializer
@jl_fvar_idxs = hidden constant [0 x i32] zeroinitializer
@data = global ptr @f
define i32 @f() {
  ret i32 1
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
