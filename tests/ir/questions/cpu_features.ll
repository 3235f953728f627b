; Under CPUFeatures a function's own attributes answer what C and Rust ask: with yes, or not at all.
; RUN: opt -passes=CPUFeatures,instcombine,simplifycfg,verify -S %s | FileCheck %s
; The pass itself leaves the comparison and the branch that it decides.
; RUN: opt -passes=CPUFeatures -S %s | FileCheck %s --check-prefix=FOLD
target triple = "x86_64-unknown-linux-gnu"

@__cpu_model = external dso_local global { i32, i32, i32, [1 x i32] }
@_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE = external global [3 x { { i64 } }]

declare void @__cpu_indicator_init()
declare i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
declare void @wide()
declare i1 @julia.cpu.supports.avx2()

; AVX2 (bit 10), by the CPU's name; nothing is read any more, so nothing must be filled.
; CHECK-LABEL: @by_cpu(
; CHECK-NEXT: {{.*}}:
; CHECK-NEXT: call void @wide()
; CHECK-NEXT: ret void
; FOLD-LABEL: @by_cpu(
; FOLD-NEXT: %c = icmp ne i32 1024, 0
; FOLD-NEXT: br i1 %c, label %yes, label %no
define void @by_cpu() #0 {
  call void @__cpu_indicator_init()
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 1024
  %c = icmp ne i32 %a, 0
  br i1 %c, label %yes, label %no
yes:
  call void @wide()
  br label %no
no:
  ret void
}

; A feature brings others along.
; CHECK-LABEL: @by_feature(
; CHECK-NEXT: ret i1 true
define i1 @by_feature() #1 {
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 1024
  %c = icmp ne i32 %a, 0
  ret i1 %c
}

; The CPU may have more than the function asks for: no answer is not "no". Julia's own question is one of the
; function, and has an answer.
; CHECK-LABEL: @baseline(
; CHECK-NEXT: call void @__cpu_indicator_init()
; CHECK-NEXT: load i32, ptr
; CHECK: and i32 {{.*}}, 1024
; CHECK: ret i1
; FOLD-LABEL: @baseline(
; FOLD: or i1 %c, false
define i1 @baseline() {
  call void @__cpu_indicator_init()
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 1024
  %c = icmp ne i32 %a, 0
  %j = call i1 @julia.cpu.supports.avx2()
  %r = or i1 %c, %j
  ret i1 %r
}

; CHECK-LABEL: @taken_away(
; CHECK: and i32 {{.*}}, 1024
define i1 @taken_away() #2 {
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 1024
  %c = icmp ne i32 %a, 0
  ret i1 %c
}

; AVX2 (bit 15) in Rust's cache.
; CHECK-LABEL: @rust(
; CHECK-NEXT: {{.*}}:
; CHECK-NEXT: call void @wide()
; CHECK-NEXT: ret void
define void @rust() #0 {
start:
  %w = load atomic i64, ptr @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE monotonic, align 8
  %empty = icmp eq i64 %w, 0
  br i1 %empty, label %fill, label %filled
fill:
  %all = tail call i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
  %a = and i128 %all, 32768
  %no = icmp eq i128 %a, 0
  br i1 %no, label %done, label %yes
filled:
  %b = and i64 %w, 32768
  %none = icmp eq i64 %b, 0
  br i1 %none, label %done, label %yes
yes:
  call void @wide()
  br label %done
done:
  ret void
}

; A body that gets no answer stays as it is, with what fills the cache.
; CHECK-LABEL: @rust_fills(
; CHECK: load atomic
; CHECK: detect_and_initialize
define void @rust_fills() #0 {
start:
  %w = load atomic i64, ptr @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE monotonic, align 8
  %empty = icmp eq i64 %w, 0
  br i1 %empty, label %fill, label %done
fill:
  %all = tail call i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
  br label %done
done:
  ret void
}

attributes #0 = { "target-cpu"="haswell" }
attributes #1 = { "target-features"="+avx512f" }
attributes #2 = { "target-cpu"="haswell" "target-features"="-avx2" }

!llvm.ident = !{!0}
!0 = !{!"rustc version 1.95.0 (59807616e 2026-04-14)"}
