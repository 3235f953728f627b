; The second shard: it calls what the first defines. A module is annotated before it is taken apart, so the
; declaration says which clones the other shard has, and that it has a slot.
target triple = "x86_64-pc-linux-gnu"

@jl_fvars = global [1 x ptr] [ptr @far]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 4]
@jl_gvar_offsets_1 = hidden constant [1 x i32] zeroinitializer
@jl_gvar_idxs_1 = hidden constant [0 x i32] zeroinitializer

define i32 @far() #0 {
  %r = call i32 @level()
  %s = add i32 %r, 300
  ret i32 %s
}
declare i32 @level() #1

attributes #0 = { "julia.mv.clones"="2" "julia.mv.fvar" }
attributes #1 = { "julia.mv.clones"="E" "julia.mv.reloc" }

!llvm.module.flags = !{!0, !1, !2, !8}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.suffix", !"_1"}
!2 = !{i32 1, !"julia.mv.specs", !3}
!3 = !{!4, !5, !6, !7}
!4 = !{!"x86-64", !"+sse2", i32 0, i32 0}
!5 = !{!"x86-64", !"+sse4.2", i32 0, i32 1}
!6 = !{!"x86-64", !"+avx2", i32 1, i32 0}
!7 = !{!"x86-64", !"+avx512f", i32 0, i32 0}
!8 = !{i32 1, !"julia.mv.annotated", i32 1}
