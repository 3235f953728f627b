; Questions to the cache of Rust's std_detect, as rustc 1.95 makes them.
; RUN: JULIA_CPU_TARGET=x86-64;x86-64-v3;x86-64-v4 opt -passes=jl-annotate,jl-multiversion,instcombine,simplifycfg,verify -S %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

@_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE = external global [3 x { { i64 } }]

declare i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
declare void @wide()

; AVX2 (bit 15) holds from x86-64-v3 on: neither asked for nor, the cache being unused, filled.
; CHECK-LABEL: define internal void @ask_avx2.0(
; CHECK: load atomic
; CHECK: detect_and_initialize
; CHECK-LABEL: define internal void @ask_avx2.1(
; CHECK-NEXT: {{.*}}:
; CHECK-NEXT: call void @wide()
; CHECK-NEXT: ret void
; CHECK-LABEL: define internal void @ask_avx2.2(
; CHECK-NEXT: {{.*}}:
; CHECK-NEXT: call void @wide()
; CHECK-NEXT: ret void
define void @ask_avx2() {
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

; GFNI (bit 30) is in none of the targets, so the word is still read, and filled before it is.
; CHECK-LABEL: define internal i1 @ask_both.1(
; CHECK: load atomic
; CHECK: icmp eq i64 {{.*}}, 0
; CHECK: detect_and_initialize
; CHECK: and i64 {{.*}}, 1073741824
define i1 @ask_both() {
start:
  %w = load atomic i64, ptr @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE monotonic, align 8
  %empty = icmp eq i64 %w, 0
  br i1 %empty, label %fill, label %filled
fill:
  %all = tail call i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
  %low = trunc i128 %all to i64
  br label %filled
filled:
  %words = phi i64 [ %low, %fill ], [ %w, %start ]
  %a = and i64 %w, 32768
  %b = and i64 %w, 1073741824
  %x = icmp ne i64 %a, 0
  %y = icmp ne i64 %b, 0
  %r = and i1 %x, %y
  ret i1 %r
}

!llvm.ident = !{!0}
!0 = !{!"rustc version 1.95.0 (59807616e 2026-04-14)"}
