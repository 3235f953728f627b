; A function that is marked for C gets its C name; what C must know goes into a section that is not loaded.
; RUN: opt -passes=jl-annotate,verify -S %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

; CHECK: module asm {{.*}}.jl_c_entries
; CHECK-NEXT: module asm ".ascii
; CHECK: @total = alias double (ptr, i64), ptr @julia_total_12
; CHECK-NOT: @kept = alias

; CHECK: define internal double @julia_total_12(ptr %x, i64 %n)
define internal double @julia_total_12(ptr %x, i64 %n) #0 {
  %first = load double, ptr %x
  ret double %first
}

; CHECK: define { i64, i64 } @kept()
define { i64, i64 } @kept() #1 {
  ret { i64, i64 } zeroinitializer
}

attributes #0 = { "jl.ccallable"="total" }
; The types of LLVM do not say which struct this is.
attributes #1 = { "jl.ccallable"="kept\09struct pair kept(void)" }
; CHECK-NOT: jl.ccallable
