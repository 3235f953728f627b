; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'f' has clones and is used by 'g', which all targets share, but has no slot (attribute julia.mv.reloc)
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
define i32 @f() "julia.mv.clones"="2" {
  ret i32 1
}
define i32 @g() {
  %r = call i32 @f()
  ret i32 %r
}
!llvm.module.flags = !{!0, !1, !5}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 256}
!5 = !{i32 1, !"julia.mv.annotated", i32 1}
