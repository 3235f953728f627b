; One target: no clones and no slots; aliases and data stay as they are.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @relaxed]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
@data = constant ptr @relaxed
@name = alias float (float), ptr @relaxed

; CHECK: @data = constant ptr @relaxed
; CHECK: @jl_fvar_count = hidden constant i64 1
; CHECK: @jl_fvar_ptrs = hidden global [1 x ptr] [ptr @relaxed]
; CHECK: @jl_clone_slots = hidden constant [1 x i32] zeroinitializer
; CHECK: @jl_clone_idxs = hidden constant [1 x i32] [i32 -2147483648]
; CHECK: @jl_clone_ptrs = hidden constant [0 x ptr] zeroinitializer
; CHECK: @name = alias float (float), ptr @relaxed
; CHECK: define float @relaxed({{.*}} #[[ATTRIBUTES:[0-9]+]]
define float @relaxed(float %x) {
  %y = fadd fast float %x, %x
  ret float %y
}
; CHECK: attributes #[[ATTRIBUTES]] = { "target-cpu"="haswell" "target-features"="+fma" }

!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3}
!3 = !{!"haswell", !"+fma", i32 0, i32 0}
