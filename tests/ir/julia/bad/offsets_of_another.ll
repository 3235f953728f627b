; RUN: not opt -passes=jl-annotate -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: entry 1 of jl_sysimg_fvars_offsets is not a distance from jl_sysimg_fvars_base
target triple = "x86_64-pc-linux-gnu"
@jl_sysimg_fvars_offsets = constant [3 x i32] [i32 2, i32 0, i32 trunc (i64 sub (i64 ptrtoint (ptr @f to i64), i64 ptrtoint (ptr @g to i64)) to i32)]
@jl_sysimg_fvars_base = alias i64, ptr @f
define internal void @f() {
  ret void
}
define internal void @g() {
  ret void
}
