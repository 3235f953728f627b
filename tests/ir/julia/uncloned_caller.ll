; Code that is cloned for no target runs for all of them: it calls through slots. (A list without clone_all.)
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [2 x ptr] [ptr @relaxed, ptr @plain]
@jl_fvar_idxs = hidden constant [2 x i32] [i32 0, i32 1]

; CHECK: @jl_clone_slots = hidden constant [3 x i32] [i32 1, i32 0, i32 trunc
; CHECK: @jl_clone_idxs = hidden constant [5 x i32] [i32 -2147483647, i32 0, i32 1, i32 0, i32 -2147483648]
; CHECK: @jl_clone_ptrs = hidden constant [1 x ptr] [ptr @relaxed.1]

define float @relaxed(float %x) {
  %y = fadd fast float %x, %x
  ret float %y
}

; CHECK-LABEL: define float @plain(
; CHECK-SAME: #[[PLAIN:[0-9]+]]
; CHECK-NEXT: [[SLOT:%.*]] = load ptr, ptr @relaxed.reloc_slot
; CHECK-NEXT: call float [[SLOT]](
define float @plain(float %x) {
  %y = call float @relaxed(float %x)
  ret float %y
}

; CHECK: attributes #[[PLAIN]] = { "julia.mv.fvar" "target-cpu"="x86-64" "target-features" }

!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"+fma", i32 0, i32 268}
