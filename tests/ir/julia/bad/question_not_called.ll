; RUN: not opt -passes=CPUFeatures -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'julia.cpu.have_fma.f32' may only be called: its address means nothing
target triple = "x86_64-linux-gnu"
declare i1 @julia.cpu.have_fma.f32()
define ptr @f() {
  ret ptr @julia.cpu.have_fma.f32
}
