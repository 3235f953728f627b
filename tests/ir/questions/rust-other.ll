; Another release of rustc has other bits: its questions stay as they are.
; RUN: JULIA_CPU_TARGET=x86-64;x86-64-v3;x86-64-v4 opt -passes=jl-annotate,jl-multiversion,instcombine,simplifycfg,verify -S %s | FileCheck %s
target triple = "x86_64-unknown-linux-gnu"

@_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache5CACHE = external global [3 x { { i64 } }]

declare i128 @_RNvNtNtCs6d7GoaNTBIz_10std_detect6detect5cache21detect_and_initialize()
declare void @wide()

; Nothing is to be decided, so nothing is worth a clone.
; CHECK-NOT: ask_avx2.1
; CHECK-LABEL: define void @ask_avx2(
; CHECK: load atomic i64
; CHECK: and i64 %w, 32768

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


!llvm.ident = !{!0}
!0 = !{!"rustc version 1.96.0 (59807616e 2026-04-14)"}
