; Tables of distances from the first entry, as Julia 1.5 has them, become relative to themselves; code is position-independent.
; RUN: opt -passes=jl-annotate,verify -S %s | FileCheck %s
; RUN: opt -passes=jl-annotate,jl-annotate,verify -S %s | FileCheck %s
target triple = "x86_64-pc-linux-gnu"
; CHECK: @jl_sysimg_fvars_offsets = global [3 x i32] [i32 2, i32 trunc (i64 sub (i64 ptrtoint (ptr @f to i64), i64 ptrtoint (ptr @jl_sysimg_fvars_offsets to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @g to i64), i64 ptrtoint (ptr @jl_sysimg_fvars_offsets to i64)) to i32)], section ".data.rel.ro.jl_distances"
@jl_sysimg_fvars_offsets = constant [3 x i32] [i32 2, i32 0, i32 trunc (i64 sub (i64 ptrtoint (ptr @g to i64), i64 ptrtoint (ptr @f to i64)) to i32)]
; An image without data.
; CHECK: @jl_sysimg_gvars_offsets = constant [1 x i32] zeroinitializer
@jl_sysimg_gvars_offsets = constant [1 x i32] zeroinitializer
@jl_dispatch_fvars_idxs = constant [1 x i32] [i32 -2147483648]
; CHECK: @jl_sysimg_fvars_base = alias i64, ptr @jl_sysimg_fvars_offsets
@jl_sysimg_fvars_base = alias i64, ptr @f
define internal void @f() {
  ret void
}
define internal void @g() {
  ret void
}
; CHECK: !"PIC Level", i32 2
