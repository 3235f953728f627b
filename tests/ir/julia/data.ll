; Addresses in data: each becomes a place that the loader writes, whatever it stands in.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [2 x ptr] [ptr @f, ptr @g]
@jl_fvar_idxs = hidden constant [2 x i32] [i32 0, i32 1]
@jl_gvars = global [2 x ptr] [ptr @plain, ptr @table]

; CHECK: @plain = global ptr null
@plain = global ptr @g
; CHECK: @table = internal global { i8, [2 x { i32, ptr }], i64 } { i8 1, [2 x { i32, ptr }] [{ i32, ptr } { i32 2, ptr null }, { i32, ptr } { i32 3, ptr null }], i64 0 }
@table = internal global { i8, [2 x { i32, ptr }], i64 } { i8 1, [2 x { i32, ptr }] [{ i32, ptr } { i32 2, ptr @f }, { i32, ptr } { i32 3, ptr @g }], i64 ptrtoint (ptr @f to i64) }
; Of no clone: stays.
; CHECK: @other = constant ptr @external
@other = constant ptr @external
; CHECK: @llvm.compiler.used = appending global [1 x ptr] [ptr @f]
@llvm.compiler.used = appending global [1 x ptr] [ptr @f], section "llvm.metadata"

; f: 16 and 40 bytes into the table; g: the pointer, and 32 bytes into the table.
; CHECK: @jl_clone_slots = hidden constant [9 x i32] [i32 4,
; CHECK-SAME: i32 0, i32 trunc (i64 sub (i64 add (i64 ptrtoint (ptr @table to i64), i64 16), i64 ptrtoint (ptr @jl_clone_slots to i64)) to i32),
; CHECK-SAME: i32 0, i32 trunc (i64 sub (i64 add (i64 ptrtoint (ptr @table to i64), i64 40), i64 ptrtoint (ptr @jl_clone_slots to i64)) to i32),
; CHECK-SAME: i32 1, i32 trunc (i64 sub (i64 ptrtoint (ptr @plain to i64), i64 ptrtoint (ptr @jl_clone_slots to i64)) to i32),
; CHECK-SAME: i32 1, i32 trunc (i64 sub (i64 add (i64 ptrtoint (ptr @table to i64), i64 32), i64 ptrtoint (ptr @jl_clone_slots to i64)) to i32)]
; CHECK: @jl_clone_idxs = hidden constant [6 x i32] [i32 -2147483646, i32 0, i32 1, i32 -2147483646, i32 0, i32 1]
; CHECK: @jl_clone_ptrs = hidden constant [2 x ptr] [ptr @f.1, ptr @g.1]
; CHECK: @jl_gvar_offsets = hidden constant [3 x i32] [i32 2, i32 trunc (i64 sub (i64 ptrtoint (ptr @plain to i64), i64 ptrtoint (ptr @jl_gvar_offsets to i64)) to i32), i32 trunc (i64 sub (i64 ptrtoint (ptr @table to i64), i64 ptrtoint (ptr @jl_gvar_offsets to i64)) to i32)]

; CHECK-DAG: define i32 @f() #[[FVAR:[0-9]+]]
define i32 @f() {
  ret i32 1
}
define i32 @g() {
  ret i32 2
}
declare void @external()
; CHECK-DAG: attributes #[[FVAR]] = { {{.*}}"julia.mv.fvar"

!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 2}
