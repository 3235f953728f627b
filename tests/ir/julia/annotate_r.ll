; Which function is cloned for which target, and how it is referred to: dialect R's flags.
; RUN: opt -passes=JuliaMultiVersioning -S %s | FileCheck %s
; RUN: JL_JULIA_DIALECT=R opt -passes='JuliaMultiVersioning<no-external>' -S %s | FileCheck %s
target triple = "x86_64-linux-gnu"

; Targets: 1 clone_all, 2 loops, 3 math, 4 vectors, 5 half, 6 bfloat, 7 questions about the CPU.
; CHECK: define i32 @plain({{.*}} #[[ALL:[0-9]+]]
define i32 @plain(i32 %x) {
  ret i32 %x
}

; CHECK: define i32 @looping({{.*}} #[[LOOP:[0-9]+]]
define i32 @looping(i32 %n) {
  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %next, %again ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %again, label %done
done:
  ret i32 %next
}

; CHECK: define float @relaxed({{.*}} #[[MATH:[0-9]+]]
define float @relaxed(float %x, float %y) {
  %sum = fadd contract float %x, %y
  ret float %sum
}

; CHECK: define double @fused({{.*}} #[[MATH]]
define double @fused(double %x) {
  %y = call double @llvm.fma.f64(double %x, double %x, double %x)
  ret double %y
}

; Exact arithmetic is no reason.
; CHECK: define float @exact({{.*}} #[[ALL]]
define float @exact(float %x, float %y) {
  %sum = fadd float %x, %y
  ret float %sum
}

; CHECK: define void @stores_vector({{.*}} #[[SIMD:[0-9]+]]
define void @stores_vector(ptr %p) {
  store <4 x i32> zeroinitializer, ptr %p
  ret void
}

; CHECK: define void @calls_with_vector({{.*}} #[[SIMD]]
define void @calls_with_vector(ptr %f) {
  call void %f(<2 x double> zeroinitializer)
  ret void
}

; CHECK: define half @halves({{.*}} #[[HALF:[0-9]+]]
define half @halves(half %x) {
  %y = fneg half %x
  ret half %y
}

; CHECK: define bfloat @brains({{.*}} #[[BFLOAT:[0-9]+]]
define bfloat @brains(bfloat %x) {
  %y = fneg bfloat %x
  ret bfloat %y
}

; CHECK: define i1 @asks({{.*}} #[[CPU:[0-9]+]]
define i1 @asks() {
  %y = call i1 @julia.cpu.have_fma.f32()
  ret i1 %y
}

; Between two that are cloned for a target: cloned for it too, though it has no reason of its own.
; CHECK: define i32 @calls_between({{.*}} #[[LOOP]]
define i32 @calls_between(i32 %n) {
  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %next, %again ]
  %next = call i32 @between(i32 %i)
  %more = icmp ult i32 %next, %n
  br i1 %more, label %again, label %done
done:
  ret i32 %next
}

; CHECK: define i32 @between({{.*}} #[[RELOC_LOOP:[0-9]+]]
define i32 @between(i32 %x) {
  %y = call i32 @called(i32 %x)
  ret i32 %y
}

; CHECK: define i32 @called({{.*}} #[[RELOC_LOOP]]
define i32 @called(i32 %n) {
  br label %again
again:
  %i = phi i32 [ 0, %0 ], [ %next, %again ]
  %next = add i32 %i, 1
  %more = icmp ult i32 %next, %n
  br i1 %more, label %again, label %done
done:
  ret i32 %next
}

; Used by code, but cloned for bases alone: no slot.
; CHECK: define i32 @calls_plain({{.*}} #[[ALL]]
define i32 @calls_plain(i32 %x) {
  %y = call i32 @plain(i32 %x)
  ret i32 %y
}

; CHECK: define i32 @in_data({{.*}} #[[FVAR:[0-9]+]]
define i32 @in_data(i32 %x) {
  ret i32 %x
}
@data = global { i64, [2 x ptr] } { i64 7, [2 x ptr] [ptr null, ptr @in_data] }

; CHECK: define i32 @aliased({{.*}} #[[RELOC:[0-9]+]]
define i32 @aliased(i32 %x) {
  ret i32 %x
}
@other_name = alias i32 (i32), ptr @aliased

; In code behind a constant expression.
; CHECK: define float @as_number({{.*}} #[[RELOC_MATH:[0-9]+]]
define float @as_number(float %x) {
  %y = fmul fast float %x, %x
  ret float %y
}
; CHECK: define i64 @takes_number({{.*}} #[[ALL]]
define i64 @takes_number() {
  ret i64 ptrtoint (ptr @as_number to i64)
}

; A personality is not a reference to dispatch.
; CHECK: define void @raises({{.*}} #[[ALL]] personality
define void @raises() personality ptr @personality {
  ret void
}
; CHECK: define i32 @personality({{.*}} #[[ALL]]
define i32 @personality(...) {
  ret i32 0
}

declare double @llvm.fma.f64(double, double, double)
declare i1 @julia.cpu.have_fma.f32()

; CHECK-DAG: attributes #[[ALL]] = { "julia.mv.clones"="2" }
; CHECK-DAG: attributes #[[LOOP]] = { "julia.mv.clones"="6" }
; CHECK-DAG: attributes #[[MATH]] = { "julia.mv.clones"="A" }
; CHECK-DAG: attributes #[[SIMD]] = { "julia.mv.clones"="12" }
; CHECK-DAG: attributes #[[HALF]] = { "julia.mv.clones"="22" }
; CHECK-DAG: attributes #[[BFLOAT]] = { "julia.mv.clones"="42" }
; CHECK-DAG: attributes #[[CPU]] = { "julia.mv.clones"="82" }
; CHECK-DAG: attributes #[[RELOC_LOOP]] = { "julia.mv.clones"="6" "julia.mv.reloc" }
; CHECK-DAG: attributes #[[FVAR]] = { "julia.mv.clones"="2" "julia.mv.fvar" }
; CHECK-DAG: attributes #[[RELOC]] = { "julia.mv.clones"="2" "julia.mv.reloc" }
; CHECK-DAG: attributes #[[RELOC_MATH]] = { "julia.mv.clones"="A" "julia.mv.reloc" }

; CHECK: !llvm.module.flags = !{
; CHECK-DAG: !{i32 7, !"julia.mv.veccall", i32 1}
; CHECK-DAG: !{i32 1, !"julia.mv.annotated", i32 1}
!llvm.module.flags = !{!0, !1, !2}
!0 = !{i32 1, !"julia.mv.enable", i32 1}
!1 = !{i32 1, !"julia.mv.skipcloning", i32 1}
!2 = !{i32 1, !"julia.mv.specs", !3}
!3 = !{!4, !5, !6, !7, !8, !9, !10, !11}
!4 = !{!"base", !"", i32 0, i32 0}
!5 = !{!"all", !"", i32 0, i32 2}
!6 = !{!"loop", !"", i32 0, i32 8}
!7 = !{!"math", !"", i32 0, i32 4}
!8 = !{!"simd", !"", i32 0, i32 16}
!9 = !{!"half", !"", i32 0, i32 512}
!10 = !{!"bfloat", !"", i32 0, i32 1024}
!11 = !{!"cpu", !"", i32 0, i32 256}
