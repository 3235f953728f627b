; RUN: not opt -passes=jl-annotate -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: jl_sysimg_fvars_offsets has 1 entries, but says otherwise
target triple = "x86_64-pc-linux-gnu"
@jl_sysimg_fvars_offsets = constant [2 x i32] [i32 2, i32 0]
@jl_sysimg_fvars_base = alias i64, ptr @f
define internal void @f() {
  ret void
}
