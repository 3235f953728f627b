; A function in code other than as a callee: wherever all targets share the code, it is what the slot holds.
; RUN: opt -passes=JuliaMultiVersioning,verify -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"
@jl_fvars = global [2 x ptr] [ptr @f, ptr @g]
@jl_fvar_idxs = hidden constant [2 x i32] [i32 0, i32 1]

define float @f(float %x) {
  %y = fadd fast float %x, %x
  ret float %y
}
define float @g(float %x) {
  %y = fmul fast float %x, %x
  ret float %y
}

; CHECK-LABEL: define ptr @select_by_phi(
; CHECK-NEXT: br i1
; CHECK: a:
; CHECK-NEXT: [[F:%.*]] = load ptr, ptr @f.reloc_slot
; CHECK-NEXT: switch
; CHECK: b:
; CHECK-NEXT: [[G:%.*]] = load ptr, ptr @g.reloc_slot
; CHECK-NEXT: br label %end
; CHECK: phi ptr [ [[F]], %a ], [ [[F]], %a ], [ [[G]], %b ]
define ptr @select_by_phi(i1 %c, i32 %n) {
  br i1 %c, label %a, label %b
a:
  switch i32 %n, label %end [ i32 1, label %end ]
b:
  br label %end
end:
  %p = phi ptr [ @f, %a ], [ @f, %a ], [ @g, %b ]
  ret ptr %p
}

; CHECK-LABEL: define void @store_both(
; CHECK: [[F:%.*]] = load ptr, ptr @f.reloc_slot{{.*}}
; CHECK-NEXT: [[WITH_F:%.*]] = insertvalue { i32, ptr, ptr } { i32 1, ptr poison, ptr poison }, ptr [[F]], 1
; CHECK-NEXT: [[G:%.*]] = load ptr, ptr @g.reloc_slot
; CHECK-NEXT: [[BOTH:%.*]] = insertvalue { i32, ptr, ptr } [[WITH_F]], ptr [[G]], 2
; CHECK-NEXT: store { i32, ptr, ptr } [[BOTH]], ptr %to
define void @store_both(ptr %to) {
  store { i32, ptr, ptr } { i32 1, ptr @f, ptr @g }, ptr %to
  ret void
}

; CHECK-LABEL: define i64 @number(
; CHECK: [[F:%.*]] = load ptr, ptr @f.reloc_slot
; CHECK-NEXT: [[N:%.*]] = ptrtoint ptr [[F]] to i64
; CHECK-NEXT: [[M:%.*]] = add i64 [[N]], 1
; CHECK-NEXT: ret i64 [[M]]
define i64 @number() {
  ret i64 add (i64 ptrtoint (ptr @f to i64), i64 1)
}

; Twice in one call.
; CHECK-LABEL: define void @twice(
; CHECK-COUNT-2: load ptr, ptr @f.reloc_slot
; CHECK: call void @two(ptr %{{.*}}, ptr %{{.*}})
define void @twice() {
  call void @two(ptr @f, ptr @f)
  ret void
}

; In a clone the clone of the same target is meant.
; CHECK-LABEL: define i64 @clone_takes_address.1(
; CHECK-NEXT: fadd
; CHECK-NEXT: ret i64 ptrtoint (ptr @f.1 to i64)
define i64 @clone_takes_address(float %x) {
  %y = fadd fast float %x, %x
  ret i64 ptrtoint (ptr @f to i64)
}
declare void @two(ptr, ptr)

!llvm.module.flags = !{!0, !1}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.specs", !2}
!2 = !{!3, !4}
!3 = !{!"x86-64", !"", i32 0, i32 0}
!4 = !{!"haswell", !"", i32 0, i32 268}
