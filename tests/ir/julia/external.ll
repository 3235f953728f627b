; Modules cut down by a tool: what is no function with a body is left out of the list, and no list is no error.
; RUN: opt -passes='JuliaMultiVersioning<external>,verify' -S %s | FileCheck %s
; RUN: not opt -passes=JuliaMultiVersioning -S %s 2>&1 | FileCheck %s --check-prefix=STRICT
; CHECK: @jl_fvar_ptrs = hidden global [1 x ptr] [ptr @there]
; CHECK: @jl_clone_ptrs = hidden constant [1 x ptr] [ptr @there.1]
; STRICT: error: julienne: entry 1 of jl_fvars ('data') is not a function
target triple = "x86_64-linux-gnu"
@jl_fvars = global [4 x ptr] [ptr @gone, ptr @data, ptr @there, ptr null]
@jl_fvar_idxs = hidden constant [4 x i32] [i32 0, i32 1, i32 2, i32 3]
@data = global i32 0
declare void @gone()
define void @there() {
  ret void
}
!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
