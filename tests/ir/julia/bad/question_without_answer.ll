; RUN: not opt -passes=CPUFeatures -S %s 2>&1 | FileCheck %s
; CHECK: error: julienne: 'julia.cpu.supports.avx2' must return an integer that says yes or no (i1)
target triple = "x86_64-linux-gnu"
declare void @julia.cpu.supports.avx2()
define void @f() {
  call void @julia.cpu.supports.avx2()
  ret void
}
