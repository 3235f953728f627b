; A shard that calls what another shard defines: annotated as a whole before, so clones and slot have names.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @caller]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 5]

; CHECK: @elsewhere.reloc_slot = external hidden global ptr
; The slot is the other shard's to write.
; CHECK: @jl_clone_slots_1 = hidden constant [1 x i32] zeroinitializer

; CHECK-LABEL: define i32 @caller()
; CHECK: load ptr, ptr @elsewhere.reloc_slot
define i32 @caller() #0 {
  %r = call i32 @elsewhere()
  ret i32 %r
}
; CHECK: declare i32 @elsewhere()
declare i32 @elsewhere() #1

; CHECK-LABEL: define i32 @caller.1()
; CHECK-NEXT: call i32 @elsewhere.1()
; CHECK: declare dso_local i32 @elsewhere.1()
; CHECK: declare dso_local i32 @elsewhere.2()

attributes #0 = { "julia.mv.clones"="2" }
attributes #1 = { "julia.mv.clones"="6" "julia.mv.reloc" }
!llvm.module.flags = !{!0, !1, !2, !5}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.annotated", i32 1}
!2 = !{i32 1, !"julia.mv.specs", !3}
!3 = !{!4, !6, !7}
!4 = !{!"x86-64", !"", i32 0, i32 0}
!5 = !{i32 1, !"julia.mv.suffix", !"_1"}
!6 = !{!"sandybridge", !"", i32 0, i32 2}
!7 = !{!"haswell", !"", i32 0, i32 268}
