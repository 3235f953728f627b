; Questions about the CPU are answered by what each function is compiled for.
; RUN: opt -passes=CPUFeatures,simplifycfg,instsimplify,verify -S %s | FileCheck %s
; The pass itself leaves the branch that it decides.
; RUN: opt -passes=CPUFeatures -S %s | FileCheck %s --check-prefix=FOLD
target triple = "x86_64-linux-gnu"

declare i1 @julia.cpu.have_fma.f16()
declare i1 @julia.cpu.have_fma.f32()
declare i32 @julia.cpu.have_fma.f64()
declare i1 @julia.cpu.supports.avx2()
declare i1 @"julia.cpu.supports.avx512f,avx512bw"()
declare i1 @julia.cpu.supports.warp-drive()
declare i1 @julia.cpu.supports.()
declare i1 @julia.cpu.brand()

; CHECK-LABEL: @by_cpu(
; CHECK-NOT: br
; CHECK: ret i32 10
; FOLD-LABEL: @by_cpu(
; FOLD-NEXT: br i1 true, label %yes, label %no
define i32 @by_cpu() #0 {
  %v = call i1 @julia.cpu.have_fma.f32()
  br i1 %v, label %yes, label %no
yes:
  ret i32 10
no:
  ret i32 20
}

; CHECK-LABEL: @a_feature_brings_others(
; CHECK-NEXT: ret i1 true
define i1 @a_feature_brings_others() #1 {
  %v = call i1 @julia.cpu.supports.avx2()
  ret i1 %v
}

; The later of two words about one feature holds.
; CHECK-LABEL: @taken_away(
; CHECK-NEXT: ret i1 false
define i1 @taken_away() #2 {
  %v = call i1 @julia.cpu.supports.avx2()
  ret i1 %v
}

; CHECK-LABEL: @all_of_a_list(
; CHECK-NEXT: ret i1 true
define i1 @all_of_a_list() #3 {
  %v = call i1 @"julia.cpu.supports.avx512f,avx512bw"()
  ret i1 %v
}

; CHECK-LABEL: @one_is_missing(
; CHECK-NEXT: ret i1 false
define i1 @one_is_missing() #1 {
  %v = call i1 @"julia.cpu.supports.avx512f,avx512bw"()
  ret i1 %v
}

; CHECK-LABEL: @no_half_precision(
; CHECK-NEXT: ret i1 false
define i1 @no_half_precision() #3 {
  %v = call i1 @julia.cpu.have_fma.f16()
  ret i1 %v
}

; An answer has the width of the question.
; CHECK-LABEL: @without_attributes(
; CHECK-NEXT: ret i32 0
define i32 @without_attributes() {
  %v = call i32 @julia.cpu.have_fma.f64()
  ret i32 %v
}

; FMA4 counts.
; CHECK-LABEL: @fma4(
; CHECK-NEXT: ret i32 1
define i32 @fma4() #4 {
  %v = call i32 @julia.cpu.have_fma.f64()
  ret i32 %v
}

; CHECK-LABEL: @unknown(
; CHECK-NEXT: ret i1 false
define i1 @unknown() #3 {
  %v = call i1 @julia.cpu.supports.warp-drive()
  %w = call i1 @julia.cpu.supports.()
  %both = or i1 %v, %w
  ret i1 %both
}

; Not a question that we know: it stays.
; CHECK-LABEL: @left(
; CHECK-NEXT: call i1 @julia.cpu.brand
define i1 @left() #0 {
  %v = call i1 @julia.cpu.brand()
  ret i1 %v
}

attributes #0 = { "target-cpu"="haswell" }
attributes #1 = { "target-features"="+avx512f" }
attributes #2 = { "target-cpu"="haswell" "target-features"="+avx2,-avx2" }
attributes #3 = { "target-cpu"="x86-64-v4" }
attributes #4 = { "target-features"="+fma4" }
