; A module under Julia's protocol is none of ours, before its cloning or after.
; RUN: opt -passes=jl-annotate,jl-multiversion -S %s | FileCheck %s --check-prefix=BEFORE
; RUN: opt -passes=JuliaMultiVersioning,jl-annotate,jl-multiversion,verify -S %s | FileCheck %s --check-prefix=AFTER
; RUN: opt -passes='JuliaMultiVersioning,default<O2>,verify' -S %s | FileCheck %s --check-prefix=AFTER
; BEFORE: define float @f(float %x) {
; BEFORE-NOT: jl.
; AFTER: @jl_clone_ptrs = {{.*}}@f.1
; AFTER: define{{.*}} float @f(
; AFTER: define{{.*}} float @f.1(
; AFTER-NOT: define{{.*}}@f.0
; AFTER-NOT: jl.
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
define float @f(float %x) {
  %y = fadd fast float %x, %x
  ret float %y
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
