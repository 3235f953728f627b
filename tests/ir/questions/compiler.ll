; Questions to the words of libgcc and compiler-rt: yes where the target requires what is asked for, otherwise
; asked at run time as before.
; RUN: JULIA_CPU_TARGET=x86-64;x86-64-v3;x86-64-v4 opt -passes=jl-annotate,jl-multiversion,instcombine,simplifycfg,verify -S %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

@__cpu_model = external dso_local global { i32, i32, i32, [1 x i32] }
@__cpu_features2 = external dso_local global [3 x i32]

declare void @__cpu_indicator_init()
declare void @wide()
declare void @wider()

; CHECK-LABEL: define internal i32 @both.0(
; CHECK: and i32 {{.*}}, 17408
; CHECK-LABEL: define internal i32 @both.1(
; CHECK-NOT: load
; CHECK: ret i32 1
; AVX2 (bit 10) is known; AVX-512 (bit 15) is asked for.
; CHECK-LABEL: define internal i32 @one_of_two.1(
; CHECK: %[[WORD:.*]] = load i32
; CHECK: lshr i32 %[[WORD]], 15
; CHECK-NOT: 1024
; CHECK: ret i32
; CHECK-LABEL: define internal i32 @one_of_two.2(
; CHECK-NEXT: ret i32 1
; Nothing is left to ask for, so nothing must be filled.
; CHECK-LABEL: define internal i1 @initialised.1(
; CHECK-NEXT: ret i1 true
; CHECK-LABEL: define internal i1 @initialised.2(
; CHECK-NEXT: ret i1 true
; A level, as a shifted bit; and LZCNT.
; CHECK-LABEL: define internal i32 @level.1(
; CHECK-NEXT: ret i32 3
; Vendors, and words that go elsewhere, are not ours.
; CHECK-LABEL: define internal i32 @others.1(
; CHECK: load i32, ptr @__cpu_model
; CHECK: load i32, ptr getelementptr
; CHECK: call void @use(i32

define i32 @both() {
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 17408
  %c = icmp eq i32 %a, 17408
  br i1 %c, label %yes, label %no
yes:
  call void @wide()
  ret i32 1
no:
  ret i32 0
}

define i32 @one_of_two() {
  %w = load i32, ptr getelementptr inbounds ({ i32, i32, i32, [1 x i32] }, ptr @__cpu_model, i32 0, i32 3, i32 0)
  %a = and i32 %w, 33792
  %c = icmp eq i32 %a, 33792
  %r = zext i1 %c to i32
  ret i32 %r
}

define i1 @initialised() {
  call void @__cpu_indicator_init()
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  %a = and i32 %w, 1024
  %c = icmp ne i32 %a, 0
  ret i1 %c
}

define i32 @level() {
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_features2, i64 8)
  %s = lshr i32 %w, 1
  %a = and i32 %s, 1
  %v = load i32, ptr @__cpu_features2
  %b = lshr i32 %v, 24
  %m = and i32 %b, 2
  %r = or i32 %a, %m
  ret i32 %r
}

declare void @use(i32)

define i32 @others() {
  %vendor = load i32, ptr @__cpu_model
  %is = icmp eq i32 %vendor, 1
  %w = load i32, ptr getelementptr inbounds (i8, ptr @__cpu_model, i64 12)
  call void @use(i32 %w)
  %a = and i32 %w, 1024
  %has = icmp ne i32 %a, 0
  %both = and i1 %is, %has
  %r = zext i1 %both to i32
  ret i32 %r
}
