; RUN: opt -passes=CPUFeatures,simplifycfg,instsimplify,verify -S %s | FileCheck %s
target triple = "aarch64-linux-gnu"

declare i1 @julia.cpu.have_fma.f16()
declare i1 @julia.cpu.have_fma.f32()
declare i1 @julia.cpu.have_fma.f64()
declare i1 @julia.cpu.supports.sve()

; Part of every aarch64.
; CHECK-LABEL: @always(
; CHECK-NEXT: ret i1 true
define i1 @always() {
  %v = call i1 @julia.cpu.have_fma.f32()
  %w = call i1 @julia.cpu.have_fma.f64()
  %both = and i1 %v, %w
  ret i1 %both
}

; CHECK-LABEL: @not_half(
; CHECK-NEXT: ret i1 false
define i1 @not_half() #0 {
  %v = call i1 @julia.cpu.have_fma.f16()
  ret i1 %v
}

; CHECK-LABEL: @brought(
; CHECK-NEXT: ret i1 true
define i1 @brought() #0 {
  %v = call i1 @julia.cpu.supports.sve()
  ret i1 %v
}

; CHECK-LABEL: @by_cpu(
; CHECK-NEXT: ret i1 true
define i1 @by_cpu() #1 {
  %v = call i1 @julia.cpu.supports.sve()
  ret i1 %v
}

; CHECK-LABEL: @absent(
; CHECK-NEXT: ret i1 false
define i1 @absent() #2 {
  %v = call i1 @julia.cpu.supports.sve()
  ret i1 %v
}

attributes #0 = { "target-features"="+sve2" }
attributes #1 = { "target-cpu"="a64fx" }
attributes #2 = { "target-cpu"="neoverse-n1" }
