; RUN: not opt -passes=jl-annotate -disable-output %s 2>&1 | FileCheck %s
; CHECK: 'f' cannot be exported for C: the type of parameter 1 is none that C has by itself: give the declaration in the attribute
target triple = "x86_64-unknown-linux-gnu"

define void @f(<4 x float> %x) "jl.ccallable"="f" {
  ret void
}
