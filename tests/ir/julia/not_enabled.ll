; Without the flag julia.mv.enable nothing happens, whatever else is there.
; RUN: opt -passes=JuliaMultiVersioning -S %s | FileCheck %s
; CHECK: @jl_fvars = global [1 x ptr] [ptr @f]
; CHECK: define float @f(float %x) {
; CHECK-NOT: julia.mv.annotated
@jl_fvars = global [1 x ptr] [ptr @f]
define float @f(float %x) {
  %y = fadd fast float %x, %x
  ret float %y
}
!llvm.module.flags = !{!0}
!0 = !{i32 1, !"julia.mv.specs", !1}
!1 = !{!2, !3}
!2 = !{!"x86-64", !"", i32 0, i32 0}
!3 = !{!"haswell", !"", i32 0, i32 2}
