; RUN: not opt -passes=jl-annotate -disable-output %s 2>&1 | FileCheck %s
; CHECK: 'f' cannot be exported for C: the module has another symbol 'g': choose another name
target triple = "x86_64-unknown-linux-gnu"

define void @f() "jl.ccallable"="g" {
  ret void
}

define void @g() {
  ret void
}
