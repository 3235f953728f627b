; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'f' has the alias 'name', so it can be called from outside, and passes vectors, whose size differs between targets
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
@name = alias <8 x float> (), ptr @f
define <8 x float> @f() {
  ret <8 x float> zeroinitializer
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
