; RUN: not opt -passes=jl-annotate -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: Julia has cloned the functions of this module itself (jl_dispatch_fvars_idxs lists them): let it write bitcode for one target (julia -C generic --output-bc ...), and name the targets here
target triple = "x86_64-pc-linux-gnu"
@jl_sysimg_fvars_offsets = constant [2 x i32] [i32 1, i32 0]
@jl_dispatch_fvars_idxs = constant [4 x i32] [i32 -2147483648, i32 1, i32 0, i32 0]
@jl_sysimg_fvars_base = alias i64, ptr @f
define internal void @f() {
  ret void
}
