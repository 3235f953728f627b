; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'f' has clones, and data holds the address of one of its labels: which body is meant cannot be told
target triple = "x86_64-linux-gnu"
@jl_fvars = global [1 x ptr] [ptr @f]
@jl_fvar_idxs = hidden constant [1 x i32] [i32 0]
@table = internal constant [2 x ptr] [ptr blockaddress(@f, %a), ptr blockaddress(@f, %b)]
define i32 @f(i32 %i) {
  %place = getelementptr ptr, ptr @table, i32 %i
  %to = load ptr, ptr %place
  indirectbr ptr %to, [label %a, label %b]
a:
  ret i32 1
b:
  ret i32 2
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
