; A module without julia.mv.specs is built for JULIA_CPU_TARGET, in the dialect that the environment names.
; RUN: JULIA_CPU_TARGET=generic;haswell,clone_all;znver4,base(1) opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s --check-prefixes=CHECK,R
; RUN: JL_JULIA_DIALECT=M JULIA_CPU_TARGET=generic;haswell,clone_all;znver4,base(1) opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s --check-prefixes=CHECK,M
; RUN: JULIA_CPU_TARGET=generic;haswell;znver4,base(1) not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s --check-prefix=BASE
; RUN: JL_JULIA_DIALECT=Q not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s --check-prefix=DIALECT
; CHECK: define float @f.1(
; CHECK: define float @f.2(
; CHECK-DAG: "julia.mv.clones"="6"
; R-DAG: !{!"haswell", !"{{.*}}+avx2{{.*}}", i32 0, i32 2}
; R-DAG: !{!"znver4", !"{{.*}}+avx512f{{.*}}", i32 1, i32 1304}
; M-DAG: !{!"haswell", !"{{.*}}+avx2{{.*}}", i32 0, i32 1}
; M-DAG: !{!"znver4", !"{{.*}}+avx512f{{.*}}", i32 1, i32 80}
; BASE: error: julienne: Invalid target option: base target must be clone_all.
; DIALECT: error: julienne: JL_JULIA_DIALECT is 'Q', expected R (Julia 1.10 to 1.13) or M (master since 2026)
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
define float @f(<4 x float> %x) {
  %y = extractelement <4 x float> %x, i32 1
  ret float %y
}
!llvm.module.flags = !{!0}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
